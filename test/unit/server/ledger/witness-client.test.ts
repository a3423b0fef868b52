import { appendFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'

import { describe, expect, test } from 'vitest'

import { checkCosignatures } from '../../../../src/evidence/ledger/cosignature.ts'
import { GrowingTree } from '../../../../src/evidence/ledger/growing-tree.ts'
import { parseNote } from '../../../../src/evidence/ledger/signed-note.ts'
import { hashPlace, nodesOf } from '../../../../src/evidence/ledger/tree-layout.ts'
import { LogFolder } from '../../../../src/server/ledger/log-folder.ts'
import { remakeHashes } from '../../../../src/server/ledger/log-prover.ts'
import { LogWriter } from '../../../../src/server/ledger/log-writer.ts'
import { WitnessClient } from '../../../../src/server/ledger/witness-client.ts'
import { BEGUN_AT_UNIX_MS, ledgerRig, signer, storyOf } from './ledger-rig.ts'
import { answering, cosignedIn, keyOf, LOG_ID, requestOf, verdictOf, witnessRig } from '../witness/witness-rig.ts'

/** How a recorder asks witnesses, whatever they answer. */

describe('a witness that lies', () => {
  test('cannot spoil what another one says: of its answer one line is kept', async () => {
    const honest = await witnessRig()
    const other = await keyOf('other.example.com', honest.signer)
    const forged = Buffer.concat([Buffer.from(other.keyId, 'hex'), Buffer.alloc(72, 7)]).toString('base64')
    const url = await answering(async (body, response) => {
      const answer = await fetch(`${honest.url()}/add-checkpoint`, { method: 'POST', body })
      const garbage = Array.from({ length: 120 }, (_, index) => `\u2014 stranger-${index} ${forged}\n`).join('')
      response.writeHead(answer.status, { 'Content-Type': answer.headers.get('content-type') ?? '' })
      response.end(
        answer.ok ? `\u2014 ${other.name} ${forged}\n${await answer.text()}${garbage}no line\n` : await answer.text(),
      )
    })
    const rig = ledgerRig()
    await rig.run(storyOf(1), { witnesses: [new WitnessClient(url, honest.key)] })
    const { at, names } = cosignedIn(rig)
    for (const name of names) {
      expect(readFileSync(join(at, name), 'utf8')).toMatch(/^\u2014 witness\.example\.com [A-Za-z0-9+/]{102}==\n$/)
    }
    expect(await verdictOf(rig, [other, honest.key])).toMatchObject({ verified: true, witnessed: [{ size: 6 }] })
  })

  test('is passed over where its lines lie already', async () => {
    const { key, url } = await witnessRig()
    const request = await requestOf(['a', 'b'])
    const signed = await new WitnessClient(url(), key).cosign(request)
    const parsed = parseNote(request.note)
    if (!signed.ok || !parsed.ok) throw new Error('nothing is signed')
    const strangers = `\u2014 stranger ${Buffer.alloc(76, 1).toString('base64')}\n`.repeat(150)
    const found = await checkCosignatures(parsed.value.text, `anything\n${strangers}${signed.value}\u2014 \n`, [key])
    expect(found).toMatchObject({ ok: true, value: [{ witness: key.name, keyId: key.keyId }] })
  })

  test.each([
    ['more than a note may be', 200, 'text/plain', '\u2014 x AAAA\n'.repeat(9_000), 'refused'],
    ['a signature of nobody', 200, 'text/plain', '\u2014 x AAAAAAAA\n', 'refused'],
    ['no size', 409, 'text/x.tlog.size', 'many\n', 'refused'],
    ['a size of another type', 409, 'text/plain', '9\n', 'refused'],
    ['a size, with parameters', 409, 'Text/X.tlog.size; charset=utf-8', '9\n', 'ahead'],
    ['that it has nothing and wants nothing', 409, 'text/x.tlog.size', '0\n', 'refused'],
    ['that it needs something else', 422, 'text/plain', 'no\n', 'refused'],
    ['something else somewhere else', 302, 'text/plain', '', 'away'],
  ])('says %s', async (_what, status, type, body, reason) => {
    const url = await answering((_body, response) => {
      response.writeHead(status, { 'Content-Type': type, Location: 'http://127.0.0.1:9' }).end(body)
    })
    const { key } = await witnessRig()
    expect(await new WitnessClient(url, key).cosign(await requestOf(['a']))).toMatchObject({ ok: false, reason })
  })
})

test('two histories of one size, or one that does not go on from the other, are told apart from a witness that is away', async () => {
  const { key, url, events } = await witnessRig()
  const ask = async (lines: readonly string[]) => new WitnessClient(url(), key).cosign(await requestOf(lines))
  expect(await ask(['a', 'b'])).toMatchObject({ ok: true })
  expect(await ask(['a', 'c'])).toEqual({ ok: false, reason: 'forked' })
  expect(await ask(['x', 'y', 'z'])).toEqual({ ok: false, reason: 'disputed' })
  expect(await ask(['a', 'b', 'c'])).toMatchObject({ ok: true })
  expect(events.filter((event) => event !== 'stale')).toEqual(['cosigned', 'forked', 'notProven', 'cosigned'])
})

test('a witness that refuses a proof which is right is told apart from one that has seen something else', async () => {
  const { key, url } = await witnessRig()
  expect(await new WitnessClient(url(), key).cosign(await requestOf(['a', 'b']))).toMatchObject({ ok: true })
  const faulty = await answering(async (body, response) => {
    const answer = await fetch(`${url()}/add-checkpoint`, { method: 'POST', body })
    const isSize = answer.status === 409
    response.writeHead(isSize ? 409 : 422, Object.fromEntries(answer.headers)).end(await answer.text())
  })
  const client = new WitnessClient(faulty, key)
  expect(await client.cosign(await requestOf(['a', 'b', 'c']))).toEqual({ ok: false, reason: 'disputed' })
})

test('who has signed under more than was asked for, and no more than there is, has caught nobody', async () => {
  const { key, url } = await witnessRig()
  await new WitnessClient(url(), key).cosign(await requestOf(['a', 'b', 'c']))
  const late = new WitnessClient(url(), key)
  expect(await late.cosign(await requestOf(['a'], { currentSize: () => 3 }))).toEqual({
    ok: false,
    reason: 'superseded',
  })
  expect(await late.cosign(await requestOf(['a'], { currentSize: () => 2 }))).toEqual({ ok: false, reason: 'ahead' })
})

test('a client that knows of more than it asks about asks from no further', async () => {
  const { key, url, events } = await witnessRig()
  const client = new WitnessClient(`${url()}/`, key)
  expect(await client.cosign(await requestOf(['a', 'b', 'c']))).toMatchObject({ ok: true })
  expect(await client.cosign(await requestOf(['a'], { currentSize: () => 3 }))).toMatchObject({ reason: 'superseded' })
  expect(await client.cosign(await requestOf(['a', 'b', 'c', 'd']))).toMatchObject({ ok: true })
  expect(events).toEqual(['cosigned', 'stale', 'cosigned'])
})

test('a witness is asked where the configuration says, and nowhere else', async () => {
  const { key, url, events } = await witnessRig()
  const elsewhere = await answering((_body, response) => {
    response.writeHead(307, { Location: `${url()}/add-checkpoint` }).end()
  })
  expect(await new WitnessClient(elsewhere, key).cosign(await requestOf(['a']))).toMatchObject({ reason: 'away' })
  expect(events).toEqual([])
})

describe('a slow witness', () => {
  test('is asked for the newest checkpoint only when it has time again', async () => {
    const { key, url: right } = await witnessRig()
    const asked: string[] = []
    const { promise: released, resolve: release } = Promise.withResolvers<void>()
    const url = await answering(async (body, response) => {
      asked.push(body)
      await released
      const answer = await fetch(`${right()}/add-checkpoint`, { method: 'POST', body })
      response.writeHead(answer.status, Object.fromEntries(answer.headers)).end(await answer.text())
    })
    const slow = new WitnessClient(url, key)
    const requests = await Promise.all(['a', 'ab', 'abc', 'abcd'].map((lines) => requestOf(lines.split(''))))
    const results = requests.map((request) => slow.cosign(request))
    const superseded = await Promise.all([results[1], results[2]])
    expect(superseded.map((result) => result?.ok === false && result.reason)).toEqual(['superseded', 'superseded'])
    release()
    expect((await Promise.all([results[0], results[3]])).map((result) => result?.ok)).toEqual([true, true])
    expect(asked.map((body) => body.split('\n')[0])).toEqual(['old 0', 'old 1'])
  })

  test('does not keep the recorder from stopping', async () => {
    const { key } = await witnessRig()
    let asked = 0
    const url = await answering(() => {
      asked += 1
    })
    const rig = ledgerRig()
    await rig.store.check()
    const { ledger, uploads } = rig.start({ witnesses: [new WitnessClient(url, key)] })
    await ledger.close(500)
    await uploads.drain(30_000)
    // Had it been waited for, it would have been asked about the last checkpoint too.
    expect(asked).toBe(1)
    expect(rig.logged).toEqual([])
    expect(rig.failures).toContain('witness')
  })
})

test('a proof that takes long does not keep the recorder from stopping', async () => {
  const { key, url } = await witnessRig()
  const stopped = new AbortController()
  const { promise: asked, resolve: ask } = Promise.withResolvers<void>()
  const prove = (): Promise<undefined> => {
    ask()
    return new Promise(() => {})
  }
  const client = new WitnessClient(url(), key)
  const request = await requestOf(['a'], { prove, signal: stopped.signal })
  const results = [client.cosign(request), client.cosign(request)]
  await asked
  stopped.abort()
  expect(await Promise.all(results)).toMatchObject([{ reason: 'stopped' }, { reason: 'stopped' }])
})

describe('stored hashes', () => {
  const bodies = storyOf(1)

  test('stand at their places, whatever write failed before', async () => {
    const rig = ledgerRig()
    await LogFolder.create(join(rig.ledgerDir, LOG_ID), new Uint8Array(32))
    const folder = new LogFolder(join(rig.ledgerDir, LOG_ID))
    let fails = true
    const files = {
      append: (first: number, lines: string) => folder.append(first, lines),
      writeHashes: (place: number, bytes: Uint8Array) =>
        fails ? Promise.reject(new Error('full')) : folder.writeHashes(place, bytes),
      writeCheckpoint: (note: string) => folder.writeCheckpoint(note),
      close: () => folder.close(),
    }
    const writer = new LogWriter({ logId: LOG_ID, files, tree: new GrowingTree(), signer })
    const again = new GrowingTree()
    const stored: Uint8Array[] = []
    for (const body of bodies) {
      const draft = { body, atUnixMs: BEGUN_AT_UNIX_MS, clock: { status: 'unknown' } as const }
      const lines = await writer.sign([draft])
      await writer.append(lines)
      stored.push(...again.append(lines[0] ?? ''))
      fails = false
    }
    const nodes = nodesOf({ fromLeaf: 2, toLeaf: 4 })
    expect(await folder.readHashes(nodes)).toEqual(nodes.map((node) => Buffer.from(stored[hashPlace(node)] ?? [])))
    await writer.close()
  })

  test.each([
    ['are gone', (path: string) => rmSync(path)],
    ['are wrong', (path: string) => writeFileSync(path, Buffer.alloc(readFileSync(path).length, 7))],
    ['are too many', (path: string) => appendFileSync(path, Buffer.alloc(1_000, 7))],
    ['are too few', (path: string) => writeFileSync(path, readFileSync(path).subarray(0, 32))],
  ])('are made again when they %s, and the witness signs on', async (_what, spoil) => {
    const { key, url, events } = await witnessRig()
    const rig = ledgerRig()
    await rig.store.check()
    const { ledger, uploads } = rig.start({ witnesses: [new WitnessClient(url(), key)] })
    for (const body of bodies) ledger.append(body)
    await expect.poll(() => rig.lines().length, { timeout: 30_000 }).toBe(5)
    await expect.poll(() => events, { timeout: 30_000 }).toContain('cosigned')
    spoil(join(rig.folderOf(), 'hashes.bin'))
    await ledger.close(30_000)
    await uploads.drain(30_000)
    expect(rig.failures).toEqual([])
    expect(events).toEqual(['cosigned', 'cosigned'])
    expect(await verdictOf(rig, [key])).toMatchObject({ verified: true, witnessed: [{ size: 6 }] })
    expect(existsSync(join(rig.folderOf(), 'hashes.bin'))).toBe(true)
  })

  test('are not made again for nobody', async () => {
    const written: number[] = []
    const files = { writeHashes: async (place: number) => void written.push(place) }
    const lines = () => Readable.from(['a', 'b', 'c'])
    await remakeHashes(files, lines(), { size: 3, signal: AbortSignal.abort() })
    expect(written).toEqual([])
    await remakeHashes(files, lines(), { size: 3 })
    expect(written).toEqual([0])
  })
})
