import { TONES_HZ } from '../../src/media/dtmf-tables.ts'
import { serializeRtp } from '../../src/protocol/rtp/packet.ts'
import type { DtmfDigit } from '../../src/protocol/rtp/telephone-event.ts'
import { mulberry32 } from './random.ts'

export const ALL_DIGITS = '123A456B789C*0#D'
const EVENT_CODES = '0123456789*#ABCD'

/** Amplitude of a sine at 0 dBm0 in 16-bit samples: one at full scale of mu-law has 3.17 dBm0. ITU-T G.711 */
const AMPLITUDE_0_DBM0 = 32_124 / 10 ** (3.17 / 20)

export interface KeyTone {
  readonly digit: DtmfDigit
  readonly fromSample: number
  readonly toSample: number
}

export interface KeyOptions {
  readonly digits: string
  readonly sampleRate?: number
  readonly onMs?: number
  readonly offMs?: number
  readonly leadMs?: number
  /** Of the stronger tone. */
  readonly levelDbm0?: number
  /** High tone against the low one. */
  readonly twistDb?: number
  /** Of both frequencies, of themselves. */
  readonly deviation?: number
  readonly highDeviation?: number
  /** White noise below the tones while they last; none by default. */
  readonly snrDb?: number
  readonly seed?: number
}

/** Keys pressed one after the other, with where each of them lies. */
export function pressedKeys(options: KeyOptions): { readonly samples: Int16Array; readonly keys: readonly KeyTone[] } {
  const { digits, sampleRate = 8_000, onMs = 50, offMs = 50, leadMs = 100 } = options
  const random = mulberry32(options.seed ?? 1)
  const inSamples = (ms: number): number => Math.round((ms * sampleRate) / 1_000)
  const step = inSamples(onMs + offMs)
  const sum = new Float64Array(2 * inSamples(leadMs) + digits.length * step)
  const [low, high] = amplitudes(options)
  const keys = Array.from(digits).map((digit, index): KeyTone => {
    const fromSample = inSamples(leadMs) + index * step
    const toSample = fromSample + inSamples(onMs)
    const at = ALL_DIGITS.indexOf(digit)
    const deviation = options.deviation ?? 0
    for (const [hertz, amplitude, change] of [
      [TONES_HZ[at >> 2] ?? 0, low, deviation],
      [TONES_HZ[4 + (at & 3)] ?? 0, high, options.highDeviation ?? deviation],
    ] as const) {
      const phase = 2 * Math.PI * random()
      const step = (2 * Math.PI * hertz * (1 + change)) / sampleRate
      for (let i = fromSample; i < toSample; i++) sum[i] = (sum[i] ?? 0) + amplitude * Math.sin(phase + step * i)
    }
    return { digit: digit as DtmfDigit, fromSample, toSample }
  })
  const deviation = options.snrDb === undefined ? 0 : Math.sqrt((low ** 2 + high ** 2) / 2 / 10 ** (options.snrDb / 10))
  const samples = Int16Array.from(sum, (value) => {
    const noise = deviation === 0 ? 0 : deviation * normal(random)
    return Math.max(-32_768, Math.min(32_767, Math.round(value + noise)))
  })
  return { samples, keys }
}

function amplitudes({ levelDbm0 = -8, twistDb = 0 }: KeyOptions): readonly [number, number] {
  const stronger = AMPLITUDE_0_DBM0 * 10 ** (levelDbm0 / 20)
  const weaker = stronger * 10 ** (-Math.abs(twistDb) / 20)
  return twistDb > 0 ? [weaker, stronger] : [stronger, weaker]
}

/** Box and Muller. */
function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
}

/** The payload of a telephone-event packet. RFC 4733 2.3 */
export function eventPayload(
  ...reports: readonly { readonly digit: string; readonly duration: number; readonly isEnd?: boolean }[]
): Uint8Array {
  const payload = new Uint8Array(4 * reports.length)
  const view = new DataView(payload.buffer)
  for (const [index, { digit, duration, isEnd = false }] of reports.entries()) {
    view.setUint8(4 * index, EVENT_CODES.indexOf(digit))
    view.setUint8(4 * index + 1, (isEnd ? 0x80 : 0) | 10)
    view.setUint16(4 * index + 2, duration)
  }
  return payload
}

/** The packets of one key press as most senders make them: one every 20 ms, and the end three times. RFC 4733 2.5.1 */
export function eventPackets(options: {
  readonly digit: string
  readonly packets: number
  readonly timestamp: number
  readonly sequenceNumber: number
  readonly ssrc: number
  readonly payloadType?: number
  /** Units in 20 ms. */
  readonly step?: number
}): readonly { readonly datagram: Uint8Array; readonly atPacket: number }[] {
  const { digit, packets, timestamp, sequenceNumber, ssrc, payloadType = 101, step = 160 } = options
  return Array.from({ length: packets + 2 }, (_, index) => {
    const last = Math.min(index, packets - 1)
    const payload = eventPayload({ digit, duration: (last + 1) * step, isEnd: index >= packets - 1 })
    const datagram = serializeRtp({
      payloadType,
      marker: index === 0,
      sequenceNumber: (sequenceNumber + index) & 0xffff,
      timestamp: timestamp >>> 0,
      ssrc,
      payload,
    })
    return { datagram, atPacket: last }
  })
}

/**
 * Something like speech: voiced syllables of a gliding pitch with three moving formants, hisses and pauses. For what must not be
 * taken for a key.
 */
export function syntheticSpeech(seed: number, seconds: number): Int16Array {
  const rate = 8_000
  const random = mulberry32(seed)
  const samples = new Int16Array(seconds * rate)
  for (let at = 0; at < samples.length;) {
    const length = Math.floor(rate * (0.06 + 0.3 * random()))
    const kind = random()
    if (kind < 0.6) voice(samples.subarray(at, at + length), random)
    else if (kind < 0.8)
      for (let i = at; i < Math.min(at + length / 3, samples.length); i++) samples[i] = 3_000 * normal(random)
    at += length
  }
  return samples
}

/** One syllable: harmonics of a pitch, each as strong as the formants near it make it. */
function voice(samples: Int16Array, random: () => number): void {
  const rate = 8_000
  const [pitch, glide] = [80 + 250 * random(), 0.7 + 0.6 * random()]
  const formants = [250 + 600 * random(), 700 + 1_400 * random(), 1_800 + 1_400 * random()]
  const width = 30 + 90 * random()
  const loudness = 2_000 + 12_000 * random()
  let phase = 0
  for (let i = 0; i < samples.length; i++) {
    const part = i / samples.length
    const hertz = pitch * (1 + (glide - 1) * part)
    phase += (2 * Math.PI * hertz) / rate
    let sum = 0
    for (let harmonic = 1; harmonic * hertz < 3_800; harmonic++) {
      let gain = 0
      for (const [index, formant] of formants.entries()) {
        gain += 1 / (1 + index) / (1 + ((harmonic * hertz - formant) / width) ** 2)
      }
      sum += gain * Math.sin(harmonic * phase)
    }
    samples[i] = Math.max(-32_768, Math.min(32_767, Math.round(loudness * Math.sin(Math.PI * part) * sum * 0.5)))
  }
}
