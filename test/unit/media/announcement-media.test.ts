import { describe, expect, it } from 'vitest'

import { decodePcmu, encodePcmu } from '../../../src/media/g711.ts'
import { G722Encoder } from '../../../src/media/g722-encoder.ts'
import { G722Decoder } from '../../../src/media/g722.ts'
import { KeyListener } from '../../../src/media/key-listener.ts'
import { frameEncoder, frames, promptSamples } from '../../../src/media/prompt-audio.ts'
import { RtpPacketiser } from '../../../src/media/rtp-packetiser.ts'
import { parseRtp } from '../../../src/protocol/rtp/packet.ts'
import { matchAudio, tone } from '../../support/audio.ts'
import { pressedKeys } from '../../support/dtmf.ts'

const FFMPEG_OCTETS = [44, 132, 32, 132, 32, 132, 27, 62, 163, 153, 50, 56, 27, 174, 151, 53]

describe('G.722 encoding', () => {
  it('is undone by the decoder, in both sub-bands', () => {
    const samples = Int16Array.from({ length: 16_000 }, (_, i) =>
      Math.round(
        9_000 * Math.sin((2 * Math.PI * 440 * i) / 16_000) + 3_000 * Math.sin((2 * Math.PI * 5_200 * i) / 16_000),
      ),
    )
    const decoded = new G722Decoder().decode(new G722Encoder().encode(samples))
    const match = matchAudio(samples, decoded, { lagMax: 60 })
    expect(match.correlation).toBeGreaterThan(0.999)
    expect(match.lag).toBe(22)
  })

  it('makes the octets that FFmpeg makes', () => {
    // ffmpeg -f s16le -ar 16000 -i IN -c:a g722 OUT, of a ramp of both signs with steps of every size.
    const samples = Int16Array.from({ length: 32 }, (_, i) => ((i * 7_919) % 20_000) - 10_000)
    expect([...new G722Encoder().encode(samples)]).toEqual(FFMPEG_OCTETS)
  })

  it('stays in 16 bits at full scale, and goes on from call to call', () => {
    const square = Int16Array.from({ length: 640 }, (_, i) => (i % 40 < 20 ? 32_767 : -32_768))
    const whole = new G722Encoder().encode(square)
    const encoder = new G722Encoder()
    expect([...encoder.encode(square.subarray(0, 320)), ...encoder.encode(square.subarray(320))]).toEqual([...whole])
  })
})

describe('prompts', () => {
  it('keep their length and place at another rate', () => {
    for (const [from, to] of [
      [16_000, 8_000],
      [8_000, 16_000],
      [44_100, 8_000],
      [48_000, 16_000],
    ] as const) {
      const samples = tone({ frequency: 400, sampleRate: from, samples: from, amplitude: 0.3 })
      const other = promptSamples({ sampleRate: from, channels: [samples] }, to)
      expect(other).toHaveLength(to)
      const expected = tone({ frequency: 400, sampleRate: to, samples: to, amplitude: 0.3 })
      const match = matchAudio(expected, other, { lagMax: 8 })
      expect([match.lag, match.correlation > 0.99], `${from} to ${to}`).toEqual([0, true])
    }
  })

  it('are cut into packets of 20 ms, the last one filled up', () => {
    const cut = frames(new Int16Array(200).fill(7), 8_000)
    expect(cut.map(({ length }) => length)).toEqual([160, 160])
    expect([...(cut[1] ?? [])].filter((sample) => sample === 7)).toHaveLength(40)
    expect(frameEncoder('PCMU')(cut[0]!)).toEqual(encodePcmu(cut[0]!))
  })
})

describe('packets', () => {
  const parsed = (bytes: Uint8Array) => {
    const packet = parseRtp(bytes)
    if (!packet.ok) throw new Error(packet.reason)
    return packet.value
  }

  it('count up, also past the end of their fields; a silence moves the timestamp and sets the marker', () => {
    const start = { ssrc: 5, sequenceNumber: 65_535, timestamp: 2 ** 32 - 160 }
    const packetiser = new RtpPacketiser({ start, payloadType: 8, timestampStep: 160 })
    const payload = new Uint8Array(160)
    const told = [packetiser.packet(payload), packetiser.packet(payload)].map(parsed)
    packetiser.skip()
    packetiser.skip()
    told.push(parsed(packetiser.packet(payload)))
    expect(told.map(({ sequenceNumber, timestamp, marker }) => [sequenceNumber, timestamp, marker])).toEqual([
      [65_535, 2 ** 32 - 160, true],
      [0, 0, false],
      [1, 480, true],
    ])
    expect([packetiser.nextSequence, packetiser.packetCount, packetiser.octetCount]).toEqual([65_538, 3, 480])
  })
})

describe('keys', () => {
  const packet = (payload: Uint8Array, timestamp: number) => ({
    payload,
    timestamp,
    marker: false,
    payloadType: 0,
    sequenceNumber: 0,
    ssrc: 1,
  })

  it('are told once for each press, by telephone-event', () => {
    const pressed: string[] = []
    const listener = new KeyListener({ codec: 'OPUS', eventClockRate: 8_000, pressed: (digit) => pressed.push(digit) })
    for (const [timestamp, code] of [
      [100, 1],
      [9_000, 1],
      [18_000, 2],
    ] as const) {
      for (let i = 1; i <= 5; i += 1)
        listener.handleEvents(packet(Uint8Array.of(code, i > 3 ? 0x8a : 10, 0, i * 40), timestamp), timestamp * 125)
    }
    listener.handleEvents(packet(Uint8Array.of(1, 2), 1), 1)
    expect(pressed).toEqual(['1', '1', '2'])
  })

  it.each([
    ['PCMU', 8_000],
    ['G722', 16_000],
  ] as const)('are heard in %s, wherever its timestamps begin', (codec, sampleRate) => {
    const pressed: string[] = []
    const listener = new KeyListener({ codec, eventClockRate: 8_000, pressed: (digit) => pressed.push(digit) })
    const { samples } = pressedKeys({ digits: '112', sampleRate, onMs: 80, offMs: 80 })
    const payload = codec === 'PCMU' ? encodePcmu(samples) : new G722Encoder().encode(samples)
    const length = (sampleRate / 50) * (codec === 'PCMU' ? 1 : 0.5)
    for (let at = 0; at < payload.length; at += length) {
      listener.handleAudio(packet(payload.subarray(at, at + length), (2 ** 32 - 300 + at) % 2 ** 32))
    }
    expect(pressed).toEqual(['1', '1', '2'])
    expect(decodePcmu(encodePcmu(samples.subarray(0, 10)))).toHaveLength(10)
  })
})
