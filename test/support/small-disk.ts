import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Mounts a disk in memory on an empty folder. Undefined when it is done, else why it cannot be. */
export async function mountSmallDisk(folder: string, size: string): Promise<string | undefined> {
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=700`, 'earwitness-test', folder])
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** The second way works even while something still uses the disk. */
export async function unmount(folder: string): Promise<void> {
  const isMounted = async (): Promise<boolean> => (await readFile('/proc/mounts', 'utf8')).includes(` ${folder} `)
  if (await isMounted()) await run('umount', [folder]).catch(() => undefined)
  if (await isMounted()) await run('umount', ['-l', folder])
}

/** Writes until nothing more fits. */
export async function fillDisk(file: string): Promise<void> {
  for (let sizeBytes = 4 * 1024 * 1024; sizeBytes >= 1_024; sizeBytes /= 2) {
    while (await appends(file, sizeBytes));
  }
}

/** A process can write nothing more into any file (RLIMIT_FSIZE), or again as much as it likes: a failing disk, where none can be mounted. */
export async function limitFileSize(pid: number, limit: '0' | 'unlimited'): Promise<void> {
  await run('prlimit', ['--pid', String(pid), `--fsize=${limit}:unlimited`])
}

async function appends(file: string, sizeBytes: number): Promise<boolean> {
  try {
    await writeFile(file, Buffer.alloc(sizeBytes), { flag: 'a' })
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOSPC') return false
    throw error
  }
}
