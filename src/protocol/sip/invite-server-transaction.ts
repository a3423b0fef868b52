import type { Deadlined } from './deadline-heap.ts'
import { type SipTimers, transactionTimeoutUs } from './timers.ts'

export interface ServerTransactionOptions {
  readonly isReliable: boolean
  readonly timers: SipTimers
  send(bytes: Uint8Array): void
}

export type InviteServerState = 'proceeding' | 'completed' | 'confirmed' | 'accepted' | 'terminated'

/**
 * INVITE server transaction.
 *
 * A 2xx moves it to `accepted` (RFC 6026), where it only absorbs: retransmitting the 2xx is the user agent's. Time is monotonic
 * microseconds.
 *
 * @see RFC 3261 17.2.1, RFC 6026 7.1
 */
export class InviteServerTransaction implements Deadlined {
  readonly #options: ServerTransactionOptions
  #state: InviteServerState = 'proceeding'
  #lastResponse: Uint8Array | undefined
  #intervalUs = 0
  #retransmitAtUs = Infinity
  #endAtUs = Infinity

  constructor(options: ServerTransactionOptions) {
    this.#options = options
  }

  get state(): InviteServerState {
    return this.#state
  }

  get nextTimeoutUs(): number {
    return Math.min(this.#retransmitAtUs, this.#endAtUs)
  }

  /** Sends a response. After a final one nothing more is sent, and false is returned. */
  respond(status: number, bytes: Uint8Array, nowUs: number): boolean {
    if (this.#state !== 'proceeding') return false
    const { timers, isReliable } = this.#options
    this.#options.send(bytes)
    if (status >= 200) {
      this.#endAtUs = nowUs + transactionTimeoutUs(timers) // Timer L or H
      this.#state = status < 300 ? 'accepted' : 'completed'
    }
    this.#lastResponse = status >= 200 && status < 300 ? undefined : bytes
    if (this.#state === 'completed' && !isReliable) {
      this.#intervalUs = timers.t1Us
      this.#retransmitAtUs = nowUs + this.#intervalUs // Timer G
    }
    return true
  }

  /** The INVITE came again: answered with the last response; `accepted` leaves that to the user agent. */
  handleRetransmission(): void {
    if ((this.#state === 'proceeding' || this.#state === 'completed') && this.#lastResponse !== undefined) {
      this.#options.send(this.#lastResponse)
    }
  }

  /** The ACK of a refusal. True when it was this transaction's. An ACK of a 2xx belongs to the dialog. */
  handleAck(nowUs: number): boolean {
    if (this.#state === 'confirmed') return true
    if (this.#state !== 'completed') return false
    this.#lastResponse = undefined
    this.#retransmitAtUs = Infinity
    if (this.#options.isReliable) {
      this.#state = 'terminated'
      this.#endAtUs = Infinity
    } else {
      this.#state = 'confirmed'
      this.#endAtUs = nowUs + this.#options.timers.t4Us // Timer I
    }
    return true
  }

  handleTimeout(nowUs: number): void {
    if (nowUs >= this.#endAtUs) {
      this.#state = 'terminated'
      this.#lastResponse = undefined
      this.#retransmitAtUs = Infinity
      this.#endAtUs = Infinity
    } else if (nowUs >= this.#retransmitAtUs && this.#lastResponse !== undefined) {
      this.#options.send(this.#lastResponse)
      this.#intervalUs = Math.min(2 * this.#intervalUs, this.#options.timers.t2Us)
      this.#retransmitAtUs = nowUs + this.#intervalUs
    }
  }
}
