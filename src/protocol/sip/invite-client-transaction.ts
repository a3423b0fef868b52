import type { Deadlined } from './deadline-heap.ts'
import { type SipTimers, transactionTimeoutUs } from './timers.ts'

/** RFC 3261 17.1.1.2 Timer D: at least 32 s on UDP. */
const TIMER_D_US = 32_000_000

export type InviteClientState = 'calling' | 'proceeding' | 'accepted' | 'completed' | 'terminated'

export interface InviteClientOptions {
  readonly bytes: Uint8Array
  readonly isReliable: boolean
  readonly timers: SipTimers
  send(bytes: Uint8Array): void
  /** Sends the ACK of a final answer; that of a 2xx is a transaction of its own. RFC 3261 13.2.2.4, 17.1.1.3 */
  acknowledge(status: number): void
}

/**
 * Client transaction of a re-INVITE of ours. The ACK goes out again with each copy of the final answer. Time is monotonic microseconds.
 *
 * A provisional answer gives the peer as long again, then the request is given up: nobody is asked to decide about a re-INVITE.
 *
 * @see RFC 3261 17.1.1, RFC 6026 7.2
 */
export class InviteClientTransaction implements Deadlined {
  readonly #options: InviteClientOptions
  #state: InviteClientState = 'calling'
  #intervalUs: number
  #retransmitAtUs = Infinity
  #endAtUs: number

  constructor(options: InviteClientOptions, nowUs: number) {
    this.#options = options
    this.#intervalUs = options.timers.t1Us
    if (!options.isReliable) this.#retransmitAtUs = nowUs + this.#intervalUs // Timer A
    this.#endAtUs = nowUs + transactionTimeoutUs(options.timers) // Timer B
    options.send(options.bytes)
  }

  get state(): InviteClientState {
    return this.#state
  }

  get isDone(): boolean {
    return this.#state !== 'calling' && this.#state !== 'proceeding'
  }

  get nextTimeoutUs(): number {
    return Math.min(this.#retransmitAtUs, this.#endAtUs)
  }

  handleResponse(status: number, nowUs: number): void {
    if (this.#state === 'terminated') return
    if (status < 200) {
      if (this.#state !== 'calling') return
      this.#state = 'proceeding'
      this.#retransmitAtUs = Infinity
      this.#endAtUs = nowUs + transactionTimeoutUs(this.#options.timers)
      return
    }
    const isSuccess = status < 300
    if (this.isDone && isSuccess !== (this.#state === 'accepted')) return
    this.#options.acknowledge(status)
    if (this.isDone) return
    this.#retransmitAtUs = Infinity
    if (isSuccess) {
      this.#state = 'accepted'
      this.#endAtUs = nowUs + transactionTimeoutUs(this.#options.timers) // Timer M
    } else {
      this.#state = this.#options.isReliable ? 'terminated' : 'completed'
      this.#endAtUs = this.#options.isReliable ? Infinity : nowUs + TIMER_D_US
    }
  }

  /** True when the request was sent again. */
  handleTimeout(nowUs: number): boolean {
    if (nowUs >= this.#endAtUs) {
      this.#state = 'terminated'
      this.#endAtUs = Infinity
      this.#retransmitAtUs = Infinity
    } else if (nowUs >= this.#retransmitAtUs) {
      this.#options.send(this.#options.bytes)
      this.#intervalUs *= 2
      this.#retransmitAtUs = nowUs + this.#intervalUs
      return true
    }
    return false
  }
}
