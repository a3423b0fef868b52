import { signCustodyRecord, type CustodyDecision } from '../../../../src/evidence/custody/custody-record.ts'
import { custodyName } from '../../../../src/evidence/object-names.ts'
import { RECORDING_ID, sha256, vectorSigner } from '../../../vectors/evidence/sample-recording.ts'

export const HOLD = '019aaff1-0680-7abc-8def-0000000000aa'
export const SECOND_HOLD = '019aaff1-0680-7abc-8def-0000000000ab'
export const RECORD_ID = '019aaff1-0680-7abc-8def-0000000000ac'

/** What is decided of a recording: two holds and their ends, and the destruction of its key, or of all its objects. */
export const ADD: CustodyDecision = { kind: 'holdAdded', holdId: HOLD }
export const ADD_OTHER: CustodyDecision = { kind: 'holdAdded', holdId: SECOND_HOLD }
export const RELEASE: CustodyDecision = { kind: 'holdReleased', holdId: HOLD }
export const RELEASE_OTHER: CustodyDecision = { kind: 'holdReleased', holdId: SECOND_HOLD }
export const BEGIN: CustodyDecision = { kind: 'shredBegun', scope: 'key' }
export const DONE: CustodyDecision = { kind: 'shredded', scope: 'key', destroyed: [] }
export const BEGIN_ALL: CustodyDecision = { kind: 'shredBegun', scope: 'objects' }
export const DONE_ALL: CustodyDecision = { kind: 'shredded', scope: 'objects', destroyed: [] }

/** Puts the next custody record beside the objects of a recording, signed by the vectors' signer, whether or not it makes sense. */
export async function decide(
  objects: Map<string, Uint8Array>,
  decision: CustodyDecision,
  { recordingId = RECORDING_ID, at = '2026-11-29T09:30:00.000Z' }: { recordingId?: string; at?: string } = {},
): Promise<Uint8Array> {
  const { signingKey } = await vectorSigner()
  let seq = 0
  while (objects.has(custodyName(seq))) seq += 1
  const before = seq === 0 ? undefined : objects.get(custodyName(seq - 1))
  const record = {
    ...{ recordingId, recordId: RECORD_ID, seq, at, ...decision },
    ...(before === undefined ? {} : { previousSha256: sha256(before) }),
  }
  const bytes = Buffer.from(await signCustodyRecord(record, signingKey))
  objects.set(custodyName(seq), bytes)
  return bytes
}
