import type { AlignmentBasisName, PauseWayName, SourceKindName } from './manifest-shape.ts'
import type { PauseRequester } from './words.ts'

/** What a manifest says of senders, of how they were heard, and of pauses. The meaning of every member is in `FORMAT.md` section 5. */

export interface SourceFacts {
  /** How the addresses were known that packets were taken from, in the order in which they began to be. */
  readonly kinds: readonly SourceKindName[]
  /** Part of `packets.discarded`: from elsewhere. */
  readonly dropped: number
  /** How often an address that nothing names took over from another. */
  readonly moves: number
}

export interface RtcpFacts {
  readonly senderReports: number
  /** SSRCs that said goodbye. */
  readonly goodbyes: number
  /** Datagrams that were not believed: from elsewhere, not authentic, not RTCP. */
  readonly discarded: number
  /** Packets that the sender had sent by its last report, by its own count. Absent without a report. */
  readonly packetsSent?: number
  /** Packets of those that arrived, each once, in time or not. Absent without a report. */
  readonly packetsArrived?: number
  /** The same of octets of payload. Absent without a report, and in older manifests. RFC 3550 6.4.1 */
  readonly octetsSent?: number
  readonly octetsArrived?: number
  /** How often a report did not agree with the one before on what time it is. */
  readonly disagreements: number
  /** How often reports told of too different a time for this stream, or one beside it, to be aligned by them. */
  readonly refusals: number
  /** By how much earlier the audio stands at the end than its arrival says, since reports of its sender show it: 48 kHz samples. */
  readonly alignedSamples: number
  /** By what this stream stands where it does beside the others, at the end. Absent in older manifests. */
  readonly alignedBy?: AlignmentBasisName
}

/** How the recorder heard the last SSRC of a stream: what its own RTCP says, or would have said. RFC 3550 6.4.1, RFC 3611 4.7 */
export interface ReceptionFacts {
  /** SSRCs that were recorded, one after the other. */
  readonly ssrcs: number
  /** Compound RTCP packets to the sender. */
  readonly reportsSent: number
  /** Of the last run of sequence numbers; `packetsReceived` counts late packets and duplicates too. RFC 3550 A.3 */
  readonly packetsExpected: number
  readonly packetsReceived: number
  /** Interarrival jitter at the end, microseconds. RFC 3550 A.8 */
  readonly jitterUs: number
  /** By the last DLRR that quoted the recorder, microseconds. Absent: none did. */
  readonly roundTripUs?: number
  /** In 1/256. */
  readonly lossRate: number
  readonly discardRate: number
  readonly burstDensity: number
  readonly gapDensity: number
  /** Means. */
  readonly burstMs: number
  readonly gapMs: number
}

/** From when to when a request for a pause held. FORMAT.md 5 */
export interface PauseEntry {
  readonly by: PauseRequester
  /** How the SRC asked. */
  readonly via?: PauseWayName
  /** Absent: the whole recording was paused. */
  readonly streamId?: string
  readonly from: string
  readonly fromSample: number
  /** Absent, with `toSample`: until the end. */
  readonly to?: string
  readonly toSample?: number
}
