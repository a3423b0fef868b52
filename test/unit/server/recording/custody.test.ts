import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { EarwitnessError } from '../../../../src/errors.ts'
import { openSealed } from '../../../../src/evidence/age-open.ts'
import type { StatementBody } from '../../../../src/evidence/ledger/statement.ts'
import { readManifest } from '../../../../src/evidence/manifest.ts'
import { verifyRecording } from '../../../../src/evidence/verify.ts'
import { Custody } from '../../../../src/server/recording/custody.ts'
import type { LiveRecording } from '../../../../src/server/recording/live-recording.ts'
import { OpenJournal } from '../../../../src/server/recording/open-journal.ts'
import { recordingObjects } from '../../../../src/server/storage/object-store.ts'
import { UploadQueue } from '../../../../src/server/storage/upload-queue.ts'
import { OPENED_AT_UNIX_MS, vault } from '../../../support/recording-rig.ts'
import { vectorSigner } from '../../../vectors/evidence/sample-recording.ts'
import {
  bytesOf,
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
const ENDED_AT = new Date(OPENED_AT_UNIX_MS + 20_000).toISOString()

let dataDir: string
let store: MemoryStore
let uploads: UploadQueue
let journal: OpenJournal
let outbox: RecordList
let custody: Custody
let recording: LiveRecording

beforeEach(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'earwitness-custody-'))
  store = new MemoryStore()
  uploads = new UploadQueue({
    store,
    observer: { stored: () => {}, failed: () => {} },
    nowUnixMs: () => 0,
    retryFirstMs: 1,
    retryLastMs: 1,
  })
  journal = new OpenJournal({
    dataDir,
    nowUnixMs: () => OPENED_AT_UNIX_MS,
    onError: (error) => {
      throw error
    },
  })
  await journal.run()
  outbox = new RecordList()
  custody = new Custody({ uploads, outbox, journal, signer: signingKey, nowUnixMs: () => OPENED_AT_UNIX_MS + 20_000 })
  recording = liveRecording()
})

afterEach(async () => {
  uploads.stop()
  // What the journal was told is written behind most tests: its folder has to last so long.
  await journal.close(recording.facts.recordingId)
  rmSync(dataDir, { recursive: true, force: true })
})

async function storedManifest() {
  const bytes = await store.get(`${recording.objectPrefix}/manifest.jws`)
  const read = await readManifest(new TextDecoder().decode(bytes), [verifyKey])
  if (!read.ok) throw new Error(read.reason)
  return read.value
}

function verify() {
  const { recordingId } = recording.facts
  return verifyRecording({ recordingId, objects: recordingObjects(store, recording.objectPrefix), keys: [verifyKey] })
}

describe('a recording in custody', () => {
  it('leaves nothing anywhere until it is opened', () => {
    expect(store.puts).toEqual([])
    expect(outbox.records).toEqual([])
  })

  it('stores its key when it is opened, and tells the database', async () => {
    custody.opened(recording)
    await journal.append(recording.facts.recordingId, { kind: 'incident', incident: { code: 'x', at: '', detail: '' } })
    expect(await uploads.drain(10_000)).toBe(true)
    expect(store.namesOf(recording)).toEqual(['key.age'])
    expect(outbox.records).toMatchObject([
      { kind: 'recordingOpened', recordingId: recording.facts.recordingId, tenant: 'acme', src: 'sbc' },
    ])
  })

  it('cannot be opened without its key', () => {
    recording.sealedKey = undefined
    expect(() => custody.opened(recording)).toThrow('sealed key')
  })

  it('stores key, snapshots and chunks in order, and the manifest after all of them', async () => {
    custody.opened(recording)
    custody.sealed(recording, nextSnapshot(recording))
    for (let chunk = 0; chunk < 3; chunk += 1) custody.sealed(recording, nextChunk(recording))
    await custody.close(recording.objectPrefix, manifestOf(recording))
    expect(store.namesOf(recording)).toEqual([
      'key.age',
      'metadata-000.age',
      'chunk-000000.age',
      'chunk-000001.age',
      'chunk-000002.age',
      'index.age',
      'manifest.jws',
    ])
    expect((await verify()).findings).toEqual([])
    expect(outbox.kinds).toEqual([
      'recordingOpened',
      'snapshotReceived',
      'chunkStored',
      'chunkStored',
      'chunkStored',
      'recordingClosed',
    ])
    await journal.settled()
    expect(await journal.leftOpen()).toEqual([])
  })

  it('has a line in the journal for each object before the store has it', async () => {
    const lines: number[] = []
    store.beforePut = async () => {
      const [left] = await journal.leftOpen()
      lines.push(left?.entries.length ?? 0)
    }
    custody.opened(recording)
    for (let chunk = 0; chunk < 2; chunk += 1) custody.sealed(recording, nextChunk(recording))
    await custody.close(recording.objectPrefix, manifestOf(recording))
    expect(lines.every((count, index) => count >= Math.min(3, index + 1))).toBe(true)
  })

  it('keeps the reason why a snapshot could not be read', async () => {
    custody.opened(recording)
    custody.sealed(recording, nextSnapshot(recording))
    expect(outbox.records.at(-1)).toMatchObject({ kind: 'snapshotReceived', valid: false, reason: 'notXml', seq: 0 })
    expect(recording.snapshots).toMatchObject([{ seq: 0, valid: false }])
    expect(recording.pendingSnapshots).toEqual([])
    await custody.close(recording.objectPrefix, manifestOf(recording))
  })

  it('passes over a sealed snapshot that nobody asked for', () => {
    custody.sealed(recording, { kind: 'metadata', name: 'metadata-000.age', bytes: new Uint8Array(1), snapshotSeq: 0 })
    expect(recording.snapshots).toEqual([])
  })

  it('notes an object that the store refuses for good as an incident, and closes all the same', async () => {
    store.beforePut = (key) => {
      if (key.endsWith('chunk-000000.age')) throw new EarwitnessError('storage-conflict', 'Another is there.', 'Look.')
    }
    custody.opened(recording)
    for (let chunk = 0; chunk < 2; chunk += 1) custody.sealed(recording, nextChunk(recording))
    // As put together before the store has answered.
    await custody.close(recording.objectPrefix, { ...manifestOf(recording), incidents: [] })
    expect(recording.incidents).toMatchObject([{ code: 'storage-conflict' }])
    expect(outbox.kinds.filter((kind) => kind === 'chunkStored')).toHaveLength(1)
    expect((await verify()).findings.map(({ code }) => code)).toEqual(['chunk-missing'])
    expect((await storedManifest()).incidents).toEqual(recording.incidents)
  })

  it('says once of an object that the store refuses for good that it does', async () => {
    store.beforePut = (key) => {
      if (key.endsWith('chunk-000000.age')) throw new EarwitnessError('storage-conflict', 'Another is there.', 'Look.')
    }
    custody.opened(recording)
    custody.sealed(recording, nextChunk(recording))
    while (recording.incidents.length === 0) await new Promise(setImmediate)
    const manifest = { ...manifestOf(recording), incidents: [...recording.incidents] }
    await custody.close(recording.objectPrefix, manifest)
    expect((await storedManifest()).incidents).toHaveLength(1)
  })

  it('waits for a store that fails, with everything behind it', async () => {
    let refusals = 3
    store.beforePut = (key) => {
      if (!key.endsWith('chunk-000000.age') || refusals === 0) return
      refusals -= 1
      throw new EarwitnessError('storage-full', 'The disk is full.', 'Make room.')
    }
    custody.opened(recording)
    custody.sealed(recording, nextChunk(recording))
    await custody.close(recording.objectPrefix, manifestOf(recording))
    expect(store.namesOf(recording)).toEqual(['key.age', 'chunk-000000.age', 'index.age', 'manifest.jws'])
    expect(recording.incidents).toEqual([])
  })

  it('stays open, in the journal, when its manifest cannot be stored', async () => {
    store.beforePut = (key) => {
      if (key.endsWith('manifest.jws')) throw new EarwitnessError('storage-conflict', 'Another is there.', 'Look.')
    }
    custody.opened(recording)
    const closing = custody.close(recording.objectPrefix, manifestOf(recording))
    await expect(closing).rejects.toMatchObject({ code: 'storage-conflict' })
    expect(outbox.kinds).toEqual(['recordingOpened'])
    expect(await journal.leftOpen()).toHaveLength(1)
  })
})

it.each(['ledger', 'outbox'])(
  'a recording that is closed has its journal until the %s has its end on disk',
  async (slow) => {
    let write = (): void => {}
    const written = new Promise<void>((resolve) => {
      write = resolve
    })
    const writtenBy = (name: string) => () => (name === slow ? written : Promise.resolve())
    custody = new Custody({
      ...{ uploads, journal, signer: signingKey, nowUnixMs: () => OPENED_AT_UNIX_MS },
      ledger: { append: () => {}, written: writtenBy('ledger') },
      outbox: { add: outbox.add, written: writtenBy('outbox') },
    })
    custody.opened(recording)
    await custody.close(recording.objectPrefix, manifestOf(recording))
    await journal.settled()
    expect(await journal.leftOpen()).toHaveLength(1)
    write()
    await journal.settled()
    expect(await journal.leftOpen()).toEqual([])
  },
)

describe('a recording that nobody can finish', () => {
  it('gets a manifest that says so and names what was sealed', async () => {
    custody.opened(recording)
    custody.sealed(recording, nextSnapshot(recording))
    for (let chunk = 0; chunk < 2; chunk += 1) custody.sealed(recording, nextChunk(recording))
    custody.sealed(recording, nextKept(recording))
    custody.sealed(recording, nextDtmf(recording))
    const { sealedKey } = recording
    await custody.interrupted({ ...recording, ...sealedKey!, endedAt: ENDED_AT }, 'The worker died.')
    expect(await storedManifest()).toMatchObject({
      state: 'interrupted',
      endCause: 'interrupted',
      endedAt: ENDED_AT,
      durationSamples: 96_000,
      kept: [{ name: 'rtp-000000.age', packets: 50 }],
      dtmf: [{ dtmfSeq: 0, name: 'dtmf-000.age' }],
      streams: [],
      incidents: [{ code: 'interrupted', detail: 'The worker died.' }],
    })
    expect(await verify()).toMatchObject({ verified: true })
    expect(outbox.kinds).toContain('incidentNoted')
    expect(outbox.kinds.at(-1)).toBe('recordingClosed')
  })

  it('has the snapshots too that its worker did not come to seal', async () => {
    custody.opened(recording)
    custody.sealed(recording, nextSnapshot(recording))
    nextSnapshot(recording)
    custody.sealPending(recording)
    await custody.interrupted({ ...recording, ...recording.sealedKey!, endedAt: ENDED_AT }, 'The worker died.')
    expect((await storedManifest()).snapshots.map(({ seq, name }) => [seq, name])).toEqual([
      [0, 'metadata-000.age'],
      [1, 'metadata-001.age'],
    ])
    const sealed = await store.get(`${recording.objectPrefix}/metadata-001.age`)
    expect(await openSealed(sealed!, [vault.identity])).toMatchObject({ ok: true, value: bytesOf('metadata 1') })
    expect(await verify()).toMatchObject({ verified: true })
  })

  it('says what was agreed on and asked for, as far as that was noted', async () => {
    const originAt = new Date(OPENED_AT_UNIX_MS + 100).toISOString()
    custody.note(recording, { kind: 'streams', streams: [{ streamId: '0', streamLabel: 'caller' }] })
    custody.opened(recording)
    custody.note(recording, { kind: 'origin', originAt })
    custody.sealed(recording, nextChunk(recording))
    custody.note(recording, { kind: 'pause', isPaused: true, by: 'api', at: originAt })
    await custody.interrupted({ ...recording, ...recording.sealedKey!, endedAt: ENDED_AT }, 'The worker died.')
    expect(await storedManifest()).toMatchObject({
      originAt,
      negotiatedStreams: [{ streamId: '0', streamLabel: 'caller', channel: 0 }],
      pauses: [{ by: 'api', from: originAt, fromSample: 0 }],
      streams: [],
    })
    expect(await verify()).toMatchObject({ verified: true })
  })

  it('has told the ledger of each pause of a media stream, also of those before it was opened', () => {
    const told: StatementBody[] = []
    const ledger = { append: (body: StatementBody) => void told.push(body), written: () => Promise.resolve() }
    custody = new Custody({ uploads, outbox, journal, ledger, signer: signingKey, nowUnixMs: () => OPENED_AT_UNIX_MS })
    const at = new Date(OPENED_AT_UNIX_MS).toISOString()
    const pause = (isPaused: boolean) =>
      ({ kind: 'pause', isPaused, by: 'src', via: 'SDP', streamId: '0', at }) as const
    custody.note(recording, pause(true))
    expect(told).toEqual([])
    recording.heldBack = undefined
    custody.opened(recording)
    custody.note(recording, pause(false))
    custody.note(recording, { kind: 'hold', isHeld: true, streamId: '1', at })
    expect(told).toMatchObject([
      { kind: 'recordingOpened', streamPauses: true },
      { kind: 'streamPaused', streamId: '0', cause: 'paused' },
      { kind: 'streamResumed', streamId: '0', cause: 'paused' },
      { kind: 'streamPaused', streamId: '1', cause: 'held' },
    ])
  })

  it('says nothing in its manifest that a finished one would not say', async () => {
    custody.opened(recording)
    await custody.interrupted({ ...recording, ...recording.sealedKey!, endedAt: ENDED_AT }, 'The worker died.')
    const finished = [...Object.keys(manifestOf(recording)), 'index', 'originAt', 'negotiatedStreams']
    expect(Object.keys(await storedManifest()).filter((member) => !finished.includes(member))).toEqual([])
  })
})
