import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, it } from 'vitest'

import { EarwitnessError } from '../../../../../src/errors.ts'
import { RotatedMarks } from '../../../../../src/server/custody/rotated-marks.ts'
import { shred } from '../../../../../src/server/custody/shred.ts'
import { FolderStore } from '../../../../../src/server/storage/folder-store.ts'
import { replicateIntents } from '../../../../../src/server/vault/left-keys.ts'
import { RECORDING_ID } from '../../../../vectors/evidence/sample-recording.ts'
import { custodyRig, Mortality, type CustodyRig } from '../../custody/custody-rig.ts'
import { hold, PREFIX, remove, run, start, type Holds, type Wish } from './replicate-rig.ts'

describe.each(['replica', 'store'] as const)('what the %s lacks', (to) => {
  const other = to === 'store' ? 'replica' : 'store'

  it('is brought there, byte for byte, and once more is nothing', async () => {
    const rig = await custodyRig({ moreKeys: true })
    remove(rig, to)
    const count = rig.objects(other).length
    expect(await run(rig, { to, isDryRun: true })).toMatchObject({ copied: count, same: 0, isDryRun: true })
    expect(rig.objects(to)).toEqual([])
    const sizes = rig.objects(other).map((name) => readFileSync(join(rig.stores[other], PREFIX, name)).length)
    const copiedBytes = sizes.reduce((sum, size) => sum + size, 0)
    expect(await run(rig, { to })).toMatchObject({ recordings: 1, copied: count, copiedBytes, problems: [] })
    expect(rig.objects(to)).toEqual(rig.objects(other))
    for (const name of rig.objects(other)) {
      const [here, there] = ([to, other] as const).map((place) => readFileSync(join(rig.stores[place], PREFIX, name)))
      expect(here?.equals(there ?? Buffer.alloc(0)), name).toBe(true)
    }
    expect(await run(rig, { to })).toMatchObject({ copied: 0, same: count, differing: 0, withheld: 0 })
  })

  it('killed at any step, it has changed nothing that was there, and the next run finishes', async () => {
    for (let at = 0, isReached = true; isReached; at += 1) {
      const [rig, life] = [await custodyRig(), new Mortality(at)]
      remove(rig, to)
      const before = rig.objects(other)
      await run(rig, { to, life }).catch(() => {})
      isReached = life.count > at
      expect(rig.objects(other)).toEqual(before)
      const isWhole = rig.objects(to).length === before.length
      expect(rig.objects(to).includes('manifest.jws'), `killed at ${at}`).toBe(isWhole)
      await start(rig)
      expect(await run(rig, { to })).toMatchObject({ differing: 0, problems: [] })
      expect(rig.objects(to)).toEqual(before)
      expect(await replicateIntents(rig.dataDir).list()).toEqual([])
    }
  })

  it('is not brought of what was destroyed, by its record, or by what this machine alone knows', async () => {
    const rig = await custodyRig()
    const options = rig.options()
    await shred(options)
    const key = rig.wrappedKey
    // As a backup of one store that was put back would have it.
    writeFileSync(join(rig.stores[other], PREFIX, 'key.age'), key)
    expect(await run(rig, { to })).toMatchObject({ copied: 0, withheld: 1 })
    for (const place of ['store', 'replica'] as const) {
      for (const name of rig.objects(place).filter((each) => each.startsWith('custody'))) remove(rig, place, name)
    }
    expect(await run(rig, { to })).toMatchObject({ copied: 0, withheld: 1 })
    expect(rig.objects(to)).not.toContain('key.age')
  })

  it('killed at any step while the recording is destroyed, it leaves no key that the next start does not find', async () => {
    let left = 0
    for (let at = 0, isReached = true; isReached; at += 1) {
      const [rig, life] = [await custodyRig(), new Mortality(at)]
      remove(rig, to)
      let isDestroyed = false
      const beforePut = async (key: string): Promise<void> => {
        if (!key.endsWith('/key.age') || isDestroyed) return
        isDestroyed = true
        await shred(rig.options())
      }
      await run(rig, { to, life, beforePut }).catch(() => {})
      isReached = life.count > at
      if (!isDestroyed) continue
      left += rig.keysLeft().length > 0 ? 1 : 0
      await start(rig)
      expect(rig.keysLeft(), `killed at ${at}`).toEqual([])
    }
    expect(left).toBeGreaterThan(1)
  })
})

describe('what both stores have', () => {
  it('and is not the same is named, and left as it is', async () => {
    const rig = await custodyRig()
    const path = join(rig.stores.replica, PREFIX, 'chunk-000000.age')
    const bytes = readFileSync(path)
    bytes[20] = (bytes[20] ?? 0) ^ 1
    writeFileSync(path, bytes)
    const key = `${PREFIX}/chunk-000000.age`
    expect(await run(rig)).toMatchObject({ differing: 1, problems: [{ key, code: 'storage-conflict' }] })
    expect(readFileSync(path).equals(bytes)).toBe(true)
    expect(await run(rig, { comparesContent: false })).toMatchObject({ differing: 0, comparesContent: false })
    writeFileSync(path, 'longer than it was, or shorter')
    expect(await run(rig, { comparesContent: false })).toMatchObject({ differing: 1 })
  })

  it('is brought nothing before it of a key that was sealed anew', async () => {
    const rig = await custodyRig({ moreKeys: true })
    remove(rig, 'replica', 'key.age')
    expect(await run(rig)).toMatchObject({ copied: 0, withheld: 1 })
    // The key before, of which this machine knows that it was destroyed.
    await new RotatedMarks(rig.dataDir).write(RECORDING_ID, 1)
    remove(rig, 'replica')
    expect(await run(rig)).toMatchObject({ withheld: 1 })
    expect(rig.objects('replica')).toContain('key-001.age')
    expect(rig.objects('replica')).not.toContain('key.age')
  })
})

it('what is on legal hold is put on that of the second store too, also by a run after one that was killed', async () => {
  const rig = await custodyRig()
  await hold(rig)
  remove(rig, 'replica')
  const holds: Holds = new Map()
  expect(await run(rig, { holds })).toMatchObject({ held: 1, problems: [] })
  for (const name of rig.objects('store')) expect(holds.get(`replica ${name}`), name).toBe(true)
  holds.clear()
  expect(await run(rig, { holds })).toMatchObject({ copied: 0, held: 1 })
  expect(holds.get('replica key.age')).toBe(true)
})

it('a recording about which something was decided that cannot be believed is left, and named', async () => {
  const rig = await custodyRig()
  remove(rig, 'replica')
  writeFileSync(join(rig.stores.store, PREFIX, 'custody-000.jws'), 'forged')
  expect(await run(rig)).toMatchObject({ copied: 0, problems: [{ key: PREFIX, code: 'custody-damaged' }] })
  expect(rig.objects('replica')).toEqual([])
})

it('told to stop, it ends between two objects and says so', async () => {
  const rig = await custodyRig()
  remove(rig, 'replica')
  const stop = new AbortController()
  const beforePut = (): Promise<void> => Promise.resolve(stop.abort())
  expect(await run(rig, { beforePut, signal: stop.signal })).toMatchObject({ copied: 1, isCut: true })
  expect(rig.objects('replica')).toHaveLength(1)
})

it('waits before each object that it brings, and for nothing else; told to stop meanwhile, it brings no more', async () => {
  const rig = await custodyRig()
  const sizes = rig.objects('store').map((name) => readFileSync(join(rig.stores.store, PREFIX, name)).length)
  remove(rig, 'replica')
  const waited: number[] = []
  const beforeBytes = (bytes: number): Promise<unknown> => Promise.resolve(waited.push(bytes))
  await run(rig, { beforeBytes, isDryRun: true })
  expect(waited).toEqual([])
  await run(rig, { beforeBytes })
  await run(rig, { beforeBytes })
  const ascending = (one: number, other: number): number => one - other
  expect(waited.toSorted(ascending)).toEqual(sizes.toSorted(ascending))
  remove(rig, 'replica')
  const stop = new AbortController()
  const stopped = await run(rig, { beforeBytes: () => Promise.resolve(stop.abort()), signal: stop.signal })
  expect([stopped.copied, stopped.isCut, rig.objects('replica')]).toEqual([0, true, []])
})

/** A ledger of which the store has two months. */
async function ledgerIn(rig: CustodyRig): Promise<{ readonly months: readonly string[]; readonly logId: string }> {
  const logId = '019aaff1-0680-7abc-8def-0123456789aa'
  const months = ['11', '12'].map((month) => `ledger/${logId}/2026/${month}`)
  const store = new FolderStore(rig.stores.store)
  for (const month of months) for (const name of LEDGER_NAMES) await store.put(`${month}/${name}`, Buffer.from(name))
  await store.put(`ledger/logs/${logId}.jws`, Buffer.from('statement 0'))
  return { months, logId }
}

/** In the order in which they are to come. */
const LEDGER_NAMES = [
  'entries-000000000000-000000000002.jwsl',
  'checkpoint-000000000002.note',
  'checkpoint-000000000002.tsr',
] as const

/** As a store that does not take one object. */
function without(end: string, put: string[] = []): Wish {
  return {
    beforePut: (key) => {
      if (key.endsWith(end)) throw new EarwitnessError('storage-away', 'The store is away.', 'Wait for it.')
      return Promise.resolve(put.push(key))
    },
  }
}

describe('in the order in which one says of others that they are there', () => {
  it('come what was decided, the rest, and the manifest, each given to the owner of the folder', async () => {
    const rig = await custodyRig({ moreKeys: true })
    await hold(rig)
    remove(rig, 'replica')
    const [put, adopted]: [string[], string[]] = [[], []]
    await run(rig, { adopted, beforePut: (key) => Promise.resolve(put.push(key.slice(PREFIX.length + 1))) })
    expect([put[0], put.at(-1)]).toEqual(['custody-000.jws', 'manifest.jws'])
    expect(put.toSorted()).toEqual(rig.objects('store'))
    expect(adopted).toEqual(put.map((name) => `replica ${PREFIX}/${name}`))
  })

  it('no manifest comes before what it names', async () => {
    const rig = await custodyRig()
    remove(rig, 'replica')
    const problem = { key: `${PREFIX}/chunk-000000.age`, code: 'storage-away' }
    expect(await run(rig, without('/chunk-000000.age'))).toMatchObject({ problems: [problem] })
    const names = rig.objects('store').filter((name) => name !== 'manifest.jws' && name !== 'chunk-000000.age')
    expect(rig.objects('replica')).toEqual(names)
    expect(await run(rig)).toMatchObject({ copied: 2, problems: [] })
    expect(rig.objects('replica')).toEqual(rig.objects('store'))
  })

  it('one that differs does not keep the manifest back', async () => {
    const rig = await custodyRig()
    writeFileSync(join(rig.stores.replica, PREFIX, 'chunk-000000.age'), 'another')
    remove(rig, 'replica', 'manifest.jws')
    expect(await run(rig)).toMatchObject({ copied: 1, differing: 1 })
  })

  it('nothing comes before what was decided', async () => {
    const rig = await custodyRig()
    await hold(rig)
    remove(rig, 'replica')
    expect(await run(rig, without('/custody-000.jws'))).toMatchObject({
      copied: 0,
      problems: [{ code: 'storage-away' }],
    })
    expect(rig.objects('replica')).toEqual([])
  })

  it('come the parts of ledgers, and of a month none behind one that could not be brought', async () => {
    const rig = await custodyRig()
    const { months, logId } = await ledgerIn(rig)
    const put: string[] = []
    await run(rig, without(`/11/${LEDGER_NAMES[0]}`, put))
    const december = LEDGER_NAMES.map((name) => `${months[1]}/${name}`)
    expect(put).toEqual([...december, `ledger/logs/${logId}.jws`])
    put.length = 0
    await run(rig, { beforePut: (key) => Promise.resolve(put.push(key)) })
    expect(put).toEqual(LEDGER_NAMES.map((name) => `${months[0]}/${name}`))
  })
})

it('told to stop while it brings a ledger, it lists no other month of it', async () => {
  const rig = await custodyRig()
  const { months } = await ledgerIn(rig)
  const [stop, listed] = [new AbortController(), new Set<string>()]
  const summary = await run(rig, {
    ...{ signal: stop.signal, beforePut: () => Promise.resolve(stop.abort()) },
    beforeAsk: (what, key) => what === 'list' && listed.add(key),
  })
  expect(summary).toMatchObject({ copied: 1, isCut: true, problems: [] })
  expect([...listed]).toEqual([`${months[0]}/`])
})

it.each(['store', 'replica'] as const)(
  'what is destroyed in the %s while it is compared does not differ',
  async (place) => {
    const rig = await custodyRig()
    let isGone = false
    const beforeAsk: Wish['beforeAsk'] = (what, key) => {
      if (isGone || what !== 'get' || !key.endsWith('/chunk-000000.age')) return
      isGone = true
      remove(rig, place, 'chunk-000000.age')
    }
    const same = rig.objects('store').length - 1
    expect(await run(rig, { beforeAsk })).toMatchObject({ copied: 0, same, differing: 0, problems: [] })
  },
)
