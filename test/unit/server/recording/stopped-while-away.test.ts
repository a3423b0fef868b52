import { mkdtempSync, rmSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'

import { afterEach, beforeEach, expect, it } from 'vitest'

import { EarwitnessError } from '../../../../src/errors.ts'
import { verifyRecording } from '../../../../src/evidence/verify.ts'
import { recoverWithSpool } from '../../../../src/server/recording/recovery.ts'
import { recordingObjects } from '../../../../src/server/storage/object-store.ts'
import { vectorSigner } from '../../../vectors/evidence/sample-recording.ts'
import { liveRecording, manifestOf, MemoryStore, nextChunk } from './live-recordings.ts'
import { fail, startSpooled } from './spooled-run.ts'

const { verifyKey } = await vectorSigner()

let dataDir: string
let store: MemoryStore

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'earwitness-stopped-'))
  store = new MemoryStore()
})

afterEach(() => {
  rmSync(dataDir, { recursive: true, force: true })
})

const start = (run: string): ReturnType<typeof startSpooled> => startSpooled(run, { dataDir, store })

/** Names of the objects that wait on the disk. */
async function waiting(): Promise<readonly (string | undefined)[]> {
  const names = await readdir(join(dataDir, 'spool/objects'))
  return names.filter((name) => !name.startsWith('.')).map((name) => name.split('~').at(-1))
}

it('a recording that ends while the store is away, in a recorder that is stopped then, has its index facts after the next start', async () => {
  const before = await start('run-1')
  const recording = liveRecording()
  before.custody.opened(recording)
  before.custody.sealed(recording, nextChunk(recording))
  while (store.namesOf(recording).length < 2) await setImmediate()
  store.beforePut = () => {
    throw new EarwitnessError('storage-unreachable', 'The store is away.', 'Wait.')
  }
  const other = before.queue.put('other', 'other/chunk-000000.age', new Uint8Array(1)).catch(() => {})
  while (before.queue.failing === undefined) await setImmediate()
  const closing = before.custody.close(recording.objectPrefix, manifestOf(recording))
  const outcome = closing.then(
    () => 'closed',
    () => 'left open',
  )
  while (!(await waiting()).includes('index.age')) await setImmediate()
  before.queue.stop()
  await other
  expect(await outcome).toBe('left open')
  expect(await waiting()).toEqual(['index.age'])

  store.beforePut = () => {}
  const { journal, leftOpen, custody, spool } = await start('run-2')
  const reportError = (_: string, error: unknown): void => fail(error)
  const recovery = { journal, leftOpen, signer: verifyKey, store, custody, reportError }
  expect(await recoverWithSpool(spool, recovery)).toEqual({ recovered: 1, failed: [] })
  await journal.settled()
  const verdict = await verifyRecording({
    recordingId: recording.facts.recordingId,
    objects: recordingObjects(store, recording.objectPrefix),
    keys: [verifyKey],
  })
  expect(verdict.findings).toEqual([])
  expect(verdict.manifest).toMatchObject({ state: 'interrupted', index: { name: 'index.age' } })
})

it('that a recorder is stopped while objects wait on the disk is no fault of theirs', async () => {
  const before = await start('run-1')
  const recording = liveRecording()
  before.custody.opened(recording)
  while (store.namesOf(recording).length < 1) await setImmediate()
  store.beforePut = () => {
    throw new EarwitnessError('storage-unreachable', 'The store is away.', 'Wait.')
  }
  for (let chunk = 0; chunk < 2; chunk += 1) before.custody.sealed(recording, nextChunk(recording))
  while (before.queue.failing === undefined) await setImmediate()
  await before.spool.uploads.writeWaiting()
  while ((await waiting()).length < 2) await setImmediate()
  before.queue.stop()
  while (before.queue.backlogBytes > 0) await setImmediate()
  await setImmediate()
  expect(recording.incidents).toEqual([])

  store.beforePut = () => {}
  const { journal, leftOpen, custody, spool } = await start('run-2')
  const reportError = (_: string, error: unknown): void => fail(error)
  await recoverWithSpool(spool, { journal, leftOpen, signer: verifyKey, store, custody, reportError })
  const verdict = await verifyRecording({
    recordingId: recording.facts.recordingId,
    objects: recordingObjects(store, recording.objectPrefix),
    keys: [verifyKey],
  })
  expect([verdict.findings, verdict.counts.chunksIntact]).toEqual([[], 2])
  expect(verdict.manifest?.incidents.map(({ code }) => code)).toEqual(['interrupted'])
})
