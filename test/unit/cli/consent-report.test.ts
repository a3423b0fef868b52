import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { describe, expect, test } from 'vitest'

import { runCommandHere } from '../../support/daemon.ts'
import { nodeWithRecording, remove } from '../../support/tampering/recording.ts'
import { RECORDING_ID } from '../../vectors/evidence/sample-recording.ts'

async function run(dataDir: string, ...args: readonly string[]) {
  return runCommandHere([...args], { EARWITNESS_DATA_DIR: dataDir })
}

describe('the report about consent', () => {
  test('says what happened, when and where, under which rule, by which evidence', async () => {
    const { dataDir } = await nodeWithRecording()
    const { code, stdout } = await run(dataDir, 'consent', 'report', RECORDING_ID)
    expect(code).toBe(0)
    for (const part of [
      'Consent to this recording: WITHDRAWN. This follows from 7 signed events.',
      'at 5.500 s of the audio',
      '"yes" was answered by a key',
      'Florida Statutes 934.03',
      'after the recording was closed',
      'evidence: consent-003.jws, SHA-256',
      'openssl pkeyutl -verify',
    ])
      expect(stdout).toContain(part)
  })

  test('is a page that names nothing to fetch, and a part of the report in a bundle', async () => {
    const { dataDir } = await nodeWithRecording()
    const { stdout } = await run(dataDir, 'consent', 'report', RECORDING_ID, '--html')
    expect(stdout).toContain('<!doctype html>')
    expect(stdout).toContain('<th scope="col">Evidence</th>')
    expect(stdout).not.toMatch(/<script|src=|href=/)
  })

  test('warns of a recording that does not verify, exit code 3', async () => {
    const node = await nodeWithRecording()
    remove(node, 'consent-003.jws')
    const { code, stdout } = await run(node.dataDir, 'consent', 'report', RECORDING_ID)
    expect(code).toBe(3)
    expect(stdout).toContain('NOT VERIFIED')
    expect(stdout).toContain('[consent-missing]')
  })

  test('tells of commands that work', async () => {
    const { dataDir, folder } = await nodeWithRecording()
    const { stdout } = await run(dataDir, 'consent', 'report', RECORDING_ID)
    const lines = stdout.split('\n').map((line) => line.trim())
    const split = lines.find((line) => line.startsWith('IFS=.'))
    const verify = lines.find((line) => line.startsWith('openssl pkeyutl'))
    const work = mkdtempSync(join(tmpdir(), 'earwitness-report-'))
    const script = `cp '${folder}/consent-000.jws' . ; cp '${dataDir}/keys/signer.pub.pem' . ; ${split ?? ''} ; ${verify ?? ''}`
    expect(execFileSync('bash', ['-c', script], { cwd: work }).toString()).toContain('Signature Verified Successfully')
    rmSync(work, { recursive: true, force: true })
  })
})

test('export writes a vCon without a key, and says what is not in it', async () => {
  const { dataDir } = await nodeWithRecording()
  const file = join(dataDir, 'call.vcon')
  const { code, stderr } = await run(dataDir, 'export', RECORDING_ID, '-o', file)
  expect(code, stderr).toBe(0)
  expect(stderr).toContain('unsigned')
  expect(stderr).toContain('no --identity was given')
  expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ uuid: RECORDING_ID, vcon: '0.4.0' })
  rmSync(join(dataDir, 'recordings'), { recursive: true })
  expect(existsSync(file)).toBe(true)
})
