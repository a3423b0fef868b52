import { createWriteStream } from 'node:fs'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import type { ManifestBody } from '../../src/evidence/manifest.ts'
import { encodePcmu } from '../../src/media/g711.ts'
import { readRtpdump } from '../../src/media/rtpdump.ts'
import type { EventData } from '../../src/server/http/event-schema.ts'
import { tone, toneAmplitude } from '../support/audio.ts'
import { makeDataDir, removeDataDir, startDaemon, type RunningDaemon } from '../support/daemon.ts'
import { EventReader } from '../support/event-reader.ts'
import { decodeAudio } from '../support/ffmpeg.ts'
import { payloadsOf, PayloadSession, type Payload } from '../support/payload-session.ts'
import { allClosed, liveRecordingSessions } from '../support/probes.ts'
import { RawSrc } from '../support/raw-src.ts'
import { exportedChannels, manifestOf } from '../support/recorded.ts'

/**
 * One recording that is paused in every way there is: what was sent meanwhile, and only then, is looked for in everything that it leaves behind and in
 * everything that was to be had of it while it was made. It is loud, and the rest is not.
 */
const RATE = 8_000
const OPEN = { frequency: 500, amplitude: 0.1, octet: 0x11 }
const SECRET = { frequency: 3_000, amplitude: 0.9, octet: 0xee }
/** PCMU; PCMU on a line that is recorded at twice its rate; G.729, which is kept as it came. */
const LINES = [['0'], ['9 0'], ['18']]
/** Where the first two are found in what FFmpeg decodes: of three channels the second is the one in the middle, which comes last. RFC 7845 5.1.1.2 */
const HEARD = [0, 2]
const WAYS = ['api', 'INFO', 'a=record:paused', 'a=inactive'] as const

let dataDir: string
let folder: string
let daemon: RunningDaemon
let manifest: ManifestBody
let listened: readonly Int16Array[]
let levels: readonly number[]

const voice = ({ frequency, amplitude }: typeof OPEN): Payload[] =>
  payloadsOf(encodePcmu(tone({ frequency, sampleRate: RATE, samples: (RATE * 6) / 10, amplitude })), {
    payloadType: 0,
    octets: 160,
    ticks: 160,
    durationMs: 20,
  })

const kept = ({ octet }: typeof OPEN): Payload[] =>
  payloadsOf(new Uint8Array(20 * 30).fill(octet), { payloadType: 18, octets: 20, ticks: 160, durationMs: 20 })

async function operate(rsId: string, action: string): Promise<void> {
  const response = await fetch(new URL(`/api/v1/recording-sessions/${rsId}/${action}`, daemon.http), { method: 'POST' })
  expect(response.status).toBe(200)
}

/** Pauses in one way, or takes it back. */
async function set(session: PayloadSession, rsId: string, way: (typeof WAYS)[number], isPaused: boolean) {
  if (way === 'api') await operate(rsId, isPaused ? 'pause' : 'resume')
  else if (way === 'INFO') await session.request('INFO', [['X-AC-Action', isPaused ? 'pause-siprec' : 'resume-siprec']])
  else await session.offer(LINES.map((line) => (isPaused ? [...line, way] : line)))
}

beforeAll(async () => {
  dataDir = await makeDataDir()
  folder = await mkdtemp(join(tmpdir(), 'earwitness-pause-sinks-'))
  daemon = await startDaemon(dataDir, { EARWITNESS_LIVE_LISTENING: 'true' })
  const src = await RawSrc.open(daemon.sipUdpPort)
  const reader = await EventReader.open(daemon.http, { query: '?levels=all' })
  const session = await PayloadSession.place(src, LINES)
  const [live] = await liveRecordingSessions(daemon)
  const { recordingId = '', rsId = '' } = live ?? {}
  const file = join(folder, 'listened.ogg')
  const heard = await fetch(new URL(`/api/v1/recording-sessions/${rsId}/audio`, daemon.http))
  const saved = pipeline(Readable.fromWeb(heard.body as never), createWriteStream(file))
  const say = async (what: typeof OPEN): Promise<void> => {
    await Promise.all([voice(what), voice(what), kept(what)].map(async (sent, line) => session.send(line, sent, RATE)))
  }
  await say(OPEN)
  for (const way of WAYS) {
    await set(session, rsId, way, true)
    await say(SECRET)
    await set(session, rsId, way, false)
    await say(OPEN)
  }
  await session.hangUp()
  await allClosed(daemon)
  await saved
  await reader.close()
  src.close()
  manifest = await manifestOf(daemon, recordingId)
  listened = await decodeAudio(file, RATE)
  levels = reader.seen
    .filter(({ name }) => name === 'levels')
    .flatMap(({ data }) => (data as EventData<'levels'>).recordingSessions)
    .flatMap(({ streams }) => streams.flatMap(({ levelDbov }) => levelDbov ?? []))
}, 120_000)

afterAll(async () => {
  await daemon.stop()
  await removeDataDir(dataDir)
  await rm(folder, { recursive: true, force: true })
})

function loudest(heard: Int16Array, { frequency }: typeof OPEN): number {
  let most = 0
  for (let at = 0; at + 80 <= heard.length; at += 20) {
    most = Math.max(most, toneAmplitude(heard.subarray(at, at + 80), frequency, RATE))
  }
  return most
}

function expectOnlyOpen(channels: readonly Int16Array[]): void {
  for (const index of HEARD) {
    const heard = channels[index] ?? new Int16Array(0)
    expect(loudest(heard, OPEN)).toBeGreaterThan(0.07)
    // What Opus makes of the edges of the other tone.
    expect(loudest(heard, SECRET)).toBeLessThan(0.015)
  }
}

describe('what is sent only in pauses', () => {
  test('is in no exported audio', async () => {
    expectOnlyOpen(await exportedChannels(daemon, manifest.recordingId, { folder }))
  })

  test('was heard by nobody who listened live, and in no level', () => {
    expectOnlyOpen(listened)
    // -23 dBov is what the rest has; the secret has -4.
    expect(Math.max(...levels)).toBeGreaterThan(-30)
    expect(Math.max(...levels)).toBeLessThan(-18)
  })

  test('is in no packet that is kept', async () => {
    const output = join(folder, 'packets')
    expect(await daemon.command('export', manifest.recordingId, '-o', output, '--format', 'rtpdump')).toMatchObject({
      code: 0,
    })
    const [file = ''] = (await readdir(output)).filter((name) => name.endsWith('.rtpdump'))
    const dump = readRtpdump(Uint8Array.from(await readFile(join(output, file))))
    if (!dump.ok) throw new Error(dump.reason)
    const packets = dump.value.records.map(({ packet }) => packet)
    expect(packets.length).toBeGreaterThan(5 * 30 - 20)
    expect(packets.filter((packet) => packet.subarray(12).includes(SECRET.octet))).toEqual([])
  })

  test('is in no peak', async () => {
    const printed = await daemon.command('recordings', 'peaks', manifest.recordingId)
    const { data } = JSON.parse(printed.stdout) as { readonly data: readonly number[] }
    // Of 127: what is open has 13, the secret 114.
    expect(Math.max(...data.map(Math.abs))).toBeGreaterThan(8)
    expect(Math.max(...data.map(Math.abs))).toBeLessThan(20)
  })

  test('has its time, the way it was asked for, and a signature that holds', async () => {
    const [audio] = manifest.streams
    expect(audio?.gaps.filter(({ cause }) => cause === 'paused')).toHaveLength(3)
    expect(audio?.gaps.filter(({ cause }) => cause === 'held')).toHaveLength(1)
    expect(audio?.packets.paused).toBeGreaterThan(4 * 30 - 12)
    expect(manifest.pauses?.map(({ by, via }) => [by, via])).toEqual([
      ['api', undefined],
      ['src', 'INFO'],
      ...LINES.map(() => ['src', 'SDP']),
    ])
    expect(await daemon.command('verify', manifest.recordingId)).toMatchObject({ code: 0 })
  })
})
