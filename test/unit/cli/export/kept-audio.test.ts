import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { describe, expect, it } from 'vitest'

import type { DecodeRequest } from '../../../../src/cli/export/ffmpeg.ts'
import { KeptAudio } from '../../../../src/cli/export/kept-audio.ts'
import { keptStreams, type KeptPacket, type KeptStreamPackets } from '../../../../src/cli/export/kept-packets.ts'
import { separateOgg, toWav } from '../../../../src/cli/export/render.ts'
import { writeRtpdumps } from '../../../../src/cli/export/rtpdump-files.ts'
import type { KeptFormat } from '../../../../src/evidence/manifest.ts'
import { readOggOpus, type OggOpusLink } from '../../../../src/media/ogg-opus.ts'
import { splitMultistreamPacket } from '../../../../src/media/opus-packet.ts'
import { readWav } from '../../../../src/media/wav.ts'
import { OggLink } from '../../../../src/recorder/audio-writer.ts'
import { accepted, rejected } from '../../../../src/result.ts'
import { matchAudio, tone } from '../../../support/audio.ts'
import { EncoderStock } from '../../../support/recording-rig.ts'
import { vectorFile, vectorText } from '../../../vectors/evidence/sample-recording.ts'

const RATE = 8_000
const MS = 48
const L16: KeptFormat = { fromSample: 0, payloadType: 96, encoding: 'L16', clockRate: RATE, channels: 1 }

/** 20 ms of L16 in each packet, all its samples of one value. */
function packetAt(ms: number, value: number, format = L16): KeptPacket {
  const payload = new Uint8Array(320)
  for (let at = 0; at < 320; at += 2) payload.set([value >> 8, value & 0xff], at)
  return { fromSample: ms * MS, bytes: payload, payload, format }
}

function streamOf(packets: readonly KeptPacket[], change: Partial<KeptStreamPackets> = {}): KeptStreamPackets {
  return { streamId: '0', channel: 0, startUnixMs: 0, packets, undecoded: undefined, ...change }
}

/** What FFmpeg would do with L16 at the same rate. */
function decodeL16({ bytes }: DecodeRequest) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  return Promise.resolve(accepted(Int16Array.from({ length: bytes.length / 2 }, (_, at) => view.getInt16(at * 2))))
}

async function added(kept: KeptAudio, channels: readonly Int16Array[]): Promise<void> {
  await kept.addTo({ sampleRate: RATE, channels })
}

/** Runs of equal samples, as `value x count`. */
function runs(samples: Int16Array): string {
  const found: string[] = []
  for (let from = 0; from < samples.length;) {
    let to = from
    while (to < samples.length && samples[to] === samples[from]) to += 1
    found.push(`${samples[from] ?? 0} x ${to - from}`)
    from = to
  }
  return found.join(', ')
}

describe('audio that was kept as it came', () => {
  it('is put where its packets stand', async () => {
    const channel = new Int16Array(1_600)
    const kept = new KeptAudio([streamOf([packetAt(40, 7), packetAt(60, 8), packetAt(140, 9)])], decodeL16)
    await added(kept, [channel])
    expect(runs(channel)).toBe('0 x 320, 7 x 160, 8 x 160, 0 x 480, 9 x 160, 0 x 320')
    expect([kept.undecoded, kept.warnings, kept.sampleRate]).toEqual([[], [], RATE])
  })

  it('has no seam where times of packets are only rounded', async () => {
    const channel = new Int16Array(800)
    const packets = [packetAt(10, 7), packetAt(29, 7), packetAt(51, 7)]
    await added(new KeptAudio([streamOf(packets)], decodeL16), [channel])
    expect(runs(channel)).toBe('0 x 80, 7 x 480, 0 x 240')
  })

  it('fills nothing but what the manifest says was not decoded, and adds to what is there', async () => {
    const channel = new Int16Array(800).fill(100)
    const undecoded = [
      { fromSample: 10 * MS, toSample: 30 * MS },
      { fromSample: 35 * MS, toSample: 45 * MS },
    ]
    const packets = [packetAt(0, 7), packetAt(20, 7), packetAt(40, 7)]
    await added(new KeptAudio([streamOf(packets, { undecoded })], decodeL16), [channel])
    expect(runs(channel)).toBe('100 x 80, 107 x 160, 100 x 40, 107 x 80, 100 x 440')
  })

  it('does not wrap where it is loud, nor reach past the end', async () => {
    const channel = new Int16Array(240).fill(30_000)
    await added(new KeptAudio([streamOf([packetAt(20, 30_000)])], decodeL16), [channel])
    expect(runs(channel)).toBe('30000 x 160, 32767 x 80')
  })

  it('stays silent, counted and explained, where nobody decodes it', async () => {
    const evs: KeptFormat = { ...L16, encoding: 'EVS' }
    const channel = new Int16Array(800)
    const broken = { ...packetAt(40, 1), payload: new Uint8Array(3) }
    const kept = new KeptAudio([streamOf([packetAt(0, 7), packetAt(20, 7, evs), broken])], decodeL16)
    await added(kept, [channel])
    expect(runs(channel)).toBe('7 x 160, 0 x 640')
    expect(kept.undecoded).toEqual([
      { channel: 0, encoding: 'EVS', packets: 1, reason: 'noDecoder' },
      { channel: 0, encoding: 'L16', packets: 1, reason: 'payload' },
    ])
    expect(kept.warnings).toEqual([
      expect.stringMatching(/^warning: 1 packets of EVS on channel 1 were kept .*: no decoder is known for it\.$/),
      expect.stringContaining('not as the payload format'),
      'hint: --format rtpdump writes them as they came.',
    ])
  })

  it('is not looked for in parts when there is no FFmpeg', async () => {
    let asked = 0
    const kept = new KeptAudio([streamOf(Array.from({ length: 100 }, (_, at) => packetAt(at * 20, 7)))], () => {
      asked += 1
      return Promise.resolve(rejected('missing'))
    })
    await added(kept, [new Int16Array(800)])
    expect(asked).toBe(1)
    expect(kept.undecoded).toEqual([{ channel: 0, encoding: 'L16', packets: 100, reason: 'missing' }])
  })

  it('is decoded in parts around a packet that the decoder drops, and the others keep their places', async () => {
    const packets = Array.from({ length: 100 }, (_, at) => packetAt(at * 20, at === 37 ? -1 : at + 1))
    let asked = 0
    const kept = new KeptAudio([streamOf(packets)], async (request) => {
      asked += 1
      const decoded = await decodeL16(request)
      return accepted(decoded.value.filter((sample) => sample !== -1))
    })
    const channel = new Int16Array(100 * 160)
    await added(kept, [channel])
    expect(kept.undecoded.map(({ reason }) => reason)).toEqual(['payload'])
    const silent = kept.undecoded[0]?.packets ?? 0
    expect(silent).toBeLessThan(16)
    expect(packets.filter((_, at) => channel[at * 160 + 80] === at + 1)).toHaveLength(100 - silent)
    expect(asked).toBeLessThan(16)
  })

  it('is not decoded without end when the decoder gives nothing', async () => {
    let asked = 0
    const kept = new KeptAudio([streamOf(Array.from({ length: 5_000 }, (_, at) => packetAt(at * 20, 7)))], () => {
      asked += 1
      return Promise.resolve(rejected('failed'))
    })
    await added(kept, [new Int16Array(800)])
    expect(asked).toBeLessThanOrEqual(64)
    expect(kept.undecoded).toEqual([{ channel: 0, encoding: 'L16', packets: 5_000, reason: 'failed' }])
  })
})

describe('with the other channels', () => {
  const voice = tone({ frequency: 700, sampleRate: RATE, samples: 2 * RATE, amplitude: 0.3 })

  async function links(): Promise<readonly OggOpusLink[]> {
    const encoders = await EncoderStock.of(2)
    const link = new OggLink({
      ...{
        layout: 'separate',
        labels: ['1', '2'],
        rates: [RATE, RATE],
        serialNumber: 1,
        startSample: 0,
        takeEncoder: encoders.take,
      },
    })
    const pages = [link.headers()]
    for (let from = 0; from < voice.length; from += 160) {
      const page = link.write([voice.subarray(from, from + 160), new Int16Array(160)])
      if (page !== undefined) pages.push(page)
    }
    pages.push(link.end())
    const read = readOggOpus(Buffer.concat(pages))
    if (!read.ok) throw new Error(read.reason)
    return read.value
  }

  /** A tone of 1,300 Hz in the second half of the second channel. */
  const spoken = tone({ frequency: 1_300, sampleRate: RATE, samples: RATE, amplitude: 0.3 })
  const packets = Array.from({ length: 50 }, (_, at): KeptPacket => {
    const payload = Buffer.alloc(320)
    for (let i = 0; i < 160; i += 1) payload.writeInt16BE(spoken[at * 160 + i] ?? 0, i * 2)
    return { fromSample: (1_000 + at * 20) * MS, bytes: payload, payload, format: L16 }
  })
  const kept = () => new KeptAudio([streamOf(packets, { channel: 1 })], decodeL16)

  it('only its channel is encoded again; the packets of the others stay bit for bit', async () => {
    const before = await links()
    const ogg = await separateOgg(before, kept())
    const after = readOggOpus(ogg ?? new Uint8Array())
    if (!after.ok) throw new Error(after.reason)
    const first = (all: readonly OggOpusLink[], stream: number) =>
      all[0]?.packets.map(({ data }) => {
        const split = splitMultistreamPacket(data, 2)
        return split.ok ? Buffer.from(split.value[stream] ?? []).toString('hex') : ''
      })
    expect(first(after.value, 0)).toEqual(first(before, 0))
    expect(first(after.value, 1)).not.toEqual(first(before, 1))
    const wav = readWav(await toWav(after.value, 'separate'))
    const heard = wav.ok ? wav.value.channels[1] : undefined
    expect(heard).toHaveLength(2 * RATE)
    expect(Math.max(...(heard ?? []).slice(0, RATE - 200))).toBeLessThan(500)
    expect(matchAudio(spoken, (heard ?? new Int16Array()).slice(RATE), { lagMax: 3 })).toMatchObject({ lag: 0 })
  })

  it('nothing is encoded again when nothing was kept', async () => {
    const before = await links()
    const [plain, none] = [await separateOgg(before), await separateOgg(before, new KeptAudio([]))]
    expect(Buffer.from(plain ?? []).equals(none ?? Buffer.of())).toBe(true)
  })
})

describe('the packets of a recording', () => {
  const objects = ['000000', '000001'].map((seq) => vectorFile(`recording-2/clear/rtp-${seq}.rtpdump`))
  const manifest = JSON.parse(vectorText('recording-2/manifest.json'))
  const opened = objects.map((clear, index) => ({ entry: manifest.kept[index], clear }))

  it('are put together by stream, each with its place, and with where the manifest says they are missed', () => {
    const streams = keptStreams(opened, manifest)
    expect(streams).toMatchObject([
      {
        ...{ streamId: '1', channel: 1, startUnixMs: Date.UTC(2025, 10, 23, 9, 0, 0, 250) },
        undecoded: [{ fromSample: 96_000, toSample: 144_000 }],
      },
    ])
    const packets = streams?.[0]?.packets ?? []
    expect(packets.map(({ fromSample }) => fromSample)).toEqual(packets.map((_, at) => 96_000 + at * 960))
    expect(new Set(packets.map(({ format }) => format.encoding))).toEqual(new Set(['G729']))
    const g729 = vectorFile('../kept/caller.g729').subarray(2_000, 3_000)
    expect(Buffer.concat(packets.map(({ payload }) => payload)).equals(g729)).toBe(true)
    expect(keptStreams(opened, { streams: [] })?.[0]?.undecoded).toBeUndefined()
    expect(keptStreams([{ entry: manifest.kept[0], clear: new Uint8Array(9) }], manifest)).toBeUndefined()
  })

  it('have the meaning that their payload type had there', () => {
    const [entry] = manifest.kept
    const changed = {
      ...entry,
      formats: [...entry.formats, { ...entry.formats[0], fromSample: 96_000 + 10 * 960 + 30, encoding: 'L16' }],
    }
    const streams = keptStreams([{ entry: changed, clear: opened[0]?.clear ?? new Uint8Array() }], manifest)
    const names = (streams?.[0]?.packets ?? []).map(({ format }) => format.encoding)
    expect(names).toEqual([...Array(10).fill('G729'), ...Array(15).fill('L16')])
  })

  it('become one file for each stream, all objects of it under one head, and an SDP', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'earwitness-rtpdump-'))
    try {
      const output = join(folder, 'packets')
      const streams = keptStreams(opened, manifest) ?? []
      expect(await writeRtpdumps(output, streams)).toEqual([
        { file: join(output, 'stream-1.rtpdump'), streamId: '1', channel: 1, encodings: ['G729'], packets: 50 },
      ])
      const [first, second] = objects
      const whole = Buffer.concat([first ?? Buffer.of(), (second ?? Buffer.of()).subarray(39)])
      expect((await readFile(join(output, 'stream-1.rtpdump'))).equals(whole)).toBe(true)
      const sdp = await readFile(join(output, 'stream-1.sdp'), 'utf8')
      expect(sdp.split('\r\n').slice(5)).toEqual([
        ...['m=audio 5004 RTP/AVP 18', 'a=rtpmap:18 G729/8000', 'a=fmtp:18 annexb=no', ''],
      ])
      await expect(writeRtpdumps(output, streams)).rejects.toMatchObject({ code: 'export-not-written' })
      expect(await readdir(folder)).toEqual(['packets'])
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})
