import { chown, mkdir, open, readFile, rename, stat, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'

import type { ShredScope } from '../../evidence/custody/custody-record.ts'
import { uuidV7UnixMs } from '../../ids.ts'
import { nodeFiles } from '../storage/file-operations.ts'
import { errnoOf } from '../storage/storage-error.ts'

/** In the data folder; a folder for each month inside, by the id of the recording. */
const FOLDER = 'shredded'

/** What this machine knows of a recording that is destroyed. */
export interface ShreddedMark {
  readonly scope: ShredScope
  /** `recordId` of the decisions that were left for the ledger of this machine. */
  readonly said: readonly string[]
  /** Hex SHA-256 of the sealed keys that were there, so that a copy of one is known when the others are gone. */
  readonly keys: readonly string[]
}

/**
 * A small file for each recording that was destroyed from this machine, on the disk before anything of it is destroyed: by it a recorder that runs knows, without
 * asking a store, what must not be stored again. They are never removed; removing one is safe once nothing waits for a store any more.
 */
export class ShreddedMarks {
  readonly #dataDir: string

  constructor(dataDir: string) {
    this.#dataDir = dataDir
  }

  /** Undefined when there is none. A mark that cannot be read stands for all objects: rather too little is stored than too much. */
  async read(recordingId: string): Promise<ShreddedMark | undefined> {
    try {
      return parseMark(await readFile(this.#path(recordingId), 'utf8'))
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined
      throw error
    }
  }

  /** Resolves when it would survive a power cut. */
  async write(recordingId: string, mark: ShreddedMark): Promise<void> {
    const path = this.#path(recordingId)
    const folder = dirname(path)
    const owner = await stat(this.#dataDir)
    const made = await mkdir(folder, { recursive: true, mode: 0o700 })
    const incoming = `${path}.new`
    await unlink(incoming).catch(() => {})
    const file = await open(incoming, 'wx', 0o600)
    try {
      await file.writeFile(`${JSON.stringify(mark)}\n`)
      await file.sync()
    } finally {
      await file.close()
    }
    // A command that root runs must not leave what the user of the recorder cannot read.
    for (const each of [dirname(folder), folder, incoming]) await chown(each, owner.uid, owner.gid).catch(() => {})
    await rename(incoming, path)
    await nodeFiles.syncDirectory(folder)
    if (made === undefined) return
    await nodeFiles.syncDirectory(dirname(folder))
    await nodeFiles.syncDirectory(this.#dataDir)
  }

  #path(recordingId: string): string {
    const month = new Date(uuidV7UnixMs(recordingId) ?? 0).toISOString().slice(0, 7)
    return join(this.#dataDir, FOLDER, month, recordingId)
  }
}

function parseMark(text: string): ShreddedMark {
  try {
    const { scope, said, keys = [] } = JSON.parse(text) as Partial<ShreddedMark>
    const isList = Array.isArray(said) && Array.isArray(keys)
    if ((scope === 'key' || scope === 'objects') && isList) return { scope, said, keys }
  } catch {
    // Said below.
  }
  return { scope: 'objects', said: [], keys: [] }
}
