import type { DialogId } from '../../ids.ts'
import type { SessionTerms } from './session-expires.ts'
import type { TimedItem } from './timed-table.ts'

const US_PER_SECOND = 1_000_000

/**
 * The session timer of one dialog: when to refresh, and when the peer is to be believed gone. Time is monotonic microseconds.
 *
 * It expires after the whole interval. RFC 4028 10 recommends BYE up to 32 s before; a refresh that comes late costs nothing, a BYE
 * too early costs audio.
 *
 * @see RFC 4028 10
 */
export class SessionTimer implements TimedItem {
  readonly dialogId: DialogId
  #terms: SessionTerms
  #refreshAtUs = Infinity
  #expiresAtUs = Infinity
  /** Raised by each 422. RFC 4028 7.3 */
  #minSeconds = 0

  constructor(dialogId: DialogId, terms: SessionTerms, nowUs: number) {
    this.dialogId = dialogId
    this.#terms = terms
    this.restart(terms, nowUs)
  }

  get key(): string {
    return this.dialogId
  }

  get terms(): SessionTerms {
    return this.#terms
  }

  get minSeconds(): number {
    return this.#minSeconds
  }

  get nextTimeoutUs(): number {
    return Math.min(this.#refreshAtUs, this.#expiresAtUs)
  }

  /** The dialog was refreshed, by whichever side. */
  restart(terms: SessionTerms, nowUs: number): void {
    const intervalUs = terms.intervalSeconds * US_PER_SECOND
    this.#terms = terms
    this.#expiresAtUs = nowUs + intervalUs
    this.#refreshAtUs = terms.isOurs ? nowUs + intervalUs / 2 : Infinity
  }

  /** The peer wants a longer interval; false when it asks for nothing that it does not have. */
  lengthen(minSeconds: number, nowUs: number): boolean {
    if (minSeconds <= this.#terms.intervalSeconds) return false
    this.#minSeconds = minSeconds
    this.restart({ ...this.#terms, intervalSeconds: minSeconds }, nowUs)
    return true
  }

  refreshAt(atUs: number): void {
    this.#refreshAtUs = atUs
  }

  /** What is due. After `refresh` the next one waits for {@link restart} or {@link refreshAt}. */
  handleTimeout(nowUs: number): 'refresh' | 'expired' | 'none' {
    if (nowUs >= this.#expiresAtUs) {
      this.#expiresAtUs = Infinity
      this.#refreshAtUs = Infinity
      return 'expired'
    }
    if (nowUs < this.#refreshAtUs) return 'none'
    this.#refreshAtUs = Infinity
    return 'refresh'
  }
}
