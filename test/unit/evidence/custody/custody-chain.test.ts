import { beforeEach, describe, expect, test } from 'vitest'

import { canonicalJson } from '../../../../src/evidence/canonical-json.ts'
import { openNote, REASON_LENGTH_MAX, sealNote } from '../../../../src/evidence/custody/custody-note.ts'
import {
  CUSTODY_LENGTH_MAX,
  CUSTODY_RECORDS_MAX,
  CUSTODY_TYPE,
  decodeCustodyRecord,
  signCustodyRecord,
  type CustodyDecision,
} from '../../../../src/evidence/custody/custody-record.ts'
import { consentName, custodyName, KEY_NAME, MANIFEST_NAME } from '../../../../src/evidence/object-names.ts'
import { signJson } from '../../../../src/evidence/signed-json.ts'
import { describeVerdict, verifyRecording, type Verdict } from '../../../../src/evidence/verify.ts'
import {
  readerOf,
  RECORDING_ID,
  sampleRecording,
  vault,
  vectorContents,
  vectorRandom,
  vectorSigner,
  type SampleRecording,
} from '../../../vectors/evidence/sample-recording.ts'
import { decide, ADD, BEGIN, BEGIN_ALL, DONE_ALL, HOLD, RECORD_ID, RELEASE, SECOND_HOLD } from './decide.ts'

const { verifyKey, signingKey } = await vectorSigner()
const DONE: CustodyDecision = { kind: 'shredded', scope: 'key', destroyed: [{ place: 'store', objects: 1, copies: 2 }] }

let recording: SampleRecording

beforeEach(async () => {
  recording = await sampleRecording({ chunks: [Buffer.from('OggS one')], snapshots: [Buffer.from('<recording/>')] })
})

function verify(): Promise<Verdict> {
  return verifyRecording({ recordingId: RECORDING_ID, objects: readerOf(recording.objects), keys: [verifyKey] })
}

async function found(): Promise<string[]> {
  return (await verify()).findings.map(({ code, name }) => (name === undefined ? code : `${code} ${name}`))
}

async function decided(...decisions: readonly CustodyDecision[]): Promise<void> {
  for (const decision of decisions) await decide(recording.objects, decision)
}

describe('a hold', () => {
  test('is told, and is no finding', async () => {
    await decided(ADD)
    const verdict = await verify()
    expect(verdict).toMatchObject({
      verified: true,
      custody: { state: 'held', holds: [{ holdId: HOLD }], records: [{ kind: 'holdAdded' }] },
    })
    expect(describeVerdict(verdict)).toContain('It is HELD, by 1 legal hold')
  })

  test('ends by its own release, and by no other', async () => {
    await decided(ADD, { kind: 'holdAdded', holdId: SECOND_HOLD }, RELEASE)
    expect((await verify()).custody).toMatchObject({ state: 'held', holds: [{ holdId: SECOND_HOLD }] })
    await decided({ kind: 'holdReleased', holdId: SECOND_HOLD })
    expect(await verify()).toMatchObject({ verified: true, custody: { state: 'free', holds: [] } })
  })

  test('may come before the manifest', async () => {
    recording.objects.delete(MANIFEST_NAME)
    await decided(ADD)
    expect((await verify()).custody?.state).toBe('held')
  })
})

describe('a hold whose record is lost', () => {
  const lost = (lostSha256: string, holdId = SECOND_HOLD): CustodyDecision => ({
    ...{ kind: 'holdReleased', holdId, lostSha256 },
  })
  const [one, other] = ['ab'.repeat(32), 'cd'.repeat(32)]

  test('is released with what is known of it, and that is told', async () => {
    await decided(ADD, lost(one), lost(other))
    const verdict = await verify()
    expect(verdict).toMatchObject({
      verified: true,
      custody: { state: 'held', holds: [{ holdId: HOLD }], records: [{}, { lostSha256: one }, { lostSha256: other }] },
    })
    expect(describeVerdict(verdict)).toContain(`(SHA-256 ${one}) is LOST`)
  })

  test.each<[string, readonly CustodyDecision[], string]>([
    ['twice', [lost(one), lost(one)], 'custody-wrong custody-001.jws'],
    ['whose record is there', [ADD, lost(one, HOLD)], 'custody-wrong custody-001.jws'],
    ['whose record was there, and that ended', [ADD, RELEASE, lost(one, HOLD)], 'custody-wrong custody-002.jws'],
    ['when nothing is held any more', [BEGIN, DONE, lost(one)], 'custody-wrong custody-002.jws'],
  ])('is not released %s', async (_what, decisions, finding) => {
    await decided(...decisions)
    expect(await found()).toContain(finding)
  })
})

describe('a shredded recording', () => {
  test('is verified, and told as what it is', async () => {
    await decided(ADD, RELEASE, BEGIN, DONE)
    recording.objects.delete(KEY_NAME)
    const verdict = await verify()
    expect(verdict).toMatchObject({ verified: true, findings: [], custody: { state: 'shredded', scope: 'key' } })
    const text = describeVerdict(verdict)
    expect(text).toMatch(/^SHREDDED: recording .* its key was destroyed on purpose on 2026/)
    expect(text).toContain('Sealed key: destroyed, as it was decided.')
  })

  test('may lack all its objects, when that was decided', async () => {
    await decided(BEGIN, DONE, BEGIN_ALL, DONE_ALL)
    for (const name of recording.objects.keys()) if (name.endsWith('.age')) recording.objects.delete(name)
    expect(await verify()).toMatchObject({ verified: true, custody: { state: 'shredded', scope: 'objects' } })
  })

  test('may lack nothing but its key, when only that was decided', async () => {
    await decided(BEGIN, DONE)
    recording.objects.delete(KEY_NAME)
    recording.objects.delete('chunk-000000.age')
    expect(await found()).toEqual(['chunk-missing chunk-000000.age'])
  })

  test('of which a key came back', async () => {
    await decided(BEGIN, DONE)
    expect(await found()).toEqual([`shred-undone ${KEY_NAME}`])
    recording.objects.set('key-001.age', Buffer.from('a rewrapped one'))
    expect(await found()).toContain('shred-undone key-001.age')
  })

  test('of which a chunk came back', async () => {
    await decided(BEGIN_ALL, DONE_ALL)
    recording.objects.delete(KEY_NAME)
    expect(await found()).toContain('shred-undone chunk-000000.age')
  })

  test('keeps its consent events, and one of them that is gone is missed', async () => {
    recording = await sampleRecording(vectorContents('recording-3'))
    await decided(BEGIN_ALL, DONE_ALL)
    for (const name of recording.objects.keys()) if (name.endsWith('.age')) recording.objects.delete(name)
    expect(recording.objects.has(consentName(0))).toBe(true)
    expect(await found()).toEqual([])
    recording.objects.delete(consentName(0))
    expect(await found()).toContain(`consent-missing ${consentName(0)}`)
  })

  test('of which nobody says that it is', async () => {
    await decided(BEGIN)
    expect(await found()).toEqual(['shred-unfinished custody-000.jws'])
    recording.objects.delete(KEY_NAME)
    expect(await found()).toEqual(['shred-unfinished custody-000.jws'])
  })

  test('without a word', async () => {
    recording.objects.delete(KEY_NAME)
    expect(await found()).toEqual([`key-missing ${KEY_NAME}`])
  })
})

describe('what cannot be', () => {
  test.each<[string, readonly CustodyDecision[], string]>([
    ['destroyed while held', [ADD, BEGIN], 'custody-wrong custody-001.jws'],
    ['held when it is being destroyed', [BEGIN, ADD], 'custody-wrong custody-001.jws'],
    ['released without a hold', [RELEASE], 'custody-wrong custody-000.jws'],
    ['held twice by one hold', [ADD, ADD], 'custody-wrong custody-001.jws'],
    ['reported without an order', [DONE], 'custody-wrong custody-000.jws'],
    ['reported with another scope', [BEGIN, DONE_ALL], 'custody-wrong custody-001.jws'],
    ['ordered twice', [BEGIN, BEGIN], 'custody-wrong custody-001.jws'],
    ['ordered again when all is done', [BEGIN_ALL, DONE_ALL, BEGIN], 'custody-wrong custody-002.jws'],
  ])('%s', async (_what, decisions, expected) => {
    await decided(...decisions)
    expect(await found()).toContain(expected)
  })

  test('a decision that cannot be decides nothing', async () => {
    await decided(ADD, BEGIN, DONE)
    recording.objects.delete(KEY_NAME)
    expect(await verify()).toMatchObject({ custody: { state: 'held' } })
    expect(await found()).toContain(`key-missing ${KEY_NAME}`)
  })

  test('a kind that this software does not know', async () => {
    const jws = await signJson(
      {
        ...{ format: 'earwitness-custody/1', kind: 'pardoned', recordingId: RECORDING_ID, recordId: RECORD_ID },
        ...{ seq: 0, at: '2026-11-29T09:00:00.000Z' },
      },
      CUSTODY_TYPE,
      signingKey,
    )
    recording.objects.set(custodyName(0), Buffer.from(jws))
    expect(await found()).toEqual(['custody-wrong custody-000.jws'])
  })
})

describe('a chain that was tampered with', () => {
  const name = (seq: number): string => custodyName(seq)

  test('a record taken out', async () => {
    await decided(ADD, RELEASE, BEGIN, DONE)
    recording.objects.delete(KEY_NAME)
    recording.objects.delete(name(1))
    expect(await found()).toEqual(expect.arrayContaining(['custody-missing custody-002.jws']))
  })

  test('the first taken out', async () => {
    await decided(ADD, RELEASE)
    recording.objects.delete(name(0))
    expect(await found()).toContain('custody-missing custody-001.jws')
  })

  test('two in each other’s place', async () => {
    await decided(ADD, RELEASE)
    const [one, other] = [recording.objects.get(name(0)), recording.objects.get(name(1))]
    recording.objects.set(name(0), other ?? Buffer.alloc(0))
    recording.objects.set(name(1), one ?? Buffer.alloc(0))
    expect(await found()).toEqual(expect.arrayContaining(['custody-wrong custody-000.jws']))
  })

  test('one replaced by another of the same signer', async () => {
    await decided(ADD, RELEASE)
    const other = new Map<string, Uint8Array>()
    await decide(other, { kind: 'holdAdded', holdId: SECOND_HOLD })
    recording.objects.set(name(0), other.get(name(0)) ?? Buffer.alloc(0))
    expect(await found()).toContain('custody-missing custody-001.jws')
  })

  test('of another recording', async () => {
    const foreign = '019aaff1-0680-7abc-8def-0123456789af'
    await decide(recording.objects, ADD, { recordingId: foreign })
    expect(await found()).toEqual(['custody-foreign custody-000.jws'])
  })

  test('no record at all', async () => {
    recording.objects.set(name(0), Buffer.from('a.b.c'))
    expect(await found()).toEqual(['custody-unreadable custody-000.jws'])
    recording.objects.set(name(0), Buffer.alloc(CUSTODY_LENGTH_MAX + 1, 'a'))
    expect(await found()).toEqual(['custody-unreadable custody-000.jws'])
  })

  test('every bit of it is covered', async () => {
    await decided(ADD)
    const bytes = Uint8Array.from(recording.objects.get(name(0)) ?? [])
    for (let offset = 0; offset < bytes.length; offset += 7) {
      const changed = Uint8Array.from(bytes)
      changed[offset] = (changed[offset] ?? 0) ^ 1
      recording.objects.set(name(0), changed)
      const codes = await found()
      expect(codes, `bit at ${offset}`).toHaveLength(1)
      expect(codes[0]).toMatch(/^custody-(unreadable|unknown-signer|forged) /)
    }
  })

  test('signed by a stranger', async () => {
    await decided(ADD)
    const verdict = await verifyRecording({
      recordingId: RECORDING_ID,
      objects: readerOf(recording.objects),
      keys: [],
    })
    expect(verdict.findings.map(({ code }) => code)).toContain('custody-unknown-signer')
    expect(verdict.custody?.state).toBe('free')
  })

  test('more records than there may be', async () => {
    for (let seq = 0; seq <= CUSTODY_RECORDS_MAX; seq += 1) recording.objects.set(name(seq), Buffer.from('x'))
    const verdict = await verify()
    expect(verdict.findings.length + verdict.findingsDropped).toBeGreaterThan(CUSTODY_RECORDS_MAX)
  })
})

describe('a record', () => {
  const place = { recordingId: RECORDING_ID, recordId: RECORD_ID, seq: 0, at: '2026-11-29T09:00:00.000Z' }

  test.each<[string, object]>([
    ['without an id of the hold', { kind: 'holdAdded' }],
    ['with a scope that is none', { kind: 'shredBegun', scope: 'everything' }],
    ['that follows on nothing and has a number', { ...ADD, seq: 1 }],
    ['that is the first and follows on another', { ...ADD, previousSha256: 'a'.repeat(64) }],
    ['with a time that is none', { ...ADD, at: 'today' }],
    ['with a note that is no Base64', { ...ADD, note: 'two words' }],
  ])('%s is not signed', async (_what, change) => {
    const record = { ...place, ...change } as Parameters<typeof signCustodyRecord>[0]
    await expect(signCustodyRecord(record, signingKey)).rejects.toThrow(TypeError)
    const jws = await signJson({ ...record, format: 'earwitness-custody/1' }, CUSTODY_TYPE, signingKey)
    expect(decodeCustodyRecord(jws)).toMatchObject({ ok: false, reason: 'shape' })
  })

  test('is never taken for a manifest or a statement', async () => {
    const jws = await signJson(
      { ...place, ...ADD, format: 'earwitness-custody/1' },
      'earwitness-manifest+jws',
      signingKey,
    )
    expect(decodeCustodyRecord(jws)).toMatchObject({ ok: false, reason: 'notJws' })
  })

  test('the longest note fits into it', async () => {
    const note = sealNote(
      { by: '€'.repeat(200), reason: '€'.repeat(REASON_LENGTH_MAX) },
      Array.from({ length: 20 }, () => vault.recipient),
      vectorRandom('note'),
    )
    await expect(signCustodyRecord({ ...place, ...ADD, note }, signingKey)).resolves.toMatch(/^ey/)
  })
})

describe('a note', () => {
  const note = { by: 'Ada', reason: 'Case 4711' }

  test('is read by the vault alone', async () => {
    const sealed = sealNote(note, [vault.recipient], vectorRandom('note'))
    expect(sealed).not.toContain(Buffer.from('4711').toString('base64').slice(0, 4))
    expect(await openNote(sealed, [vault.identity])).toEqual({ ok: true, value: note })
    expect(await openNote(sealed, [recording.identity])).toMatchObject({ ok: false, reason: 'sealed' })
    expect(await openNote('AAAA', [vault.identity])).toMatchObject({ ok: false, reason: 'sealed' })
  })

  test('that is too long is refused', () => {
    const reason = 'x'.repeat(REASON_LENGTH_MAX + 1)
    expect(() => sealNote({ by: 'a', reason }, [vault.recipient], vectorRandom('note'))).toThrow(TypeError)
    expect(canonicalJson(note)).toBe('{"by":"Ada","reason":"Case 4711"}')
  })
})
