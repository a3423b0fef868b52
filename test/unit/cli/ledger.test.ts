import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { expect, test } from 'vitest'

import { runCommandHere } from '../../support/daemon.ts'
import { ledgerRig, storyOf, type LedgerRig } from '../server/ledger/ledger-rig.ts'

const KEY = fileURLToPath(new URL('../../vectors/evidence/recording-1/signer.pub.pem', import.meta.url))

function verify(rig: LedgerRig, ...more: readonly string[]) {
  const env = { EARWITNESS_DATA_DIR: rig.dataDir }
  return runCommandHere(['ledger', 'verify', '--key', KEY, ...more], env)
}

test('statements that a running recorder has not stored yet are told, in words and as JSON', async () => {
  const rig = ledgerRig()
  await rig.run()
  const { ledger, uploads } = rig.start()
  for (const body of storyOf(1)) ledger.append(body)
  await expect.poll(() => rig.lines().length, { timeout: 30_000 }).toBe(7)
  await uploads.drain(30_000)
  const told = await verify(rig)
  expect(told).toMatchObject({ code: 0 })
  expect(told.stdout).toMatch(/The last 4 statements are not in the object store yet/)
  const { logs } = JSON.parse((await verify(rig, '--json')).stdout) as { logs: readonly object[] }
  expect(logs).toMatchObject([
    { copy: 'data folder', size: 7, notStored: 4 },
    { copy: 'object store', size: 3 },
  ])
  await ledger.close(30_000)
  await uploads.drain(30_000)
  expect((await verify(rig)).stdout).not.toContain('not in the object store')
})

test('a store that has nothing of a log is told too', async () => {
  const rig = ledgerRig()
  await rig.run(storyOf(1))
  rmSync(join(rig.dataDir, 'recordings', 'ledger'), { recursive: true })
  expect(JSON.parse((await verify(rig, '--json')).stdout)).toMatchObject({ logs: [{ size: 6, notStored: 6 }] })
})
