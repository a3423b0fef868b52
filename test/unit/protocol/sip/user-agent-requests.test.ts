import { describe, expect, test } from 'vitest'
import { Bench, head, parseResponse, request, SDP, tagOf, TCP_FLOW, UDP_FLOW } from './wire.ts'

const ALLOWED = 'INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, INFO, PRACK, NOTIFY'

describe('INFO packages (RFC 6086)', () => {
  test('a peer that speaks of them is told that none is wanted, another one nothing', () => {
    for (const [extra, expected] of [
      [['Recv-Info: example'], ''],
      [[], undefined],
    ] as const) {
      const bench = new Bench()
      bench.receive(request({ method: 'OPTIONS', extra }))
      expect(bench.lastResponse.headers.first('recv-info')).toBe(expected)
      bench.receive(request({ body: SDP, branch: 'z9hG4bK-2', extra }))
      bench.answerLast()
      expect(bench.lastResponse.headers.first('recv-info')).toBe(expected)
    }
  })
})

describe('OPTIONS', () => {
  test('is answered with what the recorder can do', () => {
    const bench = new Bench()
    bench.receive(request({ method: 'OPTIONS' }))
    const { status, headers } = bench.lastResponse
    expect(status).toBe(200)
    expect(headers.first('allow')).toBe(ALLOWED)
    expect(headers.first('accept')).toBe(
      'application/sdp, application/rs-metadata+xml, application/rs-metadata, multipart/mixed',
    )
    expect(headers.first('supported')).toBe('siprec, timer, 100rel')
    expect(headers.first('contact')).toBe('<sip:srs@192.0.2.9:5060>;+sip.srs')
    expect(headers.first('to')).toMatch(/;tag=token\d+$/)
  })

  test('is answered 503 with Retry-After when no recording session can begin', () => {
    const bench = new Bench()
    bench.admission = { status: 503, retryAfterSeconds: 30 }
    bench.receive(request({ method: 'OPTIONS' }))
    expect([bench.lastResponse.status, bench.lastResponse.headers.first('retry-after')]).toEqual([503, '30'])
  })

  test('retransmitted, gets the same answer for 32 s, without being counted twice', () => {
    const bench = new Bench()
    bench.receive(request({ method: 'OPTIONS' }))
    bench.advance(31_000_000)
    bench.receive(request({ method: 'OPTIONS' }))
    expect(bench.sent[1]!.text).toBe(bench.sent[0]!.text)
    expect(bench.counted).toEqual([
      { kind: 'request', method: 'OPTIONS', code: 200 },
      { kind: 'retransmission', direction: 'in' },
    ])
    bench.advance(2_000_000)
    expect(bench.userAgent.transactionCount).toBe(0)
  })
})

describe('what is not supported', () => {
  test.each(['REGISTER', 'REFER', 'invite', '!odd%method'])('%s gets 405 with Allow', (method) => {
    const bench = new Bench()
    bench.receive(request({ method }))
    expect([bench.lastResponse.status, bench.lastResponse.headers.first('allow')]).toEqual([405, ALLOWED])
  })

  test('methods that a client makes up are counted under one label', () => {
    const bench = new Bench()
    bench.receive(request({ method: 'NOSUCH' }))
    bench.receive(request({ method: 'REFER', branch: 'z9hG4bK-2' }))
    expect(bench.counted).toEqual([
      { kind: 'request', method: 'other', code: 405 },
      { kind: 'request', method: 'REFER', code: 405 },
    ])
  })

  test('required extensions that are not known get 420 with Unsupported', () => {
    const bench = new Bench()
    bench.receive(request({ extra: ['Require: siprec, replaces', 'Require: 100rel, outbound'] }))
    expect([bench.lastResponse.status, bench.lastResponse.headers.first('unsupported')]).toEqual([
      420,
      'replaces, outbound',
    ])
  })

  test('siprec, 100rel and timer may be required', () => {
    const bench = new Bench()
    bench.receive(request({ extra: ['Require: siprec,100rel', 'Require: timer'], body: SDP }))
    expect(bench.offers).toHaveLength(1)
  })

  test('a compressed body gets 415 with Accept-Encoding', () => {
    const bench = new Bench()
    bench.receive(request({ extra: ['Content-Encoding: gzip'], body: 'x' }))
    expect([bench.lastResponse.status, bench.lastResponse.headers.first('accept-encoding')]).toEqual([415, 'identity'])
  })

  test('a Request-URI of another scheme gets 416', () => {
    const bench = new Bench()
    bench.receive(request({ uri: 'http://example.com' }))
    expect(bench.lastResponse.status).toBe(416)
  })

  test('a request in a dialog that is not there gets 481, BYE without a To tag too', () => {
    const bench = new Bench()
    bench.receive(request({ method: 'BYE', toTag: 'nobody' }))
    bench.receive(request({ method: 'INVITE', toTag: 'nobody', branch: 'z9hG4bK-2' }))
    bench.receive(request({ method: 'BYE', branch: 'z9hG4bK-3', cseq: '2 BYE' }))
    bench.receive(request({ method: 'CANCEL', branch: 'z9hG4bK-4', cseq: '3 CANCEL' }))
    expect(bench.outline).toEqual(['481', '481', '481', '481'])
  })
})

describe('a malformed request', () => {
  const from = 'From: <sip:a@b>;tag=1'
  const to = 'To: <sip:b@c>'
  const via = 'Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK-1'
  test.each([
    ['no From', 400, 'Bad From', [via, to, 'Call-ID: 1', 'CSeq: 1 INVITE']],
    ['an open quote in From', 400, 'Bad From', [via, 'From: "a <sip:a@b>', to, 'Call-ID: 1', 'CSeq: 1 INVITE']],
    ['no To', 400, 'Bad To', [via, from, 'Call-ID: 1', 'CSeq: 1 INVITE']],
    ['no Call-ID', 400, 'Bad Call-ID', [via, from, to, 'CSeq: 1 INVITE']],
    ['no CSeq', 400, 'Bad CSeq', [via, from, to, 'Call-ID: 1']],
    ['a CSeq too large', 400, 'Bad CSeq', [via, from, to, 'Call-ID: 1', 'CSeq: 36893488147419103232 INVITE']],
    ['a CSeq of another method', 400, 'CSeq Method Mismatch', [via, from, to, 'Call-ID: 1', 'CSeq: 1 BYE']],
    ['two Call-IDs', 400, 'Repeated Header', [via, from, to, 'Call-ID: 1', 'i: 2', 'CSeq: 1 INVITE']],
    ['a negative Content-Length', 400, 'Bad Content-Length', [via, from, to, 'Call-ID: 1', 'CSeq: 1 INVITE', 'l: -1']],
    [
      'a header too long',
      513,
      'Message Too Large',
      [via, from, to, 'Call-ID: 1', 'CSeq: 1 INVITE', `X: ${'x'.repeat(9000)}`],
    ],
    [
      'too many headers',
      513,
      'Message Too Large',
      [via, from, to, 'Call-ID: 1', 'CSeq: 1 INVITE', ...Array<string>(300).fill('X: y')],
    ],
  ])('with %s gets %i %s', (_, status, reason, lines) => {
    const bench = new Bench()
    bench.receive(head('INVITE sip:srs@c SIP/2.0', ...lines))
    expect([bench.lastResponse.status, bench.lastResponse.reason]).toEqual([status, reason])
    expect([bench.offers.length, bench.userAgent.transactionCount]).toEqual([0, 0])
  })

  test('of another version gets 505, with a broken Request-URI 400', () => {
    const bench = new Bench()
    bench.receive(request().replace('SIP/2.0\r\n', 'SIP/3.0\r\n'))
    bench.receive(request({ uri: 'sip:a b' }))
    expect(bench.outline).toEqual(['505', '400'])
  })

  test('announcing too large a body over TCP gets 413', () => {
    const bench = new Bench()
    bench.receive(
      request({ body: SDP })
        .replace(/Content-Length: \d+/, 'Content-Length: 70000')
        .replace(SDP, ''),
      TCP_FLOW,
    )
    expect(bench.outline).toEqual(['413'])
  })

  test.each([
    ['without Via', request().replace(/Via: .*\r\n/, '')],
    ['with a broken Via', request({ via: 'nonsense' })],
    ['that is a broken ACK', request({ method: 'ACK', cseq: 'x' })],
    ['that is no SIP', 'hello'],
  ])('%s gets no answer', (_, text) => {
    const bench = new Bench()
    bench.receive(text)
    expect([bench.sent, bench.counted.map(({ kind }) => kind)]).toEqual([[], ['rejected']])
  })

  test('tells a connection that is worth keeping from one that is not', () => {
    const bench = new Bench()
    expect([bench.receive('hello'), bench.receive('\r\n\r\n'), bench.receive(request({ cseq: 'x' }))]).toEqual([
      false,
      true,
      true,
    ])
  })
})

describe('an answer goes', () => {
  test('to the source address and the port of the sent-by', () => {
    const bench = new Bench()
    bench.receive(request({ method: 'OPTIONS', via: 'SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bK-1' }), {
      ...UDP_FLOW,
      port: 33_333,
    })
    expect(bench.sent[0]!.target).toMatchObject({ transport: 'udp', host: '192.0.2.1', port: 5070, kind: 'response' })
    expect(bench.lastResponse.headers.first('via')).toBe(
      'SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bK-1;received=192.0.2.1',
    )
  })

  test('to the source port when the client asks for rport (RFC 3581)', () => {
    const bench = new Bench()
    bench.receive(request({ method: 'OPTIONS', via: 'SIP/2.0/UDP 192.0.2.1;rport;branch=z9hG4bK-1' }), {
      ...UDP_FLOW,
      port: 33_333,
    })
    expect(bench.sent[0]!.target.port).toBe(33_333)
    expect(bench.lastResponse.headers.first('via')).toBe(
      'SIP/2.0/UDP 192.0.2.1;rport=33333;branch=z9hG4bK-1;received=192.0.2.1',
    )
  })

  test('never to a maddr or received that the client names', () => {
    const bench = new Bench()
    const via = 'SIP/2.0/UDP 192.0.2.1;maddr=198.51.100.7;received=198.51.100.7;branch=z9hG4bK-1'
    bench.receive(request({ method: 'OPTIONS', via }))
    expect(bench.sent[0]!.target).toMatchObject({ host: '192.0.2.1', port: 5060 })
  })

  test('back over its connection', () => {
    const bench = new Bench()
    bench.receive(request({ method: 'OPTIONS', via: 'SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK-1' }), TCP_FLOW)
    expect(bench.sent[0]!.target).toMatchObject({ transport: 'tcp', connectionId: 7 })
    expect(bench.lastResponse.headers.first('contact')).toBe('<sip:srs@192.0.2.9:5060;transport=tcp>;+sip.srs')
  })

  test('with all Via lines in order, only the first one stamped', () => {
    const bench = new Bench()
    const via = 'SIP/2.0/UDP p.example.com;branch=z9hG4bK-1 , SIP/2.0/UDP q.example.com;branch=z9hG4bK-0'
    bench.receive(request({ method: 'OPTIONS', via, extra: ['Via: SIP/2.0/UDP r.example.com'] }))
    expect(bench.lastResponse.headers.all('via')).toEqual([
      'SIP/2.0/UDP p.example.com;branch=z9hG4bK-1;received=192.0.2.1, SIP/2.0/UDP q.example.com;branch=z9hG4bK-0',
      'SIP/2.0/UDP r.example.com',
    ])
  })

  test('with an IPv6 Contact in brackets', () => {
    const bench = new Bench()
    bench.receive(request({ method: 'OPTIONS' }), { ...UDP_FLOW, address: '2001:db8::1', localAddress: '2001:db8::9' })
    expect(bench.lastResponse.headers.first('contact')).toBe('<sip:srs@[2001:db8::9]:5060>;+sip.srs')
  })
})

describe('the bounds', () => {
  test('a full transaction table answers 503 with Retry-After and keeps nothing', () => {
    const bench = new Bench({ transactionsMax: 1 })
    bench.receive(request({ method: 'OPTIONS' }))
    bench.receive(request({ branch: 'z9hG4bK-2', sipCallId: 'other' }))
    const { status, headers } = parseResponse(bench.sent[1]!.bytes)
    expect([status, headers.first('retry-after'), bench.userAgent.transactionCount]).toEqual([503, '5', 1])
    expect(bench.counted).toContainEqual({ kind: 'dropped', reason: 'transactionsFull' })
  })

  test('a full dialog table answers 503 with Retry-After, and has room again after a BYE', () => {
    const bench = new Bench({ dialogsMax: 1 })
    const { toTag } = bench.establish()
    const second = { branch: 'z9hG4bK-2', sipCallId: 'other', body: SDP }
    bench.receive(request(second))
    expect([bench.lastResponse.status, bench.lastResponse.headers.first('retry-after')]).toEqual([503, '5'])
    expect(bench.counted).toContainEqual({ kind: 'dropped', reason: 'dialogsFull' })
    bench.receive(request({ method: 'BYE', branch: 'z9hG4bK-b', cseq: '2 BYE', toTag }))
    bench.receive(request({ ...second, branch: 'z9hG4bK-3', cseq: '2 INVITE' }))
    expect(bench.offers).toHaveLength(2)
  })

  test('a response that answers nothing of ours is dropped and counted', () => {
    const bench = new Bench()
    bench.receive(head('SIP/2.0 200 OK', 'Via: SIP/2.0/UDP a;branch=z9hG4bKx', 'CSeq: 1 BYE'))
    expect([bench.sent, bench.counted]).toEqual([[], [{ kind: 'dropped', reason: 'strayResponse' }]])
  })
})

test('clients of RFC 2543, without branch and From tag, are served', () => {
  const bench = new Bench()
  const old = { via: 'SIP/2.0/UDP 192.0.2.1:5060' }
  const untagged = (text: string): string => text.replace(';tag=src1', '')
  bench.receive(untagged(request({ ...old, body: SDP })))
  bench.receive(untagged(request({ ...old, body: SDP })))
  expect(bench.outline).toEqual(['100', '100'])
  bench.answerLast()
  const toTag = tagOf(bench.lastResponse)
  bench.receive(untagged(request({ ...old, method: 'ACK', toTag })))
  bench.receive(untagged(request({ ...old, method: 'BYE', toTag, cseq: '2 BYE' })))
  expect(bench.happened.map(({ kind }) => kind)).toEqual(['offer', 'confirmed', 'ended'])
})
