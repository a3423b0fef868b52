import type { MediaPlane } from '../media/media-plane.ts'
import type { SignallingPort } from '../signalling/port.ts'
import type { ConsentSettings } from '../consent/consent-desk.ts'
import type { Custody } from './custody.ts'
import type { RecordingSettings } from './live-recording.ts'
import type { SpoolWatch } from '../spool/spool-watch.ts'
import type { Spool } from '../spool/spool.ts'
import type { Refusal } from '../telemetry/health.ts'
import type { RecordingEvents } from './recording-events.ts'
import type { SourceTable } from './source-table.ts'

/** What the life of a recording session is carried on with. */
export interface RecordingControlOptions {
  readonly signalling: Pick<SignallingPort, 'bye' | 'request'>
  readonly media: Pick<MediaPlane, 'open' | 'update' | 'metadata' | 'note' | 'pause' | 'release' | 'end' | 'abandon'>
  readonly custody: Pick<
    Custody,
    'opened' | 'noteFacts' | 'note' | 'sealed' | 'sealPending' | 'decideHeld' | 'incident' | 'close' | 'interrupted'
  >
  /** Absent where there is none: tests. */
  readonly spool?: Pick<Spool, 'keeper' | 'lostFrames'>
  readonly spoolWatch?: Pick<SpoolWatch, 'frames'>
  readonly sources: Pick<SourceTable, 'lookup'>
  /** Absent: nothing is decided about consent. */
  readonly consent?: ConsentSettings
  readonly events: Pick<RecordingEvents, keyof RecordingEvents>
  readonly settings: RecordingSettings & {
    readonly mediaTimeoutMs: number
    readonly mediaAddress: string | undefined
    /** SRCs are told by RTCP how they are heard. */
    readonly sendsRtcp: boolean
  }
  /** Sealed audio waits for the store beyond all bounds. */
  readonly isOverfull: () => boolean
  /** Why no recording session is taken, as `/readyz` says; INVITE and OPTIONS say the same. Undefined when one is. */
  readonly refusal: (method: 'INVITE' | 'OPTIONS' | undefined) => Refusal | undefined
  readonly nowUs: () => number
  readonly nowUnixMs: () => number
  readonly sleep: (ms: number) => Promise<void>
  readonly randomBytes: (length: number) => Uint8Array
}
