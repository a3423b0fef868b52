import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'

import type { SimulationReport } from '../../src/cli/simulate/outcome.ts'
import { SrtpSender } from '../../src/protocol/srtp/srtp-sender.ts'
import type { ManifestBody } from '../../src/evidence/manifest.ts'
import {
  closedRecordings,
  eventually,
  makeDataDir,
  removeDataDir,
  startDaemon,
  type RunningDaemon,
} from '../support/daemon.ts'
import { metric } from '../support/probes.ts'
import { RawRecordingSession, RawSrc, type RawProtection } from '../support/raw-src.ts'
import { exportedChannels, manifestOf, matchChannels, matchWindows, shippedSpeech } from '../support/recorded.ts'
import { simulate, simulatedRecording } from '../support/simulated.ts'
import { ALL_SUITES, cryptoLineOf, keysOf } from '../support/srtp.ts'

/** SRTP through the whole recorder: keys in the SDP, protected packets on the wire, what was said in the export. */
const SUITE = 'AES_CM_128_HMAC_SHA1_80'
const RATE = 8_000

let dataDir: string
let folder: string
let daemon: RunningDaemon

beforeAll(async () => {
  dataDir = await makeDataDir()
  folder = await mkdtemp(join(tmpdir(), 'earwitness-srtp-'))
  // What must not be in the log at all is looked for where there is most of it.
  daemon = await startDaemon(dataDir, { EARWITNESS_LOG_LEVEL: 'debug' })
})

afterAll(async () => {
  await daemon.stop()
  await removeDataDir(dataDir)
  await rm(folder, { recursive: true, force: true })
})

interface Recorded {
  readonly recordingId: string
  readonly manifest: ManifestBody
  readonly channels: readonly Int16Array[]
}

async function recorded(recordingId: string): Promise<Recorded> {
  const channels = await exportedChannels(daemon, recordingId, { folder })
  return { recordingId, channels, manifest: await manifestOf(daemon, recordingId) }
}

async function simulated(...options: readonly string[]): Promise<Recorded> {
  return recorded(await simulatedRecording(daemon, ...options))
}

/** What `simulate` says on each media stream in so many seconds. */
async function said(seconds: number): Promise<readonly Int16Array[]> {
  return (await shippedSpeech()).map((samples) => samples.subarray(0, seconds * RATE))
}

describe('two media streams', () => {
  const recordings = new Map<string, { readonly recordingId: string; readonly manifest: ManifestBody }>()

  // All at once: they take as long as one.
  beforeAll(async () => {
    const runs = ALL_SUITES.map((suite) => simulate(daemon, '--calls', '1', '--srtp', suite, '--duration', '4s'))
    expect((await Promise.all(runs)).map(({ code, stderr }) => [code, stderr])).toEqual(runs.map(() => [0, '']))
    for (const { recordingId } of await closedRecordings(daemon, ALL_SUITES.length)) {
      const manifest = await manifestOf(daemon, recordingId)
      recordings.set(manifest.streams[0]?.protection?.join() ?? '', { recordingId, manifest })
    }
  })

  test.each(ALL_SUITES)('under %s are recorded complete, on the right channels, and verified', async (suite) => {
    const { recordingId, manifest } = recordings.get(suite)!
    const channels = await exportedChannels(daemon, recordingId, { folder })
    const sent = await said(4)
    const [straight, crossed] = [matchChannels(sent, channels), matchChannels(sent.toReversed(), channels)]
    expect(straight.map(({ correlation }) => correlation > 0.9)).toEqual([true, true])
    expect(crossed.map(({ correlation }) => correlation < 0.3)).toEqual([true, true])
    expect(manifest.incidents).toEqual([])
    for (const stream of manifest.streams) {
      expect(stream.protection).toEqual([suite])
      expect(stream.packets).toEqual({ expected: 200, received: 200, lost: 0, late: 0, duplicate: 0, discarded: 0 })
    }
    const verified = await daemon.command('verify', recordingId)
    expect(verified).toMatchObject({ code: 0 })
    expect(verified.stdout).toContain(`It came by SRTP (${suite}).`)
  })
})

test('loss, jitter, reordering and duplicates count as they do in clear', async () => {
  const impairments = ['--loss', '5%', '--jitter', '60ms', '--reorder', '2%', '--duplicate', '3%', '--seed', '20261123']
  const options = ['--duration', '6s', ...impairments]
  const [sealed, inClear] = [await simulated('--srtp', SUITE, ...options), await simulated(...options)]
  const sent = await said(6)
  const matches = sent.map((samples, index) => matchWindows(samples, sealed.channels[index] ?? new Int16Array(0)))
  expect(matches.map(({ correlation }) => correlation > 0.9)).toEqual([true, true])
  const packets = sealed.manifest.streams.map((stream) => stream.packets)
  expect(packets).toEqual(inClear.manifest.streams.map((stream) => stream.packets))
  expect(packets.every(({ lost, duplicate }) => lost > 5 && duplicate > 2)).toBe(true)
  expect(inClear.manifest.streams.map(({ protection }) => protection)).toEqual([['none'], ['none']])
})

test('new keys with every re-INVITE lose nothing, nor any report of the recorder', async () => {
  const before = new Set((await closedRecordings(daemon, 0)).map(({ recordingId }) => recordingId))
  const renewing = ['--srtp', SUITE, '--rekey', '--hold', '1s@2s', '--duration', '6s', '--rtcp', '--json']
  const { code, stdout } = await simulate(daemon, '--calls', '1', ...renewing)
  expect(code).toBe(0)
  const { heard } = JSON.parse(stdout) as SimulationReport
  // One of each line at least is our goodbye, under the newest keys.
  expect(heard?.reports).toBeGreaterThanOrEqual(2)
  expect(heard?.unreadable).toBe(0)
  const closed = await closedRecordings(daemon, before.size + 1)
  const { manifest, channels } = await recorded(
    closed.find(({ recordingId }) => !before.has(recordingId))?.recordingId ?? '',
  )
  for (const stream of manifest.streams) {
    // One that leaves as the hold is asked for may be spoken in it, and is then not recorded.
    const { lost, discarded, paused = 0 } = stream.packets
    expect({ lost, otherwiseDiscarded: discarded - paused }).toEqual({ lost: 0, otherwiseDiscarded: 0 })
    expect(paused).toBeLessThanOrEqual(1)
    expect(stream.gaps.filter(({ cause }) => cause === 'held')).toHaveLength(1)
  }
  const sent = (await said(6)).map((samples) => Int16Array.from(samples).fill(0, 2 * RATE, 3 * RATE))
  expect(matchChannels(sent, channels).map(({ correlation }) => correlation > 0.9)).toEqual([true, true])
})

describe('an SRC that is not easy', () => {
  const keys = keysOf(SUITE)
  let src: RawSrc

  beforeEach(async () => {
    src = await RawSrc.open(daemon.sipUdpPort)
  })

  afterEach(() => src.close())

  /** Speaks on both media streams, with one key and one sender for both, and hangs up. */
  async function converse(protection: RawProtection, seconds: number): Promise<Recorded> {
    const before = new Set((await closedRecordings(daemon, 0)).map(({ recordingId }) => recordingId))
    const recordingSession = await RawRecordingSession.place(src, 2, { protection })
    const speech = await said(seconds)
    await Promise.all(speech.map(async (samples, stream) => recordingSession.speak(stream, samples)))
    expect(await recordingSession.hangUp()).toBe(200)
    const closed = await closedRecordings(daemon, before.size + 1)
    const made = closed.find(({ recordingId }) => !before.has(recordingId))?.recordingId ?? ''
    return recorded(made)
  }

  test('began to send hours before the fork: its rollover counter is found', async () => {
    const sender = new SrtpSender(keys, { rolloverCounter: 9 })
    const seal = (packet: Uint8Array): Uint8Array => sender.protectRtp(packet)
    const { manifest, channels } = await converse({ crypto: cryptoLineOf(keys), seal }, 3)
    expect(manifest.streams.map(({ packets }) => [packets.received, packets.discarded])).toEqual([
      [150, 0],
      [150, 0],
    ])
    const matches = matchChannels(await said(3), channels)
    expect(matches.map(({ correlation }) => correlation > 0.9)).toEqual([true, true])
  })

  test('has other keys than it says: an incident while it happens, and a metric', async () => {
    const sender = new SrtpSender(keysOf(SUITE, { seed: 2 }))
    const protection = { crypto: cryptoLineOf(keys), seal: (packet: Uint8Array) => sender.protectRtp(packet) }
    const recordingSession = await RawRecordingSession.place(src, 2, { protection })
    const failures = 'earwitness_srtp_failures_total{reason="authentication"}'
    const [caller] = await said(12)
    const speaking = recordingSession.speak(0, caller ?? new Int16Array(0))
    await eventually('the incident', async () =>
      (await metric(daemon, 'earwitness_incidents_total{code="srtp-failing"}')) > 0 ? true : undefined,
    )
    expect(await metric(daemon, failures)).toBeGreaterThan(100)
    recordingSession.fallSilent()
    await speaking
    expect(await recordingSession.hangUp()).toBe(200)
  })
})

test('no key is in the log, in a file, or in what the commands print', async () => {
  const recordings = await daemon.command('recordings', 'list', '--json')
  expect(JSON.parse(recordings.stdout).recordings.length).toBeGreaterThan(0)
  expect(daemon.log()).not.toContain('inline:')
  expect(recordings.stdout).not.toContain('inline:')
  const { key, salt } = keysOf(SUITE).masterKeys[0]!
  const secrets = [key, salt].flatMap((octets) => [
    Buffer.from(octets),
    Buffer.from(Buffer.from(octets).toString('base64').slice(0, 12)),
    Buffer.from(Buffer.from(octets).toString('hex').slice(0, 20)),
  ])
  const entries = await readdir(dataDir, { recursive: true, withFileTypes: true })
  for (const entry of entries.filter((candidate) => candidate.isFile())) {
    const content = await readFile(join(entry.parentPath, entry.name)).catch(() => Buffer.alloc(0))
    const found = [Buffer.from('inline:'), ...secrets].some((secret) => content.includes(secret))
    expect(found, entry.name).toBe(false)
  }
})
