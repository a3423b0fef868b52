import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, expect, it } from 'vitest'

import { KEY_NAME } from '../../../../src/evidence/object-names.ts'
import { policyShredder, type PolicyShredder } from '../../../../src/server/consent/policy-shredder.ts'
import { MarkFolder } from '../../../../src/server/custody/mark-folder.ts'
import { addHold, releaseHolds } from '../../../../src/server/custody/hold.ts'
import { RecordingCustody } from '../../../../src/server/custody/recording-custody.ts'
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
const signer = await vectorSigner()
const log = createLogger({ level: 'error', destination: { write: () => {} } })
let dataDir: string
let told: string[]

beforeEach(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'earwitness-policy-shred-'))
  told = []
  const { objects } = await sampleRecording({ chunks: [Buffer.from('OggS one')], snapshots: [] })
  mkdirSync(join(dataDir, 'recordings', PREFIX), { recursive: true })
  for (const [name, bytes] of objects) writeFileSync(join(dataDir, 'recordings', PREFIX, name), bytes)
})

afterEach(() => rmSync(dataDir, { recursive: true, force: true }))

const { config } = load(undefined)

/** As a process begins. */
function start(): PolicyShredder {
  return policyShredder({
    ...{ config: { ...config, dataDir }, signer, vaultRecipients: [vault.recipient], log },
    outbox: { add: ({ kind }) => told.push(kind) > 0 },
  })
}

/** @param closed settles when the manifest is stored */
function shredding(shredder: PolicyShredder, closed: Promise<void>): Promise<void> {
  const live = liveRecording()
  return shredder.shred({
    ...live,
    ...{ facts: { ...live.facts, recordingId: RECORDING_ID as never }, objectPrefix: PREFIX, closed },
  })
}

const hasKey = (): boolean => existsSync(join(dataDir, 'recordings', PREFIX, KEY_NAME))
const wanted = (): Promise<readonly string[]> => new MarkFolder(dataDir, 'shred-wanted').list()

it('destroys the key when the recording is over, and tells the index', async () => {
  const over = Promise.withResolvers<void>()
  const done = shredding(start(), over.promise)
  await expect.poll(wanted).toEqual([RECORDING_ID])
  expect(hasKey()).toBe(true)
  over.resolve()
  await done
  expect([hasKey(), await wanted()]).toEqual([false, []])
  expect(told).toEqual(['custodyDecided', 'custodyDecided'])
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
  const options = { custody, note: { by: 'Ada', reason: 'case 4711' }, leave: () => Promise.resolve(false) }
  await addHold({ ...options, ...clock })
  await shredding(start(), Promise.resolve())
  expect([hasKey(), await wanted()]).toEqual([true, [RECORDING_ID]])
  await releaseHolds({ ...options, which: 'only' })
  await start().resume()
  expect([hasKey(), await wanted()]).toEqual([false, []])
  close()
})

it('forgets a recording session that came to nothing', async () => {
  rmSync(join(dataDir, 'recordings', PREFIX), { recursive: true })
  await shredding(start(), Promise.resolve())
  expect(await wanted()).toEqual([])
})
