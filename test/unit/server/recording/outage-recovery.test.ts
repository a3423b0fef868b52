import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, expect, it, vi } from 'vitest'

import { EarwitnessError } from '../../../../src/errors.ts'
import { verifyRecording } from '../../../../src/evidence/verify.ts'
import type { LiveRecording } from '../../../../src/server/recording/live-recording.ts'
import { recoverWithSpool } from '../../../../src/server/recording/recovery.ts'
import { SegmentLog } from '../../../../src/server/spool/segment-log.ts'
import { recordingObjects } from '../../../../src/server/storage/object-store.ts'
import { SpoolDisk } from '../../../support/spool-disk.ts'
import { vectorSigner } from '../../../vectors/evidence/sample-recording.ts'
import { liveRecording, MemoryStore, nextChunk } from './live-recordings.ts'
import { fail, startSpooled } from './spooled-run.ts'

const { verifyKey } = await vectorSigner()
const FRAME_SAMPLES = 24_000

let dataDir: string
let disk: SpoolDisk
let store: MemoryStore
let recording: LiveRecording

type Run = Awaited<ReturnType<typeof startSpooled>>

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'earwitness-outage-'))
  disk = new SpoolDisk()
  store = new MemoryStore()
  recording = liveRecording()
})

afterEach(() => {
  rmSync(dataDir, { recursive: true, force: true })
})

const start = (run: string): Promise<Run> => startSpooled(run, { dataDir, store, disk })

/** The frames of the first chunks of the recording, in a segment that is closed. */
async function writeFrames({ spool }: Run, chunks: number): Promise<void> {
  const closed = spool.keeper.closed.bind(spool.keeper)
  const log = new SegmentLog({ directory: `${spool.runFolder}/worker-0-1`, files: disk, nowUs: () => 0, closed })
  for (let fromSample = 0; fromSample < chunks * 2 * FRAME_SAMPLES; fromSample += FRAME_SAMPLES) {
    const bytes = Buffer.from(`frame ${fromSample}`)
    log.append(recording.facts.recordingId, { kind: 'chunk', fromSample, toSample: fromSample + FRAME_SAMPLES, bytes })
  }
  await log.stop()
}

/** The process that was is killed, the store is back, and the next process closes what it finds. */
async function restart(): Promise<Awaited<ReturnType<typeof verifyRecording>>> {
  store.beforePut = () => new Promise(() => {})
  const { objects } = store
  store = new MemoryStore()
  for (const [key, bytes] of objects) store.objects.set(key, bytes)
  const { journal, leftOpen, spool, custody } = await start('run-b')
  await recoverWithSpool(spool, {
    ...{ journal, leftOpen, signer: verifyKey, store, custody },
    reportError: (_, error) => fail(error),
  })
  await journal.settled()
  const { recordingId } = recording.facts
  return verifyRecording({ recordingId, objects: recordingObjects(store, recording.objectPrefix), keys: [verifyKey] })
}

it.each([
  ['the disk takes what comes then', 'nothing'],
  ['the disk takes the next, and not the one that was on its way', 'chunk-000000'],
])('the store fails under a chunk, %s, and the recorder is killed: no audio is missing', async (_, refused) => {
  const run = await start('run-a')
  run.custody.opened(recording)
  await vi.waitUntil(() => store.namesOf(recording).length === 1)
  await writeFrames(run, 2)
  store.beforePut = () => fail(new EarwitnessError('storage-unreachable', 'The store is away.', 'Wait.'))
  run.custody.sealed(recording, nextChunk(recording))
  await vi.waitUntil(() => run.queue.failing !== undefined)
  const create = disk.create.bind(disk)
  disk.create = async (path) => (path.includes(refused) ? fail(new Error('ENOSPC')) : create(path))
  const { backlogBytes } = run.queue
  run.custody.sealed(recording, nextChunk(recording))
  await vi.waitUntil(() => run.queue.backlogBytes > backlogBytes)
  await run.spool.measure()
  await new Promise(setImmediate)
  const { findings, manifest } = await restart()
  expect(findings).toEqual([])
  expect(manifest?.chunks.at(-1)?.toSample).toBe(4 * FRAME_SAMPLES)
})
