import { constants } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'

import { isUuidV7 } from '../../ids.ts'

/** A chunk has some 400 bytes here: with chunks of 2 s, as a full disk has them made, an hour of 20 recording sessions. */
const RESERVE_BYTES = 16 * 1024 * 1024
const PIECE_BYTES = 1024 * 1024
const NAME = 'open.reserve'
/** What is not used: spaces, which no line begins with. */
const BLANK = 0x20
const NEWLINE = 0x0a
/** `<recording id> <line>` */
const ID_LENGTH = 36

interface Range {
  readonly from: number
  readonly length: number
}

/**
 * Lines of open recordings that the disk had no room for, in a file whose room was taken while there was some: they are written over its blanks, and nobody else can use that
 * up. On a file system that never writes in place (ZFS, Btrfs) a full disk may not take them either; then it is as without.
 *
 * It holds only what the journal of a recording does not, and only of recordings that have one: no sealed key is here.
 */
export class JournalReserve {
  readonly #path: string
  readonly #bytesMax: number
  readonly #ranges = new Map<string, Range[]>()
  /** Of which it lacks a line: none behind that is taken. */
  readonly #broken = new Set<string>()
  #sizeBytes = 0
  /** Where the next line goes. */
  #end = 0
  #refusals = 0

  constructor(options: { readonly dataDir: string; readonly bytesMax?: number | undefined }) {
    this.#path = join(options.dataDir, NAME)
    this.#bytesMax = options.bytesMax ?? RESERVE_BYTES
  }

  /** Used up; what is taken back counts until all is. */
  get bytes(): number {
    return this.#end
  }

  /** Lines that found no room here either, did not belong here, or came behind one of these: a crash takes them. */
  get refusals(): number {
    return this.#refusals
  }

  /** Takes the room, as much as there is, and gives the lines that an earlier run left, by recording. Rejects when the disk does not give them. */
  async run(): Promise<ReadonlyMap<string, string>> {
    const file = await open(this.#path, constants.O_RDWR | constants.O_CREAT, 0o600)
    try {
      const bytes = await file.readFile()
      this.#sizeBytes = await takeRoom(file, bytes.length, this.#bytesMax)
      return this.#take(bytes)
    } finally {
      await file.close()
    }
  }

  /** Resolves to whether neither a crash nor a power cut takes the lines any more. Never rejects. */
  async keep(recordingId: string, lines: string): Promise<boolean> {
    const all = lines.split('\n').filter((line) => line !== '')
    // A line of its own, whatever a crash left before it.
    const bytes = Buffer.from(all.map((line) => `\n${recordingId} ${line}\n`).join(''))
    const range = { from: this.#end, length: bytes.length }
    const isKept = !this.#broken.has(recordingId) && range.from + range.length <= this.#sizeBytes
    if (isKept) {
      this.#end += range.length
      this.#ranges.set(recordingId, [...(this.#ranges.get(recordingId) ?? []), range])
    }
    if (isKept && (await this.#writeAt(range.from, bytes))) return true
    this.refuse(recordingId, lines)
    return false
  }

  /** The disk has not taken these lines, and they do not belong here: nor does what comes behind them. */
  refuse(recordingId: string, lines: string): void {
    this.#broken.add(recordingId)
    this.#refusals += lines.split('\n').filter((line) => line !== '').length
  }

  /** The journal of the recording has all of it, or is needed no more. Never rejects. */
  async release(recordingId: string): Promise<void> {
    this.#broken.delete(recordingId)
    for (const { from, length } of this.#ranges.get(recordingId) ?? [])
      await this.#writeAt(from, Buffer.alloc(length, BLANK))
    this.#ranges.delete(recordingId)
    if (this.#ranges.size === 0) this.#end = 0
  }

  #take(bytes: Buffer): ReadonlyMap<string, string> {
    const left = new Map<string, string>()
    for (let from = 0; from < bytes.length;) {
      const newline = bytes.indexOf(NEWLINE, from)
      const to = newline < 0 ? bytes.length : newline + 1
      const line = bytes.toString('utf8', from, to).trim()
      const recordingId = line.slice(0, ID_LENGTH)
      if (line !== '') this.#end = to
      if (isUuidV7(recordingId)) {
        left.set(recordingId, `${left.get(recordingId) ?? ''}${line.slice(ID_LENGTH + 1)}\n`)
        this.#ranges.set(recordingId, [...(this.#ranges.get(recordingId) ?? []), { from, length: to - from }])
      }
      from = to
    }
    return left
  }

  async #writeAt(position: number, bytes: Uint8Array): Promise<boolean> {
    try {
      const file = await open(this.#path, constants.O_RDWR)
      try {
        for (let written = 0; written < bytes.length;)
          written += (await file.write(bytes, written, bytes.length - written, position + written)).bytesWritten
        await file.datasync()
      } finally {
        await file.close()
      }
      return true
    } catch {
      return false
    }
  }
}

/** Fills it up with blanks as far as the disk has room; gives its length then. */
async function takeRoom(file: FileHandle, fromBytes: number, bytesMax: number): Promise<number> {
  const piece = Buffer.alloc(PIECE_BYTES, BLANK)
  let toBytes = fromBytes
  try {
    while (toBytes < bytesMax)
      toBytes += (await file.write(piece, 0, Math.min(PIECE_BYTES, bytesMax - toBytes), toBytes)).bytesWritten
  } catch {
    // A disk that is full already: what there is must do.
  }
  try {
    if (toBytes > fromBytes) await file.datasync()
    return toBytes
  } catch {
    return fromBytes
  }
}
