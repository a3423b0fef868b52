import { formatHostPort } from '../../../protocol/sip/uri.ts'
import { EarwitnessError } from '../../../errors.ts'

/** Nothing answers at the admin port. Logged, and told by readiness; the recorder goes on trying. */
export function unreachable(host: string, port: number, cause?: unknown): EarwitnessError {
  return new EarwitnessError(
    'drachtio-unreachable',
    `drachtio-server cannot be reached at ${formatHostPort(host, port)}.`,
    'Start it, or set sip.drachtio.host and sip.drachtio.port to its admin address (<admin port="9022">ADDRESS</admin> in ' +
      'drachtio.conf.xml). It is tried again until it answers; meanwhile nothing is recorded.',
    { cause },
  )
}

/** drachtio-server wants another secret. */
export function secretRefused(host: string, port: number): EarwitnessError {
  return new EarwitnessError(
    'drachtio-secret',
    `drachtio-server at ${formatHostPort(host, port)} refuses the secret.`,
    'Set sip.drachtio.secret to what stands in <admin secret="…"> of its drachtio.conf.xml, or after its option --secret.',
  )
}

/** The port for connections of drachtio-server cannot be opened. */
export function cannotListen(address: string, port: number, cause: unknown): EarwitnessError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown'
  return new EarwitnessError(
    'drachtio-listen-failed',
    `drachtio-server cannot be listened for at ${formatHostPort(address, port)} (${code}).`,
    'Set sip.drachtio.listen to a free port of an address of this machine.',
    { cause },
  )
}
