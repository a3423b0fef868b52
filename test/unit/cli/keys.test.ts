import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

import { expect, test } from 'vitest'

import { recordingPrefix } from '../../../src/server/storage/layout.ts'
import { runCommandHere } from '../../support/daemon.ts'
import { nodeWithRecording } from '../../support/tampering/recording.ts'
import { RECORDING_ID, vault } from '../../vectors/evidence/sample-recording.ts'
import { NEW } from '../server/vault/rotation-rig.ts'

/** `keys rotate` as a person types it, on a node whose recorder does not run: what it says of what there is. */

async function node() {
  const { dataDir, folder } = await nodeWithRecording()
  const old = join(dataDir, 'old.agekey')
  writeFileSync(old, `${vault.identity}\n`)
  const rotate = (...args: readonly string[]) =>
    runCommandHere(['keys', 'rotate', '--identity', old, '--to', NEW.recipient, '--dry-run', ...args], {
      EARWITNESS_DATA_DIR: dataDir,
    })
  return { dataDir, folder, rotate }
}

test('recordings of a tenant that no configuration names are looked at, and all is said that was', async () => {
  const { dataDir, folder, rotate } = await node()
  const away = join(dataDir, 'recordings', recordingPrefix('left-long-ago', RECORDING_ID))
  mkdirSync(dirname(away), { recursive: true })
  cpSync(folder, away, { recursive: true })
  const { code, stdout } = await rotate('--all')
  expect(code).toBe(4)
  expect(stdout).toContain('2 would be sealed to the new vault.')
  const day = recordingPrefix('default', RECORDING_ID).split('/').slice(1, 4).join('-')
  expect(stdout).toContain(`Looked at tenants default, left-long-ago: 1 day (${day}) of which a store has something.`)
  expect(stdout).not.toContain('a part of the store')
  const json = JSON.parse((await rotate('--all', '--json')).stdout) as unknown
  expect(json).toMatchObject({
    counts: { rotated: 2 },
    lookedAt: { isAll: true, tenants: ['default', 'left-long-ago'] },
  })
})

test('a part is told as one, and ids say nothing of the rest', async () => {
  const { rotate } = await node()
  for (const part of [
    ['--tenant', 'nobody'],
    ['--from', '2026-01-01'],
    ['--until', '2025-01-01'],
  ]) {
    const { code, stdout } = await rotate('--all', ...part)
    expect(code).toBe(0)
    expect(stdout).toContain('This is a part of the store')
  }
  expect((await rotate(RECORDING_ID)).stdout).toContain('Looked only at what was named')
})

test('a recording that is open on this machine, and in no store yet, is left', async () => {
  const { dataDir, rotate } = await node()
  const open = RECORDING_ID.replace(/.$/, '0')
  mkdirSync(join(dataDir, 'open'), { recursive: true })
  writeFileSync(join(dataDir, 'open', `${open}.jsonl`), '{"kind":"opened"}\n')
  const { stdout } = await rotate('--all')
  expect(stdout).toContain('1 still being made, or not in the store yet')
  expect(stdout).toContain(`${open} running`)
})

test('what was decided and cannot be believed is told with what to do about it', async () => {
  const { folder, rotate } = await node()
  writeFileSync(join(folder, 'custody-000.jws'), 'a.b.c')
  const { stdout } = await rotate('--all')
  expect(stdout).toMatch(/ failed \[custody-damaged\] What was decided about this recording cannot be believed: /)
  expect(stdout).toContain('hint [custody-damaged]: Nothing was done. Run `earwitness verify` on it')
})
