import { rmSync } from 'node:fs'
import { join } from 'node:path'

import { addHold } from '../../../../../src/server/custody/hold.ts'
import type { KnownHold } from '../../../../../src/server/custody/lost-holds.ts'
import { RotatedMarks } from '../../../../../src/server/custody/rotated-marks.ts'
import { ShreddedMarks } from '../../../../../src/server/custody/shredded-marks.ts'
import { recordingPrefix } from '../../../../../src/server/storage/layout.ts'
import type { CustodyPlace } from '../../../../../src/server/storage/open-store.ts'
import { ledgerLists } from '../../../../../src/server/storage/replica/ledger-lists.ts'
import { replicate, type ReplicateSummary } from '../../../../../src/server/storage/replica/replicate.ts'
import { finishLeftKeys, replicateIntents } from '../../../../../src/server/vault/left-keys.ts'
import { rotationPlace } from '../../../../../src/server/vault/rotation-place.ts'
import { RECORDING_ID, vectorSigner } from '../../../../vectors/evidence/sample-recording.ts'
import { Mortality, type CustodyRig } from '../../custody/custody-rig.ts'

export const PREFIX = recordingPrefix('default', RECORDING_ID)
const { verifyKey } = await vectorSigner()

/** What a bucket beside the folder would be told of legal holds, by place. */
export type Holds = Map<string, boolean>

export interface Wish {
  readonly to?: 'store' | 'replica'
  readonly life?: Mortality
  readonly isDryRun?: boolean
  readonly comparesContent?: boolean
  readonly holds?: Holds
  /** Runs before a store is told of a legal hold. */
  readonly beforeHold?: () => Promise<unknown>
  /** What ledger and index know of. */
  readonly knownHolds?: readonly KnownHold[]
  /** Runs before an object is stored. */
  readonly beforePut?: (key: string) => Promise<unknown>
  readonly signal?: AbortSignal
  /** Runs before so many bytes may go. */
  readonly beforeBytes?: (bytes: number) => Promise<unknown>
  /** Runs before a store is asked. */
  readonly beforeAsk?: (what: 'get' | 'list', key: string) => void
  /** Gets what was given to the owner of a folder, by place. */
  readonly adopted?: string[]
}

const IMMORTAL = new Mortality(Number.POSITIVE_INFINITY)

/** As the command does it, of the one recording of the rig. */
export function run(rig: CustodyRig, wish: Wish = {}): Promise<ReplicateSummary> {
  const { to: wanted = 'replica', life = IMMORTAL, isDryRun = false, comparesContent = true, holds } = wish
  const places = rig.custody(life).places.map(({ store, ...place }): CustodyPlace => ({
    ...place,
    adopt: (key) => Promise.resolve(void wish.adopted?.push(`${place.place} ${key}`)),
    store: {
      ...store,
      get: (key) => {
        wish.beforeAsk?.('get', key)
        return store.get(key)
      },
      list: (prefix) => {
        wish.beforeAsk?.('list', prefix)
        return store.list(prefix)
      },
      put: async (key, bytes) => {
        await wish.beforePut?.(key)
        await store.put(key, bytes)
      },
      async setLegalHold(copy, isOn) {
        await wish.beforeHold?.()
        return holds?.set(`${place.place} ${copy.key.slice(PREFIX.length + 1)}`, isOn) !== undefined
      },
    },
  }))
  const [from, to] = [places.find(({ place }) => place !== wanted), places.find(({ place }) => place === wanted)]
  if (from === undefined || to === undefined) throw new Error('no place')
  const intents = replicateIntents(rig.dataDir)
  return replicate(one(), ledgerLists(from.store), {
    bandwidth: { take: async (bytes) => void (await wish.beforeBytes?.(bytes)) },
    ...{ from, to, isDryRun, comparesContent, signal: wish.signal ?? new AbortController().signal },
    ...{ marks: new ShreddedMarks(rig.dataDir), rotated: new RotatedMarks(rig.dataDir), onProgress: () => {} },
    custodyOf: () => rig.custody(life, { places }),
    knownHolds: () => Promise.resolve(wish.knownHolds ?? []),
    intents: {
      write: (id, prefix) => life.change(() => intents.write(id, prefix)),
      remove: (id) => life.change(() => intents.remove(id)),
    },
  })
}

async function* one() {
  yield { recordingId: RECORDING_ID, objectPrefix: PREFIX }
}

export async function hold(rig: CustodyRig): Promise<void> {
  const { custody, note, leave, knownHolds } = rig.options()
  const randomBytes = (length: number): Uint8Array => new Uint8Array(length).fill(7)
  await addHold({ custody, note, leave, knownHolds, nowUnixMs: () => 1_764_414_000_000, randomBytes })
}

export const remove = (rig: CustodyRig, place: 'store' | 'replica', name = ''): void =>
  rmSync(join(rig.stores[place], PREFIX, name), { recursive: true })

/** As the recorder does when it starts, and the command too. */
export function start(rig: CustodyRig): Promise<void> {
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
