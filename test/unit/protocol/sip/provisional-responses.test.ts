import { describe, expect, test } from 'vitest'
import { PROGRESS_MAX, ProvisionalResponses } from '../../../../src/protocol/sip/provisional-responses.ts'
import { DEFAULT_SIP_TIMERS } from '../../../../src/protocol/sip/timers.ts'
import { Bench, bytesOf, parseResponse, request, type RequestShape, SDP, tagOf, textOf, UDP_FLOW } from './wire.ts'

const SECOND = 1_000_000
const REQUIRED = 'Require: 100rel'
const SUPPORTED = 'Supported: timer, 100rel'

/** An INVITE that waits for its answer. */
function ring(extra: readonly string[] = [REQUIRED], body = SDP) {
  const bench = new Bench()
  bench.receive(request({ body, extra }))
  bench.sent.length = 0
  const { offerId } = bench.offers[0]!
  const progress = (sdp?: string): boolean =>
    bench.userAgent.progress(offerId, 183, sdp === undefined ? undefined : bytesOf(sdp), bench.nowUs)
  let turn = 1
  const prack = (rack: string, shape: RequestShape = {}): void => {
    turn += 1
    const toTag = tagOf(parseResponse(bench.sent[0]!.bytes))
    const extras = rack === '' ? [] : [`RAck: ${rack}`]
    bench.receive(
      request({ method: 'PRACK', cseq: `${turn} PRACK`, branch: `z9hG4bK-p${turn}`, toTag, extra: extras, ...shape }),
    )
  }
  const header = (index: number, name: string) => parseResponse(bench.sent[index]!.bytes).headers.first(name)
  return { bench, offerId, progress, prack, header }
}

describe('a provisional response', () => {
  test.each([
    ['required', [REQUIRED], undefined, '100rel'],
    ['required, with SDP', [REQUIRED], SDP, '100rel'],
    ['supported, with SDP', [SUPPORTED], SDP, '100rel'],
    ['supported, a mere sign of life', [SUPPORTED], undefined, undefined],
    ['unknown to the peer', [], SDP, undefined],
  ])('is reliable where it must or is worth it: %s', (_, extra, sdp, require) => {
    const { bench, progress, header } = ring([...extra, 'Record-Route: <sip:p.example.com;lr>'])
    expect(progress(sdp)).toBe(true)
    expect(bench.outline).toEqual(['183'])
    expect([header(0, 'require'), header(0, 'rseq')]).toEqual(
      require === undefined ? [undefined, undefined] : [require, '1'],
    )
    expect([header(0, 'contact'), header(0, 'record-route')]).toEqual([
      expect.stringContaining('+sip.srs'),
      '<sip:p.example.com;lr>',
    ])
    expect(textOf(bench.lastResponse.body)).toBe(sdp ?? '')
    expect(tagOf(bench.lastResponse)).toMatch(/^token/)
    bench.answerLast()
    bench.advance(1)
  })

  test('to an INVITE without offer carries no SDP', () => {
    const { bench, progress } = ring([REQUIRED], '')
    progress(SDP)
    expect(bench.lastResponse.body).toHaveLength(0)
  })

  test('is not sent after the final answer, after CANCEL, for an UPDATE, nor beyond the bound', () => {
    const { bench, offerId, progress } = ring([])
    for (let count = 0; count < PROGRESS_MAX; count += 1) expect(progress()).toBe(true)
    expect(progress()).toBe(false)
    expect(bench.sent).toHaveLength(PROGRESS_MAX)
    bench.answerLast()
    expect(progress()).toBe(false)
    const cancelled = ring([])
    cancelled.bench.receive(request({ method: 'CANCEL', cseq: '1 CANCEL' }))
    expect(cancelled.progress()).toBe(false)
    const updated = new Bench()
    const { toTag } = updated.establish()
    updated.receive(request({ method: 'UPDATE', cseq: '2 UPDATE', branch: 'z9hG4bK-u', toTag, body: SDP }))
    expect(updated.userAgent.progress(updated.offers[1]!.offerId, 180, undefined, 0)).toBe(false)
    expect(bench.userAgent.progress(offerId, 180, undefined, 0)).toBe(false)
  })
})

describe('a reliable response', () => {
  test('is sent again at T1, doubling, on every transport, and after 64*T1 without PRACK the INVITE gets 504', () => {
    for (const flow of [UDP_FLOW, { ...UDP_FLOW, transport: 'tcp' as const, connectionId: 1 }]) {
      const bench = new Bench({})
      bench.receive(request({ body: SDP, extra: [REQUIRED] }), flow)
      bench.sent.length = 0
      bench.userAgent.progress(bench.offers[0]!.offerId, 183, bytesOf(SDP), 0)
      bench.advance(31.9 * SECOND)
      expect(bench.sent.map(({ atUs }) => atUs / SECOND)).toEqual([0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5])
      bench.advance(SECOND)
      expect([bench.outline.slice(7, 8), bench.ends]).toEqual([['504'], ['refused']])
      expect(bench.counted.filter(({ kind }) => kind === 'retransmission').length).toBeGreaterThanOrEqual(6)
    }
  })

  test('is acknowledged by its PRACK, which gets 200; another gets 481', () => {
    const { bench, progress, prack } = ring()
    progress(SDP)
    for (const rack of ['2 1 INVITE', '1 2 INVITE', '1 1 UPDATE', '1 1', '', 'x y z', '-1 1 INVITE']) {
      prack(rack)
      expect(bench.lastResponse.status, rack).toBe(481)
    }
    prack('1\t1  INVITE')
    expect(bench.lastResponse.status).toBe(200)
    prack('1 1 INVITE')
    expect(bench.lastResponse.status, 'acknowledged before').toBe(481)
    const before = bench.sent.length
    bench.advance(40 * SECOND)
    expect([bench.sent.length, bench.ends]).toEqual([before, []])
  })

  test('holds the 200 back until its PRACK when it carried SDP, and lets nothing more be said', () => {
    const { bench, offerId, progress, prack } = ring()
    progress(SDP)
    expect(bench.userAgent.answer(offerId, bytesOf(SDP), 0)).toBe(true)
    expect(bench.outline).toEqual(['183'])
    expect(bench.userAgent.answer(offerId, bytesOf(SDP), 0)).toBe(false)
    expect(bench.userAgent.refuse(offerId, { status: 488, reason: 'No' }, 0)).toBe(false)
    expect(progress()).toBe(false)
    prack('1 1 INVITE')
    expect(bench.outline).toEqual(['183', '200', '200'])
    expect([bench.lastResponse.headers.first('cseq'), textOf(bench.lastResponse.body)]).toEqual(['1 INVITE', SDP])
    const toTag = tagOf(bench.lastResponse)
    bench.receive(request({ method: 'ACK', branch: 'z9hG4bK-a', toTag }))
    expect(bench.happened.at(-1)!.kind).toBe('confirmed')
  })

  test('without SDP does not hold the 200 back, is not sent again, and its late PRACK gets 200', () => {
    const { bench, progress, prack } = ring()
    progress()
    bench.answerLast()
    expect(bench.outline).toEqual(['183', '200'])
    prack('1 1 INVITE')
    expect(bench.outline).toEqual(['183', '200', '200'])
    expect(
      bench.happened.map(({ kind }) => kind),
      'a PRACK is no ACK',
    ).toEqual(['offer'])
    bench.advance(0.5 * SECOND)
    expect(bench.outline.at(-1), 'the 200 again').toBe('200')
    expect(bench.outline.filter((status) => status === '183')).toHaveLength(1)
  })

  test('waits for the PRACK of the one before it', () => {
    const { bench, progress, prack, header } = ring()
    progress()
    progress(SDP)
    bench.answerLast()
    expect(bench.outline).toEqual(['183'])
    prack('1 1 INVITE')
    expect([bench.outline.slice(1), header(1, 'rseq'), header(2, 'rseq')]).toEqual([['183', '200'], '2', undefined])
    prack('2 1 INVITE')
    expect(bench.outline.slice(3)).toEqual(['200', '200'])
  })

  test('that is held back is cut off by CANCEL, BYE of either side, and the missing PRACK', () => {
    const cancelled = ring()
    cancelled.progress(SDP)
    cancelled.bench.answerLast()
    cancelled.bench.receive(request({ method: 'CANCEL', cseq: '1 CANCEL' }))
    expect([cancelled.bench.outline.slice(1), cancelled.bench.ends]).toEqual([['200', '487'], ['cancelled']])

    const ended = ring()
    ended.progress(SDP)
    ended.bench.answerLast()
    ended.prack('', { method: 'BYE', cseq: '2 BYE' })
    expect([ended.bench.outline.slice(1), ended.bench.ends]).toEqual([['487', '200'], ['bye']])

    const ours = ring()
    ours.progress(SDP)
    ours.bench.answerLast()
    ours.bench.userAgent.bye(ours.bench.offers[0]!.dialogId, undefined, 0)
    expect([ours.bench.outline.slice(1), ours.bench.ends]).toEqual([['480'], ['local']])

    const lost = ring()
    lost.progress(SDP)
    lost.bench.answerLast()
    lost.bench.advance(32 * SECOND)
    expect([lost.bench.outline.at(-1), lost.bench.ends, lost.bench.userAgent.dialogCount]).toEqual([
      '504',
      ['refused'],
      0,
    ])
  })

  test('in a re-INVITE leaves the dialog as it was when its PRACK is missing', () => {
    const bench = new Bench()
    const { toTag } = bench.establish()
    bench.receive(request({ cseq: '2 INVITE', branch: 'z9hG4bK-2', toTag, body: SDP, extra: [REQUIRED] }))
    bench.userAgent.progress(bench.offers[1]!.offerId, 183, bytesOf(SDP), bench.nowUs)
    bench.advance(32 * SECOND)
    expect([bench.outline.at(-1), bench.ends, bench.userAgent.dialogCount]).toEqual(['504', [], 1])
  })

  test('whose PRACK carries an offer of its own: acknowledged, the offer refused', () => {
    const { bench, progress, prack } = ring()
    progress(SDP)
    bench.answerLast()
    prack('1 1 INVITE', { body: SDP })
    expect(bench.outline).toEqual(['183', '488', '200'])
  })
})

describe('an immediate final answer', () => {
  test('to an INVITE that requires 100rel goes out at once; a PRACK matches nothing', () => {
    const { bench, prack } = ring()
    bench.answerLast()
    expect(bench.outline).toEqual(['200'])
    prack('1 1 INVITE')
    expect(bench.lastResponse.status).toBe(481)
  })
})

describe('before the dialog is answered', () => {
  test('UPDATE and INFO with a body are asked to come again; an UPDATE without one refreshes', () => {
    const { bench, progress, prack } = ring()
    progress()
    prack('', { method: 'INFO', cseq: '7 INFO', body: 'x' })
    expect([bench.lastResponse.status, bench.lastResponse.headers.first('retry-after')]).toEqual([500, '1'])
    prack('', { method: 'UPDATE', cseq: '8 UPDATE', extra: ['Content-Type: application/rs-metadata'], body: ' ' })
    prack('', { method: 'UPDATE', cseq: '9 UPDATE' })
    expect(bench.lastResponse.status).toBe(200)
    expect(bench.inDialog).toEqual([])
  })
})

describe('the machine', () => {
  test('has no deadline before, between and after', () => {
    const sent: number[] = []
    const responses = new ProvisionalResponses({
      timers: DEFAULT_SIP_TIMERS,
      sequenceNumber: 7,
      send: (status) => void sent.push(status),
    })
    expect([responses.nextTimeoutUs, responses.handleTimeout(0), responses.holdsBack2xx]).toEqual([
      Infinity,
      'none',
      false,
    ])
    responses.sendReliably({ status: 180, hasAnswer: false, build: () => bytesOf('') }, 100)
    expect([responses.nextTimeoutUs, responses.handleTimeout(200)]).toEqual([500_100, 'none'])
    expect(responses.acknowledge('1 7 INVITE', 200)).toBe(true)
    expect(responses.nextTimeoutUs).toBe(Infinity)
    responses.sendReliably({ status: 183, hasAnswer: true, build: () => bytesOf('') }, 300)
    responses.stop()
    expect([responses.nextTimeoutUs, responses.handleTimeout(1e12), responses.holdsBack2xx]).toEqual([
      Infinity,
      'none',
      false,
    ])
    expect([responses.acknowledge('2 7 INVITE', 1), responses.admit(), sent]).toEqual([true, false, [180, 183]])
  })
})
