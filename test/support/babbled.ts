import { mulberry32 } from './random.ts'

/** Something like speech, made of nothing but a seed: syllables of a buzzing voice with three formants, hisses, and pauses between them. */

const RATE = 8_000

/** A syllable's formants in Hz: of a handful of vowels, somewhere between men's and women's. */
const VOWELS = [
  [300, 2_300, 3_000],
  [450, 1_900, 2_600],
  [700, 1_200, 2_500],
  [500, 900, 2_400],
  [350, 750, 2_300],
] as const

interface Resonator {
  readonly a: number
  readonly b: number
  one: number
  two: number
}

/**
 * So many seconds at 8 kHz, 16 bits. The same seed gives the same samples.
 *
 * @param seed of the first syllable; each has a seed of its own, so `words` put others in the place of some
 * @param words seeds of syllables by their number
 */
export function babbled(seed: number, seconds: number, words: Readonly<Record<number, number>> = {}): Int16Array {
  const samples = new Int16Array(Math.round(seconds * RATE))
  let at = 0
  for (let syllable = 0; at < samples.length; syllable++)
    at = speak(samples, at, words[syllable] ?? seed * 1_000 + syllable)
  return samples
}

/** Syllables are 250 ms long, whatever their seed: what follows stays in its place. */
function speak(samples: Int16Array, from: number, seed: number): number {
  const random = mulberry32(seed)
  const vowel = VOWELS[Math.floor(random() * VOWELS.length)] ?? VOWELS[0]
  const shift = 0.85 + 0.3 * random()
  const resonators = vowel.map((hz, index) => resonator(hz * shift * (0.95 + 0.1 * random()), 80 + 60 * index))
  const hissing = resonator(1_500 + 1_800 * random(), 400)
  const pitch = 90 + 120 * random()
  const glide = -0.2 + 0.4 * random()
  const hiss = Math.round(RATE * (0.02 + 0.06 * random()))
  const voiced = Math.round(RATE * (0.1 + 0.06 * random()))
  const end = Math.min(samples.length, from + RATE / 4)
  let phase = 0
  for (let i = 0; from + i < end; i++) {
    let sample = 0
    if (i < hiss) sample = 900 * resonate(hissing, random() - 0.5)
    else if (i < hiss + voiced) {
      const part = (i - hiss) / voiced
      phase += (pitch * (1 + glide * part)) / RATE
      const pulse = phase >= 1 ? 1 : 0
      phase %= 1
      for (const one of resonators) sample += 2_500 * Math.sin(Math.PI * part) * resonate(one, pulse)
    }
    samples[from + i] = Math.max(-32_768, Math.min(32_767, Math.round(sample + random() - 0.5)))
  }
  return from + RATE / 4
}

function resonator(hz: number, widthHz: number): Resonator {
  const radius = Math.exp((-Math.PI * widthHz) / RATE)
  return { a: 2 * radius * Math.cos((2 * Math.PI * hz) / RATE), b: -radius * radius, one: 0, two: 0 }
}

function resonate(resonator: Resonator, input: number): number {
  const output = input + resonator.a * resonator.one + resonator.b * resonator.two
  resonator.two = resonator.one
  resonator.one = output
  return output
}
