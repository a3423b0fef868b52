import { expect, test } from 'vitest'

import { peakByte } from '../../../src/media/level-meter.ts'
import { readPeaks, type StreamPeaks } from '../../../src/media/peaks.ts'
import { tone } from '../../support/audio.ts'
import { EncoderStock, packetsOf, planOf, RecordingRig } from '../../support/recording-rig.ts'

const SECOND_US = 1_000_000
const RATE = 8_000

async function peaksOf(rig: RecordingRig): Promise<readonly StreamPeaks[]> {
  const [file = new Uint8Array(0)] = await rig.opened('peaks')
  const read = readPeaks(file)
  if (!read.ok) throw new Error(read.reason)
  return read.value
}

function speak(index: number, fromSeconds: number, seconds: number) {
  const samples = tone({ frequency: 500, sampleRate: RATE, samples: seconds * RATE, amplitude: 0.5 })
  return packetsOf({ plan: planOf(index), samples, fromUs: fromSeconds * SECOND_US, ssrc: 1 + fromSeconds })
}

test('the peaks of a recording are sealed to its key, in the manifest, and where the voices are', async () => {
  const rig = new RecordingRig({ encoders: await EncoderStock.of(2), plans: [planOf(0), planOf(1)] })
  rig.run([...speak(0, 0, 6), ...speak(1, 2, 2)], 6 * SECOND_US)
  const manifest = rig.end(6 * SECOND_US)
  const [object] = rig.sink.of('peaks')
  expect(manifest.peaks).toEqual(object?.peaks)
  expect(object).toMatchObject({ name: 'peaks.age', peaks: { sizeBytes: object?.bytes.length } })
  const [first, second] = await peaksOf(rig)
  const loud = peakByte(16_384)
  expect(first?.peaks).toHaveLength(120)
  expect([...(first?.overview ?? [])].every((peak) => Math.abs(peak - loud) < 6)).toBe(true)
  const spoken = [...(second?.peaks ?? [])].flatMap((peak, index) => (peak > 0 ? [index] : []))
  expect(spoken[0]).toBe(40)
  expect(spoken.at(-1)).toBe(79)
  expect([...(second?.overview ?? [])].map((peak) => peak > 0)).toEqual([false, false, true, true, false, false])
})

test('what is paused has no peaks', async () => {
  const rig = new RecordingRig({ encoders: await EncoderStock.of(1), plans: [planOf(0)] })
  const arrivals = speak(0, 0, 6)
  const at = (second: number): number => arrivals[second * 50]?.arrivalUs ?? 0
  rig.run(arrivals.slice(0, 100), 2 * SECOND_US)
  rig.recordingSession.setPaused(true, 'api', at(2))
  rig.run(arrivals.slice(100, 200), 4 * SECOND_US)
  rig.recordingSession.setPaused(false, 'api', at(4))
  rig.run(arrivals.slice(200), 6 * SECOND_US)
  rig.end(6 * SECOND_US)
  const [only] = await peaksOf(rig)
  const silent = [...(only?.peaks ?? [])].filter((peak) => peak === 0).length
  expect(silent).toBeGreaterThanOrEqual(39)
  expect(silent).toBeLessThanOrEqual(41)
})

test('a stream that joins has its peaks where it joined, beside those of the others', async () => {
  const rig = new RecordingRig({ encoders: await EncoderStock.of(3), plans: [planOf(0)] })
  const arrivals = speak(0, 0, 6)
  rig.run(arrivals.slice(0, 150), 3 * SECOND_US)
  rig.recordingSession.updateStreams([planOf(0), planOf(1)], 5_000_000_000 + 3 * SECOND_US)
  rig.run([...arrivals.slice(150), ...speak(1, 4, 2)], 6 * SECOND_US)
  rig.end(6 * SECOND_US)
  const [, joined] = await peaksOf(rig)
  expect([...(joined?.overview ?? [])].map((peak) => peak > 0)).toEqual([false, false, false, false, true, true])
})

test('without audio there are no peaks', async () => {
  const rig = new RecordingRig({ encoders: await EncoderStock.of(1), plans: [planOf(0)] })
  expect(rig.end(2 * SECOND_US)).not.toHaveProperty('peaks')
  expect(rig.sink.of('peaks')).toEqual([])
})
