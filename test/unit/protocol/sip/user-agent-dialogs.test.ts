import { describe, expect, test } from 'vitest'
import { Bench, bytesOf, head, parseRequest, request, SDP, tagOf, TCP_FLOW, textOf } from './wire.ts'

const SECOND = 1_000_000

/** Answers the last request of ours as the SRC would. */
function okTo(text: string, status = '200 OK'): string {
  const { headers } = parseRequest(text)
  const copied = ['Via', 'From', 'To', 'Call-ID', 'CSeq'].map((name) => `${name}: ${headers.first(name)}`)
  return head(`SIP/2.0 ${status}`, ...copied)
}

describe('a recording session begins', () => {
  test('INVITE gets 100 at once, 200 with our SDP when answered, and is confirmed by the ACK', () => {
    const bench = new Bench()
    bench.receive(request({ body: SDP, extra: ['Record-Route: <sip:p;lr>, <sip:q;lr>', 'Timestamp: 5'] }))
    expect(bench.outline).toEqual(['100'])
    expect(bench.lastResponse.headers.first('timestamp')).toBe('5')
    expect(bench.lastResponse.headers.first('to')).toBe('<sip:srs@example.com>')
    bench.answerLast()
    const ok = bench.lastResponse
    expect([ok.status, textOf(ok.body), ok.headers.first('content-type')]).toEqual([200, SDP, 'application/sdp'])
    expect(ok.headers.first('contact')).toBe('<sip:srs@192.0.2.9:5060>;+sip.srs')
    expect(ok.headers.all('record-route')).toEqual(['<sip:p;lr>, <sip:q;lr>'])
    expect(bench.happened.map(({ kind }) => kind)).toEqual(['offer'])
    bench.receive(request({ method: 'ACK', branch: 'z9hG4bK-ack', toTag: tagOf(ok) }))
    expect(bench.happened.map(({ kind }) => kind)).toEqual(['offer', 'confirmed'])
    expect([bench.userAgent.openCount, bench.userAgent.dialogCount]).toEqual([0, 1])
  })

  test('the offer carries raw headers, body and where it came from', () => {
    const bench = new Bench()
    bench.receive(request({ body: SDP }))
    const offer = bench.offers[0]!
    expect(offer).toMatchObject({
      isInitial: true,
      sipCallId: 'abc@192.0.2.1',
      from: '"Client" <sip:src@example.com>;tag=src1',
    })
    expect(textOf(offer.request.body)).toBe(SDP)
    expect(offer.flow.address).toBe('192.0.2.1')
  })

  test('a retransmitted INVITE gets the same answer: 100 before, 200 after, nothing once acknowledged', () => {
    const bench = new Bench()
    const invite = request({ body: SDP })
    bench.receive(invite)
    bench.receive(invite)
    bench.answerLast()
    bench.receive(invite)
    expect(bench.outline).toEqual(['100', '100', '200', '200'])
    expect(bench.sent[3]!.text).toBe(bench.sent[2]!.text)
    bench.receive(request({ method: 'ACK', branch: 'z9hG4bK-ack', toTag: tagOf(bench.lastResponse) }))
    bench.receive(invite)
    expect([bench.outline.length, bench.offers.length]).toEqual([4, 1])
  })

  test('over TCP too, where the 200 is also sent again until its ACK', () => {
    const bench = new Bench()
    bench.flow = TCP_FLOW
    bench.receive(request({ body: SDP }))
    bench.answerLast()
    bench.advance(SECOND / 2)
    expect(bench.outline).toEqual(['100', '200', '200'])
  })

  test('is refused with 503 and Retry-After when none may begin', () => {
    const bench = new Bench()
    bench.admission = { status: 503, retryAfterSeconds: 12 }
    bench.receive(request({ body: SDP }))
    expect([bench.outline, bench.lastResponse.headers.first('retry-after'), bench.offers]).toEqual([['503'], '12', []])
  })

  test('is refused by whoever it is offered to, and leaves nothing behind', () => {
    const bench = new Bench()
    bench.receive(request({ body: SDP }))
    const refusal = {
      status: 488,
      reason: 'Not Acceptable Here',
      headers: [{ name: 'Warning', value: '304 x "no\r\nX: audio"' }],
    }
    bench.userAgent.refuse(bench.offers[0]!.offerId, refusal, bench.nowUs)
    expect([bench.lastResponse.status, bench.lastResponse.headers.first('warning')]).toEqual([
      488,
      '304 x "no  X: audio"',
    ])
    expect([bench.userAgent.dialogCount, bench.ends]).toEqual([0, []])
    bench.receive(request({ method: 'ACK', toTag: tagOf(bench.lastResponse) }))
    bench.advance(60 * SECOND)
    expect([bench.outline, bench.userAgent.transactionCount]).toEqual([['100', '488'], 0])
  })

  test('refused with 415 it is told what would be accepted; a status that is no refusal becomes 500', () => {
    const bench = new Bench()
    bench.receive(request())
    bench.userAgent.refuse(bench.offers[0]!.offerId, { status: 415, reason: 'Unsupported Media Type' }, 0)
    expect(bench.lastResponse.headers.first('accept')).toMatch(/^application\/sdp, /)
    bench.receive(request({ branch: 'z9hG4bK-2', sipCallId: 'two' }))
    bench.userAgent.refuse(bench.offers[1]!.offerId, { status: 200, reason: 'OK' }, 0)
    expect(bench.lastResponse.status).toBe(500)
  })

  test('a refusal that is never acknowledged is given up and counted', () => {
    const bench = new Bench()
    bench.receive(request())
    bench.userAgent.refuse(bench.offers[0]!.offerId, { status: 486, reason: 'Busy Here' }, 0)
    bench.advance(40 * SECOND)
    expect(bench.outline.filter((code) => code === '486')).toHaveLength(11)
    expect(bench.counted).toContainEqual({ kind: 'dropped', reason: 'refusalNotAcknowledged' })
  })

  test('an offer that nobody answers is refused after a minute, and its dialog ends', () => {
    const bench = new Bench()
    bench.receive(request({ body: SDP }))
    bench.advance(61 * SECOND)
    expect([bench.outline.slice(0, 2), bench.ends, bench.userAgent.openCount]).toEqual([['100', '500'], ['refused'], 0])
  })

  test('the same INVITE by another way is merged: 482, while the first is served', () => {
    const bench = new Bench()
    bench.receive(request({ body: SDP }))
    bench.receive(request({ body: SDP, branch: 'z9hG4bK-other' }))
    expect([bench.outline, bench.offers.length]).toEqual([['100', '482'], 1])
    bench.answerLast()
    bench.receive(request({ method: 'ACK', branch: 'z9hG4bK-ack', toTag: tagOf(bench.lastResponse) }))
    bench.advance(100 * SECOND)
    bench.receive(request({ body: SDP, branch: 'z9hG4bK-late' }))
    expect(bench.outline.at(-1)).toBe('482')
  })

  test('an INVITE with the same Call-ID and another CSeq or From tag is another dialog: no audio is refused for it', () => {
    const bench = new Bench()
    bench.establish()
    bench.receive(request({ body: SDP, branch: 'z9hG4bK-2', cseq: '2 INVITE' }))
    bench.receive(request({ body: SDP, branch: 'z9hG4bK-3', fromTag: 'src2' }))
    expect(bench.outline).toEqual(['100', '100'])
  })

  test('Max-Forwards 0 is no obstacle at the end of the way (RFC 4475 3.3.11)', () => {
    const bench = new Bench()
    bench.receive(request({ body: SDP }).replace('Max-Forwards: 70', 'Max-Forwards: 0'))
    expect(bench.offers).toHaveLength(1)
  })
})

describe('a lost ACK', () => {
  test('makes the 200 come again at T1 doubling to T2; after 64*T1 we end the dialog with BYE', () => {
    const bench = new Bench()
    bench.receive(request({ body: SDP }))
    bench.answerLast()
    bench.advance(32 * SECOND)
    const again = bench.sent.filter(({ text }) => text.startsWith('SIP/2.0 200')).map(({ atUs }) => atUs / SECOND)
    expect(again).toEqual([0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5])
    expect([bench.outline.at(-1), bench.ends]).toEqual(['BYE', ['noAck']])
    bench.receive(okTo(bench.sent.at(-1)!.text))
    expect([bench.userAgent.dialogCount, bench.userAgent.openCount]).toEqual([0, 0])
  })

  test('is made good by the ACK of a later copy of the 200; further copies of the ACK change nothing', () => {
    const bench = new Bench()
    bench.receive(request({ body: SDP }))
    bench.answerLast()
    const toTag = tagOf(bench.lastResponse)
    bench.advance(2 * SECOND)
    const ack = request({ method: 'ACK', branch: 'z9hG4bK-ack', toTag })
    bench.receive(ack)
    bench.receive(ack)
    bench.advance(60 * SECOND)
    expect(bench.outline).toEqual(['100', '200', '200', '200'])
    expect(bench.happened.map(({ kind }) => kind)).toEqual(['offer', 'confirmed'])
  })

  test('does not matter once the SRC speaks in the dialog: it must have the 200', () => {
    const bench = new Bench()
    bench.receive(request({ body: SDP }))
    bench.answerLast()
    const toTag = tagOf(bench.lastResponse)
    bench.receive(request({ method: 'OPTIONS', toTag, branch: 'z9hG4bK-o', cseq: '2 OPTIONS' }))
    bench.advance(60 * SECOND)
    expect(bench.outline).toEqual(['100', '200', '200'])
    expect(bench.happened.map(({ kind }) => kind)).toEqual(['offer', 'confirmed'])
  })

  test('an ACK with the CSeq of another request, or of another dialog, is ignored', () => {
    const bench = new Bench()
    bench.receive(request({ body: SDP }))
    bench.answerLast()
    const toTag = tagOf(bench.lastResponse)
    bench.receive(request({ method: 'ACK', branch: 'z9hG4bK-a', toTag, cseq: '2 ACK' }))
    bench.receive(request({ method: 'ACK', branch: 'z9hG4bK-b', toTag: 'other' }))
    expect(bench.happened.map(({ kind }) => kind)).toEqual(['offer'])
    expect(bench.counted.at(-1)).toEqual({ kind: 'dropped', reason: 'strayAck' })
  })
})

describe('CANCEL', () => {
  test('before the answer: 200 to it, 487 to the INVITE, and a late answer is ignored', () => {
    const bench = new Bench()
    bench.receive(request({ body: SDP }))
    bench.receive(request({ method: 'CANCEL', cseq: '1 CANCEL' }))
    bench.answerLast()
    expect([bench.outline, bench.ends, bench.userAgent.dialogCount]).toEqual([['100', '200', '487'], ['cancelled'], 0])
    const tags = bench.sent.slice(1).map(({ text }) => /To: .*;tag=(.*)\r/.exec(text)?.[1])
    expect(tags[0]).toBe(tags[1])
    bench.receive(request({ method: 'ACK' }))
    bench.advance(SECOND)
    expect(bench.outline).toHaveLength(3)
  })

  test('after the answer: 200 to it and nothing else', () => {
    const bench = new Bench()
    bench.receive(request({ body: SDP }))
    bench.answerLast()
    bench.receive(request({ method: 'CANCEL', cseq: '1 CANCEL' }))
    expect([bench.outline, bench.ends, bench.userAgent.dialogCount]).toEqual([['100', '200', '200'], [], 1])
  })

  test('retransmitted gets its 200 again', () => {
    const bench = new Bench()
    bench.receive(request({ body: SDP }))
    bench.receive(request({ method: 'CANCEL', cseq: '1 CANCEL' }))
    bench.receive(request({ method: 'CANCEL', cseq: '1 CANCEL' }))
    expect([bench.outline, bench.ends]).toEqual([['100', '200', '487', '200'], ['cancelled']])
  })

  test('of a re-INVITE leaves the dialog as it is', () => {
    const bench = new Bench()
    const { toTag } = bench.establish()
    bench.receive(request({ toTag, branch: 'z9hG4bK-re', cseq: '2 INVITE', body: SDP }))
    bench.receive(request({ method: 'CANCEL', toTag, branch: 'z9hG4bK-re', cseq: '2 CANCEL' }))
    expect([bench.outline, bench.ends, bench.userAgent.dialogCount]).toEqual([['100', '200', '487'], [], 1])
  })
})

describe('inside a dialog', () => {
  test('a re-INVITE is offered and answered, and moves the remote target', () => {
    const bench = new Bench()
    const { toTag, dialogId } = bench.establish()
    bench.receive(
      request({ toTag, branch: 'z9hG4bK-re', cseq: '2 INVITE', contact: '<sip:new@192.0.2.77:5099>', body: SDP }),
    )
    expect(bench.offers.at(-1)).toMatchObject({ isInitial: false, dialogId })
    bench.answerLast()
    bench.receive(request({ method: 'ACK', toTag, branch: 'z9hG4bK-reack', cseq: '2 ACK' }))
    bench.userAgent.bye(dialogId, undefined, bench.nowUs)
    expect(bench.outline).toEqual(['100', '200', 'BYE'])
    expect(bench.sent.at(-1)!.text).toMatch(/^BYE sip:new@192\.0\.2\.77:5099 SIP/)
    expect(bench.sent.at(-1)!.target).toMatchObject({ host: '192.0.2.77', port: 5099 })
    expect(bench.happened.filter(({ kind }) => kind === 'confirmed')).toHaveLength(1)
  })

  test('a refused re-INVITE changes nothing', () => {
    const bench = new Bench()
    const { toTag, dialogId } = bench.establish()
    bench.receive(
      request({ toTag, branch: 'z9hG4bK-re', cseq: '2 INVITE', contact: '<sip:new@192.0.2.77>', body: SDP }),
    )
    bench.userAgent.refuse(bench.offers.at(-1)!.offerId, { status: 488, reason: 'Not Acceptable Here' }, 0)
    bench.userAgent.bye(dialogId, undefined, 0)
    expect(bench.sent.at(-1)!.text).toMatch(/^BYE sip:src@192\.0\.2\.1:5060 SIP/)
  })

  test('a second re-INVITE before the first is answered gets 491', () => {
    const bench = new Bench()
    const { toTag } = bench.establish()
    bench.receive(request({ toTag, branch: 'z9hG4bK-2', cseq: '2 INVITE', body: SDP }))
    bench.receive(request({ toTag, branch: 'z9hG4bK-3', cseq: '3 INVITE', body: SDP }))
    bench.answerLast()
    expect(bench.outline).toEqual(['100', '491', '200'])
  })

  test('a re-INVITE whose 200 is never acknowledged ends the dialog with BYE', () => {
    const bench = new Bench()
    const { toTag } = bench.establish()
    bench.receive(request({ toTag, branch: 'z9hG4bK-2', cseq: '2 INVITE', body: SDP }))
    bench.answerLast()
    bench.advance(33 * SECOND)
    expect([bench.outline.includes('BYE'), bench.ends]).toEqual([true, ['noAck']])
  })

  test('a CSeq that is not above the last one gets 500', () => {
    const bench = new Bench()
    const { toTag } = bench.establish({ cseq: '10 INVITE' })
    bench.receive(request({ method: 'OPTIONS', toTag, branch: 'z9hG4bK-2', cseq: '9 OPTIONS' }))
    bench.receive(request({ method: 'OPTIONS', toTag, branch: 'z9hG4bK-3', cseq: '10 OPTIONS' }))
    bench.receive(request({ method: 'OPTIONS', toTag, branch: 'z9hG4bK-4', cseq: '4000 OPTIONS' }))
    expect(bench.outline).toEqual(['500', '500', '200'])
  })
})

describe('BYE from the SRC', () => {
  test('is answered 200, ends the dialog once, and hands over its body', () => {
    const bench = new Bench()
    const { toTag } = bench.establish()
    const bye = request({ method: 'BYE', toTag, branch: 'z9hG4bK-b', cseq: '2 BYE', body: '<recording/>' })
    bench.receive(bye)
    bench.receive(bye)
    expect([bench.outline, bench.ends, bench.userAgent.dialogCount]).toEqual([['200', '200'], ['bye'], 0])
    const end = bench.happened.at(-1)
    expect(end?.kind === 'ended' && textOf(end.end.request!.body)).toBe('<recording/>')
    bench.receive(request({ method: 'BYE', toTag, branch: 'z9hG4bK-c', cseq: '3 BYE' }))
    expect(bench.outline.at(-1)).toBe('481')
  })

  test('before the ACK stops the copies of the 200', () => {
    const bench = new Bench()
    bench.receive(request({ body: SDP }))
    bench.answerLast()
    bench.receive(request({ method: 'BYE', toTag: tagOf(bench.lastResponse), branch: 'z9hG4bK-b', cseq: '2 BYE' }))
    bench.advance(60 * SECOND)
    expect([bench.outline, bench.ends]).toEqual([['100', '200', '200'], ['bye']])
  })

  test('while a re-INVITE is not answered: 487 to that one', () => {
    const bench = new Bench()
    const { toTag } = bench.establish()
    bench.receive(request({ toTag, branch: 'z9hG4bK-2', cseq: '2 INVITE', body: SDP }))
    bench.receive(request({ method: 'BYE', toTag, branch: 'z9hG4bK-b', cseq: '3 BYE' }))
    expect([bench.outline, bench.ends]).toEqual([['100', '487', '200'], ['bye']])
  })
})

describe('BYE from us', () => {
  test('has the parties turned round, a CSeq of ours and the Reason, and is done with its answer', () => {
    const bench = new Bench()
    const { dialogId, toTag } = bench.establish()
    expect(bench.userAgent.bye(dialogId, { cause: 200, text: 'Recorder is "shutting" down' }, 0)).toBe(true)
    const bye = parseRequest(bench.sent[0]!.text)
    expect([bye.method, bye.requestUri]).toEqual(['BYE', 'sip:src@192.0.2.1:5060'])
    expect(bye.headers.first('from')).toBe(`<sip:srs@example.com>;tag=${toTag}`)
    expect(bye.headers.first('to')).toBe('"Client" <sip:src@example.com>;tag=src1')
    expect(bye.headers.first('cseq')).toBe('1 BYE')
    expect(bye.headers.first('reason')).toBe('SIP;cause=200;text="Recorder is \\"shutting\\" down"')
    expect(bye.headers.first('via')).toMatch(/^SIP\/2\.0\/UDP 192\.0\.2\.9:5060;branch=z9hG4bKtoken\d+;rport$/)
    expect(bench.ends).toEqual(['local'])
    expect(bench.happened.some(({ kind }) => kind === 'byeDone')).toBe(false)
    bench.receive(okTo(bench.sent[0]!.text))
    expect(bench.happened.filter(({ kind }) => kind === 'byeDone')).toHaveLength(1)
    expect([bench.userAgent.dialogCount, bench.userAgent.openCount]).toEqual([0, 0])
  })

  test('is sent again until 64*T1, then given up', () => {
    const bench = new Bench()
    const { dialogId } = bench.establish()
    bench.userAgent.bye(dialogId, undefined, bench.nowUs)
    bench.advance(33 * SECOND)
    expect(bench.sent.map(({ atUs }) => atUs / SECOND)).toEqual([
      0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5,
    ])
    expect([bench.happened.at(-1)?.kind, bench.userAgent.dialogCount]).toEqual(['byeDone', 0])
  })

  test('waits for the ACK, for none may be sent before it', () => {
    const bench = new Bench()
    bench.receive(request({ body: SDP }))
    bench.answerLast()
    const { dialogId } = bench.offers[0]!
    bench.userAgent.bye(dialogId, undefined, bench.nowUs)
    expect(bench.outline).toEqual(['100', '200'])
    bench.receive(request({ method: 'ACK', branch: 'z9hG4bK-a', toTag: tagOf(bench.lastResponse) }))
    expect([bench.outline, bench.ends]).toEqual([['100', '200', 'BYE'], ['local']])
  })

  test('wanted before the ACK is not needed when the SRC hangs up first', () => {
    const bench = new Bench()
    bench.receive(request({ body: SDP }))
    bench.answerLast()
    const { dialogId } = bench.offers[0]!
    bench.userAgent.bye(dialogId, undefined, bench.nowUs)
    bench.receive(request({ method: 'BYE', branch: 'z9hG4bK-b', cseq: '2 BYE', toTag: tagOf(bench.lastResponse) }))
    expect(bench.happened.map(({ kind }) => kind).toSorted()).toEqual(['byeDone', 'confirmed', 'ended', 'offer'])
    expect(bench.ends).toHaveLength(1)
  })

  test('before any answer is 480 to the INVITE', () => {
    const bench = new Bench()
    bench.receive(request({ body: SDP }))
    expect(bench.userAgent.bye(bench.offers[0]!.dialogId, undefined, 0)).toBe(false)
    expect([bench.outline, bench.ends, bench.userAgent.dialogCount]).toEqual([['100', '480'], ['local'], 0])
  })

  test('crossing that of the SRC: both are answered, the dialog ends once', () => {
    const bench = new Bench()
    const { toTag, dialogId } = bench.establish()
    bench.userAgent.bye(dialogId, undefined, 0)
    bench.receive(request({ method: 'BYE', toTag, branch: 'z9hG4bK-b', cseq: '2 BYE' }))
    bench.receive(request({ method: 'OPTIONS', toTag, branch: 'z9hG4bK-o', cseq: '3 OPTIONS' }))
    expect([bench.outline, bench.ends]).toEqual([['BYE', '200', '481'], ['local']])
    bench.receive(okTo(bench.sent[0]!.text, '481 Gone'))
    expect(bench.userAgent.dialogCount).toBe(0)
  })

  test('of an unknown dialog does nothing', () => {
    const bench = new Bench()
    bench.establish()
    expect(bench.userAgent.bye('nobody' as never, undefined, 0)).toBe(false)
    expect(bench.sent).toEqual([])
  })

  test('is not done by an answer to something else', () => {
    const bench = new Bench()
    const { dialogId } = bench.establish()
    bench.userAgent.bye(dialogId, undefined, 0)
    const bye = bench.sent[0]!.text
    bench.receive(okTo(bye).replace('branch=z9hG4bK', 'branch=z9hG4bKx'))
    bench.receive(okTo(bye).replace('1 BYE', '1 INVITE'))
    bench.receive(okTo(bye, '100 Trying'))
    expect(bench.happened.at(-1)?.kind).toBe('ended')
  })
})

describe('the way of our requests', () => {
  test('follows loose routers: remote target in the start line, all routes in order', () => {
    const bench = new Bench()
    const { dialogId } = bench.establish({
      extra: ['Record-Route: <sip:p.example.com:5070;lr>', 'Record-Route: <sip:q.example.com;lr>'],
    })
    bench.userAgent.bye(dialogId, undefined, 0)
    const bye = parseRequest(bench.sent[0]!.text)
    expect(bye.requestUri).toBe('sip:src@192.0.2.1:5060')
    expect(bye.headers.all('route')).toEqual(['<sip:p.example.com:5070;lr>', '<sip:q.example.com;lr>'])
    expect(bench.sent[0]!.target).toMatchObject({
      host: 'p.example.com',
      port: 5070,
      fallback: { address: '192.0.2.1', port: 5060 },
    })
  })

  test('follows strict routers: the first in the start line, the remote target at the end of the routes', () => {
    const bench = new Bench()
    const { dialogId } = bench.establish({ extra: ['Record-Route: <sip:p.example.com>, <sip:q.example.com;lr>'] })
    bench.userAgent.bye(dialogId, undefined, 0)
    const bye = parseRequest(bench.sent[0]!.text)
    expect(bye.requestUri).toBe('sip:p.example.com')
    expect(bye.headers.all('route')).toEqual(['<sip:q.example.com;lr>', '<sip:src@192.0.2.1:5060>'])
    expect(bench.sent[0]!.target).toMatchObject({ host: 'p.example.com', port: 5060 })
  })

  test('uses the connection of the SRC again', () => {
    const bench = new Bench()
    bench.flow = TCP_FLOW
    const { dialogId } = bench.establish()
    bench.userAgent.bye(dialogId, undefined, 0)
    expect(bench.sent[0]!.target).toMatchObject({ transport: 'tcp', connectionId: 7, host: '192.0.2.1', port: 5060 })
    expect(bench.sent[0]!.text).toContain('Via: SIP/2.0/TCP 192.0.2.9:5060;')
  })

  test.each([
    ['tcp when the Contact says so and we have it', ['udp', 'tcp'], 'tcp'],
    ['the way it came when we have no such transport', ['udp'], 'udp'],
  ] as const)('goes by %s', (_, transports, expected) => {
    const bench = new Bench({ transports: new Set(transports) })
    const { dialogId } = bench.establish({ contact: '<sip:src@192.0.2.1:5090;transport=TCP>' })
    bench.userAgent.bye(dialogId, undefined, 0)
    expect(bench.sent[0]!.target).toMatchObject({ transport: expected, port: 5090 })
  })

  test.each(['', '*', 'tel:+15550100', '<sip:>', 'nonsense'])(
    'goes to the source when the Contact is %j',
    (contact) => {
      const bench = new Bench()
      const { dialogId } = bench.establish({ contact })
      bench.userAgent.bye(dialogId, undefined, 0)
      expect(bench.sent[0]!.target).toMatchObject({ host: '192.0.2.1', port: 5060 })
    },
  )
})

test('thousands of recording sessions leave nothing behind', () => {
  const bench = new Bench()
  for (let index = 0; index < 2000; index++) {
    const names = { sipCallId: `c${index}`, fromTag: `f${index}` }
    const { toTag } = bench.establish({ ...names, branch: `z9hG4bK-${index}` })
    bench.receive(request({ ...names, method: 'BYE', toTag, branch: `z9hG4bK-b${index}`, cseq: '2 BYE' }))
  }
  expect(bench.userAgent.dialogCount).toBe(0)
  bench.advance(40 * SECOND)
  expect([bench.userAgent.transactionCount, bench.userAgent.openCount, bench.userAgent.nextTimeoutUs()]).toEqual([
    0,
    0,
    undefined,
  ])
})

test('a body with NUL and bytes that are no text is handed over as it came', () => {
  const bench = new Bench()
  const body = Uint8Array.of(0, 1, 255, 0)
  bench.receive(new Uint8Array([...bytesOf(request({ extra: ['Content-Type: a/b'] })), ...body]))
  expect(bench.offers[0]!.request.body).toEqual(body)
})
