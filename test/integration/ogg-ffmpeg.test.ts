import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { Application, createEncoder } from 'libopus-wasm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { flattenLinks } from '../../src/media/flatten-links.ts'
import { OggOpusWriter, readOggOpus } from '../../src/media/ogg-opus.ts'
import { joinMultistreamPacket, silentOpusPacket } from '../../src/media/opus-packet.ts'
import { matchAudio } from '../support/audio.ts'
import { decodeAudio, probeAudio } from '../support/ffmpeg.ts'

/** What this program writes, as FFmpeg hears it. */

const RATE = 8_000
const FRAME = 160
const FACTOR = 6
/** Samples at 8 kHz in which a place may be off: Opus keeps phase, so half a millisecond is generous. */
const LAG_MAX = 4

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'earwitness-ogg-'))
})
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

/** A tone that wanders in pitch and level, differently for every voice: nothing in it repeats, so its place is certain. */
function voice(pitch: number, samples: number): Int16Array {
  let phase = 0
  return Int16Array.from({ length: samples }, (_, at) => {
    const seconds = at / RATE
    phase += (2 * Math.PI * pitch * (1 + 0.3 * Math.sin(seconds * 3.1) + 0.2 * Math.sin(seconds * 17))) / RATE
    return Math.round(9_000 * (0.6 + 0.4 * Math.sin(seconds * 5.3 + pitch)) * Math.sin(phase))
  })
}

/**
 * A link as the recorder writes it, coded as CELT: FFmpeg 5's own decoder does not follow SILK exactly in pure tones.
 * Voices are at 8 kHz and all of one length.
 */
async function writeLink(options: {
  readonly serialNumber: number
  readonly labels: readonly string[]
  readonly voices: readonly Int16Array[]
  readonly startSample?: number
}): Promise<Uint8Array> {
  const { labels, voices, startSample = 0 } = options
  const encoders = await Promise.all(
    voices.map(() =>
      createEncoder({ channels: 1, sampleRate: RATE, bitrate: 24_000, application: Application.RestrictedLowDelay }),
    ),
  )
  const preSkip = (encoders[0]?.getLookahead() ?? 0) * FACTOR
  const samples = voices[0]?.length ?? 0
  const writer = new OggOpusWriter({
    serialNumber: options.serialNumber,
    streamCount: voices.length,
    inputSampleRate: RATE,
    preSkip,
    comments: [
      ['EARWITNESS_LINK_START', String(startSample * FACTOR)],
      ...labels.map((label, channel) => [`EARWITNESS_CHANNEL_${channel}`, label] as const),
    ],
  })
  const pages = [writer.headers()]
  const frames = Math.ceil((samples + preSkip / FACTOR) / FRAME)
  let packets: Uint8Array[] = []
  for (let frame = 0; frame < frames; frame++) {
    const encoded = encoders.map((encoder, index) => {
      const input = new Int16Array(FRAME)
      input.set(voices[index]?.subarray(frame * FRAME, (frame + 1) * FRAME) ?? [])
      return encoder.encode(input).slice()
    })
    packets.push(joinMultistreamPacket(encoded))
    const last = frame === frames - 1
    if (packets.length < 50 && !last) continue
    const granule = last ? preSkip + samples * FACTOR : (frame + 1) * FRAME * FACTOR
    pages.push(writer.page(packets, granule, { endOfStream: last }))
    packets = []
  }
  for (const encoder of encoders) encoder.free()
  return Buffer.concat(pages)
}

async function heard(name: string, bytes: Uint8Array): Promise<readonly Int16Array[]> {
  const file = join(folder, `${name}.ogg`)
  await writeFile(file, bytes)
  return await decodeAudio(file, RATE)
}

function expectSame(reference: Int16Array, sound: Int16Array | undefined, delay = 0): void {
  const { correlation, lag } = matchAudio(reference, sound ?? new Int16Array(reference.length), {
    lagMax: RATE / 2 + delay,
  })
  expect(correlation).toBeGreaterThan(0.9)
  expect(Math.abs(lag - delay)).toBeLessThanOrEqual(LAG_MAX)
}

function loudest(samples: Int16Array): number {
  return samples.reduce((greatest, sample) => Math.max(greatest, Math.abs(sample)), 0)
}

describe('an Ogg Opus file of ours, decoded by FFmpeg,', () => {
  it('with one stream is mono', async () => {
    const only = voice(400, 3 * RATE)
    const [sound, ...others] = await heard('one', await writeLink({ serialNumber: 1, labels: ['a'], voices: [only] }))
    expect(others).toEqual([])
    expectSame(only, sound)
  })

  it('with two streams has the first left and the second right, and nothing of the one in the other', async () => {
    const [left, right] = [voice(300, 5 * RATE), voice(900, 5 * RATE)]
    const file = await writeLink({ serialNumber: 2, labels: ['caller', 'callee'], voices: [left, right] })
    const sound = await heard('two', file)
    expect(sound.length).toBe(2)
    expectSame(left, sound[0])
    expectSame(right, sound[1])
    const silent = new Int16Array(5 * RATE)
    const oneSided = await heard(
      'one-sided',
      await writeLink({ serialNumber: 3, labels: ['a', 'b'], voices: [left, silent] }),
    )
    expectSame(left, oneSided[0])
    expect(loudest(oneSided[1] ?? left)).toBeLessThan(8)
  })

  it('with three streams has them as left, centre and right (RFC 7845 5.1.1.2)', async () => {
    const voices = [voice(300, 3 * RATE), voice(700, 3 * RATE), voice(1_300, 3 * RATE)] as const
    const sound = await heard('three', await writeLink({ serialNumber: 4, labels: ['a', 'b', 'c'], voices }))
    expect(sound.length).toBe(3)
    // FFmpeg gives left, right, centre.
    expectSame(voices[0], sound[0])
    expectSame(voices[1], sound[2])
    expectSame(voices[2], sound[1])
  })

  it.each([159, 160, 161, 8_000, 12_345])(
    'ends after exactly %i samples, as its granule position says',
    async (samples) => {
      const file = await writeLink({
        serialNumber: 5,
        labels: ['a', 'b'],
        voices: [voice(300, samples), voice(900, samples)],
      })
      const name = `end-${samples}`
      await writeFile(join(folder, `${name}.ogg`), file)
      const probed = await probeAudio(join(folder, `${name}.ogg`))
      expect(probed).toMatchObject({ codecName: 'opus', channels: 2, sampleRate: 48_000 })
      const decoded = await decodeAudio(join(folder, `${name}.ogg`), 48_000)
      expect(decoded[0]?.length).toBe(samples * FACTOR)
    },
  )

  it('is silent where silent packets stand, of every length there is', async () => {
    for (const samples of [120, 240, 480, 960, 1_920, 5_760]) {
      const writer = new OggOpusWriter({
        serialNumber: 6,
        streamCount: 2,
        inputSampleRate: RATE,
        preSkip: 0,
        comments: [],
      })
      const packets = Array.from({ length: 20 }, () =>
        joinMultistreamPacket([silentOpusPacket(samples), silentOpusPacket(samples)]),
      )
      const page = writer.page(packets, 20 * samples, { endOfStream: true })
      await writeFile(join(folder, 'silence.ogg'), Buffer.concat([writer.headers(), page]))
      const sound = await decodeAudio(join(folder, 'silence.ogg'), 48_000)
      expect(sound.map((channel) => [channel.length, loudest(channel)])).toEqual([
        [20 * samples, 0],
        [20 * samples, 0],
      ])
    }
  })
})

describe('flattened links, decoded by FFmpeg,', () => {
  it('are one stereo file: the second voice silent at first, everything in its place, and of the right length', async () => {
    const early = voice(300, 2 * RATE)
    const [left, right] = [voice(500, 3 * RATE), voice(1_100, 3 * RATE)]
    const chained = Buffer.concat([
      await writeLink({ serialNumber: 7, labels: ['caller'], voices: [early] }),
      await writeLink({ serialNumber: 8, labels: ['caller', 'callee'], voices: [left, right], startSample: 2 * RATE }),
    ])
    const links = readOggOpus(chained)
    if (!links.ok) throw new Error(links.reason)
    const file = join(folder, 'flat.ogg')
    await writeFile(file, flattenLinks(links.value, { serialNumber: 9 }))
    expect(await probeAudio(file)).toMatchObject({ channels: 2, codecName: 'opus' })
    const exact = await decodeAudio(file, 48_000)
    expect(exact[0]?.length).toBe(5 * RATE * FACTOR)
    const [caller = new Int16Array(0), callee = new Int16Array(0)] = await decodeAudio(file, RATE)
    expectSame(early, caller.subarray(0, 2 * RATE))
    expectSame(left, caller.subarray(2 * RATE))
    expectSame(right, callee.subarray(2 * RATE))
    // Its last frame already rises into the voice that begins.
    expect(loudest(callee.subarray(0, 2 * RATE - FRAME))).toBeLessThan(8)
    // Of the first link only the end is missing, which the priming of the second takes.
    expectSame(early.subarray(-RATE / 2, -60), caller.subarray(2 * RATE - RATE / 2, 2 * RATE - 60))
  })

  it('keep their places over many links', async () => {
    const parts = Array.from({ length: 12 }, (_, index) => voice(300 + 70 * index, RATE / 2))
    const chained: Uint8Array[] = []
    for (const [index, part] of parts.entries()) {
      const voices = index % 2 === 0 ? [part] : [part, part]
      const labels = index % 2 === 0 ? ['a'] : ['a', 'b']
      chained.push(
        await writeLink({
          serialNumber: 20 + index,
          labels,
          voices,
          startSample: (index * RATE) / 2,
        }),
      )
    }
    const links = readOggOpus(Buffer.concat(chained))
    if (!links.ok) throw new Error(links.reason)
    const sound = await heard('many', flattenLinks(links.value))
    expect(sound[0]?.length).toBe(6 * RATE)
    for (const [index, part] of parts.entries()) {
      const [from, to] = [(index * RATE) / 2, ((index + 1) * RATE) / 2]
      expectSame(part, sound[0]?.subarray(from, to))
      if (index % 2 === 1) expectSame(part, sound[1]?.subarray(from, to))
      else expect(loudest(sound[1]?.subarray(from + 400, to - FRAME) ?? part)).toBeLessThan(300)
    }
  })
})
