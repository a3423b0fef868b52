import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'

import { EarwitnessError } from '../../../../../src/errors.ts'
import { MissingList } from '../../../../../src/server/storage/replica/missing-list.ts'
import { Replicator, type ReplicatorOptions } from '../../../../../src/server/storage/replica/replicator.ts'
import { codeOf } from '../../../../support/object-store-contract.ts'
import { SpoolDisk } from '../../../../support/spool-disk.ts'

const RETRY = { firstMs: 1, lastMs: 2 }
const bytes = (text: string): Uint8Array => Buffer.from(text)
const settled = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))

/** A store in memory that can be down. */
class MemoryStore {
  readonly objects = new Map<string, string>()
  code: string | undefined

  async put(key: string, object: Uint8Array): Promise<void> {
    this.#answer()
    const text = Buffer.from(object).toString('latin1')
    if ((this.objects.get(key) ?? text) !== text) throw new EarwitnessError('storage-conflict', 'Taken.', 'Look.')
    this.objects.set(key, text)
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    this.#answer()
    const text = this.objects.get(key)
    return text === undefined ? undefined : Buffer.from(text, 'latin1')
  }

  #answer(): void {
    if (this.code !== undefined) throw new EarwitnessError(this.code, 'It is away.', 'Wait.')
  }
}

const running: Replicator[] = []
afterEach(() => Promise.all(running.splice(0).map((replicator) => replicator.stop())))

interface Rig {
  readonly disk: SpoolDisk
  readonly primary: MemoryStore
  readonly replica: MemoryStore
}

const rig = (): Rig => ({ disk: new SpoolDisk(), primary: new MemoryStore(), replica: new MemoryStore() })

async function started({ disk, primary, replica }: Rig, options: Partial<ReplicatorOptions> = {}) {
  const missing = new MissingList({ folder: '/replica', files: disk, onError: () => {} })
  await missing.run()
  const told: string[] = []
  const observer = {
    stored: () => told.push('stored'),
    failed: (_seconds: number, code: string) => told.push(code),
    unnoted: () => told.push('unnoted'),
  }
  const replicator = new Replicator({
    ...{ primary, replica, missing, durable: 'primary', uploadsMax: 4, observer, nowUnixMs: () => 5, retry: RETRY },
    ...options,
  })
  running.push(replicator)
  replicator.run()
  return { replicator, told }
}

const drained = (replicator: Replicator): Promise<void> =>
  expect.poll(() => replicator.missing, { timeout: 20_000, interval: 2 }).toBe(0)

describe('the replicator', () => {
  it('brings an object to both stores, and then knows of none that is missing', async () => {
    const { primary, replica, disk } = rig()
    const { replicator, told } = await started({ primary, replica, disk })
    await replicator.put('a', bytes('one'))
    expect(await replicator.drain(20_000)).toBe(true)
    expect([...primary.objects, ...replica.objects]).toEqual([
      ['a', 'one'],
      ['a', 'one'],
    ])
    expect(told).toEqual(['stored'])
    expect(replicator).toMatchObject({ missing: 0, heldBytes: 0, failing: undefined, oldestUnixMs: undefined })
  })

  it('does not let the primary store wait for a replica that is down, and catches up by itself', async () => {
    const stores = rig()
    stores.replica.code = 'storage-unreachable'
    const { replicator, told } = await started(stores)
    for (const key of ['a', 'b', 'c']) await replicator.put(key, bytes(key))
    await expect.poll(() => replicator.failing).toBe('storage-unreachable')
    expect(replicator).toMatchObject({ missing: 3, heldBytes: 3, oldestUnixMs: 5 })
    expect(await replicator.drain(20_000)).toBe(false)
    stores.replica.code = undefined
    await drained(replicator)
    expect(stores.replica.objects).toEqual(stores.primary.objects)
    expect(told).toContain('storage-unreachable')
    expect(replicator.failing).toBeUndefined()
  })

  it('waits for both stores when both are needed', async () => {
    const stores = rig()
    stores.replica.code = 'storage-busy'
    const { replicator } = await started(stores, { durable: 'both' })
    let isStored = false
    const storing = replicator.put('a', bytes('one')).then(() => (isStored = true))
    await expect.poll(() => replicator.failing).toBe('storage-busy')
    expect(isStored).toBe(false)
    expect(stores.primary.objects.has('a')).toBe(true)
    stores.replica.code = undefined
    await storing
    expect(stores.replica.objects.has('a')).toBe(true)
  })

  it('ends the waiting when it is stopped', async () => {
    const stores = rig()
    stores.replica.code = 'storage-busy'
    const { replicator } = await started(stores, { durable: 'both' })
    const code = codeOf(replicator.put('a', bytes('one')))
    await expect.poll(() => replicator.failing).toBe('storage-busy')
    await replicator.stop()
    expect(await code).toBe('storage-stopped')
  })

  it('goes on after a restart, and a power cut, with what the store has', async () => {
    const stores = rig()
    stores.replica.code = 'storage-unreachable'
    const { replicator } = await started(stores)
    await replicator.put('a', bytes('one'))
    await replicator.put('b', bytes('two'))
    stores.disk.cutPower()
    await replicator.stop()
    const again = await started(stores)
    expect(again.replicator.missing).toBe(2)
    stores.replica.code = undefined
    await drained(again.replicator)
    expect(stores.replica.objects).toEqual(stores.primary.objects)
  })

  it('keeps on the replica what a dead primary store does not take, and brings it back later', async () => {
    const stores = rig()
    stores.primary.code = 'storage-unreachable'
    const { replicator } = await started(stores)
    expect(await codeOf(replicator.put('a', bytes('one')))).toBe('storage-unreachable')
    await expect.poll(() => stores.replica.objects.get('a')).toBe('one')
    expect(replicator).toMatchObject({ missing: 1, heldBytes: 0 })
    // It ends here, and nobody puts the object again.
    stores.disk.cutPower()
    await replicator.stop()
    const again = await started(stores)
    await settled()
    stores.primary.code = undefined
    await drained(again.replicator)
    expect(stores.primary.objects.get('a')).toBe('one')
  })

  it('takes the same object again, from the upload queue that tries again', async () => {
    const stores = rig()
    stores.primary.code = 'storage-unreachable'
    const { replicator, told } = await started(stores)
    for (let attempt = 0; attempt < 3; attempt += 1) await codeOf(replicator.put('a', bytes('one')))
    stores.primary.code = undefined
    await replicator.put('a', bytes('one'))
    await drained(replicator)
    expect(told).toEqual(['stored'])
  })

  it('forgets what is in neither store: whoever has it puts it again', async () => {
    const stores = rig()
    stores.primary.code = 'storage-unreachable'
    stores.replica.code = 'storage-unreachable'
    const { replicator } = await started(stores)
    await codeOf(replicator.put('a', bytes('one')))
    await replicator.stop()
    stores.primary.code = undefined
    stores.replica.code = undefined
    const again = await started(stores)
    await drained(again.replicator)
    expect(stores.primary.objects.size + stores.replica.objects.size).toBe(0)
  })

  it('lets one of two writers through that give the same name at once', async () => {
    const stores = rig()
    stores.replica.code = 'storage-busy'
    const { replicator } = await started(stores)
    const outcomes = await Promise.allSettled([replicator.put('a', bytes('one')), replicator.put('a', bytes('two'))])
    expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
    stores.replica.code = undefined
    await drained(replicator)
    expect(stores.replica.objects).toEqual(stores.primary.objects)
  })

  it('gives up what conflicts, on either side, and says so', async () => {
    const stores = rig()
    stores.replica.objects.set('a', 'foreign')
    stores.primary.objects.set('b', 'foreign')
    const { replicator, told } = await started(stores)
    await replicator.put('a', bytes('one'))
    expect(await codeOf(replicator.put('b', bytes('two')))).toBe('storage-conflict')
    await drained(replicator)
    expect(told).toContain('storage-conflict')
    expect(replicator.failing).toBeUndefined()
    const both = await started(rig(), { durable: 'both', replica: stores.replica })
    expect(await codeOf(both.replicator.put('a', bytes('one')))).toBe('storage-conflict')
  })

  it('holds so much in memory, and reads the rest back from the store', async () => {
    const stores = rig()
    stores.replica.code = 'storage-unreachable'
    const { replicator } = await started(stores, { heldBytesMax: 4_000 })
    const object = new Uint8Array(1_000)
    for (const key of ['a', 'b', 'c', 'd', 'e', 'f']) await replicator.put(key, object)
    expect(replicator).toMatchObject({ missing: 6, heldBytes: 4_000 })
    stores.replica.code = undefined
    await drained(replicator)
    expect(replicator.heldBytes).toBe(0)
    expect([...stores.replica.objects.keys()].toSorted()).toEqual(['a', 'b', 'c', 'd', 'e', 'f'])
  })

  it('says when the disk does not take a note, and replicates all the same', async () => {
    const stores = rig()
    const { replicator, told } = await started(stores)
    stores.disk.fails = (operation) => operation === 'create'
    await replicator.put('a', bytes('one'))
    await expect.poll(() => stores.replica.objects.get('a')).toBe('one')
    expect(told).toContain('unnoted')
  })

  it('does not bring back what was deleted meanwhile', async () => {
    const stores = rig()
    stores.replica.code = 'storage-unreachable'
    const { replicator } = await started(stores)
    await replicator.put('a', bytes('one'))
    replicator.forget('a')
    stores.replica.code = undefined
    await replicator.put('b', bytes('two'))
    await drained(replicator)
    expect([...stores.replica.objects.keys()]).toEqual(['b'])
  })
})

describe('whatever fails, and whenever the power is cut', () => {
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.constant('put' as const) },
    fc.constantFrom('primaryDown', 'primaryUp', 'replicaDown', 'replicaUp', 'cut', 'turn'),
  )

  it('both stores end with everything that one of them ever took', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const stores = rig()
        let { replicator } = await started(stores)
        const stored = new Set<string>()
        let count = 0
        for (const one of steps) {
          if (one === 'put') {
            const key = `key-${(count += 1)}`
            await replicator.put(key, bytes(key)).then(
              () => stored.add(key),
              () => undefined,
            )
          } else if (one === 'cut') {
            stores.disk.cutPower()
            await replicator.stop()
            ;({ replicator } = await started(stores))
          } else if (one === 'turn') await settled()
          else
            stores[one.startsWith('primary') ? 'primary' : 'replica'].code = one.endsWith('Up')
              ? undefined
              : 'storage-busy'
        }
        // What was refused at last would be put again by the upload queue; here it ends.
        stores.disk.cutPower()
        await replicator.stop()
        stores.primary.code = undefined
        stores.replica.code = undefined
        const last = await started(stores)
        await drained(last.replicator)
        expect([...stores.replica.objects.keys()].toSorted()).toEqual([...stores.primary.objects.keys()].toSorted())
        for (const key of stored) expect(stores.primary.objects.has(key)).toBe(true)
      }),
      { numRuns: 60 },
    )
  })
})
