import { EarwitnessError } from '../../errors.ts'

/** SQLSTATE classes that blame the value and not the server: data exception, constraint, program limit, raised by SQL. */
const CLASSES_OF_BAD_VALUES: ReadonlySet<string> = new Set(['22', '23', '54', 'P0'])

/** A record that closes a recording which the database does not have. */
export class UnknownRecordingError extends Error {
  readonly code = 'unknown-recording'
}

/** SQLSTATE of a server's error, undefined for anything else (a broken connection has a code of another form). */
export function sqlState(error: unknown): string | undefined {
  const code = codeOf(error)
  return code !== undefined && /^[0-9A-Z]{5}$/.test(code) ? code : undefined
}

export function codeOf(error: unknown): string | undefined {
  const code: unknown = typeof error === 'object' && error !== null ? Reflect.get(error, 'code') : undefined
  return typeof code === 'string' ? code : undefined
}

/**
 * True when the record itself can never be written, so that trying again is no use. Everything else (no connection, read
 * only, disk full, shutting down, no privilege) is the server's state, and somebody can mend it.
 */
export function blamesRecord(error: unknown): boolean {
  const state = sqlState(error)
  if (state !== undefined) return CLASSES_OF_BAD_VALUES.has(state.slice(0, 2))
  return error instanceof UnknownRecordingError
}

/** What may be logged about an error: its code and the name of a constraint, never its text, which quotes values. */
export function errorFields(error: unknown): { readonly code: string; readonly constraint?: string } {
  const code = codeOf(error) ?? (error instanceof Error ? error.name : 'unknown')
  const constraint: unknown = typeof error === 'object' && error !== null ? Reflect.get(error, 'constraint') : undefined
  return typeof constraint === 'string' ? { code, constraint } : { code }
}

/** Turns what went wrong on opening a database into what a person should read; `target` is free of secrets. */
export function describeOpenError(error: unknown, target: string): EarwitnessError {
  if (error instanceof EarwitnessError) return error
  const state = sqlState(error)
  if (state?.startsWith('28') === true) {
    return new EarwitnessError(
      'database-login-refused',
      `The database at ${target} does not accept this user and password (${state}).`,
      'Check user and password in database.url, and pg_hba.conf of the server, which may also ask for a certificate (sslcert, sslkey).',
      { cause: error },
    )
  }
  if (state === '3D000') {
    return new EarwitnessError(
      'database-missing',
      `The server at ${target} has no database of that name.`,
      'Create it once: createdb --encoding=UTF8 --template=template0 NAME; the tables are made by Earwitness.',
      { cause: error },
    )
  }
  if (state === '42501') {
    return new EarwitnessError(
      'database-privileges',
      `The user of database.url may not read the tables at ${target}, or may not bring them to the form of this release.`,
      'Run "earwitness migrate" once with the owner of the database in EARWITNESS_DATABASE_URL, then config/postgres/roles.sql; or make the user the owner: ALTER DATABASE name OWNER TO user.',
      { cause: error },
    )
  }
  if (state === '25006') {
    return new EarwitnessError(
      'database-read-only',
      `The database at ${target} is read-only.`,
      'Point database.url at the primary server, not at a standby.',
      { cause: error },
    )
  }
  const tls = describeTlsError(error, target)
  if (tls !== undefined) return tls
  const reason = codeOf(error) ?? (error instanceof Error ? error.message : 'unknown error')
  return new EarwitnessError(
    'database-unreachable',
    `The database at ${target} cannot be reached (${reason}).`,
    'Check that the server runs and that host, port and sslmode in database.url are right; without database.url Earwitness runs its own.',
    { cause: error },
  )
}

const CERTIFICATE_CODES = /^(?:(?:DEPTH_ZERO_)?SELF_SIGNED_CERT|UNABLE_TO_|CERT_|ERR_TLS_CERT_)/
/** The server's answer to our own certificate: an alert of TLS (RFC 8446 6.2), after the handshake in TLS 1.3. */
const ALERT_CODES = /^ERR_SSL_.*ALERT/

/** The driver asks for TLS with a message of its own, and answers a refusal with this sentence. */
const NO_TLS = 'The server does not support SSL connections'

function describeTlsError(error: unknown, target: string): EarwitnessError | undefined {
  const code = codeOf(error)
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return new EarwitnessError(
      'database-certificate-name',
      `The certificate of the database server is not for the host at ${target}.`,
      'Write the name in the certificate as host of database.url; sslmode=verify-ca checks the signer only.',
      { cause: error },
    )
  }
  if (code !== undefined && CERTIFICATE_CODES.test(code)) {
    return new EarwitnessError(
      'database-certificate',
      `The certificate of the database server at ${target} is not trusted (${code}).`,
      'Name the certificate of its CA in database.url with &sslrootcert=FILE, and look whether it has expired.',
      { cause: error },
    )
  }
  if (code !== undefined && ALERT_CODES.test(code)) {
    return new EarwitnessError(
      'database-client-certificate',
      `The database server at ${target} does not accept our certificate (${code}).`,
      'Check sslcert and sslkey in database.url, and that their CA is in ssl_ca_file of the server.',
      { cause: error },
    )
  }
  if (error instanceof Error && error.message === NO_TLS) {
    return new EarwitnessError(
      'database-no-tls',
      `The database at ${target} does not speak TLS, and sslmode asks for it.`,
      'Switch it on at the server (ssl = on); sslmode=disable sends names and numbers in clear.',
      { cause: error },
    )
  }
  return undefined
}
