import { describe, expect, it } from 'vitest'

import { decodePcma, decodePcmu, encodePcma, encodePcmu } from '../../../src/media/g711.ts'

const EVERY_CODE = Uint8Array.from({ length: 256 }, (_, code) => code)

describe('G.711', () => {
  it('decodes mu-law to the values of ITU-T G.711 table 2', () => {
    expect([...decodePcmu(Uint8Array.of(0x00, 0x80, 0x7f, 0xff, 0xf0, 0x0f, 0x8f))]).toEqual(
      [-32_124, 32_124, -0, 0, 120, -16_764, 16_764].map((value) => value + 0),
    )
  })

  it('decodes A-law to the values of ITU-T G.711 table 1', () => {
    expect([...decodePcma(Uint8Array.of(0xd5, 0x55, 0xaa, 0x2a, 0xd4, 0x80))]).toEqual([
      8, -8, 32_256, -32_256, 24, 5_504,
    ])
  })

  it('brings every code back from its own sample', () => {
    expect([...encodePcma(decodePcma(EVERY_CODE))]).toEqual([...EVERY_CODE])
    // Mu-law has two codes for zero; the positive one is used.
    expect([...encodePcmu(decodePcmu(EVERY_CODE))]).toEqual(
      [...EVERY_CODE].map((code) => (code === 0x7f ? 0xff : code)),
    )
  })

  it.each([
    ['mu-law', encodePcmu, decodePcmu],
    ['A-law', encodePcma, decodePcma],
  ])('%s keeps every sample within half a step of its segment, and saturates at full scale', (_, encode, decode) => {
    const samples = Int16Array.from({ length: 65_536 }, (_unused, index) => index - 32_768)
    const heard = decode(encode(samples))
    const wrong = samples.filter((sample, i) => {
      const halfStep = Math.max(8, Math.abs(sample) / 32) + 8
      return Math.abs(sample) <= 32_000 && Math.abs((heard[i] ?? 0) - sample) > halfStep
    })
    expect([...wrong]).toEqual([])
    expect(Math.abs((heard[0] ?? 0) + 32_768)).toBeLessThanOrEqual(645)
    expect(Math.abs((heard[65_535] ?? 0) - 32_767)).toBeLessThanOrEqual(645)
  })

  it('decodes into an array that is given, without a new one', () => {
    const out = new Int16Array(4)
    const samples = decodePcmu(Uint8Array.of(0x80, 0x00), out)
    expect(samples.buffer).toBe(out.buffer)
    expect([...out]).toEqual([32_124, -32_124, 0, 0])
    expect(() => decodePcma(new Uint8Array(5), out)).toThrow(RangeError)
  })
})
