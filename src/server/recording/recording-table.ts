import type { DialogId, RecordingId } from '../../ids.ts'
import type { LiveRecording } from './live-recording.ts'

/** The recording sessions under way, by their dialog and by their recording. */
export class RecordingTable {
  readonly #byDialog = new Map<DialogId, LiveRecording>()
  readonly #byId = new Map<RecordingId, LiveRecording>()

  get live(): readonly LiveRecording[] {
    return [...this.#byId.values()]
  }

  get size(): number {
    return this.#byId.size
  }

  byDialog(dialogId: DialogId): LiveRecording | undefined {
    return this.#byDialog.get(dialogId)
  }

  byId(recordingId: RecordingId): LiveRecording | undefined {
    return this.#byId.get(recordingId)
  }

  has(recording: LiveRecording): boolean {
    return this.#byId.get(recording.facts.recordingId) === recording
  }

  add(recording: LiveRecording): void {
    this.#byDialog.set(recording.dialogId, recording)
    this.#byId.set(recording.facts.recordingId, recording)
  }

  remove(recording: LiveRecording): void {
    this.#byDialog.delete(recording.dialogId)
    this.#byId.delete(recording.facts.recordingId)
  }
}
