import { sha256Hex } from '../../evidence/sha256.ts'
import type { RecordingIncident, SealedObject } from '../../recorder/recording-types.ts'
import type { LiveRecording, SealedKey } from './live-recording.ts'
import type { RecordingControlOptions } from './recording-control-options.ts'

/**
 * Keeps what a recording session seals in memory until it is certain that there is one: the SRC has our 200 (ACK), or sends RTP.
 *
 * A node that was frozen answers INVITEs whose SRC has long given up; such an INVITE leaves nothing in journal, store and database.
 * What is held back is bounded by the snapshots and incidents that one recording session may have.
 */
export class Commitment {
  readonly #custody: RecordingControlOptions['custody']
  readonly #opened: (recording: LiveRecording) => void
  #total = 0

  /** @param opened is told of each recording that there is from now on */
  constructor(custody: RecordingControlOptions['custody'], opened: (recording: LiveRecording) => void = () => {}) {
    this.#custody = custody
    this.#opened = opened
  }

  /** Recordings committed since the start. */
  get total(): number {
    return this.#total
  }

  take(recording: LiveRecording, object: SealedObject): void {
    if (object.kind === 'key') recording.sealedKey = keyOf(object)
    else if (object.kind === 'heldKey') recording.held = keyOf(object)
    else if (recording.heldBack === undefined) this.#custody.sealed(recording, object)
    else recording.heldBack.push({ kind: 'object', object })
  }

  note(recording: LiveRecording, incident: RecordingIncident): void {
    if (recording.heldBack === undefined) this.#custody.incident(recording, incident)
    else recording.heldBack.push({ kind: 'incident', incident })
  }

  /** Hands over what was held back; from now on everything goes into custody as it comes. */
  commit(recording: LiveRecording): void {
    const { heldBack } = recording
    if (heldBack === undefined) return
    recording.heldBack = undefined
    this.#total += 1
    this.#custody.opened(recording)
    for (const held of heldBack) {
      if (held.kind === 'object') this.#custody.sealed(recording, held.object)
      else this.#custody.incident(recording, held.incident)
    }
    this.#opened(recording)
  }
}

function keyOf({ name, bytes, recipient = '' }: SealedObject): SealedKey {
  return { recipient, bytes, wrappedKey: { name, sha256: sha256Hex(bytes), sizeBytes: bytes.length } }
}
