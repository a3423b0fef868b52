import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import type { Config } from '../../../../src/config/config.ts'
import type { ConsentEventBody } from '../../../../src/evidence/consent-event.ts'
import { chunkName, consentName, KEY_NAME } from '../../../../src/evidence/object-names.ts'
import { PolicyShredder } from '../../../../src/server/consent/policy-shredder.ts'
import { MarkFolder } from '../../../../src/server/custody/mark-folder.ts'
import { addHold, releaseHolds } from '../../../../src/server/custody/hold.ts'
import { RecordingCustody } from '../../../../src/server/custody/recording-custody.ts'
import type { DatabaseRecord } from '../../../../src/server/database/records.ts'
import { recordingPrefix } from '../../../../src/server/storage/layout.ts'
import { createLogger } from '../../../../src/server/telemetry/logger.ts'
import { openForCustody } from '../../../../src/server/storage/open-store.ts'
import {
  RECORDING_ID,
  sampleRecording,
  vault,
  vectorRandom,
  vectorSigner,
} from '../../../vectors/evidence/sample-recording.ts'
import { load } from '../../config/support.ts'
import { liveRecording } from '../recording/live-recordings.ts'

const PREFIX = recordingPrefix('default', RECORDING_ID)
const OTHER_ID = '019aaff1-0680-7abc-8def-0123456789af'
const REFUSED = { type: 'answered', answer: 'no', by: 'dtmf' } as const
const AGREED = { type: 'answered', answer: 'yes', by: 'dtmf' } as const
const signer = await vectorSigner()
const log = createLogger({ level: 'error', destination: { write: () => {} } })
let dataDir: string
let told: DatabaseRecord[]

beforeEach(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'earwitness-policy-shred-'))
  told = []
  await place(RECORDING_ID, [REFUSED])
})

afterEach(() => rmSync(dataDir, { recursive: true, force: true }))

/** A recording in the store, whose events are these. */
async function place(recordingId: string, consent: readonly ConsentEventBody[]): Promise<void> {
  const chunks = [Buffer.from('OggS one')]
  const { objects } = await sampleRecording({ chunks, snapshots: [], recordingId, consent })
  const folder = join(dataDir, 'recordings', recordingPrefix('default', recordingId))
  mkdirSync(folder, { recursive: true })
  for (const [name, bytes] of objects) writeFileSync(join(folder, name), bytes)
}

const { config } = load(undefined)

/** As a process begins. */
function start(changes: Partial<Pick<Config, 'storage'>> = {}): PolicyShredder {
  return new PolicyShredder({
    ...{ config: { ...config, dataDir, ...changes }, signer, vaultRecipients: [vault.recipient], log },
    outbox: { add: (record) => told.push(record) > 0 },
  })
}

/** @param closed settles when the manifest is stored */
function shredding(shredder: PolicyShredder, closed: Promise<void>, recordingId = RECORDING_ID): Promise<void> {
  const { facts } = liveRecording()
  const objectPrefix = recordingPrefix('default', recordingId)
  return shredder.shred({ facts: { ...facts, recordingId: recordingId as never }, objectPrefix, closed })
}

const has = (name: string, recordingId = RECORDING_ID): boolean =>
  existsSync(join(dataDir, 'recordings', recordingPrefix('default', recordingId), name))
const hasKey = (recordingId?: string): boolean => has(KEY_NAME, recordingId)
const wanted = (): Promise<readonly string[]> => new MarkFolder(dataDir, 'shred-wanted').list()

it('destroys the key when the recording is over, and tells ledger and index', async () => {
  await place(OTHER_ID, [REFUSED])
  mkdirSync(join(dataDir, 'ledger'))
  const over = Promise.withResolvers<void>()
  const shredder = start()
  const done = shredding(shredder, over.promise)
  await expect.poll(wanted).toEqual([RECORDING_ID])
  // One that is over takes its whole way meanwhile.
  await shredding(shredder, Promise.resolve(), OTHER_ID)
  expect([hasKey(OTHER_ID), hasKey()]).toEqual([false, true])
  over.resolve()
  await shredder.whenIdle()
  expect([hasKey(), await wanted()]).toEqual([false, []])
  await done
  // Nothing but the key.
  expect(has(chunkName(0))).toBe(true)
  expect(told).toMatchObject(
    [OTHER_ID, RECORDING_ID].flatMap((recordingId) =>
      ['shredBegun', 'shredded'].map((decision) => ({ recordingId, decision, decidedBy: 'earwitness' })),
    ),
  )
  expect(readdirSync(join(dataDir, 'ledger', 'requests'))).toHaveLength(4)
})

it('killed in between, destroys it at the next start, once', async () => {
  void shredding(start(), new Promise(() => {}))
  await expect.poll(wanted).toEqual([RECORDING_ID])
  await start().resume()
  expect([hasKey(), await wanted()]).toEqual([false, []])
  await start().resume()
  expect(told).toHaveLength(2)
})

it('tries again at each start what it cannot destroy: what is on legal hold, until it is released', async () => {
  const { places, close } = await openForCustody({ ...config, dataDir })
  const random = vectorRandom('policy shredder')
  const parts = { places, keys: [signer.verifyKey], signer: signer.signingKey, vaultRecipients: [vault.recipient] }
  const clock = { nowUnixMs: Date.now, randomBytes: random }
  const custody = new RecordingCustody({ ...parts, ...clock }, RECORDING_ID, PREFIX)
  const options = {
    ...{ custody, note: { by: 'Ada', reason: 'case 4711' }, leave: () => Promise.resolve(false) },
    knownHolds: () => Promise.resolve([]),
  }
  await addHold({ ...options, ...clock })
  await shredding(start(), Promise.resolve())
  expect([hasKey(), await wanted()]).toEqual([true, [RECORDING_ID]])
  await releaseHolds({ ...options, which: 'only' })
  await start().resume()
  expect([hasKey(), await wanted()]).toEqual([false, []])
  close()
})

it('destroys nothing to which somebody has agreed since', async () => {
  void shredding(start(), new Promise(() => {}))
  await expect.poll(wanted).toEqual([RECORDING_ID])
  await place(RECORDING_ID, [REFUSED, AGREED, { type: 'decided', state: 'agreed', because: [1] }])
  await start().resume()
  expect([hasKey(), await wanted(), told]).toEqual([true, [], []])
})

it('goes on with the next when one cannot be destroyed, as what it says of consent cannot be believed', async () => {
  await place(OTHER_ID, [REFUSED])
  for (const id of [RECORDING_ID, OTHER_ID]) void shredding(start(), new Promise(() => {}), id)
  await expect.poll(wanted).toEqual([RECORDING_ID, OTHER_ID])
  writeFileSync(join(dataDir, 'recordings', PREFIX, consentName(0)), 'forged')
  await start().resume()
  expect([hasKey(), hasKey(OTHER_ID), await wanted()]).toEqual([true, false, [RECORDING_ID]])
})

it('keeps its mark while a replica, that may have the key, does not answer', async () => {
  const storage = { ...config.storage, replica: { path: join(dataDir, 'replica') } }
  writeFileSync(join(dataDir, 'replica'), 'no folder')
  await shredding(start({ storage: storage as never }), Promise.resolve())
  expect([hasKey(), await wanted()]).toEqual([true, [RECORDING_ID]])
})

it('destroys it although that could not be noted', async () => {
  writeFileSync(join(dataDir, 'shred-wanted'), 'no folder')
  await shredding(start(), Promise.resolve())
  expect(hasKey()).toBe(false)
})

describe('of which the store has nothing', () => {
  beforeEach(() => rmSync(join(dataDir, 'recordings', PREFIX), { recursive: true }))

  it('forgets a recording session that came to nothing', async () => {
    await shredding(start(), Promise.resolve())
    expect(await wanted()).toEqual([])
  })

  it.each(['open/ID.jsonl', 'spool/objects/PREFIX~chunk-000000.age'])('waits for what is in %s', async (path) => {
    const file = join(dataDir, path.replace('ID', RECORDING_ID).replace('PREFIX', PREFIX.replaceAll('/', '~')))
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, '{}')
    await shredding(start(), Promise.resolve())
    expect(await wanted()).toEqual([RECORDING_ID])
  })
})
