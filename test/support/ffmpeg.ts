import { Buffer } from 'node:buffer'
import { execFile, type ExecFileException } from 'node:child_process'

const OUTPUT_MAX_BYTES = 512 * 1024 * 1024
/** Of one program: on a machine that has no time for it, what takes a second may take minutes. */
const TIME_LIMIT_MS = 600_000

export interface ProbedAudio {
  readonly durationSeconds: number
  readonly channels: number
  readonly sampleRate: number
  /** As ffprobe names it: `opus`, `pcm_s16le`, ... */
  readonly codecName: string
}

/** What the system's ffprobe says about the first audio stream of a file. */
export async function probeAudio(file: string): Promise<ProbedAudio> {
  const entries = 'format=duration:stream=codec_name,channels,sample_rate,duration'
  const output = await run('ffprobe', [
    '-v',
    'error',
    '-select_streams',
    'a:0',
    '-show_entries',
    entries,
    '-of',
    'json',
    file,
  ])
  const probed = JSON.parse(output.toString('utf8')) as {
    readonly format?: { readonly duration?: string }
    readonly streams?: readonly {
      readonly codec_name?: string
      readonly channels?: number
      readonly sample_rate?: string
      readonly duration?: string
    }[]
  }
  const stream = probed.streams?.[0]
  if (stream === undefined) throw new Error(`ffprobe found no audio in ${file}`)
  return {
    durationSeconds: Number(stream.duration ?? probed.format?.duration),
    channels: stream.channels ?? 0,
    sampleRate: Number(stream.sample_rate),
    codecName: stream.codec_name ?? '',
  }
}

/**
 * Decodes an audio file with the system's FFmpeg: one Int16Array per channel, in the order in which FFmpeg gives them out (beyond two: by loudspeaker), at `sampleRate`.
 *
 * The channels are taken apart as they are: nothing is mixed, whatever layout the file claims.
 */
export async function decodeAudio(file: string, sampleRate: number): Promise<readonly Int16Array[]> {
  const { channels } = await probeAudio(file)
  const raw = await run('ffmpeg', [
    ...['-nostdin', '-v', 'error', '-i', file, '-map', '0:a:0'],
    ...['-f', 's16le', '-c:a', 'pcm_s16le', '-ar', String(sampleRate), 'pipe:1'],
  ])
  const interleaved = new Int16Array(raw.buffer, raw.byteOffset, Math.floor(raw.byteLength / 2))
  const frames = Math.floor(interleaved.length / channels)
  return Array.from({ length: channels }, (_, channel) =>
    Int16Array.from({ length: frames }, (_unused, frame) => interleaved[frame * channels + channel] ?? 0),
  )
}

/** Converts audio from memory to memory; each list of options stands before the input, or before the output. */
export async function convertAudio(input: Uint8Array, from: readonly string[], to: readonly string[]): Promise<Buffer> {
  return run('ffmpeg', ['-v', 'error', ...from, '-i', 'pipe:0', ...to, 'pipe:1'], input)
}

async function run(program: string, args: readonly string[], input?: Uint8Array): Promise<Buffer> {
  return await new Promise((resolve, reject) => {
    const limits = { encoding: 'buffer' as const, maxBuffer: OUTPUT_MAX_BYTES, timeout: TIME_LIMIT_MS }
    const child = execFile(program, args, limits, (error, stdout, stderr) => {
      if (error === null) resolve(Buffer.from(stdout))
      else reject(new Error(`${program}: ${stderr.toString('utf8').trim() || reasonOf(error)}`))
    })
    // Whatever ended it before it read all is told above.
    child.stdin?.on('error', () => {})
    if (input !== undefined) child.stdin?.end(input)
  })
}

/** A program that was ended for its time says nothing itself. */
function reasonOf(error: ExecFileException): string {
  return error.killed === true ? `ended after ${TIME_LIMIT_MS / 1_000} s, or by its output` : error.message
}
