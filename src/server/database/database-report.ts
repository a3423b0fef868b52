import type { ClientBase } from 'pg'

/** What a database says of itself and of the user we are there, for `doctor`. */
export interface DatabaseReport {
  /** As people write it: 15.18. */
  readonly version: string
  readonly majorVersion: number
  /** Both ends of the connection are on one machine. */
  readonly isLocal: boolean
  readonly isEncrypted: boolean
  /** Our tables, and those whose rows this user may delete or which it may empty or drop. */
  readonly tables: number
  readonly destructibleTables: number
}

// Our tables are those that are about recordings. Who owns a table may drop it whatever else is granted.
const REPORT = `
  WITH ours AS (
    SELECT c.oid, c.relowner FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
    WHERE c.relkind IN ('r', 'p') AND a.attname = 'recording_id' AND c.relnamespace = current_schema()::regnamespace)
  SELECT current_setting('server_version') AS version,
    current_setting('server_version_num')::integer / 10000 AS "majorVersion",
    coalesce(inet_client_addr() = inet_server_addr(), true) AS "isLocal",
    coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false) AS "isEncrypted",
    (SELECT count(*) FROM ours)::integer AS tables,
    (SELECT count(*) FROM ours
     WHERE has_table_privilege(oid, 'DELETE, TRUNCATE') OR pg_has_role(relowner, 'USAGE'))::integer
      AS "destructibleTables"`

/** Reads only. Works on a database without tables too. */
export async function reportDatabase(client: Pick<ClientBase, 'query'>): Promise<DatabaseReport> {
  const { rows } = await client.query<DatabaseReport>(REPORT)
  const [report] = rows
  if (report === undefined) throw new Error('the database answers a question with nothing')
  // Debian writes the package behind it.
  return { ...report, version: report.version.split(' ', 1)[0] ?? report.version }
}
