import type { Deadlined } from './deadline-heap.ts'
import type { ServerTransactionOptions } from './invite-server-transaction.ts'
import { transactionTimeoutUs } from './timers.ts'

export type NonInviteServerState = 'trying' | 'completed' | 'terminated'

/**
 * Server transaction of everything but INVITE and ACK. It is answered at once, so there is no provisional response.
 *
 * @see RFC 3261 17.2.2
 */
export class NonInviteServerTransaction implements Deadlined {
  readonly #options: ServerTransactionOptions
  #state: NonInviteServerState = 'trying'
  #response: Uint8Array | undefined
  #endAtUs = Infinity

  constructor(options: ServerTransactionOptions) {
    this.#options = options
  }

  get state(): NonInviteServerState {
    return this.#state
  }

  get nextTimeoutUs(): number {
    return this.#endAtUs
  }

  /** Sends the final response; a second one is not sent, and false is returned. */
  respond(status: number, bytes: Uint8Array, nowUs: number): boolean {
    if (this.#state !== 'trying' || status < 200) return false
    this.#options.send(bytes)
    if (this.#options.isReliable) {
      this.#state = 'terminated'
    } else {
      this.#state = 'completed'
      this.#response = bytes
      this.#endAtUs = nowUs + transactionTimeoutUs(this.#options.timers) // Timer J
    }
    return true
  }

  handleRetransmission(): void {
    if (this.#response !== undefined) this.#options.send(this.#response)
  }

  handleTimeout(nowUs: number): void {
    if (nowUs < this.#endAtUs) return
    this.#state = 'terminated'
    this.#response = undefined
    this.#endAtUs = Infinity
  }
}
