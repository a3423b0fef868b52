import { readdir } from 'node:fs/promises'

import { errnoOf } from './storage/storage-error.ts'

/** Names of what lies in a folder; none when there is no such folder, which is made with the first thing that is put there. */
export async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return []
    throw error
  }
}
