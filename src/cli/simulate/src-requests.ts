import type { SipHeader } from '../../protocol/sip/header-list.ts'
import type { SipRequest } from '../../protocol/sip/message.ts'
import { serialize } from '../../protocol/sip/serialize-message.ts'
import { formatHostPort } from '../../protocol/sip/uri.ts'
import type { OutgoingBody } from './offer.ts'

/** Where the SRC's own signalling lives. */
export interface SrcAddress {
  readonly transport: 'udp' | 'tcp'
  readonly address: string
  readonly port: number
}

/** What every request of one dialog shares. */
export interface DialogIdentity {
  readonly src: SrcAddress
  /** URI of the recorder as first addressed; the To of every request. */
  readonly recorderUri: string
  readonly sipCallId: string
  readonly fromTag: string
}

export interface RequestOptions {
  readonly method: string
  readonly requestUri: string
  readonly routes: readonly string[]
  readonly sequenceNumber: number
  readonly branch: string
  readonly toTag: string | undefined
  readonly body?: OutgoingBody | undefined
}

const ALLOWED_METHODS = 'INVITE, ACK, CANCEL, BYE, OPTIONS, INFO'

/** Prints a request of the SRC. INVITE and re-INVITE require `siprec` and carry the feature tag `+sip.src`. RFC 7866 6.1 */
export function buildRequest(identity: DialogIdentity, options: RequestOptions): Uint8Array {
  const { method, body } = options
  const headers: SipHeader[] = [
    { name: 'Via', value: viaOf(identity.src, options.branch) },
    { name: 'Max-Forwards', value: '70' },
    ...options.routes.map((route) => ({ name: 'Route', value: route })),
    { name: 'From', value: `<${srcUri(identity.src)}>;tag=${identity.fromTag}` },
    { name: 'To', value: `<${identity.recorderUri}>${options.toTag === undefined ? '' : `;tag=${options.toTag}`}` },
    { name: 'Call-ID', value: identity.sipCallId },
    { name: 'CSeq', value: `${options.sequenceNumber} ${method}` },
    { name: 'User-Agent', value: 'earwitness-simulate' },
  ]
  if (method === 'INVITE') {
    headers.push(
      { name: 'Contact', value: `<${srcUri(identity.src)}>;+sip.src` },
      { name: 'Require', value: 'siprec' },
      { name: 'Accept', value: 'application/sdp, application/rs-metadata-request' },
      { name: 'Allow', value: ALLOWED_METHODS },
    )
  }
  if (body !== undefined) {
    headers.push({ name: 'Content-Type', value: body.contentType })
    if (body.contentDisposition !== undefined) {
      headers.push({ name: 'Content-Disposition', value: body.contentDisposition })
    }
  }
  const startLine = `${method} ${options.requestUri} SIP/2.0`
  return serialize(body === undefined ? { startLine, headers } : { startLine, headers, body: body.bytes })
}

/** Prints the SRC's response to a request of the recorder. RFC 3261 8.2.6 */
export function buildResponse(request: SipRequest, status: number, reason: string, toTag: string): Uint8Array {
  const headers: SipHeader[] = ['Via', 'From', 'To', 'Call-ID', 'CSeq'].flatMap((name) =>
    request.headers.all(name).map((value) => ({ name, value })),
  )
  const tagged = headers.map(({ name, value }) =>
    name === 'To' && !value.toLowerCase().includes(';tag=')
      ? { name, value: `${value};tag=${toTag}` }
      : { name, value },
  )
  if (status === 405 || request.method === 'OPTIONS') tagged.push({ name: 'Allow', value: ALLOWED_METHODS })
  return serialize({ startLine: `SIP/2.0 ${status} ${reason}`, headers: tagged })
}

function viaOf(src: SrcAddress, branch: string): string {
  return `SIP/2.0/${src.transport.toUpperCase()} ${formatHostPort(src.address, src.port)};branch=${branch};rport`
}

function srcUri(src: SrcAddress): string {
  return `sip:src@${formatHostPort(src.address, src.port)}${src.transport === 'tcp' ? ';transport=tcp' : ''}`
}
