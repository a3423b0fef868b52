import type { DiscardReason } from './recording-types.ts'

/** Nothing discarded yet, for any reason. */
export function noDiscards(): Record<DiscardReason, number> {
  return {
    notRtp: 0,
    payloadType: 0,
    late: 0,
    duplicate: 0,
    ssrc: 0,
    sequence: 0,
    overflow: 0,
    paused: 0,
    srtp: 0,
    source: 0,
  }
}
