import type { Random } from '../random.ts'

const METHODS = ['INVITE', 'ACK', 'BYE', 'CANCEL', 'OPTIONS', 'UPDATE', 'INFO', 'PRACK', 'REGISTER', 'FOO']

export const SIP_WORDS: readonly string[] = [
  ...METHODS,
  'SIP/2.0',
  'SIP/2.0/UDP ',
  'SIP/2.0/TCP ',
  'z9hG4bK',
  ';branch=',
  ';tag=',
  ';rport',
  ';received=',
  ';lr',
  ';+sip.src',
  ';transport=tcp',
  '<sip:src@example.com>',
  'sips:',
  'tel:',
  'Via: ',
  'From: ',
  'To: ',
  'Call-ID: ',
  'CSeq: ',
  'Contact: ',
  'Contact: *',
  'Content-Length: ',
  'Content-Type: application/sdp',
  'Content-Type: multipart/mixed;boundary=b',
  'Record-Route: <sip:p.example.com;lr>',
  'Route: ',
  'Require: siprec',
  'Require: foo',
  'Require: 100rel',
  'Supported: 100rel',
  'RAck: 2 1 INVITE',
  'Supported: timer',
  'Session-Expires: 90;refresher=uac',
  'Session-Expires: 1',
  'Min-SE: 90',
  'Allow: UPDATE',
  'Content-Encoding: gzip',
  'Max-Forwards: 0',
  'Timestamp: 1',
  'Info-Package: x',
  'RAck: 1 1 INVITE',
  'l: 0',
  'v: ',
  '\r\n\r\n',
]

/** What a request is made of; what is left out is chosen. */
export interface RequestShape {
  readonly method?: string
  readonly sipCallId?: string
  readonly branch?: string
  readonly fromTag?: string
  readonly toTag?: string | undefined
  readonly sequenceNumber?: number
}

const SDP =
  'v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 49170 RTP/AVP 0\r\na=label:1\r\n'
const EXTRAS = [
  'Require: siprec',
  'Record-Route: <sip:p1.example.com;lr>, <sip:p2.example.com>',
  'Record-Route: not a route',
  'Session-Expires: 90;refresher=uac',
  'Session-Expires: 100;refresher=uas',
  'Session-Expires: 1',
  'Min-SE: 3600',
  'Supported: timer, siprec',
  'Allow: INVITE, UPDATE',
  'Accept: application/sdp',
  'Info-Package: recorder',
  'Require: 100rel',
  'Supported: 100rel',
  'RAck: 1 1 INVITE',
  'RAck: 2 1 INVITE',
  'Recv-Info: recorder',
  'Timestamp: 54',
  'Content-Encoding: identity',
  '__proto__: x',
]

/** A request by the grammar of RFC 3261, each part now and then a little off. */
export function makeRequest(random: Random, shape: RequestShape = {}): string {
  const method = shape.method ?? random.pick(METHODS)
  const transport = random.pick(['UDP', 'UDP', 'TCP'])
  const branch = shape.branch ?? random.pick(['z9hG4bK-1', 'z9hG4bK-2', 'z9hG4bK-3', 'z9hG4bK', '1', ''])
  const host = random.pick(['192.0.2.1', '192.0.2.1:5062', '[2001:db8::1]:5060', 'src.example.com'])
  const toTag = shape.toTag === undefined ? '' : `;tag=${shape.toTag}`
  const number = shape.sequenceNumber ?? random.pick([1, 2, 3, 4, 2_147_483_647])
  const contact = random.pick([
    '<sip:src@192.0.2.1:5060>;+sip.src',
    '<sip:src@192.0.2.1;transport=tcp;+sip.src>',
    'sip:src@[2001:db8::1]',
    '<sips:src@example.com>',
    '*',
    '"a" <tel:+15550100>',
  ])
  const lines = [
    `${method} ${random.pick(['sip:srs@192.0.2.9', 'sips:srs@example.com', 'tel:+15550100', 'sip:[::1]:5060;lr'])} SIP/2.0`,
    `Via: SIP/2.0/${transport} ${host}${random.pick(['', ';rport', ';received=192.0.2.7'])}${branch === '' ? '' : `;branch=${branch}`}`,
    'Max-Forwards: 70',
    `From: ${random.pick(['"Client" ', '', 'Client '])}<sip:src@example.com>;tag=${shape.fromTag ?? random.pick(['a', 'b', ''])}`,
    `To: <sip:srs@example.com>${toTag}`,
    `Call-ID: ${shape.sipCallId ?? random.pick(['c1', 'c2', 'c3@192.0.2.1'])}`,
    `CSeq: ${number} ${random.chance(0.97) ? method : 'INVITE'}`,
  ]
  if (random.chance(0.8)) lines.push(`Contact: ${contact}`)
  while (random.chance(0.4)) lines.push(random.pick(EXTRAS))
  const body = random.chance(0.6) ? SDP : ''
  if (body !== '' && random.chance(0.9)) lines.push('Content-Type: application/sdp')
  if (random.chance(0.95)) lines.push(`Content-Length: ${random.chance(0.97) ? body.length : random.below(300)}`)
  return `${lines.join('\r\n')}\r\n\r\n${body}`
}
