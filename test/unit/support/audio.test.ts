import { describe, expect, it } from 'vitest'
import { energyEnvelope, matchAudio, noise, shifted, silentStretches, tone } from '../../support/audio.ts'

describe('comparing audio', () => {
  it.each([0, 1, 79, 160, 4_001, -1, -333])('finds a shift of %i samples exactly', (shift) => {
    const reference = noise({ seed: 1, samples: 16_000 })
    expect(matchAudio(reference, shifted(reference, shift))).toMatchObject({ lag: shift })
    expect(matchAudio(reference, shifted(reference, shift)).correlation).toBeCloseTo(1, 6)
  })

  it('does not care about gain', () => {
    const reference = noise({ seed: 2, samples: 8_000 })
    const quiet = reference.map((sample) => sample / 8)
    expect(matchAudio(reference, quiet).correlation).toBeGreaterThan(0.999)
  })

  it('says -1 or nothing of the kind for a turned phase', () => {
    const reference = noise({ seed: 3, samples: 8_000 })
    expect(
      matchAudio(
        reference,
        reference.map((sample) => -sample),
        { lagMax: 0 },
      ).correlation,
    ).toBeCloseTo(-1, 6)
  })

  it('finds nothing in unrelated audio', () => {
    const match = matchAudio(noise({ seed: 4, samples: 16_000 }), noise({ seed: 5, samples: 16_000 }))
    expect(match.correlation).toBeLessThan(0.1)
  })

  it('finds nothing in silence', () => {
    expect(matchAudio(noise({ seed: 6, samples: 100 }), new Int16Array(100))).toEqual({ correlation: 0, lag: 0 })
  })

  it('agrees with the definition, written out', () => {
    const [reference, heard] = [noise({ seed: 7, samples: 300 }), noise({ seed: 8, samples: 400 })]
    let best = { correlation: -Infinity, lag: 0 }
    for (let lag = -150; lag <= 150; lag++) {
      let [product, left, right, overlap] = [0, 0, 0, 0]
      for (let i = 0; i < reference.length; i++) {
        const [a, b] = [reference[i] ?? 0, heard[i + lag]]
        if (b === undefined) continue
        product += a * b
        left += a * a
        right += b * b
        overlap++
      }
      if (overlap < 150) continue
      const correlation = product / Math.sqrt(left * right)
      if (correlation > best.correlation) best = { correlation, lag }
    }
    const match = matchAudio(reference, heard, { lagMax: 150, overlapMin: 150 })
    expect(match.lag).toBe(best.lag)
    expect(match.correlation).toBeCloseTo(best.correlation, 9)
  })
})

describe('levels', () => {
  it('are root mean squares per window', () => {
    const envelope = energyEnvelope(tone({ frequency: 1_000, sampleRate: 8_000, samples: 8_000, amplitude: 1 }), 800)
    expect(envelope).toHaveLength(10)
    for (const level of envelope) expect(level).toBeCloseTo(32_767 / Math.SQRT2, -1)
  })

  it('show silent stretches', () => {
    const samples = tone({ frequency: 1_000, sampleRate: 8_000, samples: 8_000 })
    samples.fill(0, 1_600, 3_200)
    samples.fill(0, 6_400, 6_560)
    const options = { windowSamples: 160, minSamples: 800, level: 10 }
    expect(silentStretches(samples, options)).toEqual([{ fromSample: 1_600, toSample: 3_200 }])
  })
})
