import { setImmediate } from 'node:timers/promises'

import { beforeEach, describe, expect, it } from 'vitest'

import type { SpoolFrame } from '../../../../src/recorder/recording-types.ts'
import { encodeRecord } from '../../../../src/server/spool/frame-record.ts'
import { readLeftFrames } from '../../../../src/server/spool/left-frames.ts'
import type { ClosedSegment } from '../../../../src/server/spool/segment-cover.ts'
import { SegmentKeeper } from '../../../../src/server/spool/segment-keeper.ts'
import { FRAMES_WAITING_BYTES_MAX, SegmentLog } from '../../../../src/server/spool/segment-log.ts'
import { SpoolDisk } from '../../../support/spool-disk.ts'

const SECOND_US = 1_000_000
const ONE = '01890000-0000-7000-8000-000000000001'
const TWO = '01890000-0000-7000-8000-000000000002'

let disk: SpoolDisk
let nowUs: number
let closed: ClosedSegment[]
let log: SegmentLog

beforeEach(() => {
  disk = new SpoolDisk()
  nowUs = 0
  closed = []
  log = new SegmentLog({ directory: '/spool/w', files: disk, nowUs: () => nowUs, closed: (one) => closed.push(one) })
})

function frame(index: number, length = 100): SpoolFrame {
  return {
    kind: 'chunk',
    fromSample: index * 960,
    toSample: (index + 1) * 960,
    bytes: new Uint8Array(length).fill(index),
  }
}

/** A wake-up, and all that the disk does after it. */
async function wake(afterUs = 100_000): Promise<void> {
  nowUs += afterUs
  log.flush()
  for (let turn = 0; turn < 20; turn += 1) await setImmediate()
}

async function left(...wanted: readonly string[]): Promise<ReadonlyMap<string, readonly SpoolFrame[]>> {
  return (await readLeftFrames(disk, ['/spool/w'], new Set(wanted))).byRecording
}

describe('the spool of a worker', () => {
  it('writes the frames of all recordings with one write for a wake-up', async () => {
    log.append(ONE, frame(0))
    log.append(TWO, frame(0))
    await wake()
    log.append(ONE, frame(1))
    await wake()
    // The first is the head of the segment.
    expect(disk.operations.filter((operation) => operation === 'append')).toHaveLength(3)
    const frames = await left(ONE, TWO)
    expect(frames.get(ONE)?.map(({ bytes }) => bytes[0])).toEqual([0, 1])
    expect(frames.get(TWO)).toHaveLength(1)
    expect(log.report()).toMatchObject({ framesWritten: 3, failures: 0 })
  })

  it('syncs a group of writes at once, and within its time', async () => {
    for (let index = 0; index < 60; index += 1) {
      log.append(ONE, frame(index))
      await wake()
      expect(log.report().syncLagSeconds).toBeLessThan(5)
    }
    const syncs = disk.operations.filter((operation) => operation === 'sync').length
    expect(syncs).toBeGreaterThanOrEqual(2)
    expect(syncs).toBeLessThanOrEqual(4)
  })

  it('loses to a power cut only what was not synced', async () => {
    for (let index = 0; index < 25; index += 1) {
      log.append(ONE, frame(index))
      await wake()
    }
    disk.cutPower(17)
    const frames = (await left(ONE)).get(ONE) ?? []
    expect(frames.length).toBeGreaterThanOrEqual(20)
    expect(frames.map(({ bytes }) => bytes[0])).toEqual(frames.map((_, index) => index))
  })

  it('closes a segment when it is old, and goes on in another', async () => {
    log.append(ONE, frame(0))
    await wake()
    await wake(21 * SECOND_US)
    expect(closed).toMatchObject([{ covers: [{ recordingId: ONE, streams: { chunks: 960 } }] }])
    log.append(ONE, frame(1))
    await wake()
    await log.stop()
    expect(closed).toHaveLength(2)
    expect((await left(ONE)).get(ONE)).toHaveLength(2)
  })

  it('tries a disk that fails again, in a new segment, and loses nothing by it', async () => {
    log.append(ONE, frame(0))
    await wake()
    disk.fails = (operation) => operation === 'append'
    log.append(ONE, frame(1))
    await wake()
    expect(log.report()).toMatchObject({ failures: 1, isFailing: true })
    disk.fails = () => false
    await wake(2 * SECOND_US)
    expect(log.report()).toMatchObject({ failures: 1, isFailing: false, framesWritten: 2 })
    expect((await left(ONE)).get(ONE)).toHaveLength(2)
  })

  it('holds so many frames for a disk that takes none, then drops the oldest', async () => {
    disk.fails = () => true
    const length = 1024 * 1024
    const fits = Math.floor(
      FRAMES_WAITING_BYTES_MAX / encodeRecord({ recordingId: ONE, frame: frame(0, length) }).length,
    )
    for (let index = 0; index < fits + 3; index += 1) log.append(ONE, frame(index, length))
    expect(log.report().framesDropped).toBe(3)
    disk.fails = () => false
    await wake()
    expect((await left(ONE)).get(ONE)?.[0]?.bytes[0]).toBe(3)
  })
})

describe('segments that were closed', () => {
  const segment = (path: string, streams: Record<string, number>): ClosedSegment => ({
    ...{ path, bytes: 1_000 },
    covers: [{ recordingId: ONE, streams }],
  })

  it('are kept until every object whose frames they hold is durable elsewhere', () => {
    const gone: string[] = []
    const keeper = new SegmentKeeper({ files: { unlink: async (path) => void gone.push(path) }, onError: () => {} })
    keeper.opened(ONE)
    keeper.closed(segment('a', { chunks: 960, 'rtp 1': 960 }))
    keeper.durable(ONE, 'chunks', 960)
    expect(gone).toEqual([])
    keeper.durable(ONE, 'rtp 1', 1_920)
    expect(gone).toEqual(['a'])
    keeper.closed(segment('b', { chunks: 1_920 }))
    expect([gone.length, keeper.bytes]).toEqual([1, 1_000])
    keeper.over(ONE)
    expect([gone, keeper.bytes, keeper.hasOpen]).toEqual([['a', 'b'], 0, false])
  })

  it('of recordings that came to nothing are not kept', () => {
    const gone: string[] = []
    const keeper = new SegmentKeeper({ files: { unlink: async (path) => void gone.push(path) }, onError: () => {} })
    keeper.closed(segment('a', { chunks: 960 }))
    expect(gone).toEqual(['a'])
  })
})
