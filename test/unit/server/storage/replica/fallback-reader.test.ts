import { describe, expect, it } from 'vitest'

import { EarwitnessError } from '../../../../../src/errors.ts'
import { FallbackReader, type FallbackKind } from '../../../../../src/server/storage/replica/fallback-reader.ts'
import { codeOf } from '../../../../support/object-store-contract.ts'

interface Half {
  objects: Readonly<Record<string, string>>
  code?: string | undefined
  asked: number
}

function storeOf(half: Half) {
  const answer = <Value>(value: Value): Promise<Value> => {
    half.asked += 1
    if (half.code === undefined) return Promise.resolve(value)
    return Promise.reject(new EarwitnessError(half.code, 'It is away.', 'Wait.'))
  }
  return {
    get: (key: string) => {
      const text = half.objects[key]
      return answer(text === undefined ? undefined : Buffer.from(text))
    },
    list: (prefix: string) =>
      answer(
        Object.entries(half.objects)
          .filter(([key]) => key.startsWith(prefix))
          .map(([key, text]) => ({ key, sizeBytes: text.length }))
          .toSorted((one, other) => (one.key < other.key ? -1 : 1)),
      ),
  }
}

function reader({ lists = true }: { readonly lists?: boolean } = {}) {
  const primary: Half = { objects: { a: 'one', c: 'three' }, asked: 0 }
  const replica: Half = { objects: { a: 'one', b: 'two' }, asked: 0 }
  const told: [FallbackKind, string | undefined][] = []
  const clock = { nowMs: 0 }
  const reading = new FallbackReader({
    ...{ primary: storeOf(primary), replica: storeOf(replica), listsWithoutPrimary: lists, nowMs: () => clock.nowMs },
    onFallback: (kind, code) => told.push([kind, code]),
  })
  const text = async (key: string) => Buffer.from((await reading.get(key)) ?? 'nothing').toString()
  const keys = async () => (await reading.list('')).map(({ key }) => key)
  return { primary, replica, told, clock, reading, text, keys }
}

describe('reading from two stores', () => {
  it('asks the replica for nothing that the primary store has', async () => {
    const { text, replica, told } = reader()
    expect(await text('a')).toBe('one')
    expect(replica.asked).toBe(0)
    expect(told).toEqual([])
  })

  it('takes from the replica what the primary store lacks, and says so', async () => {
    const { text, told } = reader()
    expect(await text('b')).toBe('two')
    expect(told).toEqual([['lacked', undefined]])
    expect(await text('x')).toBe('nothing')
    expect(told).toHaveLength(1)
  })

  it('takes everything from the replica while the primary store is down, without asking it for each', async () => {
    const { text, primary, told, clock } = reader()
    primary.code = 'storage-unreachable'
    expect(await text('a')).toBe('one')
    expect(await text('b')).toBe('two')
    expect(primary.asked).toBe(1)
    expect(told[0]).toEqual(['down', 'storage-unreachable'])
    primary.code = undefined
    clock.nowMs = 60_000
    expect(await text('c')).toBe('three')
  })

  it('asks the primary store again for the next object when it was refused one', async () => {
    const { reading, text, primary } = reader()
    primary.code = 'storage-blocked'
    expect(await codeOf(reading.get('c'))).toBe('storage-blocked')
    primary.code = undefined
    expect(await text('c')).toBe('three')
  })

  it('does not say that there is nothing when only the replica has said so', async () => {
    const { reading, primary } = reader()
    primary.code = 'storage-unreachable'
    expect(await codeOf(reading.get('c'))).toBe('storage-unreachable')
  })

  it('says when the replica could not be asked', async () => {
    const { text, replica, told, keys } = reader()
    replica.code = 'storage-timeout'
    expect(await text('b')).toBe('nothing')
    expect(told).toEqual([['unasked', 'storage-timeout']])
    expect(await keys()).toEqual(['a', 'c'])
  })

  it('lists what either has, in order; without the primary store only for those who may', async () => {
    const { keys, primary, told } = reader()
    expect(await keys()).toEqual(['a', 'b', 'c'])
    primary.code = 'storage-busy'
    expect(await keys()).toEqual(['a', 'b'])
    expect(told).toEqual([['down', 'storage-busy']])
    const careful = reader({ lists: false })
    careful.primary.code = 'storage-busy'
    expect(await codeOf(careful.reading.list(''))).toBe('storage-busy')
  })

  it('passes on what is wrong with the question itself', async () => {
    const { reading, primary } = reader()
    primary.code = 'storage-key-invalid'
    expect(await codeOf(reading.get('a'))).toBe('storage-key-invalid')
    primary.code = undefined
    expect(await reading.get('a')).toBeDefined()
  })
})
