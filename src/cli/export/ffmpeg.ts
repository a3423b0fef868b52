import { spawn } from 'node:child_process'

import { accepted, rejected, type Result } from '../../result.ts'

/** Longest time that one decoding may take; FFmpeg decodes speech some hundred times faster than it is spoken. */
const TIME_LIMIT_MS = 30 * 60 * 1_000
/** More than a file of this format may hold: ten hours at 48 kHz. */
const OUTPUT_BYTES_MAX = 4 * 1024 * 1024 * 1024

/**
 * `missing`: there is no FFmpeg on this machine. `failed`: it could not decode, or has no decoder for this. `tooLong`: it took, or gave,
 * more than may be.
 */
export type FfmpegRejectReason = 'missing' | 'failed' | 'tooLong'

export interface DecodeRequest {
  /** What `bytes` are: FFmpeg's options before its input. */
  readonly inputOptions: readonly string[]
  readonly bytes: Uint8Array
  /** Samples per second wanted. */
  readonly sampleRate: number
}

/**
 * Decodes with the system's FFmpeg, by pipes alone: no clear audio touches the disk, and no network is opened. Gives mono samples.
 */
export function decodeWithFfmpeg(request: DecodeRequest): Promise<Result<Int16Array, FfmpegRejectReason>> {
  const { inputOptions, bytes, sampleRate } = request
  const options = [
    ...['-nostdin', '-hide_banner', '-loglevel', 'quiet', '-protocol_whitelist', 'pipe'],
    ...[...inputOptions, '-i', 'pipe:0', '-map', '0:a:0'],
    ...['-ac', '1', '-ar', String(sampleRate), '-f', 's16le', 'pipe:1'],
  ]
  return new Promise((resolve) => {
    const child = spawn('ffmpeg', options, { stdio: ['pipe', 'pipe', 'ignore'], timeout: TIME_LIMIT_MS })
    const parts: Buffer[] = []
    let length = 0
    child.on('error', () => resolve(rejected('missing')))
    // It may end before it has read all: its exit says why.
    child.stdin.on('error', () => {})
    child.stdout.on('data', (part: Buffer) => {
      parts.push(part)
      length += part.length
      if (length > OUTPUT_BYTES_MAX) child.kill('SIGKILL')
    })
    child.on('close', (code, signal) => {
      if (signal !== null) resolve(rejected('tooLong'))
      else if (code !== 0) resolve(rejected('failed'))
      else resolve(accepted(samplesOf(Buffer.concat(parts))))
    })
    child.stdin.end(bytes)
  })
}

function samplesOf(bytes: Buffer): Int16Array {
  const samples = new Int16Array(bytes.length >> 1)
  for (let index = 0; index < samples.length; index += 1) samples[index] = bytes.readInt16LE(index * 2)
  bytes.fill(0)
  return samples
}
