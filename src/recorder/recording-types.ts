import type { ChunkEntry, DtmfEntry, KeptEntry, PeaksEntry } from '../evidence/manifest.ts'
import type { VaultRecipient } from '../evidence/vault-recipient.ts'
import type { ConsentFactAt } from '../consent/words.ts'
import type { RecordingId, RsId, StreamId } from '../ids.ts'
import type { PayloadFormat } from '../protocol/rtp/payload-format.ts'
import type { LabelledLine } from '../protocol/siprec/match-streams.ts'
import type { ConsentListening } from './consent-listener.ts'
import type { MediaTransport } from './media-transport.ts'
import type { SourceRule } from './packet-sources.ts'
import type { OutgoingRtcp } from './stream-rtcp.ts'
import type { SrtpKeys } from '../protocol/srtp/srtp-keys.ts'
import type { SrtpRejectReason } from '../protocol/srtp/srtp-receiver.ts'
import type { StreamFlag } from './stream-watch.ts'

/**
 * What becomes of the keys that participants press. `discard`: they are counted and nothing else; tones stay audible. `store`: they are
 * kept with their places, sealed like the audio. `mask`: they are counted, and silenced in the audio before it is sealed.
 */
export type DtmfPolicy = 'discard' | 'store' | 'mask'

/** Keys pressed: told by telephone-events (RFC 4733), and heard as tones (ITU-T Q.23). */
export interface DtmfCounts {
  readonly event: number
  readonly tone: number
}

export type Layout = 'separate' | 'mixed'

/** One m-line as it was agreed in the last offer and answer. */
export interface MediaStreamPlan {
  readonly streamId: StreamId
  /** The label of the m-line; of one without a label its place, counted from 1. */
  readonly streamLabel: string
  /** Where the metadata has to look for it: never by a label that the SDP does not have. */
  readonly line: LabelledLine
  readonly payloadTypes: ReadonlyMap<number, PayloadFormat>
  /** Payload types that wrap others, with copies of what was sent before; taken whether they were answered or not. RFC 2198 */
  readonly redundant?: ReadonlySet<number>
  /** A participant's `a=recordpref` against being recorded: noted, and not followed. RFC 7866 7.3.2 */
  readonly wish?: 'off' | 'pause'
  /** True when the SDP said that nothing will be sent: the time until resume is a gap of cause `held`. */
  readonly held: boolean
  /** It is of an answer to an offer of ours, which may have asked for just that. */
  readonly isAnswer?: true
  /** True when the SDP, or a request, said that nothing may be recorded: the time until resume is a gap of cause `paused`. RFC 7866 6.2 */
  readonly paused: boolean
  /** How the RTP is protected, by RFC 4568: keys with which `findKeyFault` finds no fault; undefined for RTP in clear. */
  readonly keys: SrtpKeys | undefined
  /** Our own keys, of the answer: for the RTCP that we send. Absent when there are none. */
  readonly ownKeys?: SrtpKeys
  /** Where the SRC says that it is; absent before it has said anything. */
  readonly transport?: MediaTransport
}

/** How packets are received in a recording session. */
export interface ReceptionSettings {
  readonly sourceRule: SourceRule
  /** Where the SRC signals from; undefined when that says nothing. */
  readonly signallingAddress: string | undefined
  readonly sendsRtcp: boolean
}

/** What is fixed for the life of a recording. */
export interface RecordingFacts {
  readonly recordingId: RecordingId
  readonly rsId: RsId
  readonly tenant: string
  readonly src: string
  readonly sipCallIdSha256: string
  readonly layout: Layout
  readonly dtmf: DtmfPolicy
  /** Length of a chunk in microseconds of recorded audio. */
  readonly chunkUs: number
  /** The first is at most so long, so that the chunks of recordings that begin together do not all go up together. */
  readonly firstChunkUs?: number
  /** Level below which a frame of a channel counts as silence, dBov (RFC 6464 3): -127 only for digital silence. */
  readonly silenceGateDbov: number
  /** Short losses are filled with a made-up signal instead of silence; they are gaps of cause `lost` either way. */
  readonly conceals: boolean
  /** Monotonic microseconds and wall-clock milliseconds of one and the same instant: that of the INVITE. */
  readonly openedUs: number
  readonly openedAtUnixMs: number
  /** To what the recording's own key is sealed. */
  readonly vaultRecipients: readonly VaultRecipient[]
  readonly software: { readonly name: string; readonly version: string }
  /** Absent: nothing is listened for. */
  readonly consent?: ConsentListening
  /** What comes before consent is sealed to a key of its own, see `RecordingSession.releaseHeld`. */
  readonly heldUntilConsent?: true
  /** Absent: packets are taken from everywhere, and no RTCP is sent. */
  readonly reception?: ReceptionSettings
}

export type EndCause =
  | 'bye'
  | 'noAck'
  | 'noAnswer'
  | 'sessionExpired'
  | 'drain'
  | 'mediaTimeout'
  | 'storageFull'
  /** Its manifest has no room for more; see `ManifestRoom`. */
  | 'recordingFull'
  | 'workerLost'
  | 'recorderFailed'
  | 'operator'
  /** The rule about consent wanted it. */
  | 'noConsent'

/** How the SRC asked: by a header of one of these requests, or by its SDP. */
export type PauseWay = 'INVITE' | 'UPDATE' | 'INFO' | 'SDP'

/** Bytes on their way to the object store; already sealed, or signed, by whoever made them. */
export interface SealedObject {
  readonly kind: 'key' | 'heldKey' | 'chunk' | 'kept' | 'dtmf' | 'peaks' | 'heldPeaks' | 'metadata'
  readonly name: string
  readonly bytes: Uint8Array
  /** Present on `key`: the public half, to which every other object of the recording is sealed; and on `heldKey`: that of what is held. */
  readonly recipient?: string
  /** Present on `chunk`. */
  readonly chunk?: ChunkEntry
  /** Present on `kept`. */
  readonly kept?: KeptEntry
  /** Present on `dtmf`. */
  readonly dtmf?: DtmfEntry
  /** Present on `peaks` and `heldPeaks`. */
  readonly peaks?: PeaksEntry
  /** Present on `metadata`: hash of the document as it arrived. */
  readonly rawSha256?: string
  /** Present on `metadata`: the position of the snapshot in the recording session. */
  readonly snapshotSeq?: number
}

/** What a kept RTP object says of the packets in it, whatever it will be called. */
export type KeptRun = Omit<KeptEntry, 'keptSeq' | 'name' | 'sha256' | 'sizeBytes' | 'runningHash'>

/**
 * A short stretch of what will be the next chunk, or the next RTP object, sealed for the spool: what a killed process leaves. Each is by itself what a chunk
 * or an RTP object is. Times at 48 kHz.
 */
export type SpoolFrame =
  | {
      readonly kind: 'chunk'
      readonly fromSample: number
      readonly toSample: number
      readonly bytes: Uint8Array
      /** As in the manifest: which held key it is sealed to. */
      readonly heldSeq?: number
    }
  | { readonly kind: 'kept'; readonly run: KeptRun; readonly bytes: Uint8Array }

/**
 * `sequence`: a packet whose number jumped, and no other followed it there (RFC 3550 A.1). `paused`: spoken while the recording was paused.
 * `source`: from where none are taken. `srtp`: not authentic, or no SRTP at all; {@link StreamCounters.srtpFailures} says why.
 */
export type DiscardReason =
  | 'notRtp'
  | 'payloadType'
  | 'late'
  | 'duplicate'
  | 'ssrc'
  | 'sequence'
  | 'overflow'
  | 'paused'
  | 'srtp'
  | 'source'

/** Metric labels. RTCP beside RTP is none (RFC 5761). */
export type SrtpFailure = Exclude<SrtpRejectReason, 'rtcp' | 'notRtcp'>

export interface RecordingIncident {
  readonly code: string
  /** Wall clock, RFC 3339. */
  readonly at: string
  /** Position on the recording timeline at 48 kHz, when it has one. */
  readonly atSample?: number
  /** One sentence without numbers, names or digits of the call. */
  readonly detail: string
}

/** Where a recording session writes to. Implementations must not throw. */
export interface RecordingSink {
  handleSealed(object: SealedObject): void
  /** Absent where there is no spool; then nothing is sealed for it. */
  handleFrame?(frame: SpoolFrame): void
  handleIncident(incident: RecordingIncident): void
  /** Sample 0 has its instant, once: wall clock, RFC 3339. */
  handleOrigin?(originAt: string): void
  /** A flag of a media stream was raised or cleared; a raised one is an incident too, the first few times. */
  handleFlag(event: FlagEvent): void
  /** Something that consent may rest on was heard. Absent where nobody decides about it: replay, simulation. */
  handleConsent?(fact: ConsentFactAt): void
  /** RTCP to be sent. Absent where nothing can be: replay, simulation. */
  handleRtcp?(outgoing: OutgoingRtcp): void
}

/** A flag of a media stream was raised or cleared. */
export interface FlagEvent {
  readonly streamId: StreamId
  readonly streamLabel: string
  readonly flag: StreamFlag
  readonly isRaised: boolean
  /** Wall clock, RFC 3339. */
  readonly at: string
  /** Position on the recording timeline at 48 kHz, when it has one. */
  readonly atSample?: number
}

/** Counters of one media stream; they only grow. */
export interface StreamCounters {
  /** Taken for the recording: each packet once. */
  readonly packetsReceived: number
  /** Of those: packets of codecs that are not decoded live. */
  readonly packetsKept: number
  readonly packetsLost: number
  /** By the numbers of the packets that came in time, over all sequences: received, paused and lost. RFC 3550 A.3 */
  readonly packetsExpected: number
  /** Part of the received ones: comfort noise. RFC 3389 */
  readonly packetsComfortNoise: number
  readonly packetsLate: number
  readonly packetsDuplicate: number
  /** Everything not taken, the late ones and the duplicates included. */
  readonly packetsDiscarded: Readonly<Record<DiscardReason, number>>
  /** Why SRTP packets were discarded; `replay` and `old` are authentic, and counted as duplicate and late besides. */
  readonly srtpFailures: Readonly<Record<SrtpFailure, number>>
  /** RFC 3550 A.8, in seconds. */
  readonly jitterSeconds: number
  readonly dtmf: DtmfCounts
}
