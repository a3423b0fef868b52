import { execFile, execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { convertAudio } from '../../support/ffmpeg.ts'
import { SPEECH_RATE, speechLibraries } from '../../support/speech.ts'

/** A way through a telephone network and back: a codec, and the rate at which a recorder has its audio. */
export interface TelephoneChain {
  readonly name: string
  readonly sampleRate: 8_000 | 16_000 | 48_000
  send(samples: Int16Array): Promise<Int16Array>
}

const RAW = ['-f', 's16le', '-ac', '1'] as const

interface FfmpegCodec {
  readonly name: string
  readonly encode: readonly string[]
  /** How its format is read again. */
  readonly format: readonly string[]
  readonly sampleRate: 8_000 | 16_000 | 48_000
}

const OPUS = ['-c:a', 'libopus', '-application', 'voip', '-f', 'ogg']
const CODECS: readonly FfmpegCodec[] = [
  {
    name: 'PCMU',
    encode: ['-c:a', 'pcm_mulaw', '-f', 'mulaw'],
    format: ['-f', 'mulaw', '-ar', '8000'],
    sampleRate: 8_000,
  },
  {
    name: 'PCMA',
    encode: ['-c:a', 'pcm_alaw', '-f', 'alaw'],
    format: ['-f', 'alaw', '-ar', '8000'],
    sampleRate: 8_000,
  },
  {
    name: 'G.722',
    encode: ['-ar', '16000', '-c:a', 'g722', '-f', 'g722'],
    format: ['-f', 'g722'],
    sampleRate: 16_000,
  },
  { name: 'GSM', encode: ['-c:a', 'libgsm', '-f', 'gsm'], format: ['-f', 'gsm'], sampleRate: 8_000 },
  { name: 'Opus 24k', encode: ['-ar', '48000', '-b:a', '24k', ...OPUS], format: ['-f', 'ogg'], sampleRate: 48_000 },
  { name: 'Opus 8k', encode: ['-ar', '48000', '-b:a', '8k', ...OPUS], format: ['-f', 'ogg'], sampleRate: 48_000 },
]

function ffmpegChain({ name, encode, format, sampleRate }: FfmpegCodec): TelephoneChain {
  return {
    name,
    sampleRate,
    async send(samples) {
      const raw = new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength)
      const coded = await convertAudio(raw, [...RAW, '-ar', String(SPEECH_RATE)], encode)
      const heard = await convertAudio(coded, format, [...RAW, '-ar', String(sampleRate)])
      return new Int16Array(heard.buffer, heard.byteOffset, heard.length >> 1).slice()
    },
  }
}

/**
 * Eight chains: six codecs by FFmpeg, G.729 and AMR by their libraries and a short program in C. `close` deletes the program.
 *
 * @throws Error if there is no compiler, or no library
 */
export function openTelephoneChains(): { readonly chains: readonly TelephoneChain[]; readonly close: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'earwitness-codecs-'))
  const program = join(folder, 'telephone-codecs')
  const places = speechLibraries().flatMap((place) => [`-L${place}`, `-Wl,-rpath,${place}`])
  const libraries = ['-l:libbcg729.so.0', '-l:libopencore-amrnb.so.0']
  const source = join(import.meta.dirname, 'telephone-codecs.c')
  execFileSync('cc', ['-O2', '-o', program, source, ...places, ...libraries])
  const own = ['g729', 'amr'].map((codec) => ownChain(program, codec))
  return {
    chains: [...CODECS.map((codec) => ffmpegChain(codec)), ...own],
    close: () => rmSync(folder, { recursive: true }),
  }
}

function ownChain(program: string, codec: string): TelephoneChain {
  return {
    name: codec === 'g729' ? 'G.729' : 'AMR 12.2k',
    sampleRate: SPEECH_RATE,
    send: async (samples) =>
      await new Promise((resolve, reject) => {
        const options = { encoding: 'buffer' as const, maxBuffer: 512 * 1024 * 1024 }
        const child = execFile(program, [codec], options, (error, stdout) => {
          if (error === null) resolve(new Int16Array(stdout.buffer, stdout.byteOffset, stdout.length >> 1).slice())
          else reject(new Error(`${codec}: ${error.message}`))
        })
        child.stdin?.on('error', reject)
        child.stdin?.end(new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength))
      }),
  }
}
