import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import {
  inspectOpusPacket,
  joinMultistreamPacket,
  OPUS_PACKET_SAMPLES_MAX,
  opusPacketSamples,
  silentOpusPacket,
  splitOpusFrames,
  splitMultistreamPacket,
} from '../../../src/media/opus-packet.ts'
import { joinFrames } from '../../support/opus-frames.ts'

/** Configuration 1: SILK, narrowband, 20 ms; mono. */
const TOC = 1 << 3

function bytes(length: number, first = 1): number[] {
  return Array.from({ length }, (_, index) => (first + index) & 0xff)
}

/** Every way to put frames into a packet, with frames on both sides of the limit of one-byte lengths. RFC 6716 3.2 */
const PACKETS: readonly (readonly [string, Uint8Array])[] = [
  ['code 0', Uint8Array.of(TOC, ...bytes(40))],
  ['code 0, no data', Uint8Array.of(TOC)],
  ['code 0, 251 bytes', Uint8Array.of(TOC, ...bytes(251))],
  ['code 0, 252 bytes', Uint8Array.of(TOC, ...bytes(252))],
  ['code 0, 1275 bytes', Uint8Array.of(TOC, ...bytes(1_275))],
  ['code 1', Uint8Array.of(TOC | 1, ...bytes(40), ...bytes(40))],
  ['code 2', Uint8Array.of(TOC | 2, 3, ...bytes(3), ...bytes(300))],
  ['code 2, long first frame', Uint8Array.of(TOC | 2, 252 + 1, 12, ...bytes(301), ...bytes(5))],
  ['code 3, constant', Uint8Array.of(TOC | 3, 3, ...bytes(30), ...bytes(30), ...bytes(30))],
  ['code 3, constant, padded', Uint8Array.of(TOC | 3, 0x40 | 2, 4, ...bytes(20), ...bytes(20), 0, 0, 0, 0)],
  ['code 3, variable', Uint8Array.of(TOC | 3, 0x80 | 3, 2, 0, ...bytes(2), ...bytes(260))],
  [
    'code 3, variable, long padding',
    Uint8Array.of(TOC | 3, 0xc0 | 2, 255, 10, 1, 9, ...bytes(7), ...Array.from({ length: 264 }, () => 0)),
  ],
]

function inspected(packet: Uint8Array) {
  const info = inspectOpusPacket(packet)
  if (!info.ok) throw new Error(info.reason)
  return info.value
}

describe('the table of contents of an Opus packet', () => {
  it.each([
    [0, 480],
    [3, 2_880],
    [7, 2_880],
    [12, 480],
    [15, 960],
    [16, 120],
    [19, 960],
    [28, 120],
    [31, 960],
  ])('of configuration %i says frames of %i samples at 48 kHz', (configuration, samples) => {
    expect(inspectOpusPacket(Uint8Array.of((configuration << 3) | 4, 1))).toEqual({
      ok: true,
      value: { configuration, stereo: true, frameCount: 1, samples },
    })
    expect(opusPacketSamples(Uint8Array.of((configuration << 3) | 1, 1, 1))).toBe(2 * samples)
  })

  it('refuses what has no frame, more than 120 ms, or is cut off', () => {
    expect(inspectOpusPacket(new Uint8Array(0))).toEqual({ ok: false, reason: 'empty' })
    expect(inspectOpusPacket(Uint8Array.of(3))).toEqual({ ok: false, reason: 'truncated' })
    expect(inspectOpusPacket(Uint8Array.of(3, 0))).toEqual({ ok: false, reason: 'duration' })
    expect(inspectOpusPacket(Uint8Array.of((3 << 3) | 3, 3))).toEqual({ ok: false, reason: 'duration' })
    expect(opusPacketSamples(new Uint8Array(0))).toBe(0)
  })
})

describe('the frames of a packet', () => {
  const framesOf = (packet: Uint8Array): readonly number[][] => {
    const split = splitOpusFrames(packet)
    if (!split.ok) throw new Error(split.reason)
    return split.value.map((frame) => [...frame])
  }

  it('come out in packets of their own, without lengths and padding', () => {
    const expected = new Map<string, readonly number[][]>([
      ['code 0', [bytes(40)]],
      ['code 0, no data', [[]]],
      ['code 1', [bytes(40), bytes(40)]],
      ['code 2', [bytes(3), bytes(300)]],
      ['code 2, long first frame', [bytes(301), bytes(5)]],
      ['code 3, constant', [bytes(30), bytes(30), bytes(30)]],
      ['code 3, constant, padded', [bytes(20), bytes(20)]],
      ['code 3, variable', [bytes(2), [], bytes(260)]],
      ['code 3, variable, long padding', [bytes(10), []]],
    ])
    for (const [name, packet] of PACKETS) {
      const frames = expected.get(name)
      if (frames !== undefined && !name.endsWith('long padding')) {
        expect(framesOf(packet)).toEqual(frames.map((frame) => [TOC, ...frame]))
      }
      expect(framesOf(packet)).toHaveLength(inspected(packet).frameCount)
    }
  })

  it('are as many, and as long, as joined', () => {
    const frame = fc.integer({ min: 0, max: 300 }).map((length) => bytes(length))
    fc.assert(
      fc.property(fc.array(frame, { minLength: 1, maxLength: 6 }), fc.nat({ max: 300 }), (frames, padding) => {
        const packet = joinFrames(TOC, frames, padding)
        expect(framesOf(packet)).toEqual(frames.map((data) => [TOC, ...data]))
      }),
    )
  })

  it('are refused where the packet is malformed', () => {
    expect(splitOpusFrames(new Uint8Array(0))).toEqual({ ok: false, reason: 'empty' })
    expect(splitOpusFrames(Uint8Array.of(TOC | 1, 1, 2, 3))).toEqual({ ok: false, reason: 'frameLength' })
    expect(splitOpusFrames(Uint8Array.of(TOC | 2, 252))).toEqual({ ok: false, reason: 'truncated' })
  })
})

describe('a multistream packet', () => {
  it.each(PACKETS)('gives back a packet of %s from any place in it', (_, packet) => {
    const other = Uint8Array.of(TOC, 1, 2, 3)
    for (const packets of [
      [packet],
      [packet, other],
      [other, packet],
      [packet, packet, other],
      [other, other, packet],
    ]) {
      const split = splitMultistreamPacket(joinMultistreamPacket(packets), packets.length)
      expect(split).toEqual({ ok: true, value: packets })
    }
  })

  it('puts one length into the first packet and none into the last (RFC 6716 B)', () => {
    const joined = joinMultistreamPacket([Uint8Array.of(TOC, 7, 8), Uint8Array.of(TOC, 9)])
    expect([...joined]).toEqual([TOC, 2, 7, 8, TOC, 9])
  })

  it('is never thrown at, whatever is cut off', () => {
    for (const [, packet] of PACKETS) {
      const joined = joinMultistreamPacket([packet, packet])
      for (let length = 0; length < joined.length; length++) {
        const split = splitMultistreamPacket(joined.subarray(0, length), 2)
        if (split.ok) expect(split.value.length).toBe(2)
        else expect(['empty', 'truncated', 'frameLength', 'duration']).toContain(split.reason)
      }
    }
  })

  it('cannot be made of nothing or of malformed packets', () => {
    expect(() => joinMultistreamPacket([])).toThrow(RangeError)
    expect(() => joinMultistreamPacket([new Uint8Array(0), Uint8Array.of(TOC)])).toThrow(RangeError)
    expect(() => joinMultistreamPacket([Uint8Array.of(TOC | 1, 1, 2, 3), Uint8Array.of(TOC)])).toThrow(RangeError)
  })
})

describe('a silent packet', () => {
  it.each([120, 240, 480, 960, 1_920, 2_880, 3_840, 5_760])('of %i samples says so', (samples) => {
    const packet = silentOpusPacket(samples)
    expect(opusPacketSamples(packet)).toBe(samples)
    expect(splitMultistreamPacket(joinMultistreamPacket([packet, packet]), 2).ok).toBe(true)
  })

  it.each([0, 100, 720, 1_000, OPUS_PACKET_SAMPLES_MAX + 960])('of %i samples does not exist', (samples) => {
    expect(() => silentOpusPacket(samples)).toThrow(RangeError)
  })
})
