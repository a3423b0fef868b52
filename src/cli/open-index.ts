import { existsSync } from 'node:fs'

import { clusterDirectory } from '../server/database/cluster.ts'
import type { DatabaseLog } from '../server/database/log.ts'
import { openDatabase, type Database } from '../server/database/open-database.ts'
import type { CommandContext } from './command.ts'
import { paintFor, printable, writeLines } from './output.ts'

/** The index, for a command that only looks, or tells it of something: undefined where there is none, since that must not be what makes one. */
export async function openIndex(context: CommandContext): Promise<Database | undefined> {
  const { database, dataDir } = context.config()
  const hasNone = database.url === undefined && !existsSync(clusterDirectory(dataDir))
  return hasNone ? undefined : openOrMakeIndex(context)
}

/** The same; it is made where there is none, and its tables are brought to this release. */
export function openOrMakeIndex(context: CommandContext): Promise<Database> {
  const { database, dataDir } = context.config()
  return openDatabase({ url: database.url, dataDir, log: talk(context) })
}

/** What the database has to say while a command uses it: only what is wrong, as talk. */
function talk({ stderr, env }: CommandContext): DatabaseLog {
  const warn = (_fields: object, message: string): void =>
    writeLines(stderr, [`${paintFor(stderr, env)('yellow', 'warning:')} ${printable(message)}`])
  return { debug: () => {}, info: () => {}, warn, error: warn }
}
