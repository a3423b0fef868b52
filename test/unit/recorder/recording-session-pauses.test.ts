import { describe, expect, it } from 'vitest'

import { signManifest, type ManifestBody } from '../../../src/evidence/manifest.ts'
import { MANIFEST_NAME } from '../../../src/evidence/object-names.ts'
import { verifyRecording, type Verdict } from '../../../src/evidence/verify.ts'
import { matchAudio, noise } from '../../support/audio.ts'
import { pcmOf, PcmStock } from '../../support/held-recording.ts'
import {
  EncoderStock,
  OPENED_US,
  packetsOf,
  planOf,
  RecordingRig,
  vault,
  type Arrival,
} from '../../support/recording-rig.ts'
import { vectorSigner } from '../../vectors/evidence/sample-recording.ts'

const SECOND_US = 1_000_000
const RATE = 8_000
const [caller, callee] = [planOf(0), planOf(1)]

async function rigOf(plans = [caller, callee]): Promise<RecordingRig> {
  return new RecordingRig({ encoders: await EncoderStock.of(8), plans })
}

/** Loud and quiet by turns, and different for each seed. */
function speech(seed: number, seconds: number): Int16Array {
  return noise({ seed, samples: seconds * RATE, amplitude: 0.4 }).map((sample, index) =>
    Math.round(sample * Math.abs(Math.sin(index / 1_700))),
  )
}

/** Two participants who talk for some seconds. */
function conversation(seconds: number): {
  readonly arrivals: readonly Arrival[]
  readonly said: readonly Int16Array[]
} {
  const said = [speech(11, seconds), speech(22, seconds)]
  const arrivals = [caller, callee].flatMap((plan, index) =>
    packetsOf({ plan, samples: said[index] ?? new Int16Array(0), ssrc: index + 1 }),
  )
  return { arrivals, said }
}

/** As `earwitness verify --identity` does it, over what reached the sink. */
async function verify(rig: RecordingRig, manifest: ManifestBody): Promise<Verdict> {
  const { signingKey, verifyKey } = await vectorSigner()
  const objects = new Map(rig.sink.objects.map(({ name, bytes }) => [name, bytes]))
  objects.set(MANIFEST_NAME, new TextEncoder().encode(await signManifest(manifest, signingKey)))
  return verifyRecording({
    recordingId: manifest.recordingId,
    objects: { list: () => Promise.resolve([...objects.keys()]), get: (name) => Promise.resolve(objects.get(name)) },
    keys: [verifyKey],
    identities: [vault.identity],
  })
}

describe('a pause', () => {
  it('leaves nothing of what was said in it, and the rest where it belongs', async () => {
    const rig = await rigOf()
    const { arrivals, said } = conversation(6)
    rig.run(arrivals, 2.05 * SECOND_US)
    rig.recordingSession.setPaused(true, 'api', OPENED_US + 2 * SECOND_US)
    expect(rig.recordingSession.allHeld).toBe(true)
    rig.run(
      arrivals.filter(({ arrivalUs }) => arrivalUs > OPENED_US + 2.05 * SECOND_US),
      4.05 * SECOND_US,
    )
    rig.recordingSession.setPaused(false, 'api', OPENED_US + 4 * SECOND_US)
    rig.run(
      arrivals.filter(({ arrivalUs }) => arrivalUs > OPENED_US + 4.05 * SECOND_US),
      6.1 * SECOND_US,
    )
    const manifest = rig.end(6.1 * SECOND_US)
    const heard = await rig.heard()
    const pausedSamples = 2 * 48_000
    for (const [channel, stream] of manifest.streams.entries()) {
      // The worker heard of the end of the pause 50 ms late; what it had dropped by then is gone.
      expect(Math.abs((stream.ledger.gapSamples.paused ?? 0) - pausedSamples)).toBeLessThanOrEqual(48 * 60)
      expect(stream.packets.discarded).toBeGreaterThan(90)
      const channelHeard = heard[channel] ?? new Int16Array(0)
      const inside = channelHeard.subarray(2.1 * RATE, 3.9 * RATE)
      // Opus dies away over some frames; the speech was a thousand times louder.
      expect(Math.max(...inside.map(Math.abs))).toBeLessThanOrEqual(20)
      const spoken = said[channel] ?? new Int16Array(0)
      for (const [from, to] of [
        [0, 1.9],
        [4.1, 5.9],
      ] as const) {
        const match = matchAudio(spoken.subarray(from * RATE, to * RATE), channelHeard.subarray(from * RATE, to * RATE))
        expect(match.correlation).toBeGreaterThan(0.9)
      }
    }
    expect(manifest.incidents).toMatchObject([
      { code: 'paused', atSample: expect.any(Number), detail: expect.stringContaining('operator') },
      { code: 'resumed' },
    ])
    expect(manifest.pauses).toEqual([
      {
        by: 'api',
        from: expect.any(String),
        fromSample: expect.any(Number),
        to: expect.any(String),
        toSample: expect.any(Number),
      },
    ])
    const [pause] = manifest.pauses ?? []
    expect(Math.abs((pause?.toSample ?? 0) - (pause?.fromSample ?? 0) - pausedSamples)).toBeLessThanOrEqual(1)
    expect((await verify(rig, manifest)).findings).toEqual([])
  })

  it.each([0, 70, 140, 210, 290])('that the recorder hears of %i ms late leaves nothing of it either', async (ms) => {
    // Audio is committed every half second: each place in it.
    for (let phaseMs = 0; phaseMs < 600; phaseMs += 40) {
      const rig = new RecordingRig({ encoders: new PcmStock(), plans: [caller, callee] })
      const { arrivals } = conversation(3)
      const atUs = 1.5 * SECOND_US + phaseMs * 1_000
      const heardUs = atUs + ms * 1_000
      rig.run(arrivals, heardUs)
      rig.recordingSession.setPaused(true, 'api', OPENED_US + atUs)
      rig.run(
        arrivals.filter(({ arrivalUs }) => arrivalUs > OPENED_US + heardUs),
        3.1 * SECOND_US,
      )
      rig.end(3.1 * SECOND_US)
      const from = Math.ceil((atUs * RATE) / SECOND_US)
      for (const channel of pcmOf(Buffer.concat(await rig.opened('chunk')))) {
        expect(channel.length).toBeGreaterThan(2.9 * RATE)
        expect(channel.subarray(from).every((sample) => sample === 0)).toBe(true)
      }
    }
  })

  it.each([
    ['a pause', 100],
    ['a pause', 180],
    ['a pause', 240],
    ['a hold', 240],
  ])('leaves nothing of %s where the RTP clock has stood still for %i ms before', async (what, ms) => {
    for (let phaseMs = 0; phaseMs < 600; phaseMs += 40) {
      const rig = new RecordingRig({ encoders: new PcmStock(), plans: [caller, callee] })
      const arrivals = conversation(4).arrivals.map((arrival) =>
        arrival.arrivalUs < OPENED_US + SECOND_US ? arrival : { ...arrival, arrivalUs: arrival.arrivalUs + ms * 1_000 },
      )
      const atUs = 2 * SECOND_US + phaseMs * 1_000
      rig.run(arrivals, atUs)
      if (what === 'a pause') rig.recordingSession.setPaused(true, 'api', OPENED_US + atUs)
      else
        rig.recordingSession.updateStreams(
          [caller, callee].map((plan) => ({ ...plan, held: true })),
          OPENED_US + atUs,
        )
      rig.run(
        arrivals.filter(({ arrivalUs }) => arrivalUs > OPENED_US + atUs),
        4.1 * SECOND_US,
      )
      rig.end(4.1 * SECOND_US)
      // It stands so much sooner than it was spoken.
      const from = Math.ceil(((atUs - ms * 1_000) * RATE) / SECOND_US)
      for (const channel of pcmOf(Buffer.concat(await rig.opened('chunk')))) {
        expect(channel.subarray(from).every((sample) => sample === 0)).toBe(true)
      }
    }
  })

  it('is what a hold of the SRC amounts to; that it goes on sending is said once for each', async () => {
    const rig = await rigOf()
    const { arrivals } = conversation(10)
    const changes = [
      [1, true],
      [4, false],
      [5, true],
      [8, false],
    ] as const
    let from = OPENED_US
    for (const [at, held] of changes) {
      const until = OPENED_US + at * SECOND_US
      const due = arrivals.filter(({ arrivalUs }) => arrivalUs >= from && arrivalUs < until)
      rig.run(due, at * SECOND_US)
      rig.recordingSession.updateStreams([planOf(0, { held }), callee], until)
      from = until
    }
    rig.run(
      arrivals.filter(({ arrivalUs }) => arrivalUs >= from),
      10.1 * SECOND_US,
    )
    const manifest = rig.end(10.1 * SECOND_US)
    expect(manifest.incidents.map(({ code }) => code)).toEqual(['sent-while-held', 'sent-while-held'])
    const [held, other] = manifest.streams
    expect(Math.abs((held?.ledger.gapSamples.held ?? 0) - 6 * 48_000)).toBeLessThan(48 * 100)
    expect(other?.ledger.gapSamples.held).toBe(0)
    expect((await verify(rig, manifest)).findings).toEqual([])
  })

  it('asked for by two lasts until both have taken it back, and asking twice is asking once', async () => {
    const rig = await rigOf()
    const atUs = OPENED_US + SECOND_US
    rig.recordingSession.setPaused(true, 'api', atUs)
    rig.recordingSession.setPaused(true, 'api', atUs)
    rig.recordingSession.setPaused(true, 'src', atUs)
    rig.recordingSession.setPaused(false, 'api', atUs)
    expect(rig.recordingSession.allHeld).toBe(true)
    rig.recordingSession.setPaused(false, 'src', atUs)
    expect(rig.recordingSession.allHeld).toBe(false)
    expect(rig.sink.incidentCodes).toEqual(['paused', 'paused', 'resumed', 'resumed'])
    expect(rig.sink.incidents[2]?.detail).toContain('stays paused')
    rig.recordingSession.setPaused(true, 'src', atUs, 'INFO')
    const { pauses } = rig.end(2 * SECOND_US)
    expect(pauses).toMatchObject([{ by: 'api' }, { by: 'src' }, { by: 'src', via: 'INFO' }])
    expect(pauses?.map(({ to }) => to === undefined)).toEqual([false, false, true])
  })

  it('is one for a media stream that joins in the middle of it', async () => {
    const rig = await rigOf([caller])
    rig.recordingSession.setPaused(true, 'src', OPENED_US)
    rig.recordingSession.updateStreams([caller, callee], OPENED_US + SECOND_US)
    const samples = speech(5, 1)
    const arrivals = [caller, callee].flatMap((plan, index) =>
      packetsOf({ plan, samples, fromUs: SECOND_US, ssrc: index }),
    )
    rig.run(arrivals, 2.1 * SECOND_US)
    const { streams } = rig.end(2.1 * SECOND_US)
    expect(streams.map(({ ledger }) => ledger.audioSamples)).toEqual([0, 0])
    expect(streams.map(({ packets }) => packets.received)).toEqual([0, 0])
  })

  it('by the SDP is noted as well, at the opening and afterwards', async () => {
    const rig = await rigOf([planOf(0, { paused: true }), callee])
    rig.recordingSession.updateStreams([caller, callee], OPENED_US + SECOND_US)
    rig.recordingSession.updateStreams([caller, planOf(1, { paused: true })], OPENED_US + 2 * SECOND_US)
    expect(rig.sink.incidentCodes).toEqual(['paused', 'resumed', 'paused'])
    const asked = { by: 'src', via: 'SDP' }
    expect(rig.end(3 * SECOND_US).pauses).toEqual([
      expect.objectContaining({ ...asked, streamId: caller.streamId, to: expect.any(String) }),
      { ...asked, streamId: callee.streamId, from: expect.any(String), fromSample: expect.any(Number) },
    ])
  })

  it('does not make up for the media time-out: waiting begins anew with the end of the pause', async () => {
    const rig = await rigOf()
    rig.recordingSession.setPaused(true, 'src', OPENED_US + SECOND_US)
    rig.recordingSession.setPaused(false, 'src', OPENED_US + 9 * SECOND_US)
    expect(rig.recordingSession.quietSinceUs).toBe(OPENED_US + 9 * SECOND_US)
  })
})
