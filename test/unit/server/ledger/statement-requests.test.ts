import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { beforeEach, expect, onTestFinished, test, vi } from 'vitest'

import {
  leaveRequest,
  REQUESTS_WAITING_MAX,
  requestsFolder,
  type AccessRequest,
} from '../../../../src/server/ledger/statement-requests.ts'
import { nodeFiles } from '../../../../src/server/storage/file-operations.ts'
import { recordingId } from './ledger-rig.ts'

const request: AccessRequest = {
  ...{ requestId: recordingId(1_000), recordingId: recordingId(1), action: 'export', by: 'root' },
  at: '2026-11-29T08:59:00.000Z',
}
let dataDir: string

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'earwitness-requests-'))
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }))
  mkdirSync(join(dataDir, 'ledger'))
})

test('a request is left only when a power cut does not take it any more', async () => {
  const seen: (readonly string[])[] = []
  const spy = vi.spyOn(nodeFiles, 'syncDirectory').mockImplementation(async (folder) => {
    seen.push(readdirSync(folder))
  })
  onTestFinished(() => spy.mockRestore())
  expect(await leaveRequest(dataDir, request)).toBe(true)
  expect(seen.at(-1)).toEqual([`${request.requestId}.json`])
})

test('no more than so many wait; one that waits is left again all the same', async () => {
  expect(await leaveRequest(dataDir, request)).toBe(true)
  const folder = requestsFolder(dataDir)
  for (let number = 1; number < REQUESTS_WAITING_MAX; number += 1) {
    writeFileSync(join(folder, `${recordingId(2_000 + number)}.json`), '')
  }
  const other = { ...request, requestId: recordingId(1_001) }
  await expect(leaveRequest(dataDir, other)).rejects.toMatchObject({ code: 'ledger-requests-full' })
  expect(await leaveRequest(dataDir, request)).toBe(true)
  rmSync(join(folder, `${recordingId(2_001)}.json`))
  expect(await leaveRequest(dataDir, other)).toBe(true)
})
