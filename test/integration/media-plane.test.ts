import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'

import { afterEach, describe, expect, test } from 'vitest'

import type { ManifestBody } from '../../src/evidence/manifest.ts'
import { asRecordingId, uuidV7, type RecordingId } from '../../src/ids.ts'
import type { RecordingFacts, RecordingIncident, SealedObject } from '../../src/recorder/recording-types.ts'
import { MediaPlane } from '../../src/server/media/media-plane.ts'
import type { MediaPlaneHandler } from '../../src/server/media/media-plane-handler.ts'
import type { WorkerSettings } from '../../src/server/media/worker-messages.ts'
import { monotonicUs } from '../../src/server/monotonic.ts'
import { noise } from '../support/audio.ts'
import { factsOf, NO_ALERTS, packetsOf, planOf, rtp, seededBytes } from '../support/recording-rig.ts'
import { claimRtpPortRange } from '../support/rtp-port-range.ts'

/** The media plane with real worker threads and real sockets; what takes the recordings stands in this file. */
const PORTS = 16
const MANY_PORTS = 160
const SETTINGS: WorkerSettings = {
  bindAddress: '127.0.0.1',
  opusEngine: 'libopus-wasm',
  opusBitsPerSecond: 16_000,
  opusComplexity: 5,
  busyShareMax: 1,
  receiveBufferBytes: 1_000_000,
  alerts: NO_ALERTS,
  receiver: 'native',
  liveListening: false,
}
const FRAGILE = new URL('../support/fragile-worker.ts', import.meta.url)
const OK = { ok: true }

class Desk implements MediaPlaneHandler {
  readonly objects: SealedObject[] = []
  readonly incidents: RecordingIncident[] = []
  readonly lost: RecordingId[] = []
  readonly firstPackets: RecordingId[] = []
  readonly failed: RecordingId[] = []
  readonly manifests: ManifestBody[] = []
  readonly #waiting = new Set<() => void>()

  handleSealed(_id: RecordingId, object: SealedObject): void {
    this.objects.push(object)
    this.#tell()
  }
  handleFlag(): void {}

  handleIncident(_id: RecordingId, incident: RecordingIncident): void {
    this.incidents.push(incident)
  }
  handleFirstPacket(recordingId: RecordingId): void {
    this.firstPackets.push(recordingId)
    this.#tell()
  }
  handleFailed(recordingId: RecordingId): void {
    this.failed.push(recordingId)
  }
  handleManifest(_id: RecordingId, manifest: ManifestBody): void {
    this.manifests.push(manifest)
    this.#tell()
  }
  handleWorkerLost(recordingIds: readonly RecordingId[]): void {
    this.lost.push(...recordingIds)
    this.#tell()
  }
  handleReport(): void {
    this.#tell()
  }

  /** Resolves when what has been told so far is enough. */
  async until(isEnough: () => boolean): Promise<void> {
    while (!isEnough()) await new Promise<void>((resolve) => this.#waiting.add(resolve))
  }

  #tell(): void {
    for (const resolve of this.#waiting) resolve()
    this.#waiting.clear()
  }
}

const closing: (() => Promise<unknown> | void)[] = []
let made = 0

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

async function planeOf(
  options: { settings?: Partial<WorkerSettings>; workers?: number; workerFile?: URL; ports?: number } = {},
): Promise<{ plane: MediaPlane; desk: Desk; firstPort: number }> {
  const { portMin: firstPort } = await claimRtpPortRange()
  const plane = new MediaPlane({
    settings: { ...SETTINGS, ...options.settings },
    portMin: firstPort,
    portMax: firstPort + (options.ports ?? PORTS) - 1,
    ...(options.workerFile === undefined ? {} : { workerFile: options.workerFile }),
  })
  const desk = new Desk()
  plane.setHandler(desk)
  closing.push(() => plane.stop())
  await plane.run(options.workers ?? 1)
  return { plane, desk, firstPort }
}

function newFacts(): RecordingFacts {
  made += 1
  return factsOf({ recordingId: asRecordingId(uuidV7(Date.now(), seededBytes(made)(16))), openedUs: monotonicUs() })
}

async function udpSocket(port = 0): Promise<Socket> {
  const socket = createSocket('udp4')
  socket.bind(port, '127.0.0.1')
  await once(socket, 'listening')
  closing.push(() => void socket.close())
  return socket
}

/** Half a second of noise to one port, as fast as it can be sent. */
function talk(socket: Socket, port: number): void {
  const plan = planOf(0)
  for (const { datagram } of packetsOf({ plan, samples: noise({ seed: 1, samples: 4_000 }) })) {
    socket.send(datagram, port, '127.0.0.1')
  }
}

describe('a recording in a worker thread', () => {
  test('takes RTP on its own ports and gives sealed objects and a manifest', async () => {
    const { plane, desk } = await planeOf()
    const facts = newFacts()
    const opened = await plane.open(facts, [planOf(0), planOf(1)])
    if (!opened.ok) throw new Error(opened.detail)
    expect(opened.ports.map((port) => port % 2)).toEqual([0, 0])
    expect(plane.portsUsed).toBe(4)
    const socket = await udpSocket()
    for (const port of opened.ports) talk(socket, port)
    await desk.until(() => desk.firstPackets.length > 0)
    // RTCP is taken, on the port above, and disturbs nothing.
    socket.send(Uint8Array.of(0x80, 200, 0, 6, ...new Uint8Array(24)), opened.ports[0]! + 1, '127.0.0.1')
    plane.end(facts.recordingId, 'bye', monotonicUs())
    await desk.until(() => desk.manifests.length > 0)
    expect(desk.manifests[0]).toMatchObject({ recordingId: facts.recordingId, endCause: 'bye', state: 'complete' })
    expect(desk.manifests[0]?.streams.map(({ packets }) => packets.received)).toEqual([25, 25])
    expect(desk.objects.map(({ name }) => name)).toEqual(['key.age', 'chunk-000000.age', 'peaks.age'])
    expect(desk.manifests[0]?.wrappedKey.sizeBytes).toBe(desk.objects[0]?.bytes.length)
    // Nothing but the object itself has crossed the threads: not the rest of a pool with clear packets in it.
    expect(desk.objects.every(({ bytes }) => bytes.buffer.byteLength === bytes.length)).toBe(true)
    expect(plane.portsUsed).toBe(0)
    expect(plane.workers).toMatchObject([{ recordingSessions: 0, queueDepth: 0 }])
  })

  test('that was refused gives its ports back at once, and its sockets are closed', async () => {
    const { plane, desk } = await planeOf()
    const facts = newFacts()
    const opened = await plane.open(facts, [planOf(0)])
    expect(opened).toMatchObject(OK)
    plane.abandon(facts.recordingId)
    expect(plane.portsUsed).toBe(0)
    plane.end(facts.recordingId, 'bye', monotonicUs())
    const next = newFacts()
    expect(
      await plane.open(
        next,
        Array.from({ length: PORTS / 2 }, (_, index) => planOf(index)),
      ),
    ).toMatchObject(OK)
    expect(desk.manifests).toEqual([])
    expect(desk.lost).toEqual([])
  })

  test('gets further streams on further ports, and keeps those it has', async () => {
    const { plane, desk } = await planeOf()
    const facts = newFacts()
    const opened = await plane.open(facts, [planOf(0)])
    const updated = await plane.update(facts.recordingId, [planOf(0), planOf(1)], monotonicUs())
    expect(updated).toMatchObject(OK)
    if (!opened.ok || !updated.ok) return
    expect(updated.ports[0]).toBe(opened.ports[0])
    const socket = await udpSocket()
    for (const port of updated.ports) talk(socket, port)
    await desk.until(() => desk.firstPackets.length > 0)
    plane.end(facts.recordingId, 'bye', monotonicUs())
    // What comes behind the end finds no recording, and takes no port with it.
    expect(await plane.update(facts.recordingId, [planOf(0), planOf(2)], monotonicUs())).toMatchObject({ ok: false })
    await desk.until(() => desk.manifests.length > 0)
    expect(desk.manifests[0]?.streams.map(({ packets }) => packets.received)).toEqual([25, 25])
    expect(plane.portsUsed).toBe(0)
  })

  test('is not disturbed by what is no RTP', async () => {
    const { plane, desk } = await planeOf()
    const facts = newFacts()
    const opened = await plane.open(facts, [planOf(0)])
    if (!opened.ok) throw new Error(opened.detail)
    const socket = await udpSocket()
    for (const text of ['', 'x', 'INVITE sip:a@b SIP/2.0']) socket.send(text, opened.ports[0], '127.0.0.1')
    socket.send(rtp({ payloadType: 77 }), opened.ports[0], '127.0.0.1')
    talk(socket, opened.ports[0]!)
    await desk.until(() => desk.firstPackets.length > 0)
    plane.end(facts.recordingId, 'bye', monotonicUs())
    await desk.until(() => desk.manifests.length > 0)
    expect(desk.manifests[0]?.streams[0]?.packets).toMatchObject({ received: 25, discarded: 4 })
  })
})

describe('ports', () => {
  test('that another program has are passed over', async () => {
    const { plane, firstPort } = await planeOf()
    await udpSocket(firstPort + 1)
    const opened = await plane.open(newFacts(), [planOf(0)])
    expect(opened).toEqual({ ok: true, ports: [firstPort + 2] })
    expect(plane.portsUsed).toBe(2)
  })

  test('that another program has many of in a row are left behind in a few steps', async () => {
    const { plane, firstPort } = await planeOf({ ports: MANY_PORTS })
    for (let port = firstPort; port < firstPort + MANY_PORTS - 40; port += 2) await udpSocket(port)
    expect(await plane.open(newFacts(), [planOf(0), planOf(1)])).toMatchObject(OK)
    expect(plane.portsUsed).toBe(4)
  })

  test('that are used up are said to be, and none is kept', async () => {
    const { plane } = await planeOf({ ports: 4 })
    expect(await plane.open(newFacts(), [planOf(0), planOf(1), planOf(2)])).toMatchObject({ reason: 'portsExhausted' })
    expect(plane.portsUsed).toBe(0)
    expect(await plane.open(newFacts(), [planOf(0), planOf(1)])).toMatchObject(OK)
    expect(await plane.open(newFacts(), [planOf(0)])).toMatchObject({ reason: 'portsExhausted' })
  })

  test('on an address that is not of this machine are a failure, and not tried one after the other', async () => {
    const { plane } = await planeOf({ settings: { bindAddress: '192.0.2.1' } })
    expect(await plane.open(newFacts(), [planOf(0)])).toMatchObject({ ok: false, reason: 'failed' })
    expect(plane.portsUsed).toBe(0)
    expect(plane.workers).toMatchObject([{ recordingSessions: 0 }])
  })
})

describe('a worker that dies', () => {
  const DIES = { open: 1, update: 2, end: 3 }

  async function fragile(when: number) {
    return planeOf({ settings: { receiveBufferBytes: when }, workerFile: FRAGILE })
  }

  test('while it opens a recording fails that one, and is replaced', async () => {
    const { plane, desk } = await fragile(DIES.open)
    const facts = newFacts()
    expect(await plane.open(facts, [planOf(0)])).toMatchObject({ ok: false, reason: 'failed' })
    expect(desk.lost).toEqual([facts.recordingId])
    expect(plane.portsUsed).toBe(0)
    // The replacement dies just so, which shows that it is there.
    let again = await plane.open(newFacts(), [planOf(0)])
    while (!again.ok && again.detail.includes('no media worker')) {
      await new Promise((resolve) => setImmediate(resolve))
      again = await plane.open(newFacts(), [planOf(0)])
    }
    expect(again).toMatchObject({ ok: false, detail: 'the media worker died' })
  })

  test('during a re-INVITE fails it, and its recordings are reported lost with their ports given back', async () => {
    const { plane, desk } = await fragile(DIES.update)
    const [one, other] = [newFacts(), newFacts()]
    await plane.open(one, [planOf(0)])
    await plane.open(other, [planOf(0)])
    expect(await plane.update(one.recordingId, [planOf(0), planOf(1)], 0)).toMatchObject({
      ok: false,
      reason: 'failed',
    })
    expect(desk.lost.toSorted()).toEqual([one.recordingId, other.recordingId].toSorted())
    expect(plane.portsUsed).toBe(0)
    // Nobody is there any more to be told, and nobody waits for an answer.
    plane.end(one.recordingId, 'bye', 0)
    expect(await plane.update(one.recordingId, [planOf(0)], 0)).toMatchObject({ ok: false })
  })

  test('at the end of a recording loses it too, but never keeps the recorder from stopping', async () => {
    const { plane, desk } = await fragile(DIES.end)
    const facts = newFacts()
    await plane.open(facts, [planOf(0)])
    plane.end(facts.recordingId, 'bye', 0)
    await desk.until(() => desk.lost.length > 0)
    await plane.stop()
    await plane.stop()
    expect(desk.lost).toEqual([facts.recordingId])
  })

  test('at the start is an error with a hint, and nothing keeps running', async () => {
    await expect(
      planeOf({ settings: { receiveBufferBytes: 0 }, workerFile: FRAGILE, workers: 2 }),
    ).rejects.toMatchObject({
      code: 'media-worker-failed',
      hint: expect.stringContaining('died at the start'),
    })
  })
})

test('recordings are spread over the workers, and stay where they are', async () => {
  const { plane } = await planeOf({ workers: 2 })
  for (let count = 0; count < 4; count += 1) await plane.open(newFacts(), [planOf(0)])
  expect(plane.workers.map(({ recordingSessions }) => recordingSessions)).toEqual([2, 2])
})
