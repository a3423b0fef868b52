import type { PauseRequester } from '../../evidence/words.ts'
import type { ConsentFactAt } from '../../consent/words.ts'
import type { RecordingId, StreamId } from '../../ids.ts'
import type { ManifestBody } from '../../evidence/manifest.ts'
import type { MetadataSnapshot } from '../../protocol/siprec/metadata.ts'
import type {
  EndCause,
  FlagEvent,
  MediaStreamPlan,
  PauseWay,
  RecordingFacts,
  RecordingIncident,
  SealedObject,
} from '../../recorder/recording-types.ts'
import type { ListenRefusal } from '../../recorder/live-listeners.ts'
import type { StreamState } from '../../recorder/live-monitor.ts'
import type { AlertThresholds, StreamFlag } from '../../recorder/stream-watch.ts'
import type { ThreadLoad } from '../admission.ts'
import type { OpusEngineName } from './opus-engine.ts'
import type { ClosedSegment } from '../spool/segment-cover.ts'
import type { SegmentLogReport } from '../spool/segment-log.ts'
import type { PacketReceiverName } from './packet-receiver.ts'
import type { TranscriberCommand, TranscriptionOutcome } from './command-transcriber.ts'
import type { ListenedPrompt } from './prompt-ears.ts'

/** What a media worker is started with. */
export interface WorkerSettings {
  readonly bindAddress: string
  readonly opusEngine: OpusEngineName
  readonly opusBitsPerSecond: number
  /** As configured; a worker near its limit encodes with less. */
  readonly opusComplexity: number
  /** Share of a thread in use from which on new recording sessions are refused. */
  readonly busyShareMax: number
  readonly receiveBufferBytes: number
  readonly alerts: AlertThresholds
  readonly receiver: PacketReceiverName
  /** Clear audio may leave the thread while somebody listens. */
  readonly liveListening: boolean
  /** Announcements that are looked for, in recordings that listen for any. */
  readonly prompts?: readonly ListenedPrompt[]
  /** Makes words of spoken answers. */
  readonly transcriber?: TranscriberCommand | undefined
  /** Of this run; each thread has a folder of its own in it. Absent: there is no spool. */
  readonly spoolFolder?: string
}

/** A media stream and the port pair it is received on. */
export interface BoundStream {
  readonly plan: MediaStreamPlan
  readonly port: number
}

export type ToWorker =
  | {
      readonly kind: 'open'
      readonly requestId: number
      readonly facts: RecordingFacts
      readonly streams: readonly BoundStream[]
    }
  | {
      readonly kind: 'update'
      readonly requestId: number
      readonly recordingId: RecordingId
      /** Every stream of the recording session as it is now; those already bound keep their port. */
      readonly streams: readonly BoundStream[]
      readonly atUs: number
    }
  | {
      readonly kind: 'metadata'
      readonly recordingId: RecordingId
      readonly raw: Uint8Array
      readonly rawSha256: string
      readonly snapshot: MetadataSnapshot | undefined
      readonly mediaType?: string
      readonly receivedUs: number
    }
  | {
      readonly kind: 'note'
      readonly recordingId: RecordingId
      readonly code: string
      readonly detail: string
      readonly atUs: number
    }
  | {
      readonly kind: 'pause'
      readonly recordingId: RecordingId
      readonly isPaused: boolean
      readonly by: PauseRequester
      readonly atUs: number
      readonly via?: PauseWay
    }
  /** There is consent since `atUs`: what is said from then on is not held. */
  | { readonly kind: 'release'; readonly recordingId: RecordingId; readonly atUs: number }
  | {
      readonly kind: 'listen'
      readonly recordingId: RecordingId
      readonly listenerId: number
      readonly from: string
      readonly atUs: number
    }
  | { readonly kind: 'unlisten'; readonly recordingId: RecordingId; readonly listenerId: number; readonly atUs: number }
  | { readonly kind: 'end'; readonly recordingId: RecordingId; readonly cause: EndCause; readonly endedUs: number }
  | { readonly kind: 'abandon'; readonly recordingId: RecordingId }
  /** How the media streams of all recordings are doing; answered with `states`. */
  | { readonly kind: 'states'; readonly requestId: number }
  | { readonly kind: 'stop' }

/** A message about one recording. */
export type RecordingMessage = Exclude<ToWorker, { kind: 'stop' | 'states' }>

export type OpenOutcome =
  | { readonly ok: true }
  | {
      readonly ok: false
      readonly reason: 'portBusy' | 'failed'
      readonly ports: readonly number[]
      readonly detail: string
    }

/** Sums over all streams of the worker since it started; they only grow. */
export interface WorkerTotals {
  readonly packetsReceived: number
  readonly packetsLost: number
  readonly packetsDiscarded: Readonly<Record<string, number>>
  readonly srtpFailures: Readonly<Record<string, number>>
  /** Datagrams that the kernel dropped because their socket was not read in time; known with the receiver in C only. */
  readonly socketOverflows: number
  /** Media streams that brought Opus and found no decoder for it: it is kept as it came. */
  readonly opusUndecodedStreams: number
  /** Keys pressed, by how that was known. */
  readonly dtmfDigits: Readonly<Record<string, number>>
  /** Packets inside compounds, by type. */
  readonly rtcpReceived: Readonly<Record<string, number>>
  /** Compounds, by reason. */
  readonly rtcpDiscarded: Readonly<Record<string, number>>
  readonly rtcpSent: number
  /** Sender reports not aligned by, by why. */
  readonly alignmentRefusals: Readonly<Record<'disagreed' | 'tooFar', number>>
  readonly encodedFrames: number
  /** Silent frames that cost no encoding; not among those encoded. */
  readonly gatedFrames: number
  readonly encodeSeconds: number
  /** Spoken answers given to the transcriber, by what came of it. */
  readonly transcriptions: Readonly<Record<TranscriptionOutcome, number>>
}

/** How the worker encodes. Steps only grow. */
export interface OpusReport {
  readonly engine: OpusEngineName
  readonly complexity: number
  readonly stepsDown: number
  readonly stepsUp: number
}

export interface WorkerReport extends WorkerTotals {
  readonly recordingSessions: number
  readonly encodersInUse: number
  /** Longest stall since the last report. */
  readonly eventLoopLagSeconds: number
  /** Of the time since then. */
  readonly load: ThreadLoad
  readonly opus?: OpusReport
  readonly spool?: SegmentLogReport
  /** Greatest interarrival jitter of any live stream. */
  readonly jitterSecondsMax: number
  /** Live streams that have each flag right now. */
  readonly flaggedStreams: Readonly<Record<StreamFlag, number>>
  /** Longest round trip to any SRC that quotes our RTCP; 0 when none does. */
  readonly roundTripSecondsMax: number
  /** Recording sessions in which no stream had a packet for a while, with how long; for the media time-out. */
  readonly quiet: readonly { readonly recordingId: RecordingId; readonly quietMs: number; readonly held: boolean }[]
}

/** The media streams of one recording right now. */
export interface RecordingState {
  readonly recordingId: RecordingId
  readonly streams: readonly StreamState[]
}

export type FromWorker =
  | { readonly kind: 'ready' }
  | { readonly kind: 'opened'; readonly requestId: number; readonly outcome: OpenOutcome }
  | { readonly kind: 'sealed'; readonly recordingId: RecordingId; readonly object: SealedObject }
  | { readonly kind: 'incident'; readonly recordingId: RecordingId; readonly incident: RecordingIncident }
  | { readonly kind: 'origin'; readonly recordingId: RecordingId; readonly originAt: string }
  | { readonly kind: 'flag'; readonly recordingId: RecordingId; readonly event: FlagEvent }
  /** Something that consent may rest on was heard; never which keys, never audio. */
  | { readonly kind: 'consent'; readonly recordingId: RecordingId; readonly fact: ConsentFactAt }
  /** Without `refusal`: pages follow, the headers first. */
  | { readonly kind: 'listening'; readonly listenerId: number; readonly refusal?: ListenRefusal }
  /** Clear audio, for one listener; its buffer is moved, not copied. */
  | { readonly kind: 'pages'; readonly listenerId: number; readonly pages: Uint8Array }
  | { readonly kind: 'states'; readonly requestId: number; readonly states: readonly RecordingState[] }
  | { readonly kind: 'firstPacket'; readonly recordingId: RecordingId; readonly streamId: StreamId }
  /** The recorder failed inside: nothing more is recorded, the recording waits for its `end`. */
  | { readonly kind: 'failed'; readonly recordingId: RecordingId }
  | { readonly kind: 'ended'; readonly recordingId: RecordingId; readonly manifest: ManifestBody }
  /** A segment of the spool was closed. */
  | { readonly kind: 'segment'; readonly segment: ClosedSegment }
  | { readonly kind: 'report'; readonly report: WorkerReport }
