/** Why a recording session could not be opened: what the SRC is told, and the check of `/readyz` that says the same. */
export const OPENING_FAILURES = {
  portsExhausted: { sentence: 'No free RTP port pair in the configured range', check: 'rtp-ports' },
  overloaded: { sentence: 'The recorder has as much to open as it can', check: 'openings' },
  draining: { sentence: 'The recorder is shutting down', check: 'draining' },
  // A fault, not a lack; the operator's log has more.
  failed: { sentence: 'The recorder could not open the media streams', check: undefined },
} as const
