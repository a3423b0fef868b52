import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { nodeFiles } from '../storage/file-operations.ts'
import { errnoOf } from '../storage/storage-error.ts'
import type { WitnessMemory } from './witness.ts'

const SUFFIX = '.note'
// Neither ends as what is counted.
const SEEN = '.seen'
const SHOWN = '.shown'
/** Of one that is being written. */
const NEW = '.new'
/** Pairs of checkpoints that are kept of one log, of each kind: the first, and the newest ones. */
export const PAIRS_MAX = 4

/**
 * What a witness remembers: a file for each log, its newest checkpoint as it was signed, to be given to `ledger verify --checkpoint`; beside it, `….forked-1.shown` or
 * `….notProven-1.shown` and so on, what contradicted that, and `….forked-1.seen` what it was then.
 */
export async function openWitnessFolder(folder: string): Promise<WitnessMemory> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await clearAway(folder)
  const path = (logId: string): string => join(folder, logId + SUFFIX)
  return {
    read: (logId) => readIfThere(path(logId)),
    write: (logId, note) => writeWhole(folder, logId + SUFFIX, note),
    async keep(logId, kind, { seen, shown }) {
      const numbers = await keptNumbers(folder, `${logId}.${kind}-`)
      const nameOf = (number: number): string => `${logId}.${kind}-${number}`
      for (const number of numbers) {
        if ((await readIfThere(join(folder, nameOf(number) + SHOWN))) === shown) return
      }
      const next = nameOf((numbers.at(-1) ?? 0) + 1)
      // A pair is there when this one is.
      await writeWhole(folder, next + SEEN, seen)
      await writeWhole(folder, next + SHOWN, shown)
      for (const number of numbers.slice(1, Math.max(1, numbers.length + 1 - (PAIRS_MAX - 1)))) {
        await rm(join(folder, nameOf(number) + SHOWN))
        await rm(join(folder, nameOf(number) + SEEN), { force: true })
      }
    },
    async count() {
      return (await readdir(folder)).filter((name) => name.endsWith(SUFFIX)).length
    },
  }
}

/** What a crash left half done was never answered: a file that was being written, and one half of a pair. */
async function clearAway(folder: string): Promise<void> {
  const names = new Set(await readdir(folder))
  const isAlone = (name: string): boolean => name.endsWith(SEEN) && !names.has(name.slice(0, -SEEN.length) + SHOWN)
  for (const name of names) if (name.endsWith(NEW) || isAlone(name)) await rm(join(folder, name))
}

/** In ascending order. */
async function keptNumbers(folder: string, prefix: string): Promise<readonly number[]> {
  return (await readdir(folder))
    .filter((name) => name.startsWith(prefix) && name.endsWith(SHOWN))
    .map((name) => Number(name.slice(prefix.length, -SHOWN.length)))
    .toSorted((left, right) => left - right)
}

/** Never half of it; resolves when a power cut does not take it any more. */
async function writeWhole(folder: string, name: string, note: string): Promise<void> {
  const path = join(folder, name)
  await writeFile(path + NEW, note, { mode: 0o600, flush: true })
  await rename(path + NEW, path)
  await nodeFiles.syncDirectory(folder)
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  }
}
