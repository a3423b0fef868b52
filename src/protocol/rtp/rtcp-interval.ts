/** RFC 3550 6.2: the least mean interval; half of it before the first packet. */
export const RTCP_INTERVAL_MIN_US = 5_000_000
/** Of the session bandwidth, for RTCP of all its members. RFC 3550 6.2 */
export const RTCP_BANDWIDTH_SHARE = 0.05
/** Part of that for members that do not send, when senders are few. RFC 3550 6.2 */
const RECEIVERS_SHARE = 0.75
/** e - 1.5: makes up for timer reconsideration drawing intervals out. RFC 3550 6.3.1 */
const COMPENSATION = Math.E - 1.5

/**
 * Until the next RTCP packet of a receiver, in microseconds. RFC 3550 6.3.1, A.7
 *
 * A media stream of a recording session has two members, its one sender and us, so they need not be counted (6.3.3 to 6.3.5) and no
 * BYE storm can come (6.3.7).
 *
 * @param random 0 to below 1; the result is half to one and a half times the mean, over e - 1.5
 */
export function receiverIntervalUs(options: {
  /** Bits per second of the media, headers included. */
  readonly sessionBitsPerSecond: number
  /** Of sent and received RTCP packets, with IP and UDP headers. */
  readonly averageOctets: number
  readonly isInitial: boolean
  readonly random: number
}): number {
  const { sessionBitsPerSecond, averageOctets, isInitial, random } = options
  const octetsPerSecond = (sessionBitsPerSecond * RTCP_BANDWIDTH_SHARE * RECEIVERS_SHARE) / 8
  // One member has all of the receivers' share.
  const byBandwidthUs = (averageOctets / octetsPerSecond) * 1_000_000
  const meanUs = Math.max(isInitial ? RTCP_INTERVAL_MIN_US / 2 : RTCP_INTERVAL_MIN_US, byBandwidthUs)
  return Math.round((meanUs * (0.5 + random)) / COMPENSATION)
}
