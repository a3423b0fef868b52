import type { EarwitnessError } from '../errors.ts'
import { ADMISSION_REASONS, type AdmissionController, type AdmissionReason, type AdmissionState } from './admission.ts'
import type { Outbox } from './database/outbox.ts'
import type { Ledger } from './ledger/ledger.ts'
import type { RecoveryRounds } from './recording/recovery-rounds.ts'
import type { Storage } from './storage/start-storage.ts'
import type { UploadQueue } from './storage/upload-queue.ts'
import type { Health } from './telemetry/health.ts'

const OK = { ok: true } as const
const SENTENCES: Readonly<Record<AdmissionReason, string>> = {
  capacity: 'As many recording sessions as limits.recordingSessionsMax allows are open.',
  custody: 'Too many recordings that are over wait for the store.',
  storage: 'Sealed audio waits in memory for the store, and no more fits.',
  spool: 'The spool is full, or old, or its disk is full or fails: see spool.maxBytes, spool.maxAge and spool.minFree.',
  'rtp-ports': 'Hardly a port of the range rtp.portMin to rtp.portMax is free.',
  'main-thread': 'The main thread is later than limits.eventLoopLag allows.',
  'media-workers':
    'All media workers are busier than limits.workerBusyPercent, or later than limits.eventLoopLag, allows.',
  'sip-queue': 'SIP messages come faster than they can be handled.',
  pace: 'As many INVITEs as the threads keep up with were taken this second.',
  openings: 'INVITEs come faster than recording sessions can be opened.',
}

interface StorageParts {
  readonly uploads: UploadQueue
  readonly storage: Pick<Storage, 'report' | 'replica'>
}

/** The checks that decide whether this recorder takes new recording sessions, and those that only call for an operator. */
export function registerReadiness(
  health: Health,
  parts: StorageParts & {
    readonly outbox: Outbox
    readonly ledger: Pick<Ledger, 'status'>
    readonly recovery: Pick<RecoveryRounds, 'isFailing'>
    /** What keeps new recording sessions from coming in. */
    readonly outage: () => EarwitnessError | undefined
    readonly admission: AdmissionController
    readonly admissionState: () => AdmissionState
  },
): void {
  const { outbox, ledger, recovery, admission, admissionState, outage } = parts
  health.register({
    name: 'signalling',
    weight: 'required',
    check: () => {
      const error = outage()
      return error === undefined ? OK : { ok: false, sentence: error.message }
    },
  })
  for (const name of ADMISSION_REASONS) {
    health.register({
      name,
      weight: 'required',
      check: () => (admission.isRefusing(name, admissionState()) ? { ok: false, sentence: SENTENCES[name] } : OK),
    })
  }
  registerStorage(health, parts)
  health.register({
    name: 'recovery',
    weight: 'degrading',
    check: () =>
      recovery.isFailing
        ? { ok: false, sentence: 'What an earlier run left open could not be closed; it is tried again.' }
        : OK,
  })
  health.register({
    name: 'database',
    weight: 'degrading',
    check: () =>
      outbox.state === 'flowing' ? OK : { ok: false, sentence: `Database records wait on disk (${outbox.state}).` },
  })
  health.register({
    name: 'ledger',
    weight: 'degrading',
    check: () => {
      const { problem } = ledger.status
      return problem === undefined ? OK : { ok: false, sentence: `The ledger needs a look (${problem}).` }
    },
  })
}

function registerStorage(health: Health, { uploads, storage }: StorageParts): void {
  health.register({
    name: 'storage-writes',
    weight: 'degrading',
    check: () =>
      uploads.failing === undefined
        ? OK
        : { ok: false, sentence: `The store refuses to take objects (${uploads.failing}).` },
  })
  health.register({
    name: 'storage-replica',
    weight: 'degrading',
    check: () =>
      storage.replica?.failing === undefined
        ? OK
        : { ok: false, sentence: `The replica refuses to take objects (${storage.replica.failing}).` },
  })
  health.register({
    name: 'object-lock',
    weight: 'degrading',
    check: () =>
      storage.report()?.objectLock === 'ignored'
        ? { ok: false, sentence: 'The S3 server accepts Object Lock and does not enforce it.' }
        : OK,
  })
}
