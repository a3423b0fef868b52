import { describe, expect, it } from 'vitest'

import { StreamTimeline } from '../../../src/media/stream-timeline.ts'
import { tone } from '../../support/audio.ts'

const PACKET = 160
const PACKET_US = 20_000
const ORIGIN_US = 1_000_000_000
const SPOKEN = tone({ frequency: 125, sampleRate: 8_000, samples: 100 * PACKET })

/** A timeline that conceals, and the packets of a tone, each as it should arrive. */
function timelineOf(packets: readonly number[], conceals = true): StreamTimeline {
  const timeline = new StreamTimeline({ clockRate: 8_000, conceals })
  timeline.setOrigin(ORIGIN_US)
  let next = 0
  for (const index of packets) {
    const arrivalUs = ORIGIN_US + (index + 1) * PACKET_US
    timeline.observe(index * PACKET, arrivalUs)
    timeline.write(SPOKEN.subarray(index * PACKET, (index + 1) * PACKET), index * PACKET, arrivalUs, index - next)
    next = index + 1
  }
  return timeline
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, index) => from + index)

/** Reads packet by packet, as the recorder does; the first sample in which it differs from the tone by more than `error`. */
function readAll(timeline: StreamTimeline, packets: number): Int16Array {
  const heard = new Int16Array(packets * PACKET)
  for (let index = 0; index < packets; index++) heard.set(timeline.read((index + 1) * PACKET), index * PACKET)
  return heard
}

const worst = (heard: Int16Array, fromPacket: number, toPacket: number): number => {
  let error = 0
  for (let at = fromPacket * PACKET; at < toPacket * PACKET; at++) {
    error = Math.max(error, Math.abs((heard[at] ?? 0) - (SPOKEN[at] ?? 0)))
  }
  return error
}

const gap = (fromPacket: number, toPacket: number, cause: string): object => ({
  fromSample: fromPacket * PACKET,
  toSample: toPacket * PACKET,
  cause,
})

describe('a timeline that conceals', () => {
  it('fills a lost packet, and still calls it a gap', () => {
    const timeline = timelineOf([...range(0, 20), ...range(21, 40)])
    const heard = readAll(timeline, 40)
    expect(worst(heard, 0, 40)).toBeLessThan(1_000)
    expect(timeline.gaps).toEqual([gap(20, 21, 'lost')])
    expect(timeline.ledger).toMatchObject({
      audioSamples: 39 * PACKET,
      gapSamples: { lost: PACKET },
      concealedSamples: PACKET,
    })
  })

  it('fills 60 ms of what is lost for longer', () => {
    const timeline = timelineOf([...range(0, 20), ...range(30, 40)])
    const heard = readAll(timeline, 40)
    expect(heard.subarray(20 * PACKET, 23 * PACKET).some((sample) => Math.abs(sample) > 5_000)).toBe(true)
    expect(heard.subarray(23 * PACKET, 30 * PACKET).every((sample) => sample === 0)).toBe(true)
    expect(timeline.ledger).toMatchObject({ gapSamples: { lost: 10 * PACKET }, concealedSamples: 3 * PACKET })
  })

  it('does so however it is read', () => {
    for (const step of [1, 7, 100, 161, 480, 6_400]) {
      const timeline = timelineOf([...range(0, 20), ...range(22, 40)])
      for (let to = 0; to < 40 * PACKET; to += step) timeline.read(to)
      timeline.read(40 * PACKET)
      expect(timeline.ledger).toMatchObject({ gapSamples: { lost: 2 * PACKET }, concealedSamples: 2 * PACKET })
    }
  })

  it('leaves silence as it is when it is told to', () => {
    const timeline = timelineOf([...range(0, 20), ...range(21, 40)], false)
    const heard = readAll(timeline, 40)
    expect(heard.subarray(20 * PACKET, 21 * PACKET).every((sample) => sample === 0)).toBe(true)
    expect(timeline.ledger.concealedSamples).toBe(0)
  })

  it('makes nothing up for what was held, silent or never sent', () => {
    for (const held of [true, false]) {
      const timeline = timelineOf(range(0, 20))
      if (held) timeline.setHeld(true, ORIGIN_US + 20 * PACKET_US)
      const arrivalUs = ORIGIN_US + 41 * PACKET_US
      timeline.write(SPOKEN.subarray(0, PACKET), 40 * PACKET, arrivalUs, 0)
      expect(
        readAll(timeline, 41)
          .subarray(20 * PACKET, 40 * PACKET)
          .every((sample) => sample === 0),
      ).toBe(true)
      expect(timeline.ledger.concealedSamples).toBe(0)
      expect(timeline.gaps).toEqual([gap(20, 40, held ? 'held' : 'silence')])
    }
  })

  it('makes nothing up for what was missing already when it was read', () => {
    const timeline = timelineOf(range(0, 20))
    readAll(timeline, 20)
    timeline.read(20 * PACKET + 80)
    timeline.write(SPOKEN.subarray(0, PACKET), 21 * PACKET, ORIGIN_US + 22 * PACKET_US, 1)
    expect(
      timeline
        .read(22 * PACKET)
        .subarray(0, 80)
        .every((sample) => sample === 0),
    ).toBe(true)
    expect(timeline.ledger).toMatchObject({ gapSamples: { lost: PACKET }, concealedSamples: 0 })
  })

  it('neither fills what lies in a pause nor listens to it', () => {
    const timeline = timelineOf([...range(0, 20), ...range(21, 60)])
    timeline.setPaused(true, ORIGIN_US + 21 * PACKET_US)
    timeline.setPaused(false, ORIGIN_US + 40 * PACKET_US)
    const heard = readAll(timeline, 60)
    expect(timeline.gaps).toEqual([gap(20, 21, 'lost'), gap(21, 40, 'paused')])
    // Faded out: what follows is not to be known.
    expect(Math.abs(heard[21 * PACKET - 1] ?? Infinity)).toBeLessThan(1_000)
    expect(heard.subarray(21 * PACKET, 40 * PACKET).every((sample) => sample === 0)).toBe(true)

    const after = timelineOf([...range(0, 20), ...range(21, 60)])
    after.setPaused(true, ORIGIN_US + 10 * PACKET_US)
    after.setPaused(false, ORIGIN_US + 20 * PACKET_US)
    expect(worst(readAll(after, 60), 21, 60)).toBe(0)
    expect(after.gaps).toEqual([gap(10, 20, 'paused'), gap(20, 21, 'lost')])
  })
})

describe('silent samples', () => {
  it('are those of reads in which nothing was louder than the floor, gaps left out', () => {
    const timeline = new StreamTimeline({ clockRate: 8_000 })
    timeline.setOrigin(ORIGIN_US)
    ;[0, 64, -64, 65, -32_768].forEach((level, index) => {
      const packet = new Int16Array(PACKET)
      packet[PACKET - 1] = level
      timeline.write(packet, (index + 1) * PACKET, ORIGIN_US + (index + 2) * PACKET_US, 0)
    })
    readAll(timeline, 10)
    expect(timeline.ledger).toMatchObject({ audioSamples: 5 * PACKET, silentSamples: 3 * PACKET })
  })
})
