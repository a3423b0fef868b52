import { EarwitnessError } from '../../../src/errors.ts'
import type { CustodyDecision } from '../../../src/evidence/custody/custody-record.ts'
import type { CustodyStanding } from '../../../src/evidence/custody/verify-custody.ts'
import { RecordingCustody } from '../../../src/server/custody/recording-custody.ts'
import { recordingPrefix } from '../../../src/server/storage/layout.ts'
import type { CustodyStore } from '../../../src/server/storage/object-store.ts'
import { RECORDING_ID, sha256, vault, vectorFile, vectorRandom, vectorSigner } from './sample-recording.ts'

const PREFIX = recordingPrefix('default', RECORDING_ID)
const BEGUN_UNIX_MS = Date.parse('2025-11-24T09:00:00.000Z')
const HOLD = '019aaff1-0680-7abc-8def-0000000000aa'
const OTHER_HOLD = '019aaff1-0680-7abc-8def-0000000000ab'

export const CUSTODY_NOTE = { by: 'Ada Lovelace', reason: 'case 4711' }

/** What is decided in each of the vectors, and how the recording stands after each record. */
interface CustodyVector {
  readonly decisions: readonly CustodyDecision[]
  readonly standings: readonly CustodyStanding[]
}

export const CUSTODY_VECTORS = ['held', 'lost', 'shredded'] as const
export type CustodyVectorName = (typeof CUSTODY_VECTORS)[number]

/** `lost` releases what the second record of `held` had added. */
export function custodyVector(name: CustodyVectorName): CustodyVector {
  if (name === 'held') {
    return {
      decisions: [
        { kind: 'holdAdded', holdId: HOLD },
        { kind: 'holdAdded', holdId: OTHER_HOLD },
        { kind: 'holdReleased', holdId: HOLD },
      ],
      standings: ['held', 'held', 'held'],
    }
  }
  if (name === 'lost') {
    const lostSha256 = sha256(vectorFile('custody/held/custody-001.jws'))
    return { decisions: [{ kind: 'holdReleased', holdId: OTHER_HOLD, lostSha256 }], standings: ['free'] }
  }
  const destroyed = [
    { place: 'store', objects: 1, copies: 2 },
    { place: 'node', objects: 3, copies: 3 },
  ] as const
  return {
    decisions: [
      { kind: 'holdAdded', holdId: HOLD },
      { kind: 'holdReleased', holdId: HOLD },
      { kind: 'shredBegun', scope: 'key' },
      { kind: 'shredded', scope: 'key', destroyed },
    ],
    standings: ['held', 'free', 'shredding', 'shredded'],
  }
}

/** The records as the commands write them: a second after each other, with the randomness of vectors. */
export async function writeCustody(name: CustodyVectorName): Promise<ReadonlyMap<string, Uint8Array>> {
  const { signingKey, verifyKey } = await vectorSigner()
  const objects = new Map<string, Uint8Array>()
  let nowUnixMs = BEGUN_UNIX_MS
  const custody = new RecordingCustody(
    {
      places: [{ place: 'store', description: 'memory', adopt: () => Promise.resolve(), store: memoryStore(objects) }],
      ...{ keys: [verifyKey], signer: signingKey, vaultRecipients: [vault.recipient] },
      nowUnixMs: () => (nowUnixMs += 1_000),
      randomBytes: vectorRandom(`earwitness vector custody ${name}`),
    },
    RECORDING_ID,
    PREFIX,
  )
  for (const decision of custodyVector(name).decisions) await custody.decide(() => decision, CUSTODY_NOTE)
  return new Map([...objects].map(([key, bytes]) => [key.slice(PREFIX.length + 1), bytes]))
}

function memoryStore(objects: Map<string, Uint8Array>): CustodyStore {
  const none = (): Promise<never> => Promise.reject(new EarwitnessError('storage-failed', 'It only keeps.', ''))
  return {
    put: (key, bytes) => Promise.resolve(void objects.set(key, bytes)),
    get: (key) => Promise.resolve(objects.get(key)),
    list: (prefix) => {
      const keys = [...objects.keys()].filter((key) => key.startsWith(prefix))
      return Promise.resolve(keys.map((key) => ({ key, sizeBytes: objects.get(key)?.length ?? 0 })))
    },
    ...{ delete: none, check: none, folders: none, copies: none, lockOf: none, destroy: none },
    ...{ destroyUnnamed: none, setLegalHold: none },
  }
}
