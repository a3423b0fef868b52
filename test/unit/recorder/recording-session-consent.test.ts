import { describe, expect, it } from 'vitest'

import type { ConsentListening } from '../../../src/recorder/consent-listener.ts'
import type { DtmfPolicy } from '../../../src/recorder/recording-types.ts'
import { eventPackets, pressedKeys, syntheticSpeech } from '../../support/dtmf.ts'
import {
  EncoderStock,
  OPENED_US,
  PACKET_SAMPLES,
  PACKET_US,
  packetsOf,
  planOf,
  RecordingRig,
  TRANSIT_US,
  type Arrival,
} from '../../support/recording-rig.ts'
import { heardPrompt, ScriptedEar } from '../../support/scripted-ear.ts'

const RATE = 8_000
const SECOND_US = 1_000_000
const PLAN = planOf(0)
const SSRC = 77
const CONSENT: ConsentListening = {
  keys: { yes: '1', no: '2', withdraw: '*9' },
  answerWithinMs: 10_000,
  windowMs: 20_000,
}

/** Speech of so many seconds with tones of keys in it. */
function spoken(seconds: number, tones: readonly { readonly digits: string; readonly atSecond: number }[]): Int16Array {
  const samples = syntheticSpeech(4, seconds)
  for (const { digits, atSecond } of tones) {
    samples.set(pressedKeys({ digits, leadMs: 0, onMs: 100, offMs: 80 }).samples, atSecond * RATE)
  }
  return samples
}

/** A key told of by events only, in the middle of silence that is not sent. */
function eventsOf(digit: string, atSecond: number, sequenceNumber: number): Arrival[] {
  const fromSample = atSecond * RATE
  const timestamp = 0xffff_ff00 + fromSample
  return eventPackets({ digit, packets: 8, timestamp, sequenceNumber, ssrc: SSRC }).map(({ datagram, atPacket }) => ({
    streamId: PLAN.streamId,
    datagram,
    arrivalUs: OPENED_US + (fromSample / PACKET_SAMPLES + atPacket + 1) * PACKET_US + TRANSIT_US,
  }))
}

async function listened(options: {
  readonly arrivals: readonly Arrival[]
  readonly seconds: number
  readonly dtmf?: DtmfPolicy
  readonly consent?: ConsentListening
  readonly chunkUs?: number
  readonly during?: (rig: RecordingRig) => void
}) {
  const ears: ScriptedEar[] = []
  const rig = new RecordingRig({
    encoders: await EncoderStock.of(1),
    plans: [PLAN],
    facts: {
      chunkUs: options.chunkUs ?? 15_000_000,
      dtmf: options.dtmf ?? 'discard',
      ...(options.consent === undefined ? {} : { consent: options.consent }),
    },
    hearing: {
      createEar: () => {
        // A second of announcement from 1 s on.
        const ear = new ScriptedEar([heardPrompt(RATE, RATE)])
        ears.push(ear)
        return ear
      },
    },
  })
  options.during?.(rig)
  rig.run(options.arrivals, (options.seconds + 0.1) * SECOND_US)
  rig.end((options.seconds + 0.1) * SECOND_US)
  return { rig, ears, facts: rig.sink.consent.map(({ fact }) => fact) }
}

describe('a recording session that listens for consent', () => {
  const samples = spoken(8, [
    { digits: '1', atSecond: 3 },
    { digits: '7', atSecond: 4 },
    { digits: '*9', atSecond: 6 },
  ])
  const arrivals = packetsOf({ plan: PLAN, samples, ssrc: SSRC })

  it.each(['discard', 'store', 'mask'] as const)('tells what was announced and answered, under `%s`', async (dtmf) => {
    const { facts } = await listened({ arrivals, seconds: 8, dtmf, consent: CONSENT })
    expect(facts.map(({ type }) => type)).toEqual(['announcementHeard', 'answered', 'withdrawn'])
    expect(facts[0]).toMatchObject({ streamId: PLAN.streamId, fromSample: 48_000, heardSamples: 48_000 })
    const at = facts.map((fact) => ('atSample' in fact ? (fact.atSample ?? Number.NaN) / 48_000 : Number.NaN))
    expect(facts[1]).toMatchObject({ answer: 'yes', by: 'dtmf' })
    expect(at[1]).toBeCloseTo(3, 1)
    expect(at[2]).toBeCloseTo(6, 1)
  })

  it('hears what is recorded, frame by frame, silence where nothing came', async () => {
    const holed = arrivals.filter((_, index) => index < 50 || index > 150)
    const { ears } = await listened({ arrivals: holed, seconds: 8, consent: CONSENT })
    expect(ears).toHaveLength(1)
    expect(ears[0]?.isFinished).toBe(true)
    expect(ears[0]?.pushed.reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(8 * RATE)
  })

  it('tells of events as of tones, and of one that is both once', async () => {
    const before = packetsOf({ plan: PLAN, samples: spoken(3, []), ssrc: SSRC })
    const { facts } = await listened({
      arrivals: [...before, ...eventsOf('2', 3, (0xfff0 + 150) & 0xffff)],
      seconds: 5,
      consent: CONSENT,
    })
    expect(facts.map(({ type }) => type)).toEqual(['announcementHeard', 'answered'])
    expect(facts[1]).toMatchObject({ answer: 'no', atSample: 3 * 48_000 })
  })

  it.each(['discard', 'store', 'mask'] as const)(
    'tells of a key that is pressed just before the end, under `%s`',
    async (dtmf) => {
      const last = spoken(4, [{ digits: '*9', atSecond: 3.6 }])
      const { facts } = await listened({
        ...{ arrivals: packetsOf({ plan: PLAN, samples: last, ssrc: SSRC }), seconds: 3.9, consent: CONSENT, dtmf },
      })
      expect(facts.map(({ type }) => type)).toEqual(['announcementHeard', 'withdrawn'])
    },
  )

  it('tells of every key under `store`, wherever chunks are cut', async () => {
    const digits = [2, 2.4, 2.8, 3.2, 3.6, 4, 4.4, 4.8, 5.2, 5.6].map((atSecond) => ({ digits: '1', atSecond }))
    const { facts } = await listened({
      ...{ arrivals: packetsOf({ plan: PLAN, samples: spoken(7, digits), ssrc: SSRC }), seconds: 7, dtmf: 'store' },
      ...{ consent: CONSENT, chunkUs: 500_000 },
    })
    expect(facts.filter(({ type }) => type === 'answered')).toHaveLength(digits.length)
  })

  it('knows nothing of what is pressed in a pause', async () => {
    const { facts } = await listened({
      ...{ arrivals, seconds: 8, consent: CONSENT },
      during: ({ recordingSession }) => recordingSession.setPaused(true, 'api', OPENED_US + 2_500_000),
    })
    expect(facts.filter(({ type }) => type !== 'announcementHeard')).toEqual([])
  })

  it('does not listen unless it is asked to', async () => {
    const { facts, ears } = await listened({ arrivals, seconds: 8 })
    expect(facts).toEqual([])
    expect(ears).toEqual([])
  })
})
