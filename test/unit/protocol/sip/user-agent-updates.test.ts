import { describe, expect, test } from 'vitest'
import { parseReason } from '../../../../src/protocol/sip/reason.ts'
import { Bench, request, type RequestShape, SDP, textOf } from './wire.ts'

const METADATA = '<recording xmlns="urn:ietf:params:xml:ns:recording:1"/>'

/** A request inside the dialog, with a body of the given type. */
function inDialog(shape: RequestShape & { readonly type?: string }): string {
  const { type, body = '', ...rest } = shape
  const text = request({ branch: `z9hG4bK-${rest.cseq}`, ...rest })
  if (type === undefined) return text
  return text.replace('Content-Length: 0', `Content-Type: ${type}\r\nContent-Length: ${body.length}`) + body
}

function established(): { readonly bench: Bench; readonly toTag: string } {
  const bench = new Bench()
  return { bench, toTag: bench.establish().toTag }
}

describe('UPDATE', () => {
  test('with metadata alone gets 200 with our Contact, and is passed on', () => {
    const { bench, toTag } = established()
    const cseq = '2 UPDATE'
    bench.receive(inDialog({ method: 'UPDATE', cseq, toTag, type: 'application/rs-metadata', body: METADATA }))
    expect(bench.lastResponse.status).toBe(200)
    expect(bench.lastResponse.headers.first('contact')).toBe('<sip:srs@192.0.2.9:5060>;+sip.srs')
    expect(bench.lastResponse.body).toHaveLength(0)
    expect(bench.inDialog.map((one) => textOf(one.request.body))).toEqual([METADATA])
  })

  test('with an offer is answered with SDP by whoever answers offers, and without 100', () => {
    const { bench, toTag } = established()
    bench.receive(inDialog({ method: 'UPDATE', cseq: '2 UPDATE', toTag, type: 'application/sdp', body: SDP }))
    expect([bench.outline, bench.offers.length, bench.offers[1]!.isInitial]).toEqual([[], 2, false])
    bench.answerLast()
    expect([bench.lastResponse.status, textOf(bench.lastResponse.body)]).toEqual([200, SDP])
    bench.advance(40_000_000)
    expect(bench.outline, 'no ACK is waited for').toEqual(['200'])
    expect(bench.userAgent.openCount).toBe(0)
  })

  test('with an offer inside a multipart body is an offer too', () => {
    const { bench, toTag } = established()
    const body = `--b\r\nContent-Type: Application/SDP\r\n\r\n${SDP}\r\n--b--\r\n`
    const type = 'multipart/mixed;boundary=b'
    bench.receive(inDialog({ method: 'UPDATE', cseq: '2 UPDATE', toTag, type, body }))
    expect(bench.offers).toHaveLength(2)
  })

  test('with an offer while a re-INVITE is unanswered gets 491, without one it is answered', () => {
    const { bench, toTag } = established()
    bench.receive(inDialog({ cseq: '2 INVITE', toTag, type: 'application/sdp', body: SDP }))
    bench.receive(inDialog({ method: 'UPDATE', cseq: '3 UPDATE', toTag, type: 'application/sdp', body: SDP }))
    bench.receive(inDialog({ method: 'UPDATE', cseq: '4 UPDATE', toTag }))
    expect(bench.outline).toEqual(['100', '491', '200'])
  })

  test('that is never answered is refused, and the dialog stays', () => {
    const { bench, toTag } = established()
    bench.receive(inDialog({ method: 'UPDATE', cseq: '2 UPDATE', toTag, type: 'application/sdp', body: SDP }))
    bench.advance(61_000_000)
    expect([bench.outline, bench.ends, bench.userAgent.dialogCount]).toEqual([['500'], [], 1])
  })

  test('moves the peer to the Contact it names', () => {
    const { bench, toTag } = established()
    bench.receive(inDialog({ method: 'UPDATE', cseq: '2 UPDATE', toTag, contact: '<sip:new@192.0.2.77>' }))
    bench.userAgent.bye(bench.offers[0]!.dialogId, undefined, bench.nowUs)
    expect(bench.sent.at(-1)!.text).toMatch(/^BYE sip:new@192\.0\.2\.77 /)
  })

  test('outside a dialog gets 481', () => {
    const bench = new Bench()
    bench.receive(request({ method: 'UPDATE', toTag: 'nobody' }))
    expect([bench.outline, bench.inDialog]).toEqual([['481'], []])
  })
})

describe('INFO', () => {
  test('is answered 200 and passed on with its headers', () => {
    const { bench, toTag } = established()
    bench.receive(inDialog({ method: 'INFO', cseq: '2 INFO', toTag, extra: ['X-Recording: pause'] }))
    expect([bench.outline, bench.inDialog[0]!.request.headers.first('x-recording')]).toEqual([['200'], 'pause'])
  })

  test('of a package nobody asked for gets 469 with Recv-Info, unless its body is metadata', () => {
    const { bench, toTag } = established()
    const extra = ['Info-Package: trickle-ice']
    bench.receive(inDialog({ method: 'INFO', cseq: '2 INFO', toTag, extra }))
    expect([bench.lastResponse.status, bench.lastResponse.headers.first('recv-info')]).toEqual([469, ''])
    const type = 'application/rs-metadata+xml'
    bench.receive(inDialog({ method: 'INFO', cseq: '3 INFO', toTag, extra, type, body: METADATA }))
    expect([bench.lastResponse.status, bench.inDialog.length]).toEqual([200, 1])
  })

  test('retransmitted is passed on once', () => {
    const { bench, toTag } = established()
    const info = inDialog({ method: 'INFO', cseq: '2 INFO', toTag })
    bench.receive(info)
    bench.receive(info)
    expect([bench.outline, bench.inDialog.length]).toEqual([['200', '200'], 1])
  })

  test('after our BYE gets 481', () => {
    const { bench, toTag } = established()
    bench.userAgent.bye(bench.offers[0]!.dialogId, undefined, 0)
    bench.receive(inDialog({ method: 'INFO', cseq: '2 INFO', toTag }))
    expect([bench.outline, bench.inDialog]).toEqual([['BYE', '481'], []])
  })
})

describe('ACK with a body', () => {
  test('is passed on before the dialog is confirmed, once', () => {
    const bench = new Bench()
    bench.receive(request())
    bench.answerLast()
    const toTag = bench.lastResponse.headers.first('to')!.split(';tag=')[1]!
    const ack = inDialog({ method: 'ACK', cseq: '1 ACK', toTag, type: 'application/sdp', body: SDP })
    bench.receive(ack)
    bench.receive(ack)
    expect(bench.happened.map(({ kind }) => kind)).toEqual(['offer', 'inDialog', 'confirmed'])
    expect(textOf(bench.inDialog[0]!.request.body)).toBe(SDP)
  })
})

describe('Session-ID (RFC 7989)', () => {
  const THEIRS = 'ab30317f1a784dc48ff824d0d3715d86'
  const OURS = '47755a9de7794ba387653f2099600ef2'

  test('comes back with our half, the same in every message of the dialog', () => {
    const bench = new Bench({ randomToken: () => OURS })
    bench.receive(request({ body: SDP, extra: [`Session-ID: ${THEIRS};remote=${'0'.repeat(32)}`] }))
    bench.answerLast()
    bench.receive(request({ method: 'ACK', branch: 'z9hG4bK-a', cseq: '1 ACK', toTag: OURS }))
    bench.receive(inDialog({ method: 'INFO', cseq: '2 INFO', toTag: OURS, extra: [`Session-ID: ${THEIRS}`] }))
    bench.userAgent.bye(bench.offers[0]!.dialogId, undefined, 0)
    expect(bench.outline).toEqual(['100', '200', '200', 'BYE'])
    for (const { text } of bench.sent) expect(text).toContain(`\r\nSession-ID: ${OURS};remote=${THEIRS}\r\n`)
  })

  test('is the nil UUID when our tag is none, and left out when the peer names nothing readable', () => {
    const bench = new Bench()
    bench.receive(request({ body: SDP, extra: [`Session-ID: ${THEIRS.toUpperCase()}`] }))
    expect(bench.lastResponse.headers.first('session-id')).toBe(`${'0'.repeat(32)};remote=${THEIRS}`)
    bench.receive(request({ method: 'OPTIONS', branch: 'z9hG4bK-o', extra: ['Session-ID: f81d4fae-7dec'] }))
    expect(bench.lastResponse.headers.first('session-id')).toBeUndefined()
  })
})

describe('Reason (RFC 3326)', () => {
  test.each([
    ['Q.850;cause=16;text="Terminated"', { protocol: 'Q.850', cause: 16, text: 'Terminated' }],
    [
      'SIP ;cause=200 ;text="Call \\"moved\\", elsewhere", Q.850;cause=1',
      { protocol: 'SIP', cause: 200, text: 'Call "moved", elsewhere' },
    ],
    ['X-Vendor', { protocol: 'X-Vendor', cause: undefined, text: undefined }],
    ['SIP;cause=2000', { protocol: 'SIP', cause: undefined, text: undefined }],
  ])('%s is read', (value, expected) => {
    expect(parseReason(value)).toEqual(expected)
  })

  test.each(['', ';cause=1', 'a b;cause=1', 'SIP;text="open'])('%j is none', (value) => {
    expect(parseReason(value)).toBeUndefined()
  })
})

describe('100rel', () => {
  test('may be required: no provisional response above 100 is sent, and a PRACK matches none', () => {
    const bench = new Bench()
    bench.receive(request({ body: SDP, extra: ['Require: siprec, 100rel'] }))
    bench.answerLast()
    expect(bench.outline).toEqual(['100', '200'])
    const toTag = bench.lastResponse.headers.first('to')!.split(';tag=')[1]!
    bench.receive(inDialog({ method: 'PRACK', cseq: '2 PRACK', toTag, extra: ['RAck: 1 1 INVITE'] }))
    expect(bench.outline.at(-1)).toBe('481')
    expect(bench.happened.map(({ kind }) => kind)).toEqual(['offer', 'confirmed'])
  })
})

test('a body of an odd type in UPDATE is no offer', () => {
  const { bench, toTag } = established()
  bench.receive(inDialog({ method: 'UPDATE', cseq: '2 UPDATE', toTag, type: 'text/plain', body: 'application/sdp' }))
  expect([bench.offers.length, bench.inDialog.length]).toEqual([1, 1])
})
