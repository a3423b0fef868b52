import { execFile } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

import { promptSamples } from '../../src/media/prompt-audio.ts'
import { Resampler } from '../../src/media/resampler.ts'
import { readWav } from '../../src/media/wav.ts'
import { convertAudio } from './ffmpeg.ts'

/** Speech for the tests of what listens: synthetic by FFmpeg's flite, which every test has; by people and espeak-ng where `bench:consent` has unpacked them. */

const UNPACKED = join(import.meta.dirname, '..', '..', 'node_modules', '.earwitness', 'speech')
export const SPEECH_RATE = 8_000

/** As the live recorder brings it down to what is listened to, and at its place. */
export function atSpeechRate(samples: Int16Array, sampleRate: number): Int16Array {
  return promptSamples({ channels: [samples], sampleRate }, SPEECH_RATE)
}

export type FliteVoice = 'awb' | 'kal' | 'rms' | 'slt'

/** A sentence in one of flite's voices, at {@link SPEECH_RATE}; the same each time. */
export async function fliteSpeech(voice: FliteVoice, sentence: string): Promise<Int16Array> {
  const filter = `flite=voice=${voice}:text='${sentence.replaceAll(/[^\w ,.]/g, '')}'`
  const raw = await convertAudioOf(['-f', 'lavfi', '-i', filter])
  return new Int16Array(raw.buffer, raw.byteOffset, raw.length >> 1).slice()
}

async function convertAudioOf(source: readonly string[]): Promise<Buffer> {
  return await run('ffmpeg', ['-v', 'error', ...source, '-ar', String(SPEECH_RATE), '-f', 's16le', 'pipe:1'], {})
}

/** A sentence by espeak-ng, at {@link SPEECH_RATE}. */
export async function espeakSpeech(voice: string, sentence: string): Promise<Int16Array> {
  const own = join(UNPACKED, 'usr', 'bin', 'espeak-ng')
  const isOwn = existsSync(own)
  const libraries = librariesOf(UNPACKED)
  const data = isOwn ? ['--path', libraries] : []
  const env = isOwn ? { LD_LIBRARY_PATH: libraries } : {}
  const file = await run(isOwn ? own : 'espeak-ng', [...data, '-v', voice, '--stdout', sentence], env)
  const raw = await convertAudio(file, ['-f', 'wav'], ['-ar', String(SPEECH_RATE), '-ac', '1', '-f', 's16le'])
  return new Int16Array(raw.buffer, raw.byteOffset, raw.length >> 1).slice()
}

/** Folders of shared libraries of the unpacked packages, and of the system. */
export function speechLibraries(): readonly string[] {
  return [UNPACKED, '/'].map((root) => librariesOf(root)).filter((folder) => existsSync(folder))
}

function librariesOf(root: string): string {
  const folder = join(root, 'usr', 'lib')
  const names = existsSync(folder) ? readdirSync(folder) : []
  return join(folder, names.find((name) => name.endsWith('-linux-gnu')) ?? 'none')
}

/** A prompt spoken by a person. */
export interface SpokenPrompt {
  /** Of the folder, which is one voice: `en_US_f_Allison`. */
  readonly voice: string
  /** Below it, without ending. */
  readonly name: string
  readonly seconds: number
  /** Reads the file. */
  read(): Int16Array
}

/** All prompts of Debian's `asterisk-core-sounds-*-wav`, at {@link SPEECH_RATE}, in the order of their names. */
export function spokenPrompts(): readonly SpokenPrompt[] {
  const place = join('usr', 'share', 'asterisk', 'sounds')
  const root = [UNPACKED, '/'].map((folder) => join(folder, place)).find((folder) => existsSync(folder))
  if (root === undefined) return []
  const voices = readdirSync(root, { withFileTypes: true }).filter((entry) => entry.isDirectory())
  return voices
    .map(({ name }) => name)
    .toSorted()
    .flatMap((voice) => {
      const files = readdirSync(join(root, voice), { recursive: true, encoding: 'utf8' }).toSorted()
      return files
        .filter((file) => file.endsWith('.wav') && !file.startsWith('silence'))
        .map((file) => promptIn(join(root, voice, file), { voice, name: file.slice(0, -4) }))
    })
}

function promptIn(file: string, names: { readonly voice: string; readonly name: string }): SpokenPrompt {
  // they all have 16 bits at 8 kHz
  return { ...names, seconds: statSync(file).size / (2 * SPEECH_RATE), read: () => readSpeech(file) }
}

function readSpeech(file: string): Int16Array {
  const wav = readWav(readFileSync(file))
  if (!wav.ok) throw new Error(`${file}: ${wav.reason}`)
  const samples = wav.value.channels[0] ?? new Int16Array(0)
  if (wav.value.sampleRate === SPEECH_RATE) return samples
  return new Resampler(wav.value.sampleRate, SPEECH_RATE).resample(samples, 0)
}

async function run(program: string, args: readonly string[], env: Record<string, string>): Promise<Buffer> {
  return await new Promise((resolve, reject) => {
    const options = { encoding: 'buffer' as const, maxBuffer: 64 * 1024 * 1024, env: { ...process.env, ...env } }
    execFile(program, args, options, (error, stdout) => {
      if (error === null) resolve(stdout)
      else reject(new Error(`${program}: ${error.message}`))
    })
  })
}
