import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { flattenLinks } from '../../src/media/flatten-links.ts'
import { OggPageWriter, readOggPage } from '../../src/media/ogg.ts'
import { OggOpusWriter, readOggOpus } from '../../src/media/ogg-opus.ts'
import { joinMultistreamPacket } from '../../src/media/opus-packet.ts'

const text = fc.string({ unit: 'grapheme', maxLength: 40 })
const name = fc.stringMatching(/^[A-Z_]{1,20}$/)
const comments = fc.array(fc.tuple(name, text), { maxLength: 20 })
/** 20 ms of anything. */
const frame = fc.uint8Array({ maxLength: 300 }).map((data) => Uint8Array.of(1 << 3, ...data))

const file = fc
  .record({
    serialNumber: fc.nat({ max: 0xffff_ffff }),
    streamCount: fc.integer({ min: 1, max: 5 }),
    preSkip: fc.nat({ max: 0xffff }),
    inputSampleRate: fc.nat({ max: 0xffff_ffff }),
    comments,
    frames: fc.array(frame, { minLength: 1, maxLength: 400 }),
    pageFrames: fc.integer({ min: 1, max: 300 }),
  })
  .map((sketch) => {
    const writer = new OggOpusWriter(sketch)
    const packets = sketch.frames.map((data) =>
      joinMultistreamPacket(Array.from({ length: sketch.streamCount }, () => data)),
    )
    const parts = [writer.headers()]
    for (let from = 0; from < packets.length; from += sketch.pageFrames) {
      const to = Math.min(packets.length, from + sketch.pageFrames)
      parts.push(writer.page(packets.slice(from, to), to * 960, { endOfStream: to === packets.length }))
    }
    return { sketch, packets, bytes: Buffer.concat(parts) }
  })

describe('Ogg', () => {
  it('gives back packets of any length, over as many pages as they need', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 140_000 }), { maxLength: 6 }), (lengths) => {
        const packets = lengths.map((length, index) => ({
          data: new Uint8Array(length).fill(index + 1),
          granulePosition: index,
        }))
        const bytes = new OggPageWriter(3).write(packets)
        const lacing: number[] = []
        const body: Uint8Array[] = []
        let last = -1
        for (let offset = 0; offset < bytes.length;) {
          const page = readOggPage(bytes, offset)
          if (!page.ok) throw new Error(page.reason)
          lacing.push(...page.value.lacing)
          body.push(page.value.body)
          if (page.value.granulePosition >= 0) last = page.value.granulePosition
          offset += page.value.length
        }
        expect(lacing.filter((value) => value < 255).length).toBe(lengths.length)
        expect(lacing.reduce((sum, value) => sum + value, 0)).toBe(lengths.reduce((sum, length) => sum + length, 0))
        expect(Buffer.concat(body).equals(Buffer.concat(packets.map(({ data }) => data)))).toBe(true)
        expect(last).toBe(Math.max(0, lengths.length - 1))
      }),
      { numRuns: 50 },
    )
  })
})

describe('Ogg Opus', () => {
  it('gives back every header, comment and packet, in chains too', () => {
    fc.assert(
      fc.property(fc.array(file, { minLength: 1, maxLength: 3 }), (files) => {
        const read = readOggOpus(Buffer.concat(files.map(({ bytes }) => bytes)))
        if (!read.ok) throw new Error(read.reason)
        expect(read.value.length).toBe(files.length)
        read.value.forEach((link, index) => {
          const { sketch, packets } = files[index] ?? {}
          expect(link).toMatchObject({
            serialNumber: sketch?.serialNumber,
            streamCount: sketch?.streamCount,
            preSkip: sketch?.preSkip,
            inputSampleRate: sketch?.inputSampleRate,
            granulePosition: (packets?.length ?? 0) * 960,
            endOfStream: true,
          })
          expect(link.comments).toEqual(sketch?.comments)
          expect(link.packets.length).toBe(packets?.length)
          expect(Buffer.concat(link.packets.map(({ data }) => data)).equals(Buffer.concat(packets ?? []))).toBe(true)
        })
      }),
      { numRuns: 50 },
    )
  })

  it('never throws, and never accepts a file with a changed byte', () => {
    fc.assert(
      fc.property(file, fc.nat(), fc.integer({ min: 1, max: 255 }), ({ bytes }, at, flip) => {
        const changed = Uint8Array.from(bytes)
        changed[at % bytes.length] = (changed[at % bytes.length] ?? 0) ^ flip
        expect(readOggOpus(changed).ok).toBe(false)
      }),
      { numRuns: 100 },
    )
  })

  it('never throws at noise or at a file that is cut off', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), file, fc.nat(), (noise, { bytes }, at) => {
        expect(readOggOpus(noise).ok).toBe(false)
        const cut = readOggOpus(bytes.subarray(0, at % bytes.length))
        // A cut between pages leaves a readable file.
        if (cut.ok) expect(cut.value[0]?.endOfStream).toBe(false)
      }),
      { numRuns: 100 },
    )
  })

  it('flattens to a file that can be read', () => {
    fc.assert(
      fc.property(file, ({ bytes, sketch }) => {
        const read = readOggOpus(bytes)
        if (!read.ok) throw new Error(read.reason)
        const flat = readOggOpus(flattenLinks(read.value))
        expect(flat.ok && flat.value[0]?.streamCount).toBe(sketch.streamCount)
        expect(flat.ok && flat.value[0]?.packets.length).toBe(sketch.frames.length)
      }),
      { numRuns: 50 },
    )
  })
})
