import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { nodeFiles } from '../storage/file-operations.ts'
import { errnoOf } from '../storage/storage-error.ts'
import type { WitnessMemory } from './witness.ts'

const SUFFIX = '.note'
/** Checkpoints of one log that are kept as a proof, of each kind. */
export const CONTRADICTIONS_MAX = 4

/**
 * What a witness remembers: a file for each log, its newest checkpoint as it was signed, to be given to `ledger verify --checkpoint`; beside it, `….forked-1` or
 * `….notProven-1` and so on, what contradicted it.
 */
export async function openWitnessFolder(folder: string): Promise<WitnessMemory> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const path = (logId: string): string => join(folder, logId + SUFFIX)
  return {
    read: (logId) => readIfThere(path(logId)),
    async write(logId, note) {
      await writeFile(`${path(logId)}.new`, note, { mode: 0o600, flush: true })
      await rename(`${path(logId)}.new`, path(logId))
      await nodeFiles.syncDirectory(folder)
    },
    async keep(logId, kind, note) {
      for (let number = 1; number <= CONTRADICTIONS_MAX; number += 1) {
        // Not what is counted: it ends otherwise.
        const kept = join(folder, `${logId}.${kind}-${number}`)
        const before = await readIfThere(kept)
        if (before === note) return
        if (before !== undefined) continue
        await writeFile(kept, note, { mode: 0o600, flush: true })
        await nodeFiles.syncDirectory(folder)
        return
      }
    },
    async count() {
      return (await readdir(folder)).filter((name) => name.endsWith(SUFFIX)).length
    },
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  }
}
