import { describe, expect, it } from 'vitest'
import {
  InviteClientTransaction,
  PROVISIONAL_PATIENCE_US,
} from '../../../../src/cli/simulate/invite-client-transaction.ts'
import { sdpBody } from '../../../../src/cli/simulate/offer.ts'
import { SrcDialog } from '../../../../src/cli/simulate/src-dialog.ts'
import type { NextHop, SrcDialogEnd } from '../../../../src/cli/simulate/src-dialog.ts'
import type { SipMessage, SipRequest } from '../../../../src/protocol/sip/message.ts'
import { parseMessage } from '../../../../src/protocol/sip/parse-message.ts'
import { DEFAULT_SIP_TIMERS } from '../../../../src/protocol/sip/timers.ts'

const OFFER = sdpBody(new TextEncoder().encode('v=0\r\n'))

function parse(bytes: Uint8Array): SipMessage {
  const message = parseMessage(bytes)
  if (!message.ok) throw new Error(message.reason)
  return message.value
}

/** An SRC's dialog with everything it gives out written down, and a recorder's answers at hand. */
class Bench {
  readonly sent: { readonly message: SipMessage; readonly bytes: Uint8Array; readonly nextHop: NextHop | undefined }[] =
    []
  readonly responses: SipMessage[] = []
  readonly answers: string[] = []
  readonly reinviteAnswers: number[] = []
  readonly ends: SrcDialogEnd[] = []
  readonly dialog: SrcDialog
  #tokens = 0

  constructor(transport: 'udp' | 'tcp' = 'udp') {
    this.dialog = new SrcDialog({
      identity: {
        src: { transport, address: '192.0.2.7', port: 5062 },
        recorderUri: 'sip:192.0.2.1:5060',
        sipCallId: 'a1@192.0.2.7',
        fromTag: 'src-tag',
      },
      timers: DEFAULT_SIP_TIMERS,
      randomToken: () => `token${++this.#tokens}`,
      sink: {
        send: (bytes, nextHop) => this.sent.push({ message: parse(bytes), bytes, nextHop }),
        respond: (bytes) => this.responses.push(parse(bytes)),
        handleAnswer: (sdp) => this.answers.push(new TextDecoder().decode(sdp)),
        handleReinviteAnswer: (status) => this.reinviteAnswers.push(status),
        handleEnded: (end) => this.ends.push(end),
      },
    })
  }

  /** The latest request with this method. */
  last(method: string): SipRequest {
    const found = this.sent
      .map(({ message }) => message)
      .findLast((message) => message.kind === 'request' && message.method === method)
    if (found?.kind !== 'request') throw new Error(`no ${method} was sent`)
    return found
  }

  count(method: string): number {
    return this.sent.filter(({ message }) => message.kind === 'request' && message.method === method).length
  }

  /** The recorder answers the latest request with this method. */
  answer(method: string, status: number, options: { readonly nowUs?: number; readonly headers?: string } = {}): void {
    const { headers } = this.last(method)
    const tag = status === 100 ? '' : ';tag=recorder-tag'
    const to = headers.first('To') ?? ''
    const text =
      `SIP/2.0 ${status} Reason\r\nVia: ${headers.first('Via')}\r\nFrom: ${headers.first('From')}\r\n` +
      `To: ${to.includes(';tag=') ? to : `${to}${tag}`}\r\nCall-ID: ${headers.first('Call-ID')}\r\nCSeq: ${headers.first('CSeq')}\r\n` +
      `${options.headers ?? 'Contact: <sip:rec@192.0.2.99:5080>\r\n'}Content-Length: 10\r\n\r\nthe answer`
    this.dialog.handleMessage(parse(new TextEncoder().encode(text)), options.nowUs ?? 1_000)
  }

  /** The recorder sends a request inside the dialog. */
  request(method: string, nowUs = 2_000): void {
    const text =
      `${method} sip:src@192.0.2.7:5062 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKrec\r\n` +
      `From: <sip:192.0.2.1:5060>;tag=recorder-tag\r\nTo: <sip:src@192.0.2.7:5062>;tag=src-tag\r\n` +
      `Call-ID: a1@192.0.2.7\r\nCSeq: 1 ${method}\r\nContent-Length: 0\r\n\r\n`
    this.dialog.handleMessage(parse(new TextEncoder().encode(text)), nowUs)
  }

  confirmed(): this {
    this.dialog.invite(OFFER, 0)
    this.answer('INVITE', 200)
    return this
  }

  /** Lets time pass in steps until nothing is due before `untilUs`. */
  pass(untilUs: number): void {
    for (let dueUs = this.dialog.nextTimeoutUs; dueUs <= untilUs; dueUs = this.dialog.nextTimeoutUs) {
      this.dialog.handleTimeout(dueUs)
      if (this.dialog.isForgettable(dueUs)) return
    }
  }
}

describe('placing a recording session', () => {
  it('sends an INVITE that requires siprec and carries the feature tag of an SRC', () => {
    const bench = new Bench()
    bench.dialog.invite(OFFER, 0)
    const { headers } = bench.last('INVITE')
    expect(headers.first('Require')).toBe('siprec')
    expect(headers.first('Contact')).toBe('<sip:src@192.0.2.7:5062>;+sip.src')
    expect(headers.first('Content-Type')).toBe('application/sdp')
    expect(bench.sent[0]?.nextHop).toBeUndefined()
  })

  it('acknowledges the 200 at the recorder’s Contact and hands over its SDP once', () => {
    const bench = new Bench().confirmed()
    const ack = bench.last('ACK')
    expect(ack.requestUri).toBe('sip:rec@192.0.2.99:5080')
    expect(ack.headers.first('CSeq')).toBe('1 ACK')
    expect(ack.headers.first('To')).toBe('<sip:192.0.2.1:5060>;tag=recorder-tag')
    expect(ack.headers.first('Via')).not.toBe(bench.last('INVITE').headers.first('Via'))
    expect(bench.sent.at(-1)?.nextHop).toEqual({ host: '192.0.2.99', port: 5080 })
    expect(bench.answers).toEqual(['the answer'])
  })

  it('acknowledges a repeated 200 again with the same ACK', () => {
    const bench = new Bench().confirmed()
    const first = bench.sent.at(-1)?.bytes
    bench.answer('INVITE', 200)
    expect(bench.count('ACK')).toBe(2)
    expect(bench.sent.at(-1)?.bytes).toEqual(first)
    expect(bench.answers).toHaveLength(1)
  })

  it('follows Record-Route in reverse', () => {
    const bench = new Bench()
    bench.dialog.invite(OFFER, 0)
    bench.answer('INVITE', 200, {
      headers:
        'Record-Route: <sip:p1.example.com;lr>, <sip:p2.example.com:5070;lr>\r\nContact: <sip:rec@192.0.2.99>\r\n',
    })
    expect(bench.last('ACK').headers.all('Route')).toEqual(['<sip:p2.example.com:5070;lr>', '<sip:p1.example.com;lr>'])
    expect(bench.sent.at(-1)?.nextHop).toEqual({ host: 'p2.example.com', port: 5070 })
  })

  it.each([302, 404, 488, 503, 603])(
    'ends as refused on %i, and acknowledges it in the INVITE’s own transaction',
    (status) => {
      const bench = new Bench()
      bench.dialog.invite(OFFER, 0)
      bench.answer('INVITE', 100)
      bench.answer('INVITE', 180)
      bench.answer('INVITE', status)
      expect(bench.ends).toEqual([{ cause: 'refused', status }])
      expect(bench.last('ACK').headers.first('Via')).toBe(bench.last('INVITE').headers.first('Via'))
      expect(bench.last('ACK').requestUri).toBe(bench.last('INVITE').requestUri)
      bench.answer('INVITE', status)
      expect(bench.count('ACK')).toBe(2)
      expect(bench.ends).toHaveLength(1)
    },
  )
})

describe('retransmission over UDP', () => {
  it('repeats an unanswered INVITE at doubling intervals and gives up after 32 s', () => {
    const bench = new Bench()
    bench.dialog.invite(OFFER, 0)
    bench.pass(31_999_999)
    // 0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5 s
    expect(bench.count('INVITE')).toBe(7)
    expect(bench.ends).toEqual([])
    bench.pass(32_000_000)
    expect(bench.ends).toEqual([{ cause: 'timeout' }])
  })

  it('stops repeating once anything is answered, and then waits three minutes', () => {
    const bench = new Bench()
    bench.dialog.invite(OFFER, 0)
    bench.answer('INVITE', 100, { nowUs: 100_000 })
    bench.pass(100_000 + PROVISIONAL_PATIENCE_US - 1)
    expect(bench.count('INVITE')).toBe(1)
    bench.pass(100_000 + PROVISIONAL_PATIENCE_US)
    expect(bench.ends).toEqual([{ cause: 'timeout' }])
  })

  it('repeats an unanswered BYE and gives up after 32 s', () => {
    const bench = new Bench().confirmed()
    bench.dialog.bye(undefined, 0)
    bench.pass(32_000_000)
    expect(bench.count('BYE')).toBeGreaterThan(8)
    expect(bench.ends).toEqual([{ cause: 'byeTimeout' }])
  })

  it('repeats nothing over TCP', () => {
    const bench = new Bench('tcp')
    bench.dialog.invite(OFFER, 0)
    bench.pass(32_000_000)
    expect(bench.count('INVITE')).toBe(1)
    expect(bench.ends).toEqual([{ cause: 'timeout' }])
  })
})

describe('hanging up', () => {
  it('sends BYE inside the dialog and ends with its answer', () => {
    const bench = new Bench().confirmed()
    bench.dialog.bye(undefined, 2_000)
    expect(bench.last('BYE').headers.first('CSeq')).toBe('2 BYE')
    expect(bench.ends).toEqual([])
    bench.answer('BYE', 200)
    expect(bench.ends).toEqual([{ cause: 'bye', status: 200 }])
  })

  it('answers the recorder’s BYE, also when it is repeated, and ends once', () => {
    const bench = new Bench().confirmed()
    bench.request('BYE')
    bench.request('BYE')
    expect(bench.responses.map((response) => (response.kind === 'response' ? response.status : 0))).toEqual([200, 200])
    expect(bench.ends).toEqual([{ cause: 'recorderBye' }])
  })

  it('can be forgotten only when no repeated message can arrive any more', () => {
    const bench = new Bench().confirmed()
    bench.request('BYE', 1_000_000)
    expect(bench.dialog.isForgettable(32_999_999)).toBe(false)
    expect(bench.dialog.isForgettable(33_000_000)).toBe(true)
  })

  it('ends when its TCP connection is lost', () => {
    const bench = new Bench('tcp').confirmed()
    bench.dialog.handleConnectionLost(5_000)
    expect(bench.ends).toEqual([{ cause: 'connectionLost' }])
  })
})

describe('taking an INVITE back', () => {
  it('waits for a provisional answer before it sends CANCEL', () => {
    const bench = new Bench()
    bench.dialog.invite(OFFER, 0)
    bench.dialog.cancel(1_000)
    expect(bench.count('CANCEL')).toBe(0)
    bench.answer('INVITE', 180)
    expect(bench.count('CANCEL')).toBe(1)
    expect(bench.last('CANCEL').headers.first('Via')).toBe(bench.last('INVITE').headers.first('Via'))
    expect(bench.last('CANCEL').headers.first('CSeq')).toBe('1 CANCEL')
    bench.answer('CANCEL', 200)
    bench.answer('INVITE', 487)
    expect(bench.ends).toEqual([{ cause: 'cancelled' }])
  })

  it('hangs up at once when the 200 crosses the CANCEL', () => {
    const bench = new Bench()
    bench.dialog.invite(OFFER, 0)
    bench.answer('INVITE', 180)
    bench.dialog.cancel(1_000)
    bench.answer('INVITE', 200)
    expect(bench.answers).toEqual([])
    expect([bench.count('ACK'), bench.count('BYE')]).toEqual([1, 1])
  })
})

describe('requests inside the dialog', () => {
  it('sends re-INVITEs one at a time, with growing CSeq, and tells how they were answered', () => {
    const bench = new Bench().confirmed()
    expect(bench.dialog.reinvite(OFFER, 2_000)).toBe(true)
    expect(bench.dialog.reinvite(OFFER, 2_000)).toBe(false)
    expect(bench.last('INVITE').headers.first('CSeq')).toBe('2 INVITE')
    expect(bench.last('INVITE').requestUri).toBe('sip:rec@192.0.2.99:5080')
    bench.answer('INVITE', 200)
    expect(bench.last('ACK').headers.first('CSeq')).toBe('2 ACK')
    expect(bench.dialog.reinvite(OFFER, 3_000)).toBe(true)
    bench.answer('INVITE', 488)
    expect(bench.reinviteAnswers).toEqual([200, 488])
    expect(bench.ends).toEqual([])
  })

  it.each([
    ['OPTIONS', 200],
    ['INFO', 200],
    ['INVITE', 488],
    ['UPDATE', 488],
    ['REFER', 405],
  ])('answers the recorder’s %s with %i', (method, status) => {
    const bench = new Bench().confirmed()
    bench.request(method)
    expect(bench.responses).toMatchObject([{ status }])
    expect(bench.ends).toEqual([])
  })

  it('answers 481 before there is a dialog', () => {
    const bench = new Bench()
    bench.dialog.invite(OFFER, 0)
    bench.request('BYE')
    expect(bench.responses).toMatchObject([{ status: 481 }])
    expect(bench.ends).toEqual([])
  })
})

describe('the INVITE client transaction', () => {
  it('sends at once, and not after it is done', () => {
    let sent = 0
    const options = { bytes: new Uint8Array(1), isReliable: false, timers: DEFAULT_SIP_TIMERS, send: () => void sent++ }
    const transaction = new InviteClientTransaction(options, 0)
    expect(transaction.handleResponse(200, 1)).toBe('final')
    expect(transaction.handleResponse(200, 2)).toBe('repeatedFinal')
    expect(transaction.handleTimeout(1e9)).toBe(false)
    expect([sent, transaction.nextTimeoutUs]).toEqual([1, Infinity])
  })
})
