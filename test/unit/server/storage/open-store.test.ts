import { chown, mkdir, mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { openForCustody, type StorageConfig } from '../../../../src/server/storage/open-store.ts'

const KEY = 'default/2026/11/23/id/hold-000.jws'
const RECORDER = 65_534

let dataDir: string

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'earwitness-adopt-'))
})

afterEach(async () => {
  await rm(dataDir, { recursive: true, force: true })
})

/** Whose each folder is, from the store to the object. */
async function ownersAfterPut(root: string): Promise<readonly number[]> {
  const storage = { kind: 'folder', folder: { path: root } } as unknown as StorageConfig['storage']
  const { places, close } = await openForCustody({ dataDir, storage })
  const [place] = places
  await place?.store.put(KEY, Buffer.from('record'))
  await place?.adopt(KEY)
  close()
  const paths: string[] = [join(root, '.incoming')]
  for (let path = join(root, KEY); path.startsWith(root); path = dirname(path)) paths.push(path)
  return Promise.all(paths.map(async (path) => (await stat(path)).uid))
}

// Only root can write what is not its own.
describe.runIf(process.geteuid?.() === 0)('what a command of root stores in the folder of a recorder', () => {
  it("is the recorder's, with all folders that were made for it", async () => {
    const root = join(dataDir, 'recordings')
    await mkdir(join(root, '.incoming'), { recursive: true })
    for (const path of [root, join(root, '.incoming')]) await chown(path, RECORDER, RECORDER)
    expect([...new Set(await ownersAfterPut(root))]).toEqual([RECORDER])
  })

  it("is the recorder's also where root has made the store", async () => {
    await chown(dataDir, RECORDER, RECORDER)
    expect([...new Set(await ownersAfterPut(join(dataDir, 'replica')))]).toEqual([RECORDER])
  })
})
