import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'

import { DtmfDetector } from '../../src/media/dtmf-detector.ts'
import { makeDataDir, removeDataDir, startDaemon, type RunningDaemon } from '../support/daemon.ts'
import { pressedKeys } from '../support/dtmf.ts'
import { allClosed, liveRecordingSessions, metric } from '../support/probes.ts'
import { RawRecordingSession, RawSrc } from '../support/raw-src.ts'
import { exportedChannels, manifestOf, matchWindows, shippedSpeech } from '../support/recorded.ts'

/** Digits against the real daemon: under `mask` no export holds them, under no policy do they stand anywhere in clear. */
const RATE = 8_000
const DIGITS = '4929173605'
const AT_SECONDS = 2

let dataDir: string
let folder: string
let daemon: RunningDaemon
let src: RawSrc

beforeAll(async () => {
  dataDir = await makeDataDir()
  folder = await mkdtemp(join(tmpdir(), 'earwitness-dtmf-'))
  daemon = await startDaemon(dataDir, { EARWITNESS_RECORDING_DTMF: 'mask' })
  src = await RawSrc.open(daemon.sipUdpPort)
})

afterAll(async () => {
  src.close()
  await daemon.stop()
  await removeDataDir(dataDir)
  await rm(folder, { recursive: true, force: true })
})

function digitsIn(samples: Int16Array): string {
  let digits = ''
  const detector = new DtmfDetector({ sampleRate: RATE, heard: ({ digit, isOver }) => isOver && (digits += digit) })
  detector.write(samples, 0)
  detector.end()
  return digits
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

test('tones are masked before anything is sealed, and the speech beside them is whole', async () => {
  const [caller] = await shippedSpeech()
  const said = caller.slice(0, 8 * RATE)
  const { samples, keys } = pressedKeys({ digits: DIGITS, onMs: 100, offMs: 80, leadMs: 0 })
  said.set(samples, AT_SECONDS * RATE)
  const after = AT_SECONDS * RATE + samples.length
  const session = await RawRecordingSession.place(src, 1)
  const [live] = await liveRecordingSessions(daemon)
  await session.speak(0, said)
  expect(await session.hangUp()).toBe(200)
  await allClosed(daemon)
  const recordingId = live?.recordingId ?? ''
  const [heard = new Int16Array(0)] = await exportedChannels(daemon, recordingId, { folder })
  expect(digitsIn(said)).toBe(DIGITS)
  expect(digitsIn(heard)).toBe('')
  expect(matchWindows(said.subarray(0, (AT_SECONDS - 0.1) * RATE), heard).correlation).toBeGreaterThan(0.9)
  expect(matchWindows(said.subarray(after + 800), heard.subarray(after + 800)).correlation).toBeGreaterThan(0.9)
  const manifest = await manifestOf(daemon, recordingId)
  const masked = manifest.streams[0]?.ledger.gapSamples.masked ?? 0
  expect(masked / 48_000).toBeGreaterThan(keys.length * 0.1)
  expect(masked / 48_000).toBeLessThan(keys.length * 0.19)
  expect(await daemon.command('verify', recordingId)).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('masked'),
  })
  expect(await metric(daemon, 'earwitness_dtmf_digits_total{via="tone"}')).toBe(keys.length)
  expect(await filesWith(DIGITS)).toEqual([])
})
