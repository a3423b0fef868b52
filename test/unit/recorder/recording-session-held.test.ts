import { describe, expect, it } from 'vitest'

import { openSealed } from '../../../src/evidence/age-open.ts'
import { FindingList } from '../../../src/evidence/findings.ts'
import { checkManifest } from '../../../src/evidence/manifest-checks.ts'
import { findShapeFault } from '../../../src/evidence/manifest-shape.ts'
import type { ManifestBody } from '../../../src/evidence/manifest.ts'
import { encodePcmu } from '../../../src/media/g711.ts'
import { mergePeaks, readPeaks, type StreamPeaks } from '../../../src/media/peaks.ts'
import { readRtpdump } from '../../../src/media/rtpdump.ts'
import type { PayloadFormat } from '../../../src/protocol/rtp/payload-format.ts'
import { HELD_TAIL_SAMPLES } from '../../../src/recorder/held-span.ts'
import type { RecordingFacts, SpoolFrame } from '../../../src/recorder/recording-types.ts'
import { noise } from '../../support/audio.ts'
import { pressedKeys } from '../../support/dtmf.ts'
import { openedBy, pcmBytesOf, pcmOf, PcmStock } from '../../support/held-recording.ts'
import {
  identitiesOf,
  NARROWBAND_FORMATS,
  OPENED_US,
  packetsOf,
  planOf,
  RecordingRig,
  rtp,
  TRANSIT_US,
  type Arrival,
} from '../../support/recording-rig.ts'

const SECOND_US = 1_000_000
const RATE = 8_000
const POSITIONS = 48_000
const G729: PayloadFormat = { kind: 'kept', clockRate: 8_000, channels: 1, name: 'G729' }
const KEPT_PLAN = planOf(0, { payloadTypes: new Map<number, PayloadFormat>([...NARROWBAND_FORMATS, [18, G729]]) })

/** Where an instant after the opening stands on the timeline: audio that is sent from the opening on begins a transit later. */
function sampleAt(us: number): number {
  return ((us - TRANSIT_US) * POSITIONS) / SECOND_US
}

function cutOf(us: number): number {
  return Math.ceil((sampleAt(us) + HELD_TAIL_SAMPLES) / 960) * 960
}

function speech(index: number, seconds: number): Arrival[] {
  const samples = noise({ seed: 5 + index, samples: seconds * RATE, amplitude: 0.3 })
  return packetsOf({ plan: planOf(index), samples, ssrc: 1 + index })
}

function newRig(
  facts: Partial<RecordingFacts> = {},
  plans = [planOf(0)],
  handleFrame?: (frame: SpoolFrame) => void,
): RecordingRig<PcmStock> {
  const spool = handleFrame === undefined ? {} : { handleFrame }
  return new RecordingRig({ encoders: new PcmStock(), plans, facts: { heldUntilConsent: true, ...facts }, ...spool })
}

/** Records `seconds` of these packets, with consent at `releaseUs`, of which the recorder learns at `toldUs`. */
function record(
  rig: RecordingRig<PcmStock>,
  arrivals: readonly Arrival[],
  options: { readonly seconds: number; readonly releaseUs?: number; readonly toldUs?: number },
): ManifestBody {
  const { seconds, releaseUs, toldUs = releaseUs } = options
  if (releaseUs !== undefined && toldUs !== undefined) {
    rig.run(
      arrivals.filter(({ arrivalUs }) => arrivalUs <= OPENED_US + toldUs),
      toldUs,
    )
    rig.recordingSession.releaseHeld(OPENED_US + releaseUs)
  }
  rig.run(
    arrivals.filter(({ arrivalUs }) => toldUs === undefined || arrivalUs > OPENED_US + toldUs),
    seconds * SECOND_US,
  )
  return rig.end(seconds * SECOND_US)
}

async function isSound(manifest: ManifestBody): Promise<readonly string[]> {
  expect(findShapeFault(manifest)).toBeUndefined()
  const findings = new FindingList()
  await checkManifest(manifest, findings)
  return findings.findings.map(({ code, sentence }) => `${code} ${sentence}`)
}

describe('audio of the time before consent', () => {
  it('is under a key of its own up to the cut, and what follows under that of the recording', async () => {
    const rig = newRig()
    const manifest = record(rig, speech(0, 12), { seconds: 12, releaseUs: 7_010_000 })
    const cut = cutOf(7_010_000)
    expect(manifest.held).toMatchObject([{ heldSeq: 0, fromSample: 0, toSample: cut, outcome: 'pending' }])
    expect(manifest.chunks.map(({ heldSeq, toSample }) => [heldSeq, toSample <= cut])).toEqual([
      [0, true],
      [0, true],
      [undefined, false],
    ])
    expect([...(await openedBy(rig, 'heldKey', 'chunk')).keys()]).toEqual(['chunk-000000.age', 'chunk-000001.age'])
    expect([...(await openedBy(rig, 'key', 'chunk')).keys()]).toEqual(['chunk-000002.age'])
    expect(await isSound(manifest)).toEqual([])
  })

  it('and what follows are together what is recorded without holding, to the sample', async () => {
    const held = newRig({}, [planOf(0), planOf(1)])
    record(held, [...speech(0, 6), ...speech(1, 6)], { seconds: 6, releaseUs: 3_333_000 })
    const free = new RecordingRig({ encoders: new PcmStock(), plans: [planOf(0), planOf(1)] })
    record(free, [...speech(0, 6), ...speech(1, 6)], { seconds: 6 })
    const [one, other] = await Promise.all(
      [held, free].map(async (rig) => pcmBytesOf(Buffer.concat(await rig.opened('chunk')))),
    )
    expect([one?.length, one?.equals(other ?? Buffer.alloc(0))]).toEqual([other?.length, true])
    expect(one?.some((sample) => sample !== 0)).toBe(true)
  })

  it('begins a new link behind it that plays by itself', async () => {
    const rig = newRig({ layout: 'mixed' }, [planOf(0), planOf(1)])
    record(rig, [...speech(0, 6), ...speech(1, 6)], { seconds: 6, releaseUs: 3_000_000 })
    const own = pcmOf(Buffer.concat([...(await openedBy(rig, 'key', 'chunk')).values()]))
    const cut = cutOf(3_000_000) / 6
    expect(own).toHaveLength(1)
    expect(own[0]?.subarray(0, cut).every((sample) => sample === 0)).toBe(true)
    expect(own[0]?.subarray(cut, cut + 160).some((sample) => sample !== 0)).toBe(true)
    expect(rig.encoders).toMatchObject({ taken: 2, freed: 2 })
  })

  it('is all of it when nobody ever agrees', async () => {
    const rig = newRig()
    const manifest = record(rig, speech(0, 7), { seconds: 7 })
    expect(manifest.held).toMatchObject([{ fromSample: 0, toSample: manifest.durationSamples }])
    expect((await openedBy(rig, 'key', 'chunk')).size).toBe(0)
    expect((await openedBy(rig, 'heldKey', 'chunk')).size).toBe(2)
    expect(await isSound(manifest)).toEqual([])
  })

  it('is none when consent came before the first packet', async () => {
    const rig = newRig()
    rig.recordingSession.releaseHeld(OPENED_US)
    const manifest = record(rig, speech(0, 3), { seconds: 3 })
    expect(manifest.held).toMatchObject([{ fromSample: 0, toSample: 0 }])
    expect((await openedBy(rig, 'key', 'chunk')).size).toBe(1)
    expect(rig.sink.of('heldPeaks')).toEqual([])
    expect(await isSound(manifest)).toEqual([])
  })

  it('has its place even when consent came before the timeline had an origin', async () => {
    const rig = newRig()
    const manifest = record(rig, speech(0, 3), { seconds: 3, releaseUs: 200_000 })
    expect(manifest.held).toMatchObject([{ toSample: cutOf(200_000) }])
    expect(await isSound(manifest)).toEqual([])
  })

  it('goes on to where the recorder was when it learned of consent too late', async () => {
    const rig = newRig()
    const manifest = record(rig, speech(0, 8), { seconds: 8, releaseUs: 2_000_000, toldUs: 5_000_000 })
    const [held] = manifest.held ?? []
    expect(held?.toSample).toBeGreaterThan(sampleAt(4_000_000))
    expect(held?.toSample).toBeLessThanOrEqual(sampleAt(5_000_000))
    expect(await isSound(manifest)).toEqual([])
  })

  it('takes the first word on it, and no other', async () => {
    const rig = newRig()
    const arrivals = speech(0, 6)
    rig.run(arrivals, 2_000_000)
    rig.recordingSession.releaseHeld(OPENED_US + 2_000_000)
    rig.recordingSession.releaseHeld(OPENED_US + 3_000_000)
    rig.run(
      arrivals.filter(({ arrivalUs }) => arrivalUs > OPENED_US + 2_000_000),
      6_000_000,
    )
    expect(rig.end(6_000_000).held).toMatchObject([{ toSample: cutOf(2_000_000) }])
  })

  it('asks for the encoders of one link, and of two when another link comes first', () => {
    const rig = newRig({}, [planOf(0), planOf(1)])
    const three = [planOf(0), planOf(1), planOf(2)]
    expect(rig.recordingSession.encodersForRelease()).toEqual([8_000, 8_000, 8_000, 8_000])
    expect(rig.recordingSession.encodersNeeded(three)).toEqual([8_000, 8_000, 8_000])
    rig.run([...speech(0, 3), ...speech(1, 3)], 2_000_000)
    expect(rig.recordingSession.encodersForRelease()).toEqual([8_000, 8_000])
    rig.recordingSession.releaseHeld(OPENED_US + 2_000_000)
    expect(rig.recordingSession.encodersForRelease()).toEqual([])
    expect(rig.recordingSession.encodersNeeded(three)).toHaveLength(6)
    rig.run([], 3_000_000)
    expect(rig.recordingSession.encodersNeeded(three)).toHaveLength(3)
  })

  it('costs a recording without holding nothing: no key, no word in the manifest', () => {
    const rig = new RecordingRig({ encoders: new PcmStock(), plans: [planOf(0)] })
    const manifest = record(rig, speech(0, 3), { seconds: 3, releaseUs: 1_000_000 })
    expect(rig.sink.of('heldKey')).toEqual([])
    expect(manifest.held).toBeUndefined()
    expect(JSON.stringify(manifest)).not.toContain('heldSeq')
    expect(rig.recordingSession.encodersForRelease()).toEqual([])
  })
})

describe('audio that stands later than it was spoken', () => {
  /** Loud until consent. On its way is a queue, from the beginning on, that goes from `goesUs` on by a second a second. */
  function queued(queueMs: number, goesUs: number, consentUs: number): Arrival[] {
    let lastUs = 0
    return Array.from({ length: 600 }, (_, index) => {
      const spokenUs = index * 20_000
      const queueUs = Math.max(0, Math.min(queueMs * 1_000, queueMs * 1_000 - (spokenUs - goesUs)))
      lastUs = Math.max(lastUs, OPENED_US + spokenUs + 20_000 + TRANSIT_US + queueUs)
      const payload = encodePcmu(new Int16Array(160).fill(spokenUs < consentUs ? 9_000 : 700))
      const datagram = rtp({ sequenceNumber: index, timestamp: index * 160, payload })
      return { streamId: planOf(0).streamId, arrivalUs: lastUs, datagram }
    })
  }

  it.each([
    [100, 1_500_000],
    [200, 1_500_000],
    [300, 1_500_000],
    [1_000, 1_500_000],
    [300, 4_800_000],
    [200, 5_480_000],
    [240, 5_440_000],
  ])('by a queue of %i ms that went from %i us on is held all the same', async (queueMs, goesUs) => {
    const rig = newRig()
    const manifest = record(rig, queued(queueMs, goesUs, 5_000_000), { seconds: 12, releaseUs: 5_000_000 })
    const [own = new Int16Array(0)] = pcmOf(Buffer.concat([...(await openedBy(rig, 'key', 'chunk')).values()]))
    expect(own.filter((sample) => sample > 5_000).length).toBe(0)
    expect(own.filter((sample) => sample > 300).length).toBeGreaterThan(5 * RATE)
    expect(await isSound(manifest)).toEqual([])
  })
})

describe('beside the chunks', () => {
  it('frames for the spool are under the key of their place', async () => {
    const frames: SpoolFrame[] = []
    const rig = newRig({}, [planOf(0)], (frame) => void frames.push(frame))
    record(rig, speech(0, 6), { seconds: 6, releaseUs: 3_000_000 })
    const cut = cutOf(3_000_000)
    const [own = ''] = await identitiesOf(rig.sink.objects, 'key')
    const [held = ''] = await identitiesOf(rig.sink.objects, 'heldKey')
    for (const frame of frames) {
      if (frame.kind !== 'chunk') throw new Error('no packets are kept here')
      const isHeld = frame.toSample <= cut
      expect(frame.fromSample >= cut).toBe(!isHeld)
      expect(frame.heldSeq).toBe(isHeld ? 0 : undefined)
      expect((await openSealed(frame.bytes, [isHeld ? held : own])).ok).toBe(true)
      expect((await openSealed(frame.bytes, [isHeld ? own : held])).ok).toBe(false)
    }
    expect(frames.filter(({ kind }) => kind === 'chunk').length).toBeGreaterThan(10)
  })

  it('packets that are kept as they came are held by where they begin', async () => {
    const arrivals = Array.from({ length: 300 }, (_, index) => ({
      streamId: KEPT_PLAN.streamId,
      datagram: rtp({
        payloadType: 18,
        sequenceNumber: index,
        timestamp: index * 160,
        payload: Buffer.from(`packet ${index}`),
      }),
      arrivalUs: OPENED_US + (index + 1) * 20_000 + TRANSIT_US,
    }))
    const frames: SpoolFrame[] = []
    const rig = newRig({}, [KEPT_PLAN], (frame) => void frames.push(frame))
    const manifest = record(rig, arrivals, { seconds: 6, releaseUs: 3_000_000 })
    const cut = manifest.held?.[0]?.toSample ?? 0
    expect(cut).toBeGreaterThanOrEqual(cutOf(3_000_000))
    const numbers = async (key: 'key' | 'heldKey') =>
      [...(await openedBy(rig, key, 'kept')).values()].flatMap((object) => {
        const read = readRtpdump(object)
        return read.ok ? read.value.records.map(({ packet }) => Number(Buffer.from(packet).toString('latin1', 19))) : []
      })
    const last = Math.ceil(cut / 960)
    expect(await numbers('heldKey')).toEqual(Array.from({ length: last }, (_, index) => index))
    expect(await numbers('key')).toEqual(Array.from({ length: 299 - last }, (_, index) => index + last))
    expect(frames.filter(({ kind }) => kind === 'kept').length).toBeGreaterThan(10)
    expect(await isSound(manifest)).toEqual([])
  })

  it('keys that were pressed are in objects apart', async () => {
    const samples = noise({ seed: 5, samples: 8 * RATE, amplitude: 0.05 })
    for (const [digits, at] of [
      ['12', 1],
      ['34', 5],
    ] as const)
      samples.set(pressedKeys({ digits, leadMs: 0 }).samples, at * RATE)
    const rig = newRig({ dtmf: 'store' })
    const manifest = record(rig, packetsOf({ plan: planOf(0), samples }), { seconds: 8, releaseUs: 4_000_000 })
    const digitsBy = async (key: 'key' | 'heldKey') =>
      [...(await openedBy(rig, key, 'dtmf')).values()].flatMap((lines) =>
        [...new TextDecoder().decode(lines).matchAll(/"digit":"(.)"/g)].map(([, digit]) => digit),
      )
    expect(await digitsBy('heldKey')).toEqual(['1', '2'])
    expect(await digitsBy('key')).toEqual(['3', '4'])
    expect(manifest.dtmf?.map(({ heldSeq }) => heldSeq)).toEqual([0, undefined])
    expect(await isSound(manifest)).toEqual([])
  })

  it('peaks are in files apart, which are together those of a recording without holding', async () => {
    const streamsIn = async (
      of: RecordingRig<PcmStock>,
      kind: 'peaks' | 'heldPeaks',
    ): Promise<readonly StreamPeaks[]> => {
      const read = readPeaks((await of.opened(kind))[0] ?? new Uint8Array(0))
      if (!read.ok) throw new Error(read.reason)
      return read.value
    }
    const peaksIn = async (of: RecordingRig<PcmStock>, kind: 'peaks' | 'heldPeaks') => (await streamsIn(of, kind))[0]
    const rig = newRig()
    const manifest = record(rig, speech(0, 6), { seconds: 6, releaseUs: 3_030_000 })
    const free = new RecordingRig({ encoders: new PcmStock(), plans: [planOf(0)] })
    record(free, speech(0, 6), { seconds: 6 })
    expect([...(await openedBy(rig, 'heldKey', 'heldPeaks')).keys()]).toEqual(['held-peaks-000.age'])
    expect([...(await openedBy(rig, 'key', 'peaks')).keys()]).toEqual(['peaks.age'])
    expect(manifest.held?.[0]?.peaks).toEqual(rig.sink.of('heldPeaks')[0]?.peaks)
    const held = (await peaksIn(rig, 'heldPeaks'))?.peaks ?? new Uint8Array(0)
    const own = (await peaksIn(rig, 'peaks'))?.peaks ?? new Uint8Array(0)
    const points = Math.ceil(cutOf(3_030_000) / 2_400)
    expect(held).toHaveLength(points)
    expect(own.subarray(0, points - 1).every((peak) => peak === 0)).toBe(true)
    const whole = readPeaks((await free.opened('peaks'))[0] ?? new Uint8Array(0))
    const [all, part] = [await streamsIn(rig, 'peaks'), await streamsIn(rig, 'heldPeaks')]
    expect(mergePeaks(all, part)).toEqual(whole.ok && whole.value)
  })

  it('peaks of a recording that was held to its end are 0 in those of the recording', async () => {
    const rig = newRig()
    record(rig, speech(0, 3), { seconds: 3 })
    const own = readPeaks((await rig.opened('peaks'))[0] ?? new Uint8Array(0))
    expect(own.ok && own.value[0]?.peaks.every((peak) => peak === 0)).toBe(true)
    expect((await rig.opened('heldPeaks')).length).toBe(1)
  })

  it('somebody who listens hears nothing that is held, and from the cut on a stream of its own', async () => {
    const rig = newRig()
    const heard: Uint8Array[] = []
    const listener = { listenerId: 1, from: '192.0.2.7', write: (pages: Uint8Array) => void heard.push(pages) }
    expect(rig.recordingSession.listeners.add(listener, OPENED_US).ok).toBe(true)
    const arrivals = speech(0, 6)
    rig.run(arrivals, 3_000_000)
    expect(heard).toEqual([])
    rig.recordingSession.releaseHeld(OPENED_US + 3_000_000)
    rig.run(
      arrivals.filter(({ arrivalUs }) => arrivalUs > OPENED_US + 3_000_000),
      6_000_000,
    )
    rig.end(6_000_000)
    const own = [...(await openedBy(rig, 'key', 'chunk')).values()]
    expect(Buffer.concat(heard)).toEqual(Buffer.concat(own))
  })

  it('a pause over the cut changes nothing of either', async () => {
    const rig = newRig()
    const arrivals = speech(0, 8)
    const until = (us: number) => arrivals.filter(({ arrivalUs }) => arrivalUs <= OPENED_US + us)
    rig.run(until(2_000_000), 2_000_000)
    rig.recordingSession.setPaused(true, 'api', OPENED_US + 2_000_000)
    rig.run(arrivals.slice(until(2_000_000).length, until(3_000_000).length), 3_000_000)
    rig.recordingSession.releaseHeld(OPENED_US + 3_000_000)
    rig.run(arrivals.slice(until(3_000_000).length, until(4_000_000).length), 4_000_000)
    rig.recordingSession.setPaused(false, 'api', OPENED_US + 4_000_000)
    rig.run(arrivals.slice(until(4_000_000).length), 8_000_000)
    const manifest = rig.end(8_000_000)
    expect(manifest.held).toMatchObject([{ toSample: cutOf(3_000_000) }])
    expect(await isSound(manifest)).toEqual([])
    const [channel = new Int16Array(0)] = pcmOf(Buffer.concat(await rig.opened('chunk')))
    const silent = channel.subarray((sampleAt(2_050_000) / 6) | 0, (sampleAt(3_950_000) / 6) | 0)
    expect(silent.every((sample) => sample === 0)).toBe(true)
  })
})
