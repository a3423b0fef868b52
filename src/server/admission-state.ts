import type { AdmissionState } from './admission.ts'
import type { MediaPlane } from './media/media-plane.ts'
import { monotonicUs } from './monotonic.ts'
import type { RecordingControl } from './recording/recording-control.ts'
import type { Signalling } from './signalling/create-signalling.ts'
import type { Spool } from './spool/spool.ts'

/** What the services say of how much they have to do. */
export function admissionStateOf({
  control,
  media,
  signalling,
  spool,
}: {
  readonly control: RecordingControl
  readonly media: MediaPlane
  readonly signalling: Signalling
  readonly spool: Pick<Spool, 'refusal' | 'uploads'>
}): AdmissionState {
  const { live, closing } = control.counts
  return {
    nowUs: monotonicUs(),
    recordingSessions: live - closing,
    openedTotal: control.openedTotal,
    closing,
    isSignallingBehind: signalling.port.isBehind === true,
    areOpeningsLate: media.areOpeningsLate,
    portPairsFree: media.portPairsFree,
    isStorageFull: spool.uploads.isFull,
    spoolRefusal: spool.refusal,
  }
}
