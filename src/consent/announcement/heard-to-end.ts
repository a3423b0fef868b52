/** What RTCP of the listener says about our packets, in extended sequence numbers. RFC 3550 6.4.1 */
export interface ReceptionNews {
  readonly highestSequence: number
  readonly cumulativeLost: number
  /** When it came, monotonic microseconds. */
  readonly arrivalUs: number
}

/** More lost of a prompt than this, and words are missing. */
export const LOST_SHARE_MAX = 0.05
/** A report that came so long after the last packet and does not know it says that it did not arrive. */
const AFTER_END_US = 1_000_000
/** Packets that may be missing at the very end: the silence after the last word. */
const TAIL_PACKETS = 5

/**
 * Whether a prompt that was sent to its end arrived: `yes` and `no` only where the listener's RTCP says so.
 *
 * @param sent extended sequence numbers of its first and last packet, and when the last one was sent
 */
export function heardToEnd(
  sent: { readonly firstSequence: number; readonly lastSequence: number; readonly endUs: number },
  news: ReceptionNews | undefined,
): 'yes' | 'no' | 'unknown' {
  if (news === undefined) return 'unknown'
  const { highestSequence, cumulativeLost, arrivalUs } = news
  if (highestSequence < sent.lastSequence - TAIL_PACKETS) {
    return arrivalUs >= sent.endUs + AFTER_END_US ? 'no' : 'unknown'
  }
  const expected = Math.max(1, sent.lastSequence - sent.firstSequence + 1)
  return cumulativeLost / expected > LOST_SHARE_MAX ? 'no' : 'yes'
}
