import { execFile } from 'node:child_process'
import { copyFile, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'

import { makeDataDir, removeDataDir, startDaemon, type RunningDaemon } from '../support/daemon.ts'
import { probeAudio } from '../support/ffmpeg.ts'
import { manifestOf, objectFolder } from '../support/recorded.ts'
import { simulatedRecording } from '../support/simulated.ts'

const run = promisify(execFile)

/** An auditor has Debian's `age`, `openssl` and FFmpeg, and none of our software. */
let dataDir: string
let desk: string
let daemon: RunningDaemon
let recordingId: string
let folder: string

beforeAll(async () => {
  dataDir = await makeDataDir()
  desk = await mkdtemp(join(tmpdir(), 'earwitness-auditor-'))
  daemon = await startDaemon(dataDir, { EARWITNESS_RECORDING_CHUNK_SECONDS: '2' })
  recordingId = await simulatedRecording(daemon, '--duration', '5s')
  folder = objectFolder(daemon, recordingId)
})

afterAll(async () => {
  await daemon.stop()
  await removeDataDir(dataDir)
  await rm(desk, { recursive: true, force: true })
})

async function openWithAge(identity: string, sealed: string): Promise<Buffer> {
  const { stdout } = await run('age', ['-d', '-i', identity, sealed], { encoding: 'buffer' })
  return stdout
}

test('`age -d` opens the key with the vault identity, and every chunk with that key; together they play', async () => {
  const recordingKey = join(desk, 'recording.key')
  const unwrapped = await openWithAge(join(dataDir, 'keys', 'vault.agekey'), join(folder, 'key.age'))
  await writeFile(recordingKey, unwrapped, { mode: 0o600 })
  const chunks = (await readdir(folder)).filter((name) => name.startsWith('chunk-')).toSorted()
  expect(chunks.length).toBeGreaterThanOrEqual(2)
  const opened = await Promise.all(chunks.map((name) => openWithAge(recordingKey, join(folder, name))))
  const ogg = join(desk, 'recording.ogg')
  await writeFile(ogg, Buffer.concat(opened))
  const { durationSamples } = await manifestOf(daemon, recordingId)
  const probed = await probeAudio(ogg)
  expect(probed).toMatchObject({ codecName: 'opus', channels: 2 })
  expect(Math.abs(probed.durationSeconds - durationSamples / 48_000)).toBeLessThan(0.04)
})

test('the chunks up to any point play as well', async () => {
  const recordingKey = join(desk, 'recording.key')
  const first = await openWithAge(recordingKey, join(folder, 'chunk-000000.age'))
  const ogg = join(desk, 'prefix.ogg')
  await writeFile(ogg, first)
  expect((await probeAudio(ogg)).codecName).toBe('opus')
})

test('the raw metadata opens too', async () => {
  const xml = await openWithAge(join(desk, 'recording.key'), join(folder, 'metadata-000.age'))
  expect(xml.toString('utf8')).toContain('urn:ietf:params:xml:ns:recording')
})

test('the vault identity alone opens no chunk: each recording has a key of its own', async () => {
  const identity = join(desk, 'vault.agekey')
  await copyFile(join(dataDir, 'keys', 'vault.agekey'), identity)
  await expect(openWithAge(identity, join(folder, 'chunk-000000.age'))).rejects.toThrow()
})
