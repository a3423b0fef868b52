import { ExitCode } from '../errors.ts'
import type { Command, CommandContext } from './command.ts'
import { openOrMakeIndex } from './open-index.ts'
import { printable, writeJson, writeLines } from './output.ts'

export const command: Command = {
  name: 'migrate',
  summary: 'brings the tables of the index to the form of this release',
  usage: 'migrate',
  description:
    'The recorder does this itself when it starts, unless its user may not: with the roles of config/postgres/roles.sql the owner of the database ' +
    'runs this once for every release, and then roles.sql again. A recorder that was started before that keeps what it has to write on its disk. ' +
    'It may be run any number of times, and beside recorders.',
  examples: ['migrate', 'migrate --json'],
  options: {},
  run: runMigrate,
}

interface AppliedRow {
  readonly name: string
  readonly applied_at: Date
}

async function runMigrate(context: CommandContext): Promise<ExitCode> {
  const { stdout, json } = context
  const database = await openOrMakeIndex(context)
  try {
    const { rows } = await database.pool.query<AppliedRow>(
      'SELECT name, applied_at FROM schema_migrations ORDER BY version',
    )
    const migrations = rows.map(({ name, applied_at: at }) => ({ name, appliedAt: at.toISOString() }))
    if (json) writeJson(stdout, { database: database.description, migrations })
    else {
      const lines = migrations.map(({ name, appliedAt }) => `${appliedAt}  ${name}`)
      writeLines(stdout, [...lines, `The tables at ${printable(database.description)} are those of this release.`])
    }
    return ExitCode.done
  } finally {
    await database.stop()
  }
}
