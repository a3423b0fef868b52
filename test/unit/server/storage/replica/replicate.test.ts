import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, it } from 'vitest'

import { addHold } from '../../../../../src/server/custody/hold.ts'
import { RotatedMarks } from '../../../../../src/server/custody/rotated-marks.ts'
import { shred } from '../../../../../src/server/custody/shred.ts'
import { ShreddedMarks } from '../../../../../src/server/custody/shredded-marks.ts'
import { recordingPrefix } from '../../../../../src/server/storage/layout.ts'
import type { CustodyPlace } from '../../../../../src/server/storage/open-store.ts'
import { ledgerLists } from '../../../../../src/server/storage/replica/ledger-lists.ts'
import { replicate, type ReplicateSummary } from '../../../../../src/server/storage/replica/replicate.ts'
import { FolderStore } from '../../../../../src/server/storage/folder-store.ts'
import { finishLeftKeys, replicateIntents } from '../../../../../src/server/vault/left-keys.ts'
import { rotationPlace } from '../../../../../src/server/vault/rotation-place.ts'
import { RECORDING_ID, vectorSigner } from '../../../../vectors/evidence/sample-recording.ts'
import { custodyRig, Mortality, type CustodyRig } from '../../custody/custody-rig.ts'

const PREFIX = recordingPrefix('default', RECORDING_ID)
const { verifyKey } = await vectorSigner()

/** What a bucket beside the folder would be told of legal holds, by place. */
type Holds = Map<string, boolean>

interface Wish {
  readonly to?: 'store' | 'replica'
  readonly life?: Mortality
  readonly isDryRun?: boolean
  readonly comparesContent?: boolean
  readonly holds?: Holds
  /** Runs before an object is stored. */
  readonly beforePut?: (key: string) => Promise<unknown>
  readonly signal?: AbortSignal
}

const IMMORTAL = new Mortality(Number.POSITIVE_INFINITY)

/** As the command does it, of the one recording of the rig. */
function run(rig: CustodyRig, wish: Wish = {}): Promise<ReplicateSummary> {
  const { to: wanted = 'replica', life = IMMORTAL, isDryRun = false, comparesContent = true, holds } = wish
  const places = rig.custody(life).places.map(({ store, ...place }): CustodyPlace => ({
    ...place,
    store: {
      ...store,
      put: async (key, bytes) => {
        await wish.beforePut?.(key)
        await store.put(key, bytes)
      },
      setLegalHold: (copy, isOn) =>
        Promise.resolve(holds?.set(`${place.place} ${copy.key.slice(PREFIX.length + 1)}`, isOn) !== undefined),
    },
  }))
  const [from, to] = [places.find(({ place }) => place !== wanted), places.find(({ place }) => place === wanted)]
  if (from === undefined || to === undefined) throw new Error('no place')
  const intents = replicateIntents(rig.dataDir)
  return replicate(one(), ledgerLists(from.store), {
    ...{ from, to, isDryRun, comparesContent, signal: wish.signal ?? new AbortController().signal },
    ...{ marks: new ShreddedMarks(rig.dataDir), rotated: new RotatedMarks(rig.dataDir), onProgress: () => {} },
    custodyOf: () => rig.custody(life, { places }),
    intents: {
      write: (id, prefix) => life.change(() => intents.write(id, prefix)),
      remove: (id) => life.change(() => intents.remove(id)),
    },
  })
}

async function* one() {
  yield { recordingId: RECORDING_ID, objectPrefix: PREFIX }
}

async function hold(rig: CustodyRig): Promise<void> {
  const { custody, note, leave } = rig.options()
  const randomBytes = (length: number): Uint8Array => new Uint8Array(length).fill(7)
  await addHold({ custody, note, leave, nowUnixMs: () => 1_764_414_000_000, randomBytes })
}

const remove = (rig: CustodyRig, place: 'store' | 'replica', name = ''): void =>
  rmSync(join(rig.stores[place], PREFIX, name), { recursive: true })

/** As the recorder does when it starts, and the command too. */
function start(rig: CustodyRig): Promise<void> {
  return finishLeftKeys({
    ...{
      places: rig.custody().places.map(rotationPlace),
      intents: replicateIntents(rig.dataDir),
      trusted: [verifyKey],
    },
    onDestroyed: () => {},
    onError: (_recordingId, error) => {
      throw error
    },
  })
}

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

describe('what is decided while it is brought', () => {
  /** As a rotation ends: the new key is in both stores, then the mark on the disk, then the key before is destroyed. */
  async function rotate(rig: CustodyRig, { isMarked }: { readonly isMarked: boolean }): Promise<void> {
    const places = rig.custody().places
    for (const { store } of places) await store.put(`${PREFIX}/key-001.age`, Buffer.from('sealed anew'))
    if (isMarked) await new RotatedMarks(rig.dataDir).write(RECORDING_ID, 1)
    for (const { store } of places) await store.delete(`${PREFIX}/key.age`)
  }

  const once = (name: string, work: () => Promise<unknown>): Pick<Required<Wish>, 'beforePut'> => {
    let isDone = false
    return {
      async beforePut(key) {
        if (isDone || !key.endsWith(`/${name}`)) return
        isDone = true
        await work()
      },
    }
  }

  it.each([true, false])('a key that is sealed anew in that moment does not stay (on this machine: %s)', async (isMarked) => {
    const rig = await custodyRig()
    remove(rig, 'replica')
    const problems = await run(rig, once('key.age', () => rotate(rig, { isMarked })))
    expect(problems).toMatchObject({ problems: [] })
    expect(rig.objects('replica')).toContain('key-001.age')
    for (const place of ['store', 'replica'] as const) expect(rig.objects(place)).not.toContain('key.age')
    expect(await replicateIntents(rig.dataDir).list()).toEqual([])
  })

  it('a rotation that has stored its key only, and not destroyed the one before, costs no key', async () => {
    const rig = await custodyRig()
    writeFileSync(join(rig.stores.store, PREFIX, 'key-001.age'), 'sealed anew')
    remove(rig, 'replica')
    expect(await run(rig)).toMatchObject({ problems: [], withheld: 0 })
    for (const place of ['store', 'replica'] as const) {
      expect(rig.objects(place)).toEqual(expect.arrayContaining(['key-001.age', 'key.age']))
    }
  })

  it.each(['replica', 'store'] as const)('killed behind a key that was sealed anew meanwhile, the next start finds it in the %s', async (to) => {
    let left = 0
    for (let at = 0, isReached = true; isReached; at += 1) {
      const [rig, life] = [await custodyRig(), new Mortality(at)]
      remove(rig, to)
      let isRotated = false
      const wish = once('key.age', async () => {
        isRotated = true
        await rotate(rig, { isMarked: true })
      })
      await run(rig, { to, life, ...wish }).catch(() => {})
      isReached = life.count > at
      if (!isRotated) continue
      left += rig.objects(to).includes('key.age') ? 1 : 0
      await start(rig)
      for (const place of ['store', 'replica'] as const) {
        expect(rig.objects(place), `killed at ${at}`).not.toContain('key.age')
        expect(rig.objects(place), `killed at ${at}`).toContain('key-001.age')
      }
    }
    expect(left).toBeGreaterThan(0)
  })

  it('killed while a key is there that only one store has left of a rotation, it loses none', async () => {
    const rig = await custodyRig()
    // The rotation of which the key before is still in the store has put its own in both; nobody knows whether it opens.
    for (const place of ['store', 'replica'] as const) writeFileSync(join(rig.stores[place], PREFIX, 'key-001.age'), 'new')
    remove(rig, 'replica', 'key.age')
    await replicateIntents(rig.dataDir).write(RECORDING_ID, [PREFIX, 'replica', 'key.age'].join('\n'))
    await start(rig)
    expect(rig.objects('store')).toContain('key.age')
  })

  it.each(['chunk-000000.age', 'chunk-000001.age', 'key.age', 'manifest.jws'])(
    'destroyed with its objects before %s is stored, nothing of it stays, killed at whatever step',
    async (name) => {
      const kept = (rig: CustodyRig): readonly string[] => rig.objects('replica').filter((each) => !each.startsWith('custody-') && each !== 'manifest.jws')
      for (let at = 0, isReached = true; isReached; at += 1) {
        const [rig, life] = [await custodyRig(), new Mortality(at)]
        remove(rig, 'replica')
        let isDestroyed = false
        const wish = once(name, async () => {
          isDestroyed = true
          await shred({ ...rig.options(), scope: 'objects' })
        })
        await run(rig, { life, ...wish }).catch(() => {})
        isReached = life.count > at
        if (!isReached) expect(kept(rig)).toEqual([])
        if (isDestroyed) await start(rig)
        if (isDestroyed) expect(kept(rig), `killed at ${at}`).toEqual([])
      }
    },
  )

  it.each(['chunk-000000.age', 'key.age', 'manifest.jws'])(
    'a legal hold that comes before %s is stored is put on all that is there afterwards',
    async (name) => {
      const rig = await custodyRig()
      remove(rig, 'replica')
      const holds: Holds = new Map()
      expect(await run(rig, { holds, ...once(name, () => hold(rig)) })).toMatchObject({ held: 1, problems: [] })
      for (const each of rig.objects('replica')) expect(holds.get(`replica ${each}`), each).toBe(true)
    },
  )
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

it('parts of ledgers come in the order in which they say that others are there', async () => {
  const rig = await custodyRig()
  const logId = '019aaff1-0680-7abc-8def-0123456789aa'
  const month = `ledger/${logId}/2026/11`
  const names = [
    'checkpoint-000000000002.note',
    'checkpoint-000000000002.tsr',
    'entries-000000000000-000000000002.jwsl',
  ]
  const store = new FolderStore(rig.stores.store)
  for (const name of names) await store.put(`${month}/${name}`, Buffer.from(name))
  await store.put(`ledger/logs/${logId}.jws`, Buffer.from('statement 0'))
  const put: string[] = []
  await run(rig, { beforePut: (key) => Promise.resolve(put.push(key)) })
  expect(put).toEqual([
    `${month}/${names[2]}`,
    `${month}/${names[0]}`,
    `${month}/${names[1]}`,
    `ledger/logs/${logId}.jws`,
  ])
})
