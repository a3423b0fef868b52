import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { generateKeyPairSync } from 'node:crypto'
import { join } from 'node:path'

import { signCustodyRecord, type CustodyDecision } from '../../../src/evidence/custody/custody-record.ts'
import { readSigningKey, type SigningKey } from '../../../src/evidence/signer-keys.ts'
import { signer } from '../../unit/server/ledger/ledger-rig.ts'
import { RECORDING_ID, sha256 } from '../../vectors/evidence/sample-recording.ts'
import type { TamperedRecording } from './recording.ts'

/** What was decided about the recording that is tampered with. */
export type Decided = 'held' | 'shredded' | 'nothing'

export const HOLD_ID = '019aaff1-0680-7abc-8def-0000000000aa'
const OTHER_HOLD_ID = '019aaff1-0680-7abc-8def-0000000000ab'
const RECORD_ID = '019aaff1-0680-7abc-8def-0000000000ac'
/** Before the last run of the node, which is long enough to have said it. */
const DECIDED_AT = '2026-11-29T09:30:00.000Z'

/** A record as the node's command would have written it, or somebody else. */
export function custodyRecord(
  seq: number,
  decision: CustodyDecision,
  { previous, key = signer.signingKey }: { readonly previous?: Uint8Array; readonly key?: SigningKey } = {},
): Promise<string> {
  const place = { recordingId: RECORDING_ID, recordId: RECORD_ID, seq, at: DECIDED_AT }
  const before = previous === undefined ? {} : { previousSha256: sha256(previous) }
  return signCustodyRecord({ ...place, ...before, ...decision }, key)
}

async function stranger(): Promise<SigningKey> {
  const pem = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
  const key = await readSigningKey(pem)
  if (!key.ok) throw new Error('no key')
  return key.value
}

const read = ({ folder }: TamperedRecording, name: string): Uint8Array => readFileSync(join(folder, name))
const put = ({ folder }: TamperedRecording, name: string, content: string | Uint8Array): void =>
  writeFileSync(join(folder, name), content)
const remove = ({ folder }: TamperedRecording, name: string): void => rmSync(join(folder, name))
const HOLD: CustodyDecision = { kind: 'holdAdded', holdId: OTHER_HOLD_ID }
const ORDER: CustodyDecision = { kind: 'shredBegun', scope: 'key' }
const OUTCOME: CustodyDecision = { kind: 'shredded', scope: 'key', destroyed: [] }

async function forgeShredding(node: TamperedRecording, key: SigningKey): Promise<void> {
  const order = await custodyRecord(0, ORDER, { key })
  put(node, 'custody-000.jws', order)
  put(node, 'custody-001.jws', await custodyRecord(1, OUTCOME, { key, previous: Buffer.from(order) }))
  remove(node, 'key.age')
}

/** As `hold release --lost` would say it of a record with this hash. */
async function declareLost(node: TamperedRecording, lostSha256: string, key: SigningKey): Promise<void> {
  put(node, 'custody-000.jws', await custodyRecord(0, { kind: 'holdReleased', holdId: HOLD_ID, lostSha256 }, { key }))
}

type Tamper = (node: TamperedRecording) => Promise<void> | void

/** What is done to what was decided, and the findings. */
export const CUSTODY_TAMPERINGS: readonly (readonly [string, readonly string[], Decided, Tamper])[] = [
  ['a hold is taken away', ['custody-removed'], 'held', (node) => remove(node, 'custody-000.jws')],
  [
    'a bit of a hold is flipped',
    ['custody-removed'],
    'held',
    (node) => {
      const bytes = Uint8Array.from(read(node, 'custody-000.jws'))
      bytes[bytes.length - 3] = (bytes[bytes.length - 3] ?? 0) ^ 1
      put(node, 'custody-000.jws', bytes)
    },
  ],
  [
    'a hold is signed by a stranger',
    ['custody-unknown-signer', 'custody-removed'],
    'held',
    async (node) => put(node, 'custody-000.jws', await custodyRecord(0, HOLD, { key: await stranger() })),
  ],
  [
    'a hold is put in the place of another, by one who has the key',
    ['custody-removed', 'custody-not-in-log'],
    'held',
    async (node) => put(node, 'custody-000.jws', await custodyRecord(0, HOLD)),
  ],
  [
    'a release is slipped in, by one who has the key',
    ['custody-not-in-log'],
    'held',
    async (node) => {
      const previous = read(node, 'custody-000.jws')
      put(node, 'custody-001.jws', await custodyRecord(1, { kind: 'holdReleased', holdId: HOLD_ID }, { previous }))
    },
  ],
  [
    'a hold is taken away, and declared lost by a stranger',
    ['custody-unknown-signer', 'custody-removed'],
    'held',
    async (node) => declareLost(node, sha256(read(node, 'custody-000.jws')), await stranger()),
  ],
  [
    'a hold is taken away, and another one declared lost',
    ['custody-removed', 'custody-not-in-log'],
    'held',
    (node) => declareLost(node, 'ab'.repeat(32), signer.signingKey),
  ],
  [
    'a hold is taken away, and declared lost by one who has the key',
    ['custody-not-in-log'],
    'held',
    (node) => declareLost(node, sha256(read(node, 'custody-000.jws')), signer.signingKey),
  ],
  ['the key of a held recording is destroyed by hand', ['key-missing'], 'held', (node) => remove(node, 'key.age')],
  ['a destroyed key is put back', ['shred-undone'], 'shredded', (node) => put(node, 'key.age', 'back again')],
  [
    'the report of a destruction is taken away',
    ['shred-unfinished', 'custody-removed'],
    'shredded',
    (node) => remove(node, 'custody-001.jws'),
  ],
  [
    'all that was said of a destruction is taken away',
    ['key-missing', 'custody-removed'],
    'shredded',
    (node) => {
      remove(node, 'custody-000.jws')
      remove(node, 'custody-001.jws')
    },
  ],
  [
    'a destruction is made up by a stranger',
    ['custody-unknown-signer', 'key-missing'],
    'nothing',
    async (node) => forgeShredding(node, await stranger()),
  ],
  [
    'a destruction is made up by one who has the key',
    ['custody-not-in-log'],
    'nothing',
    async (node) => forgeShredding(node, signer.signingKey),
  ],
]
