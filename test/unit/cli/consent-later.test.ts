import { readdirSync } from 'node:fs'

import { expect, test } from 'vitest'

import { isConsentName } from '../../../src/evidence/object-names.ts'
import { runCommandHere } from '../../support/daemon.ts'
import { nodeWithRecording } from '../../support/tampering/recording.ts'
import { RECORDING_ID } from '../../vectors/evidence/sample-recording.ts'

/** The commands as a person types them, on a node whose recorder does not run and that has no index. */
const WHY = ['--reason', 'letter of 29 November', '--by', 'Ada Lovelace']

const eventsIn = (folder: string): number => readdirSync(folder).filter(isConsentName).length

async function node() {
  const { dataDir, folder } = await nodeWithRecording()
  const run = (...args: readonly string[]) => runCommandHere(['consent', ...args], { EARWITNESS_DATA_DIR: dataDir })
  return { folder, run, verify: () => runCommandHere(['verify', RECORDING_ID], { EARWITNESS_DATA_DIR: dataDir }) }
}

test('a withdrawal after the call is written down, unasked where nothing is held, and twice is once', async () => {
  const { folder, run, verify } = await node()
  const before = eventsIn(folder)
  const said = await run('withdraw', RECORDING_ID, ...WHY)
  expect(said, said.stderr).toMatchObject({ code: 0 })
  expect(said.stdout).toContain(`Consent to recording ${RECORDING_ID}: WITHDRAWN.`)
  expect(said.stdout).toContain('What was recorded is still there')
  expect((await verify()).stdout).toMatch(/^VERIFIED: /)
  const again = await run('withdraw', RECORDING_ID, ...WHY, '--json')
  expect(JSON.parse(again.stdout)).toMatchObject({ added: [], state: 'withdrawn', held: 'none', troubles: [] })
  expect(eventsIn(folder)).toBe(before + 2)
  const report = await run('report', RECORDING_ID)
  expect(report.stdout).toContain('consent was withdrawn to a person, who wrote it down after the call')
  expect(report.stdout).not.toContain('Ada')
})

test.each<readonly [string, string, ...(readonly string[])]>([
  ['usage-no-reason', 'withdraw', RECORDING_ID],
  ['usage-invalid-value', 'review', RECORDING_ID, ...WHY],
  ['usage-invalid-value', 'decide', RECORDING_ID, 'agred', ...WHY],
  ['consent-unknown', 'decide', RECORDING_ID, ...WHY],
  ['consent-unknown-party', 'withdraw', RECORDING_ID, '--party', 'Bob', ...WHY],
  ['recording-not-found', 'withdraw', '019aaff1-0680-7abc-8def-0123456789ff', ...WHY],
])('%s, and nothing is written: consent %s …', async (code, ...words) => {
  const { folder, run } = await node()
  const before = eventsIn(folder)
  const { code: exit, stderr } = await run(...words)
  expect(exit).not.toBe(0)
  expect(stderr).toContain(`[${code}]`)
  expect(stderr).toContain('hint: ')
  expect(eventsIn(folder)).toBe(before)
})
