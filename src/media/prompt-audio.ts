import { encodePcma, encodePcmu } from './g711.ts'
import { G722Encoder } from './g722-encoder.ts'
import { Resampler } from './resampler.ts'
import type { WavAudio } from './wav.ts'

/** How long each packet of a prompt lasts. RFC 3551 4.2 */
export const FRAME_MS = 20
/** Rates of WAV files that prompts may have. */
export const PROMPT_RATES: readonly number[] = [8_000, 16_000, 24_000, 32_000, 44_100, 48_000]
/** A longer prompt is none that anybody listens to. */
export const PROMPT_MS_MAX = 180_000

/** What prompts are sent in. */
export type PromptCodec = 'PCMU' | 'PCMA' | 'G722' | 'OPUS'

/** The rate at which each codec wants its audio, and the clock of its RTP timestamps. RFC 3551 6 */
export const CODEC_RATES: Readonly<Record<PromptCodec, { readonly audio: number; readonly clock: number }>> = {
  PCMU: { audio: 8_000, clock: 8_000 },
  PCMA: { audio: 8_000, clock: 8_000 },
  // RFC 3551 4.5.2: the clock was once given wrongly, and stays so.
  G722: { audio: 16_000, clock: 8_000 },
  // RFC 7587 4.1. What is above 8 kHz is in no prompt.
  OPUS: { audio: 16_000, clock: 48_000 },
}

/** Encodes the frames of one prompt, one after the other. */
export type FrameEncoder = (frame: Int16Array) => Uint8Array

/** An encoder in its first state; Opus has those of an engine. */
export function frameEncoder(codec: Exclude<PromptCodec, 'OPUS'>): FrameEncoder {
  if (codec === 'PCMU') return encodePcmu
  if (codec === 'PCMA') return encodePcma
  const encoder = new G722Encoder()
  return (frame) => encoder.encode(frame)
}

/** Of all channels the first, at another rate: as many milliseconds, and not a sample later. */
export function promptSamples({ channels, sampleRate }: WavAudio, toRate: number): Int16Array {
  const [samples = new Int16Array(0)] = channels
  if (sampleRate === toRate) return samples
  const resampler = new Resampler(sampleRate, toRate)
  const delay = resampler.delaySamples
  const followed = new Int16Array(samples.length + delay)
  followed.set(samples)
  const output = resampler.resample(followed, 0)
  const start = Math.round((delay * toRate) / sampleRate)
  return output.subarray(start, start + Math.round((samples.length * toRate) / sampleRate))
}

/** Cut into frames of {@link FRAME_MS}; the last one is filled up with silence. */
export function frames(samples: Int16Array, sampleRate: number): readonly Int16Array[] {
  const length = (sampleRate * FRAME_MS) / 1_000
  return Array.from({ length: Math.ceil(samples.length / length) }, (_, index) => {
    const part = samples.subarray(index * length, (index + 1) * length)
    if (part.length === length) return part
    const filled = new Int16Array(length)
    filled.set(part)
    return filled
  })
}
