import type { ChunkEntry, SnapshotEntry, WrappedKeyEntry } from '../../evidence/manifest.ts'
import type { DialogId } from '../../ids.ts'
import type { ReceivedMetadata } from '../../recorder/recording-session.ts'
import type { RecordingFacts, RecordingIncident } from '../../recorder/recording-types.ts'

/**
 * `opening`: ports are being bound; `answered`: 200 was sent; `recording`: ACK or RTP came; `closing`: the dialog is
 * over and the worker writes what is left.
 */
export type LiveState = 'opening' | 'answered' | 'recording' | 'closing'

/** A snapshot that was handed to the worker and not sealed yet. */
export interface PendingSnapshot {
  readonly received: ReceivedMetadata
  readonly reason: string | undefined
  readonly receivedAt: string
}

/** The recording's public key, and its private half sealed to the vault. */
export interface SealedKey {
  readonly recipient: string
  readonly wrappedKey: WrappedKeyEntry
  readonly bytes: Uint8Array
}

/** One recording session as the main thread knows it: enough to write its manifest should its worker die. */
export interface LiveRecording {
  readonly facts: RecordingFacts
  readonly dialogId: DialogId
  readonly sipCallId: string
  readonly startedAt: string
  /** `<tenant>/YYYY/MM/DD/<recordingId>` in the object store. */
  readonly objectPrefix: string
  /** Of our SDP answers; the version grows with each (RFC 3264 8). */
  readonly sdpSessionId: string
  sdpVersion: number
  state: LiveState
  /** Waits for the 200: an INVITE that comes to nothing leaves no object behind. */
  sealedKey: SealedKey | undefined
  readonly chunks: ChunkEntry[]
  readonly snapshots: SnapshotEntry[]
  readonly pendingSnapshots: PendingSnapshot[]
  readonly incidents: RecordingIncident[]
  /** Settles when the manifest is stored and the database has been told. */
  readonly closed: Promise<void>
  readonly markClosed: () => void
}
