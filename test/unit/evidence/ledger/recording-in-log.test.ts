import { Readable } from 'node:stream'

import { describe, expect, it } from 'vitest'

import { signCheckpoint } from '../../../../src/evidence/ledger/checkpoint.ts'
import { FindingList } from '../../../../src/evidence/findings.ts'
import { checkLogProof } from '../../../../src/evidence/ledger/check-log-proof.ts'
import { cosign } from '../../../../src/evidence/ledger/cosignature.ts'
import { readWitnessKey, writeWitnessKey } from '../../../../src/evidence/ledger/witness-key.ts'
import { testimonyLine } from '../../../../src/evidence/ledger/ledger-text.ts'
import { GrowingTree } from '../../../../src/evidence/ledger/growing-tree.ts'
import {
  readLogProof,
  writeLogProof,
  type LogProof,
  type ProvedCheckpoint,
} from '../../../../src/evidence/ledger/log-proof.ts'
import { findRecordingInLog } from '../../../../src/evidence/ledger/recording-in-log.ts'
import type { RecordingFacts } from '../../../../src/evidence/ledger/recording-story.ts'
import { signStatement, type StatementBody } from '../../../../src/evidence/ledger/statement.ts'
import { vectorSigner } from '../../../vectors/evidence/sample-recording.ts'

const signer = await vectorSigner()
const LOG_ID = '019aaff1-0680-7abc-8def-0123456789aa'
const ID = '019aaff1-0680-7abc-8def-0123456789ab'
const OTHER = '019aaff1-0680-7abc-8def-0123456789ac'
const MANIFEST = 'cd'.repeat(32)
const KEY = 'ab'.repeat(32)
const recording = {
  ...{ recordingId: ID, manifestSha256: MANIFEST, wrappedKeySha256: KEY, signerKeyId: signer.verifyKey.keyId },
  ...{ startedAt: '2026-11-29T09:00:01.000Z', endedAt: '2026-11-29T09:00:09.000Z' },
}

const started = { kind: 'nodeStarted', software: { name: 'earwitness', version: '0' } } as const
const opened = (recordingId: string, wrappedKeySha256 = KEY): StatementBody => ({
  kind: 'recordingOpened',
  ...{ recordingId, rsId: recordingId, tenant: 'default', src: 'sbc', recipient: 'age1', wrappedKeySha256 },
  startedAt: '2026-11-29T09:00:01.000Z',
})
const closed = (recordingId: string, manifestSha256 = MANIFEST): StatementBody => ({
  kind: 'recordingClosed',
  ...{ recordingId, manifestSha256, state: 'complete', endCause: 'bye', durationSamples: 1 },
  endedAt: '2026-11-29T09:00:09.000Z',
})

/** A log that says a thing a second, and a checkpoint over the first `covered` of them. */
async function logOf(bodies: readonly StatementBody[], { covered = bodies.length, minutes = 0 } = {}) {
  const tree = new GrowingTree()
  const lines: string[] = []
  const clock = { status: 'unknown' } as const
  let root = tree.root()
  for (const [seq, body] of bodies.entries()) {
    const laterMs = seq === bodies.length - 1 ? minutes * 60_000 : 0
    const at = new Date(Date.parse('2026-11-29T09:00:00.000Z') + seq * 1_000 + laterMs).toISOString()
    const line = await signStatement(body, { logId: LOG_ID, seq, at, clock }, signer.signingKey)
    lines.push(line)
    tree.append(line)
    if (tree.size === covered) root = tree.root()
  }
  const note = await signCheckpoint({ logId: LOG_ID, size: covered, root, at: '2026-11-29T09:01:00.000Z' }, signer)
  return { lines, note }
}

async function ask(
  lines: readonly string[],
  note: string | undefined,
  keys = [signer.verifyKey],
  about: RecordingFacts = recording,
) {
  const { testimony, proof } = await findRecordingInLog({
    ...{ logId: LOG_ID, recording: about, keys, newest: note === undefined ? undefined : { note } },
    lines: Readable.from(lines),
  })
  return { ...testimony, proof, codes: testimony.findings.map(({ code }) => code) }
}

describe('a recording in a log', () => {
  it('of which the log says more than is handed on: that it was closed is among it', async () => {
    const stories = Array.from({ length: 1_010 }, (_, count): StatementBody => ({
      ...{ kind: count % 2 === 0 ? 'streamPaused' : 'streamResumed', recordingId: ID, streamId: '0', cause: 'held' },
    }))
    const { lines, note } = await logOf([started, opened(ID), ...stories, closed(ID)])
    const { proof, closedSeq } = await ask(lines, note)
    expect(proof?.statements).toHaveLength(1_001)
    const findings = new FindingList()
    const told = await checkLogProof(proof!, { name: 'log', recording, keys: [signer.verifyKey] }, findings)
    expect(told).toMatchObject({ closedSeq })
    expect(findings.findings).toEqual([])
    // As older recorders handed it on.
    const first = { ...proof!, statements: proof!.statements.slice(0, 1_000) }
    const older = await checkLogProof(first, { name: 'log', recording, keys: [signer.verifyKey] }, findings)
    expect(older).toMatchObject({ closedSeq: undefined, hasGoneOn: false })
  })

  it('of which the SDP paused media streams: each pause was said, where the log promises that', async () => {
    const stream = (streamId: string, cause: 'paused' | 'held' = 'paused'): StatementBody => ({
      ...{ kind: 'streamPaused', recordingId: ID, streamId, cause },
    })
    const [promised, older] = [{ ...opened(ID), streamPauses: true } as StatementBody, opened(ID)]
    const codes = async (streamPauses: readonly (readonly [string, number])[], ...said: StatementBody[]) => {
      const { lines, note } = await logOf([started, ...said, closed(ID)])
      const pauses = { src: 0, api: 0, consent: 0 }
      return (await ask(lines, note, undefined, { ...recording, pauses, streamPauses: new Map(streamPauses) })).codes
    }
    expect(await codes([['1', 2]], promised, stream('1'), stream('1'))).toEqual([])
    expect(await codes([['1', 2]], promised, stream('1'), stream('2'))).toEqual(['pause-not-in-log'])
    expect(await codes([['1', 1]], promised, stream('1', 'held'))).toEqual(['pause-not-in-log'])
    expect(await codes([['1', 1]], promised)).toEqual(['pause-not-in-log'])
    // Software that did not say them made recordings that are as sound as they were.
    expect(await codes([['1', 1]], older)).toEqual([])
    // Of a recording that is said to be opened twice the first counts.
    expect(await codes([['1', 1]], older, promised)).toEqual([])
    expect(await codes([], promised, stream('1'))).toEqual([])
  })

  it('of which a custody record is gone: only a hold is declared lost, not what was decided with a record of that hash', async () => {
    const lostSha256 = 'dd'.repeat(32)
    const release = { sha256: 'ee'.repeat(32), signerKeyId: signer.verifyKey.keyId, kind: 'holdReleased', lostSha256 }
    const custody = [{ ...release, at: '2026-11-29T09:00:01.000Z' }]
    const codes = async (said: Record<string, unknown>) => {
      const about = { ...said, recordingId: ID, recordSha256: lostSha256 } as StatementBody
      const { lines, note } = await logOf([started, opened(ID), about, closed(ID)])
      return (await ask(lines, note, undefined, { ...recording, custody })).codes
    }
    const holdId = OTHER
    expect(await codes({ kind: 'holdAdded', holdId })).toEqual([])
    for (const decision of [
      { kind: 'holdReleased', holdId },
      { kind: 'shredBegun', scope: 'key' },
    ]) {
      expect(await codes(decision), decision.kind).toEqual(['custody-removed'])
    }
  })

  it('is found where it was opened and closed, and proved to be covered', async () => {
    const { lines, note } = await logOf([started, opened(OTHER), opened(ID), closed(OTHER), closed(ID), started])
    expect(await ask(lines, note)).toMatchObject({
      ...{ codes: [], hadBegun: true, hasGoneOn: false, openedSeq: 2, closedSeq: 4 },
      coveredAt: '2026-11-29T09:01:00.000Z',
    })
  })

  it('is not called covered behind the newest checkpoint, or without one', async () => {
    const { lines, note } = await logOf([started, opened(ID), closed(ID)], { covered: 2 })
    expect(await ask(lines, note)).toMatchObject({ codes: [], coveredAt: undefined })
    expect(await ask(lines, undefined)).toMatchObject({ codes: [], coveredAt: undefined })
  })

  it('may be opened twice, when it was recovered, and closed twice with one manifest', async () => {
    const { lines, note } = await logOf([started, opened(ID), opened(ID), closed(ID), closed(ID)])
    expect(await ask(lines, note)).toMatchObject({ codes: [], openedSeq: 1, closedSeq: 3 })
  })

  it.each([
    ['another manifest', [started, opened(ID), closed(ID, 'ee'.repeat(32))], ['manifest-not-in-log']],
    ['a second manifest', [started, opened(ID), closed(ID), closed(ID, 'ee'.repeat(32))], ['closed-twice']],
    [
      'this manifest as the second',
      [started, opened(ID), closed(ID, 'ee'.repeat(32)), closed(ID)],
      ['manifest-not-in-log'],
    ],
    ['another sealed key', [started, opened(ID, 'ee'.repeat(32)), closed(ID)], ['key-not-in-log']],
  ] as const)('with %s is a finding', async (_what, bodies, codes) => {
    const { lines, note } = await logOf(bodies)
    expect((await ask(lines, note)).codes).toEqual(codes)
  })

  it('whose log was changed elsewhere is not proved any more', async () => {
    const { lines, note } = await logOf([started, opened(OTHER), opened(ID), closed(ID)])
    const changed = lines.with(1, lines[2] ?? '')
    expect((await ask(changed, note)).codes).toEqual(Array(3).fill('statement-not-included'))
  })

  it('that is not there: the log says whether it should have known', async () => {
    const { lines, note } = await logOf([started, opened(OTHER), started], { minutes: 11 })
    expect(await ask(lines, note)).toMatchObject({ hadBegun: true, hasGoneOn: true, openedSeq: undefined })
    // What nobody trusted has signed says nothing.
    expect(await ask(lines, note, [])).toMatchObject({ hadBegun: false, openedSeq: undefined })
  })
})

describe('what is handed on of a log', () => {
  const bodies = [
    started,
    opened(OTHER),
    opened(ID),
    closed(OTHER),
    closed(ID),
    ...Array.from({ length: 9 }, () => started),
  ]

  async function handedOn() {
    const { lines, note } = await logOf(bodies)
    const older = await logOf(bodies.slice(0, 6))
    const { proof } = await findRecordingInLog({
      ...{ logId: LOG_ID, recording, keys: [signer.verifyKey], newest: { note } },
      lines: Readable.from(lines),
      earlier: (seq) => Promise.resolve(seq === 4 ? { note: older.note } : undefined),
    })
    if (proof === undefined) throw new Error('no proof')
    return proof
  }

  async function check(proof: LogProof, about: RecordingFacts = recording) {
    const read = readLogProof(writeLogProof(proof))
    if (!read.ok) return { codes: [`unreadable ${read.detail ?? read.reason}`] }
    const findings = new FindingList()
    const options = { name: 'log', recording: about, keys: [signer.verifyKey] }
    const testimony = await checkLogProof(read.value, options, findings)
    return { codes: findings.findings.map(({ code }) => code), ...testimony }
  }

  it('is proved by itself: statements, and that the log only grew', async () => {
    const proof = await handedOn()
    expect(proof.statements.map(({ seq }) => seq)).toEqual([0, 2, 4])
    expect(proof.checkpoints).toMatchObject([{ consistency: expect.any(Array) as unknown }, {}])
    expect(await check(proof)).toMatchObject({ codes: [], openedSeq: 2, closedSeq: 4, hadBegun: true })
  })

  it('has the newest checkpoint that witnesses have signed under, where that covers the recording', async () => {
    const { lines, note } = await logOf(bodies)
    const handed = async (covered: number, earlierCovered = 6) => {
      const older = await logOf(bodies.slice(0, covered))
      const earlier = await logOf(bodies.slice(0, earlierCovered))
      const { proof } = await findRecordingInLog({
        ...{ logId: LOG_ID, recording, keys: [signer.verifyKey], newest: { note } },
        lines: Readable.from(lines),
        earlier: () => Promise.resolve({ note: earlier.note }),
        cosigned: { note: older.note, cosignatures: 'lines' },
      })
      if (proof === undefined) throw new Error('no proof')
      expect(
        (await check({ ...proof, checkpoints: proof.checkpoints.map(({ cosignatures: _, ...rest }) => rest) })).codes,
      ).toEqual([])
      return proof.checkpoints.map((checkpoint) => `${checkpoint.note.split('\n')[1]} ${'cosignatures' in checkpoint}`)
    }
    expect(await handed(9)).toEqual(['6 false', '9 true', '14 false'])
    expect(await handed(6)).toEqual(['6 false', '14 false'])
    expect(await handed(4)).toEqual(['6 false', '14 false'])
    expect(await handed(14)).toEqual(['6 false', '14 false'])
    expect(await handed(5, 4)).toEqual(['5 true', '14 false'])
    expect(await handed(4, 4)).toEqual(['14 false'])
  })

  it('tells of the newest checkpoint that a witness has signed under, if that covers the recording', async () => {
    const proof = await handedOn()
    const witness = { name: 'witness.example.com', ...signer, nowUnixMs: Date.parse('2026-11-29T09:02:00.000Z') }
    const key = await readWitnessKey(await writeWitnessKey(witness.name, signer.verifyKey))
    if (!key.ok) throw new Error(key.reason)
    const [older, newest] = proof.checkpoints
    if (!older || !newest) throw new Error('not whole')
    const signed = async ({ note, ...rest }: ProvedCheckpoint): Promise<ProvedCheckpoint> => ({
      ...{ note, ...rest },
      cosignatures: await cosign(note.slice(0, note.indexOf('\n\n') + 1), witness),
    })
    const told = async (checkpoints: readonly ProvedCheckpoint[]) => {
      const options = { name: 'log', recording, keys: [signer.verifyKey], witnesses: [key.value] }
      const testimony = await checkLogProof({ ...proof, checkpoints }, options, new FindingList())
      if (testimony === undefined) throw new Error('no testimony')
      return testimony
    }
    const at = '2026-11-29T09:02:00.000Z'
    const one = { witness: witness.name, keyId: key.value.keyId, at }
    const whole = { unwitnessed: [], size: 14 }
    expect((await told([older, await signed(newest)])).witnesses).toEqual({
      witnessed: [{ ...one, size: 14 }],
      ...whole,
    })
    const partly = await told([await signed(older), newest])
    expect(partly.witnesses).toEqual({ witnessed: [{ ...one, size: 6 }], ...whole })
    expect(testimonyLine(partly)).toContain(
      'signed under its first 6 statements 2026-11-29T09:02:00.000Z; 8 statements behind that',
    )
    const none = { witnessed: [], unwitnessed: [witness.name], size: 14 }
    expect((await told([older, newest])).witnesses).toEqual(none)
    const before = await logOf(bodies.slice(0, 4))
    expect((await told([await signed({ note: before.note }), newest])).witnesses).toEqual(none)
  })

  it('is found to be changed, wherever it is', async () => {
    const proof = await handedOn()
    const { checkpoints, statements } = proof
    const [first, second, third] = statements
    const [older, newest] = checkpoints
    if (!first || !second || !third || !older || !newest) throw new Error('not whole')
    const wrong = `${'A'.repeat(43)}=`
    const bent: readonly (readonly [string, LogProof])[] = [
      ['statement-not-included', { ...proof, statements: [first, { ...second, inclusion: [wrong] }, third] }],
      ['statement-not-included', { ...proof, statements: [first, { ...second, inclusion: [] }, third] }],
      ['statement-foreign', { ...proof, statements: [first, { ...second, seq: 3 }, third] }],
      ['statement-forged', { ...proof, statements: [first, { ...second, jws: `${second.jws.slice(0, -4)}AAAA` }] }],
      ['log-forked', { ...proof, checkpoints: [{ ...older, consistency: [wrong] }, newest] }],
      ['log-forked', { ...proof, checkpoints: [newest, older] }],
      ['checkpoint-unreadable', { ...proof, checkpoints: [{ note: 'x' }] }],
      ['timestamp-wrong', { ...proof, checkpoints: [older, { ...newest, timestamp: 'MAUwAwIBAg==' }] }],
      ['timestamp-wrong', { ...proof, checkpoints: [older, { ...newest, timestamp: '?' }] }],
      ['checkpoint-forged', { ...proof, checkpoints: [{ note: newest.note.replace('time 2026', 'time 2025') }] }],
      ['unreadable statements', { ...proof, statements: [first, first] }],
      ['unreadable checkpoints', { ...proof, checkpoints: [] }],
    ]
    for (const [code, changed] of bent) expect((await check(changed)).codes).toContain(code)
    expect((await check(proof, { ...recording, manifestSha256: KEY })).codes).toEqual(['manifest-not-in-log'])
    expect((await check(proof, { ...recording, pauses: { src: 0, api: 1, consent: 0 } })).codes).toEqual([
      'pause-not-in-log',
    ])
  })
})
