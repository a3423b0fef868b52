import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'

import { expect, test } from 'vitest'

import { runCommandHere } from '../../support/daemon.ts'
import { nodeWithRecording } from '../../support/tampering/recording.ts'
import { RECORDING_ID } from '../../vectors/evidence/sample-recording.ts'

/** A node whose recorder does not run, with a second folder that is new. */
async function node() {
  const { dataDir, folder } = await nodeWithRecording({ decided: 'held' })
  const replica = join(dataDir, 'replica-store')
  const env = {
    EARWITNESS_DATA_DIR: dataDir,
    EARWITNESS_STORAGE_REPLICA_KIND: 'folder',
    EARWITNESS_STORAGE_REPLICA_FOLDER_PATH: replica,
  }
  const run = (...args: readonly string[]) => runCommandHere(args, env)
  return { dataDir, run, folder, copy: join(replica, relative(join(dataDir, 'recordings'), folder)) }
}

test('a new replica gets all that was stored before, and gives it back to a store that was lost', async () => {
  const { dataDir, run, folder } = await node()
  const { stdout } = await run('replicate', '--json')
  expect(JSON.parse(stdout)).toMatchObject({ from: 'store', to: 'replica', recordings: 1, held: 1, differing: 0 })
  const again = await run('replicate')
  expect(again).toMatchObject({ code: 0 })
  expect(again.stdout).toMatch(/^0 objects \(0 B\) copied; [1-9]\d* are in both\.$/m)
  renameSync(join(dataDir, 'recordings'), join(dataDir, 'lost'))
  const wanted = await run('replicate', '--to', 'store', '--dry-run')
  // A store that is not there may be a volume that is not mounted.
  expect(wanted).toMatchObject({ code: 4, stdout: expect.stringContaining('storage-') as string })
  expect(await run('replicate', '--to', 'store')).toMatchObject({ code: 0 })
  expect(readFileSync(join(folder, 'manifest.jws'))).toEqual(
    readFileSync(join(dataDir, 'lost', relative(join(dataDir, 'recordings'), folder), 'manifest.jws')),
  )
  expect(await run('replicate', '--to', 'store', '--dry-run')).toMatchObject({ code: 0 })
  const alone = { EARWITNESS_DATA_DIR: dataDir }
  expect(await runCommandHere(['verify', RECORDING_ID], alone)).toMatchObject({ code: 0 })
  expect(await runCommandHere(['ledger', 'verify'], alone)).toMatchObject({ code: 0 })
})

test('what is missing, and what differs, has its exit code', async () => {
  const { run, folder, copy } = await node()
  await run('replicate')
  rmSync(join(copy, 'key.age'))
  expect(await run('replicate', '--dry-run')).toMatchObject({ code: 4 })
  expect(await run('replicate', '--until', '2020-01-01', '--dry-run')).toMatchObject({ code: 0 })
  writeFileSync(join(copy, 'manifest.jws'), 'x')
  const found = await run('replicate')
  expect(found).toMatchObject({ code: 3 })
  expect(found.stdout).toContain(`${relative(join(dirname(folder), '..', '..', '..', '..'), folder)}/manifest.jws`)
  expect(readFileSync(join(copy, 'key.age'))).toEqual(readFileSync(join(folder, 'key.age')))
})

test('without a second store there is nothing to do, and that is said', async () => {
  const { dataDir } = await nodeWithRecording()
  const refused = await runCommandHere(['replicate'], { EARWITNESS_DATA_DIR: dataDir })
  expect(refused).toMatchObject({ code: 1 })
  expect(refused.stderr).toContain('replica-not-configured')
})
