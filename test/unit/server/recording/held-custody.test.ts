import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import type { HeldEntry } from '../../../../src/evidence/held-entry.ts'
import { readManifest, type ManifestBody } from '../../../../src/evidence/manifest.ts'
import { signCustodyRecord } from '../../../../src/evidence/custody/custody-record.ts'
import { custodyName, heldKeyName, heldPeaksName } from '../../../../src/evidence/object-names.ts'
import type { SealedObject } from '../../../../src/recorder/recording-types.ts'
import { isOnLegalHold } from '../../../../src/server/custody/legal-hold.ts'
import { Custody } from '../../../../src/server/recording/custody.ts'
import { HeldCustody } from '../../../../src/server/recording/held-custody.ts'
import type { HeldDecision } from '../../../../src/server/recording/held-decision.ts'
import { HeldKeys } from '../../../../src/server/recording/held-keys.ts'
import type { LiveRecording } from '../../../../src/server/recording/live-recording.ts'
import { heldKeysOpened, OpenJournal } from '../../../../src/server/recording/open-journal.ts'
import { recoverInterrupted } from '../../../../src/server/recording/recovery.ts'
import { nodeSpoolFiles, type SpoolFiles } from '../../../../src/server/spool/spool-files.ts'
import { UploadQueue } from '../../../../src/server/storage/upload-queue.ts'
import { SpoolDisk } from '../../../support/spool-disk.ts'
import { OPENED_AT_UNIX_MS } from '../../../support/recording-rig.ts'
import { vectorSigner } from '../../../vectors/evidence/sample-recording.ts'
import { bytesOf, hashOf, liveRecording, manifestOf, MemoryStore, nextChunk, RecordList } from './live-recordings.ts'

const { signingKey, verifyKey } = await vectorSigner()
const DECIDED_AT = new Date(OPENED_AT_UNIX_MS + 3_000).toISOString()
const KEPT = { outcome: 'kept', cause: 'agreed', decidedAt: DECIDED_AT } as const
const DESTROYED = { outcome: 'destroyed', cause: 'refused', decidedAt: DECIDED_AT } as const
const WRAPPED = bytesOf('wrapped held key')

let dataDir: string
let store: MemoryStore
let journal: OpenJournal
let heldKeys: HeldKeys
let heldCustody: HeldCustody
let custody: Custody
let recording: LiveRecording
let uploads: UploadQueue
let errors: string[]

beforeEach(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'earwitness-held-'))
  store = new MemoryStore()
  errors = []
  recording = heldRecording()
  await start()
})

afterEach(() => {
  uploads.stop()
  rmSync(dataDir, { recursive: true, force: true })
})

/** A process begins: nothing in memory is left of the one before. */
async function start(files?: SpoolFiles): Promise<void> {
  const nowUnixMs = () => OPENED_AT_UNIX_MS + 20_000
  journal = new OpenJournal({ dataDir, nowUnixMs, onError: (error) => void errors.push(String(error)) })
  await journal.run()
  const observer = { stored: () => {}, failed: () => {} }
  uploads = new UploadQueue({ store, observer, nowUnixMs: () => 0, retryFirstMs: 1, retryLastMs: 1 })
  heldKeys = new HeldKeys({ dataDir, ...(files === undefined ? {} : { files }) })
  heldCustody = new HeldCustody({
    ...{ keys: heldKeys, journal, put: (order, key, bytes) => uploads.put(order, key, bytes) },
    isOnHold: (recordingId, prefix) => isOnLegalHold(store, { recordingId, prefix }, [verifyKey]),
    onError: (_recordingId, error) => void errors.push(String(error)),
    pausesMs: [1, 1, 1],
  })
  custody = new Custody({
    uploads,
    outbox: new RecordList(),
    journal,
    held: heldCustody,
    signer: signingKey,
    nowUnixMs,
  })
}

function heldRecording(): LiveRecording {
  const of = liveRecording()
  const wrappedKey = { name: heldKeyName(0), sha256: hashOf(WRAPPED), sizeBytes: WRAPPED.length }
  of.held = { recipient: 'age1held', wrappedKey, bytes: WRAPPED }
  of.heldBack = undefined
  return of
}

function sealChunk(isHeld: boolean): void {
  const object = nextChunk(recording)
  custody.sealed(recording, { ...object, chunk: { ...object.chunk, ...(isHeld ? { heldSeq: 0 } : {}) } })
}

/** What its worker says: two held seconds, and one that is not. */
function workerManifest(): ManifestBody {
  const { recipient = '', wrappedKey } = recording.held ?? {}
  if (wrappedKey === undefined) throw new Error('nothing is held')
  const entry = { heldSeq: 0, recipient, wrappedKey, fromSample: 0, toSample: 96_000, outcome: 'pending' } as const
  return { ...manifestOf(recording), held: [entry] }
}

function record(): void {
  custody.opened(recording)
  for (const isHeld of [true, true, false]) sealChunk(isHeld)
}

async function heldInManifest(): Promise<readonly HeldEntry[] | undefined> {
  const read = await readManifest(new TextDecoder().decode(await store.get(`${recording.objectPrefix}/manifest.jws`)), [
    verifyKey,
  ])
  if (!read.ok) throw new Error(read.reason)
  return read.value.held
}

/** As `earwitness hold add` does. */
async function putOnHold(): Promise<void> {
  const { recordingId } = recording.facts
  const place = { recordingId, recordId: recordingId, seq: 0, at: DECIDED_AT, note: 'sealed' }
  const record = await signCustodyRecord({ ...place, kind: 'holdAdded', holdId: recordingId }, signingKey)
  await store.put(`${recording.objectPrefix}/${custodyName(0)}`, Buffer.from(record))
}

const storedKey = () => store.get(`${recording.objectPrefix}/${heldKeyName(0)}`)
const allHeldFiles = () => (existsSync(join(dataDir, 'held')) ? readdirSync(join(dataDir, 'held')) : [])
/** With their names. */
const heldFiles = () => allHeldFiles().filter((name) => !name.startsWith('.'))

async function recover(): Promise<void> {
  uploads.stop()
  await start()
  const leftOpen = await journal.leftOpen()
  await heldKeys.settleUnnamed(await heldKeys.unnamed(), {
    ...{ opened: heldKeysOpened(leftOpen), store },
    onError: (error) => void errors.push(String(error)),
  })
  await recoverInterrupted({
    ...{ journal, leftOpen, signer: verifyKey, store, custody, held: heldCustody },
    reportError: (_recordingId, error) => void errors.push(String(error)),
  })
  await heldKeys.forgetStored(store)
}

describe('the key of what is held', () => {
  it('is in a file of its own, and neither in the store nor in the journal', async () => {
    record()
    await custody.close(recording.objectPrefix, workerManifest())
    expect(heldFiles()).toHaveLength(1)
    expect(readFileSync(join(dataDir, 'held', heldFiles()[0] ?? ''))).toEqual(Buffer.from(WRAPPED))
    expect(await storedKey()).toBeUndefined()
    expect(await heldInManifest()).toMatchObject([{ outcome: 'pending', toSample: 96_000 }])
  })

  it('is in no line of the journal', async () => {
    record()
    custody.decideHeld(recording, KEPT)
    await journal.append(recording.facts.recordingId, {
      kind: 'incident',
      incident: { code: 'x', at: DECIDED_AT, detail: '' },
    })
    const text = readFileSync(join(dataDir, 'open', `${recording.facts.recordingId}.jsonl`), 'utf8')
    expect(text).toContain(hashOf(WRAPPED))
    expect(text).not.toContain(Buffer.from(WRAPPED).toString('base64'))
  })

  it('is stored before the manifest when it is kept, and then in no file any more', async () => {
    record()
    custody.decideHeld(recording, KEPT)
    custody.decideHeld(recording, DESTROYED)
    await custody.close(recording.objectPrefix, workerManifest())
    expect(await storedKey()).toEqual(WRAPPED)
    expect(store.puts.indexOf(`${recording.objectPrefix}/${heldKeyName(0)}`)).toBeLessThan(store.puts.length - 1)
    expect(store.puts.at(-1)).toBe(`${recording.objectPrefix}/manifest.jws`)
    expect(await heldInManifest()).toMatchObject([KEPT])
    await expect.poll(heldFiles).toEqual([])
  })

  it('is gone before the manifest says that it is', async () => {
    record()
    custody.decideHeld(recording, DESTROYED)
    let filesThen: readonly string[] | undefined
    store.beforePut = (key) => {
      if (key.endsWith('manifest.jws')) filesThen = heldFiles()
    }
    await custody.close(recording.objectPrefix, workerManifest())
    expect(filesThen).toEqual([])
    expect(await storedKey()).toBeUndefined()
    expect(await heldInManifest()).toMatchObject([DESTROYED])
  })

  it('has its name before the manifest is stored: the next start takes one without for a key of nothing', async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const rename = (path: string, to: string) => promise.then(() => nodeSpoolFiles.rename(path, to))
    uploads.stop()
    await start({ ...nodeSpoolFiles, rename })
    record()
    let filesThen: readonly string[] | undefined
    store.beforePut = (key) => {
      if (key.endsWith('manifest.jws')) filesThen = heldFiles()
    }
    const closed = custody.close(recording.objectPrefix, workerManifest())
    // Key, chunks and index.
    await expect.poll(() => store.objects.size).toBeGreaterThanOrEqual(5)
    // Far longer than a manifest takes that does not wait.
    for (let round = 0; round < 60; round += 1) await journal.leftOpen()
    resolve()
    await closed
    expect(filesThen).toHaveLength(1)
  })

  it('that cannot be destroyed leaves the matter open, and is reported', async () => {
    record()
    await expect.poll(heldFiles).toHaveLength(1)
    const file = heldFiles()[0] ?? ''
    rmSync(join(dataDir, 'held', file))
    // Nothing can be written over a folder.
    mkdirSync(join(dataDir, 'held', file))
    custody.decideHeld(recording, DESTROYED)
    await custody.close(recording.objectPrefix, workerManifest())
    expect(errors.join()).toContain('could not be destroyed')
    expect(await heldInManifest()).toMatchObject([{ outcome: 'pending' }])
  })

  it('is not handed over by a decision that the disk does not have', async () => {
    record()
    await expect.poll(heldFiles).toHaveLength(1)
    rmSync(join(dataDir, 'open'), { recursive: true })
    custody.decideHeld(recording, KEPT)
    await custody.close(recording.objectPrefix, workerManifest())
    expect(errors.join()).toContain('ENOENT')
    expect(await storedKey()).toBeUndefined()
    expect(await heldInManifest()).toMatchObject([{ outcome: 'pending' }])
    expect(heldFiles()).toHaveLength(1)
  })

  it('is destroyed by a decision that the disk does not have', async () => {
    record()
    await expect.poll(heldFiles).toHaveLength(1)
    rmSync(join(dataDir, 'open'), { recursive: true })
    custody.decideHeld(recording, DESTROYED)
    await custody.close(recording.objectPrefix, workerManifest())
    expect(heldFiles()).toEqual([])
    expect(await heldInManifest()).toMatchObject([DESTROYED])
  })

  it('is not destroyed while the recording is on legal hold', async () => {
    record()
    await putOnHold()
    custody.decideHeld(recording, DESTROYED)
    await custody.close(recording.objectPrefix, workerManifest())
    expect(errors.join()).toContain('on legal hold')
    expect(await heldInManifest()).toMatchObject([{ outcome: 'pending' }])
    expect(heldFiles()).toHaveLength(1)
  })

  it('is not destroyed while nobody can say whether the recording is on legal hold', async () => {
    record()
    await expect.poll(heldFiles).toHaveLength(1)
    store.list = () => Promise.reject(new Error('away'))
    custody.decideHeld(recording, DESTROYED)
    await custody.close(recording.objectPrefix, workerManifest())
    expect(errors.join()).toContain('could not be asked')
    expect(await heldInManifest()).toMatchObject([{ outcome: 'pending' }])
    expect(heldFiles()).toHaveLength(1)
  })

  it('is destroyed when a store that was away for a moment says that the recording is on no hold', async () => {
    record()
    await expect.poll(heldFiles).toHaveLength(1)
    const list = store.list.bind(store)
    let asked = 0
    store.list = (prefix) => ((asked += 1) < 3 ? Promise.reject(new Error('away')) : list(prefix))
    custody.decideHeld(recording, DESTROYED)
    await custody.close(recording.objectPrefix, workerManifest())
    expect(await heldInManifest()).toMatchObject([DESTROYED])
    expect(heldFiles()).toEqual([])
  })

  it('decided before the SRC had our 200 is dealt with when it has', async () => {
    recording.heldBack = []
    custody.decideHeld(recording, DESTROYED)
    expect(heldFiles()).toEqual([])
    recording.heldBack = undefined
    record()
    await custody.close(recording.objectPrefix, workerManifest())
    expect(heldFiles()).toEqual([])
    expect(await heldInManifest()).toMatchObject([DESTROYED])
  })

  it('has peaks beside those of the recording', async () => {
    record()
    const bytes = bytesOf('held peaks')
    const peaks = { name: heldPeaksName(0), sha256: hashOf(bytes), sizeBytes: bytes.length }
    custody.sealed(recording, { kind: 'heldPeaks', name: peaks.name, bytes, peaks } satisfies SealedObject)
    expect([recording.peaks, recording.heldPeaks]).toEqual([undefined, peaks])
    await expect.poll(() => store.objects.size).toBe(5)
    await recover()
    expect(await heldInManifest()).toMatchObject([{ peaks }])
  })
})

describe('a process that is killed', () => {
  async function killed(): Promise<void> {
    await expect.poll(() => [store.objects.size, heldFiles().length]).toEqual([4, 1])
  }

  it('before anybody decided leaves it undecided: neither agreed to nor lost', async () => {
    record()
    await killed()
    await recover()
    expect(await heldInManifest()).toMatchObject([{ outcome: 'pending', fromSample: 0, toSample: 96_000 }])
    expect(await storedKey()).toBeUndefined()
    expect(heldFiles()).toHaveLength(1)
  })

  it.each([KEPT, DESTROYED])(
    'when it was decided, and not done yet, does it at the next start: %o',
    async (decision) => {
      record()
      await killed()
      await journal.append(recording.facts.recordingId, { kind: 'held', decision })
      await recover()
      expect(await heldInManifest()).toMatchObject([decision])
      expect(await storedKey()).toEqual(decision.outcome === 'kept' ? WRAPPED : undefined)
      expect(heldFiles()).toEqual([])
    },
  )

  it('when it was decided, and is on legal hold since, leaves it undecided', async () => {
    record()
    await killed()
    await journal.append(recording.facts.recordingId, { kind: 'held', decision: DESTROYED })
    await putOnHold()
    await recover()
    expect(await heldInManifest()).toMatchObject([{ outcome: 'pending' }])
    expect(heldFiles()).toHaveLength(1)
  })

  it.each<readonly [string, HeldDecision | undefined]>([
    ['undecided', undefined],
    ['kept', KEPT],
  ])('and finds something else under the name of its key, which is %s, loses it not', async (_what, decision) => {
    record()
    await killed()
    if (decision !== undefined) await journal.append(recording.facts.recordingId, { kind: 'held', decision })
    store.objects.set(`${recording.objectPrefix}/${heldKeyName(0)}`, bytesOf('garbage'))
    await recover()
    expect(heldFiles()).toHaveLength(1)
    expect(await heldInManifest()).toMatchObject([{ outcome: 'pending' }])
  })

  it.each([KEPT, DESTROYED])('when it was done, says so: %o', async (decision) => {
    record()
    await killed()
    custody.decideHeld(recording, decision)
    await expect.poll(heldFiles).toEqual([])
    await recover()
    expect(await heldInManifest()).toMatchObject([decision])
    expect(await storedKey()).toEqual(decision.outcome === 'kept' ? WRAPPED : undefined)
    expect(errors).toEqual([])
  })

  it('and has lost the key says that nobody can open it, and why', async () => {
    record()
    await killed()
    writeFileSync(join(dataDir, 'held', heldFiles()[0] ?? ''), 'torn')
    await recover()
    expect(await heldInManifest()).toMatchObject([{ outcome: 'destroyed', cause: 'lost' }])
    const manifest = await store.get(`${recording.objectPrefix}/manifest.jws`)
    const [, body = ''] = new TextDecoder().decode(manifest).split('.')
    expect(Buffer.from(body, 'base64url').toString()).toContain('held-key-lost')
  })
})

describe('a process that is killed while a recording is opened', () => {
  /** Does `count` operations of the held key, and then no more. */
  function dyingFiles(count: number): { readonly files: SpoolFiles; readonly isDead: () => boolean } {
    let left = count
    const step = <Value>(work: () => Promise<Value>): Promise<Value> => {
      left -= 1
      return left < 0 ? new Promise<Value>(() => {}) : work()
    }
    const files: SpoolFiles = {
      ...nodeSpoolFiles,
      makeDirectory: (path) => step(() => nodeSpoolFiles.makeDirectory(path)),
      remove: (path) => step(() => nodeSpoolFiles.remove(path)),
      rename: (path, to) => step(() => nodeSpoolFiles.rename(path, to)),
      syncDirectory: (path) => step(() => nodeSpoolFiles.syncDirectory(path)),
      create: (path) =>
        step(async () => {
          const file = await nodeSpoolFiles.create(path)
          return {
            append: (bytes) => step(() => file.append(bytes)),
            sync: () => step(() => file.sync()),
            close: () => step(() => file.close()),
          }
        }),
    }
    return { files, isDead: () => left < 0 }
  }

  /** Operations until a held key has its name. */
  const STEPS = 9

  /** What does not wait for what hangs is done long before. */
  async function settle(): Promise<void> {
    for (let round = 0; round < 60; round += 1) await journal.leftOpen()
  }

  it('at any step finds the held key of whatever it finds open, and leaves none of what it does not', async () => {
    const found: boolean[] = []
    for (let at = 0; at <= STEPS; at += 1) {
      rmSync(dataDir, { recursive: true, force: true })
      uploads.stop()
      mkdirSync(dataDir)
      store = new MemoryStore()
      recording = heldRecording()
      const dying = dyingFiles(at)
      await start(dying.files)
      record()
      const isOver = at < STEPS ? dying.isDead : () => heldFiles().length === 1
      await expect.poll(isOver, { timeout: 20_000 }).toBe(true)
      await settle()
      await recover()
      expect(dying.isDead()).toBe(at < STEPS)
      const manifest = await store.get(`${recording.objectPrefix}/manifest.jws`)
      found.push(manifest !== undefined)
      if (manifest === undefined) expect([allHeldFiles(), store.objects.size], `step ${at}`).toEqual([[], 0])
      else expect([await heldInManifest(), heldFiles()], `step ${at}`).toMatchObject([[{ outcome: 'pending' }], [{}]])
      expect([errors, allHeldFiles()]).toEqual([[], heldFiles()])
    }
    // The first line of the journal comes when the key is synced in its folder.
    expect(found.indexOf(true)).toBe(7)
  })

  it('a held key outlasts a power cut as soon as the journal may name its recording, and once it has its name', async () => {
    const disk = new SpoolDisk()
    const keys = new HeldKeys({ dataDir, files: disk })
    const key = `${recording.objectPrefix}/${heldKeyName(0)}`
    await keys.prepare(key, WRAPPED)
    disk.cutPower()
    expect([await keys.unnamed(), await keys.undecided()]).toEqual([[key], []])
    await keys.name(key)
    disk.cutPower()
    expect([await keys.unnamed(), await keys.undecided()]).toEqual([[], [key]])
    expect(await keys.read(key)).toEqual(Buffer.from(WRAPPED))
  })

  it('a held key without journal whose recording has a manifest is kept: somebody may decide about it', async () => {
    const key = `${recording.objectPrefix}/${heldKeyName(0)}`
    await heldKeys.prepare(key, WRAPPED)
    store.objects.set(`${recording.objectPrefix}/manifest.jws`, bytesOf('signed'))
    await recover()
    expect(await heldKeys.undecided()).toEqual([key])
  })

  it('a store that does not answer leaves it for the next start', async () => {
    await heldKeys.prepare(`${recording.objectPrefix}/${heldKeyName(0)}`, WRAPPED)
    const get = store.get.bind(store)
    store.get = () => Promise.reject(new Error('away'))
    await recover()
    expect([errors, allHeldFiles().length]).toEqual([['Error: away'], 1])
    store.get = get
    await recover()
    expect(allHeldFiles()).toEqual([])
  })
})
