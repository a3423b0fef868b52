import { beforeEach, describe, expect, it } from 'vitest'

import { EarwitnessError } from '../../../../src/errors.ts'
import { encodeRecord, SEGMENT_HEAD } from '../../../../src/server/spool/frame-record.ts'
import { Spool } from '../../../../src/server/spool/spool.ts'
import { UploadQueue } from '../../../../src/server/storage/upload-queue.ts'
import { SpoolDisk } from '../../../support/spool-disk.ts'

const LIMITS = { bytesMax: 1_000, ageMsMax: 60_000, freeBytesMin: 500 }
const RECORDING = '01890000-0000-7000-8000-000000000001'
const PREFIX = `default/2026/11/29/${RECORDING}`

let disk: SpoolDisk
let nowUnixMs: number
let isAway: boolean
let errors: unknown[]
let torn: number
let spool: Spool
let queue: UploadQueue

beforeEach(async () => {
  disk = new SpoolDisk()
  nowUnixMs = 0
  isAway = false
  errors = []
  torn = 0
  spool = await start('run-b')
})

async function start(run: string): Promise<Spool> {
  queue = new UploadQueue({
    store: {
      put: async () => {
        if (isAway) throw new EarwitnessError('storage-unreachable', 'The store is away.', 'Wait.')
      },
    },
    observer: { stored: () => {}, failed: () => {} },
    nowUnixMs: () => nowUnixMs,
    ...{ retryFirstMs: 1, retryLastMs: 1 },
  })
  const opened = new Spool({
    ...{ dataDir: '/data', run, files: disk, limits: LIMITS, queue, nowUnixMs: () => nowUnixMs },
    onError: (error) => errors.push(error),
    onTorn: (segments) => {
      torn += segments.length
    },
  })
  await opened.run()
  return opened
}

/** The store is away, and this waits for it on disk. */
async function spooled(bytes: number): Promise<void> {
  isAway = true
  void spool.uploads.put('first', 'first', Uint8Array.of(1)).catch(() => {})
  while (queue.failing === undefined) await new Promise(setImmediate)
  await new Promise<void>((resolve) => {
    void spool.uploads.put(RECORDING, `${PREFIX}/chunk-000000.age`, new Uint8Array(bytes), resolve)
  })
}

async function cameBack(): Promise<void> {
  isAway = false
  expect(await spool.uploads.drain(60_000)).toBe(true)
}

describe('why a spool wants nothing new', () => {
  it('there is no reason as long as there is room', () => {
    expect(spool.refusal).toBeUndefined()
  })

  it('disk: less is free than is to stay free, until there is more again', async () => {
    disk.free = LIMITS.freeBytesMin - 1
    expect(spool.refusal).toBeUndefined()
    await spool.measure()
    expect([spool.refusal, spool.freeBytes]).toEqual(['disk', disk.free])
    disk.free = LIMITS.freeBytesMin
    await spool.measure()
    expect(spool.refusal).toBeUndefined()
  })

  it('disk: how much is free cannot be asked', async () => {
    disk.fails = (operation) => operation === 'freeBytes'
    await spool.measure()
    expect([spool.refusal, spool.freeBytes, errors.length]).toEqual(['disk', 0, 1])
  })

  it.each(['create', 'append', 'sync'])(
    'failing: somebody could not write, and %s of a probe fails too',
    async (step) => {
      disk.fails = (operation) => operation === step
      await spool.measure()
      expect(spool.refusal).toBeUndefined()
      spool.suspect()
      await spool.measure()
      expect(spool.refusal).toBe('failing')
      await spool.measure()
      expect(spool.refusal).toBe('failing')
      disk.fails = () => false
      await spool.measure()
      expect(spool.refusal).toBeUndefined()
      expect(disk.paths).toEqual([])
      disk.operations.length = 0
      await spool.measure()
      expect(disk.operations).toEqual(['freeBytes'])
    },
  )

  it('failing: not when the disk works by the time it is asked', async () => {
    spool.suspect()
    await spool.measure()
    expect(spool.refusal).toBeUndefined()
  })

  it('size: what waits for the store is as much as may wait, until the store has taken it', async () => {
    await spooled(LIMITS.bytesMax - 1)
    expect(spool.refusal).toBeUndefined()
    const segment = { path: '/data/spool/run-b/w/segment-000001.spool', bytes: 1 }
    spool.keeper.opened(RECORDING)
    spool.keeper.closed({ ...segment, covers: [{ recordingId: RECORDING, streams: { chunks: 48_000 } }] })
    expect([spool.refusal, spool.bytes]).toEqual(['size', LIMITS.bytesMax])
    await cameBack()
    expect(spool.refusal).toBeUndefined()
    expect(spool.bytes).toBe(1)
  })

  it('age: something waits too long for the store', async () => {
    await spooled(10)
    nowUnixMs = LIMITS.ageMsMax - 1
    expect(spool.refusal).toBeUndefined()
    nowUnixMs = LIMITS.ageMsMax
    expect(spool.refusal).toBe('age')
    await cameBack()
    expect(spool.refusal).toBeUndefined()
  })
})

describe('what earlier runs have left', () => {
  const frame = { kind: 'chunk', fromSample: 0, toSample: 24_000, bytes: Uint8Array.of(1, 2, 3) } as const
  const record = encodeRecord({ recordingId: RECORDING, frame })

  async function leave(run: string, bytes: Uint8Array): Promise<void> {
    const file = await disk.create(`/data/spool/${run}/worker-0-1/segment-000001.spool`)
    await file.append(bytes)
  }

  it('is read as far as it is whole, without the run that goes on, the objects and a probe', async () => {
    await leave('run-a', Buffer.concat([SEGMENT_HEAD, record, record.subarray(0, 20)]))
    await leave('run-b', Buffer.concat([SEGMENT_HEAD, record]))
    await leave('objects', record)
    await (await disk.create('/data/spool/.probe')).append(Uint8Array.of(0))
    const left = await spool.leftFrames([RECORDING])
    expect([...left.keys()]).toEqual([RECORDING])
    expect(left.get(RECORDING)).toEqual([frame])
    expect(torn).toBe(1)
    await spool.forgetEarlierRuns()
    expect(disk.paths.map((path) => path.split('/')[3])).toEqual(['.probe', 'objects', 'run-b'])
  })

  it('is kept at the end while a recording has no manifest', async () => {
    await leave('run-b', Buffer.concat([SEGMENT_HEAD, record]))
    spool.keeper.opened(RECORDING)
    await spool.stop()
    expect(disk.paths).toHaveLength(1)
    spool.keeper.over(RECORDING)
    await spool.stop()
    expect(disk.paths).toEqual([])
  })
})
