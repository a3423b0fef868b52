import type { Config } from '../../config/config.ts'
import type { EarwitnessError } from '../../errors.ts'
import type { Authoriser } from '../../protocol/sip/door.ts'
import { formatHostPort } from '../../protocol/sip/uri.ts'
import { DrachtioSignalling } from './drachtio/drachtio-signalling.ts'
import { EmbeddedSignalling } from './embedded.ts'
import type { BoundAddress, SignallingPort } from './port.ts'
import type { SignallingLog } from './signalling-log.ts'

/** A signalling port, and what the composition root asks of it beyond that. */
export interface Signalling {
  readonly port: SignallingPort
  /** `embedded`, or `drachtio` with where it is met: `drachtio:127.0.0.1:9022`. */
  readonly engine: string
  /** Where SRCs send their INVITEs; empty while that is not known. */
  addresses(): readonly BoundAddress[]
  /** What keeps new recording sessions from coming; undefined when nothing does. */
  outage(): EarwitnessError | undefined
  /** Reads certificates again that were renewed on disk. */
  reloadCertificates(): void
}

export interface SignallingParts {
  readonly log: SignallingLog
  /** 32 hex digits, unguessable, different each time. */
  readonly randomToken: () => string
  /** Monotonic microseconds. */
  readonly nowUs: () => number
  /** INVITEs that waited longer in a socket's buffer are refused. */
  readonly queueWaitUs: number
  /** Who may open a dialog, for an engine that asks for passwords itself. */
  readonly authoriser: Authoriser
}

/** The signalling that the configuration asks for. */
export function createSignalling(sip: Config['sip'], parts: SignallingParts): Signalling {
  return sip.drachtio === undefined ? createEmbedded(sip, parts) : createDrachtio(sip, sip.drachtio, parts)
}

function createEmbedded(sip: Config['sip'], parts: SignallingParts): Signalling {
  const port = new EmbeddedSignalling({
    listen: sip.listen,
    ...(sip.advertise === undefined ? {} : { advertise: sip.advertise }),
    ...(sip.tls === undefined ? {} : { tls: sip.tls }),
    ...parts,
  })
  return {
    port,
    engine: 'embedded',
    addresses: () => port.addresses,
    outage: () => undefined,
    reloadCertificates: () => port.reloadCertificates(),
  }
}

function createDrachtio(
  sip: Config['sip'],
  drachtio: NonNullable<Config['sip']['drachtio']>,
  parts: SignallingParts,
): Signalling {
  const { mode, host, listen, allow, secret } = drachtio
  const port = new DrachtioSignalling({
    meeting: mode === 'connect' ? { mode, host, port: drachtio.port } : { mode, ...listen, allow },
    secret,
    ...(sip.advertise === undefined ? {} : { advertise: sip.advertise }),
    ...parts,
  })
  const at = mode === 'connect' ? formatHostPort(host, drachtio.port) : formatHostPort(listen.address, listen.port)
  return {
    port,
    engine: `drachtio:${at}`,
    addresses: () => port.addresses,
    outage: () => port.outage,
    // The certificates are drachtio-server's.
    reloadCertificates: () => {},
  }
}
