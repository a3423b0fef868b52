import { chmod, chown, readdir, readFile, rename, stat, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import type { ShredScope } from '../../evidence/custody/custody-record.ts'
import { isDestroyedBy } from '../../evidence/custody/destroyed-by.ts'
import { nodeFiles } from '../storage/file-operations.ts'
import { errnoOf } from '../storage/storage-error.ts'

/** In a journal of an open recording. */
const KEY_MEMBER = /"wrappedKeyBase64":"([^"]+)"/g

/** A file of this machine that holds what must go. */
export interface NodeCopy {
  readonly path: string
  /** The sealed keys in it; of another object, its bytes. */
  keys(): Promise<readonly Uint8Array[]>
  destroy(): Promise<void>
}

/**
 * What the data folder of a recorder holds of a recording: its sealed key in the journal of open recordings, where one was left behind, and objects that waited, or were put aside, in the
 * spool. Frames of the spool are no keys; they go with their segments.
 */
export async function nodeCopies(
  dataDir: string,
  recordingId: string,
  scope: ShredScope,
): Promise<readonly NodeCopy[]> {
  const copies: NodeCopy[] = []
  const journal = join(dataDir, 'open', `${recordingId}.jsonl`)
  if ((await keyInJournal(journal)) !== undefined) {
    copies.push({ path: journal, keys: () => keysOfJournal(journal), destroy: () => takeKeyOut(journal) })
  }
  // A held key that nobody has decided about is in a folder of its own, and in no store.
  const folders = [join(dataDir, 'spool', 'objects'), join(dataDir, 'held')]
  const files = await Promise.all(
    folders.map(async (folder) => (await namesIn(folder)).map((file) => ({ folder, file }))),
  )
  for (const { folder, file } of files.flat()) {
    // `tenant~2026~11~29~<id>~key.age`, with or without `.new-` or `.refused-` before it.
    const [id, name = ''] = file.split('~').slice(-2)
    if (id !== recordingId || !isDestroyedBy(scope, name)) continue
    const path = join(folder, file)
    copies.push({ path, keys: () => contentOf(path), destroy: () => remove(path, folder) })
  }
  return copies
}

/** The text of a journal that has a sealed key in it. */
async function keyInJournal(path: string): Promise<string | undefined> {
  const text = await absentIsUndefined(() => readFile(path, 'utf8'))
  return text !== undefined && withoutKey(text) !== text ? text : undefined
}

async function keysOfJournal(path: string): Promise<readonly Uint8Array[]> {
  const text = (await keyInJournal(path)) ?? ''
  return [...text.matchAll(KEY_MEMBER)].map(([, base64 = '']) => Buffer.from(base64, 'base64'))
}

/** The recorder has no use for it any more: the manifest is in the store. It may remove the journal meanwhile; then the next start closes the recording once more. */
async function takeKeyOut(path: string): Promise<void> {
  const text = await keyInJournal(path)
  if (text === undefined) return
  const { uid, gid, mode } = await stat(path)
  const incoming = `${path}.new`
  await writeFile(incoming, withoutKey(text), { mode: 0o600, flush: true })
  await chmod(incoming, mode)
  await chown(incoming, uid, gid).catch(() => {})
  await rename(incoming, path)
  await nodeFiles.syncDirectory(join(path, '..'))
}

function withoutKey(text: string): string {
  return text.replaceAll(KEY_MEMBER, '"wrappedKeyBase64":""')
}

async function contentOf(path: string): Promise<readonly Uint8Array[]> {
  const bytes = await absentIsUndefined(() => readFile(path))
  return bytes === undefined ? [] : [bytes]
}

async function remove(path: string, folder: string): Promise<void> {
  await absentIsUndefined(() => unlink(path))
  await nodeFiles.syncDirectory(folder)
}

async function namesIn(folder: string): Promise<readonly string[]> {
  return (await absentIsUndefined(() => readdir(folder))) ?? []
}

async function absentIsUndefined<Value>(work: () => Promise<Value>): Promise<Value | undefined> {
  try {
    return await work()
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  }
}
