import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { nodeFiles } from '../../../../src/server/storage/file-operations.ts'
import type { FileOperations } from '../../../../src/server/storage/file-operations.ts'
import { FolderStore, INCOMING_AGE_MAX_MS, LIST_DEPTH_MAX } from '../../../../src/server/storage/folder-store.ts'
import { OBJECT_KEY_LENGTH_MAX, recordingObjects } from '../../../../src/server/storage/object-store.ts'
import { codeOf, describeObjectStoreContract } from '../../../support/object-store-contract.ts'

const KEY = 'default/2026/11/23/id/chunk-000000.age'
const bytes = (text: string) => new TextEncoder().encode(text)

let folder: string
let root: string
let store: FolderStore

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'earwitness-store-'))
  root = join(folder, 'objects')
  store = new FolderStore(root)
})

afterEach(async () => {
  await rm(folder, { recursive: true, force: true })
})

function failing(code: string): () => Promise<never> {
  return () => Promise.reject(Object.assign(new Error(code), { code }))
}

function storeWith(files: Partial<FileOperations>): FolderStore {
  return new FolderStore(root, { files: { ...nodeFiles, ...files } })
}

describeObjectStoreContract('a folder', async () => {
  await store.check()
  return store
})

it('says what lies under a prefix, up to the next slash', async () => {
  for (const key of ['b/2026/11/30/two/key.age', KEY, 'b/2025/x', 'b/loose']) await store.put(key, bytes('x'))
  await writeFile(join(root, 'stray'), '')
  expect(await store.folders('')).toEqual(['b', 'default'])
  expect(await store.folders('b/')).toEqual(['2025', '2026'])
  expect(await store.folders('nobody/')).toEqual([])
  expect(await codeOf(store.folders('../'))).toBe('storage-key-invalid')
  expect(await codeOf(new FolderStore(join(folder, 'not mounted')).folders(''))).toBe('storage-missing')
})

describe('put', () => {
  it('stores an object as a file that only its owner may read, in folders only its owner may enter', async () => {
    await store.put(KEY, bytes('sealed'))
    expect(await readFile(join(root, KEY), 'utf8')).toBe('sealed')
    expect((await stat(join(root, KEY))).mode & 0o777).toBe(0o600)
    for (const path of ['', 'default', 'default/2026', 'default/2026/11/23/id', '.incoming']) {
      expect((await stat(join(root, path))).mode & 0o777, path).toBe(0o700)
    }
  })

  it('leaves nothing behind in the incoming folder', async () => {
    await store.put(KEY, bytes('sealed'))
    await store.put(KEY, bytes('sealed'))
    await store.put(KEY, bytes('other')).catch(() => undefined)
    expect(await readdir(join(root, '.incoming'))).toEqual([])
  })

  it('takes the same bytes again, so that a retry needs no care', async () => {
    await store.put(KEY, bytes('sealed'))
    await expect(store.put(KEY, bytes('sealed'))).resolves.toBeUndefined()
  })

  it('never overwrites an object', async () => {
    await store.put(KEY, bytes('first'))
    for (const text of ['other', 'firs', 'first and more', '']) {
      expect(await codeOf(store.put(KEY, bytes(text)))).toBe('storage-conflict')
    }
    expect(await readFile(join(root, KEY), 'utf8')).toBe('first')
  })

  it('lets exactly one of many writers win', async () => {
    const texts = Array.from({ length: 20 }, (_, index) => `writer ${index}`)
    const outcomes = await Promise.allSettled(texts.map((text) => new FolderStore(root).put(KEY, bytes(text))))
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    expect(texts).toContain(await readFile(join(root, KEY), 'utf8'))
  })

  it('syncs the file before it has its name, and every new folder and the name after', async () => {
    const steps: string[] = []
    const files: FileOperations = {
      ...nodeFiles,
      writeNew: (path, content, mode) => {
        steps.push('write and sync')
        return nodeFiles.writeNew(path, content, mode)
      },
      link: async (from, to) => {
        await nodeFiles.link(from, to)
        steps.push('name')
      },
      syncDirectory: (path) => {
        steps.push(`sync ${path.slice(root.length)}`)
        return nodeFiles.syncDirectory(path)
      },
    }
    await new FolderStore(root, { files }).put('a/b/object', bytes('x'))
    expect(steps).toEqual([
      `sync ${folder.slice(root.length)}`,
      'sync ',
      'write and sync',
      'sync ',
      'sync /a',
      'name',
      'sync /a/b',
    ])
  })

  it('shows no object, and keeps no half of one, when writing fails', async () => {
    const broken = storeWith({
      writeNew: async (path, content, mode) => {
        await nodeFiles.writeNew(path, content.subarray(0, 2), mode)
        throw Object.assign(new Error('full'), { code: 'ENOSPC' })
      },
    })
    expect(await codeOf(broken.put(KEY, bytes('sealed')))).toBe('storage-full')
    expect(await store.get(KEY)).toBeUndefined()
    expect(await store.list('')).toEqual([])
  })
})

describe('get, list and delete', () => {
  it('give back what was put, and nothing for what is not there', async () => {
    await store.put(KEY, bytes('sealed'))
    expect(Buffer.from((await store.get(KEY)) ?? []).toString()).toBe('sealed')
    expect(await store.get('default/2026/11/23/id/chunk-000001.age')).toBeUndefined()
    expect(await store.get(`${KEY}/inside`)).toBeUndefined()
  })

  it('list by the beginning of the key, in order, with sizes', async () => {
    for (const key of ['t/b/2', 't/b/1', 't/a', 't/bc', 'u/x']) await store.put(key, bytes(key))
    expect(await store.list('t/b')).toEqual([
      { key: 't/b/1', sizeBytes: 5 },
      { key: 't/b/2', sizeBytes: 5 },
      { key: 't/bc', sizeBytes: 4 },
    ])
    expect((await store.list('t/b/')).map(({ key }) => key)).toEqual(['t/b/1', 't/b/2'])
    expect((await store.list('')).map(({ key }) => key)).toEqual(['t/a', 't/b/1', 't/b/2', 't/bc', 'u/x'])
    expect(await store.list('t/none/')).toEqual([])
  })

  it('list neither what is on its way in nor what a crash left there', async () => {
    await store.put(KEY, bytes('sealed'))
    await writeFile(join(root, '.incoming', 'leftover'), 'half')
    expect((await store.list('')).map(({ key }) => key)).toEqual([KEY])
  })

  it('list whatever else somebody put among the objects, for verification to find', async () => {
    await store.put('t/id/object', bytes('x'))
    await writeFile(join(root, 't/id/Not a key!'), 'stray')
    await symlink('/nowhere/at/all', join(root, 't/id/link'))
    const reader = recordingObjects(store, 't/id')
    expect(await reader.list()).toEqual(['Not a key!', 'link', 'object'])
    expect(Buffer.from((await reader.get('object')) ?? []).toString()).toBe('x')
  })

  it('stop at a depth that no key has', async () => {
    await store.put('a/object', bytes('x'))
    await mkdir(join(root, 'a', ...Array.from({ length: LIST_DEPTH_MAX + 1 }, () => 'd')), { recursive: true })
    expect(await codeOf(store.list(''))).toBe('storage-list-too-long')
  })

  it('delete for good, and do not mind when it was gone', async () => {
    await store.put(KEY, bytes('sealed'))
    await store.delete(KEY)
    await store.delete(KEY)
    expect(await store.get(KEY)).toBeUndefined()
    expect(await store.list('')).toEqual([])
  })
})

describe('keys', () => {
  it.each([
    '',
    '/',
    '/etc/passwd',
    '..',
    '../outside',
    'a/../../outside',
    'a/..',
    'a/./b',
    'a//b',
    'a/',
    '.incoming/x',
    'a/.hidden',
    'a\\b',
    'a\u0000b',
    'a b',
    '-rf',
    'ä',
    'x'.repeat(201),
    'x/'.repeat(OBJECT_KEY_LENGTH_MAX).slice(0, -1),
  ])('that could leave the store or that no store holds are refused: %j', async (key) => {
    expect(await codeOf(store.put(key, bytes('x')))).toBe('storage-key-invalid')
    expect(await codeOf(store.get(key))).toBe('storage-key-invalid')
    expect(await codeOf(store.delete(key))).toBe('storage-key-invalid')
    await expect(stat(root)).rejects.toThrow('ENOENT')
  })

  it('as the beginning of a listing cannot leave the store either', async () => {
    await store.put(KEY, bytes('x'))
    expect(await codeOf(store.list('../'))).toBe('storage-key-invalid')
    expect(await codeOf(store.list('default/../../'))).toBe('storage-key-invalid')
    expect(await store.list('..')).toEqual([])
  })
})

describe('a folder that fails', () => {
  it.each([
    ['ENOSPC', 'storage-full'],
    ['EDQUOT', 'storage-full'],
    ['EACCES', 'storage-denied'],
    ['EPERM', 'storage-denied'],
    ['EROFS', 'storage-read-only'],
    ['EMFILE', 'storage-busy'],
    ['EIO', 'storage-failing'],
    ['ENOTSUP', 'storage-unsupported'],
    ['EXDEV', 'storage-unsupported'],
    ['EWHATEVER', 'storage-failed'],
  ])('with %s says %s and what to do', async (errno, code) => {
    expect(await codeOf(storeWith({ writeNew: failing(errno) }).put(KEY, bytes('x')))).toBe(code)
    expect(await codeOf(storeWith({ link: failing(errno) }).put(KEY, bytes('x')))).toBe(code)
    expect(await codeOf(storeWith({ syncDirectory: failing(errno) }).put(KEY, bytes('y')))).toBe(code)
    expect(await codeOf(storeWith({ read: failing(errno) }).get(KEY))).toBe(code)
    expect(await codeOf(storeWith({ writeNew: failing(errno) }).check())).toBe(code)
  })

  it('because the volume is gone is not taken for an empty one, nor made again', async () => {
    await store.put(KEY, bytes('x'))
    await rm(root, { recursive: true })
    expect(await codeOf(store.put(KEY, bytes('x')))).toBe('storage-missing')
    expect(await codeOf(store.get(KEY))).toBe('storage-missing')
    expect(await codeOf(store.list(''))).toBe('storage-missing')
    await expect(stat(root)).rejects.toThrow('ENOENT')
  })

  it('because it is a file', async () => {
    await writeFile(root, 'a file')
    expect(await codeOf(store.check())).toBe('storage-blocked')
    expect(await codeOf(store.put(KEY, bytes('x')))).toBe('storage-blocked')
  })
})

describe('check', () => {
  it('makes the folder on a fresh machine and leaves it empty', async () => {
    await store.check()
    expect(await readdir(root)).toEqual(['.incoming'])
    expect(await readdir(join(root, '.incoming'))).toEqual([])
  })

  it('removes what a crash left long ago, and only that', async () => {
    await store.check()
    const [old, fresh] = [join(root, '.incoming', 'old'), join(root, '.incoming', 'fresh')]
    await writeFile(old, 'half')
    await writeFile(fresh, 'half')
    const longAgo = new Date(Date.now() - INCOMING_AGE_MAX_MS - 60_000)
    await utimes(old, longAgo, longAgo)
    await store.check()
    expect(await readdir(join(root, '.incoming'))).toEqual(['fresh'])
  })

  it('finds a file system without hard links', async () => {
    expect(await codeOf(storeWith({ link: failing('EPERM') }).check())).toBe('storage-denied')
  })
})
