import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

import { readWav } from '../../src/media/wav.ts'
import type { RunningDaemon } from './daemon.ts'
import { liveRecordingSessions } from './probes.ts'
import { RawRecordingSession, type RawSrc } from './raw-src.ts'

/** A recording session of two media streams, and what the recorder calls it. */
export interface Placed {
  readonly session: RawRecordingSession
  readonly recordingId: string
  readonly rsId: string
}

/** One after the other: it is found as the one that was not there before. */
export async function placeFound(daemon: RunningDaemon, src: RawSrc): Promise<Placed> {
  const before = new Set((await liveRecordingSessions(daemon)).map(({ rsId }) => rsId))
  const session = await RawRecordingSession.place(src, 2)
  const live = (await liveRecordingSessions(daemon)).find(({ rsId }) => !before.has(rsId))
  if (live === undefined) throw new Error('there is no recording session')
  return { session, recordingId: live.recordingId, rsId: live.rsId }
}

/** The announcement of `config/prompts` that asks for an answer; 8 kHz. */
export async function askingPrompt(): Promise<Int16Array> {
  return narrowbandOf(join(import.meta.dirname, '..', '..', 'config', 'prompts', 'recording-consent.en.wav'))
}

/** The first channel of a WAV file of 8 kHz. */
export async function narrowbandOf(file: string): Promise<Int16Array> {
  const wav = readWav(await readFile(file))
  if (!wav.ok || wav.value.sampleRate !== 8_000) throw new Error(`${file} is not the audio that this test is made for`)
  return wav.value.channels[0] ?? new Int16Array(0)
}
