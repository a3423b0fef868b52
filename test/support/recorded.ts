import { join } from 'node:path'
import { readFile } from 'node:fs/promises'

import type { ManifestBody } from '../../src/evidence/manifest.ts'
import { readWav } from '../../src/media/wav.ts'
import { recordingPrefix } from '../../src/server/storage/layout.ts'
import { matchAudio, type AudioMatch } from './audio.ts'
import type { RunningDaemon } from './daemon.ts'
import { decodeAudio } from './ffmpeg.ts'

/** Everything is compared at the rate of the telephone. */
export const SAMPLES_PER_MS = 8
const SPEECH_FOLDER = join(import.meta.dirname, '..', '..', 'src', 'cli', 'simulate', 'audio')

/** The two shipped speech files: caller and callee, 8 kHz. */
export async function shippedSpeech(): Promise<readonly [Int16Array, Int16Array]> {
  return [await speech('caller.wav'), await speech('callee.wav')]
}

async function speech(name: string): Promise<Int16Array> {
  const wav = readWav(await readFile(join(SPEECH_FOLDER, name)))
  const samples = wav.ok ? wav.value.channels[0] : undefined
  if (samples === undefined) throw new Error(`${name} is not a WAV file`)
  return samples
}

/** The folder with the objects of one recording. */
export function objectFolder(daemon: Pick<RunningDaemon, 'dataDir'>, recordingId: string): string {
  return join(daemon.dataDir, 'recordings', recordingPrefix('default', recordingId))
}

/** The body of the signed manifest, its signature unchecked: `verify` has its own tests. */
export async function manifestOf(daemon: Pick<RunningDaemon, 'dataDir'>, recordingId: string): Promise<ManifestBody> {
  const jws = await readFile(join(objectFolder(daemon, recordingId), 'manifest.jws'), 'utf8')
  return JSON.parse(Buffer.from(jws.split('.')[1] ?? '', 'base64url').toString('utf8')) as ManifestBody
}

/** Exports a recording with the CLI and decodes it with the system's FFmpeg: one array for each channel, 8 kHz. */
export async function exportedChannels(
  daemon: Pick<RunningDaemon, 'command'>,
  recordingId: string,
  options: { readonly folder: string; readonly format?: 'ogg' | 'wav'; readonly layout?: 'separate' | 'mixed' },
): Promise<readonly Int16Array[]> {
  const { folder, format = 'ogg', layout = 'separate' } = options
  const file = join(folder, `${recordingId}-${layout}.${format}`)
  const exported = await daemon.command('export', recordingId, '-o', file, '--format', format, '--layout', layout)
  if (exported.code !== 0) throw new Error(`export failed: ${exported.stderr}`)
  return decodeAudio(file, 8_000)
}

export interface ChannelMatch {
  /** Median over windows of one second, each at its own best shift. */
  readonly correlation: number
  /** Shift of each window that holds speech, in milliseconds: positive when it is heard later than sent. */
  readonly lagsMs: readonly number[]
}

/**
 * Compares second by second: under jitter the recorder learns the true place of a stream in the first seconds and moves
 * it by some milliseconds in a pause, which one correlation over the whole would punish as if it were noise.
 */
export function matchWindows(sent: Int16Array, heard: Int16Array): ChannelMatch {
  const matches: AudioMatch[] = []
  const window = 1_000 * SAMPLES_PER_MS
  for (let from = 0; from + window <= sent.length; from += window) {
    const samples = sent.subarray(from, from + window)
    if (samples.every((sample) => Math.abs(sample) < 500)) continue
    matches.push(matchAudio(samples, heard.subarray(from, from + window), { lagMax: 800, overlapMin: window / 2 }))
  }
  const sorted = matches.map(({ correlation }) => correlation).toSorted((left, right) => left - right)
  const good = matches.filter(({ correlation }) => correlation > 0.8)
  return {
    correlation: sorted[sorted.length >> 1] ?? 0,
    lagsMs: good.map(({ lag }) => lag / SAMPLES_PER_MS),
  }
}

/** How well each channel as a whole matches what was sent on it. */
export function matchChannels(sent: readonly Int16Array[], heard: readonly Int16Array[]): readonly AudioMatch[] {
  return sent.map((samples, index) => matchAudio(samples, heard[index] ?? new Int16Array(0), { lagMax: 4_000 }))
}
