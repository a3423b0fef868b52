import { afterAll, beforeAll, expect, test } from 'vitest'

import { seededRandom } from '../../src/cli/simulate/random.ts'
import { readRtpdump } from '../../src/media/rtpdump.ts'
import { parseRtp } from '../../src/protocol/rtp/packet.ts'
import { crashAndRecover, killAndRestart, openedObjects } from '../support/crash.ts'
import { makeDataDir, removeDataDir, startDaemon, type RunningDaemon } from '../support/daemon.ts'
import { g729Payloads } from '../support/kept-codecs.ts'
import { PayloadSession } from '../support/payload-session.ts'
import { recordingsUnderWay } from '../support/probes.ts'
import { RawSrc } from '../support/raw-src.ts'
import { manifestOf } from '../support/recorded.ts'

/** `kill -9` at random instants under live recording sessions; `npm run crash-matrix` does it two hundred times. */
const SEED = process.env['EARWITNESS_TEST_SEED'] ?? String(Date.now())
const INSTANTS = 2
const SESSIONS = 4
const FIRST_MS = 1_300
const LAST_MS = 4_500
/** What a killed process may cost. */
const MISSING_MS_MAX = 1_000
/** Shorter than the wait: some instants have chunks before them, some none. */
const ENVIRONMENT = { EARWITNESS_RECORDING_CHUNK_SECONDS: '3' }

/** How long a packet is says the next one; for that it may wait. */
const KEPT_HELD_MS = 350
const PACKET_MS = 20
const BATCH = 5

let dataDir: string
let daemon: RunningDaemon

beforeAll(async () => {
  dataDir = await makeDataDir()
  daemon = await startDaemon(dataDir, ENVIRONMENT)
})

afterAll(async () => {
  await daemon.stop()
  await removeDataDir(dataDir)
})

test(`a killed recorder loses a second at most, and nothing is there twice (seed ${SEED})`, async () => {
  const random = seededRandom(Number(SEED), 'instants')
  for (let instant = 0; instant < INSTANTS; instant += 1) {
    const killAfterMs = FIRST_MS + random() * (LAST_MS - FIRST_MS)
    const crash = await crashAndRecover(daemon, { sessions: SESSIONS, killAfterMs, environment: ENVIRONMENT })
    daemon = crash.daemon
    expect(crash.survivors).toHaveLength(SESSIONS)
    for (const { manifest, verified, missingMs, packets, expectedPackets } of crash.survivors) {
      expect(manifest.state).toBe('interrupted')
      expect(manifest.negotiatedStreams?.map(({ channel }) => channel)).toEqual([0, 1])
      expect(manifest.originAt).toBeDefined()
      expect(verified).toBe(0)
      // A machine that was busy with other things may have kept both sides waiting.
      expect(missingMs).toBeLessThanOrEqual(MISSING_MS_MAX + crash.stallMs + crash.waitedMs)
      expect(packets).toBeGreaterThanOrEqual(expectedPackets)
      expect(packets).toBeLessThanOrEqual(expectedPackets + 1)
    }
  }
}, 300_000)

test('packets of a codec that is not decoded are there again too, each once, to the octet', async () => {
  const src = await RawSrc.open(daemon.sipUdpPort)
  const session = await PayloadSession.place(src, [['18', 'a=rtpmap:18 G729/8000'], ['0']])
  const sent: Uint8Array[] = []
  let isKilled = false
  const speaking = (async () => {
    for (let at = 0; !isKilled; at = (at + BATCH) % 200) {
      const batch = g729Payloads().slice(at, at + BATCH)
      const packets = batch.map((bytes) => ({ payloadType: 18, bytes, ticks: 160, durationMs: PACKET_MS }))
      await session.send(0, packets)
      sent.push(...batch)
    }
  })()
  const [recordingId = ''] = await recordingsUnderWay(daemon, 1)
  // With an RTP object in the store, and packets behind it that are in the spool alone.
  while (sent.length * PACKET_MS < 5_000) await new Promise((resolve) => setTimeout(resolve, PACKET_MS))
  let sentMs = 0
  const crash = await killAndRestart(daemon, {
    environment: ENVIRONMENT,
    killed: async () => {
      sentMs = sent.length * PACKET_MS
      isKilled = true
      await speaking
    },
  })
  src.close()
  daemon = crash.daemon
  expect(crash.left).toEqual([recordingId])
  const manifest = await manifestOf(daemon, recordingId)
  expect(manifest.kept?.length).toBeGreaterThan(1)
  expect(await daemon.commandHere('verify', recordingId)).toMatchObject({ code: 0 })
  const objects = (await openedObjects(daemon, manifest, manifest.kept ?? [])) ?? []
  const payloads = objects.flatMap((object) => {
    const dump = readRtpdump(object)
    return dump.ok ? dump.value.records.map(({ packet }) => payloadOf(packet)) : []
  })
  expect(payloads).toEqual(sent.slice(0, payloads.length).map((bytes) => Buffer.from(bytes).toString('hex')))
  expect(sentMs - payloads.length * PACKET_MS).toBeLessThanOrEqual(MISSING_MS_MAX + KEPT_HELD_MS)
})

function payloadOf(packet: Uint8Array): string {
  const parsed = parseRtp(packet)
  return parsed.ok ? Buffer.from(parsed.value.payload).toString('hex') : 'no RTP'
}
