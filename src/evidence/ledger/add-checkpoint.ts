import { accepted, rejected, type Result } from '../../result.ts'
import { fromBase64, toBase64 } from './base64.ts'
import { NOTE_LENGTH_MAX } from './signed-note.ts'

/** What a log asks of a witness: C2SP `tlog-witness`, `add-checkpoint`. */

/** Hashes of a proof in a request. C2SP `tlog-witness` */
export const REQUEST_HASHES_MAX = 63
/** Longest request, in bytes: old size, 63 hashes, a note. */
export const ADD_CHECKPOINT_BYTES_MAX = NOTE_LENGTH_MAX + 4_096
/** Content type of the answer 409, whose body is the size that the witness has. */
export const TREE_SIZE_TYPE = 'text/x.tlog.size'

export interface AddCheckpoint {
  /** Of the last checkpoint that the witness has, as the log believes; 0 for none. */
  readonly oldSize: number
  /** That the tree of that size is the beginning of the one in the note. RFC 9162 2.1.4 */
  readonly proof: readonly Uint8Array[]
  /** The signed checkpoint. */
  readonly note: string
}

const OLD_SIZE = /^old (0|[1-9]\d{0,15})$/
const HASH_BYTES = 32

export function writeAddCheckpoint({ oldSize, proof, note }: AddCheckpoint): string {
  return `old ${oldSize}\n${proof.map((hash) => `${toBase64(hash)}\n`).join('')}\n${note}`
}

/** Takes a request apart; nothing in it is believed. */
export function readAddCheckpoint(body: string): Result<AddCheckpoint, 'notAddCheckpoint'> {
  const split = body.indexOf('\n\n')
  const [first = '', ...hashes] = body.slice(0, Math.max(0, split)).split('\n')
  const [, oldSize] = OLD_SIZE.exec(first) ?? []
  const proof = hashes.map(fromBase64).filter((hash) => hash?.length === HASH_BYTES)
  if (oldSize === undefined || !Number.isSafeInteger(Number(oldSize))) return rejected('notAddCheckpoint')
  if (proof.length < hashes.length || proof.length > REQUEST_HASHES_MAX) return rejected('notAddCheckpoint')
  return accepted({
    oldSize: Number(oldSize),
    proof: proof.filter((hash) => hash !== undefined),
    note: body.slice(split + 2),
  })
}
