import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

import { CERTAIN_MS_MAX, DtmfDetector, type DtmfTone } from '../../../src/media/dtmf-detector.ts'
import { decodePcma, decodePcmu, encodePcma, encodePcmu } from '../../../src/media/g711.ts'
import { readWav } from '../../../src/media/wav.ts'
import { ALL_DIGITS, pressedKeys, syntheticSpeech, type KeyOptions } from '../../support/dtmf.ts'
import { noise, tone } from '../../support/audio.ts'

const PLACES_MS = 4

function heardIn(samples: Int16Array, sampleRate = 8_000, packet = 160): readonly DtmfTone[] {
  const tones: DtmfTone[] = []
  const detector = new DtmfDetector({ sampleRate, heard: (tone) => tone.isOver && tones.push(tone) })
  for (let at = 0; at < samples.length; at += packet) detector.write(samples.subarray(at, at + packet), at)
  detector.end()
  return tones
}

const digitsOf = (tones: readonly DtmfTone[]): string => tones.map(({ digit }) => digit).join('')

/** Every key of a row of keys, and where. */
function expectHeard(options: Partial<KeyOptions>, through = (samples: Int16Array) => samples): void {
  const { samples, keys } = pressedKeys({ digits: ALL_DIGITS, onMs: 40, offMs: 40, ...options })
  const rate = options.sampleRate ?? 8_000
  const heard = heardIn(through(samples), rate, Math.floor(rate / 50))
  expect(digitsOf(heard)).toBe(options.digits ?? ALL_DIGITS)
  for (const [index, key] of keys.entries()) {
    expect(Math.abs((heard[index]?.from ?? 0) - key.fromSample)).toBeLessThanOrEqual((PLACES_MS * rate) / 1_000)
    expect(Math.abs((heard[index]?.to ?? 0) - key.toSample)).toBeLessThanOrEqual((PLACES_MS * rate) / 1_000)
  }
}

const LAWS = [
  ['mu-law', (samples: Int16Array) => decodePcmu(encodePcmu(samples))],
  ['A-law', (samples: Int16Array) => decodePcma(encodePcma(samples))],
] as const

describe.each(LAWS)('through %s', (_, through) => {
  it.each([0, -5, -10, -15, -20, -25])('all sixteen keys are heard at %i dBm0', (levelDbm0) => {
    expectHeard({ levelDbm0, seed: 1 - levelDbm0 }, through)
  })

  it.each([4, -8])('with a twist of %i dB', (twistDb) => expectHeard({ twistDb }, through))

  it.each([0.015, -0.015])('with frequencies off by %f', (deviation) => {
    expectHeard({ deviation }, through)
    expectHeard({ deviation, highDeviation: -deviation }, through)
  })

  it('with noise 15 dB below', () => {
    for (const twistDb of [0, 4, -8]) expectHeard({ snrDb: 15, twistDb, seed: 7 }, through)
  })

  it.each([0.035, -0.035])('what is off by %f is no key', (deviation) => {
    for (const options of [{ deviation }, { highDeviation: deviation }, { deviation, highDeviation: 0 }]) {
      const { samples } = pressedKeys({ digits: ALL_DIGITS, onMs: 100, ...options })
      expect(digitsOf(heardIn(through(samples)))).toBe('')
    }
  })

  it('what is shorter than 23 ms is no key', () => {
    const { samples } = pressedKeys({ digits: ALL_DIGITS, onMs: 22.9, offMs: 60 })
    expect(digitsOf(heardIn(through(samples)))).toBe('')
  })
})

describe('a row of keys', () => {
  it.each([8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000])('is heard at %i Hz', (sampleRate) => {
    expectHeard({ sampleRate, snrDb: 20 })
  })

  it('of one digit is as many digits as there are pauses of 40 ms', () => {
    expectHeard({ digits: '5555555555', onMs: 40, offMs: 40 })
  })

  it('is the same however the audio is cut into packets', () => {
    const { samples } = pressedKeys({ digits: '0123456789', snrDb: 25 })
    const whole = heardIn(samples)
    for (const packet of [1, 7, 80, 333, 4_000]) expect(heardIn(samples, 8_000, packet)).toEqual(whole)
  })

  it('without any pause between two keys is two keys', () => {
    expectHeard({ digits: '19', onMs: 60, offMs: 0 })
  })
})

describe('a tone', () => {
  it('of seconds is one key, told of from its beginning on and never further than it went', () => {
    const { samples, keys } = pressedKeys({ digits: '#', onMs: 3_000 })
    const told: DtmfTone[] = []
    let written = 0
    let writtenWhenTold: number | undefined
    const detector = new DtmfDetector({
      sampleRate: 8_000,
      heard: (tone) => {
        writtenWhenTold ??= written
        told.push(tone)
      },
    })
    for (let at = 0; at < samples.length; at += 160) {
      written = at + 160
      detector.write(samples.subarray(at, at + 160), at)
    }
    const began = keys[0]?.fromSample ?? 0
    // That is what masking relies on.
    expect((writtenWhenTold ?? Infinity) - began).toBeLessThan((CERTAIN_MS_MAX * 8_000) / 1_000)
    expect(told.filter(({ isOver }) => isOver)).toHaveLength(1)
    expect(new Set(told.map(({ from }) => from)).size).toBe(1)
    const [key] = keys
    expect(Math.abs((told.at(-1)?.to ?? 0) - (key?.toSample ?? 0))).toBeLessThan(32)
  })

  it('broken by a lost packet is one key', () => {
    const { samples } = pressedKeys({ digits: '7', onMs: 200 })
    samples.fill(0, 1_600, 1_760)
    expect(digitsOf(heardIn(samples))).toBe('7')
  })

  it('broken by a lost packet in its beginning begins before it', () => {
    const { samples, keys } = pressedKeys({ digits: '7', onMs: 100 })
    const from = keys[0]?.fromSample ?? 0
    for (const soundsMs of [14, 20, 26]) {
      const broken = samples.slice()
      broken.fill(0, from + soundsMs * 8, from + (soundsMs + 20) * 8)
      const [tone, ...others] = heardIn(broken)
      expect(others).toEqual([])
      expect(Math.abs((tone?.from ?? 0) - from)).toBeLessThan(40)
    }
  })

  it('with a hole in the positions is one key, and its place is right behind the hole', () => {
    const { samples, keys } = pressedKeys({ digits: '79', onMs: 200 })
    const tones: DtmfTone[] = []
    const detector = new DtmfDetector({ sampleRate: 8_000, heard: (tone) => tone.isOver && tones.push(tone) })
    for (let at = 0; at < samples.length; at += 160) {
      if (at !== 1_600) detector.write(samples.subarray(at, at + 160), at)
    }
    expect(digitsOf(tones)).toBe('79')
    expect(Math.abs((tones[1]?.from ?? 0) - (keys[1]?.fromSample ?? 0))).toBeLessThan(32)
  })

  it('is over when the stream begins anew', () => {
    const { samples } = pressedKeys({ digits: '7', onMs: 200 })
    const tones: DtmfTone[] = []
    const detector = new DtmfDetector({ sampleRate: 8_000, heard: (tone) => tones.push(tone) })
    detector.write(samples.subarray(0, 1_600), 0)
    detector.write(samples.subarray(1_600), 1_000_000)
    detector.end()
    expect(tones.filter(({ isOver }) => isOver)).toMatchObject([
      { digit: '7', to: expect.closeTo(1_600, -3) },
      { digit: '7', from: expect.closeTo(1_000_000, -3) },
    ])
  })

  it('of one frequency, or of two in one group, is no key', () => {
    for (const frequency of [697, 941, 1_209, 1_633, 350, 440, 2_000]) {
      expect(heardIn(tone({ frequency, sampleRate: 8_000, samples: 4_000 }))).toEqual([])
    }
    const low = tone({ frequency: 697, sampleRate: 8_000, samples: 4_000, amplitude: 0.3 })
    const other = tone({ frequency: 852, sampleRate: 8_000, samples: 4_000, amplitude: 0.3 })
    expect(heardIn(low.map((sample, index) => sample + (other[index] ?? 0)))).toEqual([])
  })

  it('with a twist beyond all bounds, or below the least level, is no key', () => {
    for (const options of [{ twistDb: 9 }, { twistDb: -14 }, { levelDbm0: -48 }]) {
      expect(heardIn(pressedKeys({ digits: ALL_DIGITS, ...options }).samples)).toEqual([])
    }
  })
})

describe('no key is heard', () => {
  it.each(['caller', 'callee'])('in the shipped speech of the %s, at any gain', (name) => {
    const wav = readWav(readFileSync(new URL(`../../../src/cli/simulate/audio/${name}.wav`, import.meta.url)))
    if (!wav.ok) throw new Error(wav.reason)
    const [speech = new Int16Array(0)] = wav.value.channels
    expect(speech.length).toBeGreaterThan(80_000)
    for (const gain of [0.1, 0.5, 1, 4]) {
      const louder = Int16Array.from(speech, (sample) => Math.max(-32_768, Math.min(32_767, sample * gain)))
      expect(digitsOf(heardIn(louder))).toBe('')
    }
  })

  it('in minutes of voices made up of harmonics and formants', () => {
    for (const seed of [1, 2, 3]) expect(digitsOf(heardIn(syntheticSpeech(seed, 60)))).toBe('')
  })

  it('in noise, clicks and full scale', () => {
    expect(heardIn(noise({ seed: 3, samples: 160_000, amplitude: 0.9 }))).toEqual([])
    const clicks = new Int16Array(16_000)
    for (let at = 0; at < clicks.length; at += 80) clicks[at] = 32_767
    expect(heardIn(clicks)).toEqual([])
    expect(heardIn(new Int16Array(16_000).fill(-32_768))).toEqual([])
  })
})
