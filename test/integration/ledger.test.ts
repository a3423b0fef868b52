import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'

import { sha256Hex } from '../../src/evidence/sha256.ts'
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
import { simulatedRecording } from '../support/simulated.ts'
import { startWitness } from '../support/witness.ts'

/** The real daemon says what it does in its ledger, is killed, goes on, and `ledger verify` finds what is changed behind its back. */
let dataDir: string
let daemon: RunningDaemon
let recordingId: string

beforeAll(async () => {
  dataDir = await makeDataDir()
  daemon = await startDaemon(dataDir)
  recordingId = await simulatedRecording(daemon, '--duration', '2s')
  await closedRecordings(daemon, 1)
})

afterAll(async () => {
  await daemon.stop()
  await removeDataDir(dataDir)
})

const statements = () => statementsIn(dataDir)

const said = (kind: string) => async () => (await statements()).find((statement) => statement['kind'] === kind)

test('a recording is opened and closed in it, by its key and its manifest', async () => {
  const opened = await eventually('the statement that it was opened', said('recordingOpened'))
  const closed = await eventually('the statement that it was closed', said('recordingClosed'))
  const [key, manifest] = await Promise.all(
    ['key.age', 'manifest.jws'].map((name) => readFile(join(objectFolder(daemon, recordingId), name))),
  )
  expect(opened).toMatchObject({ recordingId, tenant: 'default', wrappedKeySha256: sha256Hex(key ?? '') })
  expect(closed).toMatchObject({ recordingId, state: 'complete', manifestSha256: sha256Hex(manifest ?? '') })
  const status = await daemon.command('status', '--json')
  expect(JSON.parse(status.stdout)).toMatchObject({ ledger: { size: 3 } })
})

test('who opens or exports it by a command stands in it, without a name', async () => {
  expect(await daemon.command('export', recordingId, '-o', join(dataDir, 'heard.ogg'))).toMatchObject({ code: 0 })
  const identity = join(dataDir, 'keys', 'vault.agekey')
  expect(await daemon.command('verify', recordingId, '--identity', identity)).toMatchObject({ code: 0 })
  const accesses = await eventually('two statements of access', async () => {
    const found = (await statements()).filter(({ kind }) => kind === 'access')
    return found.length === 2 ? found : undefined
  })
  expect(accesses).toMatchObject([
    { recordingId, action: 'export', byHash: expect.any(String) as string },
    { recordingId, action: 'open' },
  ])
})

test('it verifies while the recorder runs, after it was killed, and after it was stopped; a witness signs under it', async () => {
  expect(await daemon.command('ledger', 'verify')).toMatchObject({ code: 0 })
  await daemon.stop('SIGKILL')
  const witness = await startWitness(join(dataDir, 'witness'), join(dataDir, 'keys', 'signer.pub.pem'))
  daemon = await startDaemon(dataDir, {
    EARWITNESS_LEDGER_WITNESSES_0_URL: witness.http,
    EARWITNESS_LEDGER_WITNESSES_0_KEY: witness.key,
  })
  await eventually('the second start in the ledger', async () => ((await statements()).length >= 6 ? true : undefined))
  expect(await daemon.command('ledger', 'verify')).toMatchObject({ code: 0 })
  await daemon.stop()
  expect(await witness.stop()).toBe(0)
  const verified = await daemon.command('ledger', 'verify', '--json')
  expect(verified.code).toBe(0)
  const { logs } = JSON.parse(verified.stdout) as { logs: { copy: string; size: number; coveredSize: number }[] }
  expect(logs).toMatchObject([
    { copy: 'data folder', size: 7, coveredSize: 7 },
    { copy: 'object store', size: 7, coveredSize: 7, witnessed: [{ witness: 'witness.example.com', size: 7 }] },
  ])
  const bundle = join(dataDir, 'recording.zip')
  const identity = join(dataDir, 'keys', 'vault.agekey')
  expect(
    await daemon.command('export', recordingId, '--format', 'bundle', '--identity', identity, '-o', bundle),
  ).toMatchObject({ code: 0 })
  const signer = join(dataDir, 'keys', 'signer.pub.pem')
  const proved = await daemon.command('verify', bundle, '--key', signer, '--witness', witness.key)
  expect(proved, proved.stdout).toMatchObject({ code: 0 })
  expect(proved.stdout).toContain('witness witness.example.com signed under it')
})
