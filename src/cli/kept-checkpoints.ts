import { decodeCheckpoint } from '../evidence/ledger/checkpoint.ts'
import type { KeptCheckpoint } from '../evidence/ledger/recording-in-log.ts'
import { besideCheckpoint, notesOf, type LogCopy } from '../server/ledger/log-copy.ts'

/** Checkpoints that are looked through for one that others have signed under. */
const SECONDED_WITHIN_MAX = 20

/** With its time stamp and cosignatures, which are in the store only. */
export async function newestCheckpoint(
  copy: LogCopy,
  stored: LogCopy | undefined,
): Promise<KeptCheckpoint | undefined> {
  for await (const { note } of notesOf({ ...copy, checkpoints: copy.checkpoints.slice(-1) })) {
    const decoded = decodeCheckpoint(note)
    if (!decoded.ok || stored === undefined) return { note }
    const { timestamp, ...cosigned } = await besideCheckpoint(stored, decoded.value.checkpoint.size)
    const stamped = timestamp === undefined ? {} : { timestamp: Buffer.from(timestamp).toString('base64') }
    return { note, ...cosigned, ...stamped }
  }
  return undefined
}

/**
 * Of the checkpoints in the store the first that covers statement `seq` and has both a time stamp and cosignatures; else the first that has one of them; the first at all,
 * where none soon has.
 */
export async function firstCovering(stored: LogCopy, seq: number): Promise<KeptCheckpoint | undefined> {
  const covering = stored.checkpoints.filter(({ size }) => size !== undefined && size > seq)
  let best: KeptCheckpoint | undefined
  for (const checkpoint of covering.slice(0, SECONDED_WITHIN_MAX)) {
    const kept = await newestCheckpoint({ ...stored, checkpoints: [checkpoint] }, stored)
    if (secondedBy(kept) === 2) return kept
    if (best === undefined || secondedBy(kept) > secondedBy(best)) best = kept
  }
  return best
}

function secondedBy(kept: KeptCheckpoint | undefined): number {
  return [kept?.timestamp, kept?.cosignatures].filter((second) => second !== undefined).length
}
