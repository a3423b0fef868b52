import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

import { AUDIO_FILES } from '../../../src/cli/simulate/audio-source.ts'
import { Concealer, CONCEALMENT_MAX_MS } from '../../../src/media/concealment.ts'
import { readWav } from '../../../src/media/wav.ts'
import { noise, tone } from '../../support/audio.ts'
import { mulberry32 } from '../../support/random.ts'

const RATES = [8_000, 16_000, 48_000]

/** The shipped speech at a multiple of its rate, in straight lines between its samples. */
function speech(sampleRate: number): readonly Int16Array[] {
  const factor = sampleRate / 8_000
  return AUDIO_FILES.map((file) => {
    const wav = readWav(readFileSync(file))
    const samples = (wav.ok ? wav.value.channels[0] : undefined) ?? new Int16Array(0)
    return Int16Array.from({ length: samples.length * factor }, (_, at) => {
      const [index, part] = [Math.floor(at / factor), (at % factor) / factor]
      return Math.round((samples[index] ?? 0) * (1 - part) + (samples[index + 1] ?? 0) * part)
    })
  })
}

interface Stretch {
  readonly from: number
  readonly to: number
}

/** Packets of 20 ms that a network lost, as stretches of samples. */
function lose(samples: Int16Array, options: { fraction: number; seed: number; packet: number }): readonly Stretch[] {
  const { fraction, seed, packet } = options
  const random = mulberry32(seed)
  const stretches: { from: number; to: number }[] = []
  for (let from = 5 * packet; from + 5 * packet < samples.length; from += packet) {
    if (random() >= fraction) continue
    const last = stretches.at(-1)
    if (last?.to === from) last.to += packet
    else stretches.push({ from, to: from + packet })
  }
  return stretches
}

/** The samples with the losses filled, from what is heard by then and what follows until the next loss. */
function repair(samples: Int16Array, lost: readonly Stretch[], concealer: Concealer): Int16Array {
  const heard = samples.slice()
  for (const { from, to } of lost) heard.fill(0, from, to)
  for (const { from, to } of lost) {
    const before = heard.slice(from - concealer.contextSamples, from)
    const after = heard.slice(to, to + concealer.contextSamples)
    heard.set(concealer.conceal({ before, after, samples: to - from }), from)
  }
  return heard
}

/** Over the lost stretches only: signal to error in dB (silence has 0 by definition), and correlation. */
function compare(
  original: Int16Array,
  heard: Int16Array,
  lost: readonly Stretch[],
): { snr: number; correlation: number } {
  let [signal, error, product, energy] = [0, 0, 0, 0]
  for (const { from, to } of lost) {
    for (let at = from; at < to; at++) {
      const [spoken, made] = [original[at] ?? 0, heard[at] ?? 0]
      signal += spoken ** 2
      error += (spoken - made) ** 2
      product += spoken * made
      energy += made ** 2
    }
  }
  return { snr: 10 * Math.log10(signal / error), correlation: product / Math.sqrt(signal * energy) }
}

describe.each(RATES)('speech at %i samples a second', (sampleRate) => {
  const voices = speech(sampleRate)
  const packet = sampleRate / 50

  it.each([0.01, 0.03, 0.05, 0.1])('with a loss of %d is nearer to what was said than with silence', (fraction) => {
    const measured = voices.flatMap((samples, voice) =>
      [1, 2, 3].map((seed) => {
        const lost = lose(samples, { fraction, seed: 10 * seed + voice, packet })
        return compare(samples, repair(samples, lost, new Concealer(sampleRate)), lost)
      }),
    )
    const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length
    expect(mean(measured.map(({ snr }) => snr))).toBeGreaterThan(1)
    expect(mean(measured.map(({ correlation }) => correlation))).toBeGreaterThan(0.5)
  })

  it('has no step at the edges of a gap greater than its own', () => {
    for (const samples of voices) {
      const lost = lose(samples, { fraction: 0.05, seed: 9, packet })
      const heard = repair(samples, lost, new Concealer(sampleRate))
      const step = (row: Int16Array, at: number): number => Math.abs((row[at] ?? 0) - (row[at - 1] ?? 0))
      let greatest = 0
      for (let at = 1; at < samples.length; at++) greatest = Math.max(greatest, step(samples, at))
      for (const { from, to } of lost) {
        expect(step(heard, from)).toBeLessThanOrEqual(greatest)
        expect(step(heard, to)).toBeLessThanOrEqual(greatest)
      }
    }
  })

  it('is changed nowhere but in the gap', () => {
    for (const samples of voices) {
      const lost = lose(samples, { fraction: 0.05, seed: 10, packet })
      const heard = repair(samples, lost, new Concealer(sampleRate))
      for (const { from, to } of lost) heard.set(samples.subarray(from, to), from)
      expect(Buffer.compare(Buffer.from(heard.buffer), Buffer.from(samples.buffer))).toBe(0)
    }
  })

  it('is filled for 60 ms, and that ends in silence', () => {
    const concealer = new Concealer(sampleRate)
    const [voice = new Int16Array(0)] = voices
    const at = sampleRate
    const before = voice.slice(at - concealer.contextSamples, at)
    const after = voice.slice(at + sampleRate, at + sampleRate + concealer.contextSamples)
    const made = concealer.conceal({ before, after, samples: sampleRate })
    expect(made.length).toBe((CONCEALMENT_MAX_MS * sampleRate) / 1_000)
    const loudest = Math.max(...before.map(Math.abs))
    expect(Math.abs(made.at(-1) ?? Infinity)).toBeLessThanOrEqual(loudest / 100)
  })
})

describe('concealment', () => {
  it.each(RATES)('goes on with a tone at %i samples a second as if nothing were missing', (sampleRate) => {
    const concealer = new Concealer(sampleRate)
    const samples = tone({ frequency: 125, sampleRate, samples: sampleRate })
    const [from, to] = [sampleRate / 2, sampleRate / 2 + sampleRate / 50]
    const heard = repair(samples, [{ from, to }], concealer)
    expect(compare(samples, heard, [{ from, to }]).snr).toBeGreaterThan(25)
  })

  it('fades out where nothing follows that may be heard', () => {
    const concealer = new Concealer(8_000)
    const before = tone({ frequency: 125, sampleRate: 8_000, samples: concealer.contextSamples })
    const made = concealer.conceal({ before, after: undefined, samples: 160 })
    expect(Math.abs(made[159] ?? Infinity)).toBeLessThan(1_000)
    expect(Math.max(...made.subarray(0, 80).map(Math.abs))).toBeGreaterThan(10_000)
  })

  it('makes silence of silence, and nothing louder than what stands beside it', () => {
    const concealer = new Concealer(8_000)
    const { contextSamples } = concealer
    const silent = new Int16Array(contextSamples)
    expect(concealer.conceal({ before: silent, after: silent, samples: 480 }).every((sample) => sample === 0)).toBe(
      true,
    )
    for (let seed = 1; seed <= 50; seed++) {
      const before = noise({ seed, samples: contextSamples, amplitude: 1 })
      const after = noise({ seed: seed + 100, samples: contextSamples, amplitude: 0.3 })
      const peak = Math.max(...before.map(Math.abs), ...after.map(Math.abs))
      const made = concealer.conceal({ before, after, samples: 100 + seed * 7 })
      expect(Math.max(...made.map(Math.abs))).toBeLessThanOrEqual(peak)
    }
  })

  it('takes gaps as short as a sample', () => {
    const concealer = new Concealer(8_000)
    const before = noise({ seed: 1, samples: concealer.contextSamples })
    expect(concealer.conceal({ before, after: before, samples: 1 }).length).toBe(1)
    expect(concealer.conceal({ before, after: before, samples: 0 }).length).toBe(0)
  })
})
