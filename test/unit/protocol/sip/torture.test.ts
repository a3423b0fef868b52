import { describe, expect, test } from 'vitest'
import { parseMessage } from '../../../../src/protocol/sip/parse-message.ts'
import { parseNameAddr } from '../../../../src/protocol/sip/name-addr.ts'
import { StreamFramer } from '../../../../src/protocol/sip/stream-framer.ts'
import { parseSipUri } from '../../../../src/protocol/sip/uri.ts'
import { parseVia } from '../../../../src/protocol/sip/via.ts'
import { parseSdp } from '../../../../src/protocol/sdp/parse.ts'
import { readSipVectors, type SipVector, type Verdict } from '../../../vectors/sip/read-vectors.ts'
import { Bench, bytesOf, parseRequest, request, TCP_FLOW, UDP_FLOW } from './wire.ts'

const vectors = readSipVectors()
/** Their Content-Length is not the length of what follows, on purpose. */
const MISCOUNTED = ['rfc4475/dblreq', 'rfc4475/clerr', 'rfc4475/ncl', 'rfc4475/mcl01']

function vector(name: string): SipVector {
  const found = vectors.find((each) => each.name === name)
  if (found === undefined) throw new Error(`no vector ${name}`)
  return found
}

/** What the user agent made of the last thing it got. */
function verdictOf(bench: Bench, closed: boolean): Verdict {
  const final = bench.outline.find((status) => status !== '100')
  if (final === '200') return { kind: 'accepted' }
  if (final !== undefined) return { kind: 'refused', status: Number(final), closed }
  const dropped = bench.counted.find(({ kind }) => kind === 'rejected' || kind === 'dropped')
  return dropped !== undefined && 'reason' in dropped
    ? { kind: 'dropped', reason: dropped.reason, closed }
    : { kind: 'waits' }
}

function receive(bench: Bench, bytes: Uint8Array, transport: 'udp' | 'tcp'): boolean {
  const isSip = bench.receive(bytes, transport === 'udp' ? UDP_FLOW : TCP_FLOW)
  if (bench.offers.length > 0) bench.answerLast()
  return isSip
}

describe.each(vectors)('$name: $title', ({ name, bytes, verdicts, tcpAlso }) => {
  test('in a datagram', () => {
    const bench = new Bench()
    receive(bench, bytes, 'udp')
    const wanted = verdicts.udp
    expect(verdictOf(bench, false)).toEqual('closed' in wanted ? { ...wanted, closed: false } : wanted)
  })

  test('on a stream, in one piece and byte by byte', () => {
    for (const size of [bytes.length, 1]) {
      const bench = new Bench()
      const framer = new StreamFramer()
      let closed = false
      let first: Verdict | undefined
      for (let start = 0; start < bytes.length; start += size) {
        for (const item of framer.push(bytes.subarray(start, start + size))) {
          if (item.kind === 'message') closed = !receive(bench, item.bytes, 'tcp') || closed
          if (item.kind === 'broken') closed ||= tcpAlso === undefined
          if (item.kind === 'broken' && item.reason === 'notSip')
            bench.counted.push({ kind: 'rejected', reason: 'startLine' })
          if (item.kind === 'message') first ??= verdictOf(bench, false)
        }
      }
      first ??= verdictOf(bench, false)
      expect('closed' in first ? { ...first, closed } : first).toEqual(verdicts.tcp)
      expect(bench.sent.some(({ text }) => text.includes(`CSeq: ${tcpAlso?.split(' ', 2).join(' ')}`))).toBe(
        tcpAlso !== undefined,
      )
    }
  })

  test('whatever it was, the next request is answered', () => {
    const bench = new Bench()
    receive(bench, bytes, 'udp')
    bench.sent.length = 0
    bench.receive(request({ method: 'OPTIONS', branch: 'z9hG4bK-next', sipCallId: 'next' }))
    expect(bench.outline).toEqual(['200'])
  })

  test('its Content-Length is that of its body, unless that is its point', () => {
    const parsed = parseMessage(bytes)
    const announced = parsed.ok ? parsed.value.headers.first('Content-Length') : undefined
    const head = Buffer.from(bytes).indexOf('\r\n\r\n')
    if (announced === undefined || head === -1) return
    expect(Number(announced) === bytes.length - head - 4).toBe(!MISCOUNTED.includes(name))
  })
})

test('there are all 49 messages of RFC 4475 and all 12 of RFC 5118', () => {
  expect(vectors.filter(({ name }) => name.startsWith('rfc4475/')).length).toBe(49)
  expect(vectors.filter(({ name }) => name.startsWith('rfc5118/')).length).toBe(12)
})

describe('what the parsers read', () => {
  const read = (name: string) => parseRequest(vector(name).bytes)

  test('folds, blanks and compact names of a tortuous INVITE are undone', () => {
    const { headers } = read('rfc4475/wsinv')
    expect(headers.all('via').length).toBe(2)
    expect(parseVia(headers.first('Via') ?? '')).toMatchObject({ value: { transport: 'UDP', host: '192.0.2.2' } })
    expect(headers.first('NewFangledHeader')).toBe('newfangled value continued newfangled value')
    expect(headers.first('Subject')).toBe('')
    expect(parseNameAddr(headers.first('From') ?? '')).toMatchObject({
      value: { displayName: 'J Rosenberg \\"', uri: 'sip:jdrosen@example.com' },
    })
    expect(parseNameAddr(headers.first('Contact') ?? '')).toMatchObject({ value: { displayName: 'Quoted string ""' } })
  })

  test('bytes of a display name that no terminal can show are kept', () => {
    const to = parseNameAddr(read('rfc4475/intmeth').headers.first('To') ?? '')
    expect(to).toMatchObject({ value: { displayName: 'BEL:\u0007 NUL:\0 DEL:\u007F' } })
  })

  test('escapes stay escapes', () => {
    expect(parseSipUri(read('rfc4475/esc01').requestUri)).toMatchObject({
      value: { user: 'sips%3Auser%40example.com', host: 'example.net' },
    })
    expect(read('rfc4475/esc02').headers.all('Contact').length).toBe(2)
    expect(parseSipUri(read('rfc4475/semiuri').requestUri)).toMatchObject({
      value: { user: 'user;par=u%40example.net', host: 'example.com' },
    })
  })

  test.each(['blank', 'bracket'])('a BYE does not go to a Contact that would break its request line: %s', (name) => {
    const bench = new Bench()
    receive(bench, vector(`regressions/${name}-in-contact`).bytes, 'udp')
    const ack = { fromTag: name, sipCallId: `${name}@192.0.2.1`, toTag: 'token1', branch: 'z9hG4bK-ack' }
    bench.receive(request({ method: 'ACK', cseq: '1 ACK', ...ack }))
    bench.userAgent.bye(bench.offers[0]!.dialogId, undefined, bench.nowUs)
    expect(bench.sent.at(-1)!.text).toMatch(/^BYE sip:192\.0\.2\.1:5060 SIP\/2\.0\r\n/)
  })

  test('two clients that send nothing but the cookie as their branch are two', () => {
    const bench = new Bench()
    const text = Buffer.from(vector('rfc4475/badbranch').bytes).toString()
    bench.receive(bytesOf(text))
    bench.receive(bytesOf(text.replace('Call-ID: ', 'Call-ID: another-').replace('CSeq: 8', 'CSeq: 9')))
    expect(bench.counted.filter(({ kind }) => kind === 'retransmission')).toEqual([])
    expect(bench.sent.map(({ text: sent }) => /CSeq: (.*)\r/.exec(sent)?.[1])).toEqual(['8 OPTIONS', '9 OPTIONS'])
  })

  test('an IPv6 address and its port are told apart by the brackets', () => {
    const hostOf = (name: string) => parseSipUri(read(name).requestUri)
    expect(hostOf('rfc5118/port-ambiguous')).toMatchObject({ value: { host: '2001:db8::10:5070', port: undefined } })
    expect(hostOf('rfc5118/port-unambiguous')).toMatchObject({ value: { host: '2001:db8::10', port: 5070 } })
    expect(hostOf('rfc5118/ipv6-bug-abnf-3-colons')).toMatchObject({ value: { host: '2001:db8:::192.0.2.1' } })
    const via = parseVia(read('rfc5118/ipv4-mapped-ipv6').headers.first('Via') ?? '')
    expect(via).toMatchObject({ value: { host: '::ffff:192.0.2.10', port: 19_823 } })
  })

  test('addresses in SDP stand without brackets, for the session or for each line', () => {
    const addressesOf = (name: string) => {
      const sdp = parseSdp(read(name).body)
      return sdp.ok ? sdp.value.media.map(({ connectionAddress }) => connectionAddress) : sdp.reason
    }
    expect(addressesOf('rfc5118/ipv6-in-sdp')).toEqual(['2001:db8::20', '2001:db8::20'])
    expect(addressesOf('rfc5118/mult-ip-in-sdp')).toEqual(['192.0.2.1', '2001:db8::1'])
    expect(addressesOf('rfc5118/ipv4-mapped-ipv6')).toEqual(['::ffff:192.0.2.2', '::ffff:192.0.2.2'])
  })
})
