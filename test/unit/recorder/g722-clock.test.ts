import { describe, expect, it } from 'vitest'

import { payloadFormatOf } from '../../../src/protocol/rtp/payload-format.ts'
import { G722Clock } from '../../../src/recorder/g722-clock.ts'
import { OPENED_US, planOf, RecordingRig, rtp } from '../../support/recording-rig.ts'

const PACKET_OCTETS = 160
const PACKET_US = 20_000
/** Longer than a wrong clock stays within what is believed of a queue on the way. */
const CALL_SECONDS = 30
/** What is encoded is of no interest here. */
const QUIET = {
  take: (sampleRate: number) => ({
    ...{ sampleRate, preSkip: 120, encode: () => Uint8Array.of(0xf8, 0xff, 0xfe), free: () => {} },
  }),
}
const PAUSE = { fromSeconds: 10, toSeconds: 20 }

const g722 = (clockRate: number) => payloadFormatOf({ name: 'G722', clockRate, channels: 1 })

/** A call of one stream, whose clock counts so many units in each packet. */
function record(written: number, step: number, isPaused: boolean) {
  const plan = planOf(0, { payloadTypes: new Map([[9, g722(written)]]) })
  const rig = new RecordingRig({ encoders: QUIET, plans: [plan] })
  const arrivals = Array.from({ length: (CALL_SECONDS * 1e6) / PACKET_US }, (_, index) => ({
    streamId: plan.streamId,
    arrivalUs: OPENED_US + (index + 1) * PACKET_US + 10_000,
    datagram: rtp({
      payloadType: 9,
      sequenceNumber: index,
      timestamp: index * step,
      payload: new Uint8Array(PACKET_OCTETS).fill(0x5a + (index % 7)),
    }),
  }))
  const upTo = (fromSeconds: number, toSeconds: number): void => {
    const [fromUs, toUs] = [OPENED_US + fromSeconds * 1e6, OPENED_US + toSeconds * 1e6]
    const due = arrivals.filter(({ arrivalUs }) => arrivalUs > fromUs && arrivalUs <= toUs)
    rig.run(due, toSeconds * 1e6)
  }
  upTo(0, PAUSE.fromSeconds)
  if (isPaused) rig.recordingSession.setPaused(true, 'api', OPENED_US + PAUSE.fromSeconds * 1e6)
  upTo(PAUSE.fromSeconds, PAUSE.toSeconds)
  if (isPaused) rig.recordingSession.setPaused(false, 'api', OPENED_US + PAUSE.toSeconds * 1e6)
  upTo(PAUSE.toSeconds, CALL_SECONDS)
  return rig.end(CALL_SECONDS * 1e6).streams[0]
}

describe('G.722', () => {
  it.each([
    { written: 8_000, step: 160 },
    { written: 16_000, step: 320 },
    { written: 16_000, step: 160 },
    { written: 8_000, step: 320 },
  ])(
    'written with $written Hz, of $step units a packet, is recorded whole, around a pause too',
    ({ written, step }) => {
      for (const isPaused of [false, true]) {
        const spokenSeconds = CALL_SECONDS - (isPaused ? PAUSE.toSeconds - PAUSE.fromSeconds : 0)
        const stream = record(written, step, isPaused)
        // Its beginning is placed before three packets have told the clock.
        const { audioSamples = 0, gapSamples } = stream?.ledger ?? {}
        expect(audioSamples / 48_000).toBeGreaterThan(spokenSeconds - 0.05)
        expect([gapSamples?.lost, gapSamples?.silence]).toEqual([0, 0])
        expect((gapSamples?.noMedia ?? 0) / 48_000).toBeLessThan(0.1)
      }
    },
  )
})

describe('the clock of G.722', () => {
  /** Steps of the clock, each a packet after the one before unless `lost` of them are missing. */
  function heard(written: number, steps: readonly (readonly [step: number, lost?: number])[]): number {
    const clock = new G722Clock()
    const format = g722(written)
    if (format.kind !== 'audio') throw new Error('G.722 is decoded')
    let [sequenceNumber, timestamp] = [65_533, 2 ** 32 - 100]
    for (const [step, lost = 0] of [[0] as const, ...steps]) {
      sequenceNumber = (sequenceNumber + 1 + lost) & 0xffff
      timestamp = (timestamp + step) >>> 0
      const payload = new Uint8Array(PACKET_OCTETS)
      const packet = { payloadType: 9, marker: false, ssrc: 7, csrcs: [], sequenceNumber, timestamp, payload }
      clock.note(packet, clock.treated(format))
    }
    return clock.treated(format).clockRate
  }

  it('is what three packets in a row say', () => {
    expect(heard(16_000, [[160], [160], [160]])).toBe(8_000)
    expect(heard(16_000, [[160], [160]])).toBe(16_000)
    expect(heard(16_000, [[160], [160], [320], [160], [160]])).toBe(16_000)
    expect(heard(8_000, [[320], [320], [320]])).toBe(16_000)
  })

  it('is not told by what lies around a loss, nor by a pause of the sender', () => {
    expect(
      heard(8_000, [
        [320, 1],
        [320, 1],
        [320, 1],
      ]),
    ).toBe(8_000)
    expect(heard(8_000, [[160], [320], [16_000], [320], [480], [320]])).toBe(8_000)
  })

  it('may be another one later', () => {
    expect(heard(8_000, [[320], [320], [320], [320], [160], [160], [160]])).toBe(8_000)
  })
})
