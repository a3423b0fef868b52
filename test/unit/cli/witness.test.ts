import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { expect, onTestFinished, test } from 'vitest'

import { eventLines, SAID_EVERY_MS } from '../../../src/cli/ledger/witness-lines.ts'
import { acquireDataLock, LOCK_FILE } from '../../../src/server/data-lock.ts'
import { runCommandHere } from '../../support/daemon.ts'

const KEY = fileURLToPath(new URL('../../vectors/evidence/recording-1/signer.pub.pem', import.meta.url))

test('whoever posts garbage to a witness does not fill its log, and does not hide what matters', () => {
  const printed: string[] = []
  let nowUnixMs = 0
  const say = eventLines(
    (line) => printed.push(line),
    () => nowUnixMs,
  )
  for (let index = 0; index < 1_000; index += 1) say('refused', 'a')
  say('forked', 'b')
  say('cosigned', 'c')
  expect(printed.map((line) => line.slice(0, 12))).toEqual(['ledger a: no', 'ledger b: NO'])
  nowUnixMs += SAID_EVERY_MS
  say('refused', 'a')
  expect(printed.at(-1)).toContain('999 more')
  nowUnixMs -= 2 * SAID_EVERY_MS
  say('refused', 'a')
  expect(printed).toHaveLength(4)
})

test('two witnesses never have one memory', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'earwitness-witness-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const lock = await acquireDataLock({ dataDir: folder, purpose: 'serve' })
  const ended = await runCommandHere(['witness', '--name', 'w', '--data', folder, '--key', KEY], {})
  expect(ended).toMatchObject({ code: 1 })
  expect(ended.stderr).toContain('data-in-use')
  expect(readdirSync(folder)).toEqual([LOCK_FILE])
  lock.release()
})
