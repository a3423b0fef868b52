import { describe, expect, test } from 'vitest'
import type { AskedRequest } from '../../../../src/protocol/sip/user-agent-sink.ts'
import { Bench, bytesOf, head, parseRequest, request, type RequestShape, SDP, textOf } from './wire.ts'

const SECOND = 1_000_000
const OFFER = SDP.replace('o=- 1 1', 'o=- 1 2')
const INVITE: AskedRequest = { method: 'INVITE', contentType: 'application/sdp', body: bytesOf(OFFER) }
const UPDATE: AskedRequest = { ...INVITE, method: 'UPDATE' }
const INFO: AskedRequest = {
  method: 'INFO',
  headers: [{ name: 'Info-Package', value: 'example' }],
  contentType: 'text/plain',
  body: bytesOf('hello'),
}

/** A confirmed dialog, and what it takes to ask and be answered. */
function open(...extra: readonly string[]) {
  const bench = new Bench()
  const { toTag, dialogId } = bench.establish({ extra })
  const ask = (asked: AskedRequest) => bench.userAgent.request(dialogId, asked, bench.nowUs)
  const receive = (shape: RequestShape): void => {
    bench.receive(request({ branch: `z9hG4bK-${shape.cseq}`, toTag, ...shape }))
  }
  const requests = () => bench.sent.map(({ text }) => text).filter((text) => !text.startsWith('SIP/2.0'))
  /** Answers our latest request that is no ACK. */
  const reply = (status: string, more: readonly string[] = [], body = ''): void => {
    const asked = requests().findLast((text) => !text.startsWith('ACK'))
    const { headers } = parseRequest(asked!)
    const copied = ['Via', 'From', 'To', 'Call-ID', 'CSeq'].map((name) => `${name}: ${headers.first(name)}`)
    bench.receive(head(`SIP/2.0 ${status}`, ...copied, ...more) + body)
  }
  const answers = () =>
    bench.happened.flatMap((event) =>
      event.kind === 'ownResponse' ? [[event.key, event.answer.status, textOf(event.answer.body ?? bytesOf(''))]] : [],
    )
  return { bench, toTag, dialogId, ask, receive, reply, answers, requests }
}

describe('a re-INVITE of ours', () => {
  test('carries our offer; the 200 is acknowledged at its new Contact and its answer handed back', () => {
    const { bench, ask, reply, answers, requests } = open()
    const sent = ask(INVITE)
    const invite = parseRequest(requests()[0]!)
    expect([invite.method, textOf(invite.body), invite.headers.first('content-type')]).toEqual([
      'INVITE',
      OFFER,
      'application/sdp',
    ])
    expect(invite.headers.first('contact')).toContain('+sip.srs')
    expect(invite.headers.first('allow')).toContain('INVITE')
    expect(invite.headers.first('supported')).toBe('siprec, timer')
    reply('100 Trying')
    expect(answers()).toEqual([])
    reply('200 OK', ['Contact: <sip:moved@192.0.2.77>', 'Content-Type: application/sdp'], SDP)
    expect(sent).toEqual({ key: expect.any(String) })
    expect(answers()).toEqual([[(sent as { key: string }).key, 200, SDP]])
    expect(requests()[1]).toContain('ACK sip:moved@192.0.2.77 SIP/2.0')
    reply('200 OK', ['Contact: <sip:moved@192.0.2.77>'])
    expect(bench.outline, 'a copy of the 200 is acknowledged again').toEqual(['INVITE', 'ACK', 'ACK'])
    expect(answers()).toHaveLength(1)
  })

  test('that succeeded is what a session timer offers from then on; one that was refused is not', () => {
    const { bench, ask, reply, requests } = open('Session-Expires: 200;refresher=uas', 'Supported: timer')
    ask({ ...INVITE, body: bytesOf('v=0\r\nrefused') })
    reply('488 Not Acceptable Here')
    bench.advance(100 * SECOND)
    expect(textOf(parseRequest(requests().at(-1)!).body)).toBe(SDP)
    reply('200 OK')
    ask(INVITE)
    reply('200 OK')
    bench.advance(100 * SECOND)
    expect(textOf(parseRequest(requests().at(-1)!).body)).toBe(OFFER)
  })

  test('keeps the session timer and who refreshes', () => {
    const { bench, ask, reply, requests } = open('Session-Expires: 200;refresher=uac', 'Supported: timer')
    bench.advance(150 * SECOND)
    ask(INVITE)
    expect(parseRequest(requests()[0]!).headers.first('session-expires')).toBe('200;refresher=uas')
    reply('200 OK', ['Session-Expires: 200;refresher=uas'])
    bench.advance(199 * SECOND)
    expect(bench.ends, 'the interval began anew').toEqual([])
    bench.advance(SECOND)
    expect(bench.ends).toEqual(['sessionExpired'])
  })

  test('that met an offer of the peer gets 491, and so does the peer', () => {
    const { bench, ask, receive, reply, answers } = open()
    ask(INVITE)
    receive({ cseq: '2 INVITE', body: SDP })
    receive({ method: 'UPDATE', cseq: '3 UPDATE', body: SDP })
    expect(bench.outline).toEqual(['INVITE', '491', '491'])
    bench.sent.length = 1
    reply('491 Request Pending')
    expect(answers().map(([, status]) => status)).toEqual([491])
    expect(bench.outline).toEqual(['INVITE', 'ACK'])
    receive({ cseq: '4 INVITE', body: SDP })
    expect(bench.offers).toHaveLength(2)
  })

  test('without an offer is not sent', () => {
    const { bench, ask } = open()
    expect([ask({ method: 'INVITE' }), bench.sent]).toEqual([{ status: 0 }, []])
  })
})

describe('an UPDATE and an INFO of ours', () => {
  test('carry what they are given, and no more than they must', () => {
    const { ask, reply, answers, requests } = open()
    ask(INFO)
    const info = parseRequest(requests()[0]!)
    expect([info.method, info.headers.first('info-package'), textOf(info.body)]).toEqual(['INFO', 'example', 'hello'])
    expect(info.headers.first('contact')).toBeUndefined()
    reply('200 OK')
    ask({ method: 'UPDATE', contentType: 'application/rs-metadata-request', body: bytesOf('SRS MetadataRequest') })
    const update = parseRequest(requests()[1]!)
    expect([update.method, update.headers.first('content-type')]).toEqual(['UPDATE', 'application/rs-metadata-request'])
    expect(update.headers.first('contact')).toContain('+sip.srs')
    reply('202 Accepted')
    expect(answers().map(([, status]) => status)).toEqual([200, 202])
  })

  test('an UPDATE without offer lets the peer make one, an UPDATE with offer does not', () => {
    const { bench, ask, receive, reply } = open()
    ask({ method: 'UPDATE' })
    receive({ cseq: '2 INVITE', body: SDP })
    expect(bench.offers).toHaveLength(2)
    bench.answerLast()
    reply('200 OK')
    receive({ method: 'ACK', cseq: '2 ACK', branch: 'z9hG4bK-ack2' })
    ask(UPDATE)
    receive({ cseq: '3 INVITE', body: SDP })
    expect(bench.outline.at(-1)).toBe('491')
  })

  test.each([401, 407, 415, 500])('%i is handed back and not tried again', (status) => {
    const { bench, ask, reply, answers } = open()
    ask(INFO)
    reply(`${status} No`, ['WWW-Authenticate: Digest realm="a", nonce="b"'])
    bench.advance(100 * SECOND)
    expect([bench.outline, answers().map(([, code]) => code), bench.ends]).toEqual([['INFO'], [status], []])
  })

  test('over 1300 bytes goes by TCP', () => {
    const { bench, ask } = open()
    ask({ ...INFO, body: new Uint8Array(1300) })
    expect([bench.sent[0]!.target.transport, bench.sent[0]!.target.otherwise?.target.transport]).toEqual(['tcp', 'udp'])
  })
})

describe('a dialog that is gone', () => {
  test.each([
    ['408', INFO],
    ['481', INFO],
    ['481', INVITE],
    ['408', UPDATE],
  ])('%s to %o ends it', (status, asked) => {
    const { bench, ask, reply, answers } = open()
    ask(asked)
    reply(`${status} No`)
    expect([bench.ends, bench.outline.at(-1)]).toEqual([['sessionExpired'], 'BYE'])
    expect(answers().map(([, code]) => code)).toEqual([Number(status)])
  })

  test.each([INVITE, INFO])('no answer to %o is 408 after 32 s, and ends it', (asked) => {
    const { bench, ask, answers } = open()
    ask(asked)
    bench.advance(32 * SECOND)
    expect([answers().map(([, code]) => code), bench.ends]).toEqual([[408], ['sessionExpired']])
    bench.advance(64 * SECOND)
    expect([bench.userAgent.openCount, bench.userAgent.dialogCount]).toEqual([0, 0])
  })

  test('BYE of the peer while we wait: the caller is told at once, the late answer is not told', () => {
    const { bench, ask, receive, reply, answers } = open()
    ask(INVITE)
    receive({ method: 'BYE', cseq: '2 BYE' })
    expect(answers().map(([, code]) => code)).toEqual([0])
    bench.sent.length = 1
    reply('487 Request Terminated')
    expect([bench.outline.at(-1), answers().length, bench.ends, bench.userAgent.openCount]).toEqual([
      'ACK',
      1,
      ['bye'],
      0,
    ])
  })

  test('a BYE of ours while we wait tells the caller, too', () => {
    const { bench, dialogId, ask, answers } = open()
    ask(INFO)
    bench.userAgent.bye(dialogId, undefined, bench.nowUs)
    expect([bench.outline, answers().map(([, code]) => code)]).toEqual([['INFO', 'BYE'], [0]])
    expect(ask(INFO)).toEqual({ status: 0 })
  })
})

describe('nothing is sent', () => {
  test('in a dialog that is unknown', () => {
    const { bench, dialogId, receive } = open()
    receive({ method: 'BYE', cseq: '2 BYE' })
    expect(bench.userAgent.request(dialogId, INFO, 0)).toEqual({ status: 0 })
  })

  test('before the ACK of our 200', () => {
    const bench = new Bench()
    bench.receive(request({ body: SDP }))
    const { dialogId } = bench.offers[0]!
    expect(bench.userAgent.request(dialogId, INFO, 0)).toEqual({ status: 0 })
    bench.answerLast()
    expect(bench.userAgent.request(dialogId, INFO, 0)).toEqual({ status: 0 })
  })

  test('while another request of ours, or an offer of the peer, is open; INFO does not mind the offer', () => {
    const { ask, receive, bench, reply } = open()
    ask(INFO)
    expect([ask(INFO), ask(INVITE)]).toEqual([{ status: 0 }, { status: 0 }])
    reply('200 OK')
    receive({ cseq: '2 INVITE', body: SDP })
    expect([ask(INVITE), ask(UPDATE)]).toEqual([{ status: 0 }, { status: 0 }])
    bench.answerLast()
    expect(ask(INVITE), 'our answer is not acknowledged').toEqual({ status: 0 })
    expect(ask(INFO)).toHaveProperty('key')
  })

  test('while our refresh is under way, and no refresh while a request is', () => {
    const { bench, ask, reply } = open(
      'Session-Expires: 200;refresher=uas',
      'Supported: timer',
      'Allow: UPDATE, INVITE',
    )
    bench.advance(100 * SECOND)
    expect(bench.outline).toEqual(['UPDATE'])
    expect(ask(INVITE)).toEqual({ status: 0 })
    reply('200 OK')
    bench.advance(99.5 * SECOND)
    ask(INVITE)
    bench.advance(0.9 * SECOND)
    reply('100 Trying')
    reply('491 Request Pending')
    bench.advance(SECOND)
    expect(bench.outline.filter((name) => name !== 'ACK')).toEqual(['UPDATE', 'INVITE', 'INVITE', 'UPDATE'])
  })

  test('of a method that the Allow of the peer leaves out: 405, as the peer would say', () => {
    const { bench, ask } = open('Allow: INVITE, ACK, BYE')
    expect([ask(INFO), ask(UPDATE), bench.sent]).toEqual([{ status: 405 }, { status: 405 }, []])
    expect(ask(INVITE)).toHaveProperty('key')
  })
})
