import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import type { ConsentPolicy } from '../../../../src/consent/policy.ts'
import { CONSENT_EVENTS_MAX, type ConsentEventBody } from '../../../../src/evidence/consent-event.ts'
import { consentState } from '../../../../src/evidence/consent-state.ts'
import { consentName, heldKeyName, KEY_NAME } from '../../../../src/evidence/object-names.ts'
import { isDeciding, type LaterWish } from '../../../../src/evidence/later-consent.ts'
import { verifyRecording, type Verdict } from '../../../../src/evidence/verify.ts'
import { addLater, readConsent, type LaterReport } from '../../../../src/server/consent/later-consent.ts'
import { settleHeld, type SettledHeld } from '../../../../src/server/consent/settle-held.ts'
import { addHold } from '../../../../src/server/custody/hold.ts'
import type { KnownHold } from '../../../../src/server/custody/lost-holds.ts'
import { shred } from '../../../../src/server/custody/shred.ts'
import { ShreddedMarks } from '../../../../src/server/custody/shredded-marks.ts'
import { RecordingCustody } from '../../../../src/server/custody/recording-custody.ts'
import { statementOf, type ConsentRequest } from '../../../../src/server/ledger/statement-requests.ts'
import { HeldKeys } from '../../../../src/server/recording/held-keys.ts'
import { handOverIntents } from '../../../../src/server/vault/left-keys.ts'
import { FolderStore } from '../../../../src/server/storage/folder-store.ts'
import { recordingPrefix } from '../../../../src/server/storage/layout.ts'
import {
  RECORDING_ID,
  sampleRecording,
  sha256,
  storeManifest,
  vault,
  vectorRandom,
  vectorSigner,
} from '../../../vectors/evidence/sample-recording.ts'

const PREFIX = recordingPrefix('default', RECORDING_ID)
const HELD_KEY = new TextEncoder().encode('wrapped held key')
const SPOKEN_YES = { type: 'answered', answer: 'yes', by: 'speech' } as const
const PRESSED_YES = { type: 'answered', answer: 'yes', by: 'dtmf' } as const
const PRESSED_NO = { type: 'answered', answer: 'no', by: 'dtmf' } as const
const PARTICIPANT = 'srfBElmCRp2QB23b7Mpk0w=='
const NOTE = { by: 'Ada Lovelace', reason: 'case 4711' }

const POLICY: ConsentPolicy = {
  ...{ require: 'byRule', deadlineMs: 20_000, onMissing: 'flag', onRefused: 'flag', onWithdrawn: 'flag' },
  ...{ holdUntilConsent: true, heardShareMin: 1, mixedAnnouncement: 'ignored' },
}

let dataDir: string
let requests: ConsentRequest[]
let nowUnixMs: number
/** What ledger and index know of holds. */
let known: readonly KnownHold[]
const random = vectorRandom('earwitness later consent')
const { signingKey, verifyKey } = await vectorSigner()

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'earwitness-later-'))
  requests = []
  known = []
  nowUnixMs = Date.parse('2025-11-24T10:00:00.000Z')
})

afterEach(() => rmSync(dataDir, { recursive: true, force: true }))

/** A recording whose events are these, and of which a part is held. */
async function place(consent: readonly ConsentEventBody[]): Promise<void> {
  const { body, objects } = await sampleRecording({ chunks: [Buffer.from('OggS one')], snapshots: [], consent })
  const wrappedKey = { name: heldKeyName(0), sha256: sha256(HELD_KEY), sizeBytes: HELD_KEY.length }
  const entry = {
    heldSeq: 0,
    recipient: 'age1held',
    wrappedKey,
    fromSample: 0,
    toSample: 0,
    outcome: 'pending',
  } as const
  await storeManifest(objects, { ...body, held: [entry] })
  for (const root of ['recordings', 'replica']) rmSync(join(dataDir, root), { recursive: true, force: true })
  for (const [name, bytes] of objects) {
    for (const root of ['recordings', 'replica']) {
      mkdirSync(join(dataDir, root, PREFIX), { recursive: true })
      writeFileSync(join(dataDir, root, PREFIX, name), bytes)
    }
  }
  await holdKey(HELD_KEY)
}

/** As the recorder leaves it. */
async function holdKey(bytes: Uint8Array): Promise<void> {
  const keys = new HeldKeys({ dataDir })
  await keys.prepare(`${PREFIX}/${heldKeyName(0)}`, bytes)
  await keys.name(`${PREFIX}/${heldKeyName(0)}`)
}

function parts() {
  const adopt = (): Promise<void> => Promise.resolve()
  const places = (['store', 'replica'] as const).map((at) => ({
    ...{ place: at, description: at, adopt },
    store: new FolderStore(join(dataDir, at === 'store' ? 'recordings' : 'replica')),
  }))
  const own = { keys: [verifyKey], signer: signingKey, vaultRecipients: [vault.recipient], randomBytes: random }
  return { places, ...own, nowUnixMs: () => (nowUnixMs += 1_000) }
}

const custodyOf = (): RecordingCustody => new RecordingCustody(parts(), RECORDING_ID, PREFIX)

async function say(
  wish: LaterWish,
  custody = custodyOf(),
): Promise<{ readonly said: LaterReport; readonly held: SettledHeld }> {
  const leave = (request: ConsentRequest): Promise<boolean> => {
    requests.push(request)
    return Promise.resolve(true)
  }
  const said = await addLater({ ...parts(), custody, note: NOTE, leave, policyOf: () => POLICY }, wish)
  const held = await settleHeld(settling(said, custody), isDeciding(wish) ? said.state : undefined)
  return { said, held }
}

const settling = ({ manifest }: Pick<LaterReport, 'manifest'>, custody = custodyOf()): Settling => ({
  ...{ custody, manifest, heldKeys: new HeldKeys({ dataDir }), knownHolds: () => Promise.resolve(known) },
  alone: (work) => work(),
  intents: handOverIntents(dataDir),
  stateNow: async () => consentState((await readConsent(custody, [verifyKey])).events.map(({ event }) => event)),
})
type Settling = Parameters<typeof settleHeld>[0]

const refused = (wish: LaterWish): Promise<unknown> =>
  say(wish).then(
    () => 'said',
    (error: unknown) => (error instanceof Error && 'code' in error ? error.code : error),
  )

async function verdict(root = 'recordings'): Promise<Verdict> {
  const store = new FolderStore(join(dataDir, root))
  const list = async (): Promise<string[]> =>
    (await store.list(`${PREFIX}/`)).map(({ key }) => key.slice(PREFIX.length + 1))
  const objects = { list, get: (name: string) => store.get(`${PREFIX}/${name}`) }
  return verifyRecording({ recordingId: RECORDING_ID, objects, keys: [verifyKey] })
}

const isHeldHere = (): boolean => existsSync(join(dataDir, 'held', `${PREFIX.replaceAll('/', '~')}~${heldKeyName(0)}`))
const hasKey = (root: string): boolean => existsSync(join(dataDir, root, PREFIX, heldKeyName(0)))

describe('who has listened to a spoken yes', () => {
  beforeEach(() => place([SPOKEN_YES]))

  it('makes it an answer, and another decision of a person is what it comes to', async () => {
    expect(await refused({ kind: 'decide', state: 'agreed' })).toBe('consent-unsupported')
    const reviewed = await say({ kind: 'review', answer: 'yes' })
    expect([reviewed.said.state, reviewed.held.outcome]).toEqual(['unknown', 'pending'])
    const { said, held } = await say({ kind: 'decide', state: 'agreed' })
    expect([said.state, held]).toEqual(['agreed', { outcome: 'kept', troubles: [] }])
    expect([isHeldHere(), hasKey('recordings'), hasKey('replica')]).toEqual([false, true, true])
    for (const root of ['recordings', 'replica']) {
      expect(await verdict(root)).toMatchObject({ findings: [], consent: { state: 'agreed' } })
    }
  })

  it('is named by a salted hash alone', async () => {
    const { said } = await say({ kind: 'review', answer: 'yes' })
    const [added] = said.added
    expect(Object.keys(added?.event.personal?.hashes ?? {})).toEqual(['by', 'value'])
    const clear = Buffer.from(added?.jws.split('.')[1] ?? '', 'base64url').toString('utf8')
    expect(clear).toContain('"reviewed"')
    for (const secret of [NOTE.by, NOTE.reason]) expect(clear).not.toContain(secret)
  })

  it('heard a no: it is refused, and what was held is gone', async () => {
    const { said, held } = await say({ kind: 'review', answer: 'no' })
    expect([said.state, held.outcome, isHeldHere(), hasKey('recordings')]).toEqual([
      'refused',
      'destroyed',
      false,
      false,
    ])
    expect(await verdict()).toMatchObject({ findings: [], consent: { state: 'refused' } })
    expect(await refused({ kind: 'decide', state: 'agreed' })).toBe('consent-objected')
  })
})

describe('a party that takes its consent back after the call', () => {
  beforeEach(() => place([PRESSED_YES]))

  it('has withdrawn, until it agrees anew', async () => {
    const { said, held } = await say({ kind: 'withdraw', participantId: PARTICIPANT })
    expect([said.state, held.outcome, isHeldHere()]).toEqual(['withdrawn', 'destroyed', false])
    expect(said.added.map(({ event }) => event.type)).toEqual(['withdrawn', 'decided'])
    expect(await refused({ kind: 'decide', state: 'agreed' })).toBe('consent-objected')
    await say({ kind: 'review', answer: 'yes', participantId: PARTICIPANT })
    expect((await say({ kind: 'decide', state: 'agreed' })).said.state).toBe('agreed')
    expect(await verdict()).toMatchObject({ findings: [], consent: { state: 'agreed' } })
  })

  it('while the recording is on legal hold: nothing is destroyed', async () => {
    const custody = custodyOf()
    const none = { leave: () => Promise.resolve(true), knownHolds: () => Promise.resolve([]) }
    await addHold({ ...parts(), custody, note: NOTE, ...none })
    const { said, held } = await say({ kind: 'withdraw' })
    expect(said.state).toBe('withdrawn')
    expect(held).toMatchObject({ outcome: 'unfinished', troubles: [{ code: 'recording-held' }] })
    expect(isHeldHere()).toBe(true)
  })

  it('while ledger or index know of a hold whose record is gone: nothing is destroyed', async () => {
    known = [{ holdId: RECORDING_ID, recordSha256: 'ab'.repeat(32), knownBy: 'ledger' }]
    const { held } = await say({ kind: 'withdraw' })
    expect(held).toMatchObject({ outcome: 'unfinished', troubles: [{ code: 'hold-lost' }] })
    expect(isHeldHere()).toBe(true)
  })

  it('is not undone by the yes of another, nor is what is held destroyed by a yes', async () => {
    known = [{ holdId: RECORDING_ID, recordSha256: 'ab'.repeat(32), knownBy: 'ledger' }]
    await say({ kind: 'withdraw', participantId: PARTICIPANT })
    known = []
    const { said, held } = await say({ kind: 'review', answer: 'yes', participantId: PARTICIPANT })
    expect([said.state, held, isHeldHere()]).toEqual(['withdrawn', { outcome: 'pending', troubles: [] }, true])
    expect((await say({ kind: 'decide', state: 'agreed' })).held.outcome).toBe('kept')
  })

  it('while somebody else was about to hand over what was held: it is destroyed', async () => {
    const { said } = await say({ kind: 'review', answer: 'yes' })
    const withdrawn = { ...settling(said), stateNow: () => Promise.resolve('withdrawn' as const) }
    expect(await settleHeld(withdrawn, 'agreed')).toEqual({ outcome: 'destroyed', troubles: [] })
    expect([isHeldHere(), hasKey('recordings')]).toEqual([false, false])
  })

  it('when its recording begins to be destroyed while a key is handed over: the key is taken back', async () => {
    const custody = custodyOf()
    const put = custody.put.bind(custody)
    custody.put = async (name, bytes) => {
      await put(name, bytes)
      const marks = new ShreddedMarks(dataDir)
      const shredding = { custody, dataDir, note: NOTE, scope: 'key', bypassesGovernance: false, marks } as const
      if (name === heldKeyName(0)) {
        await shred({ ...shredding, knownHolds: () => Promise.resolve([]), leave: () => Promise.resolve(false) })
        await put(name, bytes)
      }
    }
    const { held } = await say({ kind: 'decide', state: 'agreed' }, custody)
    expect(held).toMatchObject({ outcome: 'unfinished', troubles: [{ code: 'recording-shredded' }] })
    expect([hasKey('recordings'), hasKey('replica')]).toEqual([false, false])
  })

  it('whose key is not the one that the manifest names is not handed over', async () => {
    await new HeldKeys({ dataDir }).destroy(`${PREFIX}/${heldKeyName(0)}`)
    await holdKey(new TextEncoder().encode('another'))
    const { held } = await say({ kind: 'decide', state: 'agreed' })
    expect(held).toMatchObject({ outcome: 'unfinished', troubles: [{ code: 'held-key-damaged' }] })
    expect([isHeldHere(), hasKey('recordings')]).toEqual([true, false])
  })

  it('of which the store does not take the key keeps it here', async () => {
    const custody = custodyOf()
    const put = custody.put.bind(custody)
    custody.put = (name, bytes) => (name === heldKeyName(0) ? Promise.reject(new Error('full')) : put(name, bytes))
    const { held } = await say({ kind: 'decide', state: 'agreed' }, custody)
    expect(held).toMatchObject({ outcome: 'unfinished', troubles: [{ sentence: 'full' }] })
    expect(isHeldHere()).toBe(true)
    expect((await say({ kind: 'decide', state: 'agreed' })).held.outcome).toBe('kept')
  })

  it('after what was held was handed over: only the destruction of the recording helps, and that is said', async () => {
    await say({ kind: 'decide', state: 'agreed' })
    const { held } = await say({ kind: 'withdraw' })
    expect(held).toMatchObject({ outcome: 'unfinished', troubles: [{ code: 'held-key-stored' }] })
  })
})

describe('what is written', () => {
  beforeEach(() => place([PRESSED_YES]))

  it('is told to the ledger in its order, without who and why', async () => {
    const { said } = await say({ kind: 'withdraw' })
    expect(requests.map(({ number, type }) => [number, type])).toEqual([
      [1, 'withdrawn'],
      [2, 'decided'],
    ])
    expect(requests.map(({ requestId }) => requestId)).toEqual(requests.map(({ requestId }) => requestId).toSorted())
    const statements = requests.map((request) => statementOf(request, () => 'salted'))
    expect(statements).toEqual(
      said.added.map(({ event: { number, type }, jws }) => ({
        ...{ kind: 'consent', recordingId: RECORDING_ID, number, type },
        evidenceSha256: sha256(new TextEncoder().encode(jws)),
      })),
    )
  })

  it.each([
    { kind: 'decide', state: 'agreed' },
    { kind: 'review', answer: 'yes' },
    { kind: 'withdraw', participantId: PARTICIPANT },
  ] as const)('twice is written once, and told again: %o', async (wish) => {
    const { said } = await say(wish)
    const again = await say(wish)
    expect(again.said.added).toEqual([])
    const numbers = said.added.map(({ event }) => event.number)
    expect(requests.map(({ number }) => number)).toEqual([...numbers, ...numbers])
    expect(requests.map(({ isNew }) => isNew)).toEqual([...numbers.map(() => true), ...numbers.map(() => false)])
  })

  it('by a command that dies before it told the ledger is told by the next, in its order', async () => {
    const custody = custodyOf()
    const leave = (): Promise<boolean> => Promise.reject(new Error('killed'))
    const wish = { kind: 'review', answer: 'yes' } as const
    const { troubles } = await addLater({ ...parts(), custody, note: NOTE, leave, policyOf: () => POLICY }, wish)
    expect(troubles).toMatchObject([{ code: 'ledger-request-failed' }])
    await say({ kind: 'withdraw' })
    expect(requests.map(({ number }) => number)).toEqual([1, 2, 3])
  })

  it('reaches a replica that was away, with the key that was handed over', async () => {
    await say({ kind: 'decide', state: 'agreed' })
    for (const name of [heldKeyName(0), consentName(1)]) rmSync(join(dataDir, 'replica', PREFIX, name))
    expect((await say({ kind: 'decide', state: 'agreed' })).held).toEqual({ outcome: 'kept', troubles: [] })
    expect(hasKey('replica')).toBe(true)
    expect(existsSync(join(dataDir, 'replica', PREFIX, consentName(1)))).toBe(true)
  })

  it('names no party that the recording does not know: nothing but ids gets into what is signed', async () => {
    expect(await refused({ kind: 'withdraw', participantId: '+4930123456' })).toBe('consent-unknown-party')
  })

  it('is refused when no more events can be kept: the limit of what anybody will read', async () => {
    await place(Array.from({ length: CONSENT_EVENTS_MAX - 1 }, () => PRESSED_YES))
    // It would be two: what the person heard, and what that decides.
    expect(await refused({ kind: 'review', answer: 'no' })).toBe('consent-full')
    expect((await readConsent(custodyOf(), [verifyKey])).events).toHaveLength(CONSENT_EVENTS_MAX - 1)
    await say({ kind: 'review', answer: 'yes' })
    expect(await refused({ kind: 'withdraw' })).toBe('consent-full')
  })

  it('of an answer that nobody gave is refused', async () => {
    await place([])
    expect(await refused({ kind: 'review', answer: 'yes' })).toBe('consent-unanswered')
    expect(await refused({ kind: 'decide', state: 'agreed' })).toBe('consent-unsupported')
  })

  it('goes behind what somebody else wrote at the same moment', async () => {
    const yes = { kind: 'review', answer: 'yes' } as const
    const wishes = [yes, { ...yes, participantId: PARTICIPANT }]
    await Promise.all(wishes.map((wish) => say(wish)))
    const { consent, findings } = await verdict()
    expect([findings, consent?.events.map(({ event }) => event.number)]).toEqual([[], [0, 1, 2]])
  })

  it('is refused behind events that were tampered with', async () => {
    const path = join(dataDir, 'recordings', PREFIX, consentName(0))
    writeFileSync(path, 'forged')
    expect(await refused({ kind: 'withdraw' })).toBe('consent-damaged')
    expect(requests).toEqual([])
  })

  it('is refused behind a later event that was forged', async () => {
    await say({ kind: 'review', answer: 'yes' })
    const path = join(dataDir, 'recordings', PREFIX, consentName(1))
    writeFileSync(path, `${readFileSync(path, 'latin1').slice(0, -4)}AAAA`)
    expect(await refused({ kind: 'withdraw' })).toBe('consent-damaged')
  })

  it('is refused while the recording is being made', async () => {
    for (const root of ['recordings', 'replica']) rmSync(join(dataDir, root, PREFIX, 'manifest.jws'))
    expect(existsSync(join(dataDir, 'recordings', PREFIX, KEY_NAME))).toBe(true)
    expect(await refused({ kind: 'withdraw' })).toBe('consent-recording-open')
  })

  it('is lacking: `missing` destroys what was held, and takes nothing from who refused', async () => {
    expect((await say({ kind: 'decide', state: 'missing' })).held.outcome).toBe('destroyed')
    await place([PRESSED_NO])
    const { said, held } = await say({ kind: 'decide', state: 'missing' })
    expect([said.state, said.added, held.outcome]).toEqual(['refused', [], 'destroyed'])
  })
})

it('what was held, whose key is on another machine, is not handed over, and that is said', async () => {
  await place([PRESSED_YES])
  rmSync(join(dataDir, 'held'), { recursive: true })
  const { held } = await say({ kind: 'decide', state: 'agreed' })
  expect(held).toMatchObject({ outcome: 'unfinished', troubles: [{ code: 'held-key-absent' }] })
})
