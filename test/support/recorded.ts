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
export function objectFolder(daemon: RunningDaemon, recordingId: string): string {
  return join(daemon.dataDir, 'recordings', recordingPrefix('default', recordingId))
}

/** The body of the signed manifest, its signature unchecked: `verify` has its own tests. */
export async function manifestOf(daemon: RunningDaemon, recordingId: string): Promise<ManifestBody> {
  const jws = await readFile(join(objectFolder(daemon, recordingId), 'manifest.jws'), 'utf8')
  return JSON.parse(Buffer.from(jws.split('.')[1] ?? '', 'base64url').toString('utf8')) as ManifestBody
}

/** Exports a recording with the CLI and decodes it with the system's FFmpeg: one array for each channel, 8 kHz. */
export async function exportedChannels(
  daemon: RunningDaemon,
  recordingId: string,
  options: { readonly folder: string; readonly format?: 'ogg' | 'wav'; readonly layout?: 'separate' | 'mixed' },
): Promise<readonly Int16Array[]> {
  const { folder, format = 'ogg', layout = 'separate' } = options
  const file = join(folder, `${recordingId}-${layout}.${format}`)
  const exported = await daemon.command('export', recordingId, '-o', file, '--format', format, '--layout', layout)
  if (exported.code !== 0) throw new Error(`export failed: ${exported.stderr}`)
  return decodeAudio(file, 8_000)
}

/** How well each channel matches what was sent on it. */
export function matchChannels(sent: readonly Int16Array[], heard: readonly Int16Array[]): readonly AudioMatch[] {
  return sent.map((samples, index) => matchAudio(samples, heard[index] ?? new Int16Array(0), { lagMax: 4_000 }))
}
