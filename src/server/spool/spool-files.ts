import { mkdir, open, readdir, readFile, rename, rm, stat, statfs, unlink } from 'node:fs/promises'

import { nodeFiles } from '../storage/file-operations.ts'

/** A file that grows at its end. */
export interface GrowingFile {
  /** Resolves when the kernel has all of it: a process that is killed then loses none of it. */
  append(bytes: Uint8Array): Promise<void>
  /** Resolves when the disk has it: a power cut then loses none of it. */
  sync(): Promise<void>
  close(): Promise<void>
}

/** The file operations of the spool. A parameter, so that tests let each fail or lose what was not synced. */
export interface SpoolFiles {
  /** Makes a file that must not exist. */
  create(path: string): Promise<GrowingFile>
  unlink(path: string): Promise<void>
  /** As `unlink`; fine when it is not there. */
  remove(path: string): Promise<void>
  /** Replaces what has the name. */
  rename(path: string, to: string): Promise<void>
  makeDirectory(path: string): Promise<void>
  /** With all that is in it; fine when it is not there. */
  removeDirectory(path: string): Promise<void>
  syncDirectory(path: string): Promise<void>
  /** Names of files and folders; none when it is not there. */
  readDirectory(path: string): Promise<readonly string[]>
  read(path: string): Promise<Uint8Array>
  sizeBytes(path: string): Promise<number>
  /** What is left on the volume for others than root. */
  freeBytes(path: string): Promise<number>
}

export const nodeSpoolFiles: SpoolFiles = {
  async create(path) {
    const handle = await open(path, 'wx', 0o600)
    return {
      append: (bytes) => handle.appendFile(bytes),
      sync: () => handle.datasync(),
      close: () => handle.close(),
    }
  },
  unlink,
  remove: (path) => rm(path, { force: true }),
  rename,
  async makeDirectory(path) {
    await mkdir(path, { recursive: true, mode: 0o700 })
  },
  removeDirectory: (path) => rm(path, { recursive: true, force: true }),
  syncDirectory: (path) => nodeFiles.syncDirectory(path),
  async readDirectory(path) {
    return readdir(path).catch((error: unknown) => {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
      throw error
    })
  },
  read: (path) => readFile(path),
  async sizeBytes(path) {
    return (await stat(path)).size
  },
  async freeBytes(path) {
    const { bavail, bsize } = await statfs(path)
    return bavail * bsize
  },
}
