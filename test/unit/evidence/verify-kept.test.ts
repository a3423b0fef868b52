import { beforeEach, describe, expect, it } from 'vitest'

import { findShapeFault } from '../../../src/evidence/manifest-shape.ts'
import type { KeptEntry, ManifestBody, StreamEntry } from '../../../src/evidence/manifest.ts'
import { isKeptName, keptName } from '../../../src/evidence/object-names.ts'
import { nextRunningHash, RUNNING_HASH_START } from '../../../src/evidence/running-hash.ts'
import { describeVerdict, verifyRecording, type Verdict } from '../../../src/evidence/verify.ts'
import {
  CHUNK_SAMPLES,
  readerOf,
  RECORDING_ID,
  sampleRecording,
  sha256,
  storeManifest,
  vault,
  vectorSigner,
  type SampleRecording,
} from '../../vectors/evidence/sample-recording.ts'

const { verifyKey } = await vectorSigner()
const contents = {
  chunks: [Buffer.from('OggS first')],
  snapshots: [Buffer.from('<recording/>')],
  kept: [Buffer.from('#!rtpplay1.0 one'), Buffer.from('#!rtpplay1.0 two'), Buffer.from('#!rtpplay1.0 three')],
}

let recording: SampleRecording

beforeEach(async () => {
  recording = await sampleRecording(contents)
})

function verify(identities?: readonly string[]): Promise<Verdict> {
  const given = identities === undefined ? {} : { identities }
  return verifyRecording({
    recordingId: RECORDING_ID,
    objects: readerOf(recording.objects),
    keys: [verifyKey],
    ...given,
  })
}

/** What was found, as `code name`. */
async function found(identities?: readonly string[]): Promise<string[]> {
  const { findings } = await verify(identities)
  return findings.map(({ code, name }) => `${code} ${name}`)
}

function object(name: string): Uint8Array {
  const bytes = recording.objects.get(name)
  if (bytes === undefined) throw new Error(`no object ${name}`)
  return bytes
}

function kept(): readonly KeptEntry[] {
  return recording.body.kept ?? []
}

/** Signs a manifest with other content, as a faulty recorder would. */
async function resign(change: Partial<ManifestBody>): Promise<void> {
  await storeManifest(recording.objects, { ...recording.body, ...change })
}

function keptWith(index: number, change: Partial<KeptEntry>): readonly KeptEntry[] {
  return kept().map((entry, at) => (at === index ? { ...entry, ...change } : entry))
}

function secondStreamWith(change: (stream: StreamEntry) => Partial<StreamEntry>): readonly StreamEntry[] {
  return recording.body.streams.map((stream, at) => (at === 1 ? { ...stream, ...change(stream) } : stream))
}

describe('a recording with kept RTP', () => {
  it('is verified, and the verdict says how much of it there is', async () => {
    const verdict = await verify([vault.identity])
    expect(verdict).toMatchObject({ verified: true, findings: [], counts: { kept: 3, keptIntact: 3, chunksOpened: 1 } })
    const text = describeVerdict(verdict)
    expect(text).toContain('RTP kept as it came: 3 of 3 objects there and unchanged (SHA-256).')
    expect(text).toContain('gaps: 1.500 s kept as it came, not decoded.')
  })

  it('is not mentioned where there is none', async () => {
    recording = await sampleRecording({ ...contents, kept: [] })
    expect(recording.body).not.toHaveProperty('kept')
    const verdict = await verify()
    expect(verdict).toMatchObject({ verified: true, counts: { kept: 0, keptIntact: 0 } })
    expect(describeVerdict(verdict)).not.toContain('RTP kept')
  })

  it('has its own running hash', () => {
    const hash = sha256(object('rtp-000000.age'))
    const text = `earwitness-rtp-chain/1\n${'0'.repeat(64)}\n${hash}\n`
    expect(nextRunningHash('rtp', RUNNING_HASH_START, hash)).toBe(sha256(Buffer.from(text)))
    expect(kept()[0]?.runningHash).toBe(sha256(Buffer.from(text)))
  })

  it('names objects as the format says', () => {
    expect(keptName(7)).toBe('rtp-000007.age')
    expect(['rtp-000007.age', 'rtp-1234567.age'].every(isKeptName)).toBe(true)
    expect(['rtp-00007.age', 'rtp-000007.age.bak', 'chunk-000007.age'].some(isKeptName)).toBe(false)
  })
})

describe('it finds and names kept RTP', () => {
  it('that is missing, changed or cut', async () => {
    const bytes = object('rtp-000001.age')
    recording.objects.delete('rtp-000001.age')
    expect(await found()).toEqual(['kept-missing rtp-000001.age'])
    const flipped = Uint8Array.from(bytes)
    flipped[50] = (flipped[50] ?? 0) ^ 1
    recording.objects.set('rtp-000001.age', flipped)
    expect(await found()).toEqual(['kept-changed rtp-000001.age'])
    recording.objects.set('rtp-000001.age', bytes.subarray(0, 60))
    expect(await found()).toEqual(['kept-truncated rtp-000001.age'])
  })

  it('that was swapped, with its like or with a chunk', async () => {
    const [first, second] = [object('rtp-000000.age'), object('rtp-000001.age')]
    recording.objects.set('rtp-000000.age', second).set('rtp-000001.age', first)
    expect(await found()).toEqual(['kept-swapped rtp-000000.age', 'kept-swapped rtp-000001.age'])
    recording.objects.set('rtp-000000.age', first).set('rtp-000001.age', object('chunk-000000.age'))
    expect(await found()).toEqual(['kept-swapped rtp-000001.age'])
  })

  it('that was added, or comes from another recording', async () => {
    recording.objects.set('rtp-000003.age', object('rtp-000000.age'))
    expect(await found()).toEqual(['kept-added rtp-000003.age'])
    recording.objects.delete('rtp-000003.age')
    const other = await sampleRecording({ ...contents, seed: 'another' })
    recording.objects.set('rtp-000000.age', other.objects.get('rtp-000000.age') ?? new Uint8Array())
    expect(await found([vault.identity])).toEqual(['kept-changed rtp-000000.age', 'kept-unreadable rtp-000000.age'])
  })

  it('of which the manifest was robbed, with everything else signed anew', async () => {
    await resign({ kept: kept().slice(0, 2) })
    expect(await found()).toEqual(['undecoded-not-kept 1', 'kept-added rtp-000002.age'])
    await resign({ kept: kept().filter(({ keptSeq }) => keptSeq !== 1) })
    expect(await found()).toEqual([
      'sequence-wrong rtp-000002.age',
      'running-hash-wrong rtp-000002.age',
      'undecoded-not-kept 1',
      'kept-added rtp-000001.age',
    ])
  })
})

describe('a manifest whose kept RTP contradicts it, although a recorder signed it: it finds', () => {
  it('objects that overlap, last no time or reach past the end', async () => {
    await resign({ kept: keptWith(1, { fromSample: 96_001 }) })
    expect(await found()).toEqual(['kept-overlap rtp-000001.age'])
    await resign({ kept: keptWith(2, { fromSample: 168_000 }) })
    expect(await found()).toEqual(['kept-outside rtp-000002.age', 'undecoded-not-kept 1'])
    await resign({ kept: keptWith(2, { toSample: CHUNK_SAMPLES + 1 }) })
    expect(await found()).toEqual(['kept-outside rtp-000002.age'])
  })

  it('nothing wrong with objects of two streams at the same time', async () => {
    await resign({
      kept: keptWith(1, { streamId: '0', fromSample: 96_000 }),
      streams: secondStreamWith(({ ledger, gaps }) => ({
        ledger: {
          ...ledger,
          audioSamples: ledger.audioSamples + 24_000,
          gapSamples: { ...ledger.gapSamples, undecoded: 48_000 },
        },
        gaps: gaps.flatMap((gap) => [
          { ...gap, toSample: gap.fromSample + 24_000 },
          { ...gap, fromSample: gap.toSample - 24_000 },
        ]),
      })),
    })
    expect(await found()).toEqual([])
  })

  it('time without kept RTP that is said to be kept', async () => {
    await resign({ kept: keptWith(0, { fromSample: 96_010 }) })
    expect((await verify()).findings).toEqual([
      {
        code: 'undecoded-not-kept',
        name: '1',
        sentence: 'Media stream 1 has no kept RTP for its time at 2.000 s.',
      },
    ])
  })

  it('a stream that does not exist, unless the recording was interrupted', async () => {
    await resign({ kept: keptWith(0, { streamId: '7' }) })
    expect(await found()).toEqual(['kept-stream-unknown rtp-000000.age', 'undecoded-not-kept 1'])
    await resign({ state: 'interrupted', streams: [] })
    expect(await found()).toEqual([])
    await resign({ state: 'interrupted', streams: [], kept: keptWith(2, { toSample: CHUNK_SAMPLES + 960 }) })
    expect(await found()).toEqual([])
  })

  it('undecoded time that is not in the ledger', async () => {
    await resign({
      streams: secondStreamWith(({ ledger }) => ({
        ledger: { ...ledger, gapSamples: { ...ledger.gapSamples, undecoded: 71_999 } },
      })),
    })
    expect(await found()).toEqual(['ledger-wrong 1', 'ledger-wrong 1'])
  })
})

describe('the shape of an entry', () => {
  it('is checked member by member', () => {
    const [entry] = kept()
    if (entry === undefined) throw new Error('no entry')
    const faultOf = (change: object) => findShapeFault({ ...recording.body, kept: [{ ...entry, ...change }] })
    expect(faultOf({})).toBeUndefined()
    expect(faultOf({ later: 'unknown members are passed over' })).toBeUndefined()
    expect(faultOf({ name: '../rtp-000000.age' })).toBe('kept[0].name')
    expect(faultOf({ packets: -1 })).toBe('kept[0].packets')
    expect(faultOf({ channel: '1' })).toBe('kept[0].channel')
    expect(faultOf({ runningHash: 'AB' })).toBe('kept[0].runningHash')
    expect(faultOf({ formats: [{ ...entry.formats[0], fmtp: 7 }] })).toBe('kept[0].formats[0].fmtp')
    expect(faultOf({ formats: [{ ...entry.formats[0], encoding: undefined }] })).toBe('kept[0].formats[0].encoding')
    expect(findShapeFault({ ...recording.body, kept: {} })).toBe('kept')
  })
})
