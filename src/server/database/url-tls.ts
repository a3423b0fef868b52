import { accessSync, constants } from 'node:fs'

/** As libpq and psql mean them; `prefer` and `allow` would hide whether the connection is encrypted. */
const MODES: ReadonlySet<string> = new Set(['disable', 'require', 'verify-ca', 'verify-full'])
/** PEM files: the CA of the server, our certificate and its key. */
const FILES = ['sslrootcert', 'sslcert', 'sslkey'] as const
const YES: ReadonlySet<string> = new Set(['true', '1'])
const NO: ReadonlySet<string> = new Set(['false', '0'])

/**
 * Brings what a URL says about TLS into the one form that the driver reads as psql does, and gives the sentence that says
 * what is wrong with it, if anything is. Who asks for TLS without saying how far (`ssl=true`, or the name of a file) gets
 * `verify-full`: nothing less finds out who answers.
 */
export function settleTls(parameters: URLSearchParams): string | undefined {
  const ssl = parameters.get('ssl')
  if (ssl !== null && !YES.has(ssl) && !NO.has(ssl)) return `ssl=${ssl} is not known; sslmode says how far to check.`
  parameters.delete('ssl')
  const isAsked = (ssl !== null && YES.has(ssl)) || FILES.some((name) => parameters.has(name))
  const mode = parameters.get('sslmode') ?? (isAsked ? 'verify-full' : undefined)
  if (mode === undefined) return undefined
  if (mode === 'prefer' || mode === 'allow') return `sslmode=${mode} would hide whether the connection is encrypted.`
  if (!MODES.has(mode)) return 'sslmode is not one that we know.'
  if (mode === 'disable') {
    for (const name of FILES) parameters.delete(name)
    return undefined
  }
  if (mode === 'verify-ca' && !parameters.has('sslrootcert')) return 'sslmode=verify-ca needs sslrootcert=FILE.'
  if (parameters.has('sslcert') !== parameters.has('sslkey')) return 'sslcert and sslkey go together.'
  const missing = FILES.find((name) => parameters.has(name) && !isReadable(parameters.get(name) ?? ''))
  if (missing !== undefined) return `The file of ${missing} cannot be read.`
  parameters.set('sslmode', mode)
  // The driver reads `require` and `verify-ca` as libpq and psql do only when it is asked to, and warns otherwise.
  if (!parameters.has('uselibpqcompat')) parameters.set('uselibpqcompat', 'true')
  return undefined
}

function isReadable(file: string): boolean {
  try {
    accessSync(file, constants.R_OK)
    return true
  } catch {
    return false
  }
}
