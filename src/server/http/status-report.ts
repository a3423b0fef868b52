import type { CheckReport } from '../telemetry/health.ts'

/** What the recorder says about itself. Times are RFC 3339, durations in seconds. */
export interface StatusReport {
  readonly version: string
  readonly state: 'ready' | 'draining' | 'degraded'
  /** True when new recording sessions are taken. */
  readonly ready: boolean
  readonly startedAt: string
  readonly uptimeSeconds: number
  readonly checks: readonly CheckReport[]
  readonly addresses: {
    /** What speaks SIP: `embedded`, or `drachtio:` with where it is met. */
    readonly engine: string
    /** `udp:127.0.0.1:5060`; empty while another engine has not told. */
    readonly sip: readonly string[]
    readonly rtp: { readonly address: string; readonly portMin: number; readonly portMax: number }
    /** URLs. */
    readonly http: string
    readonly telemetry: string
  }
  /** total: since the recorder was started. */
  readonly recordingSessions: { readonly active: number; readonly total: number }
  readonly workers: readonly WorkerStatus[]
  /** Facts waiting for the database. */
  readonly outboxBacklogBytes: number
  /** Sealed bytes waiting for the store. */
  readonly uploadBacklogBytes: number
  /** The log of signed statements of this node; without an id while it is being opened. */
  readonly ledger: {
    readonly logId: string | undefined
    /** Statements. */
    readonly size: number
    /** Of those that the newest signed checkpoint covers, and when it was signed. */
    readonly checkpointSize: number
    readonly checkpointAt: string | undefined
  }
}

export interface WorkerStatus {
  readonly id: number
  readonly recordingSessions: number
  readonly queueDepth: number
  readonly opusEngine: string
  /** Media streams since its start that brought Opus and found no decoder; absent for none. */
  readonly opusUndecodedStreams?: number
  /** `dgram` or `native`. */
  readonly receiver: string
}

/** A live recording session: ids, where from, how far; never who. */
export interface LiveRecordingSession {
  readonly rsId: string
  readonly recordingId: string
  readonly src: string
  readonly state: string
  /** Who has paused the recording: `src`, `api`, `consent`, several or nobody. */
  readonly pausedBy: readonly string[]
  /** The state of consent, where it is decided about: `agreed`, `notified`, `notRequired`, `missing`, `refused`, `withdrawn` or `unknown`. */
  readonly consent?: string
  /** RFC 3339. */
  readonly startedAt: string
  /** Absent when the media worker did not answer in time. */
  readonly streams?: readonly LiveStream[]
}

/** A media stream right now. */
export interface LiveStream {
  readonly streamId: string
  readonly streamLabel: string
  /** RMS of the last 200 ms that were recorded, dBov; absent when its audio is not decoded. RFC 6464 3 */
  readonly levelDbov?: number
  readonly flags: readonly string[]
}
