import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'

import { unwrapKey } from '../../src/cli/stored-recording.ts'
import { openSealed } from '../../src/evidence/age-open.ts'
import { isDtmfName } from '../../src/evidence/object-names.ts'
import { encodePcmu } from '../../src/media/g711.ts'
import { loadIdentities, VAULT_IDENTITY_FILE } from '../../src/server/storage/key-files.ts'
import { makeDataDir, removeDataDir, startDaemon, type RunningDaemon } from '../support/daemon.ts'
import { eventPayload } from '../support/dtmf.ts'
import { payloadsOf, PayloadSession, type Payload } from '../support/payload-session.ts'
import { allClosed, liveRecordingSessions, metric } from '../support/probes.ts'
import { RawSrc } from '../support/raw-src.ts'
import { manifestOf, objectFolder, shippedSpeech } from '../support/recorded.ts'

/** Telephone-events (RFC 4733) to the real daemon: each key once where keys are stored, no trace of them where they are not. */
const EVENT = 101
const LINES = [['0 101', `a=rtpmap:${EVENT} telephone-event/8000`]]
const DIGITS = '4929#750'

let dataDir: string
let daemon: RunningDaemon

beforeEach(async () => {
  dataDir = await makeDataDir()
})

afterEach(async () => {
  await daemon.stop()
  await removeDataDir(dataDir)
})

/** One press of 80 ms: four reports, the end three times. RFC 4733 2.5.1 */
function pressed(digit: string, on: (index: number) => Partial<Payload>): Payload[] {
  return Array.from({ length: 6 }, (_, index) => ({
    payloadType: EVENT,
    bytes: eventPayload({ digit, duration: 160 * Math.min(4, index + 1), isEnd: index >= 3 }),
    ticks: index === 5 ? 960 : 0,
    durationMs: 20,
    ...on(index),
  }))
}

/** What becomes of the packets of each press on the way. */
const WAYS: readonly ((index: number) => Partial<Payload>)[] = [
  () => ({}),
  (index) => ({ isLost: index >= 3 }),
  (index) => ({ isLost: index === 3 || index === 4 }),
  (index) => ({ isLost: index === 0 }),
  (index) => ({ isOvertaken: index === 1 || index === 3 }),
  () => ({ isTwice: true }),
  (index) => ({ isOvertaken: index === 0, isTwice: index === 4 }),
  (index) => ({ isLost: index !== 5 }),
]

async function press(): Promise<string> {
  const [caller] = await shippedSpeech()
  const speech = payloadsOf(encodePcmu(caller), { payloadType: 0, octets: 160, ticks: 160, durationMs: 20 })
  const src = await RawSrc.open(daemon.sipUdpPort)
  try {
    const session = await PayloadSession.place(src, LINES)
    const [live] = await liveRecordingSessions(daemon)
    const keys = Array.from(DIGITS).flatMap((digit, index) => [
      ...pressed(digit, WAYS[index] ?? (() => ({}))),
      ...speech.slice(50 + 10 * index, 60 + 10 * index),
    ])
    await session.send(0, [...speech.slice(0, 50), ...keys])
    await session.hangUp()
    await allClosed(daemon)
    return live?.recordingId ?? ''
  } finally {
    src.close()
  }
}

/** Every file of the data folder that holds this text. */
async function filesWith(text: string): Promise<readonly string[]> {
  const entries = await readdir(dataDir, { recursive: true, withFileTypes: true })
  const found: string[] = []
  for (const entry of entries.filter((entry) => entry.isFile())) {
    const path = join(entry.parentPath, entry.name)
    const bytes = await readFile(path).catch(() => Buffer.alloc(0))
    if (bytes.includes(text)) found.push(path)
  }
  return found
}

async function storedKeys(recordingId: string): Promise<string> {
  const folder = objectFolder(daemon, recordingId)
  const objects = { list: () => readdir(folder), get: (name: string) => readFile(join(folder, name)) }
  const identities = await loadIdentities(join(dataDir, 'keys', VAULT_IDENTITY_FILE))
  const key = await unwrapKey(objects, identities)
  let digits = ''
  for (const name of (await objects.list()).filter(isDtmfName).toSorted()) {
    const opened = await openSealed(await objects.get(name), key)
    if (!opened.ok) throw new Error(opened.reason)
    for (const line of Buffer.from(opened.value).toString('utf8').trimEnd().split('\n')) {
      digits += (JSON.parse(line) as { readonly digit: string }).digit
    }
  }
  return digits
}

/** The worker tells its totals from time to time. */
async function everyKeyCounted(): Promise<void> {
  const counted = (): Promise<number> => metric(daemon, 'earwitness_dtmf_digits_total{via="event"}')
  await expect.poll(counted, { timeout: 60_000 }).toBe(DIGITS.length)
}

test('under `store` each key is sealed once, whatever becomes of its packets, and stands nowhere in clear', async () => {
  daemon = await startDaemon(dataDir, { EARWITNESS_RECORDING_DTMF: 'store' })
  const recordingId = await press()
  expect(await storedKeys(recordingId)).toBe(DIGITS)
  await everyKeyCounted()
  expect(await daemon.command('verify', recordingId)).toMatchObject({ code: 0 })
  expect(daemon.log()).not.toContain(DIGITS)
  expect(await filesWith(DIGITS)).toEqual([])
})

test.each(['discard', 'mask'])('under `%s` they are counted, and nothing of them is kept', async (policy) => {
  daemon = await startDaemon(dataDir, { EARWITNESS_RECORDING_DTMF: policy })
  const recordingId = await press()
  await everyKeyCounted()
  const names = await readdir(objectFolder(daemon, recordingId))
  expect(names.filter((name) => isDtmfName(name) || name.startsWith('rtp-'))).toEqual([])
  const manifest = await manifestOf(daemon, recordingId)
  expect(manifest).not.toHaveProperty('dtmf')
  expect(JSON.stringify(manifest)).not.toMatch(/"digits?"/u)
  expect(manifest.streams[0]?.packets.lost).toBeLessThanOrEqual(11)
  expect(daemon.log()).not.toContain(DIGITS)
  expect(await filesWith(DIGITS)).toEqual([])
  expect(await daemon.command('verify', recordingId)).toMatchObject({ code: 0 })
})
