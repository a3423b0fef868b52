import { decodeCheckpoint } from '../../evidence/ledger/checkpoint.ts'
import type { KeptCheckpoint } from '../../evidence/ledger/recording-in-log.ts'
import type { NamedNote } from '../../evidence/ledger/verify-log.ts'
import {
  besideCheckpoint,
  newestNoteOf,
  noteOf,
  type ListedCheckpoint,
  type LogCopy,
} from '../../server/ledger/log-copy.ts'

/** With its time stamp and cosignatures, which are in the store only. */
export async function newestCheckpoint(
  copy: LogCopy,
  stored: LogCopy | undefined,
): Promise<KeptCheckpoint | undefined> {
  return keptWith(await newestNoteOf(copy), stored)
}

/**
 * Of the checkpoints in the store the first that covers statement `seq` and has both a time stamp and cosignatures; else the first that has cosignatures, or else a time stamp;
 * the first at all, where none has either.
 */
export async function firstCovering(stored: LogCopy, seq: number): Promise<KeptCheckpoint | undefined> {
  const covering = stored.checkpoints.filter(({ size }) => size !== undefined && size > seq)
  const first =
    covering.find(({ isStamped, isCosigned }) => isStamped && isCosigned) ??
    covering.find(({ isCosigned }) => isCosigned) ??
    covering.find(({ isStamped }) => isStamped) ??
    covering[0]
  return keptIn(stored, first)
}

/** The newest checkpoint in the store that witnesses have signed under: the newest of all may have come this minute. */
export function newestCosigned(stored: LogCopy): Promise<KeptCheckpoint | undefined> {
  return keptIn(
    stored,
    stored.checkpoints.findLast(({ isCosigned }) => isCosigned),
  )
}

async function keptIn(stored: LogCopy, listed: ListedCheckpoint | undefined): Promise<KeptCheckpoint | undefined> {
  return keptWith(listed === undefined ? undefined : await noteOf(stored, listed), stored)
}

async function keptWith(
  named: NamedNote | undefined,
  stored: LogCopy | undefined,
): Promise<KeptCheckpoint | undefined> {
  if (named === undefined) return undefined
  const { note } = named
  const decoded = decodeCheckpoint(note)
  if (!decoded.ok || stored === undefined) return { note }
  const { timestamp, ...cosigned } = await besideCheckpoint(stored, decoded.value.checkpoint.size)
  const stamped = timestamp === undefined ? {} : { timestamp: Buffer.from(timestamp).toString('base64') }
  return { note, ...cosigned, ...stamped }
}
