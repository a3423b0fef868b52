/** What RTCP of the listener says about our packets, in extended sequence numbers. RFC 3550 6.4.1 */
export interface ReceptionNews {
  readonly highestSequence: number
  readonly cumulativeLost: number
  /** Where packets went when it came, as {@link SentRange} has it. */
  readonly destination: number
  /** When it came, monotonic microseconds. */
  readonly arrivalUs: number
}

/** Which packets a prompt was sent in, in extended sequence numbers, and when the last one was. */
export interface SentRange {
  readonly firstSequence: number
  readonly lastSequence: number
  readonly endUs: number
  /** Which of the places we have sent to they went to, by number; undefined where it changed in the middle. */
  readonly destination: number | undefined
  /** The first packet of all that were sent, those of other prompts included. */
  readonly startSequence: number
  /** What was reported last when its first packet was sent. */
  readonly before: ReceptionNews | undefined
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
 * Who came to listen later reports no packet of before as lost (RFC 3550 A.3), so it knows nothing of what went elsewhere; of half a prompt it can say
 * that the rest did not arrive. Reports count what is lost from the first packet on: of those that are not of the prompt any may be among the lost, and where
 * that makes the difference it is `unknown`.
 */
export function heardToEnd(sent: SentRange, news: ReceptionNews | undefined): 'yes' | 'no' | 'unknown' {
  if (news === undefined || (sent.destination ?? news.destination) !== news.destination) return 'unknown'
  const { highestSequence, arrivalUs } = news
  if (highestSequence < sent.lastSequence - TAIL_PACKETS) {
    return arrivalUs >= sent.endUs + AFTER_END_US ? 'no' : 'unknown'
  }
  const expected = Math.max(1, sent.lastSequence - sent.firstSequence + 1)
  const { fewest, most } = lostOf(sent, news)
  if (fewest / expected > LOST_SHARE_MAX) return 'no'
  return sent.destination === undefined || most / expected > LOST_SHARE_MAX ? 'unknown' : 'yes'
}

/** How many packets of the prompt may have been lost, since the report before it: where that was of another listener, or he has begun to count again, since the start. */
function lostOf(
  { firstSequence, lastSequence, startSequence, before }: SentRange,
  { highestSequence, cumulativeLost, destination }: ReceptionNews,
): { readonly fewest: number; readonly most: number } {
  const goesOn = before?.destination === destination && before.cumulativeLost <= cumulativeLost
  const since = goesOn ? before : { highestSequence: startSequence - 1, cumulativeLost: 0 }
  const most = cumulativeLost - since.cumulativeLost
  const earlier = Math.max(0, firstSequence - 1 - since.highestSequence)
  const later = Math.max(0, highestSequence - lastSequence)
  return { fewest: most - earlier - later, most }
}
