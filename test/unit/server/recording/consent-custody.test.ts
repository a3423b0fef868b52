import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import type { ConsentEventBody } from '../../../../src/evidence/consent-event.ts'
import { CONSENT_EVENTS_MAX } from '../../../../src/evidence/consent-event.ts'
import { consentState } from '../../../../src/evidence/consent-state.ts'
import { decodeManifest, type ManifestBody } from '../../../../src/evidence/manifest.ts'
import { verifyRecording } from '../../../../src/evidence/verify.ts'
import { Custody } from '../../../../src/server/recording/custody.ts'
import { DECISIVE_EVENTS_RESERVED } from '../../../../src/server/recording/consent-trail.ts'
import type { LiveRecording } from '../../../../src/server/recording/live-recording.ts'
import { OpenJournal } from '../../../../src/server/recording/open-journal.ts'
import type { ObjectionPolicy } from '../../../../src/server/recording/consent-recovery.ts'
import { recoverInterrupted } from '../../../../src/server/recording/recovery.ts'
import { recordingObjects } from '../../../../src/server/storage/object-store.ts'
import { UploadQueue } from '../../../../src/server/storage/upload-queue.ts'
import { OPENED_AT_UNIX_MS } from '../../../support/recording-rig.ts'
import { AGREED } from '../../../vectors/evidence/sample-consent.ts'
import { vectorSigner } from '../../../vectors/evidence/sample-recording.ts'
import { liveRecording, manifestOf, MemoryStore, nextChunk, RecordList } from './live-recordings.ts'

const { signingKey, verifyKey } = await vectorSigner()
const AT = new Date(OPENED_AT_UNIX_MS).toISOString()
const withdrawn: ConsentEventBody = { type: 'withdrawn', by: 'dtmf' }
const DECIDED: ConsentEventBody = { type: 'decided', state: 'withdrawn', because: [0] }

let dataDir: string
let store: MemoryStore
let journal: OpenJournal
let outbox: RecordList
let statements: { readonly kind: string; readonly evidenceSha256?: string }[]
let counted: string[]
let custody: Custody
let recording: LiveRecording
let isDiskFailing = false
/** What recovery says is to be looked at once it is closed, and what of it was still in the journal then. */
let shredWanted: string[]
/** Of the source now. */
let policy: ObjectionPolicy

beforeEach(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'earwitness-consent-'))
  store = new MemoryStore()
  recording = liveRecording()
  await start()
})

afterEach(async () => {
  await journal.settled()
  rmSync(dataDir, { recursive: true, force: true })
})

/** A process begins: nothing in memory is left of the one before. */
async function start(): Promise<void> {
  journal = new OpenJournal({
    dataDir,
    nowUnixMs: () => OPENED_AT_UNIX_MS,
    onError: (error) => {
      if (!isDiskFailing) throw error
    },
  })
  await journal.run()
  outbox = new RecordList()
  statements = []
  counted = []
  shredWanted = []
  policy = { onRefused: 'stop', onWithdrawn: 'stop' }
  custody = new Custody({
    uploads: new UploadQueue({ store, observer: { stored: () => {}, failed: () => {} }, nowUnixMs: () => 0 }),
    ...{ outbox, journal, signer: signingKey, nowUnixMs: () => OPENED_AT_UNIX_MS + 60_000 },
    ledger: { append: (statement) => void statements.push(statement), written: () => Promise.resolve() },
    onConsentEvent: (type) => void counted.push(type),
  })
}

async function restart(now?: ObjectionPolicy): Promise<void> {
  await start()
  policy = now ?? policy
  await recoverInterrupted({
    ...{ journal, leftOpen: await journal.leftOpen(), signer: verifyKey, store, custody },
    policyOf: () => policy,
    shredWanted: async (recordingId, prefix) => {
      shredWanted.push(`${prefix} ${existsSync(join(dataDir, 'open', `${recordingId}.jsonl`)) ? 'open' : 'closed'}`)
    },
    reportError: (_recordingId, error) => {
      throw error
    },
  })
}

async function storedManifest(): Promise<ManifestBody> {
  const decoded = decodeManifest(new TextDecoder().decode(await store.get(`${recording.objectPrefix}/manifest.jws`)))
  if (!decoded.ok) throw new Error(decoded.reason)
  return decoded.value.body
}

function verify() {
  const { recordingId } = recording.facts
  return verifyRecording({ recordingId, objects: recordingObjects(store, recording.objectPrefix), keys: [verifyKey] })
}

function told(): readonly (string | undefined)[] {
  return statements.flatMap(({ kind, evidenceSha256 }) => (kind === 'consent' ? [evidenceSha256] : []))
}

function states(): readonly string[] {
  return outbox.records.flatMap((record) => (record.kind === 'consentNoted' ? [record.state] : []))
}

describe('a consent event of a recording under way', () => {
  it('is numbered at once, and then journalled, told, counted and stored, and in the manifest', async () => {
    custody.opened(recording)
    const taken = AGREED.map((body) => custody.consented(recording, { body, at: AT }))
    expect(taken.map((event) => event?.number)).toEqual([0, 1, 2, 3, 4])
    expect(await Promise.all(taken.flatMap((event) => event?.kept ?? []))).toEqual([true, true, true, true, true])
    const lines = readFileSync(join(dataDir, 'open', `${recording.facts.recordingId}.jsonl`), 'utf8')
    expect(lines.match(/"kind":"consent"/g)).toHaveLength(5)
    custody.sealed(recording, nextChunk(recording))
    await custody.close(recording.objectPrefix, manifestOf(recording))
    const { consentEvents } = await storedManifest()
    expect(consentEvents.map(({ type }) => type)).toEqual(AGREED.map(({ type }) => type))
    expect(told()).toEqual(consentEvents.map(({ sha256 }) => sha256))
    expect(states()).toEqual(['unknown', 'unknown', 'unknown', 'unknown', 'agreed'])
    expect(counted).toEqual(AGREED.map(({ type }) => type))
    expect(await verify()).toMatchObject({ verified: true, findings: [], consent: { state: 'agreed' } })
  })

  it('is signed though the disk did not take its line, which is there with the next one', async () => {
    custody.opened(recording)
    await custody.consented(recording, { body: { type: 'answered', answer: 'none', by: 'dtmf' }, at: AT })?.kept
    const file = join(dataDir, 'open', `${recording.facts.recordingId}.jsonl`)
    renameSync(file, `${file}.aside`)
    mkdirSync(file)
    isDiskFailing = true
    const lost = custody.consented(recording, { body: withdrawn, at: AT })
    expect([await lost?.isSigned, await lost?.kept]).toEqual([true, false])
    rmdirSync(file)
    renameSync(`${file}.aside`, file)
    isDiskFailing = false
    const next = custody.consented(recording, { body: { ...DECIDED, because: [1] }, at: AT })
    expect([await next?.isSigned, await next?.kept]).toEqual([true, true])
    expect(readFileSync(file, 'utf8').match(/"kind":"consent"/g)).toHaveLength(3)
  })

  it('waits until the recording is opened, whose line is the first of the journal', async () => {
    custody.consented(recording, { body: withdrawn, at: AT })
    custody.opened(recording)
    await custody.close(recording.objectPrefix, manifestOf(recording))
    expect((await storedManifest()).consentEvents).toHaveLength(1)
    expect(statements.map(({ kind }) => kind)).toEqual(['recordingOpened', 'consent', 'recordingClosed'])
  })

  it('is in the manifest though it was taken just before the end, and refused behind it', async () => {
    custody.opened(recording)
    custody.consented(recording, { body: withdrawn, at: AT })
    const closing = custody.close(recording.objectPrefix, manifestOf(recording))
    expect(custody.consented(recording, { body: withdrawn, at: AT })).toBeUndefined()
    await closing
    expect((await storedManifest()).consentEvents).toHaveLength(1)
  })

  it('has what names people as hashes and sealed to the recording', async () => {
    custody.opened(recording)
    const personal = { value: 'alice@example.com said yes' }
    await custody.consented(recording, { body: { type: 'declared', by: 'header' }, at: AT, personal })?.kept
    const { events } = recording.consent
    expect(events[0]?.event.personal?.hashes).toMatchObject({ value: expect.stringMatching(/^[0-9a-f]{64}$/) })
    expect(JSON.stringify(events[0]?.event)).not.toContain('alice')
    await custody.close(recording.objectPrefix, manifestOf(recording))
  })

  it('must be of the format: nothing is numbered that could not be signed', async () => {
    const bad = { type: 'answered', answer: 'perhaps', by: 'dtmf' } as unknown as ConsentEventBody
    expect(() => custody.consented(recording, { body: bad, at: AT })).toThrow(TypeError)
    expect(() => custody.consented(recording, { body: withdrawn, at: 'now' })).toThrow(TypeError)
    const long = { ...withdrawn, participantId: 'x'.repeat(4_000), explanation: 'x'.repeat(4_000) }
    expect(() => custody.consented(recording, { body: long, at: AT })).toThrow('too long')
    custody.opened(recording)
    expect(custody.consented(recording, { body: withdrawn, at: AT })?.number).toBe(0)
    await custody.close(recording.objectPrefix, manifestOf(recording))
  })

  it('is counted and not kept beyond the bound; there is always room for a withdrawal', async () => {
    custody.opened(recording)
    const answered: ConsentEventBody = { type: 'answered', answer: 'yes', by: 'dtmf' }
    const room = CONSENT_EVENTS_MAX - DECISIVE_EVENTS_RESERVED
    for (let number = 0; number < room; number += 1) recording.consent.number('answered')
    expect(custody.consented(recording, { body: answered, at: AT })).toBeUndefined()
    expect(custody.consented(recording, { body: withdrawn, at: AT })?.number).toBe(room)
    expect(recording.consent.unlisted).toBe(1)
    await custody.close(recording.objectPrefix, manifestOf(recording))
    expect(await storedManifest()).toMatchObject({ unlistedConsentEvents: 1 })
  })
})

describe('after kill -9', () => {
  it('at any byte of the journal the recording has no more consent than the events that are left of it', async () => {
    custody.opened(recording)
    const bodies = [...AGREED, withdrawn, { type: 'decided', state: 'withdrawn', because: [5] }] as const
    const taken = bodies.map((body) => custody.consented(recording, { body, at: AT }))
    await Promise.all(taken.flatMap((event) => event?.kept ?? []))
    const toldBefore = told()
    const file = join(dataDir, 'open', `${recording.facts.recordingId}.jsonl`)
    const whole = readFileSync(file)
    const opened = whole.indexOf('\n') + 1
    for (let end = opened; end <= whole.length; end += 173) {
      store = new MemoryStore()
      writeFileSync(file, whole.subarray(0, end))
      await restart()
      const left = whole
        .subarray(0, end)
        .toString()
        .split('\n')
        .slice(0, -1)
        .filter((line) => line.includes('"kind":"consent"')).length
      const expected = consentState(bodies.slice(0, left).map((body, number) => ({ ...body, number })))
      const verdict = await verify()
      expect(verdict).toMatchObject({ verified: true, consent: { state: expected } })
      expect(states().at(-1) ?? 'unknown').toBe(expected)
      // What the ledger is told again is what it was told before, or would have been.
      expect(told()).toEqual(toldBefore.slice(0, left))
    }
  })

  it('while the store is away the events are kept by the journal alone', async () => {
    custody.opened(recording)
    await custody.consented(recording, { body: AGREED[0]!, at: AT })?.kept
    store = new MemoryStore()
    await restart()
    expect([shredWanted, store.namesOf(recording)]).toEqual([[], expect.arrayContaining(['consent-000.jws'])])
    expect(await verify()).toMatchObject({ verified: true, counts: { consentEvents: 1 } })
  })

  it.each([
    ['before its manifest is stored', false],
    ['before its journal is removed', true],
  ])('what its policy wanted destroyed is noted at the next start, killed %s', async (_when, isClosed) => {
    custody.opened(recording)
    custody.consented(recording, { body: withdrawn, at: AT })
    custody.consented(recording, { body: { type: 'enforced', action: 'stop' }, at: AT })
    custody.consented(recording, { body: { type: 'enforced', action: 'shred' }, at: AT })
    const file = join(dataDir, 'open', `${recording.facts.recordingId}.jsonl`)
    await recording.consent.over()
    const lines = readFileSync(file)
    if (isClosed) await custody.close(recording.objectPrefix, manifestOf(recording))
    await journal.settled()
    writeFileSync(file, lines)
    await restart()
    expect(shredWanted).toEqual([`${recording.objectPrefix} open`])
  })

  const enforced: ConsentEventBody = { type: 'enforced', action: 'stop' }
  const paused: ConsentEventBody = { type: 'enforced', action: 'pause' }
  const refused: ConsentEventBody = { type: 'answered', answer: 'no', by: 'dtmf' }
  const yes: ConsentEventBody = { type: 'answered', answer: 'yes', by: 'dtmf' }
  const resumed: ConsentEventBody = { type: 'enforced', action: 'resume' }
  const NO_PAUSED: readonly ConsentEventBody[] = [refused, { type: 'decided', state: 'refused', because: [0] }, paused]
  it.each([
    ['withdrawn', [withdrawn], { onRefused: 'stop', onWithdrawn: 'shred' }, 1],
    ['withdrawn, as decided', [withdrawn, DECIDED], { onRefused: 'stop', onWithdrawn: 'shred' }, 1],
    ['refused', [refused], { onRefused: 'shred', onWithdrawn: 'stop' }, 1],
    ['withdrawn, where that need not be', [withdrawn], { onRefused: 'shred', onWithdrawn: 'stop' }, 0],
    [
      'withdrawn, of which more was done',
      [withdrawn, DECIDED, enforced],
      { onRefused: 'shred', onWithdrawn: 'shred' },
      0,
    ],
    ['withdrawn when its deadline had passed', [withdrawn, paused], { onRefused: 'shred', onWithdrawn: 'shred' }, 1],
    [
      'withdrawn after a no of which less was done',
      [...NO_PAUSED, withdrawn],
      { onRefused: 'pause', onWithdrawn: 'shred' },
      1,
    ],
    [
      'withdrawn after a no that was taken back',
      [...NO_PAUSED, yes, { type: 'decided', state: 'agreed', because: [3] }, resumed, withdrawn],
      { onRefused: 'pause', onWithdrawn: 'shred' },
      1,
    ],
    [
      'withdrawn twice, of which the first was acted upon',
      [withdrawn, DECIDED, paused, yes, { type: 'decided', state: 'agreed', because: [3] }, resumed, withdrawn],
      { onRefused: 'pause', onWithdrawn: 'shred' },
      1,
    ],
    [
      'refused once more, where that changed nothing',
      [...NO_PAUSED, refused],
      { onRefused: 'shred', onWithdrawn: 'stop' },
      0,
    ],
    ['agreed to', AGREED, { onRefused: 'shred', onWithdrawn: 'shred' }, 0],
  ] as const)(
    'killed before anything was done, a recording that is %s is what its policy wants now',
    async (...row) => {
      const [, bodies, now, wanted] = row
      custody.opened(recording)
      for (const body of bodies) custody.consented(recording, { body, at: AT })
      await recording.consent.over()
      await restart(now)
      expect(shredWanted).toHaveLength(wanted)
    },
  )

  it('with the manifest stored, ledger and database are told again what they may not know', async () => {
    custody.opened(recording)
    custody.consented(recording, { body: withdrawn, at: AT })
    const file = join(dataDir, 'open', `${recording.facts.recordingId}.jsonl`)
    await recording.consent.over()
    const lines = readFileSync(file)
    await custody.close(recording.objectPrefix, manifestOf(recording))
    await journal.settled()
    writeFileSync(file, lines)
    await restart()
    expect(statements.map(({ kind }) => kind)).toEqual(['recordingOpened', 'consent', 'recordingClosed'])
    expect(states()).toEqual(['withdrawn'])
  })
})
