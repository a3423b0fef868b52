import type { Deadlined } from './deadline-heap.ts'
import { type SipTimers, transactionTimeoutUs } from './timers.ts'

export type NonInviteClientState = 'trying' | 'proceeding' | 'completed' | 'terminated'

/** Client transaction of a request of ours, such as BYE. @see RFC 3261 17.1.2 */
export class NonInviteClientTransaction implements Deadlined {
  readonly #options: {
    readonly bytes: Uint8Array
    readonly isReliable: boolean
    readonly timers: SipTimers
    send(bytes: Uint8Array): void
  }
  #state: NonInviteClientState = 'trying'
  #finalStatus: number | undefined
  #intervalUs: number
  #retransmitAtUs = Infinity
  #endAtUs: number

  constructor(
    options: {
      readonly bytes: Uint8Array
      readonly isReliable: boolean
      readonly timers: SipTimers
      send(bytes: Uint8Array): void
    },
    nowUs: number,
  ) {
    this.#options = options
    this.#intervalUs = options.timers.t1Us
    if (!options.isReliable) this.#retransmitAtUs = nowUs + this.#intervalUs // Timer E
    this.#endAtUs = nowUs + transactionTimeoutUs(options.timers) // Timer F
    options.send(options.bytes)
  }

  get state(): NonInviteClientState {
    return this.#state
  }

  /** The final status received; undefined before it and when none came in time. */
  get finalStatus(): number | undefined {
    return this.#finalStatus
  }

  /** True once the request was answered or given up. */
  get isDone(): boolean {
    return this.#state === 'completed' || this.#state === 'terminated'
  }

  get nextTimeoutUs(): number {
    return Math.min(this.#retransmitAtUs, this.#endAtUs)
  }

  handleResponse(status: number, nowUs: number): void {
    if (this.isDone) return
    const { timers, isReliable } = this.#options
    if (status < 200) {
      this.#state = 'proceeding'
      this.#intervalUs = timers.t2Us
      return
    }
    this.#finalStatus = status
    this.#retransmitAtUs = Infinity
    this.#state = isReliable ? 'terminated' : 'completed'
    this.#endAtUs = isReliable ? Infinity : nowUs + timers.t4Us // Timer K
  }

  /** True when the request was sent again. */
  handleTimeout(nowUs: number): boolean {
    if (nowUs >= this.#endAtUs) {
      this.#state = 'terminated'
      this.#endAtUs = Infinity
      this.#retransmitAtUs = Infinity
    } else if (nowUs >= this.#retransmitAtUs) {
      this.#options.send(this.#options.bytes)
      this.#intervalUs =
        this.#state === 'proceeding'
          ? this.#options.timers.t2Us
          : Math.min(2 * this.#intervalUs, this.#options.timers.t2Us)
      this.#retransmitAtUs = nowUs + this.#intervalUs
      return true
    }
    return false
  }
}
