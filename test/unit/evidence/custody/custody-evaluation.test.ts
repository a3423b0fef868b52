import { generateKeyPairSync } from 'node:crypto'

import { expect, test } from 'vitest'

import { readCustodyChain } from '../../../../src/evidence/custody/custody-chain.ts'
import {
  CUSTODY_FORMAT,
  CUSTODY_LENGTH_MAX,
  CUSTODY_RECORDS_MAX,
  CUSTODY_TYPE,
  decodeCustodyRecord,
  signCustodyRecord,
  type CustodyDecision,
} from '../../../../src/evidence/custody/custody-record.ts'
import { FindingList } from '../../../../src/evidence/findings.ts'
import { custodyName } from '../../../../src/evidence/object-names.ts'
import { signJson } from '../../../../src/evidence/signed-json.ts'
import { readSigningKey } from '../../../../src/evidence/signer-keys.ts'
import { RECORDING_ID, sha256, vectorSigner } from '../../../vectors/evidence/sample-recording.ts'
import {
  decide,
  ADD,
  ADD_OTHER,
  BEGIN,
  BEGIN_ALL,
  DONE,
  DONE_ALL,
  HOLD,
  RECORD_ID,
  RELEASE,
  RELEASE_OTHER,
  SECOND_HOLD,
} from './decide.ts'

/** Every finding that a chain of decisions gives, and none besides. */

const { signingKey, verifyKey } = await vectorSigner()

type Objects = Map<string, Uint8Array>

async function chainOf(...decisions: readonly CustodyDecision[]): Promise<Objects> {
  const objects: Objects = new Map()
  for (const decision of decisions) await decide(objects, decision)
  return objects
}

async function read(objects: Objects, names: Iterable<string> = objects.keys()) {
  const findings = new FindingList()
  const trust = { recordingId: RECORDING_ID, keys: [verifyKey], findings }
  const chain = await readCustodyChain({ get: async (name) => objects.get(name) }, names, trust)
  return { ...chain, findings: findings.findings, told: findings.findings.map(({ code, name }) => `${code} ${name}`) }
}

test.each<[string, readonly CustodyDecision[], readonly number[]]>([
  ['a hold on what is destroyed', [BEGIN, DONE, ADD], [2]],
  ['a report of what was reported', [BEGIN, DONE, DONE], [2]],
  ['an order of what is done', [BEGIN, DONE, BEGIN], [2]],
  ['an order of all when all is done', [BEGIN_ALL, DONE_ALL, BEGIN_ALL], [2]],
  ['an order of more twice', [BEGIN, DONE, BEGIN_ALL, BEGIN_ALL], [3]],
  ['an order of more while the key is destroyed', [BEGIN, BEGIN_ALL], [1]],
  ['a report of the key when all was ordered', [BEGIN_ALL, DONE, DONE_ALL], [1]],
  ['an order while one of two holds', [ADD, ADD_OTHER, RELEASE, BEGIN], [3]],
  ['a second release', [ADD, RELEASE, RELEASE], [2]],
  ['nothing', [ADD, ADD_OTHER, RELEASE, RELEASE_OTHER, BEGIN, DONE, BEGIN_ALL, DONE_ALL], []],
])('%s is all that is wrong', async (_what, decisions, wrong) => {
  const { told, records } = await read(await chainOf(...decisions))
  expect(told).toEqual(wrong.map((seq) => `custody-wrong ${custodyName(seq)}`))
  expect(records).toHaveLength(decisions.length)
})

test('what holds after decisions that cannot be is what held before', async () => {
  const { state } = await read(await chainOf(BEGIN, DONE_ALL, ADD))
  expect(state).toEqual({ holds: [], shred: 'begun', scope: 'key', destroyed: undefined })
  const more = await read(await chainOf(BEGIN, DONE, BEGIN_ALL))
  expect(more.state).toEqual({ holds: [], shred: 'begun', scope: 'objects', destroyed: 'key' })
  const held = await read(await chainOf(ADD, ADD_OTHER, BEGIN))
  const addedAt = '2026-11-29T09:30:00.000Z'
  const holds = [HOLD, SECOND_HOLD].map((holdId) => ({ holdId, addedAt }))
  expect(held.state).toEqual({ holds, shred: 'none', scope: undefined, destroyed: undefined })
})

test('the next record goes behind the last, and names it', async () => {
  expect((await read(new Map())).next).toEqual({ seq: 0 })
  const objects = await chainOf(ADD, RELEASE)
  const last = sha256(objects.get(custodyName(1)) ?? new Uint8Array())
  expect((await read(objects)).next).toEqual({ seq: 2, previousSha256: last })
  objects.delete(custodyName(0))
  expect((await read(objects)).next).toEqual({ seq: 2, previousSha256: last })
  // Also behind one that nobody can read: its number is taken.
  objects.set(custodyName(7), Buffer.from('x'))
  expect((await read(objects)).next).toEqual({ seq: 8, previousSha256: sha256(Buffer.from('x')) })
})

test('in whatever order a store lists them, records are read in theirs, and other objects are none of them', async () => {
  const objects = await chainOf(ADD, RELEASE, BEGIN, DONE)
  const names = ['manifest.jws', ...[...objects.keys()].toReversed(), 'custody-x.jws', 'key.age']
  const { told, state } = await read(objects, names)
  expect([told, state.shred]).toEqual([[], 'done'])
})

test('a record that is gone is missed once, and what comes behind the gap is read on', async () => {
  const objects = await chainOf(ADD, ADD_OTHER, RELEASE, RELEASE_OTHER, BEGIN, DONE)
  objects.delete(custodyName(1))
  const { told, state } = await read(objects)
  expect(told).toEqual([`custody-missing ${custodyName(2)}`, `custody-wrong ${custodyName(3)}`])
  expect(state.shred).toBe('done')
})

test('one that its signer put in the place of another is told at the record that followed on that', async () => {
  const objects = await chainOf(ADD, ADD_OTHER, RELEASE)
  const other = await chainOf(ADD)
  await decide(other, BEGIN)
  objects.set(custodyName(1), other.get(custodyName(1)) ?? new Uint8Array())
  const { told } = await read(objects)
  expect(told).toEqual([`custody-wrong ${custodyName(1)}`, `custody-missing ${custodyName(2)}`])
})

test('a record that goes while it is read is missed', async () => {
  const objects = await chainOf(ADD)
  const { findings, state } = await read(objects, [custodyName(0), custodyName(1)])
  expect(findings).toMatchObject([{ code: 'custody-missing', name: custodyName(1) }])
  expect(findings[0]?.sentence).toContain('a moment ago')
  expect(state.holds).toHaveLength(1)
})

test('a record by a stranger decides nothing, and those that follow on it are not held for others', async () => {
  const { privateKey } = generateKeyPairSync('ed25519')
  const stranger = await readSigningKey(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString())
  if (!stranger.ok) throw new Error(stranger.reason)
  const objects = await chainOf(ADD)
  const previousSha256 = sha256(objects.get(custodyName(0)) ?? new Uint8Array())
  const place = { recordingId: RECORDING_ID, recordId: RECORD_ID, seq: 1, at: '2026-11-29T09:30:00.000Z' }
  const record = await signCustodyRecord({ ...place, previousSha256, ...RELEASE }, stranger.value)
  objects.set(custodyName(1), Buffer.from(record))
  await decide(objects, ADD_OTHER)
  const { told, state, records } = await read(objects)
  expect(told).toEqual([`custody-unknown-signer ${custodyName(1)}`])
  expect(state.holds.map(({ holdId }) => holdId)).toEqual([HOLD, SECOND_HOLD])
  expect(records.map(({ name, keyId }) => [name, keyId])).toEqual(
    [0, 2].map((seq) => [custodyName(seq), signingKey.keyId]),
  )
})

test('so many records are read, and one more is told', async () => {
  const names = (count: number): string[] => Array.from({ length: count }, (_, seq) => custodyName(seq))
  for (const [count, isTooMany] of [
    [CUSTODY_RECORDS_MAX, false],
    [CUSTODY_RECORDS_MAX + 1, true],
  ] as const) {
    const findings = new FindingList()
    let asked = 0
    const get = async (): Promise<undefined> => {
      asked += 1
      return undefined
    }
    await readCustodyChain({ get }, names(count), { recordingId: RECORDING_ID, keys: [verifyKey], findings })
    expect(asked).toBe(CUSTODY_RECORDS_MAX)
    expect(findings.findings[0]?.code).toBe(isTooMany ? 'custody-unreadable' : 'custody-missing')
  }
})

const PLACE = { recordingId: RECORDING_ID, recordId: RECORD_ID, seq: 0, at: '2026-11-29T09:00:00.000Z' }
const COUNT = { place: 'store', objects: 1, copies: 1 }

test.each<[string, object, string]>([
  ['a release of no hold', { kind: 'holdReleased' }, 'holdId'],
  ['a hold whose id is none', { kind: 'holdAdded', holdId: 'case 4711' }, 'holdId'],
  ['an id of its own that is none', { ...ADD, recordId: 'one' }, 'recordId'],
  ['an id of the recording that is none', { ...ADD, recordingId: 'one' }, 'recordingId'],
  ['a record before it that is no hash', { ...ADD, seq: 1, previousSha256: 'x' }, 'previousSha256'],
  ['a day for a time', { ...ADD, at: '2026-11-29' }, 'at'],
  ['a note that is too long', { ...ADD, note: 'A'.repeat(CUSTODY_LENGTH_MAX + 1) }, 'note'],
  ['an order without a scope', { kind: 'shredBegun' }, 'scope'],
  ['a report without places', { kind: 'shredded', scope: 'key' }, 'destroyed'],
  ['a report of a place that is none', { ...DONE, destroyed: [{ ...COUNT, place: 'cloud' }] }, 'destroyed[0].place'],
  ['a report without copies', { ...DONE, destroyed: [{ place: 'store', objects: 1 }] }, 'destroyed[0].copies'],
  ['a report of half an object', { ...DONE, destroyed: [{ ...COUNT, objects: 0.5 }] }, 'destroyed[0].objects'],
])('%s is no record, and it is said where it is wrong', async (_what, change, detail) => {
  const record = { ...PLACE, ...change, format: CUSTODY_FORMAT }
  const jws = await signJson(record, CUSTODY_TYPE, signingKey)
  if (jws.length > CUSTODY_LENGTH_MAX) {
    await expect(signCustodyRecord(record as never, signingKey)).rejects.toThrow(`at ${detail}`)
    return
  }
  expect(decodeCustodyRecord(jws)).toEqual({ ok: false, reason: 'shape', detail })
  const { findings } = await read(new Map([[custodyName(0), Buffer.from(jws)]]))
  expect(findings).toMatchObject([{ code: 'custody-unreadable' }])
  expect(findings[0]?.sentence).toContain(`(${detail})`)
})
