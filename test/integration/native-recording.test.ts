import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'

import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import type { ManifestBody } from '../../src/evidence/manifest.ts'
import { asRecordingId, uuidV7 } from '../../src/ids.ts'
import { readOggOpus } from '../../src/media/ogg-opus.ts'
import type { RecordingFacts, SealedObject } from '../../src/recorder/recording-types.ts'
import { createOpusEngine } from '../../src/server/media/opus-engine.ts'
import type { PacketReceiverName } from '../../src/server/media/packet-receiver.ts'
import { createReceiver } from '../../src/server/media/receiver-choice.ts'
import { RecordingHost } from '../../src/server/media/recording-host.ts'
import type { FromWorker } from '../../src/server/media/worker-messages.ts'
import { monotonicUs } from '../../src/server/monotonic.ts'
import { noise } from '../support/audio.ts'
import { claimRtpPortRange } from '../support/rtp-port-range.ts'
import { factsOf, NO_ALERTS, openedObjects, packetsOf, planOf } from '../support/recording-rig.ts'
import { UdpSender } from '../support/udp-sender.ts'

/** Recordings of one worker, in this thread, through either receiver: by the real clock, which the kernel's time stamps need. */
const RECEIVERS = ['dgram', 'native'] as const
const PACKETS = 100
const PACKET_MS = 20
const datagrams = packetsOf({ plan: planOf(0), samples: noise({ seed: 3, samples: PACKETS * 160 }) }).map(
  ({ datagram }) => datagram,
)

/** A host with one recording of one stream. */
class HostRig {
  readonly #posted: FromWorker[] = []
  readonly host: RecordingHost
  readonly port: number
  readonly #facts: RecordingFacts

  constructor(receiver: PacketReceiverName, port: number, receiveBufferBytes = 1_000_000) {
    this.port = port
    const nowUs = monotonicUs()
    this.#facts = factsOf({
      recordingId: asRecordingId(uuidV7(Date.now(), randomBytes(16))),
      openedUs: nowUs,
      openedAtUnixMs: Date.now(),
    })
    this.host = new RecordingHost({
      settings: {
        bindAddress: '127.0.0.1',
        opusEngine: 'libopus-wasm',
        opusBitsPerSecond: 16_000,
        opusComplexity: 0,
        busyShareMax: 1,
        receiveBufferBytes,
        receiver,
        alerts: NO_ALERTS,
        liveListening: false,
      },
      engine: createOpusEngine('libopus-wasm', { sampleRate: 8_000, bitsPerSecond: 16_000, complexity: 0 }),
      receiver: createReceiver(receiver, monotonicUs),
      randomBytes: (length) => randomBytes(length),
      nowUs: monotonicUs,
      post: (message) => this.#posted.push(message),
    })
  }

  async open(): Promise<void> {
    const streams = [{ plan: planOf(0), port: this.port }]
    await this.host.handleMessage({ kind: 'open', requestId: 1, facts: this.#facts, streams })
    expect(this.#posted.find(({ kind }) => kind === 'opened')).toMatchObject({ outcome: { ok: true } })
  }

  /** What the thread does ten times a second. */
  wake(): void {
    this.host.receive()
    this.host.handleTimeout(monotonicUs())
  }

  async end(): Promise<ManifestBody> {
    const { recordingId } = this.#facts
    await this.host.handleMessage({ kind: 'end', recordingId, cause: 'bye', endedUs: monotonicUs() })
    const ended = this.#posted.find((message) => message.kind === 'ended')
    if (ended === undefined) throw new Error('the recording did not end')
    return ended.manifest
  }

  get objects(): readonly SealedObject[] {
    return this.#posted.flatMap((message) => (message.kind === 'sealed' ? [message.object] : []))
  }

  get incidents(): readonly string[] {
    return this.#posted.flatMap((message) => (message.kind === 'incident' ? [message.incident.code] : []))
  }
}

/** Those of the audio; what the end adds depends on when it came. */
async function opusPackets({ objects }: HostRig): Promise<readonly Uint8Array[]> {
  const links = readOggOpus(Buffer.concat(await openedObjects(objects, 'chunk')))
  if (!links.ok) throw new Error(`the chunks are not an Ogg Opus file: ${links.reason}`)
  return (links.value[0]?.packets ?? []).slice(0, PACKETS).map(({ data }) => data)
}

let sender: UdpSender
let firstPort: number
let rigs: HostRig[]

async function rigOf(receiver: PacketReceiverName, at: number, receiveBufferBytes?: number): Promise<HostRig> {
  const rig = new HostRig(receiver, firstPort + 2 * at, receiveBufferBytes)
  rigs.push(rig)
  await rig.open()
  return rig
}

beforeEach(async () => {
  rigs = []
  firstPort = (await claimRtpPortRange()).portMin
  sender = await UdpSender.open()
})

afterEach(async () => {
  for (const { host } of rigs) host.stop()
  await sender.close()
})

test('the same packets give the same Opus stream, byte for byte, through either receiver', async () => {
  const both = await Promise.all(RECEIVERS.map((receiver, at) => rigOf(receiver, at)))
  const startedUs = monotonicUs()
  for (const [number, datagram] of datagrams.entries()) {
    await sleep(Math.max(0, number * PACKET_MS - (monotonicUs() - startedUs) / 1_000))
    for (const { port } of both) await sender.send(datagram, port)
    if (number % 5 === 0) for (const rig of both) rig.wake()
  }
  const manifests = await Promise.all(both.map((rig) => rig.end()))
  for (const { streams, incidents } of manifests) {
    expect(incidents).toEqual([])
    expect(streams[0]).toMatchObject({ packets: { received: PACKETS, lost: 0, late: 0, duplicate: 0, discarded: 0 } })
    expect(streams[0]?.ledger.audioSamples).toBe(PACKETS * 960)
  }
  const [dgram, native] = await Promise.all(both.map(opusPackets))
  expect(native).toHaveLength(PACKETS)
  expect(native).toEqual(dgram)
})

describe.each(RECEIVERS)('with the receiver "%s"', (receiver) => {
  test('nothing that waits in the socket when the BYE comes is lost', async () => {
    const rig = await rigOf(receiver, 0)
    for (const datagram of datagrams) await sender.send(datagram, rig.port)
    const manifest = await rig.end()
    expect(manifest.streams[0]).toMatchObject({ packets: { received: PACKETS, lost: 0 } })
    expect(rig.host.report(0)).toMatchObject({ packetsReceived: PACKETS, packetsLost: 0, socketOverflows: 0 })
  })
})

describe('packets that the kernel had to drop because nobody read', () => {
  async function flood(rig: HostRig): Promise<void> {
    for (let round = 0; round < 4; round += 1) {
      for (const datagram of datagrams) await sender.send(datagram, rig.port)
    }
  }

  test('are counted, and an incident tells them from loss on the way, once', async () => {
    const rig = await rigOf('native', 0, 16_384)
    await flood(rig)
    rig.wake()
    await flood(rig)
    rig.wake()
    const { socketOverflows } = rig.host.report(0)
    expect(socketOverflows).toBeGreaterThan(0)
    rig.host.report(0)
    const manifest = await rig.end()
    expect(manifest.incidents.filter(({ code }) => code === 'socket-overflow')).toHaveLength(1)
    expect(rig.incidents.filter((code) => code === 'socket-overflow')).toHaveLength(1)
    expect(rig.host.report(0).socketOverflows).toBeGreaterThanOrEqual(socketOverflows)
  })

  test('are said even when nothing could be read after them', async () => {
    const rig = await rigOf('native', 0, 16_384)
    await flood(rig)
    const manifest = await rig.end()
    expect(manifest.incidents.map(({ code }) => code)).toContain('socket-overflow')
  })
})
