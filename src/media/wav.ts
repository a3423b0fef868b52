import { accepted, rejected, type Result } from '../result.ts'
import { decodePcma, decodePcmu } from './g711.ts'

/** Canonical header of a PCM file. */
export const WAV_HEADER_LENGTH = 44
export const WAV_CHANNELS_MAX = 255
/** Chunks looked at before giving up on finding the audio. */
export const WAV_CHUNKS_MAX = 1_000

const FORMAT_PCM = 1
const FORMAT_A_LAW = 6
const FORMAT_MU_LAW = 7
const FORMAT_EXTENSIBLE = 0xfffe

/**
 * `notWav`: no RIFF/WAVE. `noFormat`, `noData`: the chunk is missing or cut off. `format`: not 16-bit PCM, A-law or mu-law, or no
 * sensible number of channels or rate.
 */
export type WavRejectReason = 'notWav' | 'noFormat' | 'noData' | 'format'

export interface WavAudio {
  readonly sampleRate: number
  /** One array for each channel, all of the same length. */
  readonly channels: readonly Int16Array[]
}

/**
 * Reads a WAV file: 16-bit PCM, A-law (format 6) or mu-law (format 7). Sizes in the file are never trusted: data that is cut off, or
 * of "unknown" size as written to a pipe, is read as far as it goes. Never throws.
 */
export function readWav(bytes: Uint8Array): Result<WavAudio, WavRejectReason> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  if (bytes.length < 12 || tag(bytes, 0) !== 'RIFF' || tag(bytes, 8) !== 'WAVE') return rejected('notWav')
  let format: { readonly code: number; readonly channels: number; readonly sampleRate: number } | undefined
  let at = 12
  for (let chunk = 0; chunk < WAV_CHUNKS_MAX && at + 8 <= bytes.length; chunk++) {
    const name = tag(bytes, at)
    const size = view.getUint32(at + 4, true)
    const body = bytes.subarray(at + 8, Math.min(bytes.length, at + 8 + size))
    if (name === 'fmt ') {
      if (body.length < 16) return rejected('noFormat')
      format = parseFormat(body)
      if (format === undefined) return rejected('format')
    } else if (name === 'data') {
      if (format === undefined) return rejected('noFormat')
      // A writer that could not seek back leaves 0: the data goes to the end of the file.
      const data = size === 0 ? bytes.subarray(at + 8) : body
      return accepted({ sampleRate: format.sampleRate, channels: separate(data, format.code, format.channels) })
    }
    // Chunks are padded to even length.
    at += 8 + size + (size & 1)
  }
  return rejected(format === undefined ? 'noFormat' : 'noData')
}

function parseFormat(
  body: Uint8Array,
): { readonly code: number; readonly channels: number; readonly sampleRate: number } | undefined {
  const view = new DataView(body.buffer, body.byteOffset, body.length)
  let code = view.getUint16(0, true)
  // The real format is the start of the sub-format's GUID.
  if (code === FORMAT_EXTENSIBLE && body.length >= 26) code = view.getUint16(24, true)
  const channels = view.getUint16(2, true)
  const sampleRate = view.getUint32(4, true)
  const bits = view.getUint16(14, true)
  const known = code === FORMAT_PCM ? bits === 16 : (code === FORMAT_A_LAW || code === FORMAT_MU_LAW) && bits === 8
  if (!known || channels === 0 || channels > WAV_CHANNELS_MAX || sampleRate === 0) return undefined
  return { code, channels, sampleRate }
}

function separate(data: Uint8Array, code: number, channelCount: number): Int16Array[] {
  let interleaved: Int16Array
  if (code === FORMAT_A_LAW) interleaved = decodePcma(data)
  else if (code === FORMAT_MU_LAW) interleaved = decodePcmu(data)
  else {
    const view = new DataView(data.buffer, data.byteOffset, data.length)
    interleaved = new Int16Array(data.length >> 1)
    for (let i = 0; i < interleaved.length; i++) interleaved[i] = view.getInt16(2 * i, true)
  }
  const frames = Math.floor(interleaved.length / channelCount)
  return Array.from({ length: channelCount }, (_, channel) => {
    const samples = new Int16Array(frames)
    for (let frame = 0; frame < frames; frame++) samples[frame] = interleaved[frame * channelCount + channel] ?? 0
    return samples
  })
}

/**
 * The header of a 16-bit PCM file of so many samples in each channel. Beyond 4 GiB the sizes say "unknown" (all ones), which
 * common players read to the end.
 */
export function writeWavHeader(options: {
  readonly sampleRate: number
  readonly channels: number
  readonly samples: number
}): Uint8Array {
  const header = new Uint8Array(WAV_HEADER_LENGTH)
  const view = new DataView(header.buffer)
  const dataLength = options.samples * options.channels * 2
  const encoder = new TextEncoder()
  header.set(encoder.encode('RIFF'), 0)
  view.setUint32(4, Math.min(0xffff_ffff, dataLength + WAV_HEADER_LENGTH - 8), true)
  header.set(encoder.encode('WAVEfmt '), 8)
  view.setUint32(16, 16, true)
  view.setUint16(20, FORMAT_PCM, true)
  view.setUint16(22, options.channels, true)
  view.setUint32(24, options.sampleRate, true)
  view.setUint32(28, options.sampleRate * options.channels * 2, true)
  view.setUint16(32, options.channels * 2, true)
  view.setUint16(34, 16, true)
  header.set(encoder.encode('data'), 36)
  view.setUint32(40, Math.min(0xffff_ffff, dataLength), true)
  return header
}

/** A whole 16-bit PCM file; shorter channels are filled up with silence. */
export function writeWav(audio: WavAudio): Uint8Array {
  const samples = audio.channels.reduce((longest, { length }) => Math.max(longest, length), 0)
  const channels = audio.channels.length
  const file = new Uint8Array(WAV_HEADER_LENGTH + samples * channels * 2)
  file.set(writeWavHeader({ sampleRate: audio.sampleRate, channels, samples }))
  const view = new DataView(file.buffer, WAV_HEADER_LENGTH)
  audio.channels.forEach((channel, index) => {
    channel.forEach((sample, at) => view.setInt16((at * channels + index) * 2, sample, true))
  })
  return file
}

function tag(bytes: Uint8Array, at: number): string {
  return String.fromCharCode(...bytes.subarray(at, at + 4))
}
