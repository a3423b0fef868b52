import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import Fastify from 'fastify'
import { Value } from 'typebox/value'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { acquireDataLock, type DataLock } from '../../src/server/data-lock.ts'
import { openDatabase } from '../../src/server/database/open-database.ts'
import { applyRecords, planRecord } from '../../src/server/database/apply-records.ts'
import { showRecording } from '../../src/server/database/queries.ts'
import type { Database } from '../../src/server/database/database.ts'
import { addConsentRoutes } from '../../src/server/http/consent-routes.ts'
import { recordingPrefix } from '../../src/server/storage/layout.ts'
import { runCommandHere } from '../support/daemon.ts'
import { makeDataDir } from '../support/postgres.ts'
import { VCON_SCHEMA } from '../support/vcon-schema.ts'
import { AGREED, WITHDRAWN } from '../vectors/evidence/sample-consent.ts'
import {
  RECORDING_ID,
  sampleRecording,
  vectorText,
  type SampleRecording,
} from '../vectors/evidence/sample-recording.ts'

/** Consent events from a folder store, into the database of the recorder, and to those who ask: nobody but the store knows of them at first. */

const OTHER_ID = '019aaff1-0680-7abc-8def-0123456789ff'
const late = WITHDRAWN.map((body) => (body.type === 'decided' ? { ...body, because: [AGREED.length] } : body))
const contents = { chunks: [Buffer.from('OggS one')], snapshots: [Buffer.from('<recording/>')] }

const { dataDir, log, removeDataDir } = makeDataDir()
const env = { EARWITNESS_DATA_DIR: dataDir }
let recording: SampleRecording
let lock: DataLock
let database: Database

function store(id: string, { objects }: SampleRecording): string {
  const folder = join(dataDir, 'recordings', recordingPrefix('default', id))
  mkdirSync(folder, { recursive: true })
  for (const [name, bytes] of objects) writeFileSync(join(folder, name), bytes)
  return folder
}

function text(name: string): string {
  return Buffer.from(recording.objects.get(name) ?? []).toString()
}

async function asked(...args: readonly string[]): Promise<unknown> {
  const { code, stdout, stderr } = await runCommandHere([...args, '--json'], env)
  if (stdout === '') throw new Error(`${code}: ${stderr}`)
  return JSON.parse(stdout)
}

beforeAll(async () => {
  mkdirSync(join(dataDir, 'keys'), { recursive: true })
  writeFileSync(join(dataDir, 'keys', 'signer.pub.pem'), vectorText('recording-1/signer.pub.pem'))
  recording = await sampleRecording({ ...contents, consent: AGREED, lateConsent: late })
  store(RECORDING_ID, recording)
  const damaged = await sampleRecording({ ...contents, consent: AGREED, recordingId: OTHER_ID })
  // A decision whose answer is gone supports nothing.
  rmSync(join(store(OTHER_ID, damaged), 'consent-003.jws'))
  // One server for all that follows: the commands join it, as they do where a daemon runs.
  lock = await acquireDataLock({ dataDir, purpose: 'serve' })
  database = await openDatabase({ dataDir, log, lock })
}, 120_000)

afterAll(async () => {
  await database.stop()
  lock.release()
  removeDataDir()
})

describe('consent events', () => {
  it('come back from the store alone, with the state that they support, and nothing more', async () => {
    const {
      code,
      stderr,
      stdout: out,
    } = await runCommandHere(['reindex', '--from', '2025-11-23', '--to', '2025-11-24'], env)
    expect(code, stderr + out).toBe(4)
    expect(await asked('recordings', 'list', '--consent', 'withdrawn')).toMatchObject({
      recordings: [{ recordingId: RECORDING_ID, consentState: 'withdrawn' }],
    })
    expect(await asked('recordings', 'list', '--consent', 'agreed')).toMatchObject({ recordings: [] })
    expect(await asked('recordings', 'list', '--consent', 'unknown')).toMatchObject({
      recordings: [{ recordingId: OTHER_ID }],
    })
    const { stdout } = await runCommandHere(['recordings', 'show', RECORDING_ID], env)
    expect(stdout).toContain('"yes" was answered by a key')
    expect(stdout).toContain('rule us-fl (Florida Statutes 934.03')
  })

  it('are the same when they are told again, in any order: nothing is taken back', async () => {
    const before = await showRecording(database, RECORDING_ID)
    expect(before?.consentEvents).toHaveLength(AGREED.length + late.length)
    const again = before?.consentEvents.toReversed().map((row) => {
      const { number, type, at, state, sha256, jws } = row
      const object = { objectName: `consent-00${number}.jws`, sizeBytes: jws.length }
      return planRecord({
        kind: 'consentNoted',
        recordingId: RECORDING_ID,
        number,
        type,
        at,
        state: state as 'agreed',
        sha256,
        jws,
        ...object,
      })
    })
    await applyRecords(database.pool, again ?? [])
    const after = await showRecording(database, RECORDING_ID)
    expect(after).toEqual(before)
    expect(after?.consentState).toBe('withdrawn')
  })

  it('are served as they were signed, and a recording that is not there is not found', async () => {
    const app = Fastify()
    addConsentRoutes(app, (id, name) => Promise.resolve(id === RECORDING_ID ? recording.objects.get(name) : undefined))
    const found = await app.inject(`/api/v1/recordings/${RECORDING_ID}/consent-events`)
    const answer = found.json<{ state: string; consentEvents: { type: string; jws: string }[] }>()
    expect(answer.state).toBe('withdrawn')
    expect(answer.consentEvents.map(({ type }) => type)).toEqual([...AGREED, ...late].map(({ type }) => type))
    expect(answer.consentEvents[0]?.jws).toBe(text('consent-000.jws'))
    const missing = await app.inject(`/api/v1/recordings/${OTHER_ID}/consent-events`)
    expect(missing.statusCode).toBe(404)
    expect(missing.json()).toMatchObject({ code: 'recording-not-found' })
    await app.close()
  })

  it('are in the vCon that is served, which is there once there is a manifest', async () => {
    const app = Fastify()
    addConsentRoutes(app, (id, name) => Promise.resolve(id === RECORDING_ID ? recording.objects.get(name) : undefined))
    const found = await app.inject(`/api/v1/recordings/${RECORDING_ID}/vcon`)
    expect(found.headers['content-type']).toContain('application/vcon')
    const vcon = found.json<{ attachments: { purpose: string; body: unknown }[] }>()
    expect(Value.Check(VCON_SCHEMA, vcon)).toBe(true)
    const signed = vcon.attachments.filter(({ purpose }) => purpose === 'consent-event').map(({ body }) => body)
    expect(signed).toEqual([...AGREED, ...late].map((_event, number) => text(`consent-00${number}.jws`)))
    const missing = await app.inject(`/api/v1/recordings/${OTHER_ID}/vcon`)
    expect(missing.statusCode).toBe(404)
    expect(missing.json()).toMatchObject({ code: 'vcon-not-found' })
    await app.close()
  })
})
