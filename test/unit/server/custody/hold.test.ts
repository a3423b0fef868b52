import { expect, test } from 'vitest'

import {
  addHold,
  applyHolds,
  releaseHolds,
  releaseLostHold,
  type HoldOptions,
} from '../../../../src/server/custody/hold.ts'
import type { KnownHold } from '../../../../src/server/custody/lost-holds.ts'
import type { RecordingCustody } from '../../../../src/server/custody/recording-custody.ts'
import { custodyRig, type CustodyRig } from './custody-rig.ts'

/** Two people decide at one moment about a recording whose stores have legal holds of their own, as S3 Object Lock has. */

const LATER = 1_764_414_000_000

interface Buckets {
  readonly custody: RecordingCustody
  /** Runs before the next legal hold is set or taken off. */
  meanwhile: (() => Promise<unknown>) | undefined
  /** Whether each object is held by its store; of each value once. */
  held(): readonly boolean[]
}

function buckets(rig: CustodyRig, known = new Map<string, boolean>()): Buckets {
  const custody = rig.custody()
  const found: Buckets = { custody, meanwhile: undefined, held: () => [...new Set(known.values())] }
  const places = custody.places.map(({ place, store, ...rest }) => ({
    ...{ ...rest, place },
    store: {
      ...store,
      setLegalHold: async ({ key }: { readonly key: string }, isOn: boolean) => {
        const { meanwhile } = found
        found.meanwhile = undefined
        await meanwhile?.()
        known.set(`${place} ${key}`, isOn)
        return true
      },
    },
  }))
  return Object.assign(found, { custody: rig.custody(undefined, { places }) })
}

function options(rig: CustodyRig, { custody }: Buckets): HoldOptions & Parameters<typeof addHold>[0] {
  const { note, leave } = rig.options()
  let calls = 0
  const randomBytes = (length: number) => Uint8Array.from({ length }, () => (calls += 1) + rig.requests.size)
  return { custody, note, leave, nowUnixMs: () => LATER, randomBytes, knownHolds: () => Promise.resolve([]) }
}

const LOST = '019aaff1-0680-7abc-8def-0000000000aa'
const ALSO_LOST = '019aaff1-0680-7abc-8def-0000000000bb'
const knownHold = (holdId: string): KnownHold => ({
  holdId,
  recordSha256: holdId.slice(-2).repeat(32),
  knownBy: 'ledger',
})
const HELD = [{ outcome: 'set' }, { outcome: 'set' }]
const NOT_HELD = [{ outcome: 'takenOff' }, { outcome: 'takenOff' }]

test('stores go on holding what a hold whose record is lost still keeps, until that is released too', async () => {
  const rig = await custodyRig()
  const bucket = buckets(rig)
  const known = [knownHold(LOST), knownHold(ALSO_LOST)]
  const lost = { ...options(rig, bucket), knownHolds: () => Promise.resolve(known) }
  expect(await releaseLostHold({ ...lost, holdId: LOST })).toMatchObject({
    ...{ holds: [], lostHolds: [{ holdId: ALSO_LOST }], storeHolds: HELD, troubles: [] },
  })
  expect(bucket.held()).toEqual([true])
  expect(await releaseLostHold({ ...lost, holdId: ALSO_LOST })).toMatchObject({ lostHolds: [], storeHolds: NOT_HELD })
  expect(bucket.held()).toEqual([false])
})

test('so they do when the last hold that has a record is released, and when holds are applied', async () => {
  const rig = await custodyRig()
  const bucket = buckets(rig)
  const lost = { ...options(rig, bucket), knownHolds: () => Promise.resolve([knownHold(LOST)]) }
  await addHold(options(rig, bucket))
  const report = { holds: [], lostHolds: [{ holdId: LOST }], storeHolds: HELD }
  expect(await releaseHolds({ ...lost, which: 'only' })).toMatchObject(report)
  expect(await applyHolds(lost)).toMatchObject(report)
  expect(bucket.held()).toEqual([true])
})

test('where nobody can tell whether a lost hold keeps it, stores go on holding, and it is said', async () => {
  const rig = await custodyRig()
  const bucket = buckets(rig)
  const silent = { ...options(rig, bucket), knownHolds: () => Promise.reject(new Error('away')) }
  // Nobody is asked while there is a hold with a record.
  expect(await addHold(silent)).toMatchObject({ troubles: [] })
  const report = await releaseHolds({ ...silent, which: 'only' })
  expect(report).toMatchObject({ holds: [], storeHolds: HELD, troubles: [{ code: 'hold-lost-unknown' }] })
  expect(await applyHolds(options(rig, bucket))).toMatchObject({ storeHolds: NOT_HELD, troubles: [] })
})

test('a hold that is added while the last one is released ends with the stores holding', async () => {
  const rig = await custodyRig()
  const known = new Map<string, boolean>()
  const [one, other] = [buckets(rig, known), buckets(rig, known)]
  await addHold(options(rig, one))
  expect(one.held()).toEqual([true])
  one.meanwhile = () => addHold(options(rig, other))
  const report = await releaseHolds({ ...options(rig, one), which: 'only' })
  expect(report).toMatchObject({ holds: [{}], troubles: [], storeHolds: [{ outcome: 'set' }, { outcome: 'set' }] })
  expect(one.held()).toEqual([true])
})

test('a hold that is released while it is being set ends with the stores not holding', async () => {
  const rig = await custodyRig()
  const known = new Map<string, boolean>()
  const [one, other] = [buckets(rig, known), buckets(rig, known)]
  one.meanwhile = () => releaseHolds({ ...options(rig, other), which: 'only' })
  expect(await addHold(options(rig, one))).toMatchObject({ holds: [], troubles: [] })
  expect(one.held()).toEqual([false])
})

test('where others decide again and again, it gives up and says so', async () => {
  const rig = await custodyRig()
  const known = new Map<string, boolean>()
  const [one, other] = [buckets(rig, known), buckets(rig, known)]
  let rounds = 0
  const decideOtherwise = async (): Promise<void> => {
    rounds += 1
    if (rounds % 2 === 1) await releaseHolds({ ...options(rig, other), which: 'only' })
    else await addHold(options(rig, other))
  }
  const [first, ...rest] = one.custody.places
  if (first === undefined) throw new Error('no store')
  // Once in each round: when the objects of the first store are looked for.
  const store = {
    ...first.store,
    copies: async (prefix: string) => {
      await decideOtherwise()
      return first.store.copies(prefix)
    },
  }
  const custody = rig.custody(undefined, { places: [{ ...first, store }, ...rest] })
  const { troubles } = await addHold({ ...options(rig, one), custody })
  expect(troubles.map(({ code }) => code)).toEqual(['hold-unsettled'])
  expect(rounds).toBe(20)
})
