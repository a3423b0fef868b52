import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { expect, it, onTestFinished, vi } from 'vitest'

import { LogFolder } from '../../../../src/server/ledger/log-folder.ts'
import { nodeFiles } from '../../../../src/server/storage/file-operations.ts'

it('a log that cannot be begun leaves no folder that a start would take for a damaged one', async () => {
  const ledgerDir = mkdtempSync(join(tmpdir(), 'earwitness-log-'))
  onTestFinished(() => rmSync(ledgerDir, { recursive: true, force: true }))
  const writing = vi.spyOn(nodeFiles, 'writeNew').mockRejectedValueOnce(new Error('ENOSPC'))
  onTestFinished(() => writing.mockRestore())
  await expect(LogFolder.create(join(ledgerDir, 'first'), new Uint8Array(32))).rejects.toThrow('ENOSPC')
  expect(readdirSync(ledgerDir)).toEqual([])
  await LogFolder.create(join(ledgerDir, 'second'), new Uint8Array(32))
  expect(readdirSync(ledgerDir)).toEqual(['second'])
})
