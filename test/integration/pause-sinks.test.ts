import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'

import { encodePcmu } from '../../src/media/g711.ts'
import { readRtpdump } from '../../src/media/rtpdump.ts'
import { tone, toneAmplitude } from '../support/audio.ts'
import { makeDataDir, removeDataDir, startDaemon, type RunningDaemon } from '../support/daemon.ts'
import { payloadsOf, PayloadSession, type Payload } from '../support/payload-session.ts'
import { allClosed, liveRecordingSessions } from '../support/probes.ts'
import { RawSrc } from '../support/raw-src.ts'
import { exportedChannels, manifestOf } from '../support/recorded.ts'

/** Two sounds and two kinds of octets: those that are sent in pauses only are looked for in everything that a recording leaves behind. */
const RATE = 8_000
const OPEN_HZ = 500
const SECRET_HZ = 3_000
const SECRET_OCTET = 0xee
const PAUSED = 'a=record:paused'
const LINES = [['0'], ['18']]

let dataDir: string
let folder: string
let daemon: RunningDaemon

beforeAll(async () => {
  dataDir = await makeDataDir()
  folder = await mkdtemp(join(tmpdir(), 'earwitness-pause-sinks-'))
  daemon = await startDaemon(dataDir)
})

afterAll(async () => {
  await daemon.stop()
  await removeDataDir(dataDir)
  await rm(folder, { recursive: true, force: true })
})

const voice = (frequency: number): Payload[] =>
  payloadsOf(encodePcmu(tone({ frequency, sampleRate: RATE, samples: RATE, amplitude: 0.5 })), {
    payloadType: 0,
    octets: 160,
    ticks: 160,
    durationMs: 20,
  })

/** A codec that is kept as it came. */
const kept = (octet: number): Payload[] =>
  payloadsOf(new Uint8Array(20 * 50).fill(octet), { payloadType: 18, octets: 20, ticks: 160, durationMs: 20 })

async function operate(rsId: string, action: string): Promise<void> {
  const response = await fetch(new URL(`/api/v1/recording-sessions/${rsId}/${action}`, daemon.http), { method: 'POST' })
  expect(response.status).toBe(200)
}

test('what is sent only in pauses is in no audio, no kept packet and no peak', async () => {
  const src = await RawSrc.open(daemon.sipUdpPort)
  try {
    const session = await PayloadSession.place(src, LINES)
    const [live] = await liveRecordingSessions(daemon)
    const { recordingId = '', rsId = '' } = live ?? {}
    const say = async (frequency: number, octet: number): Promise<void> => {
      await Promise.all([session.send(0, voice(frequency), RATE), session.send(1, kept(octet), RATE)])
    }
    await say(OPEN_HZ, 0x11)
    await operate(rsId, 'pause')
    await say(SECRET_HZ, SECRET_OCTET)
    await operate(rsId, 'resume')
    await say(OPEN_HZ, 0x11)
    await session.offer(LINES.map((line) => [...line, PAUSED]))
    await say(SECRET_HZ, SECRET_OCTET)
    await session.offer(LINES)
    await say(OPEN_HZ, 0x11)
    await session.hangUp()
    await allClosed(daemon)
    await expectNothingOf(recordingId)
  } finally {
    src.close()
  }
})

async function expectNothingOf(recordingId: string): Promise<void> {
  const [heard = new Int16Array(0)] = await exportedChannels(daemon, recordingId, { folder })
  let [secret, open] = [0, 0]
  for (let at = 0; at + 160 <= heard.length; at += 160) {
    const frame = heard.subarray(at, at + 160)
    secret = Math.max(secret, toneAmplitude(frame, SECRET_HZ, RATE))
    open = Math.max(open, toneAmplitude(frame, OPEN_HZ, RATE))
  }
  expect(open).toBeGreaterThan(0.3)
  // What Opus makes of the edges of the other tone.
  expect(secret).toBeLessThan(0.03)
  const manifest = await manifestOf(daemon, recordingId)
  const [audio] = manifest.streams
  const pauses = audio?.gaps.filter(({ cause }) => cause === 'paused') ?? []
  expect(pauses).toHaveLength(2)
  expect(manifest.incidents.map(({ code }) => code)).toEqual(['paused', 'resumed', 'paused', 'resumed'])
  const output = join(folder, 'packets')
  expect(await daemon.command('export', recordingId, '-o', output, '--format', 'rtpdump')).toMatchObject({ code: 0 })
  const files = (await readdir(output)).filter((name) => name.endsWith('.rtpdump'))
  expect(files).toHaveLength(1)
  const dump = readRtpdump(Uint8Array.from(await readFile(join(output, files[0] ?? ''))))
  if (!dump.ok) throw new Error(dump.reason)
  const packets = dump.value.records.map(({ packet }) => packet)
  expect(packets.length).toBeGreaterThan(140)
  expect(packets.filter((packet) => packet.subarray(12).includes(SECRET_OCTET))).toEqual([])
  const printed = await daemon.command('recordings', 'peaks', recordingId)
  const { data } = JSON.parse(printed.stdout) as { readonly data: readonly number[] }
  for (const { fromSample, toSample } of pauses) {
    for (let point = Math.ceil(fromSample / 2_400); point < Math.floor(toSample / 2_400); point++) {
      expect(data.slice(point * 4, point * 4 + 2).map(Math.abs)).toEqual([0, 0])
    }
  }
  expect(await daemon.command('verify', recordingId)).toMatchObject({ code: 0 })
}
