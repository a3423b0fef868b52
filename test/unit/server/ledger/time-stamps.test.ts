import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'

import { hasNonce, readTimestamp, TIMESTAMP_BYTES_MAX } from '../../../../src/evidence/ledger/timestamp.ts'
import { verifyLog } from '../../../../src/evidence/ledger/verify-log.ts'
import { linesOf, notesOf, storedCopy } from '../../../../src/server/ledger/log-copy.ts'
import { stamp } from '../../../../src/server/ledger/time-stamper.ts'
import { startAuthority, type TimeStampingAuthority } from '../../../support/time-stamping-authority.ts'
import { ledgerRig, signer, storyOf, type LedgerRig } from './ledger-rig.ts'

/** OpenSSL is the authority, and OpenSSL verifies what it said. */
const run = promisify(execFile)
const BYTES = Buffer.from('a checkpoint\n')
let authority: TimeStampingAuthority
let reply: Uint8Array

beforeAll(async () => {
  authority = await startAuthority()
  reply = await stamp(authority.url, BYTES)
})

beforeEach(() => {
  authority.answer = undefined
})

afterAll(() => authority.close())

function stamped(rig: LedgerRig): { readonly folder: string; readonly replies: readonly string[] } {
  const folder = join(rig.dataDir, 'recordings', 'ledger', rig.logIds()[0] ?? '', '2026', '11')
  return {
    folder,
    replies: readdirSync(folder)
      .filter((name) => name.endsWith('.tsr'))
      .toSorted(),
  }
}

test('an answer says what was stamped, when, and to which request', () => {
  const read = readTimestamp(reply)
  if (!read.ok) throw new Error(read.reason)
  expect(Buffer.from(read.value.imprint)).toEqual(createHash('sha256').update(BYTES).digest())
  expect(Math.abs(Date.parse(read.value.at) - Date.now())).toBeLessThan(3_600_000)
  expect(hasNonce(read.value, Buffer.alloc(8))).toBe(false)
})

test('every checkpoint of a run is stamped, beside it in the store, and OpenSSL agrees', async () => {
  const rig = ledgerRig()
  await rig.run(storyOf(1), { stamp: (bytes) => stamp(authority.url, bytes) })
  const { folder, replies } = stamped(rig)
  expect(replies).toContain('checkpoint-000000000006.tsr')
  for (const name of replies) {
    const note = join(folder, name.replace('.tsr', '.note'))
    const args = ['ts', '-verify', '-in', join(folder, name), '-data', note, '-CAfile', authority.certificateFile]
    expect((await run('openssl', args)).stdout).toContain('Verification: OK')
  }
  expect(rig.failures).toEqual([])
  const [logId = ''] = rig.logIds()
  const verify = async () => {
    const copy = await storedCopy(rig.store, logId, rig.clock.nowUnixMs)
    const parts = { lines: linesOf(copy), checkpoints: notesOf(copy), held: [] }
    return verifyLog({ logId, keys: [signer.verifyKey], ...parts })
  }
  expect(await verify()).toMatchObject({ verified: true, timestamps: replies.length })
  cpSync(join(folder, replies[0] ?? ''), join(folder, replies[1] ?? ''))
  expect((await verify()).findings).toMatchObject([{ code: 'timestamp-wrong' }])
})

test.each<readonly [string, TimeStampingAuthority['answer']]>([
  ['an answer to another request', async () => reply],
  ['a page', async () => Buffer.from('<html>')],
  ['nothing', async () => Buffer.from('')],
  ['too much', async () => Buffer.alloc(TIMESTAMP_BYTES_MAX + 1)],
  ['a refusal', async () => Buffer.from('30053003020102', 'hex')],
  ['an error', async () => Promise.reject(new Error('no'))],
])('%s is no time stamp, is counted, and holds nothing up', async (_what, answer) => {
  authority.answer = answer
  await expect(stamp(authority.url, BYTES)).rejects.toMatchObject({ code: 'timestamp-refused' })
  const rig = ledgerRig()
  await rig.run(storyOf(1), { stamp: (bytes) => stamp(authority.url, bytes) })
  expect(new Set(rig.failures)).toEqual(new Set(['timestamp']))
  expect(stamped(rig).replies).toEqual([])
  expect(readFileSync(join(rig.folderOf(), 'checkpoint'), 'utf8')).toContain('\n6\n')
})

test('whatever comes is read or refused, never thrown at', () => {
  fc.assert(
    fc.property(fc.nat(reply.length - 1), fc.nat(255), fc.nat(reply.length), (place, value, length) => {
      const bent = Uint8Array.from(reply)
      bent[place] = value
      readTimestamp(bent)
      readTimestamp(bent.subarray(0, length))
    }),
  )
  expect(readTimestamp(Buffer.alloc(TIMESTAMP_BYTES_MAX + 1))).toMatchObject({ ok: false, reason: 'tooLarge' })
  expect(readTimestamp(Buffer.from('30053003020102', 'hex'))).toMatchObject({ ok: false, reason: 'refused' })
  expect(readTimestamp(Buffer.from('3000', 'hex'))).toMatchObject({ ok: false, reason: 'notDer' })
  const sha1 = Buffer.from(
    Buffer.from(reply)
      .toString('latin1')
      .replace(
        '\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20',
        '\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\x04\x20',
      ),
    'latin1',
  )
  expect(readTimestamp(sha1)).toMatchObject({ ok: false, reason: 'notSha256' })
})
