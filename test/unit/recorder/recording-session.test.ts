import { beforeEach, describe, expect, it } from 'vitest'

import { signManifest, type ManifestBody, type StreamEntry } from '../../../src/evidence/manifest.ts'
import { MANIFEST_NAME } from '../../../src/evidence/object-names.ts'
import { sha256Hex } from '../../../src/evidence/sha256.ts'
import { verifyRecording, type Verdict } from '../../../src/evidence/verify.ts'
import { linkLabels, linkStart } from '../../../src/media/flatten-links.ts'
import { parseMetadata } from '../../../src/protocol/siprec/parse-metadata.ts'
import { INCIDENTS_MAX } from '../../../src/recorder/incident-list.ts'
import { CHANNELS_MAX } from '../../../src/recorder/receiver-set.ts'
import { TRAILING_TOLERANCE_US } from '../../../src/recorder/recording-writer.ts'
import type { RecordingFacts } from '../../../src/recorder/recording-types.ts'
import { SNAPSHOTS_MAX, type ReceivedMetadata } from '../../../src/recorder/snapshot-keeper.ts'
import { matchAudio, noise } from '../../support/audio.ts'
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

/** Speech-like noise: loud and quiet by turns, and different for each seed. */
function speech(seed: number, seconds: number): Int16Array {
  return noise({ seed, samples: seconds * RATE, amplitude: 0.4 }).map((sample, index) =>
    Math.round(sample * Math.abs(Math.sin(index / 1_700))),
  )
}

async function rigOf(plans = [caller, callee], facts: Partial<RecordingFacts> = {}, stock = 8): Promise<RecordingRig> {
  return new RecordingRig({ encoders: await EncoderStock.of(stock), plans, facts })
}

/** Two participants who talk for some seconds. */
function conversation(seconds: number): {
  readonly arrivals: Arrival[]
  readonly said: readonly [Int16Array, Int16Array]
} {
  const said = [speech(11, seconds), speech(22, seconds)] as const
  return {
    said,
    arrivals: [
      ...packetsOf({ plan: caller, samples: said[0] }),
      ...packetsOf({ plan: callee, samples: said[1], ssrc: 2, timestamp: 5_000 }),
    ],
  }
}

function metadataOf(text: string): ReceivedMetadata {
  const raw = new TextEncoder().encode(text)
  const parsed = parseMetadata(raw)
  return { raw, rawSha256: sha256Hex(raw), snapshot: parsed.ok ? parsed.value : undefined }
}

/** One participant for each stream; streams without a label are told apart by order alone. */
function snapshotOf(streams: readonly { readonly label?: string; readonly sender: string }[]): ReceivedMetadata {
  const xml = streams.flatMap(({ label, sender }, index) => [
    `<participant participant_id="${sender}"><nameID aor="sip:${sender}@example.com"/></participant>`,
    `<stream stream_id="s${index}" session_id="cs1">${label === undefined ? '' : `<label>${label}</label>`}</stream>`,
    `<participantstreamassoc participant_id="${sender}"><send>s${index}</send></participantstreamassoc>`,
  ])
  const head =
    '<?xml version="1.0"?><recording xmlns="urn:ietf:params:xml:ns:recording:1"><datamode>complete</datamode>'
  return metadataOf(`${head}<session session_id="cs1"/>${xml.join('')}</recording>`)
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

const gapsOf = (stream: StreamEntry | undefined): readonly string[] =>
  (stream?.gaps ?? []).map(({ fromSample, toSample, cause }) => `${fromSample / 48_000}..${toSample / 48_000} ${cause}`)

describe('a conversation of twelve seconds', () => {
  let rig: RecordingRig
  let manifest: ManifestBody
  let said: readonly [Int16Array, Int16Array]

  beforeEach(async () => {
    rig = await rigOf()
    const talked = conversation(12)
    said = talked.said
    rig.recordingSession.handleMetadata(
      snapshotOf([
        { label: '1', sender: 'alice' },
        { label: '2', sender: 'bob' },
      ]),
      OPENED_US,
    )
    rig.run(talked.arrivals, 12.1 * SECOND_US)
    manifest = rig.end(12.1 * SECOND_US)
  })

  it('is sealed in chunks of the configured length, while it lasts, without a hole between them', () => {
    const { chunks } = manifest
    expect(chunks.map(({ chunkSeq }) => chunkSeq)).toEqual([0, 1, 2])
    expect(chunks[0]?.fromSample).toBe(0)
    expect(chunks.slice(1).map(({ fromSample }) => fromSample)).toEqual(
      chunks.slice(0, -1).map(({ toSample }) => toSample),
    )
    expect(chunks.at(-1)?.toSample).toBe(manifest.durationSamples)
    for (const { fromSample, toSample } of chunks.slice(0, -1)) {
      expect(Math.abs(toSample - fromSample - 5 * 48_000)).toBeLessThanOrEqual(960)
    }
  })

  it('lasts as long as was spoken, to the sample', () => {
    expect(manifest.durationSamples).toBe(12 * 48_000)
    expect(manifest).toMatchObject({ state: 'complete', endCause: 'bye' })
  })

  it('verifies, and every object opens', async () => {
    expect((await verify(rig, manifest)).findings).toEqual([])
  })

  it('gives both participants back, each on their channel, at the same time', async () => {
    const heard = await rig.heard()
    expect(heard.map(({ length }) => length)).toEqual([12 * RATE, 12 * RATE])
    const matches = said.map((samples, index) =>
      matchAudio(samples, heard[index] ?? new Int16Array(0), { lagMax: 400 }),
    )
    expect(matches.map(({ correlation }) => correlation > 0.85)).toEqual([true, true])
    expect(matches.map(({ lag }) => lag)).toEqual([0, 0])
    expect(matchAudio(said[0], heard[1] ?? new Int16Array(0), { lagMax: 400 }).correlation).toBeLessThan(0.1)
  })

  it('has clear audio, clear metadata and clear keys in no byte that leaves it', () => {
    const left = Buffer.concat(rig.sink.objects.map(({ bytes }) => bytes))
    const clear = ['OggS', 'OpusHead', 'OpusTags', 'AGE-SECRET-KEY-', '<recording', 'alice']
    expect(clear.filter((text) => left.includes(text))).toEqual([])
    // What can be read of each object is the head of an age file.
    for (const { bytes } of rig.sink.objects) {
      expect(Buffer.from(bytes).subarray(0, 21).toString()).toBe('age-encryption.org/v1')
    }
  })

  it('seals its key first', () => {
    expect(rig.sink.objects.map(({ name }) => name)).toEqual([
      ...['key.age', 'metadata-000.age'],
      ...['chunk-000000.age', 'chunk-000001.age', 'chunk-000002.age', 'peaks.age'],
    ])
  })

  it('counts every packet and names who was heard', () => {
    for (const [index, stream] of manifest.streams.entries()) {
      expect(stream.packets).toEqual({ expected: 600, received: 600, lost: 0, late: 0, duplicate: 0, discarded: 0 })
      expect(stream).toMatchObject({ channel: index, codecs: ['PCMU'], gaps: [] })
      expect(stream.ledger.audioSamples).toBe(manifest.durationSamples)
      expect(stream.participantIds).toEqual([['alice', 'bob'][index]])
    }
  })

  it('gives every encoder back', () => {
    expect(rig.encoders).toMatchObject({ taken: 2, freed: 2 })
  })

  it('is over: what comes now changes nothing, and ending it again gives the same', () => {
    const objects = rig.sink.objects.length
    rig.run(conversation(13).arrivals.slice(-50), 14 * SECOND_US)
    rig.recordingSession.handleMetadata(metadataOf('<late/>'), OPENED_US)
    rig.recordingSession.updateStreams([caller, callee, planOf(2)], OPENED_US)
    rig.recordingSession.fail(new Error('late'), OPENED_US)
    expect(rig.end(15 * SECOND_US)).toBe(manifest)
    expect(rig.sink.objects).toHaveLength(objects)
    expect(rig.sink.incidents).toEqual([])
  })
})

describe('a recording without audio', () => {
  it('says that no packet came, and verifies', async () => {
    const rig = await rigOf()
    rig.run([], 5 * SECOND_US)
    const manifest = rig.end(5 * SECOND_US)
    expect(manifest).toMatchObject({ chunks: [], durationSamples: 0, state: 'complete' })
    expect(manifest.originAt).toBeUndefined()
    expect(rig.sink.incidentCodes).toEqual(['no-media'])
    expect((await verify(rig, manifest)).findings).toEqual([])
    expect(rig.encoders).toMatchObject({ taken: 0 })
  })

  it('of one side says so', async () => {
    const rig = await rigOf()
    rig.run(packetsOf({ plan: caller, samples: speech(1, 2) }), 2.1 * SECOND_US)
    const manifest = rig.end(2.1 * SECOND_US)
    expect(rig.sink.incidentCodes).toEqual(['one-way'])
    expect(gapsOf(manifest.streams[1])).toEqual(['0..2 noMedia'])
  })

  it('of one side is right when the other was on hold from first to last', async () => {
    const rig = await rigOf([caller, planOf(1, { held: true })])
    rig.run(packetsOf({ plan: caller, samples: speech(1, 2) }), 2.1 * SECOND_US)
    const manifest = rig.end(2.1 * SECOND_US)
    expect(rig.sink.incidentCodes).toEqual([])
    expect(gapsOf(manifest.streams[1])).toEqual(['0..2 held'])
  })
})

describe('the wish of a participant not to be recorded', () => {
  it('is noted when it comes, and recording goes on', async () => {
    const unwished = planOf(1, { wish: 'pause' })
    const rig = await rigOf([caller, unwished])
    rig.recordingSession.updateStreams([caller, unwished], OPENED_US)
    rig.recordingSession.updateStreams([planOf(0, { wish: 'off' }), unwished], OPENED_US)
    rig.recordingSession.updateStreams([caller, callee], OPENED_US)
    expect(rig.sink.incidentCodes).toEqual(['recording-unwished', 'recording-unwished'])
    rig.run(packetsOf({ plan: caller, samples: speech(1, 2) }), 2.1 * SECOND_US)
    expect(rig.end(2.1 * SECOND_US)).toMatchObject({ durationSamples: 96_000 })
  })
})

describe('the end of a recording', () => {
  it('is the last sample when the BYE comes soon after', async () => {
    const rig = await rigOf([caller])
    rig.run(packetsOf({ plan: caller, samples: speech(1, 3) }), 3 * SECOND_US + TRAILING_TOLERANCE_US)
    const manifest = rig.end(3 * SECOND_US + TRAILING_TOLERANCE_US - 50_000)
    expect(manifest.durationSamples).toBe(3 * 48_000)
    expect(gapsOf(manifest.streams[0])).toEqual([])
  })

  it('is the BYE when the audio had stopped long before', async () => {
    const rig = await rigOf([caller])
    rig.run(packetsOf({ plan: caller, samples: speech(1, 3) }), 7 * SECOND_US)
    const manifest = rig.end(7 * SECOND_US)
    expect(manifest.durationSamples / 48_000).toBeCloseTo(7 - 0.01, 3)
    expect(gapsOf(manifest.streams[0])).toEqual([`3..${manifest.durationSamples / 48_000} noMedia`])
    expect((await verify(rig, manifest)).findings).toEqual([])
  })

  it('may fall inside a frame: the duration is exact all the same', async () => {
    const rig = await rigOf([caller])
    rig.run(packetsOf({ plan: caller, samples: speech(1, 2) }), 3_456_789)
    const manifest = rig.end(3_456_789)
    expect(manifest.durationSamples % 960).not.toBe(0)
    expect((await rig.heard())[0]?.length).toBe(manifest.durationSamples / 6)
    expect((await verify(rig, manifest)).findings).toEqual([])
  })

  it('keeps packets that were read after the BYE, even if they were the only ones', async () => {
    const rig = await rigOf([caller])
    rig.run(packetsOf({ plan: caller, samples: speech(1, 0.1) }), 150_000)
    const manifest = rig.end(10_000)
    expect(manifest.durationSamples).toBe(0.1 * 48_000)
    expect(manifest.streams[0]?.packets.received).toBe(5)
  })

  it('has no incident later than itself', async () => {
    const rig = await rigOf()
    rig.run(packetsOf({ plan: caller, samples: speech(1, 2) }), 2 * SECOND_US)
    const manifest = rig.end(2 * SECOND_US + 300_000)
    expect(manifest.incidents).toMatchObject([{ code: 'one-way', atSample: manifest.durationSamples }])
  })
})

describe('packets that come late, at every instant between two wakes', () => {
  it.each([0, 33, 66, 99, 140, 180, 220, 260])('are all heard: %d ms after a wake', async (phaseMs) => {
    const rig = await rigOf([caller])
    const samples = speech(1, 5)
    // Of every 25 packets one comes 280 ms late, and the jitter of those around it is 80 ms.
    const arrivals = packetsOf({ plan: caller, samples }).map((packet, index) => {
      const lateUs = index % 25 === 12 ? 280_000 : index % 25 === 13 ? 80_000 : 0
      return { ...packet, arrivalUs: packet.arrivalUs + lateUs + phaseMs * 1_000 }
    })
    rig.run(
      arrivals.toSorted((one, other) => one.arrivalUs - other.arrivalUs),
      6 * SECOND_US,
    )
    const stream = rig.end(6 * SECOND_US).streams[0]
    expect(stream?.packets).toMatchObject({ expected: 250, received: 250, lost: 0, late: 0 })
    expect(stream?.gaps.filter(({ cause }) => cause !== 'noMedia')).toEqual([])
    expect(matchAudio(samples, (await rig.heard())[0]!, { lagMax: 200 })).toMatchObject({ lag: 0 })
  })
})

describe('a media stream that joins later', () => {
  it('begins a new link in which it has a channel; before, it has a gap', async () => {
    const rig = await rigOf([caller])
    const [first, second] = [speech(1, 10), speech(2, 5)]
    rig.run(packetsOf({ plan: caller, samples: first }).slice(0, 250), 5 * SECOND_US)
    rig.recordingSession.updateStreams([caller, callee], OPENED_US + 5 * SECOND_US)
    const rest = packetsOf({ plan: caller, samples: first }).slice(250)
    const joined = packetsOf({ plan: callee, samples: second, fromUs: 5 * SECOND_US, ssrc: 2 })
    rig.run([...rest, ...joined], 10 * SECOND_US)
    const manifest = rig.end(10 * SECOND_US)
    const links = await rig.links()
    expect(links.map(linkLabels)).toEqual([['1'], ['1', '2']])
    expect(linkStart(links[0]!)).toBe(0)
    expect(linkStart(links[1]!)! / 48_000).toBeCloseTo(4.7, 1)
    expect(gapsOf(manifest.streams[1])).toEqual(['0..5 noMedia'])
    const heard = await rig.heard()
    expect(matchAudio(first, heard[0]!, { lagMax: 200 })).toMatchObject({ lag: 0 })
    expect(matchAudio(second, heard[1]!.subarray(5 * RATE), { lagMax: 200 })).toMatchObject({ lag: 0 })
    expect((await verify(rig, manifest)).findings).toEqual([])
    expect(rig.encoders).toMatchObject({ taken: 3, freed: 3 })
  })

  it('before any audio costs no link of its own', async () => {
    const rig = await rigOf([caller])
    rig.recordingSession.updateStreams([caller, callee], OPENED_US)
    rig.run(conversation(2).arrivals, 2 * SECOND_US)
    rig.end(2 * SECOND_US)
    expect((await rig.links()).map(linkLabels)).toEqual([['1', '2']])
  })

  it('needs encoders for all channels, which the shell makes beforehand', async () => {
    const rig = await rigOf([caller])
    expect(rig.recordingSession.encodersNeeded([caller])).toEqual([])
    expect(rig.recordingSession.encodersNeeded([caller, callee, planOf(2)])).toEqual([8_000, 8_000, 8_000])
    const mixed = await rigOf([caller], { layout: 'mixed' })
    expect(mixed.recordingSession.encodersNeeded([caller, callee])).toEqual([])
  })

  it(`is refused beyond ${CHANNELS_MAX} channels, with an incident`, async () => {
    const rig = await rigOf(Array.from({ length: CHANNELS_MAX }, (_, index) => planOf(index)))
    rig.recordingSession.updateStreams(
      [...rig.recordingSession.streamReceivers.values()].map(({ plan }) => plan).concat(planOf(CHANNELS_MAX)),
      OPENED_US,
    )
    expect(rig.recordingSession.streamReceivers.size).toBe(CHANNELS_MAX)
    expect(rig.sink.incidentCodes).toEqual(['streams-too-many'])
  })
})

describe('the mixed layout', () => {
  it('has everybody on one channel, and a stream that joins begins no new link', async () => {
    const rig = await rigOf([caller], { layout: 'mixed' })
    const { arrivals, said } = conversation(6)
    rig.run(
      arrivals.filter(({ arrivalUs }) => arrivalUs < OPENED_US + 3 * SECOND_US),
      3 * SECOND_US,
    )
    rig.recordingSession.updateStreams([caller, callee], OPENED_US + 3 * SECOND_US)
    rig.run(
      arrivals.filter(({ arrivalUs }) => arrivalUs >= OPENED_US + 3 * SECOND_US),
      6 * SECOND_US,
    )
    const manifest = rig.end(6 * SECOND_US)
    expect((await rig.links()).map(linkLabels)).toEqual([['mixed']])
    expect(manifest.streams.map(({ channel }) => channel)).toEqual([0, 0])
    expect(rig.encoders).toMatchObject({ taken: 1, freed: 1 })
    const [heard] = await rig.heard()
    const sum = said[0].map((sample, index) => sample + (index < 3 * RATE ? 0 : (said[1][index] ?? 0)))
    expect(matchAudio(sum, heard!, { lagMax: 100 })).toMatchObject({ lag: 0 })
    expect(matchAudio(sum, heard!, { lagMax: 100 }).correlation).toBeGreaterThan(0.85)
  })
})

describe('hold', () => {
  it('is time that goes on, and a gap that says why', async () => {
    const rig = await rigOf([caller])
    const said = speech(5, 2)
    rig.run(packetsOf({ plan: caller, samples: said }), 2.02 * SECOND_US)
    rig.recordingSession.updateStreams([planOf(0, { held: true })], OPENED_US + 2.02 * SECOND_US)
    rig.run([], 6 * SECOND_US)
    expect(rig.recordingSession.allHeld).toBe(true)
    rig.recordingSession.updateStreams([caller], OPENED_US + 6 * SECOND_US)
    expect(rig.recordingSession.quietSinceUs).toBe(OPENED_US + 6 * SECOND_US)
    const resumed = packetsOf({ plan: caller, samples: said, fromUs: 6 * SECOND_US, sequenceNumber: 0xfff0 + 100 })
    rig.run(resumed, 8.1 * SECOND_US)
    const manifest = rig.end(8.1 * SECOND_US)
    expect(gapsOf(manifest.streams[0])).toEqual(['2..6 held'])
    expect(manifest.durationSamples).toBe(8 * 48_000)
  })

  it('is not what a stream is in that went over to formats that are not recorded: that is an incident', async () => {
    const rig = await rigOf()
    rig.recordingSession.updateStreams([caller], OPENED_US)
    rig.recordingSession.updateStreams([caller], OPENED_US)
    expect(rig.sink.incidentCodes).toEqual(['stream-refused'])
  })
})

describe('who is heard on which m-line', () => {
  async function heardOn(plans: Parameters<typeof rigOf>[0], snapshot: ReceivedMetadata): Promise<unknown> {
    const rig = await rigOf(plans)
    rig.recordingSession.handleMetadata(snapshot, OPENED_US)
    return rig.end(SECOND_US).streams.map(({ streamLabel, participantIds }) => [streamLabel, ...participantIds])
  }

  it('is found by the label, whatever the order', async () => {
    const snapshot = snapshotOf([
      { label: '2', sender: 'bob' },
      { label: '1', sender: 'alice' },
    ])
    expect(await heardOn([caller, callee], snapshot)).toEqual([
      ['1', 'alice'],
      ['2', 'bob'],
    ])
  })

  it('is found by order when m-lines have no label, even if metadata has labels that look like their places', async () => {
    const labels = [undefined, undefined]
    const plans = [0, 1].map((index) => planOf(index, { label: undefined, labels }))
    const snapshot = snapshotOf([
      { label: '2', sender: 'alice' },
      { label: '1', sender: 'bob' },
    ])
    expect(await heardOn(plans, snapshot)).toEqual([
      ['1', 'alice'],
      ['2', 'bob'],
    ])
  })

  it('is found by the place in the SDP, not by the place among what is recorded', async () => {
    const labels = [undefined, undefined, undefined]
    // The first m-line is video, which is not recorded but is in the metadata.
    const plans = [1, 2].map((index) => planOf(index, { label: undefined, labels }))
    const snapshot = snapshotOf([{ sender: 'camera' }, { sender: 'alice' }, { sender: 'bob' }])
    expect(await heardOn(plans, snapshot)).toEqual([
      ['2', 'alice'],
      ['3', 'bob'],
    ])
  })

  it('can be written into a manifest, however long the labels and ids are that an SRC gives', async () => {
    const [label, sender] = [`${'l'.repeat(4_095)}${'😀'.repeat(10)}`, 'p'.repeat(5_000)]
    const rig = await rigOf([planOf(0, { label })])
    rig.recordingSession.handleMetadata(snapshotOf([{ label, sender }]), OPENED_US)
    const manifest = rig.end(SECOND_US)
    expect(manifest.streams[0]?.streamLabel).toHaveLength(4_096)
    expect((await verify(rig, manifest)).findings).toEqual([])
  })

  it('leaves to other m-lines what they claim by label, recorded or not', async () => {
    const labels = ['v', undefined]
    const snapshot = snapshotOf([
      { label: 'v', sender: 'camera' },
      { label: 'a', sender: 'alice' },
    ])
    expect(await heardOn([planOf(1, { label: undefined, labels })], snapshot)).toEqual([['2', 'alice']])
  })
})

describe('metadata', () => {
  it('is kept byte for byte, sealed, readable or not', async () => {
    const rig = await rigOf()
    const texts = ['<recording xmlns="urn:ietf:params:xml:ns:recording:1"/>', 'not XML at all \u0000']
    for (const text of texts) rig.recordingSession.handleMetadata(metadataOf(text), OPENED_US)
    const manifest = rig.end(SECOND_US)
    expect((await rig.opened('metadata')).map((bytes) => new TextDecoder().decode(bytes))).toEqual(texts)
    expect(manifest.snapshots.map(({ seq, name, valid }) => [seq, name, valid])).toEqual([
      [0, 'metadata-000.age', true],
      [1, 'metadata-001.age', false],
    ])
    expect(rig.sink.incidentCodes).toContain('metadata-invalid')
    expect((await verify(rig, manifest)).findings).toEqual([])
  })

  it(`is kept up to ${SNAPSHOTS_MAX} documents; beyond, incidents say so`, async () => {
    const rig = await rigOf()
    const received = snapshotOf([{ label: '1', sender: 'alice' }])
    for (let more = 0; more < SNAPSHOTS_MAX + 3; more += 1) rig.recordingSession.handleMetadata(received, OPENED_US)
    expect(rig.sink.of('metadata')).toHaveLength(SNAPSHOTS_MAX)
    expect(rig.sink.incidentCodes).toEqual(Array.from({ length: 3 }, () => 'metadata-too-many'))
  })
})

describe('incidents', () => {
  it(`are at most ${INCIDENTS_MAX}; the last says that there were more, and nothing outside grows either`, async () => {
    const rig = await rigOf()
    for (let more = 0; more < INCIDENTS_MAX + 50; more += 1) {
      rig.recordingSession.noteIncident('odd', 'Something was odd.', OPENED_US + more * SECOND_US)
    }
    expect(rig.sink.incidents).toHaveLength(INCIDENTS_MAX)
    expect(rig.sink.incidentCodes.slice(-2)).toEqual(['odd', 'incidents-too-many'])
    expect(rig.recordingSession.incidentsDropped).toBe(51)
    expect(rig.end(SECOND_US).incidents).toHaveLength(INCIDENTS_MAX)
  })
})

describe('a failure inside', () => {
  const SECONDS = 8

  /** The encoder throws at the frame that it is told to; whoever drives the recording session tells it, as the shell does. */
  async function breakAt(encodings: number): Promise<{ rig: RecordingRig; thrown: unknown }> {
    const rig = await rigOf()
    rig.encoders.failAfter = encodings
    let thrown: unknown
    try {
      rig.run(conversation(SECONDS).arrivals, SECONDS * SECOND_US)
    } catch (error) {
      thrown = error
      rig.recordingSession.fail(error, OPENED_US + SECONDS * SECOND_US)
    }
    return { rig, thrown }
  }

  it('while it is recording keeps every whole frame before it, and the recording verifies', async () => {
    const { rig, thrown } = await breakAt(2 * 6 * 50 + 1)
    expect(thrown).toBeInstanceOf(TypeError)
    expect(rig.recordingSession.hasFailed).toBe(true)
    const manifest = rig.end(SECONDS * SECOND_US)
    expect(manifest).toMatchObject({ state: 'interrupted', endCause: 'recorderFailed', originAt: expect.any(String) })
    expect(manifest.durationSamples).toBe(6 * 48_000 - 120)
    const { durationSamples } = manifest
    expect(manifest.streams.map(({ codecs, packets, ledger }) => [codecs, packets.lost, ledger])).toEqual(
      [caller, callee].map(() => [['PCMU'], 0, expect.objectContaining({ audioSamples: durationSamples })]),
    )
    expect(manifest.incidents).toMatchObject([
      { code: 'recorder-failed', detail: expect.stringContaining('TypeError') },
    ])
    expect((await verify(rig, manifest)).findings).toEqual([])
    expect((await rig.heard())[0]?.length).toBe(6 * RATE - 20)
    expect(rig.encoders).toMatchObject({ taken: 2, freed: 2 })
  })

  it('tells the gaps and pauses of what was written, cut where that ends', async () => {
    const rig = await rigOf()
    const later = (seconds: number): number => OPENED_US + seconds * SECOND_US
    rig.recordingSession.setPaused(true, 'api', later(2))
    rig.recordingSession.setPaused(false, 'api', later(3))
    rig.recordingSession.setPaused(true, 'src', later(5), 'INFO')
    rig.run(conversation(SECONDS).arrivals, SECONDS * SECOND_US)
    rig.recordingSession.fail(new TypeError('broken'), later(SECONDS))
    const manifest = rig.end(SECONDS * SECOND_US)
    expect(manifest.state).toBe('interrupted')
    const { durationSamples, pauses = [], streams } = manifest
    expect(pauses.map(({ by, toSample }) => [by, toSample === undefined])).toEqual([
      ['api', false],
      ['src', true],
    ])
    expect(streams).toHaveLength(2)
    for (const { gaps, ledger } of streams) {
      expect(gaps.map(({ cause }) => cause)).toEqual(['paused', 'paused'])
      expect(gaps.at(-1)?.toSample).toBe(durationSamples)
      expect(ledger.audioSamples + (ledger.gapSamples.paused ?? 0)).toBe(durationSamples)
      expect(ledger.concealedSamples).toBeUndefined()
    }
    expect((await verify(rig, manifest)).findings).toEqual([])
  })

  it('counts what waited for a missing packet', async () => {
    const rig = await rigOf([caller])
    rig.run(packetsOf({ plan: caller, samples: speech(1, 2) }).toSpliced(97, 1), 2 * SECOND_US)
    rig.recordingSession.fail(new TypeError('broken'), OPENED_US + 2 * SECOND_US)
    const manifest = rig.end(2 * SECOND_US)
    const { findings } = await verify(rig, manifest)
    expect([manifest.streams[0]?.packets, findings]).toMatchObject([{ expected: 99, received: 98, lost: 1 }, []])
  })

  it('at the very end does not keep the recording from being closed', async () => {
    const { rig, thrown } = await breakAt(2 * (SECONDS * 50 - 10))
    expect(thrown).toBeUndefined()
    const manifest = rig.end(SECONDS * SECOND_US)
    expect(manifest).toMatchObject({ state: 'interrupted', endCause: 'recorderFailed' })
    expect(manifest.durationSamples).toBe((SECONDS * 50 - 10) * 960 - 120)
    expect((await verify(rig, manifest)).findings).toEqual([])
    expect(rig.encoders).toMatchObject({ taken: 2, freed: 2 })
    expect(rig.end(SECONDS * SECOND_US)).toBe(manifest)
  })

  it('before there was a frame leaves a recording without audio', async () => {
    const { rig } = await breakAt(0)
    const manifest = rig.end(SECONDS * SECOND_US)
    expect(manifest).toMatchObject({ state: 'interrupted', durationSamples: 0 })
    expect((await verify(rig, manifest)).findings).toEqual([])
    expect(rig.encoders).toMatchObject({ taken: 2, freed: 2 })
  })

  it('takes no more audio, and still keeps the metadata that comes', async () => {
    const { rig } = await breakAt(2 * 50)
    const received = rig.recordingSession.streamReceivers.get(caller.streamId)?.counters.packetsReceived
    rig.run(conversation(SECONDS).arrivals.slice(-10), (SECONDS + 1) * SECOND_US)
    rig.recordingSession.handleMetadata(snapshotOf([{ label: '1', sender: 'alice' }]), OPENED_US)
    expect(rig.recordingSession.streamReceivers.get(caller.streamId)?.counters.packetsReceived).toBe(received)
    expect(rig.end(SECONDS * SECOND_US).snapshots).toHaveLength(1)
  })
})

describe('a recording session that came to nothing', () => {
  it('gives its encoders back and seals no audio', async () => {
    const rig = await rigOf()
    rig.run(conversation(3).arrivals, 3 * SECOND_US)
    rig.recordingSession.abandon()
    rig.recordingSession.abandon()
    expect(rig.encoders).toMatchObject({ taken: 2, freed: 2 })
    expect(rig.sink.of('chunk')).toEqual([])
  })
})

it('every recording has a key of its own', async () => {
  const encoders = await EncoderStock.of(0)
  const rigs = [1, 2].map((seed) => new RecordingRig({ encoders, plans: [caller], seed }))
  expect(new Set(rigs.map((rig) => rig.sink.of('key')[0]?.recipient)).size).toBe(2)
})
