import { type SipTimers, transactionTimeoutUs } from '../../protocol/sip/timers.ts'

/** How long a provisional answer may keep an INVITE waiting. RFC 3261 16.6 (Timer C) */
export const PROVISIONAL_PATIENCE_US = 180_000_000

export interface InviteClientOptions {
  /** The whole request, for sending again. */
  readonly bytes: Uint8Array
  /** TCP repeats nothing. */
  readonly isReliable: boolean
  readonly timers: SipTimers
  send(bytes: Uint8Array): void
}

/**
 * Client transaction of an INVITE: sends it again until something is answered, and gives up. The ACK is the dialog's business.
 *
 * @see RFC 3261 17.1.1; RFC 6026 7.2 (a 2xx ends it, repeats of that 2xx are the dialog's)
 */
export class InviteClientTransaction {
  readonly #options: InviteClientOptions
  #state: 'calling' | 'proceeding' | 'completed' = 'calling'
  #intervalUs: number
  #sendAgainUs: number
  #giveUpUs: number

  constructor(options: InviteClientOptions, nowUs: number) {
    this.#options = options
    this.#intervalUs = options.timers.t1Us
    this.#sendAgainUs = options.isReliable ? Infinity : nowUs + this.#intervalUs // Timer A
    this.#giveUpUs = nowUs + transactionTimeoutUs(options.timers) // Timer B
    options.send(options.bytes)
  }

  get state(): 'calling' | 'proceeding' | 'completed' {
    return this.#state
  }

  get isDone(): boolean {
    return this.#state === 'completed'
  }

  get nextTimeoutUs(): number {
    return Math.min(this.#sendAgainUs, this.#giveUpUs)
  }

  handleResponse(status: number, nowUs: number): 'provisional' | 'final' | 'repeatedFinal' {
    if (status >= 200) {
      const repeated = this.isDone
      this.#complete()
      return repeated ? 'repeatedFinal' : 'final'
    }
    if (this.#state === 'calling') {
      this.#state = 'proceeding'
      this.#sendAgainUs = Infinity
      this.#giveUpUs = nowUs + PROVISIONAL_PATIENCE_US
    }
    return 'provisional'
  }

  /** True when the patience is over and no final response came. */
  handleTimeout(nowUs: number): boolean {
    if (nowUs >= this.#giveUpUs) {
      this.#complete()
      return true
    }
    if (nowUs >= this.#sendAgainUs) {
      this.#options.send(this.#options.bytes)
      this.#intervalUs *= 2
      this.#sendAgainUs = nowUs + this.#intervalUs
    }
    return false
  }

  /** After a CANCEL nobody waits for ever. RFC 3261 9.1 */
  shortenPatience(nowUs: number): void {
    if (!this.isDone) this.#giveUpUs = Math.min(this.#giveUpUs, nowUs + transactionTimeoutUs(this.#options.timers))
  }

  #complete(): void {
    this.#state = 'completed'
    this.#sendAgainUs = Infinity
    this.#giveUpUs = Infinity
  }
}
