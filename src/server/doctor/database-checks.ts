import type { Config } from '../../config/config.ts'
import { EarwitnessError } from '../../errors.ts'
import type { DatabaseReport } from '../database/database-report.ts'
import { fail, ok, warn, type Finding } from './finding.ts'
import type { Probes } from './probes.ts'

/** The oldest that this release is tested with. */
const TESTED_MAJOR_VERSION = 15

export async function checkDatabase(config: Config, probes: Probes): Promise<readonly Finding[]> {
  const found = await probes.database()
  if (found instanceof EarwitnessError) return [fail('database', found.message, found.hint)]
  if (config.database.url === undefined) {
    const isRunning = probes.daemonPid() !== undefined
    const sentence = isRunning ? 'The embedded database answers.' : 'The embedded database starts with the recorder.'
    return [ok('database', sentence)]
  }
  if (found === undefined) return []
  return [
    ok('database', `The database of database.url answers (PostgreSQL ${found.version}, ${wayTo(found)}).`),
    ...versionFindings(found),
    ...tlsFindings(found, config.database.url),
    ...roleFindings(found),
  ]
}

function wayTo({ isEncrypted, isLocal }: DatabaseReport): string {
  if (isEncrypted) return 'over TLS'
  return isLocal ? 'on this machine' : 'in clear'
}

function versionFindings({ majorVersion, version }: DatabaseReport): readonly Finding[] {
  if (majorVersion >= TESTED_MAJOR_VERSION) return []
  const sentence = `PostgreSQL ${version} is older than those that this release is tested with.`
  return [warn('database-version', sentence, `Take PostgreSQL ${TESTED_MAJOR_VERSION} or later.`)]
}

function tlsFindings({ isEncrypted, isLocal }: DatabaseReport, url: string): readonly Finding[] {
  if (isLocal) return []
  if (!isEncrypted) {
    const sentence = 'Names and numbers go to the database in clear.'
    const hint = 'Write ?sslmode=verify-full into database.url, and &sslrootcert=CA.pem where the CA is your own.'
    return [warn('database-tls', sentence, hint)]
  }
  const parameters = URL.canParse(url) ? new URL(url).searchParams : undefined
  if (parameters?.get('sslmode') !== 'require' || parameters.has('sslrootcert')) return []
  const sentence = 'The connection to the database is encrypted, but sslmode=require takes whoever answers.'
  return [
    warn('database-tls', sentence, 'Write sslmode=verify-full, and &sslrootcert=CA.pem where the CA is your own.'),
  ]
}

function roleFindings({ tables, destructibleTables }: DatabaseReport): readonly Finding[] {
  if (tables === 0) return []
  if (destructibleTables === 0) {
    return [ok('database-role', 'The user of database.url can delete nothing from the index.')]
  }
  return [
    warn(
      'database-role',
      `The user of database.url could delete rows of ${destructibleTables} tables of the index.`,
      'Give the recorder a role that cannot: config/postgres/roles.sql. "reindex" makes lost rows again out of the object store.',
    ),
  ]
}
