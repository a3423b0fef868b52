import { createPublicKey, verify } from 'node:crypto'
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'

import { signCheckpoint } from '../../../../src/evidence/ledger/checkpoint.ts'
import { checkCosignatures } from '../../../../src/evidence/ledger/cosignature.ts'
import { readWitnessKey, writeWitnessKey } from '../../../../src/evidence/ledger/witness-key.ts'
import { parseNote } from '../../../../src/evidence/ledger/signed-note.ts'
import type { StatementBody } from '../../../../src/evidence/ledger/statement.ts'
import { WitnessClient } from '../../../../src/server/ledger/witness-client.ts'
import { openWitnessFolder } from '../../../../src/server/witness/witness-folder.ts'
import { WITNESSED_LOGS_MAX } from '../../../../src/server/witness/witness.ts'
import { ledgerRig, signer, storyOf, type LedgerRig } from './ledger-rig.ts'
import {
  answering,
  cosignedIn,
  LOG_ID,
  SEEN_AT_UNIX_MS,
  verdictOf,
  WITNESS_NAME,
  witnessRig,
  type WitnessRig,
} from '../witness/witness-rig.ts'

/** A log whose checkpoints another party signs under, over real HTTP. */
let witness: WitnessRig

beforeEach(async () => {
  witness = await witnessRig()
})

const client = (): WitnessClient => new WitnessClient(witness.url(), witness.key)

describe('a witness', () => {
  test('signs under every checkpoint, over restarts of both, and anybody can check it', async () => {
    const rig = ledgerRig()
    await rig.run(storyOf(1), { witnesses: [client()] })
    await witness.stop()
    await witness.start()
    await rig.run(storyOf(2), { witnesses: [client()] })
    expect(rig.failures).toEqual([])
    const { at, names } = cosignedIn(rig)
    const verdict = await verdictOf(rig, [witness.key])
    expect(verdict.checkpoints).toBeGreaterThanOrEqual(4)
    expect(verdict).toMatchObject({
      ...{ verified: true, cosigned: verdict.checkpoints },
      witnessed: [{ witness: WITNESS_NAME, size: 12, at: new Date(SEEN_AT_UNIX_MS).toISOString() }],
    })
    // As C2SP tlog-cosignature has it, by other means than ours.
    const note = readFileSync(join(at, names.at(-1)?.replace('.cosig', '.note') ?? ''), 'utf8')
    const line = readFileSync(join(at, names.at(-1) ?? ''), 'utf8')
    const blob = Buffer.from(line.trim().split(' ')[2] ?? '', 'base64')
    const seconds = blob.readBigUInt64BE(4)
    const message = `cosignature/v1\ntime ${seconds}\n${note.slice(0, note.indexOf('\n\n') + 1)}`
    expect(Number(seconds)).toBe(SEEN_AT_UNIX_MS / 1_000)
    expect(verify(null, Buffer.from(message), createPublicKey(witness.signer.publicKeyPem), blob.subarray(12))).toBe(
      true,
    )
  })

  test('keeps the newest checkpoint of each log as it was signed', async () => {
    const rig = ledgerRig()
    await rig.run(storyOf(1), { witnesses: [client()] })
    const kept = readFileSync(join(witness.folder, 'logs', `${rig.logIds()[0]}.note`), 'utf8')
    expect(kept).toBe(readFileSync(join(rig.folderOf(), 'checkpoint'), 'utf8'))
  })

  test('of whom the reader does not know the key says nothing; a signature that is not hers is found', async () => {
    const rig = ledgerRig()
    await rig.run(storyOf(1), { witnesses: [client()] })
    expect(await verdictOf(rig, [])).toMatchObject({ verified: true, witnessed: [] })
    const { at, names } = cosignedIn(rig)
    cpSync(join(at, names[0] ?? ''), join(at, names[1] ?? ''))
    expect((await verdictOf(rig, [witness.key])).findings).toMatchObject([{ code: 'cosignature-wrong' }])
    writeFileSync(join(at, names[1] ?? ''), 'anything')
    expect((await verdictOf(rig, [])).findings).toMatchObject([{ code: 'cosignature-wrong' }])
  })
})

describe('what a witness catches', () => {
  test('a log that was put back to an older state, on the node and in the store', async () => {
    const rig = ledgerRig()
    await rig.run(storyOf(1), { witnesses: [client()] })
    const old = join(witness.folder, 'old')
    cpSync(rig.dataDir, old, { recursive: true })
    await rig.run(storyOf(2), { witnesses: [client()] })
    rmSync(rig.dataDir, { recursive: true })
    cpSync(old, rig.dataDir, { recursive: true })
    await rig.run([], { witnesses: [client()] })
    expect(rig.failures).toContain('witnessAhead')
    expect(rig.logged).toEqual(['a witness contradicts the ledger'])
  })

  test.each([
    ['as far', 0],
    ['further', 1],
  ])('a log that was put back and has grown again %s', async (_what, more) => {
    const rig = ledgerRig()
    await rig.run(storyOf(1), { witnesses: [client()] })
    const old = join(witness.folder, 'old')
    cpSync(rig.dataDir, old, { recursive: true })
    await rig.run(storyOf(2), { witnesses: [client()] })
    rmSync(rig.dataDir, { recursive: true })
    cpSync(old, rig.dataDir, { recursive: true })
    // Nobody is asked, until there are as many statements as the witness has seen.
    await rig.run(storyOf(3).slice(0, 1))
    await rig.run(storyOf(3).slice(0, more))
    const ledger = await rig.run(storyOf(3).slice(0, 1), { witnesses: [client()] })
    // Which of the two it is depends on how large the log is when the witness is asked.
    const { problem = '' } = ledger.status
    expect(['witnessForked', 'witnessDisputed']).toContain(problem)
    expect(rig.failures).toContain(problem)
    expect(rig.failures).not.toContain('witness')
    expect(rig.logged).toEqual(['a witness contradicts the ledger'])
  })
})

test('that a witness does not sign is logged once, and so is that it does again', async () => {
  let isAway = true
  const url = await answering(async (body, response) => {
    const answer = isAway ? undefined : await fetch(`${witness.url()}/add-checkpoint`, { method: 'POST', body })
    response.writeHead(answer?.status ?? 503, Object.fromEntries(answer?.headers ?? []))
    response.end((await answer?.text()) ?? '')
  })
  const rig = ledgerRig()
  await rig.store.check()
  const { ledger, uploads } = rig.start({ witnesses: [new WitnessClient(url, witness.key)], checkpointMs: 0 })
  await expect.poll(() => rig.failures.length, { timeout: 30_000 }).toBe(1)
  ledger.append(storyOf(1)[0] as StatementBody)
  await expect.poll(() => rig.failures.length, { timeout: 30_000 }).toBe(2)
  expect(rig.logged).toEqual(['a witness does not sign under the ledger'])
  isAway = false
  await ledger.close(30_000)
  await uploads.drain(30_000)
  expect(rig.logged.slice(1)).toEqual(['a witness signs under the ledger again'])
  expect(ledger.status.problem).toBeUndefined()
})

test('two witnesses of one name are told apart', async () => {
  const other = await witnessRig()
  const rig = ledgerRig()
  await rig.run(storyOf(1), { witnesses: [client(), new WitnessClient(other.url(), other.key)] })
  const { witnessed } = await verdictOf(rig, [witness.key, other.key])
  expect(witnessed.map(({ keyId }) => keyId)).toEqual([witness.key.keyId, other.key.keyId])
})

describe('nothing is held up by', () => {
  const unanswered = async (rig: LedgerRig): Promise<void> => {
    await rig.run(storyOf(1), { witnesses: [client()] })
    expect(new Set(rig.failures)).toEqual(new Set(['witness']))
    expect(cosignedIn(rig).names).toEqual([])
    expect(await verdictOf(rig, [witness.key])).toMatchObject({ verified: true, cosigned: 0, size: 6 })
  }

  test('a witness that is away', async () => {
    await witness.stop()
    await unanswered(ledgerRig())
  })

  test('one that does not know this recorder', async () => {
    await witness.stop()
    await witness.start({ trusted: [witness.signer.verifyKey] })
    await unanswered(ledgerRig())
    expect(witness.events).toContain('refused')
  })

  test('one that cannot remember', async () => {
    await witness.stop()
    const full = {
      ...{ read: async () => undefined, count: async () => 0, keep: async () => {} },
      write: () => Promise.reject(new Error('full')),
    }
    await witness.start({ memory: full })
    await unanswered(ledgerRig())
    expect(witness.events).toContain('Error: full')
  })

  test('one that follows as many logs as it can', async () => {
    await witness.stop()
    const memory = await openWitnessFolder(join(witness.folder, 'logs'))
    await witness.start({ memory: { ...memory, count: async () => WITNESSED_LOGS_MAX } })
    await unanswered(ledgerRig())
  })

  test('one of two: the other signs', async () => {
    const rig = ledgerRig()
    const away = new WitnessClient('http://127.0.0.1:9', witness.key)
    await rig.run(storyOf(1), { witnesses: [away, client()] })
    expect(await verdictOf(rig, [witness.key])).toMatchObject({
      verified: true,
      witnessed: [{ witness: WITNESS_NAME }],
    })
  })
})

test('whatever stands for a key or a cosignature is read or refused, never thrown at', async () => {
  const key = await writeWitnessKey(WITNESS_NAME, witness.signer.verifyKey)
  const note = parseNote(
    await signCheckpoint(
      {
        logId: LOG_ID,
        size: 1,
        root: Buffer.alloc(32),
        at: '2026-11-29T09:00:00.000Z',
      },
      signer,
    ),
  )
  const text = note.ok ? note.value.text : ''
  await fc.assert(
    fc.asyncProperty(fc.nat(key.length - 1), fc.string({ unit: 'binary', maxLength: 1 }), async (place, bent) => {
      const read = await readWitnessKey(key.slice(0, place) + bent + key.slice(place + 1))
      if (read.ok) expect(read.value.keyId).toBe(witness.key.keyId)
    }),
  )
  await fc.assert(
    fc.asyncProperty(fc.string(), async (lines) => void (await checkCosignatures(text, `${lines}\n`, [witness.key]))),
  )
  const blob = Buffer.concat([Buffer.from(witness.key.keyId, 'hex'), Buffer.alloc(72, 0xff)]).toString('base64')
  expect(await checkCosignatures(text, `\u2014 ${WITNESS_NAME} ${blob}\n`, [witness.key])).toEqual({
    ok: false,
    reason: 'forged',
  })
})
