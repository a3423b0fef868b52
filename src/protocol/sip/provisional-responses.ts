import type { Deadlined } from './deadline-heap.ts'
import type { HeaderList } from './header-list.ts'
import { optionTags } from './scalar-headers.ts'
import { parseDecimal, splitWords } from './text.ts'
import { type SipTimers, transactionTimeoutUs } from './timers.ts'

/** Provisional responses to one INVITE, its 100 not counted. */
export const PROGRESS_MAX = 8
/** RFC 3262 7.1, 7.2: 32 bits. */
const SEQUENCE_MAX = 0xffff_ffff

interface ReliableResponse {
  readonly responseSequence: number
  readonly status: number
  readonly bytes: Uint8Array
  readonly hasAnswer: boolean
}

interface SentResponse extends ReliableResponse {
  readonly giveUpAtUs: number
  intervalUs: number
  retransmitAtUs: number
}

/** Whether provisional responses to an INVITE must, may or cannot be sent reliably. RFC 3262 3 */
export function reliabilityOf(headers: HeaderList): 'required' | 'supported' | 'unknown' {
  if (optionTags(headers, 'Require').includes('100rel')) return 'required'
  return optionTags(headers, 'Supported').includes('100rel') ? 'supported' : 'unknown'
}

/**
 * The provisional responses to one INVITE. A reliable one is sent again until its PRACK comes; the next waits behind it. Time is
 * monotonic microseconds.
 *
 * The first RSeq is 1: guessing it does not help a stranger, because a PRACK must bear our tag as well.
 *
 * @see RFC 3262 3
 */
export class ProvisionalResponses implements Deadlined {
  readonly #options: {
    readonly timers: SipTimers
    /** CSeq of the INVITE. */
    readonly sequenceNumber: number
    readonly send: (status: number, bytes: Uint8Array) => void
  }
  readonly #waiting: ReliableResponse[] = []
  #sent: SentResponse | undefined
  #count = 0
  #responseSequence = 0
  #isStopped = false

  constructor(options: {
    readonly timers: SipTimers
    readonly sequenceNumber: number
    readonly send: (status: number, bytes: Uint8Array) => void
  }) {
    this.#options = options
  }

  get nextTimeoutUs(): number {
    if (this.#sent === undefined || this.#isStopped) return Infinity
    return Math.min(this.#sent.retransmitAtUs, this.#sent.giveUpAtUs)
  }

  /** A reliable response with our session description is not acknowledged: until it is, there may be no 2xx. RFC 3262 3 */
  get holdsBack2xx(): boolean {
    return !this.#isStopped && (this.#sent?.hasAnswer === true || this.#waiting.some(({ hasAnswer }) => hasAnswer))
  }

  /** Counts one more; false when there were enough, or the INVITE has its final answer. */
  admit(): boolean {
    if (this.#isStopped || this.#count >= PROGRESS_MAX) return false
    this.#count += 1
    return true
  }

  /** Sends a response reliably, at once or when those before it are acknowledged. `build` gets the value of its RSeq. */
  sendReliably(
    response: { readonly status: number; readonly hasAnswer: boolean; readonly build: (rseq: number) => Uint8Array },
    nowUs: number,
  ): void {
    this.#responseSequence += 1
    const { status, hasAnswer } = response
    const bytes = response.build(this.#responseSequence)
    this.#waiting.push({ responseSequence: this.#responseSequence, status, hasAnswer, bytes })
    if (this.#sent === undefined) this.#sendNext(nowUs)
  }

  /** A PRACK came with this RAck. False when it acknowledges nothing that waits for it. RFC 3262 7.2 */
  acknowledge(rack: string, nowUs: number): boolean {
    const [responseSequence, sequenceNumber, method] = splitWords(rack)
    const isOurs =
      this.#sent !== undefined &&
      parseDecimal(responseSequence ?? '', SEQUENCE_MAX) === this.#sent.responseSequence &&
      parseDecimal(sequenceNumber ?? '', SEQUENCE_MAX) === this.#options.sequenceNumber &&
      method === 'INVITE'
    if (!isOurs) return false
    this.#sent = undefined
    if (!this.#isStopped) this.#sendNext(nowUs)
    return true
  }

  /** What was due: the response again, or giving up after 64*T1 without PRACK. */
  handleTimeout(nowUs: number): 'retransmitted' | 'notAcknowledged' | 'none' {
    const sent = this.#sent
    if (sent === undefined || this.#isStopped) return 'none'
    if (nowUs >= sent.giveUpAtUs) return 'notAcknowledged'
    if (nowUs < sent.retransmitAtUs) return 'none'
    // Whatever the transport: a proxy may go on by UDP. Unlike other timers this one doubles without T2.
    this.#options.send(sent.status, sent.bytes)
    sent.intervalUs *= 2
    sent.retransmitAtUs = nowUs + sent.intervalUs
    return 'retransmitted'
  }

  /** The INVITE has its final answer: nothing more is sent, but the PRACK of what was sent is still owed a 200. */
  stop(): void {
    this.#isStopped = true
    this.#waiting.length = 0
  }

  #sendNext(nowUs: number): void {
    const next = this.#waiting.shift()
    if (next === undefined) return
    const { t1Us } = this.#options.timers
    this.#sent = {
      ...next,
      giveUpAtUs: nowUs + transactionTimeoutUs(this.#options.timers),
      intervalUs: t1Us,
      retransmitAtUs: nowUs + t1Us,
    }
    this.#options.send(next.status, next.bytes)
  }
}
