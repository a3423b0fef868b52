import { buffer } from 'node:stream/consumers'
import { Readable } from 'node:stream'
import { crc32, deflateRawSync } from 'node:zlib'

import { zipStream } from '../../src/cli/export/zip-stream.ts'

/** One member of a zip as a test wants it, right or wrong. */
export interface RawMember {
  readonly name: string
  readonly content: Uint8Array
  readonly deflated?: boolean
  /** In the local header, where it differs. */
  readonly localName?: string
  /** Claimed in the directory, where it differs from the truth. */
  readonly claimedBytes?: number
  readonly method?: number
  readonly flags?: number
  /** Unix mode. */
  readonly mode?: number
}

/** A zip written byte by byte, so that it may say what no honest writer says. APPNOTE 4.3 */
export function rawZip(members: readonly RawMember[]): Buffer {
  const parts: Buffer[] = []
  const directory: Buffer[] = []
  let offset = 0
  for (const member of members) {
    const data = member.deflated === true ? deflateRawSync(member.content) : Buffer.from(member.content)
    const local = Buffer.alloc(30)
    const localName = Buffer.from(member.localName ?? member.name)
    local.writeUInt32LE(0x04034b50, 0)
    writeCommon(local.subarray(4), member, data)
    local.writeUInt16LE(localName.length, 26)
    const central = Buffer.alloc(46)
    const name = Buffer.from(member.name)
    central.writeUInt32LE(0x02014b50, 0)
    central.writeUInt16LE(0x0314, 4)
    writeCommon(central.subarray(6), member, data)
    central.writeUInt16LE(name.length, 28)
    central.writeUInt32LE(((member.mode ?? 0o100_600) << 16) >>> 0, 38)
    central.writeUInt32LE(offset, 42)
    parts.push(local, localName, data)
    directory.push(central, name)
    offset += local.length + localName.length + data.length
  }
  const central = Buffer.concat(directory)
  const end = Buffer.alloc(22)
  end.writeUInt32LE(0x06054b50, 0)
  end.writeUInt16LE(members.length, 8)
  end.writeUInt16LE(members.length, 10)
  end.writeUInt32LE(central.length, 12)
  end.writeUInt32LE(offset, 16)
  return Buffer.concat([...parts, central, end])
}

/** From "version needed" to the uncompressed size: the same in both headers. */
function writeCommon(header: Buffer, member: RawMember, data: Buffer): void {
  header.writeUInt16LE(20, 0)
  header.writeUInt16LE(member.flags ?? 0, 2)
  header.writeUInt16LE(member.method ?? (member.deflated === true ? 8 : 0), 4)
  header.writeUInt32LE(crc32(member.content), 10)
  header.writeUInt32LE(data.length, 14)
  header.writeUInt32LE(member.claimedBytes ?? member.content.length, 18)
}

/** The same members by the writer of bundles. */
export async function honestZip(members: readonly RawMember[]): Promise<Buffer> {
  const stream = zipStream(
    members.map(({ name, content }) => ({ name, open: () => Readable.from([content]) })),
    new Date('2026-11-29T00:00:00Z'),
  )
  return buffer(stream)
}
