import { describe, expect, it } from 'vitest'

import { DtmfDetector, type DtmfTone } from '../../../src/media/dtmf-detector.ts'
import { StreamTimeline } from '../../../src/media/stream-timeline.ts'
import { upsampled } from '../../../src/media/upsample.ts'
import { tone } from '../../support/audio.ts'

const PACKET = 160
const START_US = 7_000_000

/** Packets of 20 ms by an RTP clock of 8 kHz; number 3 and 12 are lost, of number 20 to 24 the sender is silent. */
const isSent = (index: number): boolean => index !== 3 && index !== 12 && (index < 20 || index >= 25)

/** Sends the packets [from, to) with as many samples as the rate of the timeline asks for. */
function write(timeline: StreamTimeline, from: number, to: number): void {
  const factor = timeline.sampleRate / 8_000
  for (let index = from; index < to; index++) {
    if (!isSent(index)) continue
    const arrivalUs = START_US + (index + 1) * 20_000
    timeline.observe(index * PACKET, arrivalUs)
    const lost = !isSent(index - 1) && index < 20 ? 1 : 0
    timeline.write(new Int16Array(PACKET * factor).fill(index + 1), index * PACKET, arrivalUs, lost)
  }
}

describe('a timeline that goes on at a multiple of its rate', () => {
  it.each([2, 3, 6])('keeps every place: %i times', (factor) => {
    const [plain, raised] = [new StreamTimeline({ clockRate: 8_000 }), new StreamTimeline({ clockRate: 8_000 })]
    for (const timeline of [plain, raised]) {
      timeline.setOrigin(START_US)
      timeline.setHeld(true, START_US + 420_000)
      timeline.setHeld(false, START_US + 460_000)
      write(timeline, 0, 9)
      timeline.read(1_000)
    }
    raised.rescale(factor)
    for (const timeline of [plain, raised]) {
      write(timeline, 9, 40)
      timeline.read(timeline === plain ? 6_000 : 6_000 * factor)
    }
    expect(raised.sampleRate).toBe(8_000 * factor)
    const { gapSamples, ...counts } = plain.ledger
    const isCount = (name: string): boolean => name === 'resyncs'
    expect(raised.ledger).toEqual({
      ...Object.fromEntries(Object.entries(counts).map(([name, n]) => [name, isCount(name) ? n : n * factor])),
      gapSamples: Object.fromEntries(Object.entries(gapSamples).map(([cause, n]) => [cause, n * factor])),
    })
    expect(plain.gaps.length).toBeGreaterThan(2)
    expect(raised.gaps).toEqual(
      plain.gaps.map(({ fromSample, toSample, cause }) => ({
        fromSample: fromSample * factor,
        toSample: toSample * factor,
        cause,
      })),
    )
  })

  it('reads what waited at the new rate, from where it had come to inside of a packet', () => {
    const timeline = new StreamTimeline({ clockRate: 8_000 })
    timeline.setOrigin(START_US)
    const samples = tone({ frequency: 400, sampleRate: 8_000, samples: PACKET, amplitude: 0.3 })
    for (let index = 0; index < 4; index++) timeline.write(samples, index * PACKET, START_US + (index + 1) * 20_000, 0)
    expect(timeline.read(200)[199]).toBe(samples[39])
    timeline.rescale(2)
    const wanted = tone({ frequency: 400, sampleRate: 16_000, samples: 4 * 2 * PACKET, amplitude: 0.3 })
    const read = timeline.read(2 * 500)
    expect(read.length).toBe(600)
    for (let i = 0; i < 500; i++) expect(Math.abs((read[i] ?? 0) - (wanted[400 + i] ?? 0))).toBeLessThan(200)
  })

  it('lets no sample of a pause be heard beside it', () => {
    const timeline = new StreamTimeline({ clockRate: 8_000, conceals: true })
    timeline.setOrigin(START_US)
    const [begin, end] = [START_US + 30_000, START_US + 50_000]
    for (let index = 0; index < 5; index++) {
      const samples = Int16Array.from({ length: PACKET }, (_, i) => {
        const at = index * PACKET + i
        return at >= 240 && at < 400 ? 20_000 * (at % 2 === 0 ? 1 : -1) : 100
      })
      timeline.write(samples, index * PACKET, START_US + (index + 1) * 20_000, 0)
    }
    timeline.setPaused(true, begin)
    timeline.setPaused(false, end)
    timeline.rescale(2)
    const read = timeline.read(1_600)
    expect([...read.subarray(480, 800)].every((sample) => sample === 0)).toBe(true)
    expect([...read.subarray(0, 480), ...read.subarray(800)].every((sample) => sample === 100)).toBe(true)
    expect(timeline.gaps).toEqual([{ fromSample: 480, toSample: 800, cause: 'paused' }])
  })
})

it('a key that sounds while the rate rises is one key, where it was', () => {
  const heard: DtmfTone[] = []
  const detector = new DtmfDetector({ sampleRate: 8_000, heard: (key) => heard.push(key) })
  const low = tone({ frequency: 770, sampleRate: 8_000, samples: 3_200, amplitude: 0.2 })
  const high = tone({ frequency: 1_336, sampleRate: 8_000, samples: 3_200, amplitude: 0.2 })
  const key = Int16Array.from({ length: 4_800 }, (_, i) =>
    i < 800 || i >= 4_000 ? 0 : (low[i - 800] ?? 0) + (high[i - 800] ?? 0),
  )
  detector.write(key.subarray(0, 2_000), 0)
  detector.rescale(2)
  detector.write(upsampled(key, 2, true).subarray(4_000), 4_000)
  detector.end()
  const over = heard.filter(({ isOver }) => isOver)
  expect(over.map(({ digit }) => digit)).toEqual(['5'])
  expect(Math.abs((over[0]?.from ?? 0) - 1_600)).toBeLessThan(100)
  expect(Math.abs((over[0]?.to ?? 0) - 8_000)).toBeLessThan(100)
})
