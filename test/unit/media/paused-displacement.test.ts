import { describe, expect, it } from 'vitest'

import { PACKETS_BEHIND_MIN, RecentTransit } from '../../../src/media/recent-transit.ts'
import { StreamTimeline } from '../../../src/media/stream-timeline.ts'

const PACKET = 160
const PACKET_US = 20_000
const RATE = 8_000
const START_US = 5_000_000
const OPEN = 100
const SECRET = 9_000

/** How far behind now the audio is read. */
const BEHIND_MS = 500

/** A speaker whose every sample says whether it was spoken in the pause, and the wire between. */
class Spoken {
  readonly timeline = new StreamTimeline({ clockRate: RATE, conceals: true })
  readonly #heard: Int16Array[] = []
  readonly #pause: { readonly fromUs: number; readonly toUs: number }

  constructor(pause: { readonly fromMs: number; readonly toMs: number }) {
    this.#pause = { fromUs: START_US + pause.fromMs * 1_000, toUs: START_US + pause.toMs * 1_000 }
    this.timeline.setOrigin(START_US)
    this.timeline.setPaused(true, this.#pause.fromUs)
    this.timeline.setPaused(false, this.#pause.toUs)
  }

  /** A packet spoken from `spokenMs` on. Its RTP clock is off by `offMs`, and it was delayed; taken unless it is known at once to be of the pause. */
  say(spokenMs: number, { offMs = 0, delayMs = 0, lost = 0 } = {}): void {
    const spokenUs = START_US + spokenMs * 1_000
    const timestamp = (spokenMs + offMs) * 8
    const arrivalUs = spokenUs + PACKET_US + delayMs * 1_000
    const { fromUs, toUs } = this.#pause
    const samples = Int16Array.from({ length: PACKET }, (_, i) => {
      const us = spokenUs + i * 125
      return us >= fromUs && us < toUs ? SECRET : OPEN
    })
    this.timeline.observe(timestamp, arrivalUs)
    if (this.timeline.isLastPaused) this.timeline.noteLost(lost)
    else this.timeline.write(samples, timestamp, arrivalUs, lost)
    this.#read(spokenMs - BEHIND_MS)
  }

  /** How many samples of each kind. */
  heard(toMs: number): { readonly secret: number; readonly open: number } {
    this.#read(toMs)
    const count = (isIt: (sample: number) => boolean): number =>
      this.#heard.reduce((sum, samples) => sum + samples.filter(isIt).length, 0)
    return { secret: count((sample) => sample > 2 * OPEN), open: count((sample) => sample === OPEN) }
  }

  #read(toMs: number): void {
    this.#heard.push(this.timeline.read(toMs * 8).slice())
  }
}

describe('what was said in a pause is not heard', () => {
  it.each([60, 120, 200, 240])('before it, where the RTP clock stood still for %i ms just then', (stallMs) => {
    const spoken = new Spoken({ fromMs: 1_000, toMs: 2_000 })
    for (let ms = 0; ms < 980; ms += 20) spoken.say(ms)
    for (let ms = 980 + stallMs; ms < 3_000; ms += 20) spoken.say(ms, { offMs: -stallMs })
    const { secret, open } = spoken.heard(3_000)
    expect(secret).toBe(0)
    expect(open).toBeGreaterThan(1_700 * 8)
  })

  it.each([60, 120, 200, 240])('behind it, where the RTP clock leapt by %i ms in it', (leapMs) => {
    const spoken = new Spoken({ fromMs: 1_000, toMs: 2_000 })
    for (let ms = 0; ms < 1_500; ms += 20) spoken.say(ms)
    for (let ms = 1_500; ms < 3_000; ms += 20) spoken.say(ms, { offMs: leapMs })
    const { secret, open } = spoken.heard(3_500)
    expect(secret).toBe(0)
    expect(open).toBeGreaterThan(1_700 * 8)
  })

  it('although the packets of the pause were decoded before it was known of', () => {
    const spoken = new Spoken({ fromMs: 1_005, toMs: 1_995 })
    for (let ms = 0; ms < 3_000; ms += 20) spoken.say(ms, { offMs: ms < 960 ? 0 : -120 })
    expect(spoken.heard(3_000).secret).toBe(0)
  })
})

it('what was said before a pause is heard, although it was held up on its way until after its beginning', () => {
  const spoken = new Spoken({ fromMs: 1_000, toMs: 2_000 })
  for (let ms = 0; ms < 800; ms += 20) spoken.say(ms)
  for (let ms = 800; ms < 1_000; ms += 20) spoken.say(ms, { delayMs: 1_020 - ms })
  for (let ms = 1_040; ms < 3_000; ms += 20) spoken.say(ms, { lost: ms === 1_040 ? 2 : 0 })
  expect(spoken.heard(3_000)).toEqual({ secret: 0, open: 2_000 * 8 })
})

it('what a filter took along is silent behind a pause, and no longer', () => {
  const timeline = new StreamTimeline({ clockRate: RATE })
  timeline.setOrigin(START_US)
  timeline.setWrittenSpread(24)
  timeline.setPaused(true, START_US + 30_000)
  timeline.setPaused(false, START_US + 50_000)
  for (let index = 0; index < 5; index++) {
    timeline.write(new Int16Array(PACKET).fill(OPEN), index * PACKET, START_US + (index + 1) * PACKET_US, 0)
  }
  timeline.read(5 * PACKET)
  expect(timeline.gaps).toEqual([{ fromSample: 240, toSample: 424, cause: 'paused' }])
})

it('the copy that a packet holds of the one before it is not kept, although the end of a pause was read with that one', () => {
  const kept: number[] = []
  const timeline = new StreamTimeline({ clockRate: RATE, onUndecoded: (_start, from, to) => void kept.push(to - from) })
  timeline.setOrigin(START_US)
  timeline.setPaused(true, START_US + 10_000)
  timeline.setPaused(false, START_US + 30_000)
  for (let index = 0; index < 4; index++) {
    const at = { timestamp: index * PACKET, arrivalUs: START_US + (index + 1) * PACKET_US, lostBefore: 0 }
    timeline.writeMarked(new Int16Array(PACKET), at, { cause: undefined, isKept: true, reachesBack: PACKET })
    timeline.read((index + 1) * PACKET)
  }
  expect(kept).toEqual([0, 0, 0, PACKET])
})

describe('the least transit of what came behind an instant', () => {
  it('is unknown before there are enough packets, and never that of what came before', () => {
    const recent = new RecentTransit()
    recent.note(3, 990_000)
    for (let packet = 1; packet <= PACKETS_BEHIND_MIN; packet++) {
      expect(recent.leastBehind(1_000_000)).toBe(Infinity)
      recent.note(50 - packet, 1_000_000 + packet * PACKET_US)
    }
    expect(recent.leastBehind(1_000_000)).toBe(50 - PACKETS_BEHIND_MIN)
    recent.rescale(2)
    expect(recent.leastBehind(1_000_000)).toBe(2 * (50 - PACKETS_BEHIND_MIN))
    recent.clear()
    expect(recent.leastBehind(1_000_000)).toBe(Infinity)
  })

  it('reaches half a second, and what is long ago is forgotten', () => {
    const recent = new RecentTransit()
    for (let packet = 0; packet < 100; packet++) recent.note(1_000 - packet, packet * PACKET_US)
    expect(recent.leastBehind(1_000_000)).toBe(1_000 - 75)
    expect(recent.leastBehind(0)).toBe(Infinity)
    recent.note(7, 60 * 1_000_000)
    expect(recent.leastBehind(1_900_000)).toBe(Infinity)
  })
})
