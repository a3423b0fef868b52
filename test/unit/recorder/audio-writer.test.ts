import { describe, expect, it } from 'vitest'

import { toWav } from '../../../src/cli/export/render.ts'
import { audioSamples, linkLabels, linkStart } from '../../../src/media/flatten-links.ts'
import { readOggOpus, type OggOpusLink } from '../../../src/media/ogg-opus.ts'
import { readWav } from '../../../src/media/wav.ts'
import { OggLink } from '../../../src/recorder/audio-writer.ts'
import { matchAudio, noise, tone } from '../../support/audio.ts'
import { EncoderStock } from '../../support/recording-rig.ts'

const RATE = 8_000
const FRAME = 160
const PRE_SKIP = 120

interface Written {
  readonly link: OggOpusLink
  readonly pages: readonly Uint8Array[]
  readonly encoders: EncoderStock
}

/** Writes whole channels frame by frame, as a recording session does. */
async function write(
  channels: readonly Int16Array[],
  options: { readonly layout?: 'separate' | 'mixed'; readonly startSample?: number } = {},
): Promise<Written> {
  const encoders = await EncoderStock.of(channels.length)
  const link = new OggLink({
    layout: options.layout ?? 'separate',
    labels: channels.map((_, index) => `label ${index}`),
    rates: channels.map(() => RATE),
    serialNumber: 7,
    startSample: options.startSample ?? 0,
    takeEncoder: encoders.take,
  })
  const pages = [link.headers()]
  const length = channels[0]?.length ?? 0
  for (let from = 0; from < length; from += FRAME) {
    const valid = Math.min(FRAME, length - from)
    const frames = channels.map((samples) => {
      const frame = new Int16Array(FRAME)
      frame.set(samples.subarray(from, from + valid))
      return frame
    })
    const page = link.write(frames, valid * 6)
    if (page !== undefined) pages.push(page)
  }
  pages.push(link.end())
  const read = readOggOpus(Buffer.concat(pages))
  if (!read.ok || read.value.length !== 1 || read.value[0] === undefined) throw new Error('not one link')
  return { link: read.value[0], pages, encoders }
}

async function decode(link: OggOpusLink): Promise<readonly Int16Array[]> {
  const wav = readWav(await toWav([link], 'separate'))
  if (!wav.ok) throw new Error(wav.reason)
  return wav.value.channels
}

describe('a link', () => {
  it('says where it begins, whose channel is whose, and how much a decoder has to skip', async () => {
    const { link } = await write([new Int16Array(FRAME), new Int16Array(FRAME)], { startSample: 96_000 })
    expect(linkStart(link)).toBe(96_000)
    expect(linkLabels(link)).toEqual(['label 0', 'label 1'])
    expect(link).toMatchObject({
      serialNumber: 7,
      streamCount: 2,
      inputSampleRate: 8_000,
      preSkip: PRE_SKIP,
      endOfStream: true,
    })
  })

  it.each([1, 159, 160, 161, 8_000, 8_001, 12_345])('of %i samples plays exactly as many', async (samples) => {
    const { link } = await write([noise({ seed: 3, samples })])
    expect(audioSamples(link)).toBe(samples * 6)
    expect((await decode(link))[0]?.length).toBe(samples)
  })

  it('decodes into what was given, channel by channel, at its place', async () => {
    const given = [
      tone({ frequency: 440, sampleRate: 8_000, samples: 8_000 }),
      tone({ frequency: 1_000, sampleRate: 8_000, samples: 8_000 }),
    ]
    const { link } = await write(given)
    const heard = await decode(link)
    for (const [index, samples] of given.entries()) {
      const { correlation, lag } = matchAudio(samples, heard[index] ?? new Int16Array(0), { lagMax: 3 })
      expect(correlation).toBeGreaterThan(0.95)
      expect(lag).toBe(0)
    }
    expect(matchAudio(given[0]!, heard[1]!, { lagMax: 100 }).correlation).toBeLessThan(0.1)
  })

  it('is cut into pages of one second', async () => {
    const { pages } = await write([new Int16Array(3 * 8_000)])
    // Headers, three seconds, and the rest that brings the encoder's delay.
    expect(pages.length).toBe(5)
  })

  it('mixes all channels into one when asked to', async () => {
    const { link } = await write([new Int16Array(FRAME).fill(20_000), new Int16Array(FRAME).fill(20_000)], {
      layout: 'mixed',
    })
    expect(link.streamCount).toBe(1)
    expect(linkLabels(link)).toEqual(['mixed'])
  })

  it('takes an encoder for each channel, and gives each back once', async () => {
    const separate = await write([new Int16Array(FRAME), new Int16Array(FRAME)])
    expect(separate.encoders).toMatchObject({ taken: 2, freed: 2 })
    const mixed = await write([new Int16Array(FRAME), new Int16Array(FRAME)], { layout: 'mixed' })
    expect(mixed.encoders).toMatchObject({ taken: 1, freed: 1 })
  })
})

describe('an unfinished link', () => {
  async function begin(labels = ['a']): Promise<{ link: OggLink; encoders: EncoderStock }> {
    const encoders = await EncoderStock.of(2)
    const link = new OggLink({
      layout: 'separate',
      labels,
      rates: labels.map(() => RATE),
      serialNumber: 1,
      startSample: 4_800,
      takeEncoder: encoders.take,
    })
    return { link, encoders }
  }

  it('knows how far a decoder can play what is written: the delay of the encoder less', async () => {
    const { link } = await begin()
    expect([link.playableSample, link.endSample]).toEqual([4_800, 4_800])
    link.write([new Int16Array(FRAME)])
    expect([link.playableSample, link.endSample]).toEqual([4_800 + 960 - PRE_SKIP, 4_800 + 960])
    link.free()
  })

  it('can be read up to its last whole page, without its end', async () => {
    const { link } = await begin()
    const pages = [link.headers()]
    for (let frame = 0; frame < 70; frame += 1) {
      const page = link.write([noise({ seed: frame + 1, samples: FRAME })])
      if (page !== undefined) pages.push(page)
    }
    const flushed = link.flushPage()
    expect(flushed).toBeDefined()
    expect(link.flushPage()).toBeUndefined()
    const read = readOggOpus(Buffer.concat([...pages, flushed ?? new Uint8Array(0)]))
    expect(read.ok && read.value[0]).toMatchObject({ endOfStream: false, granulePosition: 70 * 960 })
    expect(link.playableSample).toBe(4_800 + 70 * 960 - PRE_SKIP)
    link.free()
  })

  it('gives its encoders back once, however often it is told to', async () => {
    const { link, encoders } = await begin()
    link.write([new Int16Array(FRAME)])
    link.end()
    link.free()
    link.free()
    expect(encoders.freed).toBe(1)
  })

  it('keeps no encoder when there are not enough', async () => {
    const encoders = await EncoderStock.of(1)
    const make = (): OggLink =>
      new OggLink({
        layout: 'separate',
        labels: ['a', 'b'],
        rates: [RATE, RATE],
        serialNumber: 1,
        startSample: 0,
        takeEncoder: encoders.take,
      })
    expect(make).toThrow('the stock is empty')
    expect(encoders).toMatchObject({ taken: 1, freed: 1 })
  })

  it('refuses more channels than it has encoders', async () => {
    const { link } = await begin()
    expect(() => link.write([new Int16Array(FRAME), new Int16Array(FRAME)])).toThrow(RangeError)
    link.free()
  })
})
