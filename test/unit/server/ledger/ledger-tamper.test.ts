import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, it } from 'vitest'

import { findLogs, logsOfNotes, verifyCopies } from '../../../../src/cli/ledger/ledger-copies.ts'
import { loadConfig } from '../../../../src/config/load.ts'
import { describeLog } from '../../../../src/evidence/ledger/ledger-text.ts'
import {
  LEDGER_HARMLESS,
  nodeWithThreeRuns,
  resigned,
  signedFor,
  takeAwayStore,
  writeLocal,
  type TamperedLog,
} from '../../../support/tampering/ledger.ts'
import { signer } from './ledger-rig.ts'

/** What is no change to a log, and what only a checkpoint tells that was kept elsewhere. Every kind of change: test/unit/cli/tamper-matrix.test.ts */

async function findingsOf({ rig }: TamperedLog, heldPaths: readonly string[] = [], keys = [signer.verifyKey]) {
  const { config } = loadConfig({ cwd: rig.dataDir, env: { EARWITNESS_DATA_DIR: rig.dataDir } })
  const held = logsOfNotes(heldPaths.map((path) => ({ name: path, note: readFileSync(path, 'utf8') })))
  const verdicts = []
  for (const log of await findLogs(config, rig.clock.nowUnixMs)) {
    verdicts.push(...(await verifyCopies(log, { keys, witnesses: [] }, held.get(log.logId) ?? [])))
  }
  for (const verdict of verdicts)
    expect(describeLog(verdict)[0]).toMatch(verdict.verified ? /^VERIFIED/ : /^NOT VERIFIED/)
  return [...new Set(verdicts.flatMap(({ findings }) => findings.map(({ code }) => code)))].toSorted()
}

describe('a log that was tampered with', () => {
  it.each(LEDGER_HARMLESS)('%s is no finding', async (_what, tamper) => {
    const node = await nodeWithThreeRuns()
    tamper(node)
    expect(await findingsOf(node)).toEqual([])
  })

  it('is not believed by who does not trust its signer', async () => {
    const node = await nodeWithThreeRuns()
    expect(await findingsOf(node, [], [])).toEqual(['checkpoint-unknown-signer', 'statement-unknown-signer'])
  })

  it('everywhere and with its key, is told by a checkpoint that was kept elsewhere', async () => {
    const node = await nodeWithThreeRuns()
    const kept = join(node.rig.dataDir, 'kept')
    writeFileSync(kept, readFileSync(node.notes[1] ?? ''))
    takeAwayStore(node)
    const lines = node.lines.with(2, await resigned(node.lines[2] ?? '', { by: 'api' }))
    writeLocal(node, lines)
    writeFileSync(
      join(node.rig.folderOf(), 'checkpoint'),
      await signedFor(lines, node.logId, '2026-11-29T10:00:00.000Z'),
    )
    expect(await findingsOf(node)).toEqual([])
    expect(await findingsOf(node, [kept])).toEqual(['log-rewritten'])
  })
})
