import { describe, expect, it } from 'vitest'

import { impairPackets, type ImpairmentProfile } from '../../src/cli/simulate/impairment.ts'
import { canonicalJson } from '../../src/evidence/canonical-json.ts'
import type { ManifestBody, StreamEntry } from '../../src/evidence/manifest.ts'
import { sha256Hex } from '../../src/evidence/sha256.ts'
import { matchAudio, noise } from '../support/audio.ts'
import { mulberry32 } from '../support/random.ts'
import { EncoderStock, OPENED_US, packetsOf, planOf, RecordingRig, type Arrival } from '../support/recording-rig.ts'

/**
 * A whole recording session in virtual time: two participants, minutes of a bad network, a hold in the middle. Nothing is
 * replaced by something simpler: the real timeline, the real encoder, real sealing. The same seed gives the same bytes.
 */
const SEED = 20_261_123
const RATE = 8_000
const SECOND_US = 1_000_000
const SECONDS = 180
const HELD = { from: 70, to: 85 }
/** Noise of this length every other second: where it is found is where the recording put that instant. */
const MARK_SECONDS = 0.4
const MARK_EVERY_SECONDS = 2
const BAD_NETWORK: ImpairmentProfile = {
  lossFraction: 0.05,
  jitterUs: 60_000,
  reorderFraction: 0.02,
  duplicateFraction: 0.02,
}

const caller = planOf(0)
const callee = planOf(1)

interface Run {
  readonly rig: RecordingRig
  readonly manifest: ManifestBody
  /** For each participant: packets that a receiver can know to be missing, and second copies that arrived. */
  readonly sent: readonly { readonly visibleLosses: number; readonly copies: number; readonly arrived: number }[]
}

const markOf = (participant: number, mark: number): Int16Array =>
  noise({ seed: 1_000 * (participant + 1) + mark, samples: MARK_SECONDS * RATE, amplitude: 0.4 })

/** What a participant says: silence, and every other second a mark that is like no other. */
function spoken(participant: number): Int16Array {
  const samples = new Int16Array(SECONDS * RATE)
  for (let mark = 0; mark * MARK_EVERY_SECONDS < SECONDS; mark += 1) {
    samples.set(markOf(participant, mark), (mark * MARK_EVERY_SECONDS + 1) * RATE)
  }
  return samples
}

/** On hold the SRC sends nothing: its clock goes on, its sequence numbers do not. */
function packetsAroundHold(participant: number, timestamp: number): Arrival[] {
  const plan = participant === 0 ? caller : callee
  const samples = spoken(participant)
  const source = { plan, ssrc: participant + 1 }
  const before = packetsOf({ ...source, timestamp, samples: samples.subarray(0, HELD.from * RATE) })
  const after = packetsOf({
    ...source,
    samples: samples.subarray(HELD.to * RATE),
    fromUs: HELD.to * SECOND_US,
    sequenceNumber: 0xfff0 + before.length,
    timestamp: timestamp + HELD.to * RATE,
  })
  return [...before, ...after]
}

async function simulate(seed: number, profile: ImpairmentProfile): Promise<Run> {
  const rig = new RecordingRig({ encoders: await EncoderStock.of(2), plans: [caller, callee], seed })
  const network = [0, 1].map((participant) =>
    impairPackets(
      packetsAroundHold(participant, 0xffff_0000 + participant * 77).map((packet) => ({
        packet,
        nominalUs: packet.arrivalUs,
      })),
      profile,
      mulberry32(seed + participant),
    ),
  )
  const arrivals = network.flatMap(({ packets }) =>
    packets.map(({ packet, sendAtUs }) => ({ ...packet, arrivalUs: sendAtUs })),
  )
  const before = (seconds: number) => (arrival: Arrival) => arrival.arrivalUs <= OPENED_US + seconds * SECOND_US
  const [atHold, atResume] = [HELD.from + 0.1, HELD.to]
  rig.run(arrivals.filter(before(atHold)), atHold * SECOND_US)
  rig.recordingSession.updateStreams(
    [caller, callee].map((plan) => ({ ...plan, held: true })),
    OPENED_US + atHold * SECOND_US,
  )
  rig.run([], atResume * SECOND_US)
  rig.recordingSession.updateStreams([caller, callee], OPENED_US + atResume * SECOND_US)
  rig.run(
    arrivals.filter((arrival) => !before(atHold)(arrival)),
    (SECONDS + 0.2) * SECOND_US,
  )
  const sent = network.map(({ packets, lost, counts }) => {
    const numbers = packets.map(({ packet }) => packet.arrivalUs)
    const [first, last] = [Math.min(...numbers), Math.max(...numbers)]
    // A loss before the first or after the last packet that arrived cannot be seen by any receiver.
    const visible = lost.filter((packet) => packet.arrivalUs > first && packet.arrivalUs < last)
    return { visibleLosses: visible.length, copies: counts.duplicated, arrived: packets.length - counts.duplicated }
  })
  return { rig, manifest: rig.end((SECONDS + 0.2) * SECOND_US), sent }
}

/** Everything that leaves the recorder, in one number. */
function fingerprint({ rig, manifest }: Run): string {
  const objects = rig.sink.objects.map(({ name, bytes }) => `${name} ${sha256Hex(bytes)}`)
  return sha256Hex([...objects, canonicalJson(manifest)].join('\n'))
}

/** How far each mark of a participant was found from where it was spoken, ms; those that were mostly lost are left out. */
function markErrors(heard: Int16Array, participant: number): readonly number[] {
  const errors: number[] = []
  for (let mark = 0; (mark + 1) * MARK_EVERY_SECONDS <= SECONDS; mark += 1) {
    const second = mark * MARK_EVERY_SECONDS + 1
    if (second + MARK_SECONDS > HELD.from && second < HELD.to) continue
    const edge = RATE / 10
    const window = heard.subarray(Math.max(0, second * RATE - edge), (second + MARK_SECONDS) * RATE + edge)
    const { correlation, lag } = matchAudio(markOf(participant, mark), window, { lagMax: 2 * edge })
    if (correlation > 0.6) errors.push((lag - edge) / (RATE / 1_000))
  }
  return errors
}

const gapTotal = ({ ledger }: StreamEntry): number =>
  Object.values(ledger.gapSamples).reduce((sum, samples) => sum + samples, 0)

describe(`three minutes through a bad network (seed ${SEED})`, () => {
  const running = simulate(SEED, BAD_NETWORK)

  it('gives the same bytes again, sealed ones included', async () => {
    const again = await simulate(SEED, BAD_NETWORK)
    expect(fingerprint(again)).toBe(fingerprint(await running))
  })

  it('gives others for another seed', async () => {
    expect(fingerprint(await simulate(SEED + 1, BAD_NETWORK))).not.toBe(fingerprint(await running))
  })

  it('lasts as long as was spoken', async () => {
    const { manifest } = await running
    expect(Math.abs(manifest.durationSamples / 48 - SECONDS * 1_000)).toBeLessThanOrEqual(40)
    expect(manifest.state).toBe('complete')
  })

  it('has every mark where it was spoken, within 20 ms, on both channels', async () => {
    const { rig } = await running
    const heard = await rig.heard()
    for (const [participant, samples] of heard.entries()) {
      const errors = markErrors(samples, participant)
      // Of the marks outside the hold, few have lost so much that they cannot be told.
      expect(errors.length).toBeGreaterThan(70)
      expect(Math.max(...errors.map(Math.abs))).toBeLessThanOrEqual(20)
    }
  })

  it('has both channels within 20 ms of each other from first to last', async () => {
    const heard = await (await running).rig.heard()
    const medians = heard.map((samples, participant) => {
      const errors = markErrors(samples, participant).toSorted((left, right) => left - right)
      return errors[errors.length >> 1] ?? Infinity
    })
    expect(Math.abs((medians[0] ?? 0) - (medians[1] ?? 0))).toBeLessThanOrEqual(20)
  })

  it('counts every packet once: received, lost or copied', async () => {
    const { manifest, sent } = await running
    for (const [index, { packets }] of manifest.streams.entries()) {
      const { visibleLosses, copies, arrived } = sent[index] ?? { visibleLosses: 0, copies: 0, arrived: 0 }
      expect(visibleLosses).toBeGreaterThan(300)
      expect(packets).toEqual({
        expected: arrived + visibleLosses,
        ...{ received: arrived, lost: visibleLosses, late: 0, duplicate: copies, discarded: 0 },
      })
    }
  })

  it('accounts for every sample: audio, or a gap with a cause', async () => {
    const { manifest, sent } = await running
    for (const [index, stream] of manifest.streams.entries()) {
      expect(stream.ledger.audioSamples + gapTotal(stream)).toBe(manifest.durationSamples)
      expect(stream.ledger.unlistedGapSamples).toBe(0)
      expect(stream.gaps.reduce((sum, { fromSample, toSample }) => sum + toSample - fromSample, 0)).toBe(
        gapTotal(stream),
      )
      expect(stream.ledger.gapSamples.lost).toBe((sent[index]?.visibleLosses ?? 0) * 960)
    }
  })

  it('says that the hold was a hold, and nothing else was', async () => {
    for (const stream of (await running).manifest.streams) {
      const held = stream.gaps.filter(({ cause }) => cause === 'held')
      expect(held).toHaveLength(1)
      const [fromSeconds, toSeconds] = [(held[0]?.fromSample ?? 0) / 48_000, (held[0]?.toSample ?? 0) / 48_000]
      expect(Math.abs(fromSeconds - HELD.from)).toBeLessThan(0.25)
      expect(Math.abs(toSeconds - HELD.to)).toBeLessThan(0.25)
    }
  })

  it('seals in chunks without a hole', async () => {
    const { chunks, durationSamples } = (await running).manifest
    expect(chunks.length).toBeGreaterThanOrEqual(SECONDS / 5)
    expect(chunks.map(({ fromSample }) => fromSample)).toEqual([
      0,
      ...chunks.slice(0, -1).map(({ toSample }) => toSample),
    ])
    expect(chunks.at(-1)?.toSample).toBe(durationSamples)
  })
})
