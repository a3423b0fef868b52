import { describe, expect, it } from 'vitest'

import { mixedOgg, toWav } from '../../../../src/cli/export/render.ts'
import { readOggOpus, type OggOpusLink } from '../../../../src/media/ogg-opus.ts'
import { readWav } from '../../../../src/media/wav.ts'
import { OggLink } from '../../../../src/recorder/audio-writer.ts'
import { matchAudio, tone } from '../../../support/audio.ts'
import { EncoderStock } from '../../../support/recording-rig.ts'

const RATE = 8_000
const FRAME = 160
const FREQUENCIES = [300, 700, 1_300]

interface Part {
  readonly labels: readonly string[]
  readonly startSample: number
  readonly channels: readonly Int16Array[]
}

const voice = (index: number, seconds: number): Int16Array =>
  tone({ frequency: FREQUENCIES[index] ?? 100, sampleRate: RATE, samples: seconds * RATE, amplitude: 0.3 })

/** Links as a recorder writes them, one after the other. */
async function linksOf(...parts: readonly Part[]): Promise<readonly OggOpusLink[]> {
  const pages: Uint8Array[] = []
  for (const [index, { labels, startSample, channels }] of parts.entries()) {
    const encoders = await EncoderStock.of(labels.length)
    const link = new OggLink({
      layout: 'separate',
      labels,
      rates: labels.map(() => RATE),
      serialNumber: index + 1,
      startSample,
      takeEncoder: encoders.take,
    })
    pages.push(link.headers())
    for (let from = 0; from < (channels[0]?.length ?? 0); from += FRAME) {
      const page = link.write(channels.map((samples) => samples.subarray(from, from + FRAME)))
      if (page !== undefined) pages.push(page)
    }
    pages.push(link.end())
  }
  const read = readOggOpus(Buffer.concat(pages))
  if (!read.ok) throw new Error(read.reason)
  return read.value
}

function channelsOf(wav: Uint8Array): readonly Int16Array[] {
  const read = readWav(wav)
  if (!read.ok) throw new Error(read.reason)
  expect(read.value.sampleRate).toBe(RATE)
  return read.value.channels
}

/** Which of the tones is on a stretch of audio, as indexes. */
function tonesIn(samples: Int16Array): readonly number[] {
  return FREQUENCIES.flatMap((_, index) =>
    matchAudio(voice(index, 1), samples.subarray(0, RATE), { lagMax: 40 }).correlation > 0.5 ? [index] : [],
  )
}

describe('WAV', () => {
  it('has a channel for each participant, as long as the recording, at the rate it was recorded from', async () => {
    const links = await linksOf({ labels: ['a', 'b'], startSample: 0, channels: [voice(0, 2), voice(1, 2)] })
    const channels = channelsOf(await toWav(links, 'separate'))
    expect(channels.map(({ length }) => length)).toEqual([2 * RATE, 2 * RATE])
    expect(channels.map(tonesIn)).toEqual([[0], [1]])
  })

  it('has a participant who joined later at their place, and silence before', async () => {
    const links = await linksOf(
      { labels: ['a'], startSample: 0, channels: [voice(0, 2)] },
      { labels: ['a', 'b'], startSample: 2 * 48_000, channels: [voice(0, 1), voice(1, 1)] },
    )
    const [first, second] = channelsOf(await toWav(links, 'separate'))
    expect(tonesIn(first!.subarray(2 * RATE))).toEqual([0])
    expect(second!.length).toBe(3 * RATE)
    expect(second!.subarray(0, 2 * RATE).every((sample) => sample === 0)).toBe(true)
    expect(tonesIn(second!.subarray(2 * RATE))).toEqual([1])
  })

  it('keeps participants together by label when the channels change places', async () => {
    const links = await linksOf(
      { labels: ['a', 'b'], startSample: 0, channels: [voice(0, 1), voice(1, 1)] },
      { labels: ['b', 'c', 'a'], startSample: 48_000, channels: [voice(1, 1), voice(2, 1), voice(0, 1)] },
    )
    const channels = channelsOf(await toWav(links, 'separate'))
    expect(channels.map((samples) => tonesIn(samples.subarray(RATE)))).toEqual([[0], [1], [2]])
  })

  it('loses nobody when two m-lines have the same label', async () => {
    const links = await linksOf({ labels: ['2', '2'], startSample: 0, channels: [voice(0, 1), voice(1, 1)] })
    expect(channelsOf(await toWav(links, 'separate')).map(tonesIn)).toEqual([[0], [1]])
  })

  it('has the mix of all in one channel when asked to', async () => {
    const links = await linksOf({ labels: ['a', 'b'], startSample: 0, channels: [voice(0, 1), voice(1, 1)] })
    const [mixed, ...others] = channelsOf(await toWav(links, 'mixed'))
    expect(others).toEqual([])
    expect(tonesIn(mixed!)).toEqual([0, 1])
  })

  it('of a link without its end is what there is', async () => {
    const [link] = await linksOf({ labels: ['a'], startSample: 0, channels: [voice(0, 2)] })
    const cut = { ...link!, packets: link!.packets.slice(0, 50), granulePosition: 48_000, endOfStream: false }
    expect(channelsOf(await toWav([cut], 'separate'))[0]?.length).toBe(RATE - 20)
  })
})

describe('the mixed Ogg', () => {
  it('is one mono link with everybody in it, as long as the recording to the sample', async () => {
    const links = await linksOf(
      { labels: ['a'], startSample: 0, channels: [voice(0, 1)] },
      { labels: ['a', 'b'], startSample: 48_000, channels: [voice(0, 1), voice(1, 1)] },
    )
    const mixed = readOggOpus(await mixedOgg(links))
    expect(mixed.ok && mixed.value.map(({ streamCount, endOfStream }) => [streamCount, endOfStream])).toEqual([
      [1, true],
    ])
    const [heard] = channelsOf(await toWav(mixed.ok ? mixed.value : [], 'separate'))
    expect(heard?.length).toBe(2 * RATE)
    expect([tonesIn(heard!), tonesIn(heard!.subarray(RATE))]).toEqual([[0], [0, 1]])
  })
})
