import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

import { decodeManifest, signManifest, type ManifestBody } from '../../../../src/evidence/manifest.ts'
import { readSigningKey } from '../../../../src/evidence/signer-keys.ts'
import { verifyRecording } from '../../../../src/evidence/verify.ts'
import type { SpoolFrame } from '../../../../src/recorder/recording-types.ts'
import { Custody } from '../../../../src/server/recording/custody.ts'
import type { LiveRecording } from '../../../../src/server/recording/live-recording.ts'
import { JOURNALLED_BYTES_MAX } from '../../../../src/server/recording/journalled-objects.ts'
import { OpenJournal } from '../../../../src/server/recording/open-journal.ts'
import { recoverInterrupted, type RecoveryOptions } from '../../../../src/server/recording/recovery.ts'
import { recordingObjects } from '../../../../src/server/storage/object-store.ts'
import { UploadQueue } from '../../../../src/server/storage/upload-queue.ts'
import { OPENED_AT_UNIX_MS } from '../../../support/recording-rig.ts'
import { vectorSigner } from '../../../vectors/evidence/sample-recording.ts'
import {
  bytesOf,
  hashOf,
  lastPeaks,
  liveRecording,
  manifestOf,
  MemoryStore,
  nextChunk,
  nextDtmf,
  nextKept,
  nextSnapshot,
  RecordList,
} from './live-recordings.ts'

const { signingKey, verifyKey } = await vectorSigner()

let dataDir: string
let store: MemoryStore
let journal: OpenJournal
let outbox: RecordList
let custody: Custody
let recording: LiveRecording
let errors: [string, unknown][]

beforeEach(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'earwitness-recovery-'))
  store = new MemoryStore()
  errors = []
  recording = liveRecording()
  await start()
})

afterEach(async () => {
  await journal.settled()
  rmSync(dataDir, { recursive: true, force: true })
})

/** A process begins: nothing in memory is left of the one before. */
async function start(): Promise<void> {
  journal = new OpenJournal({
    dataDir,
    nowUnixMs: () => OPENED_AT_UNIX_MS,
    onError: (error) => {
      throw error
    },
  })
  await journal.run()
  outbox = new RecordList()
  const uploads = new UploadQueue({ store, observer: { stored: () => {}, failed: () => {} }, nowUnixMs: () => 0 })
  custody = new Custody({ uploads, outbox, journal, signer: signingKey, nowUnixMs: () => OPENED_AT_UNIX_MS + 60_000 })
}

/** Everything that was sealed has reached journal and store. */
async function record(of: LiveRecording, chunks: number): Promise<void> {
  custody.opened(of)
  custody.sealed(of, nextSnapshot(of))
  for (let chunk = 0; chunk < chunks; chunk += 1) custody.sealed(of, nextChunk(of))
  // `close` waits for all of it; here the manifest never comes, as the process dies first.
  await new Promise<void>((resolve) => {
    const wait = (): void => void (store.namesOf(of).length === chunks + 2 ? resolve() : setImmediate(wait))
    wait()
  })
}

/** Half a second. */
function frameOf(fromSample: number): SpoolFrame {
  return { kind: 'chunk', fromSample, toSample: fromSample + 24_000, bytes: Buffer.from(`sealed ${fromSample}`) }
}

async function restart(more: Pick<RecoveryOptions, 'framesOf'> = {}): Promise<number> {
  await start()
  return recoverInterrupted({
    ...more,
    journal,
    leftOpen: await journal.leftOpen(),
    signer: verifyKey,
    store,
    custody,
    reportError: (recordingId, error) => errors.push([recordingId, error]),
  })
}

async function storedManifest(of = recording): Promise<ManifestBody> {
  const bytes = await store.get(`${of.objectPrefix}/manifest.jws`)
  const decoded = decodeManifest(new TextDecoder().decode(bytes))
  if (!decoded.ok) throw new Error(decoded.reason)
  return decoded.value.body
}

async function findings(of = recording): Promise<readonly string[]> {
  const verdict = await verifyRecording({
    recordingId: of.facts.recordingId,
    objects: recordingObjects(store, of.objectPrefix),
    keys: [verifyKey],
  })
  return verdict.findings.map(({ code }) => code)
}

describe('after a crash', () => {
  it('a recording gets the manifest of what had reached the store, and verifies', async () => {
    await record(recording, 3)
    expect(await restart()).toBe(1)
    expect(await storedManifest()).toMatchObject({ state: 'interrupted', durationSamples: 3 * 48_000 })
    expect(await findings()).toEqual([])
    const again = ['recordingOpened', 'chunkStored', 'chunkStored', 'chunkStored']
    expect(outbox.kinds).toEqual([...again, 'incidentNoted', 'recordingClosed'])
    expect(await restart()).toBe(0)
    expect(errors).toEqual([])
  })

  it.each([true, false])(
    'what an index needs is sealed in its place, stored before it crashed: %s',
    async (isStored) => {
      await record(recording, 1)
      const attribution = {
        ...{ ordinal: 0, streamId: '0', participantId: 'caller', basis: 'label' as const, to: undefined },
        from: { at: new Date(OPENED_AT_UNIX_MS).toISOString(), clock: 'recorder' as const },
      }
      const news = { correlationIds: [{ kind: 'cs' as const, value: 'late' }], attributions: [attribution] }
      await journal.append(recording.facts.recordingId, { kind: 'facts', news })
      const bytes = bytesOf('index')
      const index = { name: 'index.age', sha256: hashOf(bytes), sizeBytes: bytes.length }
      await journal.append(recording.facts.recordingId, { kind: 'index', index })
      if (isStored) await store.put(`${recording.objectPrefix}/index.age`, bytes)
      expect(await restart()).toBe(1)
      expect(outbox.records).toContainEqual({ kind: 'factsNoted', recordingId: recording.facts.recordingId, ...news })
      const named = (await storedManifest()).index
      expect(named?.name).toBe('index.age')
      expect(named?.sha256 === index.sha256).toBe(isStored)
      expect(await findings()).toEqual([])
    },
  )

  it('chunks at the end that had not reached the store are left out', async () => {
    await record(recording, 3)
    await store.delete(`${recording.objectPrefix}/chunk-000001.age`)
    await store.delete(`${recording.objectPrefix}/chunk-000002.age`)
    expect(await restart()).toBe(1)
    expect((await storedManifest()).chunks.map(({ chunkSeq }) => chunkSeq)).toEqual([0])
    expect(await findings()).toEqual([])
  })

  it('kept RTP that had reached the store is named too, and what had not is left out', async () => {
    custody.opened(recording)
    custody.sealed(recording, nextChunk(recording))
    for (let object = 0; object < 3; object += 1) custody.sealed(recording, nextKept(recording))
    await vi.waitFor(() => expect(store.namesOf(recording)).toContain('rtp-000002.age'))
    await store.delete(`${recording.objectPrefix}/rtp-000002.age`)
    expect(await restart()).toBe(1)
    expect((await storedManifest()).kept?.map(({ keptSeq }) => keptSeq)).toEqual([0, 1])
    expect(await findings()).toEqual([])
  })

  it('snapshots and digits that had not reached the store are brought there: the journal has them whole', async () => {
    custody.opened(recording)
    custody.sealed(recording, nextChunk(recording))
    for (let object = 0; object < 3; object += 1) {
      custody.sealed(recording, nextSnapshot(recording))
      custody.sealed(recording, nextDtmf(recording))
    }
    await vi.waitFor(() => expect(store.namesOf(recording)).toContain('dtmf-002.age'))
    for (const name of ['dtmf-001.age', 'dtmf-002.age', 'metadata-001.age', 'metadata-002.age']) {
      expect(store.objects.delete(`${recording.objectPrefix}/${name}`)).toBe(true)
    }
    expect(await restart()).toBe(1)
    const { dtmf, snapshots } = await storedManifest()
    expect(dtmf?.map(({ dtmfSeq }) => dtmfSeq)).toEqual([0, 1, 2])
    expect(snapshots.map(({ seq }) => seq)).toEqual([0, 1, 2])
    expect(await findings()).toEqual([])
  })

  it('a snapshot too large for the journal, that did not reach the store, is left out with those behind it', async () => {
    custody.opened(recording)
    custody.sealed(recording, nextSnapshot(recording))
    custody.sealed(recording, { ...nextSnapshot(recording), bytes: new Uint8Array(JOURNALLED_BYTES_MAX + 1) })
    custody.sealed(recording, nextSnapshot(recording))
    await vi.waitFor(() => expect(store.namesOf(recording)).toContain('metadata-002.age'))
    for (const name of ['metadata-001.age', 'metadata-002.age']) {
      expect(store.objects.delete(`${recording.objectPrefix}/${name}`)).toBe(true)
    }
    expect(await restart()).toBe(1)
    expect((await storedManifest()).snapshots.map(({ seq }) => seq)).toEqual([0])
    expect(store.objects.has(`${recording.objectPrefix}/metadata-002.age`)).toBe(false)
    expect(await findings()).toEqual([])
  })

  it('what the journal holds is not stored when a disk has changed it', async () => {
    await record(recording, 1)
    expect(store.objects.delete(`${recording.objectPrefix}/metadata-000.age`)).toBe(true)
    const file = join(dataDir, 'open', `${recording.facts.recordingId}.jsonl`)
    writeFileSync(file, readFileSync(file, 'utf8').replace('"bytesBase64":"c2Vh', '"bytesBase64":"d2Vh'))
    expect(await restart()).toBe(1)
    expect((await storedManifest()).snapshots).toEqual([])
    expect(await findings()).toEqual([])
  })

  it.each([
    ['that had reached the store are named', true],
    ['that had not are not', false],
  ])('peaks %s', async (_what, isStored) => {
    custody.opened(recording)
    custody.sealed(recording, nextChunk(recording))
    custody.sealed(recording, lastPeaks(recording))
    await vi.waitFor(() => expect(store.namesOf(recording)).toContain('peaks.age'))
    if (!isStored) await store.delete(`${recording.objectPrefix}/peaks.age`)
    expect(await restart()).toBe(1)
    expect((await storedManifest()).peaks?.name).toBe(isStored ? 'peaks.age' : undefined)
    expect(await findings()).toEqual([])
  })

  it('what was agreed on and asked for is in the manifest, as far as the journal has it', async () => {
    const at = new Date(OPENED_AT_UNIX_MS + 500).toISOString()
    custody.note(recording, { kind: 'streams', streams: [{ streamId: '0', streamLabel: 'caller' }] })
    await record(recording, 1)
    custody.note(recording, { kind: 'origin', originAt: new Date(OPENED_AT_UNIX_MS).toISOString() })
    custody.note(recording, { kind: 'pause', isPaused: true, by: 'src', via: 'INFO', at })
    await journal.append(recording.facts.recordingId, { kind: 'incident', incident: { code: 'x', at, detail: '' } })
    expect(await restart()).toBe(1)
    expect(await storedManifest()).toMatchObject({
      originAt: new Date(OPENED_AT_UNIX_MS).toISOString(),
      negotiatedStreams: [{ streamId: '0', streamLabel: 'caller', channel: 0 }],
      pauses: [{ by: 'src', via: 'INFO', from: at, fromSample: 24_000 }],
      streams: [],
    })
    expect(await findings()).toEqual([])
  })

  it('a chunk that is gone from before the end stays on the list, so that it is missed', async () => {
    await record(recording, 3)
    await store.delete(`${recording.objectPrefix}/chunk-000001.age`)
    await restart()
    expect((await storedManifest()).chunks).toHaveLength(3)
    expect(await findings()).toEqual(['chunk-missing'])
  })

  it('a line that was cut off costs what it would have named', async () => {
    await record(recording, 2)
    const cut = join(dataDir, 'open', `${recording.facts.recordingId}.jsonl`)
    writeFileSync(cut, readFileSync(cut, 'utf8').slice(0, -20))
    await store.delete(`${recording.objectPrefix}/chunk-000001.age`)
    expect(await restart()).toBe(1)
    expect(await findings()).toEqual([])
  })

  it('a key that had not reached the store is brought there', async () => {
    await record(recording, 0)
    store.objects.clear()
    expect(await restart()).toBe(1)
    expect(await storedManifest()).toMatchObject({ chunks: [], snapshots: [{ seq: 0 }], durationSamples: 0 })
    expect(await findings()).toEqual([])
  })

  it('a manifest that had reached the store stays as it is; only the database is told', async () => {
    await record(recording, 1)
    const left = await journal.leftOpen()
    await custody.close(recording.objectPrefix, manifestOf(recording))
    await journal.settled()
    for (const entry of left[0]?.entries ?? []) await journal.append(recording.facts.recordingId, entry)
    expect(await restart()).toBe(0)
    expect(await storedManifest()).toMatchObject({ state: 'complete' })
    expect(outbox.kinds).toEqual(['recordingOpened', 'chunkStored', 'recordingClosed'])
    expect(errors).toEqual([])
    await journal.settled()
    expect(await journal.leftOpen()).toEqual([])
  })

  it('a recording of which not even the first line was written is forgotten', async () => {
    writeFileSync(join(dataDir, 'open', `${recording.facts.recordingId}.jsonl`), '{"at":"2026-11-23T09:00:00.0')
    expect(await restart()).toBe(0)
    await journal.settled()
    expect(await journal.leftOpen()).toEqual([])
    expect(store.puts).toEqual([])
    expect(errors).toEqual([])
  })

  it('a journal that has lost its first line is kept for somebody to look at', async () => {
    const { recordingId } = recording.facts
    await journal.append(recordingId, { kind: 'incident', incident: { code: 'x', at: '', detail: '' } })
    expect(await restart()).toBe(0)
    expect(errors).toMatchObject([[recordingId, { code: 'open-journal-damaged' }]])
    expect(await journal.leftOpen()).toHaveLength(1)
  })

  it('lines that were written twice, as the disk was slow to take them, count once', async () => {
    await record(recording, 2)
    const file = join(dataDir, 'open', `${recording.facts.recordingId}.jsonl`)
    const lines = readFileSync(file, 'utf8')
    writeFileSync(file, `${lines}{"kind":"chunk","chu\n${lines}`)
    expect(await restart()).toBe(1)
    expect((await storedManifest()).chunks).toHaveLength(2)
    expect(await findings()).toEqual([])
  })

  it('the end is when the journal was last written to: the recording lasted at least as long', async () => {
    await record(recording, 0)
    await restart()
    expect((await storedManifest()).endedAt).toBe(new Date(OPENED_AT_UNIX_MS).toISOString())
  })

  it('the end is not before its audio was over', async () => {
    await record(recording, 3)
    await restart()
    expect((await storedManifest()).endedAt).toBe(new Date(OPENED_AT_UNIX_MS + 3_000).toISOString())
  })

  it('the frames of the spool that no chunk covers become short chunks, once, and the recording verifies', async () => {
    await record(recording, 2)
    const frames = [1, 2, 3].map((index) => frameOf(48_000 + index * 24_000))
    const framesOf = (): readonly SpoolFrame[] => frames
    expect(await restart({ framesOf })).toBe(1)
    const { chunks, durationSamples, state } = await storedManifest()
    expect(state).toBe('interrupted')
    // The first of them is in the second chunk already.
    expect(chunks.map(({ fromSample, toSample }) => [fromSample, toSample])).toEqual([
      [0, 48_000],
      [48_000, 96_000],
      [96_000, 120_000],
      [120_000, 144_000],
    ])
    expect(durationSamples).toBe(144_000)
    expect(await findings()).toEqual([])
    expect(await restart({ framesOf })).toBe(0)
    expect(store.namesOf(recording).filter((name) => name.startsWith('chunk'))).toHaveLength(4)
  })

  it('a recovery that dies between two objects is gone on with by the next, without anything twice', async () => {
    await record(recording, 1)
    const framesOf = (): readonly SpoolFrame[] => [frameOf(48_000), frameOf(72_000), frameOf(96_000)]
    const put = store.put.bind(store)
    store.put = async (key, bytes) => {
      if (key.endsWith('chunk-000002.age')) throw new Error('killed')
      await put(key, bytes)
    }
    expect(await restart({ framesOf })).toBe(0)
    expect(errors).toHaveLength(1)
    store.put = put
    expect(await restart({ framesOf })).toBe(1)
    expect((await storedManifest()).chunks.map(({ toSample }) => toSample)).toEqual([48_000, 72_000, 96_000, 120_000])
    expect(await findings()).toEqual([])
  })

  it('frames behind a hole are not used, and an incident says so', async () => {
    await record(recording, 1)
    await restart({ framesOf: () => [frameOf(48_000), frameOf(96_000)] })
    const { durationSamples, incidents } = await storedManifest()
    expect(durationSamples).toBe(72_000)
    expect(incidents.map(({ code }) => code)).toEqual(['spool-damaged', 'interrupted'])
    expect(await findings()).toEqual([])
  })

  it('a manifest that somebody else signed is not taken for ours', async () => {
    await record(recording, 1)
    const other = await readSigningKey(
      generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    )
    if (!other.ok) throw new Error(other.reason)
    const forged = new TextEncoder().encode(await signManifest(manifestOf(recording), other.value))
    await store.put(`${recording.objectPrefix}/manifest.jws`, forged)
    expect(await restart()).toBe(0)
    expect(errors).toMatchObject([[recording.facts.recordingId, { code: 'manifest-unreadable' }]])
  })

  it('one that cannot be closed keeps no other from it, and is left for the next start', async () => {
    const other = liveRecording(2)
    await record(recording, 1)
    await record(other, 1)
    await store.put(`${recording.objectPrefix}/manifest.jws`, new TextEncoder().encode('not a manifest'))
    expect(await restart()).toBe(1)
    expect(errors).toMatchObject([[recording.facts.recordingId, { code: 'manifest-unreadable' }]])
    expect(await findings(other)).toEqual([])
    expect((await journal.leftOpen()).map(({ recordingId }) => recordingId)).toEqual([recording.facts.recordingId])
  })
})
