import { join } from 'node:path'

import type { Config } from '../../config/config.ts'
import { EarwitnessError } from '../../errors.ts'
import { decodeCheckpoint } from '../../evidence/ledger/checkpoint.ts'
import type { WitnessKey } from '../../evidence/ledger/witness-key.ts'
import { LEDGER_PREFIX } from '../../evidence/ledger/log-names.ts'
import { findFork, verifyLog, type LogVerdict, type NamedNote } from '../../evidence/ledger/verify-log.ts'
import type { WitnessesDue } from '../../evidence/ledger/witness-tally.ts'
import type { VerifyKey } from '../../evidence/signer-keys.ts'
import {
  linesOf,
  localCopy,
  localLogs,
  newestNoteOf,
  notesOf,
  storedCopy,
  storedLogs,
  type LogCopy,
} from '../../server/ledger/log-copy.ts'
import { openForReading } from '../open-for-reading.ts'

/** The copies of one log that are at hand. */
export interface LogCopies {
  readonly logId: string
  /** In the data folder. */
  readonly local: LogCopy | undefined
  /** In the object store. */
  readonly stored: LogCopy | undefined
}

/** Every log of the data folder and of the object store, the oldest first. */
export async function findLogs(config: Config, nowUnixMs: number): Promise<readonly LogCopies[]> {
  const ledgerDir = join(config.dataDir, LEDGER_PREFIX)
  const store = await openForReading(config)
  const local = new Set(await localLogs(ledgerDir))
  // A recorder that has not stored anything yet has no folder for it.
  const stored = new Set(await storedLogs(store).catch(passOverMissing))
  const found: LogCopies[] = []
  for (const logId of [...new Set([...local, ...stored])].toSorted()) {
    found.push({
      logId,
      local: local.has(logId) ? await localCopy(ledgerDir, logId) : undefined,
      stored: stored.has(logId) ? await storedCopy(store, logId, nowUnixMs) : undefined,
    })
  }
  return found
}

/**
 * Witnesses that are named have to have signed under every log that is looked at. Those of the configuration need not have been there when older logs, or those of other
 * nodes, were written: of this node's newest log, once they could.
 */
export function witnessesDueOf({
  areNamed,
  isNewestOfNode,
}: {
  readonly areNamed: boolean
  readonly isNewestOfNode: boolean
}): WitnessesDue {
  if (areNamed) return 'always'
  return isNewestOfNode ? 'inTime' : 'never'
}

/** Whose signatures count. */
interface Trusted {
  readonly keys: readonly VerifyKey[]
  readonly witnesses: readonly WitnessKey[]
  readonly witnessesDue?: WitnessesDue
}

/** What was found about one copy of a log. */
export interface CopyVerdict extends LogVerdict {
  readonly copy: 'data folder' | 'object store' | 'none'
  /** Of the copy in the data folder: how many statements are not in the object store yet. */
  readonly notStored?: number
}

/** Verifies the copies of a log by themselves, against each other, and against checkpoints that were kept. */
export async function verifyCopies(
  { logId, local, stored }: LogCopies,
  trusted: Trusted,
  held: readonly NamedNote[],
): Promise<readonly CopyVerdict[]> {
  const verdicts: CopyVerdict[] = []
  if (local !== undefined) {
    // The store is behind its node by a minute, never before it.
    const newest = stored === undefined ? undefined : await newestNoteOf(stored)
    // What witnesses have signed is in the store only.
    const { keys } = trusted
    const verdict = await verifyCopy(local, stored === undefined ? trusted : { keys, witnesses: [] }, [
      ...held,
      ...(newest === undefined ? [] : [newest]),
    ])
    const forkedAt = stored === undefined ? undefined : await findFork(linesOf(local), linesOf(stored))
    verdicts.push({ ...withFork(verdict, forkedAt), copy: 'data folder', notStored: verdict.size })
  }
  if (stored !== undefined) {
    const verdict = await verifyCopy(stored, trusted, local === undefined ? held : [])
    // What both have is said once: a reader who sees fewer statements in the store must not wonder where the others are.
    const behind = verdicts.map((ours) => ({ ...ours, notStored: Math.max(0, ours.size - verdict.size) }))
    return [...behind, { ...verdict, copy: 'object store' }]
  }
  if (verdicts.length > 0) return verdicts
  const nothing: LogCopy = { logId, entries: [], checkpoints: [], read: async () => undefined }
  return [{ ...(await verifyCopy(nothing, trusted, held)), copy: 'none' }]
}

/** The logs that checkpoints are of. @throws EarwitnessError `checkpoint-unreadable` */
export function logsOfNotes(notes: readonly NamedNote[]): ReadonlyMap<string, readonly NamedNote[]> {
  const byLog = new Map<string, NamedNote[]>()
  for (const note of notes) {
    const decoded = decodeCheckpoint(note.note)
    if (!decoded.ok) {
      const hint = 'Give a file as it lies beside the entries: checkpoint, or checkpoint-….note.'
      throw new EarwitnessError('checkpoint-unreadable', `${note.name} is no signed checkpoint of a ledger.`, hint)
    }
    const { logId } = decoded.value.checkpoint
    byLog.set(logId, [...(byLog.get(logId) ?? []), note])
  }
  return byLog
}

function verifyCopy(copy: LogCopy, trusted: Trusted, held: readonly NamedNote[]): Promise<LogVerdict> {
  return verifyLog({ logId: copy.logId, lines: linesOf(copy), checkpoints: notesOf(copy), held, ...trusted })
}

function withFork(verdict: LogVerdict, forkedAt: number | undefined): LogVerdict {
  if (forkedAt === undefined) return verdict
  const sentence = 'The data folder and the object store have different statements at this place.'
  const finding = { code: 'log-forked', name: `statement ${forkedAt}`, sentence } as const
  return { ...verdict, verified: false, findings: [...verdict.findings, finding] }
}

function passOverMissing(error: unknown): readonly string[] {
  if (error instanceof EarwitnessError && error.code === 'storage-missing') return []
  throw error
}
