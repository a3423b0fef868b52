import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, expect, it } from 'vitest'

import type { ConsentPolicy } from '../../../../src/consent/policy.ts'
import type { ConsentEventBody } from '../../../../src/evidence/consent-event.ts'
import { heldKeyName, isConsentName } from '../../../../src/evidence/object-names.ts'
import { LaterConsentDesk, LATER_WAITING_MAX } from '../../../../src/server/consent/later-desk.ts'
import type { DatabaseRecord } from '../../../../src/server/database/records.ts'
import { acquireDataLock } from '../../../../src/server/data-lock.ts'
import { addConsentRoutes } from '../../../../src/server/http/consent-routes.ts'
import { addLaterConsentRoute } from '../../../../src/server/http/later-consent-routes.ts'
import { createHttpServer } from '../../../../src/server/http/server.ts'
import { waitingRequests } from '../../../../src/server/ledger/statement-requests.ts'
import { HeldKeys } from '../../../../src/server/recording/held-keys.ts'
import { FolderStore } from '../../../../src/server/storage/folder-store.ts'
import { recordingPrefix } from '../../../../src/server/storage/layout.ts'
import {
  RECORDING_ID,
  sampleRecording,
  sha256,
  storeManifest,
  vault,
  vectorSigner,
} from '../../../vectors/evidence/sample-recording.ts'

/** The route with the desk behind it, over a store in a folder; of the recording a part is held until consent. */
const PREFIX = recordingPrefix('default', RECORDING_ID)
const HELD_KEY = new TextEncoder().encode('wrapped held key')
const PARTICIPANT = 'srfBElmCRp2QB23b7Mpk0w=='
const WHO = { by: 'Ada Lovelace', reason: 'letter of 29 November' }
const OTHER_ID = '019aaff1-0680-7abc-8def-0123456789ff'
const { signingKey, verifyKey } = await vectorSigner()
const POLICY: ConsentPolicy = {
  ...{ require: 'byRule', deadlineMs: 20_000, onMissing: 'flag', onRefused: 'flag', onWithdrawn: 'flag' },
  ...{ holdUntilConsent: true, heardShareMin: 1, mixedAnnouncement: 'ignored' },
}

let dataDir: string
let counted: string[]
let rows: DatabaseRecord[]
let warned: object[]
let isOutboxFull: boolean
let app: ReturnType<typeof createHttpServer>

beforeEach(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'earwitness-later-route-'))
  ;[counted, rows, warned, isOutboxFull] = [[], [], [], false]
  const folder = { path: undefined }
  const desk = new LaterConsentDesk({
    config: {
      dataDir,
      sources: [],
      consent: { byDefault: { policy: POLICY, own: [] } } as never,
      storage: { kind: 'folder', folder, s3: undefined, replica: undefined } as never,
    },
    signer: { signingKey, verifyKey },
    vaultRecipients: [vault.recipient],
    // No index is there to be asked for holds.
    database: { pool: { query: () => Promise.resolve({ rows: [] }) } } as never,
    outbox: { add: (row) => !isOutboxFull && rows.push(row) > 0 },
    settleWaitMs: 0,
    log: { warn: (fields: object) => void warned.push(fields) },
    onEvent: (type) => void counted.push(type),
  })
  app = createHttpServer(() => {})
  const store = new FolderStore(join(dataDir, 'recordings'))
  addConsentRoutes(app, (id, name) => store.get(`${recordingPrefix('default', id)}/${name}`))
  addLaterConsentRoute(app, (saying) => desk.say(saying))
  await place([{ type: 'answered', answer: 'yes', by: 'speech' }])
})

afterEach(async () => {
  await app.close()
  rmSync(dataDir, { recursive: true, force: true })
})

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
  mkdirSync(join(dataDir, 'recordings', PREFIX), { recursive: true })
  for (const [name, bytes] of objects) writeFileSync(join(dataDir, 'recordings', PREFIX, name), bytes)
  const heldKeys = new HeldKeys({ dataDir })
  await heldKeys.prepare(`${PREFIX}/${heldKeyName(0)}`, HELD_KEY)
  await heldKeys.name(`${PREFIX}/${heldKeyName(0)}`)
}

async function post(body: unknown, id = RECORDING_ID, headers: Record<string, string> = {}) {
  const url = `/api/v1/recordings/${id}/consent-events`
  const { statusCode, body: text } = await app.inject({
    ...{ method: 'POST', url },
    headers: { 'content-type': 'application/json', ...headers },
    payload: JSON.stringify(body),
  })
  return { status: statusCode, answer: JSON.parse(text) as Record<string, unknown> }
}

const eventsThere = (): number => readdirSync(join(dataDir, 'recordings', PREFIX)).filter(isConsentName).length

it('is answered once it is signed and stored, is shown, counted and indexed, and said again is written once', async () => {
  const reviewed = await post({ action: 'review', answer: 'yes', ...WHO })
  expect(reviewed).toMatchObject({ status: 201, answer: { state: 'unknown', held: 'pending', troubles: [] } })
  expect(reviewed.answer.added).toMatchObject([{ type: 'reviewed', number: 1 }])
  const decided = await post({ action: 'decide', state: 'agreed', ...WHO })
  expect(decided).toMatchObject({ status: 201, answer: { state: 'agreed', held: 'kept', isShredded: false } })
  expect(eventsThere()).toBe(3)
  const again = await post({ action: 'decide', state: 'agreed', ...WHO })
  expect(again).toMatchObject({ status: 200, answer: { state: 'agreed', added: [] } })
  expect([eventsThere(), counted]).toEqual([3, ['reviewed', 'decided']])
  expect(rows.at(-1)).toMatchObject({ kind: 'consentNoted', type: 'decided', state: 'agreed' })
  const shown = await app.inject(`/api/v1/recordings/${RECORDING_ID}/consent-events`)
  expect(shown.json()).toMatchObject({
    state: 'agreed',
    consentEvents: [{ type: 'answered' }, { type: 'reviewed' }, { type: 'decided' }],
  })
  expect(shown.body + JSON.stringify(decided)).not.toContain('Ada')
})

it('is counted here, and not once more when the ledger says it', async () => {
  mkdirSync(join(dataDir, 'ledger'))
  await post({ action: 'review', answer: 'yes', ...WHO })
  const requests = await waitingRequests(dataDir)
  expect(requests).toMatchObject([{ kind: 'consent', type: 'reviewed', isNew: false }])
  expect(counted).toEqual(['reviewed'])
})

it('is compared with the rule: what goes beyond the evidence is written, and says so', async () => {
  const asks = {
    require: 'agreement',
    parties: 'all',
    when: 'during',
    notice: ['announcement'],
    recordAnnouncement: false,
  } as const
  const rule = {
    type: 'ruleChosen',
    rule: 'all parties, agreement',
    jurisdictions: ['de'],
    explanation: [],
    asks,
  } as const
  await place([rule, { type: 'answered', answer: 'yes', by: 'dtmf', participantId: PARTICIPANT }])
  const decided = await post({ action: 'decide', state: 'agreed', ...WHO })
  const ruleCheck = { outcome: 'deviates', rule: 0, explanation: [expect.stringContaining('have not agreed')] }
  expect(decided).toMatchObject({ status: 201, answer: { state: 'agreed', ruleCheck, added: [{ ruleCheck }] } })
  // Who was not told, as the answer was lost, asks again.
  const again = await post({ action: 'decide', state: 'agreed', ...WHO })
  expect(again).toMatchObject({ status: 200, answer: { state: 'agreed', ruleCheck, added: [] } })
  const other = await post({ action: 'withdraw', participantId: PARTICIPANT, destroysHeld: true, ...WHO })
  expect(other.answer).not.toHaveProperty('ruleCheck')
  const missing = await post({ action: 'decide', state: 'missing', destroysHeld: true, ...WHO })
  expect([missing.status, missing.answer.ruleCheck]).toEqual([200, undefined])
})

it('destroys what is held only when that is wanted, and says what could not be done without a name', async () => {
  const refused = await post({ action: 'withdraw', participantId: PARTICIPANT, ...WHO })
  expect(refused).toMatchObject({ status: 409, answer: { code: 'consent-destroys-held' } })
  expect(eventsThere()).toBe(1)
  const said = await post({ action: 'withdraw', participantId: PARTICIPANT, destroysHeld: true, ...WHO })
  expect(said).toMatchObject({ status: 201, answer: { state: 'withdrawn', held: 'destroyed' } })
  expect(await new HeldKeys({ dataDir }).read(`${PREFIX}/${heldKeyName(0)}`)).toBeUndefined()
  expect(warned).toEqual([])
})

it('what is held waits for whoever settles it, and nobody is told to stop the recorder', async () => {
  const lock = await acquireDataLock({ dataDir: join(dataDir, 'held'), purpose: 'command' })
  const said = await post({ action: 'withdraw', destroysHeld: true, ...WHO })
  expect(said).toMatchObject({
    status: 201,
    answer: { state: 'withdrawn', held: 'unfinished', troubles: [{ place: 'node', code: 'consent-settling' }] },
  })
  expect(JSON.stringify(said)).not.toMatch(/kill|process/)
  expect([eventsThere(), counted, rows.length]).toEqual([3, ['withdrawn', 'decided'], 2])
  lock.release()
  const again = await post({ action: 'withdraw', destroysHeld: true, ...WHO })
  expect(again).toMatchObject({ status: 200, answer: { held: 'destroyed', troubles: [] } })
})

it('what is written before something fails is counted and indexed all the same', async () => {
  // Where the second event belongs something is in the way.
  mkdirSync(join(dataDir, 'recordings', PREFIX, 'consent-002.jws'))
  const failed = await post({ action: 'withdraw', destroysHeld: true, ...WHO })
  expect(failed.status).toBe(503)
  expect([counted, rows]).toMatchObject([
    ['withdrawn'],
    [{ kind: 'consentNoted', type: 'withdrawn', state: 'withdrawn' }],
  ])
})

it('what the index cannot take is told', async () => {
  isOutboxFull = true
  const said = await post({ action: 'review', answer: 'yes', ...WHO })
  expect(said).toMatchObject({ status: 201, answer: { troubles: [{ place: 'index', code: 'index-full' }] } })
  expect([counted, warned]).toMatchObject([['reviewed'], [{ troubles: ['index-full'] }]])
})

it('of many at the same moment, one is written, and those beyond the bound are to come again', async () => {
  const all = await Promise.all(
    Array.from({ length: LATER_WAITING_MAX + 3 }, () => post({ action: 'review', answer: 'yes', ...WHO })),
  )
  const statuses = all.map(({ status }) => status)
  expect(statuses.filter((status) => status === 201)).toHaveLength(1)
  expect(statuses.filter((status) => status === 503)).toHaveLength(2)
  expect(all.find(({ status }) => status === 503)?.answer).toMatchObject({ code: 'consent-busy' })
  expect(eventsThere()).toBe(2)
})

const REVIEW = { action: 'review', answer: 'yes', ...WHO }
it.each<readonly [number, string, unknown, (string | undefined)?]>([
  [400, 'consent-event-invalid', null],
  [400, 'consent-event-invalid', []],
  [400, 'consent-event-invalid', { ...REVIEW, action: 'forget' }],
  [400, 'consent-event-invalid', { ...REVIEW, answer: 'perhaps' }],
  [400, 'consent-event-invalid', { ...REVIEW, by: ' ' }],
  [400, 'consent-event-invalid', { ...REVIEW, reason: 'x'.repeat(5_000) }],
  [400, 'consent-event-invalid', { ...REVIEW, partcipantId: PARTICIPANT }],
  [400, 'consent-event-invalid', { ...REVIEW, participantId: 'x'.repeat(201) }],
  [400, 'consent-event-invalid', { ...REVIEW, destroysHeld: 'yes' }],
  [400, 'consent-event-invalid', { action: 'withdraw', answer: 'no', ...WHO }],
  [400, 'consent-event-invalid', { action: 'decide', state: 'refused', ...WHO }],
  [400, 'consent-event-invalid', { action: 'decide', state: 'agreed', participantId: PARTICIPANT, ...WHO }],
  [413, 'bad-request', { ...REVIEW, reason: 'x'.repeat(20_000) }],
  [400, 'consent-unknown-party', { ...REVIEW, participantId: 'Bob' }],
  [400, 'recording-id-invalid', REVIEW, 'nothing'],
  [404, 'recording-not-found', REVIEW, OTHER_ID],
  [409, 'consent-unsupported', { action: 'decide', state: 'notified', ...WHO }],
])('%i %s, and nothing is written (%#)', async (status, code, body, id) => {
  expect(await post(body, id as string | undefined)).toMatchObject({ status, answer: { code } })
  expect([eventsThere(), counted, rows]).toEqual([1, [], []])
})

it('is refused to pages of other sites', async () => {
  const refused = await post(REVIEW, RECORDING_ID, { 'sec-fetch-site': 'cross-site' })
  expect(refused).toMatchObject({ status: 403, answer: { code: 'cross-site' } })
})
