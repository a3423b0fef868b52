import { createPublicKey, verify } from 'node:crypto'
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { readAddCheckpoint, writeAddCheckpoint } from '../../../../src/evidence/ledger/add-checkpoint.ts'
import { checkpointOrigin, signCheckpoint } from '../../../../src/evidence/ledger/checkpoint.ts'
import {
  checkCosignatures,
  readWitnessKey,
  writeWitnessKey,
  type WitnessKey,
} from '../../../../src/evidence/ledger/cosignature.ts'
import { GrowingTree } from '../../../../src/evidence/ledger/growing-tree.ts'
import { NOTE_LENGTH_MAX, parseNote } from '../../../../src/evidence/ledger/signed-note.ts'
import { verifyLog, type LogVerdict } from '../../../../src/evidence/ledger/verify-log.ts'
import { close, httpUrl, listen } from '../../../../src/server/http/listen.ts'
import { linesOf, notesOf, storedCopy } from '../../../../src/server/ledger/log-copy.ts'
import { WitnessClient } from '../../../../src/server/ledger/witness-client.ts'
import { loadOrCreateSigner, type SignerFiles } from '../../../../src/server/storage/key-files.ts'
import { openWitnessFolder } from '../../../../src/server/witness/witness-folder.ts'
import { witnessServer } from '../../../../src/server/witness/witness-server.ts'
import { Witness, WITNESSED_LOGS_MAX, type WitnessMemory } from '../../../../src/server/witness/witness.ts'
import { ledgerRig, signer, storyOf, type LedgerRig } from './ledger-rig.ts'

/** A log whose checkpoints another party signs under, over real HTTP. */
const NAME = 'witness.example.com'
const SEEN_AT_UNIX_MS = Date.parse('2026-11-29T10:00:00.000Z')
let folder: string
let keys: SignerFiles
let witnessKey: WitnessKey
let events: string[]
let app: ReturnType<typeof witnessServer>
let url: string

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'earwitness-witness-'))
  keys = await loadOrCreateSigner(folder)
  const read = await readWitnessKey(await writeWitnessKey(NAME, keys.verifyKey))
  if (!read.ok) throw new Error(read.reason)
  witnessKey = read.value
  events = []
  await start()
})

afterEach(async () => {
  await close(app)
  rmSync(folder, { recursive: true, force: true })
})

async function start(changes: { readonly memory?: WitnessMemory; readonly trusts?: boolean } = {}): Promise<void> {
  const memory = changes.memory ?? (await openWitnessFolder(join(folder, 'logs')))
  const witness = new Witness({
    ...{ name: NAME, signer: keys, memory, nowUnixMs: () => SEEN_AT_UNIX_MS },
    trusted: changes.trusts === false ? [keys.verifyKey] : [signer.verifyKey],
    onEvent: (event) => events.push(event),
  })
  app = witnessServer(witness, (error) => events.push(String(error)))
  url = httpUrl(await listen(app, { address: '127.0.0.1', port: 0 }, 'listen'))
}

const client = (): WitnessClient => new WitnessClient(url, witnessKey)

async function verdictOf(rig: LedgerRig, witnesses: readonly WitnessKey[] = [witnessKey]): Promise<LogVerdict> {
  const [logId = ''] = rig.logIds()
  const copy = await storedCopy(rig.store, logId, rig.clock.nowUnixMs)
  const parts = { lines: linesOf(copy), checkpoints: notesOf(copy), held: [] }
  return verifyLog({ logId, keys: [signer.verifyKey], witnesses, ...parts })
}

/** The cosignatures in the store, with their folder. */
function cosigned(rig: LedgerRig): { readonly at: string; readonly names: readonly string[] } {
  const at = join(rig.dataDir, 'recordings', 'ledger', rig.logIds()[0] ?? '', '2026', '11')
  const names = readdirSync(at).filter((name) => name.endsWith('.cosig'))
  return { at, names: names.toSorted() }
}

describe('a witness', () => {
  test('signs under every checkpoint, over restarts of both, and anybody can check it', async () => {
    const rig = ledgerRig()
    await rig.run(storyOf(1), { witnesses: [client()] })
    await close(app)
    await start()
    await rig.run(storyOf(2), { witnesses: [client()] })
    expect(rig.failures).toEqual([])
    const { at, names } = cosigned(rig)
    expect(names.length).toBeGreaterThanOrEqual(2)
    expect(await verdictOf(rig)).toMatchObject({
      ...{ verified: true, cosigned: names.length },
      witnessed: [{ witness: NAME, size: 12, at: new Date(SEEN_AT_UNIX_MS).toISOString() }],
    })
    // As C2SP tlog-cosignature has it, by other means than ours.
    const note = readFileSync(join(at, names.at(-1)?.replace('.cosig', '.note') ?? ''), 'utf8')
    const line = readFileSync(join(at, names.at(-1) ?? ''), 'utf8')
    const blob = Buffer.from(line.trim().split(' ')[2] ?? '', 'base64')
    const seconds = blob.readBigUInt64BE(4)
    const message = `cosignature/v1\ntime ${seconds}\n${note.slice(0, note.indexOf('\n\n') + 1)}`
    expect(Number(seconds)).toBe(SEEN_AT_UNIX_MS / 1_000)
    expect(verify(null, Buffer.from(message), createPublicKey(keys.publicKeyPem), blob.subarray(12))).toBe(true)
  })

  test('keeps the newest checkpoint of each log as it was signed', async () => {
    const rig = ledgerRig()
    await rig.run(storyOf(1), { witnesses: [client()] })
    const kept = readFileSync(join(folder, 'logs', `${rig.logIds()[0]}.note`), 'utf8')
    expect(kept).toBe(readFileSync(join(rig.folderOf(), 'checkpoint'), 'utf8'))
  })

  test('of whom the reader does not know the key says nothing; a signature that is not hers is found', async () => {
    const rig = ledgerRig()
    await rig.run(storyOf(1), { witnesses: [client()] })
    expect(await verdictOf(rig, [])).toMatchObject({ verified: true, witnessed: [] })
    const { at, names } = cosigned(rig)
    cpSync(join(at, names[0] ?? ''), join(at, names[1] ?? ''))
    expect((await verdictOf(rig)).findings).toMatchObject([{ code: 'cosignature-wrong' }])
    writeFileSync(join(at, names[1] ?? ''), 'anything')
    expect((await verdictOf(rig, [])).findings).toMatchObject([{ code: 'cosignature-wrong' }])
  })
})

describe('what a witness catches', () => {
  test('a log that was put back to an older state, on the node and in the store', async () => {
    const rig = ledgerRig()
    await rig.run(storyOf(1), { witnesses: [client()] })
    const old = join(folder, 'old')
    cpSync(rig.dataDir, old, { recursive: true })
    await rig.run(storyOf(2), { witnesses: [client()] })
    rmSync(rig.dataDir, { recursive: true })
    cpSync(old, rig.dataDir, { recursive: true })
    await rig.run([], { witnesses: [client()] })
    expect(rig.failures).toContain('witnessAhead')
    expect(rig.logged).toEqual(['a witness has seen more of the ledger than there is'])
  })

  test('two histories of one size, or one that does not go on from the other, whoever has the signer key', async () => {
    const logId = '019aaff1-0680-7abc-8def-0123456789ad'
    const checkpointOf = async (lines: readonly string[]) => {
      const tree = new GrowingTree()
      for (const line of lines) tree.append(line)
      const checkpoint = { logId, size: lines.length, root: tree.root(), at: '2026-11-29T09:00:00.000Z' }
      return { size: lines.length, note: await signCheckpoint(checkpoint, signer) }
    }
    const ask = async (lines: readonly string[], proof: readonly Uint8Array[] = []): Promise<string> =>
      client().cosign({ ...(await checkpointOf(lines)), prove: () => Promise.resolve(proof) })
    await ask(['a', 'b'])
    await expect(ask(['a', 'c'])).rejects.toMatchObject({ code: 'witness-refused' })
    await expect(ask(['x', 'y', 'z'], [Buffer.alloc(32)])).rejects.toMatchObject({ code: 'witness-refused' })
    expect(events.filter((event) => event === 'forked')).toHaveLength(2)
    expect(checkpointOrigin(logId)).toContain(logId)
  })
})

describe('nothing is held up by', () => {
  const unanswered = async (rig: LedgerRig): Promise<void> => {
    await rig.run(storyOf(1), { witnesses: [client()] })
    expect(new Set(rig.failures)).toEqual(new Set(['witness']))
    expect(cosigned(rig).names).toEqual([])
    expect(await verdictOf(rig)).toMatchObject({ verified: true, cosigned: 0, size: 6 })
  }

  test('a witness that is away', async () => {
    await app.close()
    await unanswered(ledgerRig())
  })

  test('one that does not know this recorder', async () => {
    await close(app)
    await start({ trusts: false })
    await unanswered(ledgerRig())
    expect(events).toContain('refused')
  })

  test('one that cannot remember', async () => {
    await close(app)
    const full = { read: async () => undefined, count: async () => 0, write: () => Promise.reject(new Error('full')) }
    await start({ memory: full })
    await unanswered(ledgerRig())
    expect(events).toContain('Error: full')
  })

  test('one that follows as many logs as it can', async () => {
    await close(app)
    const memory = await openWitnessFolder(join(folder, 'logs'))
    await start({ memory: { ...memory, count: async () => WITNESSED_LOGS_MAX } })
    await unanswered(ledgerRig())
  })

  test('one of two: the other signs', async () => {
    const rig = ledgerRig()
    const away = new WitnessClient('http://127.0.0.1:9', witnessKey)
    await rig.run(storyOf(1), { witnesses: [away, client()] })
    expect(await verdictOf(rig)).toMatchObject({ verified: true, witnessed: [{ witness: NAME }] })
  })
})

test.each([
  ['nothing', '', 400],
  ['no checkpoint', 'old 0\n\nhello\n', 400],
  ['a proof that is none', 'old 0\nAAAA\n\nhello\n', 400],
  ['too much', 'x'.repeat(2 * NOTE_LENGTH_MAX), 413],
])('%s is refused', async (_what, body, status) => {
  const response = await fetch(`${url}/add-checkpoint`, { method: 'POST', body })
  expect(response.status).toBe(status)
  expect(existsSync(join(folder, 'logs'))).toBe(true)
  expect(readdirSync(join(folder, 'logs'))).toEqual([])
  expect((await fetch(url)).status).toBe(404)
})

test('a request is read as it was written; whatever else comes is read or refused, never thrown at', () => {
  const hashes = fc.array(fc.uint8Array({ minLength: 32, maxLength: 32 }), { maxLength: 64 })
  fc.assert(
    fc.property(fc.nat(), hashes, fc.string(), (oldSize, proof, note) => {
      expect(readAddCheckpoint(writeAddCheckpoint({ oldSize, proof, note }))).toEqual({
        ok: true,
        value: { oldSize, proof, note },
      })
    }),
  )
  fc.assert(fc.property(fc.string(), (text) => void readAddCheckpoint(text)))
})

test('whatever stands for a key or a cosignature is read or refused, never thrown at', async () => {
  const key = await writeWitnessKey(NAME, keys.verifyKey)
  const note = parseNote(
    await signCheckpoint(
      {
        logId: '019aaff1-0680-7abc-8def-0123456789ad',
        size: 0,
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
      if (read.ok) expect(read.value.keyId).toBe(witnessKey.keyId)
    }),
  )
  await fc.assert(
    fc.asyncProperty(fc.string(), async (lines) => void (await checkCosignatures(text, `${lines}\n`, [witnessKey]))),
  )
  const blob = Buffer.concat([Buffer.from(witnessKey.keyId, 'hex'), Buffer.alloc(72, 0xff)]).toString('base64')
  expect(await checkCosignatures(text, `\u2014 ${NAME} ${blob}\n`, [witnessKey])).toEqual({
    ok: false,
    reason: 'forged',
  })
})
