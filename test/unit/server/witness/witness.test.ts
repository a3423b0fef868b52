import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import fc from 'fast-check'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'

import { readAddCheckpoint, writeAddCheckpoint } from '../../../../src/evidence/ledger/add-checkpoint.ts'
import { NOTE_LENGTH_MAX } from '../../../../src/evidence/ledger/signed-note.ts'
import type { CosignRequest } from '../../../../src/server/ledger/witness-client.ts'
import { nodeFiles } from '../../../../src/server/storage/file-operations.ts'
import { loadOrCreateSigner, type SignerFiles } from '../../../../src/server/storage/key-files.ts'
import { openWitnessFolder } from '../../../../src/server/witness/witness-folder.ts'
import { Witness, WITNESS_REQUESTS_MAX, type WitnessMemory } from '../../../../src/server/witness/witness.ts'
import { signer } from '../ledger/ledger-rig.ts'
import { LOG_ID, requestOf, SEEN_AT_UNIX_MS, witnessRig, type WitnessRig } from './witness-rig.ts'

/** What a witness answers, over real HTTP, and what it keeps. */
let witness: WitnessRig

beforeEach(async () => {
  witness = await witnessRig()
})

async function post({ note, prove }: CosignRequest, oldSize: number, proof?: readonly Uint8Array[]): Promise<number> {
  const body = writeAddCheckpoint({ oldSize, proof: proof ?? (await prove(oldSize)) ?? [], note })
  return (await fetch(`${witness.url()}/add-checkpoint`, { method: 'POST', body })).status
}

const kept = (name: string): string => readFileSync(join(witness.folder, 'logs', `${LOG_ID}.${name}`), 'utf8')

test.each([
  ['nothing', '', 400],
  ['no checkpoint', 'old 0\n\nhello\n', 400],
  ['a proof that is none', 'old 0\nAAAA\n\nhello\n', 400],
  ['too much', 'x'.repeat(2 * NOTE_LENGTH_MAX), 413],
])('%s is refused', async (_what, body, status) => {
  const response = await fetch(`${witness.url()}/add-checkpoint`, { method: 'POST', body })
  expect(response.status).toBe(status)
  expect(existsSync(join(witness.folder, 'logs'))).toBe(true)
  expect(readdirSync(join(witness.folder, 'logs'))).toEqual([])
  expect((await fetch(witness.url())).status).toBe(404)
})

test('what is smaller than what it is said to go on from is refused', async () => {
  expect(await post(await requestOf(['a', 'b', 'c']), 0)).toBe(200)
  expect(await post(await requestOf(['a', 'b']), 3, [])).toBe(400)
})

test('of two checkpoints of one size at once exactly one is signed under, however slow the memory is', async () => {
  const folder = await openWitnessFolder(join(witness.folder, 'logs'))
  // Nobody has written before everybody has read, unless they wait for each other.
  let reads = 0
  const memory: WitnessMemory = {
    ...folder,
    async read(logId) {
      const seen = await folder.read(logId)
      reads += 1
      for (let turn = 0; reads < 2 && turn < 50; turn += 1) await new Promise(setImmediate)
      return seen
    },
  }
  await witness.stop()
  await witness.start({ memory })
  const both = [await requestOf(['a', 'b']), await requestOf(['a', 'c'])]
  const answers = await Promise.all(both.map((request) => post(request, 0)))
  expect(answers.toSorted((left, right) => left - right)).toEqual([200, 409])
})

test('whoever asks from another place, or with a fork, is told how far the witness has seen', async () => {
  const ask = async (request: CosignRequest, oldSize: number) => {
    const body = writeAddCheckpoint({ oldSize, proof: [], note: request.note })
    const response = await fetch(`${witness.url()}/add-checkpoint`, { method: 'POST', body })
    return [response.status, response.headers.get('content-type'), await response.text()]
  }
  const [first, fork] = [await requestOf(['a', 'b']), await requestOf(['a', 'c'])]
  expect(await ask(first, 1)).toEqual([409, 'text/x.tlog.size', '0\n'])
  expect((await ask(first, 0))[0]).toBe(200)
  for (const [request, oldSize] of [
    [first, 0],
    [first, 1],
    [fork, 2],
  ] as const) {
    expect(await ask(request, oldSize)).toEqual([409, 'text/x.tlog.size', '2\n'])
  }
  // What it has seen it signs under again.
  expect((await ask(first, 2))[0]).toBe(200)
})

test('what is signed under is in the folder for good before it is answered', async () => {
  const synced: (readonly string[])[] = []
  const real = { ...nodeFiles }
  const spy = vi.spyOn(nodeFiles, 'syncDirectory').mockImplementation(async (folder) => {
    await real.syncDirectory(folder)
    synced.push(readdirSync(folder).toSorted())
  })
  onTestFinished(() => spy.mockRestore())
  expect(await post(await requestOf(['a', 'b']), 0)).toBe(200)
  expect(synced).toEqual([[`${LOG_ID}.note`]])
  expect(await post(await requestOf(['a', 'c']), 2)).toBe(409)
  expect(synced.at(-1)).toEqual(['forked-1.seen', 'forked-1.shown', 'note'].map((name) => `${LOG_ID}.${name}`))
})

test('so many requests wait and no more, and each is answered', async () => {
  const folder = await openWitnessFolder(join(witness.folder, 'logs'))
  const { promise: released, resolve: release } = Promise.withResolvers<void>()
  const events: string[] = []
  const slow = new Witness({
    ...{
      name: witness.key.name,
      signer: witness.signer,
      trusted: [signer.verifyKey],
      nowUnixMs: () => SEEN_AT_UNIX_MS,
    },
    memory: { ...folder, read: (logId) => released.then(() => folder.read(logId)) },
    onEvent: (event) => events.push(event),
    onError: (error) => events.push(String(error)),
  })
  const { note } = await requestOf(['a', 'b'])
  const body = writeAddCheckpoint({ oldSize: 0, proof: [], note })
  const waiting = Array.from({ length: WITNESS_REQUESTS_MAX }, () => slow.addCheckpoint(body))
  expect(await slow.addCheckpoint(body)).toMatchObject({ status: 503 })
  expect(events).toEqual(['busy'])
  release()
  // Whose signature is looked at first is not said.
  const statuses = (await Promise.all(waiting)).map(({ status }) => status).toSorted((one, other) => one - other)
  expect(statuses).toEqual([200, ...Array<number>(WITNESS_REQUESTS_MAX - 1).fill(409)])
  expect(await slow.addCheckpoint(writeAddCheckpoint({ oldSize: 2, proof: [], note }))).toMatchObject({ status: 200 })
})

describe('a log belongs to the signer that it was first seen with', () => {
  let other: SignerFiles

  beforeEach(async () => {
    const folder = mkdtempSync(join(tmpdir(), 'earwitness-signer-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    other = await loadOrCreateSigner(folder)
    await witness.stop()
    await witness.start({ trusted: [other.verifyKey, signer.verifyKey] })
    expect(await post(await requestOf(['a', 'b']), 0)).toBe(200)
  })

  test('and no other may speak for it, though it is trusted', async () => {
    const before = kept('note')
    expect(await post(await requestOf(['a', 'b', 'x'], { by: other }), 2)).toBe(403)
    expect(await post(await requestOf(['a', 'y'], { by: other }), 2)).toBe(403)
    expect(kept('note')).toBe(before)
    expect(witness.events).toEqual(['cosigned', 'refused', 'refused'])
  })

  test('also when both have signed under one checkpoint', async () => {
    const [ours, theirs] = [await requestOf(['a', 'b', 'c']), await requestOf(['a', 'b', 'c'], { by: other })]
    const line = theirs.note.slice(theirs.note.indexOf('\u2014'))
    expect(await post({ ...ours, note: ours.note + line }, 2)).toBe(200)
    expect(kept('note')).toBe(ours.note)
    expect(await post(await requestOf(['a', 'b', 'c', 'd'], { by: other }), 3)).toBe(403)
    expect(await post(await requestOf(['a', 'b', 'c', 'd']), 3)).toBe(200)
  })
})

describe('what contradicts a log', () => {
  test('is kept with what it contradicts, and outlives the next checkpoint', async () => {
    const first = await requestOf(['a', 'b'])
    expect(await post(first, 0)).toBe(200)
    const forked = await requestOf(['a', 'c'])
    expect([await post(forked, 2), await post(forked, 2)]).toEqual([409, 409])
    expect(await post(await requestOf(['a', 'b', 'c']), 2)).toBe(200)
    expect([kept('forked-1.seen'), kept('forked-1.shown')]).toEqual([first.note, forked.note])
    const names = ['forked-1.seen', 'forked-1.shown', 'note'].map((name) => `${LOG_ID}.${name}`)
    const folder = join(witness.folder, 'logs')
    expect(readdirSync(folder).toSorted()).toEqual(names)
    expect(await (await openWitnessFolder(folder)).count()).toBe(1)
  })

  test('is kept the first time and the newest three', async () => {
    expect(await post(await requestOf(['a', 'b']), 0)).toBe(200)
    const shown = await Promise.all(Array.from('abcdefghijkl', (last) => requestOf(['x', 'y', last])))
    for (const request of shown) expect(await post(request, 2)).toBe(422)
    const pairs = [1, 10, 11, 12].flatMap((number) => [`notProven-${number}.seen`, `notProven-${number}.shown`])
    const names = [...pairs, 'note'].map((name) => `${LOG_ID}.${name}`)
    expect(readdirSync(join(witness.folder, 'logs')).toSorted()).toEqual(names)
    expect([1, 10, 11, 12].map((number) => kept(`notProven-${number}.shown`))).toEqual(
      [0, 9, 10, 11].map((index) => shown[index]?.note),
    )
  })

  test('is on the disk before it is told, and so is what is signed under', async () => {
    const folder = await openWitnessFolder(join(witness.folder, 'logs'))
    const memory: WitnessMemory = {
      ...folder,
      async write(...args) {
        await folder.write(...args)
        witness.events.push('written')
      },
      async keep(...args) {
        await folder.keep(...args)
        witness.events.push('kept')
      },
    }
    await witness.stop()
    await witness.start({ memory })
    expect(await post(await requestOf(['a', 'b']), 0)).toBe(200)
    expect(await post(await requestOf(['a', 'c']), 2)).toBe(409)
    expect(await post(await requestOf(['x', 'y', 'z']), 2)).toBe(422)
    expect(witness.events).toEqual(['written', 'cosigned', 'kept', 'forked', 'kept', 'notProven'])
  })

  test('is answered and told when the disk is full', async () => {
    const folder = await openWitnessFolder(join(witness.folder, 'logs'))
    await witness.stop()
    await witness.start({ memory: { ...folder, keep: () => Promise.reject(new Error('full')) } })
    expect(await post(await requestOf(['a', 'b']), 0)).toBe(200)
    expect(await post(await requestOf(['a', 'c']), 2)).toBe(409)
    expect(await post(await requestOf(['x', 'y', 'z']), 2)).toBe(422)
    expect(witness.events).toEqual(['cosigned', 'Error: full', 'forked', 'Error: full', 'notProven'])
  })

  test('is not what comes first: that needs no proof, and may have none', async () => {
    expect(await post(await requestOf(['a']), 0, [Buffer.alloc(32)])).toBe(422)
    expect(await post(await requestOf([]), 0)).toBe(400)
    expect(witness.events).toEqual(['notProven'])
    expect(readdirSync(join(witness.folder, 'logs'))).toEqual([])
  })
})

describe('after a crash', () => {
  const folder = (): string => join(witness.folder, 'logs')

  test('what was half written is cleared away, and what is whole is kept', async () => {
    expect(await post(await requestOf(['a', 'b']), 0)).toBe(200)
    expect(await post(await requestOf(['a', 'c']), 2)).toBe(409)
    const names = readdirSync(folder()).toSorted()
    await witness.stop()
    for (const name of ['note.new', 'forked-2.seen', 'forked-2.shown.new', 'notProven-1.seen.new']) {
      writeFileSync(join(folder(), `${LOG_ID}.${name}`), 'half a checkpoi')
    }
    await witness.start()
    expect(readdirSync(folder()).toSorted()).toEqual(names)
    expect(await post(await requestOf(['a', 'd']), 2)).toBe(409)
    expect(kept('forked-2.shown')).toBe((await requestOf(['a', 'd'])).note)
  })

  test.each(['', 'half a checkpoi'])(
    'nothing is signed under a ledger of which it cannot read what it saw (%j)',
    async (torn) => {
      expect(await post(await requestOf(['a', 'b']), 0)).toBe(200)
      writeFileSync(join(folder(), `${LOG_ID}.note`), torn)
      for (const oldSize of [0, 2]) expect(await post(await requestOf(['a', 'b', 'c']), oldSize)).toBe(500)
      expect(kept('note')).toBe(torn)
      expect(witness.events.at(-1)).toMatch(/cannot be read: it signs under nothing of it/)
    },
  )
})

test('a request is read as it was written; whatever else comes is read or refused, never thrown at', () => {
  const hashes = fc.array(fc.uint8Array({ minLength: 32, maxLength: 32 }), { maxLength: 63 })
  fc.assert(
    fc.property(fc.nat(), hashes, fc.string(), (oldSize, proof, note) => {
      expect(readAddCheckpoint(writeAddCheckpoint({ oldSize, proof, note }))).toEqual({
        ok: true,
        value: { oldSize, proof, note },
      })
    }),
  )
  fc.assert(fc.property(fc.string(), (text) => void readAddCheckpoint(text)))
  for (const body of [
    '',
    'old 0\n',
    'old 0\nAAAA\n\nnote',
    'old 01\n\nnote',
    'old -1\n\nnote',
    'old 9999999999999999\n\nnote',
  ]) {
    expect(readAddCheckpoint(body), body).toMatchObject({ ok: false })
  }
  const long = { oldSize: 1, proof: Array.from({ length: 64 }, () => new Uint8Array(32)), note: '' }
  expect(readAddCheckpoint(writeAddCheckpoint(long))).toMatchObject({ ok: false })
})
