import { readdir, readlink } from 'node:fs/promises'
import type { Worker } from 'node:worker_threads'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'

import { loadConfig } from '../../src/config/load.ts'
import { Daemon } from '../../src/server/daemon.ts'
import { httpUrl } from '../../src/server/http/listen.ts'
import { createLogger } from '../../src/server/telemetry/logger.ts'
import { boundUdpPorts } from '../bench/lib/process-usage.ts'
import { makeDataDir, removeDataDir, runCommand } from '../support/daemon.ts'
import { allClosed, liveRecordingSessions, storedChunks } from '../support/probes.ts'
import { RawRecordingSession, RawSrc } from '../support/raw-src.ts'
import { manifestOf, shippedSpeech } from '../support/recorded.ts'
import { claimRtpPortRange } from '../support/rtp-port-range.ts'

/**
 * One of two media workers dies in the middle of its recording session. The daemon runs inside this process, because only
 * here can a thread of it be ended from outside.
 */
const { portMin, portMax } = await claimRtpPortRange()
const WAIT = { timeout: 30_000, interval: 50 }

const threads: Worker[] = []
const logged: string[] = []
let env: Record<string, string>
let daemon: Daemon
let addresses: { readonly dataDir: string; readonly http: string }
let src: RawSrc

beforeAll(async () => {
  const dataDir = await makeDataDir()
  env = {
    EARWITNESS_DATA_DIR: dataDir,
    EARWITNESS_SIP_LISTEN_0: 'udp:127.0.0.1:0',
    EARWITNESS_SIP_LISTEN_1: 'tcp:127.0.0.1:0',
    EARWITNESS_RTP_ADDRESS: '127.0.0.1',
    EARWITNESS_RTP_PORT_MIN: String(portMin),
    EARWITNESS_RTP_PORT_MAX: String(portMax),
    EARWITNESS_HTTP_LISTEN: '127.0.0.1:0',
    EARWITNESS_TELEMETRY_LISTEN: '127.0.0.1:0',
    EARWITNESS_MEDIA_WORKERS: '2',
    EARWITNESS_RECORDING_CHUNK_SECONDS: '1',
  }
  process.on('worker', keepThread)
  daemon = new Daemon({
    config: loadConfig({ env, cwd: dataDir }).config,
    log: createLogger({ level: 'info', destination: { write: (line) => logged.push(line) } }),
    version: '0.0.0',
  })
  const bound = await daemon.run()
  addresses = { dataDir, http: httpUrl(bound.http) }
  src = await RawSrc.open(bound.sip.find(({ transport }) => transport === 'udp')?.port ?? 0)
})

afterAll(async () => {
  process.off('worker', keepThread)
  src.close()
  await daemon.drain(0, AbortSignal.abort())
  await daemon.stop()
  await removeDataDir(addresses.dataDir)
})

function keepThread(thread: Worker): void {
  threads.push(thread)
}

/** Places a recording session that lets both participants speak until it falls silent; the id of its recording. */
async function startSpeaking(): Promise<readonly [RawRecordingSession, string]> {
  const known = new Set((await liveRecordingSessions(addresses)).map(({ recordingId }) => recordingId))
  const session = await RawRecordingSession.place(src)
  const placed = (await liveRecordingSessions(addresses)).find(({ recordingId }) => !known.has(recordingId))
  for (const [stream, samples] of (await shippedSpeech()).entries()) void session.speak(stream, samples)
  return [session, placed?.recordingId ?? '']
}

test('its recording session ends with BYE and what was sealed is kept; the neighbour records on', async () => {
  const [hit, hitId] = await startSpeaking()
  const [neighbour, neighbourId] = await startSpeaking()
  await storedChunks(addresses, hitId, 1)
  await storedChunks(addresses, neighbourId, 1)

  await threads[0]?.terminate()

  const bye = await src.received('BYE')
  hit.fallSilent()
  expect(bye.headers.first('Call-ID')).toBe(hit.sipCallId)
  expect(bye.headers.first('Reason')).toContain('Recorder failed')
  const stored = await storedChunks(addresses, neighbourId, 1)
  await storedChunks(addresses, neighbourId, stored.length + 1)
  expect(await neighbour.hangUp()).toBe(200)
  await allClosed(addresses)

  const lost = await manifestOf(addresses, hitId)
  expect(lost).toMatchObject({ state: 'interrupted', incidents: [{ code: 'interrupted' }] })
  expect(lost.chunks.map(({ name }) => name)).toEqual(await storedChunks(addresses, hitId, 1))
  expect(await manifestOf(addresses, neighbourId)).toMatchObject({ state: 'complete', endCause: 'bye', incidents: [] })
  for (const recordingId of [hitId, neighbourId]) {
    const verified = await runCommand(['verify', recordingId], { ...process.env, ...env })
    expect(verified).toMatchObject({ code: 0 })
  }
})

test('a new worker takes its place: two more recording sessions are recorded, one on each', async () => {
  expect(threads).toHaveLength(3)
  const sessions = [await startSpeaking(), await startSpeaking()]
  for (const [session, recordingId] of sessions) {
    await storedChunks(addresses, recordingId, 1)
    expect(await session.hangUp()).toBe(200)
  }
  await allClosed(addresses)
  for (const [, recordingId] of sessions) {
    expect(await manifestOf(addresses, recordingId)).toMatchObject({ state: 'complete', incidents: [] })
  }
})

test('the log says it once', () => {
  const lines = logged.filter((line) => line.includes('the media worker of this recording died'))
  expect(lines).toHaveLength(1)
})

test('what a worker had of the system comes back when it dies: sockets, descriptors, threads', async () => {
  const held: Awaited<ReturnType<typeof heldOfTheSystem>>[] = []
  for (let death = 0; death < 2; death += 1) {
    // While both are being replaced there is nobody to record.
    const [hit, hitId] = await vi.waitFor(startSpeaking, WAIT)
    await storedChunks(addresses, hitId, 1)
    expect((await heldOfTheSystem()).rtpSockets).toBeGreaterThan(0)
    const before = threads.length
    // Which of the two has it nobody outside knows: both die.
    await Promise.all(threads.slice(-2).map((thread) => thread.terminate()))
    await src.received('BYE')
    hit.fallSilent()
    await allClosed(addresses)
    await vi.waitFor(() => expect(threads).toHaveLength(before + 2), WAIT)
    // Each is asked once, so that both are at work.
    const sessions = [await vi.waitFor(startSpeaking, WAIT), await vi.waitFor(startSpeaking, WAIT)]
    for (const [session] of sessions) expect(await session.hangUp()).toBe(200)
    await allClosed(addresses)
    await vi.waitFor(async () => expect((await heldOfTheSystem()).rtpSockets).toBe(0), WAIT)
    held.push(await heldOfTheSystem())
  }
  expect(held[1]).toEqual(held[0])
}, 120_000)

/** Of this process: sockets bound in the RTP range, what event loops are made of (epoll, eventfd), and threads. */
async function heldOfTheSystem(): Promise<Record<'rtpSockets' | 'eventDescriptors' | 'threads', number>> {
  const [ports, names, tasks] = await Promise.all([
    boundUdpPorts(),
    readdir('/proc/self/fd'),
    readdir('/proc/self/task'),
  ])
  // The folder's own descriptor is gone by the time it is looked at.
  const targets = await Promise.all(names.map((name) => readlink(`/proc/self/fd/${name}`).catch(() => '')))
  return {
    rtpSockets: [...ports].filter((port) => port >= portMin && port <= portMax).length,
    eventDescriptors: targets.filter((target) => target.startsWith('anon_inode:')).length,
    threads: tasks.length,
  }
}
