import { describe, expect, test } from 'vitest'
import { HeaderList, type SipHeader } from '../../../../src/protocol/sip/header-list.ts'
import { readMinSe, readSessionTerms } from '../../../../src/protocol/sip/session-expires.ts'
import { Bench, head, parseRequest, request, type RequestShape, SDP, tagOf } from './wire.ts'

const SECOND = 1_000_000
const AWARE = 'Supported: timer'

function headers(...lines: readonly string[]): HeaderList {
  return new HeaderList(
    lines.map((line): SipHeader => {
      const colon = line.indexOf(':')
      return { name: line.slice(0, colon), value: line.slice(colon + 1).trim() }
    }),
  )
}

/** Opens a dialog with these headers in the INVITE and returns the 200 as well. */
function open(...extra: readonly string[]) {
  const bench = new Bench()
  bench.receive(request({ body: SDP, extra }))
  bench.answerLast()
  const answer = bench.lastResponse
  const toTag = tagOf(answer)
  bench.receive(request({ method: 'ACK', branch: 'z9hG4bK-ack', toTag }))
  bench.sent.length = 0
  const receive = (shape: RequestShape): void => {
    bench.receive(request({ branch: `z9hG4bK-${shape.cseq}`, toTag, ...shape }))
  }
  /** Answers our latest request. */
  const reply = (status: string, ...more: readonly string[]): void => {
    const { headers: asked } = parseRequest(bench.sent.at(-1)!.text)
    const copied = ['Via', 'From', 'To', 'Call-ID', 'CSeq'].map((name) => `${name}: ${asked.first(name)}`)
    bench.receive(head(`SIP/2.0 ${status}`, ...copied, ...more))
  }
  return { bench, answer, receive, reply }
}

describe('the terms of a session timer (RFC 4028 table 2)', () => {
  test.each([
    ['the peer refreshes when it may', ['Session-Expires: 1800', AWARE], { intervalSeconds: 1800, isOurs: false }],
    ['it says so itself', ['x: 90 ; refresher = UAC', 'k: timer'], { intervalSeconds: 90, isOurs: false }],
    ['we refresh when it asks us to', ['Session-Expires: 600;refresher=uas', AWARE], { isOurs: true }],
    ['a proxy asked, the peer knows nothing of it', ['Session-Expires: 600;refresher=uac'], { isOurs: true }],
    ['it is required instead of supported', ['Session-Expires: 600', 'Require: timer'], { isOurs: false }],
  ])('%s', (_, lines, expected) => {
    const terms = readSessionTerms(headers(...lines))
    expect(terms).toMatchObject({ ok: true, value: expected })
  })

  test.each([
    ['no Session-Expires', [AWARE]],
    ['one that is no number', ['Session-Expires: soon', AWARE]],
    ['a negative one', ['Session-Expires: -1', AWARE]],
    ['one beyond 32 bits', ['Session-Expires: 99999999999', AWARE]],
    ['an unclosed quote', ['Session-Expires: 90;a="', AWARE]],
    ['one too short by a proxy, who cannot be told', ['Session-Expires: 10']],
  ])('%s is no timer', (_, lines) => {
    expect(readSessionTerms(headers(...lines))).toEqual({ ok: true, value: undefined })
  })

  test('Min-SE is read with and without parameters', () => {
    expect([readMinSe(headers('Min-SE: 1800')), readMinSe(headers('Min-SE: 120;x=1'))]).toEqual([1800, 120])
    expect([readMinSe(headers()), readMinSe(headers('Min-SE: x'))]).toEqual([undefined, undefined])
  })
})

describe('the peer refreshes', () => {
  test('the answer says so and requires the timer; without refresh the dialog ends with BYE', () => {
    const { bench, answer } = open('Session-Expires: 1800', AWARE)
    expect(answer.headers.first('session-expires')).toBe('1800;refresher=uac')
    expect(answer.headers.first('require')).toBe('timer')
    bench.advance(1799 * SECOND)
    expect(bench.outline).toEqual([])
    bench.advance(SECOND)
    expect([bench.outline, bench.ends]).toEqual([['BYE'], ['sessionExpired']])
    expect(bench.sent[0]!.text).toContain('Reason: SIP;cause=408;text="Session expired"')
  })

  test.each(['UPDATE', 'INVITE'])('a refresh by %s begins the interval anew', (method) => {
    const { bench, receive } = open('Session-Expires: 100;refresher=uac', AWARE)
    bench.advance(60 * SECOND)
    receive({
      method,
      cseq: `2 ${method}`,
      extra: ['Session-Expires: 200', AWARE],
      body: method === 'INVITE' ? SDP : '',
    })
    if (method === 'INVITE') bench.answerLast()
    expect(bench.lastResponse.headers.first('session-expires')).toBe('200;refresher=uac')
    if (method === 'INVITE') receive({ method: 'ACK', cseq: '2 ACK', branch: 'z9hG4bK-ack2' })
    bench.advance(199 * SECOND)
    expect(bench.ends).toEqual([])
    bench.advance(SECOND)
    expect(bench.ends).toEqual(['sessionExpired'])
  })

  test('a refresh without Session-Expires ends the timer, and no dialog is ended for it', () => {
    const { bench, receive } = open('Session-Expires: 100', AWARE)
    receive({ method: 'UPDATE', cseq: '2 UPDATE', extra: [AWARE] })
    bench.advance(10_000 * SECOND)
    expect([bench.ends, bench.userAgent.nextTimeoutUs()]).toEqual([[], undefined])
  })

  test('other requests do not refresh', () => {
    const { bench, receive } = open('Session-Expires: 100', AWARE)
    bench.advance(60 * SECOND)
    receive({ method: 'OPTIONS', cseq: '2 OPTIONS' })
    bench.advance(40 * SECOND)
    expect(bench.ends).toEqual(['sessionExpired'])
  })

  test('BYE of either side leaves no timer behind', () => {
    const { bench, receive } = open('Session-Expires: 100', AWARE)
    receive({ method: 'BYE', cseq: '2 BYE' })
    bench.advance(200 * SECOND)
    expect([bench.ends, bench.userAgent.nextTimeoutUs()]).toEqual([['bye'], undefined])
  })
})

describe('an interval that is too short', () => {
  test('gets 422 with Min-SE in INVITE, and leaves nothing behind', () => {
    const bench = new Bench()
    bench.receive(request({ body: SDP, extra: ['Session-Expires: 89', AWARE] }))
    expect([bench.lastResponse.status, bench.lastResponse.headers.first('min-se')]).toEqual([422, '90'])
    expect([bench.offers, bench.userAgent.dialogCount]).toEqual([[], 0])
  })

  test.each(['UPDATE', 'INVITE'])('gets 422 in a later %s, and the timer stays as it was', (method) => {
    const { bench, receive } = open('Session-Expires: 100', AWARE)
    bench.advance(50 * SECOND)
    receive({ method, cseq: `2 ${method}`, extra: ['Session-Expires: 5', AWARE], body: method === 'INVITE' ? SDP : '' })
    expect(bench.outline).toEqual(['422'])
    if (method === 'INVITE') receive({ method: 'ACK', cseq: '2 ACK', branch: 'z9hG4bK-2 INVITE' })
    bench.advance(50 * SECOND)
    expect(bench.ends).toEqual(['sessionExpired'])
  })
})

describe('we refresh', () => {
  const OURS = ['Session-Expires: 200;refresher=uas', AWARE, 'Allow: INVITE, ACK, UPDATE, BYE']

  test('by UPDATE without body at half the interval, as long as it is answered', () => {
    const { bench, answer, reply } = open(...OURS)
    expect(answer.headers.first('session-expires')).toBe('200;refresher=uas')
    for (let round = 1; round <= 3; round += 1) {
      bench.advance(100 * SECOND)
      expect(bench.outline).toHaveLength(round)
      const update = parseRequest(bench.sent.at(-1)!.text)
      expect([update.method, update.body.length]).toEqual(['UPDATE', 0])
      expect(update.headers.first('session-expires')).toBe('200;refresher=uac')
      expect(update.headers.first('contact')).toContain('+sip.srs')
      reply('200 OK', 'Session-Expires: 200;refresher=uac')
    }
    expect(bench.ends).toEqual([])
  })

  test('the peer may take the refreshing over in its answer', () => {
    const { bench, reply } = open(...OURS)
    bench.advance(100 * SECOND)
    reply('200 OK', 'Session-Expires: 300;refresher=uas', 'Require: timer')
    bench.advance(299 * SECOND)
    expect(bench.outline).toEqual(['UPDATE'])
    bench.advance(SECOND)
    expect(bench.ends).toEqual(['sessionExpired'])
  })

  test.each([
    ['is never answered', undefined],
    ['gets 481', '481 Call/Transaction Does Not Exist'],
    ['gets 408', '408 Request Timeout'],
  ])('a refresh that %s ends the dialog', (_, status) => {
    const { bench, reply } = open(...OURS)
    bench.advance(100 * SECOND)
    if (status === undefined) bench.advance(33 * SECOND)
    else reply(status)
    expect([bench.outline.at(-1) === 'BYE' || bench.outline.includes('BYE'), bench.ends]).toEqual([
      true,
      ['sessionExpired'],
    ])
  })

  test('a refresh that is refused otherwise shows that the peer is there', () => {
    const { bench, reply } = open(...OURS)
    bench.advance(100 * SECOND)
    reply('403 Forbidden')
    bench.advance(100 * SECOND)
    expect([bench.outline, bench.ends]).toEqual([['UPDATE', 'UPDATE'], []])
  })

  test('422 is followed by a refresh with the interval asked for', () => {
    const { bench, reply } = open(...OURS)
    bench.advance(100 * SECOND)
    reply('422 Session Interval Too Small', 'Min-SE: 1800')
    const again = parseRequest(bench.sent.at(-1)!.text)
    expect([again.headers.first('session-expires'), again.headers.first('min-se')]).toEqual([
      '1800;refresher=uac',
      '1800',
    ])
    reply('422 Session Interval Too Small', 'Min-SE: 1800')
    expect(bench.outline, 'the same again is no reason to ask again').toEqual(['UPDATE', 'UPDATE'])
  })

  test('491 is followed by another try', () => {
    const { bench, reply } = open(...OURS)
    bench.advance(100 * SECOND)
    reply('491 Request Pending')
    bench.advance(SECOND)
    expect(bench.outline).toEqual(['UPDATE', 'UPDATE'])
  })

  test('a refresh waits while an offer of the peer is unanswered', () => {
    const { bench, receive } = open(...OURS)
    bench.advance(99 * SECOND)
    receive({ cseq: '2 INVITE', body: SDP, extra: OURS })
    bench.advance(2 * SECOND)
    expect(bench.outline).toEqual(['100'])
  })
})

describe('we refresh a peer that does not take UPDATE', () => {
  const OURS = ['Session-Expires: 200;refresher=uas', AWARE]

  test('by re-INVITE with the session description it has, and acknowledge its answer each time it comes', () => {
    const { bench, reply } = open(...OURS)
    bench.advance(100 * SECOND)
    const invite = parseRequest(bench.sent[0]!.text)
    expect([invite.method, new TextDecoder().decode(invite.body)]).toEqual(['INVITE', SDP])
    const answerText = () => {
      const copied = ['Via', 'From', 'To', 'Call-ID', 'CSeq'].map((name) => `${name}: ${invite.headers.first(name)}`)
      bench.receive(head('SIP/2.0 200 OK', ...copied, 'Session-Expires: 200;refresher=uac'))
    }
    answerText()
    answerText()
    expect(bench.outline).toEqual(['INVITE', 'ACK', 'ACK'])
    const ack = parseRequest(bench.sent[1]!.text)
    expect(ack.headers.first('cseq')).toBe(`${invite.headers.first('cseq')!.split(' ')[0]} ACK`)
    expect(ack.headers.first('via')).not.toBe(invite.headers.first('via'))
    bench.advance(100 * SECOND)
    expect(bench.outline.at(-1)).toBe('INVITE')
    reply('200 OK')
    expect([bench.ends, bench.userAgent.openCount]).toEqual([[], 0])
  })

  test('a refusal is acknowledged inside the transaction, and the peer is there', () => {
    const { bench, reply } = open(...OURS)
    bench.advance(100 * SECOND)
    reply('488 Not Acceptable Here')
    expect(bench.outline).toEqual(['INVITE', 'ACK'])
    const branchOf = (index: number) => parseRequest(bench.sent[index]!.text).headers.first('via')
    expect(branchOf(1)).toBe(branchOf(0))
    bench.advance(100 * SECOND)
    expect([bench.outline.at(-1), bench.ends]).toEqual(['INVITE', []])
  })

  test('its own offer gets 491 meanwhile, and is taken afterwards', () => {
    const { bench, receive, reply } = open(...OURS)
    bench.advance(100 * SECOND)
    receive({ cseq: '2 INVITE', body: SDP })
    expect(bench.outline).toEqual(['INVITE', '491'])
    receive({ method: 'ACK', cseq: '2 ACK', branch: 'z9hG4bK-2 INVITE' })
    bench.sent.pop()
    reply('200 OK')
    receive({ cseq: '3 INVITE', body: SDP })
    expect(bench.offers).toHaveLength(2)
  })

  test('no answer: sent again for 32 s, then the dialog ends', () => {
    const { bench } = open(...OURS)
    bench.advance(132 * SECOND)
    expect(bench.outline.filter((method) => method === 'INVITE')).toHaveLength(7)
    expect([bench.outline.at(-1), bench.ends]).toEqual(['BYE', ['sessionExpired']])
  })

  test('one over 1300 bytes goes by TCP, with the same for UDP in case there is no connection', () => {
    const { bench } = open(...OURS, `Record-Route: <sip:${'p'.repeat(1000)}.example.com;lr>`)
    bench.advance(100 * SECOND)
    const { text, target } = bench.sent[0]!
    expect([target.transport, target.otherwise?.target.transport]).toEqual(['tcp', 'udp'])
    expect(text).toContain('Via: SIP/2.0/TCP ')
    const other = new TextDecoder().decode(target.otherwise!.bytes)
    expect(other).toBe(text.replace('SIP/2.0/TCP', 'SIP/2.0/UDP'))
  })

  test('405 to our UPDATE is followed by a re-INVITE', () => {
    const { bench, reply } = open(...OURS, 'Allow: INVITE, UPDATE')
    bench.advance(100 * SECOND)
    reply('405 Method Not Allowed')
    expect(bench.outline).toEqual(['UPDATE', 'INVITE'])
  })
})
