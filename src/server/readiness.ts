import type { EarwitnessError } from '../errors.ts'
import type { Outbox } from './database/outbox.ts'
import type { RecordingControl } from './recording/recording-control.ts'
import type { UploadQueue } from './storage/upload-queue.ts'
import type { Health } from './telemetry/health.ts'

const OK = { ok: true } as const

/** The checks that decide whether this recorder takes new recording sessions, and those that only call for an operator. */
export function registerReadiness(
  health: Health,
  parts: {
    readonly uploads: UploadQueue
    readonly outbox: Outbox
    readonly control: RecordingControl
    readonly recordingSessionsMax: number
    /** What keeps new recording sessions from coming in. */
    readonly outage: () => EarwitnessError | undefined
  },
): void {
  const { uploads, outbox, control, recordingSessionsMax, outage } = parts
  health.register({
    name: 'signalling',
    weight: 'required',
    check: () => {
      const error = outage()
      return error === undefined ? OK : { ok: false, sentence: error.message }
    },
  })
  health.register({
    name: 'capacity',
    weight: 'required',
    check: () =>
      control.live.length < recordingSessionsMax
        ? OK
        : { ok: false, sentence: 'As many recording sessions as limits.recordingSessionsMax allows are open.' },
  })
  health.register({
    name: 'storage',
    weight: 'required',
    check: () =>
      uploads.isFull ? { ok: false, sentence: 'Sealed audio waits in memory for the store, and no more fits.' } : OK,
  })
  health.register({
    name: 'storage-writes',
    weight: 'degrading',
    check: () =>
      uploads.failing === undefined
        ? OK
        : { ok: false, sentence: `The store refuses to take objects (${uploads.failing}).` },
  })
  health.register({
    name: 'database',
    weight: 'degrading',
    check: () =>
      outbox.state === 'flowing' ? OK : { ok: false, sentence: `Database records wait on disk (${outbox.state}).` },
  })
}
