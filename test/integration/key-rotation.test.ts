import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { afterAll, beforeAll, expect, test } from 'vitest'

import { closedRecordings, makeDataDir, removeDataDir, startDaemon, type RunningDaemon } from '../support/daemon.ts'
import { objectFolder } from '../support/recorded.ts'
import { simulatedRecording } from '../support/simulated.ts'

const run = promisify(execFile)

/** An operator rotates the vault key of a recorder that runs, and an auditor follows the chain with `openssl`, `jq` and `age`. */
let dataDir: string
let desk: string
let daemon: RunningDaemon
let recordingId: string
let oldKey: string
let newKey: string

beforeAll(async () => {
  dataDir = await makeDataDir()
  desk = await mkdtemp(join(tmpdir(), 'earwitness-rotated-'))
  daemon = await startDaemon(dataDir)
  recordingId = await simulatedRecording(daemon, '--duration', '2s')
  await closedRecordings(daemon, 1)
  oldKey = join(dataDir, 'keys', 'vault.agekey')
  newKey = join(desk, 'new.agekey')
})

afterAll(async () => {
  await daemon.stop()
  await removeDataDir(dataDir)
  await rm(desk, { recursive: true, force: true })
})

async function keyFiles(): Promise<readonly string[]> {
  return (await readdir(objectFolder(daemon, recordingId))).filter((name) => name.startsWith('key')).toSorted()
}

test('the recorder says so in its ledger, and then the old key goes', async () => {
  const recipient = (await daemon.command('keygen', '-o', newKey)).stdout.trim()
  const rotate = ['keys', 'rotate', '--identity', oldKey, '--to', recipient, '--check-with', newKey, '--all', '--json']
  expect(await daemon.command(...rotate, '--dry-run')).toMatchObject({ code: 4 })
  expect(await keyFiles()).toEqual(['key.age'])
  const { code, stdout } = await daemon.command(...rotate)
  expect([code, JSON.parse(stdout)]).toMatchObject([0, { counts: { rotated: 1 }, left: [] }])
  expect(await keyFiles()).toEqual(['key-001.age'])
})

test('the chain of keys is told, the old vault key opens nothing any more, and the index is as before', async () => {
  const verified = await daemon.command('verify', recordingId, '--identity', newKey)
  expect(verified).toMatchObject({ code: 0 })
  expect(verified.stdout).toContain('Its key was sealed anew')
  const closed = await daemon.command('export', recordingId, '--identity', oldKey, '-o', join(desk, 'old.ogg'))
  expect(closed).toMatchObject({ code: 1 })
  expect(closed.stderr).toContain('identity-wrong')
  const reindexed = await daemon.command('reindex', '--dry-run', '--identity', newKey)
  expect(reindexed, reindexed.stdout).toMatchObject({ code: 0 })
})

test('a bundle proves the chain of keys to who has only its own tools', async () => {
  // A recorder that stops signs a checkpoint over all it said.
  await daemon.stop()
  const bundle = join(desk, 'rotated.zip')
  expect(await daemon.command('export', recordingId, '-o', bundle)).toMatchObject({ code: 0 })
  const signer = join(dataDir, 'keys', 'signer.pub.pem')
  expect(await daemon.command('verify', bundle, '--key', signer, '--identity', newKey)).toMatchObject({ code: 0 })
  const folder = join(desk, 'unzipped')
  await run('unzip', ['-q', bundle, '-d', folder])
  const text = await readFile(join(folder, 'VERIFY.md'), 'utf8')
  const commands = Array.from(text.matchAll(/^```sh\n([\s\S]*?)^```$/gm), (match) => match[1] ?? '').join('')
  const env = { PATH: process.env['PATH'] ?? '', TMPDIR: desk, SIGNER: signer, VAULT: newKey }
  const check = () => run('bash', ['-eu', '-o', 'pipefail', '-c', commands], { cwd: folder, env })
  expect((await check()).stdout).toContain('keyRotated')
  // An auditor whose copy has a key that no statement explains must be stopped by the same commands.
  await run('cp', ['objects/key-001.age', 'objects/key-002.age'], { cwd: folder })
  await expect(check()).rejects.toThrow()
})
