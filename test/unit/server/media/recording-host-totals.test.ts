import { expect, it } from 'vitest'

import type { PacketHandler, PacketReceiver } from '../../../../src/server/media/packet-receiver.ts'
import { RecordingHost } from '../../../../src/server/media/recording-host.ts'
import type { WorkerSettings } from '../../../../src/server/media/worker-messages.ts'
import { PcmStock } from '../../../support/held-recording.ts'
import { factsOf, NO_ALERTS, OPENED_US, planOf, rtp, seededBytes } from '../../../support/recording-rig.ts'
import { claimRtpPortRange } from '../../../support/rtp-port-range.ts'

it('the totals of a worker have a recording that waits for what was answered last', async () => {
  const { portMin } = await claimRtpPortRange()
  let receive: PacketHandler = () => {}
  const receiver: PacketReceiver = {
    ...{ name: 'dgram', counters: { truncated: 0, overflows: 0 }, receive: () => {} },
    open: ({ port, onPacket }) => {
      receive = port === portMin ? onPacket : receive
      return Promise.resolve({ port, overflows: 0, close: () => {} })
    },
  }
  const settings: WorkerSettings = {
    ...{ bindAddress: '127.0.0.1', receiver: 'dgram', receiveBufferBytes: 0, busyShareMax: 1 },
    ...{ opusEngine: 'libopus-wasm', opusBitsPerSecond: 16_000, opusComplexity: 0 },
    ...{ alerts: NO_ALERTS, liveListening: false },
  }
  const host = new RecordingHost({
    ...{ settings, receiver, randomBytes: seededBytes(1), nowUs: () => OPENED_US, post: () => {} },
    engine: {
      ...{ name: 'libopus-wasm', inUse: 0, setComplexity: () => {} },
      createEncoder: (sampleRate = 8_000) => Promise.resolve(new PcmStock().take(sampleRate)),
      createDecoder: () => Promise.reject(new Error('no decoder here')),
    },
  })
  const facts = factsOf()
  const { recordingId } = facts
  await host.handleMessage({ kind: 'open', requestId: 1, facts, streams: [{ plan: planOf(0), port: portMin }] })
  for (const sequenceNumber of [0, 1, 3]) {
    receive(rtp({ sequenceNumber }), OPENED_US, { address: '127.0.0.1', port: 4_000 })
  }
  const totals: (readonly number[])[] = []
  const note = (): void => {
    const { packetsReceived, packetsLost } = host.report(0)
    totals.push([packetsReceived, packetsLost])
  }
  note()
  // It asks for the instant once the sockets are closed, and again when nothing more is waited for.
  await host.handleMessage({
    ...{ kind: 'end', recordingId, cause: 'bye' },
    get endedUs() {
      note()
      return OPENED_US
    },
  })
  note()
  host.stop()
  expect(totals).toEqual([
    [3, 0],
    [3, 0],
    [3, 1],
    [3, 1],
  ])
})
