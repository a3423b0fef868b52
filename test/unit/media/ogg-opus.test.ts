import { describe, expect, it } from 'vitest'

import { flattenLinks, linkLabels, linkStart, audioSamples } from '../../../src/media/flatten-links.ts'
import { OggPageWriter, readOggPage } from '../../../src/media/ogg.ts'
import { OggOpusWriter, readOggOpus, type OggOpusLink } from '../../../src/media/ogg-opus.ts'
import { opusHead, opusTags } from '../../../src/media/opus-headers.ts'
import { joinMultistreamPacket, silentOpusPacket, splitMultistreamPacket } from '../../../src/media/opus-packet.ts'

const PRE_SKIP = 312
const FRAME = 960

function bytesOf(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]))
}

/** A packet of 20 ms that carries a mark instead of audio: which stream, which frame. */
function marked(stream: number, frame: number): Uint8Array {
  return Uint8Array.of(1 << 3, stream, frame & 0xff, frame >> 8)
}

interface LinkSketch {
  readonly serialNumber: number
  readonly labels: readonly string[]
  readonly startFrame: number
  readonly frames: number
  /** Marks of streams, so that links can be told apart. Default: 0, 1, 2, ... */
  readonly marks?: readonly number[]
}

/** A link as the recorder writes it: whole frames of audio, and one more that pushes the encoder's delay out. */
function writeLink({ serialNumber, labels, startFrame, frames, marks }: LinkSketch): Uint8Array {
  const writer = new OggOpusWriter({
    serialNumber,
    streamCount: labels.length,
    inputSampleRate: 8_000,
    preSkip: PRE_SKIP,
    comments: [
      ['EARWITNESS_LINK_START', String(startFrame * FRAME)],
      ...labels.map((label, channel) => [`EARWITNESS_CHANNEL_${channel}`, label] as const),
    ],
  })
  const packets = Array.from({ length: frames + 1 }, (_, frame) =>
    joinMultistreamPacket(labels.map((_label, stream) => marked(marks?.[stream] ?? stream, frame))),
  )
  return bytesOf(writer.headers(), writer.page(packets, PRE_SKIP + frames * FRAME, { endOfStream: true }))
}

function linksOf(bytes: Uint8Array): readonly OggOpusLink[] {
  const links = readOggOpus(bytes)
  if (!links.ok) throw new Error(links.reason)
  return links.value
}

function only(bytes: Uint8Array): OggOpusLink {
  const [link, ...others] = linksOf(bytes)
  if (link === undefined || others.length > 0) throw new Error('not one link')
  return link
}

/** What channel `channel` plays in each frame: a mark, or "silence". */
function marksOf(link: OggOpusLink, channel: number): string[] {
  return link.packets.map(({ data }) => {
    const split = splitMultistreamPacket(data, link.streamCount)
    const packet = split.ok ? split.value[channel] : undefined
    if (packet === undefined) return 'malformed'
    return packet[0] === 1 << 3 ? `${packet[1]}:${packet[2]}` : 'silence'
  })
}

describe('an Ogg Opus link', () => {
  it('has an identification header of family 0 for one stream, 1 up to eight, 255 beyond', () => {
    const common = { inputSampleRate: 8_000, preSkip: PRE_SKIP }
    expect([...opusHead({ ...common, streamCount: 1 })]).toEqual([
      ...new TextEncoder().encode('OpusHead'),
      ...[1, 1, 0x38, 1, 0x40, 0x1f, 0, 0, 0, 0, 0],
    ])
    expect([...opusHead({ ...common, streamCount: 3 }).subarray(16)]).toEqual([0, 0, 1, 3, 0, 0, 1, 2])
    expect(opusHead({ ...common, streamCount: 9 })[18]).toBe(255)
  })

  it('comes back with its comments, packets and length', () => {
    const bytes = writeLink({ serialNumber: 5, labels: ['caller', 'Ünïcode = 2'], startFrame: 3, frames: 60 })
    const link = only(bytes)
    expect(link).toMatchObject({
      serialNumber: 5,
      streamCount: 2,
      channelMapping: [0, 1],
      preSkip: PRE_SKIP,
      inputSampleRate: 8_000,
      granulePosition: PRE_SKIP + 60 * FRAME,
      endOfStream: true,
      comments: [
        ['EARWITNESS_LINK_START', '2880'],
        ['EARWITNESS_CHANNEL_0', 'caller'],
        ['EARWITNESS_CHANNEL_1', 'Ünïcode = 2'],
      ],
    })
    expect(link.packets.length).toBe(61)
    expect(linkLabels(link)).toEqual(['caller', 'Ünïcode = 2'])
    expect(linkStart(link)).toBe(2_880)
    expect(audioSamples(link)).toBe(60 * FRAME)
  })

  it('counts the granule of every page when one call makes several', () => {
    const writer = new OggOpusWriter({
      serialNumber: 1,
      streamCount: 1,
      inputSampleRate: 8_000,
      preSkip: 0,
      comments: [],
    })
    const pages = writer.page(
      Array.from({ length: 300 }, () => silentOpusPacket(FRAME)),
      300 * FRAME,
    )
    const first = readOggPage(pages, 0)
    expect(first.ok && first.value.granulePosition).toBe(255 * FRAME)
    const second = first.ok ? readOggPage(pages, first.value.length) : first
    expect(second.ok && second.value.granulePosition).toBe(300 * FRAME)
  })

  it('may be cut short between pages, as a crash leaves it', () => {
    const writer = new OggOpusWriter({
      serialNumber: 1,
      streamCount: 1,
      inputSampleRate: 8_000,
      preSkip: 0,
      comments: [],
    })
    const headers = writer.headers()
    const first = writer.page([silentOpusPacket(FRAME)], FRAME)
    expect(only(headers)).toMatchObject({ packets: [], granulePosition: 0, endOfStream: false })
    expect(only(bytesOf(headers, first))).toMatchObject({ granulePosition: FRAME, endOfStream: false })
  })

  it('may have comments that need several pages', () => {
    const comments = [['LONG', 'x'.repeat(200_000)]] as const
    const writer = new OggOpusWriter({ serialNumber: 1, streamCount: 1, inputSampleRate: 8_000, preSkip: 0, comments })
    expect(only(writer.headers()).comments).toEqual(comments)
  })

  it('of others may be stereo without a mapping of channels: one channel here', () => {
    const writer = new OggPageWriter(1)
    const head = Uint8Array.from(opusHead({ streamCount: 1, inputSampleRate: 48_000, preSkip: 312 }), (byte, at) =>
      at === 9 ? 2 : byte,
    )
    const written = bytesOf(
      writer.write([{ data: head, granulePosition: 0 }], { beginOfStream: true }),
      writer.write([{ data: opusTags([]), granulePosition: 0 }]),
    )
    expect(only(written)).toMatchObject({ streamCount: 1, channelMapping: [0], preSkip: 312, inputSampleRate: 48_000 })
  })

  it('has at least one stream and at most 255', () => {
    const common = { serialNumber: 1, inputSampleRate: 8_000, preSkip: 0, comments: [] }
    expect(() => new OggOpusWriter({ ...common, streamCount: 0 })).toThrow(RangeError)
    expect(() => new OggOpusWriter({ ...common, streamCount: 256 })).toThrow(RangeError)
  })
})

describe('a file is refused', () => {
  const file = writeLink({ serialNumber: 5, labels: ['1'], startFrame: 0, frames: 3 })

  function reasonOf(bytes: Uint8Array): string {
    const read = readOggOpus(bytes)
    return read.ok ? 'accepted' : read.reason
  }

  function pages(serialNumber: number, packets: readonly Uint8Array[]): Uint8Array {
    const writer = new OggPageWriter(serialNumber)
    return bytesOf(
      ...packets.map((data, index) => writer.write([{ data, granulePosition: 0 }], { beginOfStream: index === 0 })),
    )
  }

  const head = opusHead({ streamCount: 1, inputSampleRate: 8_000, preSkip: 0 })
  const tags = opusTags([])

  it('when it is empty or does not begin with a link', () => {
    expect(reasonOf(new Uint8Array(0))).toBe('link')
    expect(reasonOf(new OggPageWriter(1).write([{ data: head, granulePosition: 0 }]))).toBe('link')
  })

  it('when a page is missing, twice, damaged or cut off', () => {
    const first = readOggPage(file, 0)
    const second = first.ok ? readOggPage(file, first.value.length) : first
    if (!first.ok || !second.ok) throw new Error('no pages')
    const tagsAt = first.value.length
    const audioAt = tagsAt + second.value.length
    expect(reasonOf(bytesOf(file.subarray(0, tagsAt), file.subarray(audioAt)))).toBe('pageSequence')
    expect(reasonOf(bytesOf(file.subarray(0, audioAt), file.subarray(tagsAt)))).toBe('pageSequence')
    expect(reasonOf(file.subarray(0, -1))).toBe('truncated')
    expect(reasonOf(Uint8Array.from(file, (byte, at) => (at === file.length - 1 ? byte ^ 1 : byte)))).toBe('crc')
  })

  it('when pages of two streams are interleaved, or follow the end', () => {
    expect(reasonOf(bytesOf(pages(1, [head, tags]), new OggPageWriter(2).write([])))).toBe('link')
    const writer = new OggPageWriter(1)
    const ended = writer.write([{ data: head, granulePosition: 0 }], { beginOfStream: true, endOfStream: true })
    expect(reasonOf(bytesOf(ended, writer.write([{ data: tags, granulePosition: 0 }])))).toBe('link')
  })

  it('when a header is missing or malformed', () => {
    expect(reasonOf(pages(1, [tags, head]))).toBe('opusHead')
    expect(reasonOf(pages(1, [head]))).toBe('opusTags')
    expect(reasonOf(pages(1, [Uint8Array.from(head, (byte, at) => (at === 8 ? 0x10 : byte)), tags]))).toBe('opusHead')
    expect(reasonOf(pages(1, [Uint8Array.from(head, (byte, at) => (at === 9 ? 3 : byte)), tags]))).toBe('opusHead')
    expect(reasonOf(pages(1, [Uint8Array.from(head, (byte, at) => (at === 9 ? 0 : byte)), tags]))).toBe('opusHead')
    const coupled = Uint8Array.from(opusHead({ streamCount: 2, inputSampleRate: 8_000, preSkip: 0 }), (byte, at) =>
      at === 20 ? 1 : byte,
    )
    expect(reasonOf(pages(1, [coupled, tags]))).toBe('opusHead')
    expect(reasonOf(pages(1, [head, tags.subarray(0, -1)]))).toBe('opusTags')
    // The length of the one comment, four bytes before its three.
    const lying = opusTags([['A', 'b']])
    lying[lying.length - 7] = 200
    expect(reasonOf(pages(1, [head, lying]))).toBe('opusTags')
  })

  it('when a packet goes on to a page that does not continue it', () => {
    const writer = new OggPageWriter(1)
    const long = writer.write([{ data: new Uint8Array(255 * 255 + 1), granulePosition: 0 }], { beginOfStream: true })
    const first = readOggPage(long, 0)
    const onlyFirst = long.subarray(0, first.ok ? first.value.length : 0)
    expect(reasonOf(onlyFirst)).toBe('continuation')
    const other = new OggPageWriter(1)
    other.write([])
    expect(reasonOf(bytesOf(onlyFirst, other.write([{ data: head, granulePosition: 0 }])))).toBe('continuation')
  })
})

describe('flattening the links of a recording', () => {
  it('leaves a single link as it is', () => {
    const link = only(writeLink({ serialNumber: 5, labels: ['a', 'b'], startFrame: 0, frames: 120 }))
    const flat = only(flattenLinks([link], { serialNumber: 9, comments: [['TITLE', 'x']] }))
    expect(flat.packets.map(({ data }) => [...data])).toEqual(link.packets.map(({ data }) => [...data]))
    expect(flat).toMatchObject({ serialNumber: 9, granulePosition: link.granulePosition, preSkip: PRE_SKIP })
    expect(flat.comments).toEqual([
      ['TITLE', 'x'],
      ['EARWITNESS_LINK_START', '0'],
      ['EARWITNESS_CHANNEL_0', 'a'],
      ['EARWITNESS_CHANNEL_1', 'b'],
    ])
  })

  it('puts silence where a stream was not there yet, and every frame where its link says', () => {
    const links = linksOf(
      bytesOf(
        writeLink({ serialNumber: 1, labels: ['a'], startFrame: 0, frames: 2, marks: [7] }),
        writeLink({ serialNumber: 2, labels: ['a', 'b'], startFrame: 2, frames: 2, marks: [7, 8] }),
      ),
    )
    const flat = only(flattenLinks(links))
    // Link 1's last frame only pushed the encoder's delay out: link 2's priming takes its time.
    expect(marksOf(flat, 0)).toEqual(['7:0', '7:1', '7:0', '7:1', '7:2'])
    expect(marksOf(flat, 1)).toEqual(['silence', 'silence', '8:0', '8:1', '8:2'])
    expect(audioSamples(flat)).toBe(4 * FRAME)
  })

  it('matches streams by label, whatever channel they are on, and keeps those that have gone', () => {
    const links = linksOf(
      bytesOf(
        writeLink({ serialNumber: 1, labels: ['a', 'b'], startFrame: 0, frames: 1, marks: [1, 2] }),
        writeLink({ serialNumber: 2, labels: ['c', 'b'], startFrame: 1, frames: 1, marks: [3, 2] }),
      ),
    )
    const flat = only(flattenLinks(links))
    expect(linkLabels(flat)).toEqual(['a', 'b', 'c'])
    expect(marksOf(flat, 0)).toEqual(['1:0', 'silence', 'silence'])
    expect(marksOf(flat, 1)).toEqual(['2:0', '2:0', '2:1'])
    expect(marksOf(flat, 2)).toEqual(['silence', '3:0', '3:1'])
  })

  it('tells two streams of the same label apart', () => {
    const link = only(writeLink({ serialNumber: 1, labels: ['x', 'x'], startFrame: 0, frames: 1 }))
    const flat = only(flattenLinks([link]))
    expect(flat.streamCount).toBe(2)
    expect(linkLabels(flat)).toEqual(['x', 'x'])
    expect(marksOf(flat, 1)).toEqual(['1:0', '1:1'])
  })

  it('fills a pause between links', () => {
    const links = linksOf(
      bytesOf(
        writeLink({ serialNumber: 1, labels: ['a'], startFrame: 0, frames: 1 }),
        writeLink({ serialNumber: 2, labels: ['a'], startFrame: 4, frames: 1 }),
      ),
    )
    expect(marksOf(only(flattenLinks(links)), 0)).toEqual(['0:0', '0:1', 'silence', 'silence', '0:0', '0:1'])
  })

  it('does not add up errors over many links', () => {
    const sketches = Array.from({ length: 40 }, (_, index) => ({
      serialNumber: index,
      labels: ['a'],
      startFrame: index * 5,
      frames: 5,
      marks: [index],
    }))
    const flat = only(flattenLinks(linksOf(bytesOf(...sketches.map(writeLink)))))
    expect(audioSamples(flat)).toBe(200 * FRAME)
    expect(marksOf(flat, 0)[195]).toBe('39:0')
  })

  it('refuses links that contradict each other', () => {
    expect(() => flattenLinks([])).toThrow('no link')
    const first = writeLink({ serialNumber: 1, labels: ['a'], startFrame: 0, frames: 5 })
    const overlapping = writeLink({ serialNumber: 2, labels: ['a'], startFrame: 2, frames: 5 })
    expect(() => flattenLinks(linksOf(bytesOf(first, overlapping)))).toThrow('does not begin where')
    const [one, two] = linksOf(bytesOf(first, writeLink({ serialNumber: 2, labels: ['a'], startFrame: 5, frames: 1 })))
    if (one === undefined || two === undefined) throw new Error('no links')
    expect(() => flattenLinks([one, { ...two, comments: [] }])).toThrow('does not say where')
    expect(() => flattenLinks([{ ...one, packets: [{ data: new Uint8Array(0) }] }])).toThrow('malformed')
  })
})
