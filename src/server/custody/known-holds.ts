import { join } from 'node:path'

import { EarwitnessError } from '../../errors.ts'
import { LEDGER_PREFIX } from '../../evidence/ledger/log-names.ts'
import { mentioning } from '../../evidence/ledger/mentioning.ts'
import { SaidHolds } from '../../evidence/ledger/said-holds.ts'
import { decodeStatement, readStatement } from '../../evidence/ledger/statement.ts'
import type { VerifyKey } from '../../evidence/signer-keys.ts'
import { linesOf, localCopy, localLogs, storedCopy, storedLogs, type LogCopy } from '../ledger/log-copy.ts'
import { waitingRequests } from '../ledger/statement-requests.ts'
import type { CustodyPlace } from '../storage/open-store.ts'
import type { KnownHold } from './lost-holds.ts'
import { troubleOf } from './recording-custody.ts'

export interface AskedHolds {
  readonly recordingId: string
  /** Whose releases count. */
  readonly keys: readonly VerifyKey[]
  readonly places: readonly CustodyPlace[]
  readonly dataDir: string
  /** What the index knows of; rejects when it does not answer. */
  readonly indexed: () => Promise<readonly KnownHold[]>
}

/**
 * Holds of a recording that the ledgers at hand and the index know as open, whether or not their records are beside it. Every copy of a log is read, in the data folder, the store and its
 * replica: one of them may have been cut. A replica that does not answer is passed over; store and index must answer.
 *
 * @throws EarwitnessError `storage-…`; `hold-index-silent`: an index that does not answer may know of one
 */
export async function knownHolds(asked: AskedHolds): Promise<readonly KnownHold[]> {
  const said = await saidHolds(asked)
  return [...said.open.map((hold) => ({ ...hold, knownBy: 'ledger' as const })), ...(await indexedHolds(asked))]
}

/** By statements, and by what waits to be said on this machine. */
async function saidHolds(asked: AskedHolds): Promise<SaidHolds> {
  const said = new SaidHolds()
  const ledgerDir = join(asked.dataDir, LEDGER_PREFIX)
  for (const logId of await localLogs(ledgerDir)) await takeFrom(await localCopy(ledgerDir, logId), asked, said)
  for (const { place, store } of asked.places) {
    try {
      for (const logId of await storedLogs(store)) {
        await takeFrom(await storedCopy(store, logId, Date.now()), asked, said)
      }
    } catch (error) {
      if (place === 'store') throw error
    }
  }
  for (const request of await waitingRequests(asked.dataDir)) {
    if (request.recordingId === asked.recordingId && 'holdId' in request) said.take(request)
  }
  return said
}

/** A hold counts whoever said it, and whether or not the signature still fits: it may hold. A release counts when somebody trusted has signed it. */
async function takeFrom(copy: LogCopy, { recordingId, keys }: AskedHolds, said: SaidHolds): Promise<void> {
  const mentions = mentioning(recordingId)
  for await (const jws of linesOf(copy)) {
    const decoded = mentions(jws) ? decodeStatement(jws) : undefined
    if (decoded?.ok !== true) continue
    const { statement } = decoded.value
    if (!('recordingId' in statement) || statement.recordingId !== recordingId) continue
    if (statement.kind === 'holdAdded') said.take(statement)
    if (statement.kind === 'holdReleased' && (await readStatement(jws, keys)).ok) said.take(statement)
  }
}

async function indexedHolds({ indexed }: AskedHolds): Promise<readonly KnownHold[]> {
  try {
    return await indexed()
  } catch (cause) {
    const { sentence, hint } = troubleOf('index', cause)
    throw new EarwitnessError(
      'hold-index-silent',
      `The index cannot be asked whether this recording is on legal hold; nothing was destroyed: ${sentence}`,
      `${hint} Then run this command again. One that is lost for good: give another, or none, and run \`earwitness reindex\`.`,
      { cause },
    )
  }
}
