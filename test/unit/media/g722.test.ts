import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { G722Decoder } from '../../../src/media/g722.ts'

describe('G.722', () => {
  it('makes two samples of each octet, and goes on from packet to packet', () => {
    const payload = Uint8Array.from({ length: 480 }, (_, i) => (i * 89) & 0xff)
    const whole = new G722Decoder().decode(payload)
    expect(whole).toHaveLength(960)
    const decoder = new G722Decoder()
    const parts = [0, 160, 320].flatMap((at) => [...decoder.decode(payload.subarray(at, at + 160))])
    expect(parts).toEqual([...whole])
  })

  it('never leaves 16 bits, whatever comes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (payload) => {
        const samples = new G722Decoder().decode(payload)
        expect(samples).toHaveLength(2 * payload.length)
      }),
      { numRuns: 50 },
    )
  })

  it('is silent when nothing is sent', () => {
    // 0xfa codes a difference of nothing in both sub-bands at rest.
    const samples = new G722Decoder().decode(new Uint8Array(160).fill(0xfa))
    expect(Math.max(...samples.map(Math.abs))).toBeLessThan(20)
  })
})
