import type { SpoolFrame } from '../../recorder/recording-types.ts'

/** A segment to which nothing more is written, and up to where it holds frames of which recordings. */
export interface ClosedSegment {
  readonly path: string
  readonly bytes: number
  /** For each recording: by {@link streamKey}, 48 kHz samples. */
  readonly covers: readonly { readonly recordingId: string; readonly streams: Readonly<Record<string, number>> }[]
}

/** What a frame is a part of: the chunks, or the RTP objects of one media stream. */
export function streamKey(frame: SpoolFrame): string {
  return frame.kind === 'chunk' ? CHUNKS_KEY : keptKey(frame.run.streamId)
}

export const CHUNKS_KEY = 'chunks'

export function keptKey(streamId: string): string {
  return `rtp ${streamId}`
}
