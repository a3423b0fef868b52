import { constants } from 'node:fs'
import { mkdir, open, readFile, rename, rmdir, truncate, writeFile, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'

import { entriesName, HASHES_NAME, NEWEST_CHECKPOINT_NAME, SALT_NAME } from '../../evidence/ledger/log-names.ts'
import { hashPlace, type TreeNode } from '../../evidence/ledger/tree-layout.ts'
import { nodeFiles } from '../storage/file-operations.ts'

/** A file of entries is ended when it is larger. */
export const SEGMENT_BYTES_MAX = 4 * 1024 * 1024
const FOLDER_MODE = 0o700
const FILE_MODE = 0o600
const HASH_BYTES = 32

/** What is changed in the files of one log. */
export interface LogFiles {
  /** Adds whole lines at the end; resolves when they would survive a power cut. When it rejects, none of them counts and they may be tried again. */
  append(firstSeq: number, lines: string): Promise<void>
  /** Stored hashes, from that at `place`; they can be made again, so nobody waits for the disk. */
  writeHashes(place: number, bytes: Uint8Array): Promise<void>
  writeCheckpoint(note: string): Promise<void>
  close(): Promise<void>
}

/** The folder of a log on its node. One writer, in one process. */
export class LogFolder implements LogFiles {
  readonly #folder: string
  #segment: { readonly file: FileHandle; bytes: number } | undefined

  constructor(folder: string) {
    this.#folder = folder
  }

  /** Makes the folder of a new log, with its salt. */
  static async create(folder: string, salt: Uint8Array): Promise<void> {
    await mkdir(folder, { recursive: true, mode: FOLDER_MODE })
    try {
      await nodeFiles.writeNew(join(folder, SALT_NAME), salt, FILE_MODE)
    } catch (error) {
      // The next try has a folder of its own; a start would find this one, and refuse it as empty.
      await rmdir(folder).catch(() => {})
      throw error
    }
    await nodeFiles.syncDirectory(folder)
    await nodeFiles.syncDirectory(join(folder, '..'))
  }

  /** Goes on with the last file of entries, of which the first `soundBytes` count: what stands behind them was being written in a crash. */
  async resume(name: string, soundBytes: number): Promise<void> {
    const path = join(this.#folder, name)
    await truncate(path, soundBytes)
    const file = await open(path, constants.O_RDWR)
    await file.datasync()
    this.#segment = { file, bytes: soundBytes }
  }

  async append(firstSeq: number, lines: string): Promise<void> {
    const bytes = Buffer.from(lines, 'latin1')
    const segment = (this.#segment ??= await this.#createSegment(firstSeq))
    try {
      for (let written = 0; written < bytes.length;) {
        const place = segment.bytes + written
        written += (await segment.file.write(bytes, written, bytes.length - written, place)).bytesWritten
      }
      await segment.file.datasync()
    } catch (error) {
      // Half a line must not stand before the next attempt; should this fail too, the next attempt writes over it.
      await segment.file.truncate(segment.bytes).catch(() => {})
      throw error
    }
    segment.bytes += bytes.length
    if (segment.bytes < SEGMENT_BYTES_MAX) return
    this.#segment = undefined
    await segment.file.close()
  }

  /** The salt of this log; undefined when it was destroyed. */
  async salt(): Promise<Uint8Array | undefined> {
    return readFile(join(this.#folder, SALT_NAME)).catch(() => undefined)
  }

  /** Each at its place: after a write that failed there is a gap, and what follows is still right. The file is opened by its name, since it may be gone and then begins anew. */
  async writeHashes(place: number, bytes: Uint8Array): Promise<void> {
    const file = await open(join(this.#folder, HASHES_NAME), constants.O_CREAT | constants.O_RDWR, FILE_MODE)
    try {
      for (let written = 0; written < bytes.length;) {
        const position = place * HASH_BYTES + written
        written += (await file.write(bytes, written, bytes.length - written, position)).bytesWritten
      }
    } finally {
      await file.close()
    }
  }

  /** Stored hashes of subtrees, in the order asked for; undefined when one is not there. */
  async readHashes(nodes: readonly TreeNode[]): Promise<readonly Uint8Array[] | undefined> {
    const file = await open(join(this.#folder, HASHES_NAME), 'r')
    try {
      const hashes: Uint8Array[] = []
      for (const node of nodes) {
        const hash = Buffer.alloc(HASH_BYTES)
        const { bytesRead } = await file.read(hash, 0, HASH_BYTES, hashPlace(node) * HASH_BYTES)
        if (bytesRead < HASH_BYTES) return undefined
        hashes.push(hash)
      }
      return hashes
    } finally {
      await file.close()
    }
  }

  async writeCheckpoint(note: string): Promise<void> {
    const path = join(this.#folder, NEWEST_CHECKPOINT_NAME)
    await writeFile(`${path}.new`, note, { mode: FILE_MODE, flush: true })
    await rename(`${path}.new`, path)
    await nodeFiles.syncDirectory(this.#folder)
  }

  async close(): Promise<void> {
    await this.#segment?.file.close()
    this.#segment = undefined
  }

  async #createSegment(firstSeq: number): Promise<{ readonly file: FileHandle; bytes: number }> {
    // Not exclusive: an attempt that failed may have left it, empty.
    const file = await open(join(this.#folder, entriesName(firstSeq)), constants.O_CREAT | constants.O_RDWR, FILE_MODE)
    await nodeFiles.syncDirectory(this.#folder)
    return { file, bytes: 0 }
  }
}
