/** The timers of RFC 3261 table 4, in microseconds. */
export interface SipTimers {
  /** Estimate of the round trip; all others are multiples of it. */
  readonly t1Us: number
  /** Longest interval between retransmissions. */
  readonly t2Us: number
  /** How long a message may stay in the network. */
  readonly t4Us: number
  /** How long an INVITE may go without any answer before it gets its 100; 0 for none. RFC 3261 17.2.1 allows 200 ms. */
  readonly tryingUs: number
  /** Ours: how long whoever answers an offer may take before it is refused with 500. */
  readonly answerUs: number
}

export const DEFAULT_SIP_TIMERS: SipTimers = {
  t1Us: 500_000,
  t2Us: 4_000_000,
  t4Us: 5_000_000,
  // Half of what is allowed: the event loop may be late. Most INVITEs are answered before, and save the packet.
  tryingUs: 100_000,
  // Longer than any client waits (Timer B, 32 s), so that it never cuts off an answer somebody still wants.
  answerUs: 60_000_000,
}

/** Timers B, F, H, J, L and the patience for an ACK: 64*T1. */
export function transactionTimeoutUs(timers: SipTimers): number {
  return 64 * timers.t1Us
}
