import { describe, expect, it } from 'vitest'

import { QUEUE_SECONDS_MAX } from '../../../src/media/packet-queue.ts'
import { StreamTimeline } from '../../../src/media/stream-timeline.ts'

const PACKET = 160
const PACKET_US = 20_000
/** Arrival of a packet that was not delayed: when its last sample had been spoken, 10 ms on the way. */
const ORIGIN_US = 1_000_000_000
const SPOKEN_US = ORIGIN_US - 10_000

/** A timeline with origin, and packets that arrive just as they should. */
class Rig {
  readonly timeline = new StreamTimeline({ clockRate: 8_000 })
  readonly timestamp: number

  constructor(options: { readonly timestamp?: number; readonly origin?: boolean } = {}) {
    this.timestamp = options.timestamp ?? 0xffff_f000
    if (options.origin !== false) this.timeline.setOrigin(SPOKEN_US + 10_000)
  }

  /** Writes packet number `index` of the stream, with `index + 1` in every sample. */
  packet(index: number, options: { delayUs?: number; lost?: number; jump?: number; length?: number } = {}): void {
    const length = options.length ?? PACKET
    const timestamp = (this.timestamp + index * PACKET + (options.jump ?? 0)) >>> 0
    const arrivalUs = SPOKEN_US + index * PACKET_US + (length / 8) * 1_000 + 10_000 + (options.delayUs ?? 0)
    this.timeline.observe(timestamp, arrivalUs)
    this.timeline.write(new Int16Array(length).fill(index + 1), timestamp, arrivalUs, options.lost ?? 0)
  }

  packets(from: number, to: number): void {
    for (let index = from; index < to; index++) this.packet(index)
  }

  /** What the next packets' time holds: the value of their samples, or "-" when they differ. */
  heard(packets: number): string {
    const samples = this.timeline.read(this.timeline.readPosition + packets * PACKET).slice()
    return Array.from({ length: packets }, (_, index) => {
      const part = samples.subarray(index * PACKET, (index + 1) * PACKET)
      return part.every((sample) => sample === part[0]) ? String(part[0]) : '-'
    }).join(' ')
  }

  get gaps(): string[] {
    return this.timeline.gaps.map(
      ({ fromSample, toSample, cause }) => `${fromSample / PACKET}..${toSample / PACKET} ${cause}`,
    )
  }
}

describe('reading a timeline', () => {
  it('gives nothing before the origin is known', () => {
    const rig = new Rig({ origin: false })
    rig.packets(0, 3)
    expect(rig.timeline.read(480).length).toBe(0)
    expect(rig.timeline).toMatchObject({ readPosition: 0, writePosition: 0, gaps: [] })
    rig.timeline.setOrigin(rig.timeline.firstSampleUs ?? 0)
    rig.timeline.setOrigin(0)
    expect(rig.timeline.writePosition).toBe(480)
    expect(rig.heard(3)).toBe('1 2 3')
  })

  it('gives samples in order, however it is cut', () => {
    const rig = new Rig()
    rig.packets(0, 50)
    const heard: number[] = []
    for (let to = 0; to < 8_000; to += 37) heard.push(...rig.timeline.read(to))
    heard.push(...rig.timeline.read(8_000))
    expect(heard).toEqual(Array.from({ length: 8_000 }, (_, sample) => Math.floor(sample / PACKET) + 1))
    expect(rig.timeline.ledger).toMatchObject({ audioSamples: 8_000, writtenSamples: 8_000, pendingSamples: 0 })
  })

  it('never goes back, and reuses its array', () => {
    const rig = new Rig()
    rig.packets(0, 3)
    const first = rig.timeline.read(160)
    expect(rig.timeline.read(160).length).toBe(0)
    expect(rig.timeline.read(100).length).toBe(0)
    expect(rig.timeline.readPosition).toBe(160)
    expect(first[0]).toBe(1)
    const second = rig.timeline.read(320)
    expect(rig.timeline.read(480)).toBe(second)
  })

  it('can skip over hours without making them', () => {
    const rig = new Rig()
    rig.timeline.skip(8_000 * 3_600 * 5)
    expect(rig.timeline.readPosition).toBe(144_000_000)
    expect(rig.timeline.ledger.gapSamples.noMedia).toBe(144_000_000)
  })

  it('says when the first sample was: the packet time before the least delayed packet', () => {
    const rig = new Rig({ origin: false })
    expect(rig.timeline.firstSampleUs).toBeUndefined()
    rig.packet(1, { delayUs: 30_000 })
    rig.packet(0, { delayUs: 25_000 })
    rig.packet(2, { delayUs: 7_000 })
    expect(rig.timeline.firstSampleUs).toBeCloseTo(ORIGIN_US + 7_000, 3)
  })
})

describe('gaps', () => {
  it('are "noMedia" before the first packet and, so far, after the last', () => {
    const rig = new Rig()
    rig.packets(2, 4)
    expect(rig.heard(6)).toBe('0 0 3 4 0 0')
    expect(rig.gaps).toEqual(['0..2 noMedia', '4..6 noMedia'])
    expect(rig.timeline.ledger).toMatchObject({ audioSamples: 320, gapSamples: { noMedia: 640 } })
  })

  it('are "lost" for exactly the missing packets', () => {
    const rig = new Rig()
    rig.packets(0, 2)
    rig.packet(4, { lost: 2 })
    rig.packet(6, { lost: 1 })
    expect(rig.heard(7)).toBe('1 2 0 0 5 0 7')
    expect(rig.gaps).toEqual(['2..4 lost', '5..6 lost'])
  })

  it('are "silence" where the clock went on without packets, and "lost" only for what is missing', () => {
    const rig = new Rig()
    rig.packets(0, 2)
    rig.packet(10, { lost: 1 })
    rig.packet(15)
    expect(rig.heard(16)).toBe('1 2 0 0 0 0 0 0 0 0 11 0 0 0 0 16')
    expect(rig.gaps).toEqual(['2..3 lost', '3..10 silence', '11..15 silence'])
  })

  it('are "held" from the SDP to the SDP, with the edges where RTP stopped earlier and began later', () => {
    const rig = new Rig()
    rig.packets(0, 2)
    rig.timeline.setHeld(true, ORIGIN_US + 5 * PACKET_US)
    rig.timeline.setHeld(false, ORIGIN_US + 95 * PACKET_US)
    rig.packet(100)
    rig.heard(101)
    expect(rig.gaps).toEqual(['2..100 held'])
  })

  it('are "held" only in part when nothing came for long before or after', () => {
    const rig = new Rig()
    rig.packets(0, 2)
    rig.timeline.setHeld(true, ORIGIN_US + 200 * PACKET_US)
    rig.timeline.setHeld(false, ORIGIN_US + 300 * PACKET_US)
    rig.packet(500)
    rig.heard(501)
    expect(rig.gaps).toEqual(['2..200 silence', '200..300 held', '300..500 silence'])
  })

  it('are "held" while it lasts, and audio that comes all the same is kept', () => {
    const rig = new Rig()
    rig.timeline.setHeld(true, ORIGIN_US)
    rig.packets(3, 5)
    expect(rig.heard(6)).toBe('0 0 0 4 5 0')
    expect(rig.gaps).toEqual(['0..3 held', '5..6 held'])
  })

  it('get their cause when the next packet is there, though they have been read', () => {
    const rig = new Rig()
    rig.packets(0, 1)
    rig.heard(3)
    expect(rig.gaps).toEqual(['1..3 noMedia'])
    rig.packet(4, { lost: 3 })
    expect(rig.gaps).toEqual(['1..3 lost'])
    rig.heard(2)
    expect(rig.gaps).toEqual(['1..4 lost'])
  })

  it('include packets that were lost before one without audio', () => {
    const rig = new Rig()
    rig.packets(0, 1)
    rig.timeline.noteLost(2)
    rig.packet(5, { lost: 1 })
    rig.heard(6)
    expect(rig.gaps).toEqual(['1..4 lost', '4..5 silence'])
  })

  it('are whole when lost packets had the length of the one before or of the one after', () => {
    const rig = new Rig()
    rig.packets(0, 2)
    // Two packets of 30 ms are missing, then one of 30 ms comes.
    rig.packet(5, { lost: 2, length: 240 })
    rig.heard(6)
    expect(rig.gaps).toEqual(['2..5 lost'])
  })
})

describe('audio that comes at the wrong time', () => {
  it('is dropped as late when its place has been read, and that time is "lost"', () => {
    const rig = new Rig()
    rig.packets(0, 1)
    rig.timeline.read(400)
    rig.packets(1, 4)
    expect(rig.timeline.ledger).toMatchObject({ lateSamples: 240 })
    expect([...rig.timeline.read(480)].every((sample) => sample === 3)).toBe(true)
    expect(rig.heard(1)).toBe('4')
    expect(rig.gaps).toEqual(['1..2.5 lost'])
    expect(rig.timeline.ledger).toMatchObject({ audioSamples: 400, gapSamples: { lost: 240 }, pendingSamples: 0 })
  })

  it('is kept when a queue on the way lets a second of packets go at once', () => {
    const rig = new Rig()
    rig.packets(0, 20)
    for (let index = 20; index < 70; index++) rig.packet(index, { delayUs: (69 - index) * PACKET_US })
    rig.packets(70, 75)
    expect(rig.heard(75)).toBe(Array.from({ length: 75 }, (_, index) => index + 1).join(' '))
    expect(rig.timeline.ledger).toMatchObject({ resyncs: 0, gapSamples: { noMedia: 0, lost: 0 } })
  })

  it('follows a pause of the RTP clock by arrival', () => {
    const rig = new Rig()
    rig.packets(0, 5)
    rig.heard(20)
    // The clock stood still for 45 packets' time.
    for (let index = 50; index < 70; index++) rig.packet(index, { jump: -45 * PACKET })
    expect(rig.heard(40)).toMatch(/^(0 ){30}51 52 .* 60$/)
    expect(rig.gaps).toEqual(['5..50 noMedia'])
    expect(rig.timeline.ledger.resyncs).toBe(1)
  })

  it('follows a clock set forward by arrival, without a gap', () => {
    const rig = new Rig()
    rig.packets(0, 5)
    for (let index = 5; index < 10; index++) rig.packet(index, { jump: 1_000_000 })
    expect(rig.heard(10)).toBe('1 2 3 4 5 6 7 8 9 10')
    expect(rig.gaps).toEqual([])
  })

  it('is appended when the clock is set back a little, or stands still in every packet', () => {
    const rig = new Rig()
    rig.packets(0, 5)
    rig.packet(5, { jump: -100 })
    for (let index = 6; index < 20; index++) rig.packet(index, { jump: -index * PACKET })
    expect(rig.heard(20)).toBe(Array.from({ length: 20 }, (_, index) => index + 1).join(' '))
    expect(rig.timeline.ledger).toMatchObject({ overlapSamples: 0, lateSamples: 0 })
  })

  it('may begin a little before the origin: it is moved there, and brought home in the next quiet packets', () => {
    const rig = new Rig({ origin: false })
    rig.timeline.setOrigin(ORIGIN_US + 12_000)
    rig.packets(0, 8)
    const samples = rig.timeline.read(8 * PACKET - 96)
    expect([samples[0], samples.at(-1)]).toEqual([1, 8])
    expect(rig.timeline.ledger).toMatchObject({ overlapSamples: 0, lateSamples: 0, insertedSamples: 0 })
    expect(rig.timeline.ledger.removedSamples).toBeGreaterThan(96 - 40)
  })

  it('is left out as far as it lies long before the origin', () => {
    const rig = new Rig({ origin: false })
    rig.timeline.setOrigin(ORIGIN_US + 3 * PACKET_US)
    rig.packets(0, 5)
    expect(rig.heard(2)).toBe('4 5')
    expect(rig.timeline.ledger).toMatchObject({ overlapSamples: 480, lateSamples: 0, audioSamples: 320 })
    expect(rig.gaps).toEqual([])
  })
})

describe('a new source', () => {
  it('is anchored by its own arrivals although its clock happens to be near', () => {
    const rig = new Rig()
    rig.packets(0, 10)
    rig.timeline.restart()
    for (let index = 10; index < 20; index++) rig.packet(index, { jump: 800 })
    expect(rig.heard(20)).toBe(Array.from({ length: 20 }, (_, index) => index + 1).join(' '))
    expect(rig.timeline.ledger.resyncs).toBe(1)
  })

  it('goes on without a seam when its clock does', () => {
    const rig = new Rig()
    rig.packets(0, 10)
    rig.timeline.restart()
    rig.packet(10, { delayUs: 15_000 })
    rig.packet(11, { delayUs: 15_000 })
    expect(rig.heard(12)).toBe(Array.from({ length: 12 }, (_, index) => index + 1).join(' '))
    expect(rig.timeline.ledger.resyncs).toBe(0)
  })
})

describe('the bound of the timeline', () => {
  it('drops what does not fit, counts it, and calls its time lost', () => {
    const rig = new Rig()
    const fits = Math.floor(2 ** Math.ceil(Math.log2(8_000 * QUEUE_SECONDS_MAX)) / PACKET)
    rig.packets(0, fits + 10)
    expect(rig.timeline.ledger).toMatchObject({ overflowSamples: 10 * PACKET, pendingSamples: fits * PACKET })
    rig.heard(fits)
    rig.packet(fits + 10)
    rig.heard(11)
    expect(rig.gaps).toEqual([`${fits}..${fits + 10} lost`])
    expect(rig.timeline.ledger.audioSamples).toBe((fits + 1) * PACKET)
  })

  it('ignores an empty packet but not what was lost before it', () => {
    const rig = new Rig()
    rig.packets(0, 1)
    rig.timeline.write(new Int16Array(0), 0, ORIGIN_US, 2)
    rig.packet(4, { lost: 1 })
    rig.heard(5)
    expect(rig.gaps).toEqual(['1..4 lost'])
  })
})

describe('a pause', () => {
  const usOf = (packets: number): number => SPOKEN_US + 10_000 + packets * PACKET_US

  it('takes out what was spoken in it, to the sample, and keeps what stands beside it', () => {
    const rig = new Rig()
    rig.timeline.setPaused(true, usOf(2.5))
    rig.packets(0, 4)
    rig.timeline.setPaused(false, usOf(5.25))
    rig.packets(4, 8)
    const heard = rig.timeline.read(8 * PACKET)
    const loud = Array.from(heard, (sample, at) => ({ sample, at })).filter(({ sample }) => sample !== 0)
    expect(loud.map(({ at }) => at).filter((at) => at >= 2.5 * PACKET && at < 5.25 * PACKET)).toEqual([])
    expect(loud).toHaveLength((8 - 2.75) * PACKET)
    expect(rig.gaps).toEqual(['2.5..5.25 paused'])
    expect(rig.timeline.ledger).toMatchObject({ audioSamples: 5.25 * PACKET, gapSamples: { paused: 2.75 * PACKET } })
  })

  it('that is only heard of later still takes out what waits to be read', () => {
    const rig = new Rig()
    rig.packets(0, 6)
    expect(rig.heard(2)).toBe('1 2')
    rig.timeline.setPaused(true, usOf(3))
    expect(rig.heard(4)).toBe('3 0 0 0')
    expect(rig.gaps).toEqual(['3..6 paused'])
  })

  it('is not left by what comes late: the time at which it was spoken counts', () => {
    const rig = new Rig()
    rig.packets(0, 2)
    rig.timeline.setPaused(true, usOf(2))
    rig.timeline.setPaused(false, usOf(4))
    rig.packet(2, { delayUs: 100_000 })
    rig.packet(3, { delayUs: 100_000 })
    rig.packet(4)
    expect(rig.heard(5)).toBe('1 2 0 0 5')
    expect(rig.gaps).toEqual(['2..4 paused'])
  })

  it('has its own time only: what is lost beside it is lost, what is held in it is paused', () => {
    const rig = new Rig()
    rig.packets(0, 2)
    rig.timeline.setPaused(true, usOf(12))
    rig.timeline.setHeld(true, usOf(14))
    rig.timeline.setHeld(false, usOf(16))
    rig.timeline.setPaused(false, usOf(20))
    rig.packet(30, { lost: 28 })
    expect(rig.heard(31).endsWith(' 0 31')).toBe(true)
    expect(rig.gaps).toEqual(['2..12 lost', '12..20 paused', '20..30 lost'])
  })

  it('swallows the rest of the packet at its edges, and the time until the present', () => {
    const rig = new Rig()
    rig.packets(0, 2)
    rig.timeline.setPaused(true, usOf(2.5))
    rig.timeline.read(10 * PACKET)
    expect(rig.gaps).toEqual(['2..10 paused'])
  })
})
