import { knownHolds as holdsKnownTo, type AskedHolds } from '../../server/custody/known-holds.ts'
import type { KnownHold } from '../../server/custody/lost-holds.ts'
import { openHolds } from '../../server/database/queries.ts'
import type { CommandContext } from '../command.ts'
import { openIndex } from '../open-index.ts'

/** Holds of a recording that the ledgers at hand and the index of this configuration know as open. @throws as `knownHolds` of the server */
export function knownHolds(
  context: CommandContext,
  asked: Omit<AskedHolds, 'dataDir' | 'indexed'>,
): Promise<readonly KnownHold[]> {
  const indexed = async (): Promise<readonly KnownHold[]> => {
    const database = await openIndex(context)
    try {
      return database === undefined ? [] : await openHolds(database, asked.recordingId)
    } finally {
      await database?.stop()
    }
  }
  return holdsKnownTo({ ...asked, dataDir: context.config().dataDir, indexed })
}
