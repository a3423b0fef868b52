import { describe, expect, it } from 'vitest'

import { NO_GRANULE, OGG_PAGE_LENGTH_MAX, OggPageWriter, readOggPage, type OggPage } from '../../../src/media/ogg.ts'

function packet(length: number, granulePosition = 1): { readonly data: Uint8Array; readonly granulePosition: number } {
  return { data: Uint8Array.from({ length }, (_, index) => index & 0xff), granulePosition }
}

function pagesOf(bytes: Uint8Array): OggPage[] {
  const pages: OggPage[] = []
  for (let offset = 0; offset < bytes.length;) {
    const page = readOggPage(bytes, offset)
    if (!page.ok) throw new Error(page.reason)
    pages.push(page.value)
    offset += page.value.length
  }
  return pages
}

describe('an Ogg page', () => {
  it('has the layout of RFC 3533', () => {
    const page = new OggPageWriter(0x0403_0201).write(
      [{ data: Uint8Array.of(9, 8), granulePosition: 0x0102_0304_05 }],
      {
        beginOfStream: true,
      },
    )
    expect([...page.subarray(0, 22)]).toEqual([
      ...new TextEncoder().encode('OggS'),
      ...[0, 2, 5, 4, 3, 2, 1, 0, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0],
    ])
    expect([...page.subarray(26)]).toEqual([1, 2, 9, 8])
    expect(pagesOf(page)[0]).toMatchObject({
      serialNumber: 0x0403_0201,
      sequenceNumber: 0,
      granulePosition: 0x0102_0304_05,
    })
  })

  it('numbers pages and marks the first and the last', () => {
    const writer = new OggPageWriter(1)
    const bytes = [
      writer.write([packet(1)], { beginOfStream: true }),
      writer.write([packet(1)]),
      writer.write([packet(1)], { endOfStream: true }),
    ].flatMap(pagesOf)
    expect(bytes.map((page) => [page.sequenceNumber, page.beginOfStream, page.endOfStream])).toEqual([
      [0, true, false],
      [1, false, false],
      [2, false, true],
    ])
  })

  it('laces a packet of a multiple of 255 bytes with a closing zero', () => {
    const [page] = pagesOf(new OggPageWriter(1).write([packet(255), packet(254), packet(0), packet(510)]))
    expect([...(page?.lacing ?? [])]).toEqual([255, 0, 254, 0, 255, 255, 0])
  })

  it('is followed by another when there are more than 255 segments, each with the granule of its last packet', () => {
    const packets = Array.from({ length: 300 }, (_, index) => packet(3, index + 1))
    const pages = pagesOf(new OggPageWriter(1).write(packets, { endOfStream: true }))
    expect(pages.map((page) => [page.lacing.length, page.granulePosition, page.continued, page.endOfStream])).toEqual([
      [255, 255, false, false],
      [45, 300, false, true],
    ])
  })

  it('is continued when a packet is longer than a page, and has no granule when no packet ends on it', () => {
    const pages = pagesOf(new OggPageWriter(1).write([packet(10, 5), packet(255 * 255 * 2, 9)]))
    expect(pages.map((page) => [page.continued, page.granulePosition])).toEqual([
      [false, 5],
      [true, NO_GRANULE],
      [true, 9],
    ])
    expect(pages[1]?.length).toBe(OGG_PAGE_LENGTH_MAX)
  })

  it('may be empty', () => {
    const [page] = pagesOf(new OggPageWriter(1).write([], { endOfStream: true, emptyGranule: 77 }))
    expect(page).toMatchObject({ granulePosition: 77, endOfStream: true, length: 27 })
  })
})

describe('a page is refused', () => {
  const page = new OggPageWriter(7).write([packet(100)])

  function reasonOf(bytes: Uint8Array): string {
    const read = readOggPage(bytes, 0)
    return read.ok ? 'accepted' : read.reason
  }

  function changed(at: number): Uint8Array {
    return Uint8Array.from(page, (byte, index) => (index === at ? byte ^ 1 : byte))
  }

  it('when any single byte is changed', () => {
    for (let at = 0; at < page.length; at++) expect(reasonOf(changed(at))).not.toBe('accepted')
    expect(reasonOf(changed(0))).toBe('capture')
    expect(reasonOf(changed(4))).toBe('version')
    expect(reasonOf(changed(22))).toBe('crc')
    expect(reasonOf(changed(100))).toBe('crc')
  })

  it('when it is cut off anywhere', () => {
    for (let length = 0; length < page.length; length++) expect(reasonOf(page.subarray(0, length))).toBe('truncated')
  })

  it('when its granule position is beyond what a number holds', () => {
    expect(reasonOf(new OggPageWriter(7).write([packet(1, 2 ** 60)]))).toBe('granule')
  })
})
