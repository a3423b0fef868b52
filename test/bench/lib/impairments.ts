import { Concealer } from '../../../src/media/concealment.ts'
import { SPEECH_RATE } from '../../support/speech.ts'

/** What happens to speech on its way to a recorder. All of it by a seeded source of numbers in [0, 1). */

export type Random = () => number
export type NoiseKind = 'white' | 'pink' | 'babble'

/** Samples of no packet are worth hearing below this part of the loudest 20 ms: 30 dB. */
const PAUSE_POWER = 1e-3
const FRAME_MS = 20
const BABBLE_VOICES = 8

export function pick<Item>(items: readonly Item[], random: Random): Item {
  if (items.length === 0) throw new Error('nothing to pick from')
  return items[Math.floor(random() * items.length)] as Item
}

/** Root mean square of what is not a pause. */
export function speechLevel(samples: ArrayLike<number>): number {
  const frame = (SPEECH_RATE * FRAME_MS) / 1_000
  const powers = Array.from({ length: Math.floor(samples.length / frame) }, (_, index) => {
    let sum = 0
    for (let i = index * frame; i < (index + 1) * frame; i++) sum += (samples[i] ?? 0) ** 2
    return sum / frame
  })
  const loudest = powers.reduce((most, power) => Math.max(most, power), 0)
  const active = powers.filter((power) => power > PAUSE_POWER * loudest)
  return Math.sqrt(active.reduce((sum, power) => sum + power, 0) / Math.max(1, active.length))
}

export function scaled(samples: ArrayLike<number>, factor: number): Float64Array {
  return Float64Array.from({ length: samples.length }, (_, i) => (samples[i] ?? 0) * factor)
}

export function decibels(db: number): number {
  return 10 ** (db / 20)
}

/** Adds `added` to `audio` from sample `at` on, as far as it goes. */
export function mixInto(audio: Float64Array, added: ArrayLike<number>, at: number, factor = 1): void {
  for (let i = 0; i < added.length && at + i < audio.length; i++) {
    if (at + i >= 0) audio[at + i] = (audio[at + i] ?? 0) + (added[i] ?? 0) * factor
  }
}

/** Plays faster, in pitch too, by cubic interpolation. */
export function atSpeed(samples: ArrayLike<number>, speed: number): Float64Array {
  const length = Math.floor((samples.length - 1) / speed)
  return Float64Array.from({ length }, (_, i) => {
    const place = i * speed
    const at = Math.floor(place)
    const t = place - at
    const [a, b, c, d] = [at - 1, at, at + 1, at + 2].map((index) => samples[index] ?? 0) as [
      number,
      number,
      number,
      number,
    ]
    return b + (t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))) / 2
  })
}

export function gaussian(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
}

/** So many samples of noise; babble is of the given voices. Any level. */
export function noiseOf(
  kind: NoiseKind,
  length: number,
  sources: { readonly voices: readonly Int16Array[]; readonly random: Random },
): Float64Array {
  const { voices, random } = sources
  const noise = new Float64Array(length)
  if (kind === 'babble') {
    for (let voice = 0; voice < BABBLE_VOICES; voice++) {
      for (let at = -Math.floor(random() * SPEECH_RATE); at < length;) {
        const clip = pick(voices, random)
        mixInto(noise, clip, at, 1 / Math.max(1, speechLevel(clip)))
        at += clip.length
      }
    }
    return noise
  }
  // pink: three poles that follow 3 dB an octave within 1 dB over the telephone band
  let [slow, middle, quick] = [0, 0, 0]
  for (let i = 0; i < length; i++) {
    const white = gaussian(random)
    slow = 0.997_65 * slow + white * 0.099_046
    middle = 0.963 * middle + white * 0.296_516_4
    quick = 0.57 * quick + white * 1.052_691_3
    noise[i] = kind === 'white' ? white : slow + middle + quick + white * 0.1848
  }
  return noise
}

export function levelOf(samples: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < samples.length; i++) sum += (samples[i] ?? 0) ** 2
  return Math.sqrt(sum / Math.max(1, samples.length))
}

/** 16-bit samples; what is too loud is cut off. */
export function toSamples(audio: Float64Array): Int16Array {
  return Int16Array.from(audio, (sample) => Math.max(-32_768, Math.min(32_767, Math.round(sample))))
}

/** Loses packets of 20 ms at random, and fills them as the recorder does. */
export function withLoss(
  samples: Int16Array,
  sampleRate: number,
  lost: { readonly share: number; readonly random: Random },
): Int16Array {
  const frame = (sampleRate * FRAME_MS) / 1_000
  const out = samples.slice()
  const concealer = new Concealer(sampleRate)
  const context = concealer.contextSamples
  for (let at = 0; at + frame <= out.length;) {
    let end = at
    while (end + frame <= out.length && lost.random() < lost.share) end += frame
    if (end > at) {
      const before = new Int16Array(context)
      const known = out.subarray(Math.max(0, at - context), at)
      before.set(known, context - known.length)
      const after = new Int16Array(context)
      after.set(samples.subarray(end, end + context))
      out.fill(0, at, end)
      out.set(concealer.conceal({ before, after, samples: end - at }), at)
    }
    at = end + frame
  }
  return out
}
