import { link, mkdir, open, readFile, readdir, rm, stat, unlink } from 'node:fs/promises'

/**
 * The few file operations that storage is made of. A parameter, so that tests can let any of them fail or lose what was
 * not synced; the real ones are {@link nodeFiles}.
 */
export interface FileOperations {
  /** Creates `path`, which must not exist, with all of `bytes`, and syncs it. */
  writeNew(path: string, bytes: Uint8Array, mode: number): Promise<void>
  /** Gives the same file a second name; fails with EEXIST when that name is taken. */
  link(existing: string, path: string): Promise<void>
  unlink(path: string): Promise<void>
  /** Creates one directory; fails with EEXIST when it is there. */
  makeDirectory(path: string, mode: number): Promise<void>
  syncDirectory(path: string): Promise<void>
  read(path: string): Promise<Uint8Array>
  readDirectory(path: string): Promise<readonly { readonly name: string; readonly isDirectory: boolean }[]>
  status(path: string): Promise<{ readonly sizeBytes: number; readonly modifiedAtUnixMs: number }>
}

export const nodeFiles: FileOperations = {
  async writeNew(path, bytes, mode) {
    const handle = await open(path, 'wx', mode)
    try {
      await handle.writeFile(bytes)
      await handle.sync()
    } catch (error) {
      await handle.close()
      // A half-written file is of no use; that it failed is what the caller must hear.
      await rm(path, { force: true })
      throw error
    }
    await handle.close()
  },
  link,
  unlink,
  makeDirectory: (path, mode) => mkdir(path, { mode }),
  async syncDirectory(path) {
    const handle = await open(path, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  },
  read: (path) => readFile(path),
  async readDirectory(path) {
    const entries = await readdir(path, { withFileTypes: true })
    return entries.map((entry) => ({ name: entry.name, isDirectory: entry.isDirectory() }))
  },
  async status(path) {
    const { size, mtimeMs } = await stat(path)
    return { sizeBytes: size, modifiedAtUnixMs: mtimeMs }
  },
}
