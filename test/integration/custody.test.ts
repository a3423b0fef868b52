import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'

import { clusterDirectory } from '../../src/server/database/cluster.ts'
import { rotationIntents } from '../../src/server/vault/left-keys.ts'
import {
  closedRecordings,
  eventually,
  makeDataDir,
  removeDataDir,
  startDaemon,
  type RunningDaemon,
} from '../support/daemon.ts'
import { objectFolder } from '../support/recorded.ts'
import { statementsIn } from '../support/statements.ts'
import { simulate, simulatedRecording } from '../support/simulated.ts'

/** Holds and destruction beside the real daemon: its ledger says them, its index tells them, and it takes nothing back. */
let dataDir: string
let daemon: RunningDaemon
let kept: string
let doomed: string
let interrupted: string
let wrappedKey: Buffer

const WHY = ['--reason', 'case 4711', '--by', 'Ada Lovelace']

beforeAll(async () => {
  dataDir = await makeDataDir()
  daemon = await startDaemon(dataDir)
  kept = await simulatedRecording(daemon, '--duration', '1s')
  expect(await simulate(daemon, '--duration', '1s', '--calls', '2')).toMatchObject({ code: 0 })
  const closed = await closedRecordings(daemon, 3)
  const [one = '', other = ''] = closed.map(({ recordingId }) => recordingId).filter((id) => id !== kept)
  doomed = one
  interrupted = other
  wrappedKey = await readFile(join(objectFolder(daemon, doomed), 'key.age'))
})

afterAll(async () => {
  await daemon.stop()
  await removeDataDir(dataDir)
})

async function statements(recordingId: string): Promise<readonly Record<string, unknown>[]> {
  return (await statementsIn(dataDir)).filter((statement) => statement['recordingId'] === recordingId)
}

/** Once the recorder has said it. */
function saying(recordingId: string, ...kinds: readonly string[]): Promise<readonly Record<string, unknown>[]> {
  return eventually(`the statements ${kinds.join(', ')}`, async () => {
    const found = (await statements(recordingId)).filter(({ kind }) => kinds.includes(String(kind)))
    return new Set(found.map(({ kind }) => kind)).size === kinds.length ? found : undefined
  })
}

async function listed(state: string): Promise<readonly string[]> {
  const { stdout } = await daemon.commandHere('recordings', 'list', '--state', state, '--json')
  const { recordings } = JSON.parse(stdout) as { recordings: { recordingId: string }[] }
  return recordings.map(({ recordingId }) => recordingId)
}

/** Where the bytes of the key are, in whatever file of the data folder. */
async function keyFiles(): Promise<readonly string[]> {
  const found: string[] = []
  for (const entry of await readdir(dataDir, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (!entry.isFile() || path.startsWith(clusterDirectory(dataDir)) || (await stat(path)).size > 1_000_000) continue
    const content = await readFile(path)
    if (content.includes(wrappedKey) || content.includes(wrappedKey.toString('base64')))
      found.push(relative(dataDir, path))
  }
  return found
}

test('a held recording is told as held, said in the ledger without a name, and not destroyed', async () => {
  const added = await daemon.commandHere('hold', 'add', kept, ...WHY, '--json')
  expect(added).toMatchObject({ code: 0 })
  expect(JSON.parse(added.stdout)).toMatchObject({ troubles: [], hasLedger: true, isOpen: false })
  expect(await listed('held')).toEqual([kept])
  expect((await daemon.commandHere('hold', 'list')).stdout).toContain(kept)
  const shown = (await daemon.commandHere('recordings', 'show', kept)).stdout
  expect(shown).toMatch(/custody +HELD/)
  expect(shown).toMatch(/holdAdded +\S+ +Ada Lovelace +case 4711/)
  const [said] = await saying(kept, 'holdAdded')
  expect(said).toMatchObject({ byHash: expect.any(String) as string, reasonHash: expect.any(String) as string })
  expect(JSON.stringify(said)).not.toMatch(/case 4711|Ada L/)
  expect(await daemon.commandHere('shred', kept, ...WHY, '--yes')).toMatchObject({ code: 1 })
  const record = join(objectFolder(daemon, kept), 'custody-000.jws')
  await rename(record, join(dataDir, 'taken-away'))
  const refused = await daemon.commandHere('shred', kept, ...WHY, '--yes')
  expect(refused.stderr).toContain('is known to the ledger and the index, and its record is not beside the recording')
  await rename(join(dataDir, 'taken-away'), record)
  expect(await daemon.commandHere('verify', kept)).toMatchObject({ code: 0 })
  expect(await daemon.commandHere('hold', 'release', kept, ...WHY)).toMatchObject({ code: 0 })
  expect(await listed('held')).toEqual([])
  await saying(kept, 'holdReleased')
})

test('a shredded recording is gone from every file, and told as shredded', async () => {
  expect((await keyFiles()).length).toBeGreaterThan(0)
  const result = await daemon.commandHere('shred', doomed, ...WHY, '--yes')
  expect(result).toMatchObject({ code: 0 })
  expect(result.stdout).toContain('Destroyed in the store: key.age.')
  expect(await keyFiles()).toEqual([])
  expect(await listed('shredded')).toEqual([doomed])
  expect((await daemon.commandHere('recordings', 'show', doomed)).stdout).toMatch(/custody +SHREDDED/)
  await saying(doomed, 'shredBegun', 'shredded')
  const verified = await daemon.commandHere('verify', doomed)
  expect(verified.stdout).toMatch(/^SHREDDED: /)
  expect(verified.code).toBe(0)
  const exported = await daemon.commandHere('export', doomed, '-o', join(dataDir, 'x.ogg'))
  expect(exported).toMatchObject({ code: 1 })
  expect(exported.stderr).toContain('recording-shredded')
})

test('killed in the middle, and run again: done, each thing said', async () => {
  const child = spawn(process.execPath, ['src/main.ts', 'shred', interrupted, ...WHY, '--yes'], {
    env: { ...process.env, EARWITNESS_DATA_DIR: dataDir },
    stdio: 'ignore',
  })
  const over = once(child, 'exit')
  const decided = eventually('a decision', async () => {
    const names = await readdir(objectFolder(daemon, interrupted))
    return names.some((name) => name.startsWith('custody')) ? true : undefined
  })
  await Promise.race([over, decided])
  child.kill('SIGKILL')
  await over
  expect(await daemon.commandHere('shred', interrupted, ...WHY, '--yes')).toMatchObject({ code: 0 })
  await saying(interrupted, 'shredBegun', 'shredded')
  expect(await daemon.commandHere('verify', interrupted)).toMatchObject({ code: 0 })
})

test('what a recorder still has of it does not come back, after a restart either', async () => {
  await daemon.stop()
  const spooled = join(dataDir, 'spool', 'objects')
  await mkdir(spooled, { recursive: true })
  const key = `${relative(join(dataDir, 'recordings'), objectFolder(daemon, doomed))}/key.age`
  await writeFile(join(spooled, key.replaceAll('/', '~')), wrappedKey)
  // And what a rotation left there that was killed while the recording was destroyed.
  const rotated = join(objectFolder(daemon, doomed), 'key-001.age')
  await writeFile(rotated, 'sealed anew')
  await rotationIntents(dataDir).write(doomed, dirname(key))
  daemon = await startDaemon(dataDir)
  await eventually('the spool to be empty', async () => ((await readdir(spooled)).length === 0 ? true : undefined))
  await eventually('the key of the rotation to be gone', () => Promise.resolve(existsSync(rotated) ? undefined : true))
  expect(await keyFiles()).toEqual([])
  expect(await daemon.commandHere('verify', doomed)).toMatchObject({ code: 0 })
})

test('reindex tells what was decided, from the store alone', async () => {
  await daemon.stop()
  await rm(clusterDirectory(dataDir), { recursive: true, force: true })
  daemon = await startDaemon(dataDir)
  const indexed = await daemon.commandHere('reindex', '--json')
  expect(JSON.parse(indexed.stdout)).toMatchObject({ missing: 3, refused: 0, problems: [] })
  expect((await listed('shredded')).toSorted()).toEqual([doomed, interrupted].toSorted())
  const shown = (await daemon.commandHere('recordings', 'show', kept)).stdout
  expect(shown).toMatch(/holdReleased +\S+ +Ada Lovelace +case 4711/)
  const again = await daemon.commandHere('reindex', '--dry-run', '--json')
  expect(JSON.parse(again.stdout)).toMatchObject({ missing: 0, different: 0, same: 3 })
})
