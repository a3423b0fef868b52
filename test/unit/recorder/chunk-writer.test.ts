import { beforeEach, describe, expect, it } from 'vitest'

import { openSealed } from '../../../src/evidence/age-open.ts'
import { nextRunningHash, RUNNING_HASH_START } from '../../../src/evidence/running-hash.ts'
import { sha256Hex } from '../../../src/evidence/sha256.ts'
import { CHUNK_BYTES_MAX, ChunkWriter } from '../../../src/recorder/chunk-writer.ts'
import type { SpoolFrame } from '../../../src/recorder/recording-types.ts'
import { CapturingSink, seededBytes, vault } from '../../support/recording-rig.ts'

let sink: CapturingSink
let writer: ChunkWriter
let taken: Uint8Array[]

beforeEach(() => {
  sink = new CapturingSink()
  taken = []
  const sealing = { recipient: vault.recipient, randomBytes: seededBytes(7), sink }
  writer = new ChunkWriter(sealing, (pages) => taken.push(pages))
})

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

describe('chunks', () => {
  it('are seen as they are appended, before they are sealed', () => {
    writer.append(bytes('one'))
    writer.append(bytes('two'))
    expect(taken).toEqual([bytes('one'), bytes('two')])
    expect(sink.objects).toEqual([])
  })

  it('leave nothing in clear once they are sealed', () => {
    const pages = [bytes('heard'), bytes('too')]
    for (const page of pages) writer.append(page)
    writer.sealFrame(1)
    expect(pages).toEqual([bytes('heard'), bytes('too')])
    writer.seal(1)
    expect(pages).toEqual([new Uint8Array(5), new Uint8Array(3)])
  })

  it('follow each other without a hole, in number, name and time', () => {
    for (const toSample of [48_000, 96_000, 100_800]) {
      writer.append(bytes('pages'))
      writer.seal(toSample)
    }
    expect(
      writer.entries.map(({ chunkSeq, name, fromSample, toSample }) => [chunkSeq, name, fromSample, toSample]),
    ).toEqual([
      [0, 'chunk-000000.age', 0, 48_000],
      [1, 'chunk-000001.age', 48_000, 96_000],
      [2, 'chunk-000002.age', 96_000, 100_800],
    ])
    expect(sink.of('chunk').map(({ chunk }) => chunk)).toEqual(writer.entries)
  })

  it('carry a running hash over all before them', () => {
    for (const toSample of [1, 2, 3]) {
      writer.append(bytes('pages'))
      writer.seal(toSample)
    }
    let expected = RUNNING_HASH_START
    for (const [index, { runningHash, sha256, sizeBytes }] of writer.entries.entries()) {
      const sealed = sink.of('chunk')[index]?.bytes ?? new Uint8Array(0)
      expect([sha256, sizeBytes]).toEqual([sha256Hex(sealed), sealed.length])
      expected = nextRunningHash('chunk', expected, sha256)
      expect(runningHash).toBe(expected)
    }
    expect(new Set(writer.entries.map(({ sha256 }) => sha256)).size).toBe(3)
  })

  it('hold what was appended, in order, and only sealed', async () => {
    writer.append(bytes('first '))
    writer.append(bytes('second'))
    writer.seal(960)
    const sealed = sink.of('chunk')[0]?.bytes ?? new Uint8Array(0)
    expect(Buffer.from(sealed).includes('first')).toBe(false)
    expect(await openSealed(sealed, [vault.identity])).toMatchObject({
      ok: true,
      value: Uint8Array.from(bytes('first second')),
    })
  })

  it('are not made of nothing', () => {
    writer.seal(48_000)
    expect(writer.entries).toEqual([])
    writer.append(bytes('pages'))
    writer.seal(96_000)
    expect(writer.entries).toMatchObject([{ chunkSeq: 0, fromSample: 0, toSample: 96_000 }])
  })

  it('ask to be sealed early when they reach their bound, and hold everything all the same', () => {
    const page = new Uint8Array(CHUNK_BYTES_MAX / 2)
    writer.append(page)
    expect(writer.isFull).toBe(false)
    writer.append(page)
    expect(writer.isFull).toBe(true)
    writer.seal(48_000)
    expect(writer.isFull).toBe(false)
    expect(writer.entries[0]?.sizeBytes).toBeGreaterThan(CHUNK_BYTES_MAX)
  })
})

describe('frames for the spool', () => {
  const SAMPLES = 14_400

  beforeEach(() => {
    sink = new CapturingSink()
    sink.handleFrame = (frame) => void frames.push(frame)
    frames = []
    writer = new ChunkWriter({ recipient: vault.recipient, randomBytes: seededBytes(7), sink }, () => {})
  })

  let frames: SpoolFrame[]
  const ranges = () => frames.map((frame) => (frame.kind === 'chunk' ? [frame.fromSample, frame.toSample] : []))

  it('hold what is new, each as a complete age file', async () => {
    writer.append(bytes('first '))
    writer.append(bytes('second '))
    writer.sealFrame(SAMPLES)
    writer.sealFrame(SAMPLES)
    writer.append(bytes('third'))
    writer.sealFrame(2 * SAMPLES)
    expect(ranges()).toEqual([
      [0, SAMPLES],
      [SAMPLES, 2 * SAMPLES],
    ])
    const opened = await Promise.all(frames.map((frame) => openSealed(frame.bytes, [vault.identity])))
    expect(opened.map((one) => (one.ok ? new TextDecoder().decode(one.value) : ''))).toEqual(['first second ', 'third'])
  })

  it('reach to the end of every chunk, and the next begins there', () => {
    writer.append(bytes('framed'))
    writer.sealFrame(SAMPLES)
    writer.append(bytes('rest'))
    writer.seal(48_000)
    writer.append(bytes('next'))
    writer.sealFrame(48_000 + SAMPLES)
    expect(ranges()).toEqual([
      [0, SAMPLES],
      [SAMPLES, 48_000],
      [48_000, 48_000 + SAMPLES],
    ])
    expect(writer.entries).toHaveLength(1)
  })
})
