import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { nodeFiles } from '../storage/file-operations.ts'
import { errnoOf } from '../storage/storage-error.ts'
import type { WitnessMemory } from './witness.ts'

const SUFFIX = '.note'

/** What a witness remembers: a file for each log, its newest checkpoint as it was signed, to be given to `ledger verify --checkpoint`. */
export async function openWitnessFolder(folder: string): Promise<WitnessMemory> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const path = (logId: string): string => join(folder, logId + SUFFIX)
  return {
    async read(logId) {
      return readFile(path(logId), 'utf8').catch((error: unknown) => {
        if (errnoOf(error) === 'ENOENT') return undefined
        throw error
      })
    },
    async write(logId, note) {
      await writeFile(`${path(logId)}.new`, note, { mode: 0o600, flush: true })
      await rename(`${path(logId)}.new`, path(logId))
      await nodeFiles.syncDirectory(folder)
    },
    async count() {
      return (await readdir(folder)).filter((name) => name.endsWith(SUFFIX)).length
    },
  }
}
