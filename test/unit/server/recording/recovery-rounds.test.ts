import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { EarwitnessError } from '../../../../src/errors.ts'
import { verifyRecording } from '../../../../src/evidence/verify.ts'
import type { LiveRecording } from '../../../../src/server/recording/live-recording.ts'
import { recoverWithSpool } from '../../../../src/server/recording/recovery.ts'
import { RecoveryRounds, type RecoveryRound } from '../../../../src/server/recording/recovery-rounds.ts'
import { SegmentLog } from '../../../../src/server/spool/segment-log.ts'
import { recordingObjects } from '../../../../src/server/storage/object-store.ts'
import { SpoolDisk } from '../../../support/spool-disk.ts'
import { vectorSigner } from '../../../vectors/evidence/sample-recording.ts'
import { liveRecording, MemoryStore, nextChunk } from './live-recordings.ts'
import { startSpooled } from './spooled-run.ts'

const { verifyKey } = await vectorSigner()
const unreachable = (): EarwitnessError => new EarwitnessError('storage-unreachable', 'The store is away.', 'Wait.')
const never = async (): Promise<void> => {}

describe('what an earlier run left open', () => {
  let dataDir: string
  let disk: SpoolDisk
  let store: MemoryStore

  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), 'earwitness-rounds-'))
    disk = new SpoolDisk()
    store = new MemoryStore()
  })

  afterEach(() => {
    rmSync(dataDir, { recursive: true, force: true })
  })

  const start = (run: string): ReturnType<typeof startSpooled> => startSpooled(run, { dataDir, store, disk })

  /** A chunk is stored of each, and half a second of the first is in the spool alone. */
  async function record(recordings: readonly LiveRecording[]): Promise<void> {
    const { custody, spool } = await start('run-1')
    const closed = spool.keeper.closed.bind(spool.keeper)
    const log = new SegmentLog({ directory: `${spool.runFolder}/worker-0-1`, files: disk, nowUs: () => 0, closed })
    const frame = { kind: 'chunk', fromSample: 48_000, toSample: 72_000, bytes: Buffer.from('sealed') } as const
    for (const recording of recordings) {
      custody.opened(recording)
      custody.sealed(recording, nextChunk(recording))
      while (store.namesOf(recording).length < 2) await new Promise(setImmediate)
    }
    log.append(recordings[0]?.facts.recordingId ?? '', frame)
    await log.stop()
  }

  async function recover(parts: Awaited<ReturnType<typeof start>>) {
    const { journal, leftOpen, spool, custody } = parts
    const pauses: number[] = []
    const reported: string[] = []
    const rounds = new RecoveryRounds({
      ...{ journal, leftOpen, random: () => 1 },
      round: (left, asked) =>
        recoverWithSpool(spool, { ...asked, journal, leftOpen: left, signer: verifyKey, store, custody }),
      reportError: (recordingId) => reported.push(recordingId),
      pause: async (durationMs) => {
        pauses.push(durationMs)
        await journal.settled()
      },
    })
    const outcomes: unknown[] = []
    const over = async (outcome: { readonly recovered: number; readonly left: number }): Promise<void> => {
      outcomes.push([outcome.recovered, outcome.left, rounds.isFailing])
    }
    return { rounds, over, outcomes, pauses, reported }
  }

  async function verdictOf(recording: LiveRecording) {
    const { recordingId } = recording.facts
    return verifyRecording({ recordingId, objects: recordingObjects(store, recording.objectPrefix), keys: [verifyKey] })
  }

  it('is closed, with what the spool has, when the store that failed under it is back: no restart is needed', async () => {
    const recordings = [liveRecording(1), liveRecording(2)]
    await record(recordings)
    const parts = await start('run-2')
    const [first] = recordings
    let fails = 2
    const get = store.get.bind(store)
    store.get = async (key) => {
      if (key.startsWith(first?.objectPrefix ?? '') && fails > 0) {
        fails -= 1
        throw unreachable()
      }
      return get(key)
    }
    const { rounds, over, outcomes, pauses, reported } = await recover(parts)
    await rounds.run(never, over)
    expect(outcomes).toEqual([
      [1, 1, true],
      [0, 1, true],
      [1, 0, false],
    ])
    expect(pauses).toEqual([30_000, 60_000])
    expect(reported).toEqual([first?.facts.recordingId])
    for (const recording of recordings) expect((await verdictOf(recording)).findings).toEqual([])
    const { manifest } = await verdictOf(liveRecording(1))
    expect(manifest?.durationSamples).toBe(72_000)
    expect(disk.paths).toEqual([])
  })

  it('is not touched while the disk does not say which of its objects wait there', async () => {
    const recording = liveRecording()
    await record([recording])
    const readDirectory = disk.readDirectory.bind(disk)
    let fails = true
    disk.readDirectory = async (path) => {
      if (path.endsWith('/objects') && fails) throw new Error('EIO')
      return readDirectory(path)
    }
    const parts = await start('run-2')
    await new Promise(setImmediate)
    const { rounds, over, outcomes } = await recover(parts)
    await rounds.run(never, async (outcome) => {
      fails = false
      await over(outcome)
    })
    expect(outcomes).toEqual([
      [0, 1, true],
      [1, 0, false],
    ])
    expect((await verdictOf(recording)).findings).toEqual([])
  })
})

describe('rounds of recovery', () => {
  const leftOpen = ['a', 'b'].map((recordingId) => ({ recordingId, entries: [], lastAt: undefined }))
  const journal = {
    leftOpen: async (only?: ReadonlySet<string>) => leftOpen.filter(({ recordingId }) => only?.has(recordingId)),
  }
  const parts = { leftOpen, journal, random: () => 1, reportError: () => {} }

  it('come one behind the other, with pauses that grow up to a bound, and only over what is left', async () => {
    const seen: (readonly string[])[] = []
    const pauses: number[] = []
    let running = 0
    const rounds = new RecoveryRounds({
      ...parts,
      round: async (left): Promise<RecoveryRound> => {
        expect((running += 1)).toBe(1)
        await new Promise(setImmediate)
        running -= 1
        seen.push(left.map(({ recordingId }) => recordingId))
        return { recovered: 0, failed: seen.length < 9 ? ['b'] : [] }
      },
      pause: async (durationMs) => void pauses.push(durationMs),
    })
    await rounds.run(never, never)
    expect(seen).toEqual([['a', 'b'], ...Array.from({ length: 8 }, () => ['b'])])
    expect(pauses).toEqual([30, 60, 120, 240, 480, 900, 900, 900].map((seconds) => seconds * 1_000))
  })

  it('a round that ends before its time is begun again with all that it had', async () => {
    const outcomes: unknown[] = []
    let round = 0
    const rounds = new RecoveryRounds({
      ...parts,
      round: async (left) => {
        round += 1
        if (round === 1) throw unreachable()
        return { recovered: left.length, failed: [] }
      },
      pause: never,
    })
    await rounds.run(never, async (outcome) => void outcomes.push(outcome))
    expect(outcomes).toEqual([
      { recovered: 0, left: 2, error: unreachable() },
      { recovered: 2, left: 0 },
    ])
  })

  it('begin no more when they are stopped', async () => {
    let count = 0
    const rounds = new RecoveryRounds({
      ...parts,
      round: async () => ({ recovered: (count += 1) - count, failed: ['a'] }),
      pause: async (_, signal) => {
        rounds.stop()
        expect(signal.aborted).toBe(true)
      },
    })
    await rounds.run(never, never)
    expect(count).toBe(1)
  })
})
