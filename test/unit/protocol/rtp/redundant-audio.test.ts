import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { parseRedundantAudio, REDUNDANT_BLOCKS_MAX } from '../../../../src/protocol/rtp/redundant-audio.ts'
import { redundantPayload } from '../../../support/redundant-audio.ts'

describe('redundant audio', () => {
  it('is read as RFC 2198 4 shows it: a primary of DVI, and LPC of the packet before', () => {
    const bytes = Uint8Array.of(
      0x80 | 7,
      160 >> 6,
      ((160 & 0x3f) << 2) | 0,
      14,
      5,
      ...Array.from({ length: 14 + 84 }, (_, i) => i),
    )
    expect(parseRedundantAudio(bytes)).toEqual({
      ok: true,
      value: [
        { payloadType: 7, timestampOffset: 160, payload: Uint8Array.from({ length: 14 }, (_, i) => i) },
        { payloadType: 5, timestampOffset: 0, payload: Uint8Array.from({ length: 84 }, (_, i) => 14 + i) },
      ],
    })
  })

  it('is what was written, with any number of blocks', () => {
    const block = fc.record({
      payloadType: fc.nat(127),
      timestampOffset: fc.nat(0x3fff),
      payload: fc.uint8Array({ maxLength: 0x3ff }),
    })
    const primary = fc.record({ payloadType: fc.nat(127), payload: fc.uint8Array({ maxLength: 200 }) })
    fc.assert(
      fc.property(fc.array(block, { maxLength: REDUNDANT_BLOCKS_MAX - 1 }), primary, (blocks, last) => {
        const all = [...blocks, { ...last, timestampOffset: 0 }]
        expect(parseRedundantAudio(redundantPayload(all))).toEqual({ ok: true, value: all })
      }),
    )
  })

  it('that is cut off, or has too many blocks, is not read', () => {
    const block = { payloadType: 0, timestampOffset: 160, payload: new Uint8Array(3) }
    const bytes = redundantPayload([block, { ...block, timestampOffset: 0 }])
    for (let length = 0; length < 8; length++) {
      expect(parseRedundantAudio(bytes.subarray(0, length))).toMatchObject({ ok: false, reason: 'short' })
    }
    const many = Array.from({ length: REDUNDANT_BLOCKS_MAX + 1 }, () => block)
    expect(parseRedundantAudio(redundantPayload(many))).toMatchObject({ ok: false, reason: 'tooMany' })
  })

  it('never throws, whatever comes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => void parseRedundantAudio(bytes)))
  })
})
