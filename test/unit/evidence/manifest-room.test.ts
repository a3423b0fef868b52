import { describe, expect, it } from 'vitest'

import { ManifestRoom, RECOVERED_LENGTH_MAX, SEALED_LENGTH_MAX } from '../../../src/evidence/manifest-room.ts'
import {
  MANIFEST_LENGTH_MAX,
  signManifest,
  type ChunkEntry,
  type GapEntry,
  type IncidentEntry,
  type KeptEntry,
  type StreamEntry,
} from '../../../src/evidence/manifest.ts'
import { chunkName, keptName } from '../../../src/evidence/object-names.ts'
import { ENTRIES_MAX } from '../../../src/evidence/shape-checks.ts'
import { GAPS_LISTED_MAX } from '../../../src/recorder/listed-gaps.ts'
import { sampleRecording, vectorSigner } from '../../vectors/evidence/sample-recording.ts'

const { signingKey } = await vectorSigner()
const { body } = await sampleRecording({ chunks: [Buffer.from('one')], snapshots: [] })
const HASH = 'ab'.repeat(32)

const chunkOf = (chunkSeq: number): ChunkEntry => ({
  ...{ chunkSeq, name: chunkName(chunkSeq), sha256: HASH, sizeBytes: 1, runningHash: HASH },
  ...{ fromSample: chunkSeq, toSample: chunkSeq + 1 },
})

const keptOf = (keptSeq: number): KeptEntry => ({
  ...{ keptSeq, name: keptName(keptSeq), sha256: HASH, sizeBytes: 100_000, runningHash: HASH },
  ...{ streamId: '0', channel: 0, fromSample: 720_000 * keptSeq, toSample: 720_000 * (keptSeq + 1) },
  ...{ packets: 750, firstSequence: 65_000, lastSequence: 214 },
  formats: [
    { fromSample: 720_000 * keptSeq, payloadType: 96, encoding: 'opus', clockRate: 48_000, channels: 2, decoded: true },
  ],
})

const gapsOf = (count: number): GapEntry[] =>
  Array.from({ length: count }, (_, gap) => ({
    fromSample: 2e10 + 2 * gap,
    toSample: 2e10 + 2 * gap + 1,
    cause: 'undecoded',
  }))

/** The most that a manifest has beside sealed objects, but for a little. */
function others(): { readonly streams: readonly StreamEntry[]; readonly incidents: readonly IncidentEntry[] } {
  const [stream] = body.streams
  if (stream === undefined) throw new Error('no stream')
  const at = '2026-11-23T09:00:00.000Z'
  const streams = [0, 1, 2, 3].map((channel) => ({
    ...{ ...stream, streamId: String(channel), channel, gaps: gapsOf(GAPS_LISTED_MAX / 4) },
  }))
  return { streams, incidents: Array.from({ length: 1_000 }, () => ({ code: 'x', at, detail: 'y'.repeat(400) })) }
}

describe('the room of a manifest', () => {
  it('is taken by what its entries take, signed', async () => {
    const room = new ManifestRoom()
    const chunks = Array.from({ length: 1_000 }, (_, chunkSeq) => chunkOf(chunkSeq))
    for (const entry of chunks) room.take(entry)
    const empty = await signManifest({ ...body, chunks: [] }, signingKey)
    const full = await signManifest({ ...body, chunks }, signingKey)
    expect(Math.abs(full.length - empty.length - room.length)).toBeLessThan(4)
  })

  it.each([
    ['that ended', SEALED_LENGTH_MAX, others()],
    ['that nobody ended', RECOVERED_LENGTH_MAX, { ...others(), streams: [] }],
  ])('that is full leaves enough for all else in the manifest of a recording %s', async (_, lengthMax, more) => {
    const { length } = await signManifest({ ...body, ...more, chunks: [] }, signingKey)
    expect(MANIFEST_LENGTH_MAX - lengthMax - length).toBeGreaterThan(512 * 1024)
  })

  it.each([SEALED_LENGTH_MAX, RECOVERED_LENGTH_MAX])(
    'that is full (%i) has no list of more entries than are read',
    (lengthMax) => {
      const room = new ManifestRoom()
      room.take(chunkOf(0))
      expect(lengthMax / room.length).toBeLessThan(ENTRIES_MAX)
    },
  )

  it('lasts for two days of Opus that is kept besides', () => {
    const room = new ManifestRoom()
    const chunksOfTwoDays = (2 * 24 * 3_600) / 15
    for (let chunk = 0; chunk < chunksOfTwoDays; chunk += 1) {
      for (const entry of [chunkOf(chunk), keptOf(2 * chunk), keptOf(2 * chunk + 1)]) room.take(entry)
    }
    expect(room.isFull).toBe(false)
  })
})

it('a manifest that no reader takes is not signed', async () => {
  const participants = Array.from({ length: 6_400 }, () => ({ participantId: 'x'.repeat(4_000) }))
  await expect(signManifest({ ...body, participants }, signingKey)).rejects.toThrow('The manifest is too long.')
})
