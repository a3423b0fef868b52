import { crc32 } from 'node:zlib'

/** Largest record that the journal takes, in bytes of JSON: the list of gaps of a very long and very bad recording. */
export const RECORD_BYTES_MAX = 8 * 1024 * 1024

const NEWLINE = 0x0a
/** Eight hexadecimal digits of CRC-32 and a blank. */
const CHECK_LENGTH = 9

export interface JournalLine {
  /** undefined when the line was damaged on disk. */
  readonly json: string | undefined
  readonly bytes: Uint8Array
}

/** One line: CRC-32 of the JSON, a blank, the JSON, a newline. JSON has no newline of its own. */
export function encodeJournalLine(json: string): Uint8Array {
  return Buffer.from(`${checkOf(Buffer.from(json))} ${json}\n`)
}

/**
 * Takes whole lines from the front of `bytes`, at most `linesMax`. `consumedBytes` ends after the last of them; what follows
 * is the beginning of a line.
 */
export function takeJournalLines(
  bytes: Uint8Array,
  linesMax: number,
): { readonly lines: readonly JournalLine[]; readonly consumedBytes: number } {
  const lines: JournalLine[] = []
  let start = 0
  while (lines.length < linesMax) {
    const end = bytes.indexOf(NEWLINE, start)
    if (end === -1) break
    const line = bytes.subarray(start, end)
    lines.push({ json: decodeLine(line), bytes: line })
    start = end + 1
  }
  return { lines, consumedBytes: start }
}

function decodeLine(line: Uint8Array): string | undefined {
  const body = Buffer.from(line.buffer, line.byteOffset, line.byteLength)
  const json = body.subarray(CHECK_LENGTH)
  return body.toString('latin1', 0, CHECK_LENGTH) === `${checkOf(json)} ` ? json.toString('utf8') : undefined
}

function checkOf(json: Uint8Array): string {
  return crc32(json).toString(16).padStart(8, '0')
}
