import { beforeEach, describe, expect, it } from 'vitest'

import { StreamTimeline } from '../../../src/media/stream-timeline.ts'

const PACKET = 160
const PACKET_US = 20_000

/** A stream of packets of 20 ms, the last of which has just been observed; the recording was paused in the middle of it. */
function pausedWithin(aheadUs: number): StreamTimeline {
  const timeline = new StreamTimeline({ clockRate: 8_000 })
  timeline.setOrigin(0)
  timeline.times.setAhead(aheadUs)
  for (let index = 0; index < 5; index++) {
    timeline.observe(index * PACKET, (index + 1) * PACKET_US)
    if (index < 4) timeline.write(new Int16Array(PACKET).fill(1_000), index * PACKET, (index + 1) * PACKET_US, 0)
  }
  timeline.read(PACKET)
  timeline.setPaused(true, 4.5 * PACKET_US)
  return timeline
}

it('a packet that a pause cuts is cut on the timeline', () => {
  expect(pausedWithin(0).isLastPaused).toBe(false)
})

it('a packet that a pause cuts is dropped whole where audio is moved ahead, or its end would stand before the pause', () => {
  expect(pausedWithin(60_000).isLastPaused).toBe(true)
})

it.each([
  ['on time', 0],
  ['moved ahead', 60_000],
])('an instant is that of the packets that came then, wherever audio that is %s stands meanwhile', (_, aheadUs) => {
  const timeline = new StreamTimeline({ clockRate: 8_000 })
  timeline.setOrigin(0)
  const transitUs = 100_000
  let index = 0
  /** How far, in samples, the end of the last packet is from what its arrival is taken for: the most of some seconds. */
  const mostOver = (seconds: number): number => {
    let most = 0
    for (const end = index + seconds * 50; index < end; index++) {
      const arrivalUs = (index + 1) * PACKET_US + transitUs
      timeline.observe(index * PACKET, arrivalUs)
      timeline.write(new Int16Array(PACKET), index * PACKET, arrivalUs, 0)
      if (index > 50) timeline.read((index - 50) * PACKET)
      if (index > 100) most = Math.max(most, Math.abs(timeline.times.ofInstant(arrivalUs) - (index + 1) * PACKET))
    }
    return most
  }
  expect(mostOver(10)).toBeLessThan(8)
  const before = timeline.times.mapping ?? 0
  timeline.times.setAhead(aheadUs)
  expect(mostOver(60)).toBeLessThan(8)
  expect(before - (timeline.times.mapping ?? 0)).toBeCloseTo((aheadUs * 8) / 1_000, -1)
  timeline.times.setAhead(0)
  expect(mostOver(60)).toBeLessThan(8)
})

describe('up to where nothing changes any more', () => {
  let timeline: StreamTimeline
  let next = 0
  /** Packets that come at once, as long as their transit says nothing else; read half a second behind. */
  function receive(packets: number, lateUs = 0): void {
    for (const end = next + packets; next < end; next++) {
      const arrivalUs = (next + 1) * PACKET_US + lateUs
      timeline.observe(next * PACKET, arrivalUs)
      timeline.write(new Int16Array(PACKET), next * PACKET, arrivalUs, 0)
      if (next > 25) timeline.read((next - 25) * PACKET)
    }
  }

  beforeEach(() => {
    timeline = new StreamTimeline({ clockRate: 8_000 })
    next = 0
  })

  it('is not known before the first packet, before there is an origin, or while a run waits to be tied', () => {
    expect(timeline.times.unbrokenEnd).toBe(0)
    receive(20)
    expect(timeline.times.unbrokenEnd).toBe(0)
    timeline.setOrigin(0)
    expect(timeline.times.unbrokenEnd).toBe(0)
    receive(10)
    expect(timeline.times.unbrokenEnd).toBe(30 * PACKET)
    receive(1, 400_000)
    expect(timeline.times.unbrokenEnd).toBe(0)
  })

  it.each([
    ['a pause', (isOn: boolean, us: number) => timeline.setPaused(isOn, us)],
    ['a hold that is obeyed', (isOn: boolean, us: number) => timeline.setHeld(isOn, us, true)],
  ])('is not known near %s: what stands in it is known by the packets behind', (_, set) => {
    timeline.setOrigin(0)
    receive(100)
    expect(timeline.times.unbrokenEnd).toBe(100 * PACKET)
    set(true, 2_000_000)
    expect(timeline.times.unbrokenEnd).toBe(0)
    set(false, 2_000_000)
    receive(70)
    expect(timeline.times.unbrokenEnd).toBe(0)
    receive(10)
    expect(timeline.times.unbrokenEnd).toBe(180 * PACKET)
  })
})
