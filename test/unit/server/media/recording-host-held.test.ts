import { expect, it, vi } from 'vitest'

import type { ManifestBody } from '../../../../src/evidence/manifest.ts'
import type { OpusEncoder } from '../../../../src/recorder/opus-encoder.ts'
import { RecordingSession } from '../../../../src/recorder/recording-session.ts'
import type { OpusEngine } from '../../../../src/server/media/opus-engine.ts'
import type { PacketHandler, PacketReceiver } from '../../../../src/server/media/packet-receiver.ts'
import { RecordingHost } from '../../../../src/server/media/recording-host.ts'
import type { FromWorker, WorkerSettings } from '../../../../src/server/media/worker-messages.ts'
import { factsOf, NO_ALERTS, OPENED_US, PACKET_US, planOf, rtp, seededBytes } from '../../../support/recording-rig.ts'
import { claimRtpPortRange } from '../../../support/rtp-port-range.ts'

/** `taken` counts encoders that are not given back. */
function countingEngine(): OpusEngine & { taken: number } {
  const engine = {
    name: 'libopus-wasm' as const,
    taken: 0,
    inUse: 0,
    setComplexity: () => {},
    createDecoder: () => Promise.reject(new Error('no decoder here')),
    createEncoder: (sampleRate: OpusEncoder['sampleRate'] = 8_000): Promise<OpusEncoder> => {
      engine.taken += 1
      const encode = (): Uint8Array => Uint8Array.of(0xf8, 0xff, 0xfe)
      return Promise.resolve({ sampleRate, preSkip: 120, encode, free: () => void (engine.taken -= 1) })
    },
  }
  return engine
}

/** Records 4 s of one stream that is held until consent, and is told of that before packet `releasedAt`; works on what was read so much later. */
async function recordedWith(
  releasedAt: number,
  awayUs = 0,
): Promise<{ readonly manifest?: ManifestBody; readonly taken: number }> {
  // RTCP is bound for real.
  const { portMin } = await claimRtpPortRange()
  const handlers: PacketHandler[] = []
  const receiver: PacketReceiver = {
    name: 'dgram',
    counters: { truncated: 0, overflows: 0 },
    receive: () => {},
    open: ({ port, onPacket }) => {
      handlers.push(onPacket)
      return Promise.resolve({ port, overflows: 0, close: () => {} })
    },
  }
  const posted: FromWorker[] = []
  const settings: WorkerSettings = {
    ...{ bindAddress: '127.0.0.1', receiver: 'dgram', receiveBufferBytes: 0, busyShareMax: 1 },
    ...{ opusEngine: 'libopus-wasm', opusBitsPerSecond: 16_000, opusComplexity: 0 },
    ...{ alerts: NO_ALERTS, liveListening: false },
  }
  const engine = countingEngine()
  let nowUs = OPENED_US
  const host = new RecordingHost({
    ...{ settings, engine, receiver, randomBytes: seededBytes(1), nowUs: () => nowUs },
    post: (message) => void posted.push(message),
  })
  const facts = factsOf({ heldUntilConsent: true })
  const { recordingId } = facts
  await host.handleMessage({ kind: 'open', requestId: 1, facts, streams: [{ plan: planOf(0), port: portMin }] })
  for (let index = 0; index < 200; index++) {
    nowUs += PACKET_US
    if (index === releasedAt) await host.handleMessage({ kind: 'release', recordingId, atUs: nowUs })
    const datagram = rtp({ sequenceNumber: index, timestamp: index * 160 })
    for (const handle of handlers) handle(datagram, nowUs, { address: '127.0.0.1', port: 4_000 })
    host.handleTimeout(nowUs, nowUs + awayUs)
  }
  await host.handleMessage({ kind: 'end', recordingId, cause: 'bye', endedUs: nowUs })
  host.stop()
  const ended = posted.find((message) => message.kind === 'ended')
  return { ...(ended === undefined ? {} : { manifest: ended.manifest }), taken: engine.taken }
}

it.each([0, 15, 45, 100])('a recording goes on when it is told of consent before packet %i', async (releasedAt) => {
  const { manifest, taken } = await recordedWith(releasedAt)
  expect([manifest?.state, manifest?.incidents, taken]).toEqual(['complete', [], 0])
  expect(manifest?.durationSamples).toBe(200 * 960)
})

it('tells a recording what had come when the sockets were looked into, and what time it is', async () => {
  const handled = vi.spyOn(RecordingSession.prototype, 'handleTimeout')
  await recordedWith(0, 700)
  const away = handled.mock.calls.map(([readUs, nowUs = readUs]) => nowUs - readUs)
  handled.mockRestore()
  expect([...new Set(away)]).toEqual([700])
})
