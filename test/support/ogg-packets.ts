import { readOggPage } from '../../src/media/ogg.ts'

/** The packets of an Ogg file of one stream, without its two headers: what an encoder of another made. RFC 3533 6 */
export function oggPackets(file: Uint8Array): readonly Uint8Array[] {
  const packets: Uint8Array[] = []
  let pieces: Uint8Array[] = []
  for (let offset = 0; offset < file.length;) {
    const page = readOggPage(file, offset)
    if (!page.ok) throw new Error(page.reason)
    let at = 0
    for (const length of page.value.lacing) {
      pieces.push(page.value.body.subarray(at, at + length))
      at += length
      if (length === 255) continue
      packets.push(Buffer.concat(pieces))
      pieces = []
    }
    offset += page.value.length
  }
  return packets.slice(2)
}
