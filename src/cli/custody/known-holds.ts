import type { Config } from '../../config/config.ts'
import { mentioning, SaidHolds } from '../../evidence/ledger/said-holds.ts'
import { readStatement } from '../../evidence/ledger/statement.ts'
import type { VerifyKey } from '../../evidence/signer-keys.ts'
import type { KnownHold } from '../../server/custody/lost-holds.ts'
import { openHolds } from '../../server/database/queries.ts'
import { linesOf } from '../../server/ledger/log-copy.ts'
import { waitingRequests } from '../../server/ledger/statement-requests.ts'
import type { CommandContext } from '../command.ts'
import { findLogs } from '../ledger-copies.ts'
import { openIndex } from '../open-index.ts'

/**
 * Holds of a recording that the ledgers at hand and the index know as open, whether or not their records are beside it. An index that does not answer knows of none: whoever tells it of the
 * decision afterwards says so.
 *
 * @throws EarwitnessError `storage-…`
 */
export async function knownHolds(
  context: CommandContext,
  { recordingId, keys }: { readonly recordingId: string; readonly keys: readonly VerifyKey[] },
): Promise<readonly KnownHold[]> {
  const said = await saidHolds(context.config(), recordingId, keys)
  return [
    ...said.open.map((hold) => ({ ...hold, knownBy: 'ledger' as const })),
    ...(await indexedHolds(context, recordingId)),
  ]
}

/** By statements that somebody trusted has signed, and by what waits to be said on this machine. */
async function saidHolds(config: Config, recordingId: string, keys: readonly VerifyKey[]): Promise<SaidHolds> {
  const said = new SaidHolds()
  const mentions = mentioning(recordingId)
  for (const { local, stored } of await findLogs(config, Date.now())) {
    const copy = local ?? stored
    if (copy === undefined) continue
    for await (const jws of linesOf(copy)) {
      const read = mentions(jws) ? await readStatement(jws, keys) : undefined
      if (read?.ok !== true || !('recordingId' in read.value) || read.value.recordingId !== recordingId) continue
      const { kind } = read.value
      if (kind === 'holdAdded' || kind === 'holdReleased') said.take(read.value)
    }
  }
  for (const request of await waitingRequests(config.dataDir)) {
    if (request.recordingId === recordingId && 'holdId' in request) said.take(request)
  }
  return said
}

async function indexedHolds(context: CommandContext, recordingId: string): Promise<readonly KnownHold[]> {
  try {
    const database = await openIndex(context)
    try {
      return database === undefined ? [] : await openHolds(database, recordingId)
    } finally {
      await database?.stop()
    }
  } catch {
    return []
  }
}
