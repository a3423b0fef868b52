import { constants } from 'node:fs'
import { mkdir, open, readdir, readFile, rm, stat, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'

import { encodeJournalLine, RECORD_BYTES_MAX, takeJournalLines, type JournalLine } from './journal-lines.ts'

/** A file of the journal is closed when it is larger, and deleted when all of it has been acknowledged. */
export const SEGMENT_BYTES_MAX = 8 * 1024 * 1024
/** Acknowledged records that may stay on disk when nothing else is waiting: they hold names and numbers. */
export const ACKNOWLEDGED_BYTES_MAX = 64 * 1024
const READ_BYTES = 256 * 1024
const READ_BYTES_MAX = RECORD_BYTES_MAX + 64 * 1024
const SEGMENT_NAME = /^(\d{12})\.journal$/
const POSITION_FILE = 'position.journal-line'
/** JSON as long as that of any position, so that one overwrites the other. */
const POSITION_LENGTH = 64

export interface JournalPosition {
  readonly segment: number
  readonly offset: number
}

export interface JournalBatch {
  readonly lines: readonly JournalLine[]
  /** What to acknowledge when all of them are done. */
  readonly next: JournalPosition
}

interface OpenSegment {
  readonly number: number
  readonly file: FileHandle
}

/**
 * Lines on disk that are still to be done, in order.
 *
 * Every run begins a new file, so that a line torn by a power cut stays the last one of its file and is skipped. The
 * position reached is written after the work is done and without waiting for the disk: when it is lost, some lines come
 * again, never too few. One writer and one reader, in one process.
 */
export class Journal {
  readonly #directory: string
  /** Bytes of each file that are whole and on disk. */
  readonly #durable = new Map<number, number>()
  #position: JournalPosition = { segment: 0, offset: 0 }
  #current: OpenSegment | undefined
  /** What is read from; another handle than what is appended to, which is closed at other times. */
  #reader: OpenSegment | undefined
  #positionFile: FileHandle | undefined
  #nextSegment = 1
  #isAppending = false
  #tornTails = 0

  constructor(directory: string) {
    this.#directory = directory
  }

  /** Files that ended in the middle of a line, and lines too long to be ours. */
  get tornTails(): number {
    return this.#tornTails
  }

  /** Bytes that are on disk and not acknowledged. */
  get backlogBytes(): number {
    let bytes = 0
    for (const [segment, size] of this.#durable) {
      if (segment === this.#position.segment) bytes += Math.max(0, size - this.#position.offset)
      else if (segment > this.#position.segment) bytes += size
    }
    return bytes
  }

  async open(): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 })
    this.#position = await this.#readPosition()
    for (const name of (await readdir(this.#directory)).toSorted()) {
      const segment = Number(SEGMENT_NAME.exec(name)?.[1] ?? Number.NaN)
      if (Number.isNaN(segment)) continue
      if (segment < this.#position.segment) await rm(join(this.#directory, name), { force: true })
      else this.#durable.set(segment, (await stat(join(this.#directory, name))).size)
    }
    this.#nextSegment = Math.max(this.#position.segment, ...this.#durable.keys(), 0) + 1
  }

  /** Resolves when the lines are on disk for good. When it rejects, none of them counts, and it may be tried again. */
  async append(bytes: Uint8Array): Promise<void> {
    this.#isAppending = true
    try {
      const { number, file } = (this.#current ??= await this.#createSegment())
      const offset = this.#durable.get(number) ?? 0
      try {
        for (let written = 0; written < bytes.length;) {
          written += (await file.write(bytes, written, bytes.length - written, offset + written)).bytesWritten
        }
        await file.datasync()
      } catch (error) {
        await this.#abandonSegment(number, file, offset)
        throw error
      }
      this.#durable.set(number, offset + bytes.length)
      if (offset + bytes.length >= SEGMENT_BYTES_MAX) {
        this.#current = undefined
        await file.close()
      }
    } finally {
      this.#isAppending = false
    }
  }

  /** The next lines, at most `linesMax`; none when everything on disk has been read to the end. */
  async read(linesMax: number): Promise<JournalBatch> {
    for (let readBytes = READ_BYTES; ;) {
      const { segment, offset } = this.#position
      const size = this.#durable.get(segment) ?? 0
      if (offset >= size) {
        const following = [...this.#durable.keys()].toSorted((a, b) => a - b).find((number) => number > segment)
        if (following === undefined) return { lines: [], next: this.#position }
        await this.#moveTo({ segment: following, offset: 0 })
        continue
      }
      const bytes = await this.#readAt(segment, offset, Math.min(readBytes, size - offset))
      const { lines, consumedBytes } = takeJournalLines(bytes, linesMax)
      if (lines.length > 0) return { lines, next: { segment, offset: offset + consumedBytes } }
      if (readBytes < READ_BYTES_MAX && offset + readBytes < size) {
        readBytes = Math.min(readBytes * 4, READ_BYTES_MAX)
        continue
      }
      this.#tornTails += 1
      await this.#moveTo({ segment, offset: size })
    }
  }

  /** The lines before `next` are done and will not be read again. */
  async acknowledge(next: JournalPosition): Promise<void> {
    await this.#moveTo(next)
    const current = this.#current
    const isIdle = current !== undefined && !this.#isAppending && this.backlogBytes === 0
    if (isIdle && (this.#durable.get(current.number) ?? 0) >= ACKNOWLEDGED_BYTES_MAX) {
      this.#current = undefined
      await current.file.close()
      await this.#moveTo({ segment: current.number + 1, offset: 0 })
    }
    await this.#writePosition()
  }

  async close(): Promise<void> {
    const files = [this.#current?.file, this.#reader?.file, this.#positionFile]
    this.#current = undefined
    this.#reader = undefined
    this.#positionFile = undefined
    for (const file of files) await file?.close()
  }

  async #createSegment(): Promise<OpenSegment> {
    const number = this.#nextSegment
    const file = await open(this.#pathOf(number), constants.O_CREAT | constants.O_EXCL | constants.O_RDWR, 0o600)
    this.#nextSegment += 1
    this.#durable.set(number, 0)
    const directory = await open(this.#directory, constants.O_RDONLY)
    try {
      await directory.sync()
    } finally {
      await directory.close()
    }
    return { number, file }
  }

  /** After a failed write or sync nobody knows what is on disk: the file ends where it was sound, the next is new. */
  async #abandonSegment(number: number, file: FileHandle, soundBytes: number): Promise<void> {
    this.#current = undefined
    await file.truncate(soundBytes).catch(() => {})
    await file.close().catch(() => {})
    if (soundBytes > 0) return
    this.#durable.delete(number)
    await rm(this.#pathOf(number), { force: true }).catch(() => {})
  }

  async #moveTo(position: JournalPosition): Promise<void> {
    this.#position = position
    if (this.#reader !== undefined && this.#reader.number < position.segment) await this.#closeReader()
    for (const segment of [...this.#durable.keys()]) {
      if (segment >= position.segment) continue
      this.#durable.delete(segment)
      await rm(this.#pathOf(segment), { force: true }).catch(() => {})
    }
  }

  async #readAt(segment: number, offset: number, length: number): Promise<Uint8Array> {
    if (this.#reader?.number !== segment) {
      await this.#closeReader()
      this.#reader = { number: segment, file: await open(this.#pathOf(segment), constants.O_RDONLY) }
    }
    const { file } = this.#reader
    const bytes = new Uint8Array(length)
    let filled = 0
    while (filled < length) {
      const { bytesRead } = await file.read(bytes, filled, length - filled, offset + filled)
      if (bytesRead === 0) break
      filled += bytesRead
    }
    return bytes.subarray(0, filled)
  }

  async #closeReader(): Promise<void> {
    const reader = this.#reader
    this.#reader = undefined
    await reader?.file.close()
  }

  #pathOf(segment: number): string {
    return join(this.#directory, `${String(segment).padStart(12, '0')}.journal`)
  }

  async #readPosition(): Promise<JournalPosition> {
    const bytes = await readFile(join(this.#directory, POSITION_FILE)).catch(() => new Uint8Array(0))
    return parsePosition(takeJournalLines(bytes, 1).lines[0]?.json) ?? { segment: 0, offset: 0 }
  }

  /**
   * Over the one before: a new file each time would cost four calls to the disk instead of one. It is a line with a check sum, as one that is half the old and
   * half the new could be beyond what is done; losing it only means that some lines come again.
   */
  async #writePosition(): Promise<void> {
    const flags = constants.O_CREAT | constants.O_RDWR
    try {
      this.#positionFile ??= await open(join(this.#directory, POSITION_FILE), flags, 0o600)
      const line = encodeJournalLine(JSON.stringify(this.#position).padEnd(POSITION_LENGTH))
      await this.#positionFile.write(line, 0, line.length, 0)
    } catch {
      // A full disk: the next acknowledgement writes it.
    }
  }
}

function parsePosition(text: string | undefined): JournalPosition | undefined {
  if (text === undefined) return undefined
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null) return undefined
    const { segment, offset } = value as Partial<Record<keyof JournalPosition, unknown>>
    const isPosition = Number.isSafeInteger(segment) && Number.isSafeInteger(offset)
    return isPosition ? { segment: Number(segment), offset: Number(offset) } : undefined
  } catch {
    return undefined
  }
}
