import type { SipFlow } from './flow.ts'
import type { SipHeader } from './header-list.ts'
import { formatHostPort } from './uri.ts'

/** The name in our Server and User-Agent headers. Without a version: that would tell attackers more than operators. */
export const PRODUCT = 'Earwitness'

/** Methods that are carried out. Others get 405. */
export const ALLOWED_METHODS: readonly string[] = [
  'INVITE',
  'ACK',
  'BYE',
  'CANCEL',
  'OPTIONS',
  'UPDATE',
  'INFO',
  'PRACK',
  'NOTIFY',
]

/** Bodies that are understood, RFC 7866 9.1 and RFC 9806. */
const ACCEPTED_TYPES = 'application/sdp, application/rs-metadata+xml, application/rs-metadata, multipart/mixed'

/** Option tags that a client may require. */
export const REQUIRABLE_OPTIONS: ReadonlySet<string> = new Set(['siprec', '100rel', 'timer'])

/** Methods counted under their own name; a client cannot make up metric labels. */
const COUNTED_METHODS: ReadonlySet<string> = new Set(
  ALLOWED_METHODS.concat('REGISTER', 'SUBSCRIBE', 'REFER', 'MESSAGE', 'PUBLISH'),
)

export function countedMethod(method: string): string {
  return COUNTED_METHODS.has(method) ? method : 'other'
}

export const ALLOW: SipHeader = { name: 'Allow', value: ALLOWED_METHODS.join(', ') }
export const ACCEPT: SipHeader = { name: 'Accept', value: ACCEPTED_TYPES }
export const ACCEPT_ENCODING: SipHeader = { name: 'Accept-Encoding', value: 'identity' }
export const SUPPORTED: SipHeader = { name: 'Supported', value: 'siprec, timer, 100rel' }
export const SDP_TYPE: SipHeader = { name: 'Content-Type', value: 'application/sdp' }
export const SERVER: SipHeader = { name: 'Server', value: PRODUCT }
export const USER_AGENT: SipHeader = { name: 'User-Agent', value: PRODUCT }

/**
 * Our Contact towards a peer, with the feature tag of a recording server. RFC 7866 6.1.1
 *
 * @param isSips the dialog asks for a SIPS URI; it gets one where there is TLS. RFC 3261 12.1.1
 */
export function contactFor(flow: SipFlow, isSips: boolean): SipHeader {
  const at = formatHostPort(flow.localAddress, flow.localPort)
  // `transport=tls` means nothing in a SIPS URI, RFC 3261 26.2.2.
  if (isSips && flow.transport === 'tls') return { name: 'Contact', value: `<sips:srs@${at}>;+sip.srs` }
  const transport = flow.transport === 'udp' ? '' : `;transport=${flow.transport}`
  return { name: 'Contact', value: `<sip:srs@${at}${transport}>;+sip.srs` }
}
