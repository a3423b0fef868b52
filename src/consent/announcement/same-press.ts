import type { DtmfDigit } from '../../protocol/rtp/telephone-event.ts'

/** By what a key was told: telephone-event (RFC 4733), a tone in the audio, or SIP INFO. */
export type KeyWay = 'event' | 'tone' | 'info'

/** How long after a key the same one by another way is the same press: an INFO comes when the key is let go, a tone when it was heard for a while. */
const SAME_PRESS_US = 2_000_000

/**
 * Tells presses apart from the same press told by another way: gateways send tones beside telephone-events, and some PBXs an INFO too. Without it the
 * key that answers one question would answer the next one as well.
 */
export class SamePress {
  #last: { readonly digit: DtmfDigit; readonly way: KeyWay; readonly atUs: number } | undefined

  /** Whether this is a press of its own. Of one way each is; time is monotonic microseconds. */
  isAnother(digit: DtmfDigit, way: KeyWay, nowUs: number): boolean {
    const last = this.#last
    const isSame = last !== undefined && last.digit === digit && last.way !== way && nowUs - last.atUs < SAME_PRESS_US
    if (!isSame) this.#last = { digit, way, atUs: nowUs }
    return !isSame
  }
}
