import { mkdir, open, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'

import { EarwitnessError } from '../../errors.ts'
import type { KeptFormat } from '../../evidence/manifest.ts'
import {
  RTPDUMP_HEAD_LENGTH,
  RTPDUMP_RECORD_HEADER_LENGTH,
  rtpdumpHead,
  writeRtpdumpRecord,
} from '../../media/rtpdump.ts'
import type { KeptStreamPackets } from './kept-packets.ts'
import { hintFor } from './write-hints.ts'

const SAMPLES_PER_MS = 48

/** What was written of one media stream. */
export interface RtpdumpFile {
  readonly file: string
  readonly streamId: string
  readonly channel: number
  readonly encodings: readonly string[]
  readonly packets: number
}

/**
 * Writes the packets of each stream as one rtpdump file, and beside it an SDP that says what its payload types are, into a new folder. The folder
 * gets its name when all is in it.
 *
 * @throws EarwitnessError `export-not-written`
 */
export async function writeRtpdumps(
  folder: string,
  streams: readonly KeptStreamPackets[],
): Promise<readonly RtpdumpFile[]> {
  const partial = `${folder}.${process.pid}.part`
  try {
    if (await exists(folder)) throw Object.assign(new Error('exists'), { code: 'EEXIST' })
    await mkdir(partial, { mode: 0o700 })
    const files: RtpdumpFile[] = []
    for (const stream of streams) {
      const name = `stream-${files.length + 1}`
      await writeFile(join(partial, `${name}.rtpdump`), rtpdumpOf(stream))
      await writeFile(join(partial, `${name}.sdp`), Buffer.from(sdpOf(stream)))
      const encodings = [...new Set(stream.packets.map(({ format }) => format.encoding))]
      const { streamId, channel, packets } = stream
      files.push({ file: join(folder, `${name}.rtpdump`), streamId, channel, encodings, packets: packets.length })
    }
    await rename(partial, folder)
    return files
  } catch (cause) {
    throw new EarwitnessError('export-not-written', `The folder ${folder} could not be written.`, hintFor(cause), {
      cause,
    })
  } finally {
    await rm(partial, { recursive: true, force: true })
  }
}

function rtpdumpOf({ packets, startUnixMs }: KeptStreamPackets): Uint8Array {
  const length = packets.reduce(
    (sum, { bytes }) => sum + RTPDUMP_RECORD_HEADER_LENGTH + bytes.length,
    RTPDUMP_HEAD_LENGTH,
  )
  const file = new Uint8Array(length)
  file.set(rtpdumpHead(startUnixMs))
  let at = RTPDUMP_HEAD_LENGTH
  for (const { bytes, fromSample } of packets) at = writeRtpdumpRecord(file, at, bytes, fromSample / SAMPLES_PER_MS)
  return file
}

/** The last meaning of each payload type: SDP has no way to say two. RFC 8866 */
function sdpOf({ packets }: KeptStreamPackets): string {
  const formats = new Map<number, KeptFormat>()
  for (const { format } of packets) formats.set(format.payloadType, format)
  const lines = [...formats.values()].flatMap(({ payloadType, encoding, clockRate, channels, fmtp }) => [
    `a=rtpmap:${payloadType} ${encoding}/${clockRate}${channels > 1 ? `/${channels}` : ''}`,
    ...(fmtp === undefined ? [] : [`a=fmtp:${payloadType} ${fmtp.replaceAll(/[\r\n]/g, ' ')}`]),
  ])
  const head = ['v=0', 'o=- 0 0 IN IP4 127.0.0.1', 's=-', 'c=IN IP4 127.0.0.1', 't=0 0']
  return [...head, `m=audio 5004 RTP/AVP ${[...formats.keys()].join(' ')}`, ...lines, ''].join('\r\n')
}

async function writeFile(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    await file.writeFile(bytes)
  } finally {
    await file.close()
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
