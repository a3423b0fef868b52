/**
 * Where the CPU time of a recording session goes, stage by stage: each stage is run alone over the packets of a real conversation, and the
 * whole recorder over the same packets beside, so that the sum can be compared with it. Nothing waits and nothing is sent but for `receive`.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { MessageChannel } from 'node:worker_threads'

import { sealToRecipients } from '../../../src/evidence/age-seal.ts'
import { sha256Hex } from '../../../src/evidence/sha256.ts'
import { decodePcmu } from '../../../src/media/g711.ts'
import { OggOpusWriter } from '../../../src/media/ogg-opus.ts'
import { joinMultistreamPacket } from '../../../src/media/opus-packet.ts'
import { ReorderBuffer } from '../../../src/media/reorder-buffer.ts'
import { StreamTimeline } from '../../../src/media/stream-timeline.ts'
import { parseRtp, type RtpPacket } from '../../../src/protocol/rtp/packet.ts'
import { SrtpReceiver } from '../../../src/protocol/srtp/srtp-receiver.ts'
import { SrtpSender } from '../../../src/protocol/srtp/srtp-sender.ts'
import type { OpusEncoder } from '../../../src/recorder/opus-encoder.ts'
import { RecordingSession, WAKE_INTERVAL_US } from '../../../src/recorder/recording-session.ts'
import { createOpusEngine, type OpusEngineName } from '../../../src/server/media/opus-engine.ts'
import { pooledRandomBytes } from '../../../src/server/random-pool.ts'
import { encodeRecord } from '../../../src/server/spool/frame-record.ts'
import { FolderStore } from '../../../src/server/storage/folder-store.ts'
import { claimPorts } from '../../support/rtp-port-range.ts'
import { factsOf, NO_ALERTS, OPENED_US, PACKET_US, planOf, TRANSIT_US, vault } from '../../support/recording-rig.ts'
import { keysOf } from '../../support/srtp.ts'
import { conversation, PACKET_SAMPLES, packetsOf, PACKETS_PER_SECOND, type TalkPattern } from './conversation.ts'
import { FRAMES_PER_SECOND } from './frames.ts'

/** Streams of a session. */
const STREAMS = 2
const CHUNK_SECONDS = 15
const RECEIVE_SESSIONS = 25
const RECEIVE_SECONDS = 4
const randomBytes = pooledRandomBytes()
const { recordingId } = factsOf()
const SUITE = 'AES_CM_128_HMAC_SHA1_80'

export interface ProfileOptions {
  readonly engine: OpusEngineName
  readonly complexity: number
  readonly bitsPerSecond: number
  readonly seconds: number
  readonly rounds: number
  readonly pattern: TalkPattern
}

export interface StageCost {
  readonly stage: string
  /** CPU microseconds for one second of one recording session of two media streams. */
  readonly usPerSessionSecond: number
}

/** One conversation in all forms that it takes on its way. */
interface Material {
  readonly options: ProfileOptions
  readonly channels: readonly Int16Array[]
  readonly datagrams: readonly (readonly Uint8Array[])[]
  readonly packets: readonly (readonly RtpPacket[])[]
  /** Opus packets of each channel, and the clear bytes of a chunk made of them. */
  readonly opus: readonly (readonly Uint8Array[])[]
  readonly chunk: Uint8Array
}

export async function profile(options: ProfileOptions): Promise<readonly StageCost[]> {
  const material = await prepare(options)
  const stages: StageCost[] = [{ stage: 'receive (dgram)', usPerSessionSecond: await receiveCost() }]
  for (const { stage, prepared } of pureStages(material)) {
    stages.push({ stage, usPerSessionSecond: await costOf(material, prepared) })
  }
  const recorder = await costOf(material, async () => wholeRecorder(material))
  return [
    ...stages,
    { stage: 'post to the main thread', usPerSessionSecond: postCost(material) },
    { stage: 'upload (folder)', usPerSessionSecond: await uploadCost(material) },
    { stage: 'whole recorder, parse to seal', usPerSessionSecond: recorder },
  ]
}

async function prepare(options: ProfileOptions): Promise<Material> {
  const channels = await conversation(options.pattern, options.seconds)
  const datagrams = channels.map((samples, index) => packetsOf(samples, index + 1))
  const packets = datagrams.map((list) => list.map((datagram) => parsed(datagram)))
  const opus: Uint8Array[][] = []
  for (const samples of channels) opus.push(encodeAll(await encoder(options), samples))
  return { options, channels, datagrams, packets, opus, chunk: pageAll(opus, Math.min(CHUNK_SECONDS, options.seconds)) }
}

interface Stage {
  readonly stage: string
  /** Makes what a round needs, unmeasured, and gives the work to be measured: all of the conversation. */
  readonly prepared: () => Promise<() => void>
}

function pureStages(material: Material): readonly Stage[] {
  const { datagrams, packets, channels, opus, chunk, options } = material
  const keys = keysOf(SUITE)
  const sealed = datagrams.map((list) => protectAll(list))
  const ready = (work: () => void) => async () => work
  return [
    {
      stage: `unprotect (${SUITE})`,
      prepared: async () => {
        const receivers = sealed.map(() => new SrtpReceiver(keys))
        return () => eachPacket(sealed, (datagram, stream) => receivers[stream]?.unprotectRtp(datagram, 0))
      },
    },
    { stage: 'parse', prepared: ready(() => eachPacket(datagrams, (datagram) => parseRtp(datagram))) },
    { stage: 'reorder', prepared: ready(() => reorderAll(packets)) },
    { stage: 'decode', prepared: ready(() => decodeAll(packets)) },
    { stage: 'place and read', prepared: ready(() => placeAll(channels)) },
    {
      stage: `encode (${options.engine}, complexity ${options.complexity})`,
      prepared: async () => {
        const encoders = await Promise.all(channels.map(() => encoder(options)))
        return () => {
          for (const [index, samples] of channels.entries()) {
            const used = encoders[index]
            if (used !== undefined) encodeAll(used, samples)
          }
        }
      },
    },
    { stage: 'join and page', prepared: ready(() => pageAll(opus, options.seconds)) },
    {
      stage: 'seal',
      prepared: ready(() => {
        for (let at = 0; at < options.seconds; at += CHUNK_SECONDS) {
          sha256Hex(sealToRecipients(chunk, [vault.recipient], randomBytes))
        }
      }),
    },
    {
      stage: 'seal and append for the spool',
      prepared: ready(() => {
        const clear = chunk.subarray(0, Math.ceil(chunk.length / CHUNK_SECONDS / FRAMES_PER_SECOND))
        for (let frame = 0; frame < options.seconds * FRAMES_PER_SECOND; frame += 1) {
          const bytes = sealToRecipients(clear, [vault.recipient], randomBytes)
          encodeRecord({ recordingId, frame: { kind: 'chunk', fromSample: 0, toSample: 14_400, bytes } })
        }
      }),
    },
  ]
}

/** The best of the rounds: the machine may be busy. */
async function costOf({ options }: Material, prepared: () => Promise<() => void>): Promise<number> {
  let bestUs = Infinity
  for (let round = 0; round < options.rounds; round += 1) {
    const work = await prepared()
    const before = process.cpuUsage()
    work()
    const { user, system } = process.cpuUsage(before)
    bestUs = Math.min(bestUs, (user + system) / options.seconds)
  }
  return bestUs
}

function eachPacket<T>(streams: readonly (readonly T[])[], work: (packet: T, stream: number) => unknown): void {
  for (const [stream, list] of streams.entries()) for (const packet of list) work(packet, stream)
}

function protectAll(datagrams: readonly Uint8Array[]): readonly Uint8Array[] {
  const sender = new SrtpSender(keysOf(SUITE))
  return datagrams.map((datagram) => sender.protectRtp(datagram))
}

function reorderAll(streams: readonly (readonly RtpPacket[])[]): void {
  for (const list of streams) {
    const buffer = new ReorderBuffer()
    for (const [index, packet] of list.entries()) {
      const nowUs = OPENED_US + index * PACKET_US
      buffer.push(packet, nowUs)
      if (nowUs % WAKE_INTERVAL_US === 0) while (buffer.pop(nowUs) !== undefined);
    }
  }
}

function decodeAll(streams: readonly (readonly RtpPacket[])[]): void {
  const samples = new Int16Array(PACKET_SAMPLES)
  eachPacket(streams, ({ payload }) => decodePcmu(payload, samples))
}

function placeAll(channels: readonly Int16Array[]): void {
  for (const samples of channels) {
    const timeline = new StreamTimeline({ clockRate: 8_000 })
    timeline.setOrigin(OPENED_US)
    let read = 0
    for (let at = 0; at + PACKET_SAMPLES <= samples.length; at += PACKET_SAMPLES) {
      const arrivalUs = OPENED_US + (at / PACKET_SAMPLES + 1) * PACKET_US
      timeline.observe(at, arrivalUs)
      timeline.write(samples.subarray(at, at + PACKET_SAMPLES), at, arrivalUs, 0)
      for (; at - read > 30 * PACKET_SAMPLES; read += PACKET_SAMPLES) timeline.read(read + PACKET_SAMPLES)
    }
  }
}

function encodeAll(used: OpusEncoder, samples: Int16Array): Uint8Array[] {
  const frames: Uint8Array[] = []
  for (let at = 0; at + PACKET_SAMPLES <= samples.length; at += PACKET_SAMPLES) {
    frames.push(used.encode(samples.subarray(at, at + PACKET_SAMPLES)))
  }
  used.free()
  return frames
}

function pageAll(opus: readonly (readonly Uint8Array[])[], seconds: number): Uint8Array {
  const writer = new OggOpusWriter({
    serialNumber: 1,
    streamCount: STREAMS,
    inputSampleRate: 8_000,
    preSkip: 120,
    comments: [],
  })
  const pages = [writer.headers()]
  for (let second = 0; second < seconds; second += 1) {
    const packets: Uint8Array[] = []
    for (let index = 0; index < PACKETS_PER_SECOND; index += 1) {
      const at = second * PACKETS_PER_SECOND + index
      packets.push(joinMultistreamPacket(opus.map((frames) => frames[at] ?? new Uint8Array(0))))
    }
    pages.push(writer.page(packets, (second + 1) * 48_000))
  }
  return Buffer.concat(pages)
}

async function wholeRecorder({ options, datagrams }: Material): Promise<() => void> {
  const stock = await Promise.all(datagrams.map(() => encoder(options)))
  const plans = datagrams.map((_, index) => planOf(index))
  const recordingSession = new RecordingSession({
    facts: factsOf({ chunkUs: CHUNK_SECONDS * 1_000_000 }),
    streams: plans,
    randomBytes,
    takeEncoder: () => {
      const taken = stock.pop()
      if (taken === undefined) throw new RangeError('more encoders were taken than a session has streams')
      return taken
    },
    sink: {
      handleSealed: () => {},
      handleFrame: (frame) => void encodeRecord({ recordingId, frame }),
      handleIncident: () => {},
      handleFlag: () => {},
    },
    alerts: NO_ALERTS,
  })
  return () => {
    const count = options.seconds * PACKETS_PER_SECOND
    for (let index = 0; index < count; index += 1) {
      const arrivalUs = OPENED_US + (index + 1) * PACKET_US + TRANSIT_US
      for (const [stream, list] of datagrams.entries()) {
        const plan = plans[stream]
        const datagram = list[index]
        if (plan !== undefined && datagram !== undefined) {
          recordingSession.handleDatagram(plan.streamId, datagram, arrivalUs)
        }
      }
      if (arrivalUs >= recordingSession.nextTimeoutUs()) recordingSession.handleTimeout(arrivalUs)
    }
    recordingSession.end(OPENED_US + options.seconds * 1_000_000, 'bye')
  }
}

function encoder({ engine, complexity, bitsPerSecond }: ProfileOptions): Promise<OpusEncoder> {
  return createOpusEngine(engine, { sampleRate: 8_000, bitsPerSecond, complexity }).createEncoder()
}

function parsed(datagram: Uint8Array): RtpPacket {
  const result = parseRtp(datagram)
  if (!result.ok) throw new Error(`a packet of the conversation is not RTP: ${result.reason}`)
  return result.value
}

/** A chunk as it crosses to the main thread, its buffer moved and not copied. */
function postCost({ chunk }: Material): number {
  const { port1, port2 } = new MessageChannel()
  const posts = 200
  const copies = Array.from({ length: posts }, () => Uint8Array.from(chunk))
  const before = process.cpuUsage()
  for (const bytes of copies) port1.postMessage({ kind: 'sealed', object: { bytes } }, [bytes.buffer])
  const { user, system } = process.cpuUsage(before)
  port1.close()
  port2.close()
  return (user + system) / posts / CHUNK_SECONDS
}

async function uploadCost({ chunk }: Material): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'earwitness-profile-'))
  try {
    const store = new FolderStore(folder)
    await store.check()
    const objects = 50
    const before = process.cpuUsage()
    for (let index = 0; index < objects; index += 1) await store.put(`profile/${index}`, chunk)
    const { user, system } = process.cpuUsage(before)
    return (user + system) / objects / CHUNK_SECONDS
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Datagrams to real sockets of another process at the pace of telephony; only that process is measured. */
async function receiveCost(): Promise<number> {
  const { portMin: first } = await claimPorts(RECEIVE_SESSIONS * STREAMS * 2)
  const ports = Array.from({ length: RECEIVE_SESSIONS * STREAMS }, (_, index) => first + 2 * index)
  const receiver = fork(join(import.meta.dirname, 'receive-process.ts'))
  const sender = createSocket('udp4')
  const datagram = new Uint8Array(172).fill(0xff)
  try {
    await asked(receiver, { ports })
    await asked(receiver, 'begin')
    const startMs = performance.now()
    for (let tick = 0; tick < RECEIVE_SECONDS * PACKETS_PER_SECOND; tick += 1) {
      for (const port of ports) sender.send(datagram, port, '127.0.0.1')
      await sleep(Math.max(0, startMs + (tick + 1) * (PACKET_US / 1_000) - performance.now()))
    }
    const { packets, cpuUs } = (await asked(receiver, 'report')) as { packets: number; cpuUs: number }
    return (cpuUs / Math.max(1, packets)) * STREAMS * PACKETS_PER_SECOND
  } finally {
    sender.close()
    receiver.kill()
  }
}

async function asked(receiver: ChildProcess, question: object | string): Promise<unknown> {
  const answered = once(receiver, 'message') as Promise<[unknown]>
  receiver.send(question)
  return (await answered)[0]
}
