import { join } from 'node:path'

import type { ChunkEntry, KeptEntry } from '../../evidence/manifest.ts'
import { ManifestRoom, RECOVERED_LENGTH_MAX } from '../../evidence/manifest-room.ts'
import { chunkName, keptName } from '../../evidence/object-names.ts'
import { nextRunningHash, RUNNING_HASH_START } from '../../evidence/running-hash.ts'
import { sha256Hex } from '../../evidence/sha256.ts'
import type { SpoolFrame } from '../../recorder/recording-types.ts'
import { errnoOf } from '../storage/storage-error.ts'
import { scanSegment, type TornReason } from './frame-record.ts'
import type { SpoolFiles } from './spool-files.ts'

/** The frames that an earlier run, or a worker that died, has left in some folders. */
export interface LeftFrames {
  /** In the order they were written. */
  readonly byRecording: ReadonlyMap<string, readonly SpoolFrame[]>
  /** Segments that were not whole to their end: what a crash or a power cut was in the middle of. `unreadable`: the disk does not give it. */
  readonly torn: readonly { readonly path: string; readonly reason: TornReason | 'unreadable' }[]
}

/** Reads the segments of these folders. Frames of other recordings than `wanted` are passed over. */
export async function readLeftFrames(
  files: Pick<SpoolFiles, 'read' | 'readDirectory'>,
  folders: readonly string[],
  wanted: ReadonlySet<string>,
): Promise<LeftFrames> {
  const byRecording = new Map<string, SpoolFrame[]>()
  const torn: { path: string; reason: TornReason | 'unreadable' }[] = []
  for (const folder of folders) {
    const names = (await files.readDirectory(folder)).filter((name) => name.endsWith('.spool')).toSorted()
    for (const name of names) {
      const path = join(folder, name)
      const bytes = await files.read(path).catch((error: unknown) => {
        // It went meanwhile: the store has what was in it.
        if (errnoOf(error) !== 'ENOENT') torn.push({ path, reason: 'unreadable' })
      })
      if (bytes === undefined) continue
      const scan = scanSegment(bytes)
      if (scan.torn !== undefined) torn.push({ path, reason: scan.torn.reason })
      for (const { recordingId, frame } of scan.records) {
        if (!wanted.has(recordingId)) continue
        const frames = byRecording.get(recordingId) ?? []
        // A copy: the segment that it looks into has the frames of many others.
        frames.push({ ...frame, bytes: Uint8Array.from(frame.bytes) })
        byRecording.set(recordingId, frames)
      }
    }
  }
  return { byRecording, torn }
}

/** Objects that are to be stored, and what the manifest says of each. */
export interface RecoveredObjects {
  readonly chunks: readonly { readonly entry: ChunkEntry; readonly bytes: Uint8Array }[]
  readonly kept: readonly { readonly entry: KeptEntry; readonly bytes: Uint8Array }[]
  /** Between what there is and the frames behind it something is missing, or their manifest would be too long: they cannot be used. */
  readonly hasHole: boolean
}

/**
 * Makes short chunks and RTP objects of the frames that no object covers yet: each frame is one by itself.
 *
 * @param frames in the order they were written; one that is there twice counts once
 * @param stored what is certain to be in the store, in order
 */
export function objectsOfFrames(
  frames: readonly SpoolFrame[],
  stored: { readonly chunks: readonly ChunkEntry[]; readonly kept: readonly KeptEntry[] },
): RecoveredObjects {
  const chunks: { entry: ChunkEntry; bytes: Uint8Array }[] = []
  const kept: { entry: KeptEntry; bytes: Uint8Array }[] = []
  const keptTo = new Map(stored.kept.map(({ streamId, toSample }) => [streamId, toSample]))
  const room = new ManifestRoom(RECOVERED_LENGTH_MAX)
  for (const entry of [...stored.chunks, ...stored.kept]) room.take(entry)
  let lastChunk = stored.chunks.at(-1)
  let lastKept = stored.kept.at(-1)
  let hasHole = false
  for (const frame of frames) {
    const { bytes } = frame
    const sized = { sha256: sha256Hex(bytes), sizeBytes: bytes.length }
    if (frame.kind === 'chunk') {
      const { fromSample, toSample, heldSeq } = frame
      const endSample = lastChunk?.toSample ?? 0
      if (toSample <= endSample) continue
      // A manifest that no reader takes would lose more than what is left out.
      hasHole ||= fromSample !== endSample || room.isFull
      if (hasHole) continue
      const chunkSeq = stored.chunks.length + chunks.length
      const runningHash = nextRunningHash('chunk', lastChunk?.runningHash ?? RUNNING_HASH_START, sized.sha256)
      const held = heldSeq === undefined ? {} : { heldSeq }
      lastChunk = { chunkSeq, name: chunkName(chunkSeq), ...sized, fromSample, toSample, runningHash, ...held }
      room.take(lastChunk)
      chunks.push({ entry: lastChunk, bytes })
    } else {
      const { run } = frame
      if (run.toSample <= (keptTo.get(run.streamId) ?? 0)) continue
      hasHole ||= room.isFull
      if (room.isFull) continue
      keptTo.set(run.streamId, run.toSample)
      const keptSeq = stored.kept.length + kept.length
      const runningHash = nextRunningHash('rtp', lastKept?.runningHash ?? RUNNING_HASH_START, sized.sha256)
      lastKept = { keptSeq, name: keptName(keptSeq), ...sized, ...run, runningHash }
      room.take(lastKept)
      kept.push({ entry: lastKept, bytes })
    }
  }
  return { chunks, kept, hasHole }
}
