import { expect, it } from 'vitest'

import { RECOVERED_LENGTH_MAX } from '../../../../src/evidence/manifest-room.ts'
import type { ChunkEntry } from '../../../../src/evidence/manifest.ts'
import { chunkName } from '../../../../src/evidence/object-names.ts'
import type { SpoolFrame } from '../../../../src/recorder/recording-types.ts'
import { encodeRecord, SEGMENT_HEAD } from '../../../../src/server/spool/frame-record.ts'
import { objectsOfFrames, readLeftFrames } from '../../../../src/server/spool/left-frames.ts'

const HASH = 'ab'.repeat(32)

const frameOf = (fromSample: number): SpoolFrame => ({
  ...{ kind: 'chunk', fromSample, toSample: fromSample + 10, bytes: Buffer.from(`frame ${fromSample}`) },
})

/** A chunk that takes so much of the manifest by its name. */
const chunkTaking = (length: number): ChunkEntry => ({
  ...{ chunkSeq: 0, name: chunkName(0).padEnd(Math.floor((length * 3) / 4), 'x'), sha256: HASH, sizeBytes: 1 },
  ...{ fromSample: 0, toSample: 10, runningHash: HASH },
})

it('segments that went meanwhile, or that the disk does not give, keep no other from being read', async () => {
  const recordingId = '01890000-0000-7000-8000-000000000001'
  const frame = frameOf(0)
  const whole = Buffer.concat([SEGMENT_HEAD, encodeRecord({ recordingId, frame })])
  const read = async (path: string) => {
    if (path.endsWith('1.spool')) throw Object.assign(new Error('gone'), { code: 'ENOENT' })
    if (path.endsWith('2.spool')) throw Object.assign(new Error('bad'), { code: 'EIO' })
    return whole
  }
  const readDirectory = async () => ['1.spool', '2.spool', '3.spool']
  const left = await readLeftFrames({ read, readDirectory }, ['/run'], new Set([recordingId]))
  expect(left.byRecording.get(recordingId)).toEqual([{ ...frame, bytes: Uint8Array.from(frame.bytes) }])
  expect(left.torn).toEqual([{ path: '/run/2.spool', reason: 'unreadable' }])
})

it('frames become chunks as long as the manifest has room for them, and what is left out is told', () => {
  const left = objectsOfFrames([0, 10, 20, 30].map(frameOf), {
    chunks: [chunkTaking(RECOVERED_LENGTH_MAX - 500)],
    kept: [],
  })
  expect(left.chunks.map(({ entry }) => entry.fromSample)).toEqual([10])
  expect(left.hasHole).toBe(true)
})

it('frames that the store has all of are no hole, whatever room there is', () => {
  const left = objectsOfFrames([frameOf(0)], { chunks: [chunkTaking(RECOVERED_LENGTH_MAX)], kept: [] })
  expect(left).toEqual({ chunks: [], kept: [], hasHole: false })
})
