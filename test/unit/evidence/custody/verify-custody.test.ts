import { expect, test } from 'vitest'

import type { CustodyDecision } from '../../../../src/evidence/custody/custody-record.ts'
import {
  isShredded,
  standingOf,
  verifyCustody,
  type CustodyVerdict,
} from '../../../../src/evidence/custody/verify-custody.ts'
import { FindingList } from '../../../../src/evidence/findings.ts'
import { custodyName } from '../../../../src/evidence/object-names.ts'
import { RECORDING_ID, sha256, vectorSigner } from '../../../vectors/evidence/sample-recording.ts'
import { decide, ADD, ADD_OTHER, BEGIN, BEGIN_ALL, DONE, DONE_ALL, HOLD, RELEASE, SECOND_HOLD } from './decide.ts'

const KEYS = ['key.age', 'key-001.age', 'held-key-000.age']
const CHUNK = 'chunk-000000.age'

async function judged(decisions: readonly CustodyDecision[], others: readonly string[] = []) {
  const objects = new Map<string, Uint8Array>(others.map((name) => [name, Buffer.from('x')]))
  for (const decision of decisions) await decide(objects, decision)
  const findings = new FindingList()
  const { verifyKey } = await vectorSigner()
  const trust = { recordingId: RECORDING_ID, keys: [verifyKey], findings }
  const verdict = await verifyCustody({ get: async (name) => objects.get(name) }, [...objects.keys()], trust)
  return { verdict, objects, findings: findings.findings.map(({ code, name }) => `${code} ${name}`) }
}

test.each<[string, readonly CustodyDecision[], CustodyVerdict['state'], CustodyVerdict['scope'], readonly string[]]>([
  ['added', [ADD], 'held', undefined, [HOLD]],
  ['added twice over', [ADD, ADD_OTHER], 'held', undefined, [HOLD, SECOND_HOLD]],
  ['one of two released', [ADD, ADD_OTHER, RELEASE], 'held', undefined, [SECOND_HOLD]],
  ['released', [ADD, RELEASE], 'free', undefined, []],
  ['ordered', [ADD, RELEASE, BEGIN], 'shredding', 'key', []],
  ['done', [BEGIN, DONE], 'shredded', 'key', []],
  ['more ordered', [BEGIN, DONE, BEGIN_ALL], 'shredding', 'objects', []],
  ['more done', [BEGIN, DONE, BEGIN_ALL, DONE_ALL], 'shredded', 'objects', []],
  ['all at once', [BEGIN_ALL, DONE_ALL], 'shredded', 'objects', []],
])('%s: it stands as it was decided', async (_what, decisions, state, scope, holds) => {
  const { verdict, objects, findings } = await judged(decisions)
  expect(verdict).toMatchObject({ state, scope, holds: holds.map((holdId) => ({ holdId })) })
  expect(verdict?.holds).toHaveLength(holds.length)
  const isUnfinished = state === 'shredding'
  expect(findings).toEqual(isUnfinished ? [`shred-unfinished ${custodyName(decisions.length - 1)}`] : [])
  const signerKeyId = (await vectorSigner()).signingKey.keyId
  expect(verdict?.records).toEqual(
    decisions.map(({ kind }, seq) => ({
      ...{ name: custodyName(seq), kind, signerKeyId, at: '2026-11-29T09:30:00.000Z' },
      sha256: sha256(objects.get(custodyName(seq)) ?? new Uint8Array()),
    })),
  )
})

test('where nothing was decided there is nothing to tell, whatever is there', async () => {
  expect(await judged([], [...KEYS, CHUNK])).toMatchObject({ verdict: undefined, findings: [] })
})

test('every sealed key that is there after its destruction was reported is told, and nothing else', async () => {
  const undone = KEYS.map((name) => `shred-undone ${name}`)
  expect((await judged([BEGIN, DONE], [...KEYS, CHUNK])).findings).toEqual(undone)
  expect((await judged([BEGIN_ALL, DONE_ALL], [...KEYS, CHUNK])).findings).toEqual(undone)
  // Destroyed for good, whatever else is ordered.
  const more = await judged([BEGIN, DONE, BEGIN_ALL], KEYS)
  expect(more.findings).toEqual([`shred-unfinished ${custodyName(2)}`, ...undone])
  // Only ordered: they may be there still.
  expect((await judged([BEGIN], KEYS)).findings).toEqual([`shred-unfinished ${custodyName(0)}`])
  expect((await judged([ADD], KEYS)).findings).toEqual([])
})

test('an object may be gone when its destruction was ordered, and of the scope of that', async () => {
  const gone = async (...decisions: readonly CustodyDecision[]) => {
    const { verdict } = await judged(decisions)
    return ['key.age', CHUNK, 'manifest.jws'].filter((name) => isShredded(verdict, name))
  }
  expect(await gone()).toEqual([])
  expect(await gone(ADD)).toEqual([])
  expect(await gone(ADD, RELEASE)).toEqual([])
  expect(await gone(BEGIN)).toEqual(['key.age'])
  expect(await gone(BEGIN, DONE)).toEqual(['key.age'])
  expect(await gone(BEGIN_ALL)).toEqual(['key.age', CHUNK])
  expect(await gone(BEGIN, DONE, BEGIN_ALL, DONE_ALL)).toEqual(['key.age', CHUNK])
})

test('a destruction counts before a hold', () => {
  const rest = { scope: undefined, destroyed: undefined }
  const holds = [{ holdId: HOLD, addedAt: '2026-11-29T09:30:00.000Z' }]
  const standings = (['none', 'begun', 'done'] as const).map((shred) => standingOf({ ...rest, shred, holds }))
  expect(standings).toEqual(['held', 'shredding', 'shredded'])
  expect(standingOf({ ...rest, shred: 'none', holds: [] })).toBe('free')
})
