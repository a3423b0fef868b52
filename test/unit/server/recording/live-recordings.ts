import { createHash } from 'node:crypto'

import type { ChunkEntry, DtmfEntry, KeptEntry, PeaksEntry, ManifestBody } from '../../../../src/evidence/manifest.ts'
import {
  chunkName,
  dtmfName,
  keptName,
  KEY_NAME,
  PEAKS_NAME,
  snapshotName,
} from '../../../../src/evidence/object-names.ts'
import { nextRunningHash, RUNNING_HASH_START } from '../../../../src/evidence/running-hash.ts'
import { asDialogId } from '../../../../src/ids.ts'
import { describeRecording } from '../../../../src/recorder/manifest-body.ts'
import type { SealedObject } from '../../../../src/recorder/recording-types.ts'
import type { DatabaseRecord } from '../../../../src/server/database/records.ts'
import { createLiveRecording, type LiveRecording } from '../../../../src/server/recording/live-recording.ts'
import type { ObjectStore } from '../../../../src/server/storage/object-store.ts'
import { OPENED_AT_UNIX_MS, seededBytes, vault } from '../../../support/recording-rig.ts'

/** Recordings of invented bytes, for tests of who keeps them: custody never looks inside. */

export const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)
export const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

export function liveRecording(seed = 1): LiveRecording {
  const recording = createLiveRecording({
    offer: {
      dialogId: asDialogId(`dialog-${seed}`),
      sipCallId: `call-${seed}@192.0.2.1`,
      header: () => undefined,
      headers: () => [],
    },
    request: {
      offer: { originUser: '', sessionName: '', sessionId: '', sessionVersion: '', media: [], attributes: [] },
      plans: [],
      metadata: undefined,
    },
    source: { name: 'sbc', tenant: 'acme', tellPause: false, dtmf: undefined, dialect: 'auto' },
    settings: {
      layout: 'separate',
      silenceGateDbov: -66,
      dtmf: 'discard',
      chunkUs: 15_000_000,
      conceals: true,
      vaultRecipients: [vault.recipient],
      software: { name: 'earwitness', version: '0.0.0' },
    },
    openedUs: 1_000_000,
    openedAtUnixMs: OPENED_AT_UNIX_MS,
    randomBytes: seededBytes(seed),
  })
  const bytes = bytesOf(`wrapped key ${seed}`)
  const wrappedKey = { name: KEY_NAME, sha256: hashOf(bytes), sizeBytes: bytes.length }
  recording.sealedKey = { recipient: vault.recipient, wrappedKey, bytes }
  recording.state = 'recording'
  return recording
}

/** The chunk after those that the recording has: a second of it. */
export function nextChunk(recording: LiveRecording, text = 'chunk'): SealedObject & { readonly chunk: ChunkEntry } {
  const chunkSeq = recording.chunks.length
  const name = chunkName(chunkSeq)
  const bytes = bytesOf(`${text} ${chunkSeq} of ${recording.facts.recordingId}`)
  const chunk = {
    chunkSeq,
    name,
    sha256: hashOf(bytes),
    sizeBytes: bytes.length,
    fromSample: chunkSeq * 48_000,
    toSample: (chunkSeq + 1) * 48_000,
    runningHash: nextRunningHash('chunk', recording.chunks.at(-1)?.runningHash ?? RUNNING_HASH_START, hashOf(bytes)),
  }
  return { kind: 'chunk', name, bytes, chunk }
}

/** The RTP object after those that the recording has: a second of its stream. */
export function nextKept(recording: LiveRecording): SealedObject & { readonly kept: KeptEntry } {
  const keptSeq = recording.kept.length
  const name = keptName(keptSeq)
  const bytes = bytesOf(`rtp ${keptSeq} of ${recording.facts.recordingId}`)
  const kept = {
    ...{ keptSeq, name, sha256: hashOf(bytes), sizeBytes: bytes.length },
    ...{ streamId: '0', channel: 0, fromSample: keptSeq * 48_000, toSample: (keptSeq + 1) * 48_000 },
    ...{ packets: 50, firstSequence: keptSeq * 50, lastSequence: keptSeq * 50 + 49 },
    formats: [{ fromSample: keptSeq * 48_000, payloadType: 18, encoding: 'G729', clockRate: 8_000, channels: 1 }],
    runningHash: nextRunningHash('rtp', recording.kept.at(-1)?.runningHash ?? RUNNING_HASH_START, hashOf(bytes)),
  }
  return { kind: 'kept', name, bytes, kept }
}

/** A metadata document that could not be read, handed to the worker and come back sealed. */
export function nextSnapshot(recording: LiveRecording): SealedObject {
  const seq = recording.snapshots.length + recording.pendingSnapshots.length
  const raw = bytesOf(`metadata ${seq}`)
  recording.pendingSnapshots.push({
    received: { raw, rawSha256: hashOf(raw), snapshot: undefined },
    reason: 'notXml',
    receivedAt: new Date(OPENED_AT_UNIX_MS + seq).toISOString(),
  })
  return {
    kind: 'metadata',
    name: snapshotName(seq),
    bytes: bytesOf(`sealed metadata ${seq}`),
    snapshotSeq: seq,
    rawSha256: hashOf(raw),
  }
}

/** The digits after those that the recording has. */
export function nextDtmf(recording: LiveRecording): SealedObject & { readonly dtmf: DtmfEntry } {
  const dtmfSeq = recording.dtmf.length
  const name = dtmfName(dtmfSeq)
  const bytes = bytesOf(`keys ${dtmfSeq} of ${recording.facts.recordingId}`)
  return { kind: 'dtmf', name, bytes, dtmf: { dtmfSeq, name, sha256: hashOf(bytes), sizeBytes: bytes.length } }
}

export function lastPeaks(recording: LiveRecording): SealedObject & { readonly peaks: PeaksEntry } {
  const bytes = bytesOf(`peaks of ${recording.facts.recordingId}`)
  const peaks = { name: PEAKS_NAME, sha256: hashOf(bytes), sizeBytes: bytes.length }
  return { kind: 'peaks', name: PEAKS_NAME, bytes, peaks }
}

/** The manifest that a worker would give for what the recording has so far. */
export function manifestOf(recording: LiveRecording): ManifestBody {
  const { facts, sealedKey } = recording
  if (sealedKey === undefined) throw new Error('a recording without its key')
  const { name, sha256, sizeBytes } = sealedKey.wrappedKey
  const body = describeRecording({
    facts,
    key: { recipient: sealedKey.recipient, name, sha256, sizeBytes, wrapped: sealedKey.bytes },
    endedAt: new Date(OPENED_AT_UNIX_MS + 10_000).toISOString(),
    originAt: undefined,
    state: 'complete',
    endCause: 'bye',
    durationSamples: recording.chunks.at(-1)?.toSample ?? 0,
    chunks: recording.chunks,
    kept: recording.kept,
    dtmf: recording.dtmf,
    peaks: recording.peaks,
    streams: [],
    participantIds: [],
    snapshots: [],
    pauses: [],
    unlistedPauses: 0,
    incidents: recording.incidents,
  })
  return { ...body, snapshots: recording.snapshots }
}

/** A store in memory, as strict as the real one: what is there stays. */
export class MemoryStore implements ObjectStore {
  readonly objects = new Map<string, Uint8Array>()
  readonly puts: string[] = []
  /** Called before each put; what it throws is the store's answer. */
  beforePut: (key: string) => Promise<void> | void = () => {}

  async put(key: string, bytes: Uint8Array): Promise<void> {
    await this.beforePut(key)
    const there = this.objects.get(key)
    if (there !== undefined && !Buffer.from(there).equals(bytes)) {
      throw Object.assign(new Error('another object is there'), { code: 'storage-conflict' })
    }
    this.objects.set(key, Uint8Array.from(bytes))
    this.puts.push(key)
  }

  get(key: string): Promise<Uint8Array | undefined> {
    return Promise.resolve(this.objects.get(key))
  }

  list(prefix: string): Promise<readonly { readonly key: string; readonly sizeBytes: number }[]> {
    const found = [...this.objects].filter(([key]) => key.startsWith(prefix))
    return Promise.resolve(found.map(([key, { length }]) => ({ key, sizeBytes: length })))
  }

  delete(key: string): Promise<void> {
    this.objects.delete(key)
    return Promise.resolve()
  }

  check(): Promise<void> {
    return Promise.resolve()
  }

  /** Names of the objects of one recording, in the order they were stored. */
  namesOf(recording: LiveRecording): readonly string[] {
    const start = `${recording.objectPrefix}/`
    return this.puts.filter((key) => key.startsWith(start)).map((key) => key.slice(start.length))
  }
}

/** Takes what would go to the database. */
export class RecordList {
  readonly records: DatabaseRecord[] = []

  readonly add = (record: DatabaseRecord): boolean => {
    this.records.push(record)
    return true
  }

  readonly written = (): Promise<void> => Promise.resolve()

  get kinds(): readonly string[] {
    return this.records.map(({ kind }) => kind)
  }
}
