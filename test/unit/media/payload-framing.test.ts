import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { BitReader } from '../../../src/media/bit-reader.ts'
import {
  formatParameter,
  PAYLOAD_SECONDS_MAX,
  type KeptCodec,
  type PayloadFraming,
} from '../../../src/media/framing.ts'
import { framingsOf } from '../../../src/media/payload-framing.ts'
import { readOggOpus } from '../../../src/media/ogg-opus.ts'
import { silentOpusPacket } from '../../../src/media/opus-packet.ts'
import { readOggPage } from '../../../src/media/ogg.ts'
import { amrPayloads } from '../../support/kept-codecs.ts'
import { vectorFile } from '../../vectors/evidence/sample-recording.ts'

function codec(encoding: string, change: Partial<KeptCodec> = {}): KeptCodec {
  return { encoding, clockRate: 8_000, channels: 1, ...change }
}

function only(described: KeptCodec): PayloadFraming {
  const [framing, ...others] = framingsOf(described)
  if (framing === undefined) throw new Error('no framing')
  expect(others).toEqual([])
  return framing
}

/** Samples that a payload is said to hold: decoded, then silent. */
function lengths(framing: PayloadFraming | undefined, payload: Uint8Array): readonly number[] | undefined {
  const framed = framing?.split(payload)
  return framed === undefined ? undefined : [framed.decodedSamples, framed.silentSamples]
}

describe('codecs of fixed frames', () => {
  it('G.729 is frames of 10 ms, with comfort noise at the end at most', () => {
    const g729 = only(codec('G729'))
    expect(lengths(g729, new Uint8Array(20))).toEqual([160, 0])
    expect(lengths(g729, new Uint8Array(12))).toEqual([80, 80])
    expect(g729.split(new Uint8Array(12).fill(5))?.frames).toHaveLength(10)
    expect(lengths(g729, new Uint8Array(2))).toEqual([0, 80])
    expect([0, 1, 9, 15].map((length) => lengths(g729, new Uint8Array(length)))).toEqual(Array(4).fill(undefined))
  })

  it('G.723 is frames of 30 ms whose first byte says how long they are', () => {
    const g723 = only(codec('G723'))
    const frame = (rate: number, length: number) => new Uint8Array(length).fill(0x40 | rate)
    expect(lengths(g723, Buffer.concat([frame(0, 24), frame(1, 20), frame(2, 4), frame(3, 1)]))).toEqual([960, 0])
    expect(lengths(g723, frame(0, 23))).toBeUndefined()
  })

  it('GSM is frames of 20 ms that begin with its signature', () => {
    const gsm = only(codec('GSM'))
    expect(lengths(gsm, new Uint8Array(66).fill(0xd0))).toEqual([320, 0])
    expect(lengths(gsm, new Uint8Array(33))).toBeUndefined()
    expect(lengths(gsm, new Uint8Array(32).fill(0xd0))).toBeUndefined()
  })

  it('iLBC is of 30 or of 20 ms by its length, each in a file of its own', () => {
    const [long, short] = framingsOf(codec('ILBC'))
    expect(lengths(long, new Uint8Array(100))).toEqual([480, 0])
    expect(lengths(long, new Uint8Array(38))).toBeUndefined()
    expect(lengths(short, new Uint8Array(76))).toEqual([320, 0])
    expect(
      Buffer.from(short?.join([new Uint8Array(38)]) ?? [])
        .subarray(0, 9)
        .toString(),
    ).toBe('#!iLBC20\n')
    expect(Buffer.from(long?.join([]) ?? []).toString()).toBe('#!iLBC30\n')
  })

  it('G.726 has its bits in the order of RTP, or of ATM', () => {
    expect(only(codec('G726-32')).inputOptions).toEqual(['-f', 'g726le', '-code_size', '4'])
    expect(only(codec('AAL2-G726-24')).inputOptions).toEqual(['-f', 'g726', '-code_size', '3'])
    expect(lengths(only(codec('G726-32')), new Uint8Array(80))).toEqual([160, 0])
    expect(lengths(only(codec('G726-40')), new Uint8Array(100))).toEqual([160, 0])
    expect(lengths(only(codec('G726-24')), new Uint8Array(61))).toBeUndefined()
    expect(framingsOf(codec('G726-32', { clockRate: 16_000 }))).toEqual([])
  })

  it('PCM of any rate and number of channels is told to the decoder', () => {
    const l16 = only(codec('L16', { clockRate: 44_100, channels: 2 }))
    expect(l16.inputOptions).toEqual(['-f', 's16be', '-ar', '44100', '-ac', '2'])
    expect(lengths(l16, new Uint8Array(400))).toEqual([100, 0])
    expect(lengths(l16, new Uint8Array(401))).toBeUndefined()
    expect(framingsOf(codec('L16', { clockRate: 0 }))).toEqual([])
  })

  it('a codec that nobody decodes has no framing', () => {
    for (const encoding of ['EVS', 'X-FOO', 'unknown', 'G729E', '']) expect(framingsOf(codec(encoding))).toEqual([])
    expect(framingsOf(codec('G729', { channels: 2 }))).toEqual([])
  })
})

describe('AMR', () => {
  it.each(['amr', 'awb'] as const)('%s in both forms of its payload becomes the file it came from', (kind) => {
    const file = vectorFile(`../kept/caller.${kind}`)
    const described = codec(kind === 'amr' ? 'AMR' : 'AMR-WB', { clockRate: kind === 'amr' ? 8_000 : 16_000 })
    for (const [form, fmtp] of [
      ['octetAligned', 'mode-set=7; octet-align=1'],
      ['bandwidthEfficient', undefined],
    ] as const) {
      const framing = only({ ...described, ...(fmtp === undefined ? {} : { fmtp }) })
      const framed = amrPayloads(kind, form).map((payload) => framing.split(payload))
      expect(framed).toHaveLength(200)
      expect(new Set(framed.map((packet) => packet?.decodedSamples))).toEqual(new Set([described.clockRate / 50]))
      const joined = framing.join(framed.flatMap((packet) => (packet === undefined ? [] : [packet.frames])))
      expect(Buffer.from(joined).equals(file)).toBe(true)
    }
  })

  it('of several frames is taken apart; comfort noise and lost frames are silence', () => {
    const framing = only(codec('AMR', { fmtp: 'octet-align=1' }))
    // 4.75 kbit/s, comfort noise, nothing, 4.75 kbit/s.
    const contents = [0x80 | 0x04, 0x80 | (8 << 3) | 4, 0x80 | (15 << 3) | 4, 0x04]
    const payload = Uint8Array.of(0xf0, ...contents, ...new Uint8Array(12), ...new Uint8Array(5), ...new Uint8Array(12))
    expect(lengths(framing, payload)).toEqual([320, 320])
    expect(framing.split(payload)?.frames).toHaveLength(26)
  })

  it('that is cut off, of a reserved type, or endless is not taken', () => {
    const framing = only(codec('AMR', { fmtp: 'octet-align=1' }))
    expect(lengths(framing, Uint8Array.of(0xf0, 0x3c, 1, 2))).toBeUndefined()
    expect(lengths(framing, Uint8Array.of(0xf0, (9 << 3) | 4, ...new Uint8Array(40)))).toBeUndefined()
    expect(lengths(framing, new Uint8Array(300).fill(0xfc))).toBeUndefined()
    expect(lengths(framing, new Uint8Array())).toBeUndefined()
  })

  it('with CRCs, sorted or interleaved is left to others', () => {
    for (const fmtp of ['crc=1', 'octet-align=1;robust-sorting=1', 'octet-align=1; interleaving=5'])
      expect(framingsOf(codec('AMR', { fmtp }))).toEqual([])
    expect(framingsOf(codec('AMR', { channels: 2 }))).toEqual([])
    expect(framingsOf(codec('AMR-WB'))).toEqual([])
  })
})

describe('Speex', () => {
  // Narrowband mode 0 is five bits: 0 0000; the terminator 0 1111.
  const bits = (text: string) =>
    Uint8Array.from({ length: Math.ceil(text.length / 8) }, (_, index) =>
      Number.parseInt(text.slice(index * 8, index * 8 + 8).padEnd(8, '1'), 2),
    )

  it('has its frames counted, and each count a framing of its own', () => {
    const framings = framingsOf(codec('SPEEX'))
    const takers = (payload: Uint8Array) => framings.flatMap((framing) => framing.split(payload)?.decodedSamples ?? [])
    expect(takers(bits('0000001111'))).toEqual([160])
    expect(takers(bits('000000000001111'))).toEqual([320])
    expect(takers(bits(`00001${'0'.repeat(38)}01111`))).toEqual([160])
    // A wide layer of 36 bits on top belongs to its frame.
    expect(takers(bits(`000001001${'0'.repeat(32)}01111`))).toEqual([160])
    expect(takers(bits('01001000'))).toEqual([])
    expect(takers(bits('10010000'))).toEqual([])
    expect(takers(new Uint8Array())).toEqual([])
  })

  it('becomes Ogg: a header, comments, and a page that ends it', () => {
    const [one] = framingsOf(codec('SPEEX', { clockRate: 16_000 }))
    const file = one?.join([new Uint8Array(10), new Uint8Array(12)]) ?? new Uint8Array()
    const first = readOggPage(file, 0)
    if (!first.ok) throw new Error(first.reason)
    expect(first.value.beginOfStream).toBe(true)
    expect(Buffer.from(first.value.body).subarray(0, 8).toString()).toBe('Speex   ')
    expect(new DataView(first.value.body.slice().buffer).getInt32(36, true)).toBe(16_000)
    const second = readOggPage(file, first.value.length)
    if (!second.ok) throw new Error(second.reason)
    const third = readOggPage(file, first.value.length + second.value.length)
    expect(third).toMatchObject({ ok: true, value: { endOfStream: true, granulePosition: 640 } })
  })

  it('of another rate or more channels is left to others', () => {
    expect(framingsOf(codec('SPEEX', { clockRate: 11_025 }))).toEqual([])
    expect(framingsOf(codec('SPEEX', { channels: 2 }))).toEqual([])
  })
})

describe('any payload', () => {
  const codecs = [
    ...['G729', 'G723', 'GSM', 'ILBC', 'SPEEX', 'G726-24', 'AAL2-G726-40', 'L16', 'AMR'].map((name) => codec(name)),
    codec('AMR-WB', { clockRate: 16_000, fmtp: 'octet-align=1' }),
  ]

  it('is taken or not, never thrown at, and lasts no longer than audio of a call can', () => {
    const payload = fc.uint8Array({ maxLength: 1_500 })
    fc.assert(
      fc.property(payload, fc.constantFrom(...codecs), (bytes, described) => {
        for (const framing of framingsOf(described)) {
          const framed = framing.split(bytes)
          if (framed === undefined) continue
          const samples = framed.decodedSamples + framed.silentSamples
          expect(samples).toBeLessThanOrEqual(framing.sampleRate * PAYLOAD_SECONDS_MAX)
          expect(samples).toBeGreaterThan(0)
          expect(framed.frames.length === 0).toBe(framed.decodedSamples === 0)
          expect(framing.join([framed.frames]).length).toBeGreaterThanOrEqual(framed.frames.length)
        }
      }),
      { numRuns: 500 },
    )
  })
})

describe('what the framings are made of', () => {
  it('format parameters are found whatever their case and spaces', () => {
    expect(formatParameter(' Octet-Align = 1 ;mode-set=0,2', 'octet-align')).toBe('1')
    expect(formatParameter('mode-set=0,2', 'octet-align')).toBeUndefined()
    expect(formatParameter(undefined, 'crc')).toBeUndefined()
    expect(formatParameter('octet-align', 'octet-align')).toBeUndefined()
  })

  it('bits are read from the most significant on, and zeros past the end', () => {
    const reader = new BitReader(Uint8Array.of(0b1010_0101, 0xff))
    expect([reader.read(1), reader.read(3), reader.read(4)]).toEqual([1, 2, 5])
    const target = new Uint8Array(2)
    reader.copy(4, target)
    expect(target[0]).toBe(0xf0)
    reader.align()
    expect([reader.bitsLeft, reader.isPastEnd, reader.read(3), reader.isPastEnd]).toEqual([0, false, 0, true])
  })
})

describe('Opus', () => {
  const opus = () => only(codec('OPUS', { clockRate: 48_000, channels: 2 }))

  it('takes the length of a packet from its own first octets, and nothing that is no packet', () => {
    expect([120, 960, 2_880].map((samples) => lengths(opus(), silentOpusPacket(samples)))).toEqual([
      [120, 0],
      [960, 0],
      [2_880, 0],
    ])
    // Code 3 without a frame; nothing at all.
    expect([Uint8Array.of(3, 0), new Uint8Array(0)].map((payload) => lengths(opus(), payload))).toEqual([
      undefined,
      undefined,
    ])
    expect(framingsOf(codec('OPUS', { clockRate: 8_000 }))).toEqual([])
  })

  it('joins packets to a file that holds them bit for bit, and says how long they are', () => {
    const packets = Array.from({ length: 120 }, (_, index) => Uint8Array.of(8, index, 2 * index))
    const read = readOggOpus(opus().join(packets))
    expect(read.ok && read.value.map(({ granulePosition, endOfStream }) => [granulePosition, endOfStream])).toEqual([
      [120 * 960, true],
    ])
    expect(read.ok && read.value[0]?.packets.map(({ data }) => [...data])).toEqual(packets.map((packet) => [...packet]))
  })
})
