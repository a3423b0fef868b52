import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { afterAll, beforeAll, expect, test } from 'vitest'

import type { Finding } from '../../src/server/doctor/finding.ts'
import { makeDataDir, removeDataDir, startDaemon } from '../support/daemon.ts'
import { freeTcpPort } from '../support/free-ports.ts'
import { run } from '../unit/cli/support.ts'

/** `earwitness doctor` on the machine that runs the tests: as it is, with things broken, and beside a recorder. */
let dataDir: string
let env: Record<string, string>

beforeAll(async () => {
  dataDir = await makeDataDir()
  env = {
    EARWITNESS_DATA_DIR: dataDir,
    EARWITNESS_SIP_LISTEN_0: 'udp:127.0.0.1:0',
    EARWITNESS_SIP_LISTEN_1: 'tcp:127.0.0.1:0',
    EARWITNESS_RTP_ADDRESS: '127.0.0.1',
    EARWITNESS_HTTP_LISTEN: '127.0.0.1:0',
    EARWITNESS_TELEMETRY_LISTEN: '127.0.0.1:0',
  }
})

afterAll(() => removeDataDir(dataDir))

async function findings(more: Record<string, string> = {}) {
  const { exitCode, stdout, stderr } = await run(['doctor', '--json'], { env: { ...env, ...more }, cwd: dataDir })
  expect(stderr).toBe('')
  const report = JSON.parse(stdout) as { readonly verdict: string; readonly findings: readonly Finding[] }
  const verdictOf = (check: string): string | undefined =>
    report.findings.find((found) => found.check === check)?.verdict
  return { exitCode, verdict: report.verdict, all: report.findings, verdictOf }
}

test('on a machine that can record nothing fails, and nothing is left behind', async () => {
  const { exitCode, all, verdictOf } = await findings()
  expect(all.filter(({ verdict }) => verdict === 'fail')).toEqual([])
  expect(exitCode).toBe(0)
  for (const check of ['node', 'receiver', 'opus', 'ffmpeg', 'sip', 'http', 'database'])
    expect(verdictOf(check)).toBe('ok')
  const text = await run(['doctor'], { env, cwd: dataDir })
  expect(text.stdout).toMatch(/^ok +Node /u)
  expect(text.stdout).toMatch(/\d+ ok, \d+ to look at, 0 that will not work\n$/u)
})

test('what is broken is found, each by its own line, with a hint; exit code 1', async () => {
  const busy = createSocket('udp4')
  busy.bind(0, '127.0.0.1')
  await once(busy, 'listening')
  const keys = join(dataDir, 'broken', 'keys')
  mkdirSync(keys, { recursive: true })
  writeFileSync(join(keys, 'signer.pem'), 'no key', { mode: 0o644 })
  writeFileSync(join(keys, 'vault.agekey'), 'private', { mode: 0o600 })
  writeFileSync(join(keys, 'vault.recipient'), 'age1nonsense')
  const { exitCode, verdict, all, verdictOf } = await findings({
    EARWITNESS_DATA_DIR: join(dataDir, 'broken'),
    EARWITNESS_SIP_LISTEN_0: `udp:127.0.0.1:${busy.address().port}`,
    EARWITNESS_RTP_ADDRESS: '192.0.2.1',
    EARWITNESS_CONSENT_REQUIRE: 'byRule',
    EARWITNESS_STORAGE_FOLDER_PATH: join(keys, 'signer.pem', 'below-a-file'),
    EARWITNESS_DATABASE_URL: `postgres://user:hidden@127.0.0.1:${await freeTcpPort()}/x`,
  })
  expect({ exitCode, verdict }).toEqual({ exitCode: 1, verdict: 'fail' })
  for (const check of ['sip', 'rtp-address', 'storage', 'database', 'vault', 'signer']) {
    expect(verdictOf(check), check).toBe('fail')
  }
  for (const check of ['vault-private-half', 'consent-before-not-held']) expect(verdictOf(check)).toBe('warn')
  for (const found of all) if (found.verdict !== 'ok') expect(found.hint).toMatch(/\S/u)
  expect(JSON.stringify(all)).not.toContain('hidden')
  busy.close()
  await once(busy, 'close')
})

test('beside a recorder, its ports and its database are its own', async () => {
  const recorderDir = await makeDataDir()
  const daemon = await startDaemon(recorderDir)
  const { code, stdout } = await daemon.command('doctor', '--json')
  const { findings: all } = JSON.parse(stdout) as { readonly findings: readonly Finding[] }
  expect(all.filter(({ verdict }) => verdict === 'fail')).toEqual([])
  expect(code).toBe(0)
  expect(all.find(({ check }) => check === 'database')?.sentence).toBe('The embedded database answers.')
  expect(all.find(({ check }) => check === 'vault-private-half')?.verdict).toBe('warn')
  await daemon.stop()
  await removeDataDir(recorderDir)
})
