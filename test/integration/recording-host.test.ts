import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'

import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { asRecordingId, uuidV7, type RecordingId } from '../../src/ids.ts'
import { silentOpusPacket } from '../../src/media/opus-packet.ts'
import { payloadFormatOf } from '../../src/protocol/rtp/payload-format.ts'
import type { SrtpKeys } from '../../src/protocol/srtp/srtp-keys.ts'
import { SrtpSender } from '../../src/protocol/srtp/srtp-sender.ts'
import type { RecordingFacts } from '../../src/recorder/recording-types.ts'
import { createOpusEngine, type OpusEngine } from '../../src/server/media/opus-engine.ts'
import { DgramReceiver } from '../../src/server/media/dgram-receiver.ts'
import { RecordingHost } from '../../src/server/media/recording-host.ts'
import type { FromWorker, OpenOutcome } from '../../src/server/media/worker-messages.ts'
import { noise } from '../support/audio.ts'
import { freeUdpPortRange } from '../support/free-ports.ts'
import { factsOf, NARROWBAND_FORMATS, NO_ALERTS, packetsOf, planOf, rtp } from '../support/recording-rig.ts'
import { keysOf } from '../support/srtp.ts'

/** The recordings of one worker, driven in this thread: real sockets and encoders, and a clock that this file turns. */
const SECOND_US = 1_000_000
const PACKETS = 100

let host: RecordingHost
let engine: OpusEngine
let posted: FromWorker[]
let nowUs: number
let firstPort: number
/** Encodings after which the encoders of the next recordings break. */
let encodings: number
let encodersFail: boolean
let decodersFail: boolean
/** Encoders of this rate cannot be made. */
let failsAtRate: number | undefined
/** Of the encoders. */
let madeRates: number[]

beforeEach(async () => {
  posted = []
  nowUs = 10 * SECOND_US
  encodings = Infinity
  encodersFail = false
  decodersFail = false
  failsAtRate = undefined
  madeRates = []
  firstPort = await freeUdpPortRange(8)
  engine = createOpusEngine('libopus-wasm', { sampleRate: 8_000, bitsPerSecond: 16_000, complexity: 5 })
  host = new RecordingHost({
    settings: {
      bindAddress: '127.0.0.1',
      opusEngine: 'libopus-wasm',
      opusBitsPerSecond: 16_000,
      opusComplexity: 5,
      busyShareMax: 1,
      receiveBufferBytes: 1_000_000,
      alerts: NO_ALERTS,
      receiver: 'dgram',
      liveListening: false,
    },
    engine: {
      name: engine.name,
      get inUse() {
        return engine.inUse
      },
      setComplexity: (complexity) => engine.setComplexity(complexity),
      createDecoder: async (rate) => {
        if (decodersFail) throw new RangeError('no memory')
        return engine.createDecoder(rate)
      },
      createEncoder: async (rate) => {
        if (encodersFail || rate === failsAtRate) throw new RangeError('no memory')
        if (rate !== undefined) madeRates.push(rate)
        const encoder = await engine.createEncoder(rate)
        let left = encodings
        return {
          ...encoder,
          encode: (samples) => {
            left -= 1
            if (left < 0) throw new TypeError('the encoder broke')
            return encoder.encode(samples)
          },
        }
      },
    },
    receiver: new DgramReceiver(() => nowUs),
    randomBytes: (length) => randomBytes(length),
    nowUs: () => nowUs,
    post: (message) => posted.push(message),
  })
})

afterEach(() => {
  host.stop()
})

const of = <Kind extends FromWorker['kind']>(kind: Kind): (FromWorker & { kind: Kind })[] =>
  posted.filter((message): message is FromWorker & { kind: Kind } => message.kind === kind)

async function open(
  port: number,
  change: Partial<RecordingFacts> = {},
): Promise<{ facts: RecordingFacts; outcome: OpenOutcome | undefined }> {
  const facts = factsOf({ ...change, recordingId: asRecordingId(uuidV7(Date.now(), randomBytes(16))), openedUs: nowUs })
  await host.handleMessage({ kind: 'open', requestId: port, facts, streams: [{ plan: planOf(0), port }] })
  return { facts, outcome: of('opened').findLast(({ requestId }) => requestId === port)?.outcome }
}

/** Two seconds of noise, received in two seconds of the host's clock. */
async function talk(port: number): Promise<void> {
  const socket = createSocket('udp4')
  const before = host.report(0).packetsReceived
  for (const { datagram } of packetsOf({ plan: planOf(0), samples: noise({ seed: 1, samples: PACKETS * 160 }) })) {
    socket.send(datagram, port, '127.0.0.1')
  }
  while (host.report(0).packetsReceived < before + PACKETS) await new Promise((resolve) => setImmediate(resolve))
  socket.close()
  await once(socket, 'close')
}

/** Wakes the host as its thread would. */
function pass(seconds: number): void {
  const untilUs = nowUs + seconds * SECOND_US
  for (; nowUs < untilUs; nowUs += 200_000) host.handleTimeout(nowUs)
}

async function end(recordingId: RecordingId) {
  await host.handleMessage({ kind: 'end', recordingId, cause: 'bye', endedUs: nowUs })
  return of('ended').find((message) => message.recordingId === recordingId)?.manifest
}

describe('a recording whose encoder breaks', () => {
  test('is reported, ends with what it had, and its neighbour never notices', async () => {
    encodings = 50
    const broken = await open(firstPort)
    encodings = Infinity
    const sound = await open(firstPort + 2)
    await talk(firstPort)
    await talk(firstPort + 2)
    pass(3)
    expect(of('failed').map(({ recordingId }) => recordingId)).toEqual([broken.facts.recordingId])
    expect(of('incident').map(({ incident }) => incident.code)).toEqual(['recorder-failed'])
    const [brokenEnd, soundEnd] = [await end(broken.facts.recordingId), await end(sound.facts.recordingId)]
    expect(brokenEnd).toMatchObject({ state: 'interrupted', endCause: 'recorderFailed', durationSamples: 48_000 - 120 })
    expect(soundEnd).toMatchObject({ state: 'complete', endCause: 'bye' })
    expect(soundEnd?.streams[0]?.packets).toMatchObject({ received: PACKETS, lost: 0 })
    expect(engine.inUse).toBe(0)
  })

  test('at its end is still closed', async () => {
    encodings = 5
    const { facts } = await open(firstPort)
    await talk(firstPort)
    expect(await end(facts.recordingId)).toMatchObject({ state: 'interrupted', endCause: 'recorderFailed' })
    expect(engine.inUse).toBe(0)
  })
})

describe('what is held until consent', () => {
  const release = (recordingId: RecordingId) => host.handleMessage({ kind: 'release', recordingId, atUs: nowUs })

  test('ends where the main thread says, with encoders made for what follows', async () => {
    const { facts } = await open(firstPort, { heldUntilConsent: true })
    await talk(firstPort)
    pass(2)
    await release(facts.recordingId)
    expect(madeRates).toEqual([8_000, 8_000])
    pass(2)
    const manifest = await end(facts.recordingId)
    const cut = manifest?.held?.[0]?.toSample ?? 0
    expect(cut).toBeGreaterThan(48_000)
    expect(cut).toBeLessThan(manifest?.durationSamples ?? 0)
    expect(manifest?.chunks.map(({ heldSeq, toSample }) => (heldSeq === 0) === toSample <= cut)).not.toContain(false)
    expect(manifest?.chunks.at(-1)?.heldSeq).toBeUndefined()
    expect(engine.inUse).toBe(0)
  })

  test('goes on when no encoder can be made for what follows, and says so', async () => {
    const { facts } = await open(firstPort, { heldUntilConsent: true })
    await talk(firstPort)
    pass(2)
    failsAtRate = 8_000
    await release(facts.recordingId)
    expect(of('incident').map(({ incident }) => incident.code)).toEqual(['held-not-released'])
    pass(1)
    const manifest = await end(facts.recordingId)
    expect(manifest?.state).toBe('complete')
    expect(manifest?.held).toMatchObject([{ fromSample: 0, toSample: manifest?.durationSamples }])
  })
})

describe('what cannot be opened', () => {
  test('for want of an encoder keeps no port', async () => {
    encodersFail = true
    expect((await open(firstPort)).outcome).toMatchObject({ ok: false, reason: 'failed', detail: 'no memory' })
    encodersFail = false
    expect((await open(firstPort)).outcome).toEqual({ ok: true })
  })

  test('for a port that another recording has says which, and keeps no encoder', async () => {
    await open(firstPort)
    const { outcome } = await open(firstPort)
    expect(outcome).toMatchObject({ ok: false, reason: 'portBusy', ports: [firstPort] })
    expect(engine.inUse).toBe(1)
  })

  test('as a further stream leaves the recording as it was', async () => {
    const { facts } = await open(firstPort)
    encodersFail = true
    const streams = [0, 1].map((index) => ({ plan: planOf(index), port: firstPort + 2 * index }))
    await host.handleMessage({ kind: 'update', requestId: 9, recordingId: facts.recordingId, streams, atUs: nowUs })
    expect(of('opened').at(-1)?.outcome).toMatchObject({ ok: false })
    await talk(firstPort)
    const manifest = await end(facts.recordingId)
    expect(manifest?.streams).toHaveLength(1)
    expect(manifest?.durationSamples).toBe(2 * 48_000)
  })
})

describe('Opus without a decoder', () => {
  test.each([true, false])(
    'is kept and counted, once for each stream that brings it (decoders fail: %s)',
    async (isMissing) => {
      decodersFail = isMissing
      const opus = payloadFormatOf({ name: 'OPUS', clockRate: 48_000, channels: 2 })
      const plan = planOf(0, { payloadTypes: new Map([[111, opus]]) })
      const facts = factsOf({ recordingId: asRecordingId(uuidV7(Date.now(), randomBytes(16))), openedUs: nowUs })
      await host.handleMessage({ kind: 'open', requestId: 1, facts, streams: [{ plan, port: firstPort }] })
      expect(host.report(0).opusUndecodedStreams).toBe(0)
      const socket = createSocket('udp4')
      for (let index = 0; index < PACKETS; index += 1) {
        const payload = silentOpusPacket(960)
        const packet = { payloadType: 111, sequenceNumber: index, timestamp: index * 960, payload }
        socket.send(rtp(packet), firstPort, '127.0.0.1')
      }
      while (host.report(0).packetsReceived < PACKETS) await new Promise((resolve) => setImmediate(resolve))
      socket.close()
      await once(socket, 'close')
      const manifest = await end(facts.recordingId)
      expect(host.report(0).opusUndecodedStreams).toBe(isMissing ? 1 : 0)
      expect(manifest?.streams[0]?.gaps.some(({ cause }) => cause === 'undecoded')).toBe(isMissing)
      expect(manifest?.incidents.map(({ code }) => code)).toEqual(isMissing ? ['opus-undecoded'] : [])
    },
  )
})

describe('a stream whose better codec stands behind another', () => {
  const opus = payloadFormatOf({ name: 'OPUS', clockRate: 48_000, channels: 2 })
  const plan = planOf(0, { payloadTypes: new Map([...NARROWBAND_FORMATS, [111, opus]]) })

  /** A second of PCMU, then one of Opus; the host is woken between them and a while after. */
  async function speak(): Promise<RecordingId> {
    const facts = factsOf({ recordingId: asRecordingId(uuidV7(Date.now(), randomBytes(16))), openedUs: nowUs })
    const { recordingId } = facts
    await host.handleMessage({ kind: 'open', requestId: 1, facts, streams: [{ plan, port: firstPort }] })
    const packets = packetsOf({ plan, samples: noise({ seed: 1, samples: 50 * 160 }) }).map(({ datagram }) => datagram)
    await sendAll(packets)
    pass(1)
    expect([madeRates, engine.inUse]).toEqual([[8_000], 1])
    const further = Array.from({ length: 50 }, (_, index) =>
      rtp({
        payloadType: 111,
        sequenceNumber: (0xfff0 + 50 + index) & 0xffff,
        timestamp: index * 960,
        payload: silentOpusPacket(960),
      }),
    )
    await sendAll(further)
    pass(0.2)
    // Behind what the host has to make.
    await host.handleMessage({ kind: 'note', recordingId, code: 'noted', detail: 'Noted.', atUs: nowUs })
    pass(1)
    return recordingId
  }

  async function sendAll(datagrams: readonly Uint8Array[]): Promise<void> {
    const socket = createSocket('udp4')
    const until = host.report(0).packetsReceived + datagrams.length
    for (const datagram of datagrams) socket.send(datagram, firstPort, '127.0.0.1')
    while (host.report(0).packetsReceived < until) await new Promise((resolve) => setImmediate(resolve))
    socket.close()
    await once(socket, 'close')
  }

  test('goes on at the rate of that once it comes, without a new offer', async () => {
    const recordingId = await speak()
    expect(madeRates).toEqual([8_000, 48_000])
    expect(engine.inUse).toBe(1)
    const manifest = await end(recordingId)
    expect(manifest).toMatchObject({ state: 'complete', streams: [{ packets: { received: 100, lost: 0 } }] })
    expect(manifest?.streams[0]?.gaps.filter(({ cause }) => cause === 'undecoded')).toEqual([])
    expect(engine.inUse).toBe(0)
  })

  test('goes on as it was, with an incident, when no encoder can be had for it', async () => {
    failsAtRate = 48_000
    const recordingId = await speak()
    expect(of('incident').map(({ incident }) => incident.code)).toEqual(['rate-not-raised', 'noted'])
    const manifest = await end(recordingId)
    expect(manifest).toMatchObject({ state: 'complete', streams: [{ packets: { received: 100, lost: 0 } }] })
    expect(engine.inUse).toBe(0)
  })
})

describe('messages', () => {
  test('of one recording are dealt with in order, although binding sockets takes time', async () => {
    const facts = factsOf({ openedUs: nowUs })
    const { recordingId } = facts
    const streams = [{ plan: planOf(0), port: firstPort }]
    await Promise.all([
      host.handleMessage({ kind: 'open', requestId: 1, facts, streams }),
      host.handleMessage({
        kind: 'metadata',
        recordingId,
        raw: new TextEncoder().encode('<x/>'),
        rawSha256: '0'.repeat(64),
        snapshot: undefined,
        receivedUs: nowUs,
      }),
      host.handleMessage({ kind: 'end', recordingId, cause: 'bye', endedUs: nowUs }),
      host.handleMessage({ kind: 'end', recordingId, cause: 'drain', endedUs: nowUs }),
    ])
    expect(posted.map(({ kind }) => kind)).toEqual(['sealed', 'opened', 'sealed', 'incident', 'incident', 'ended'])
    expect(of('ended')[0]?.manifest).toMatchObject({ endCause: 'bye', snapshots: [{ seq: 0 }] })
  })

  test('about a recording that is not there do no harm', async () => {
    const { recordingId } = factsOf()
    await host.handleMessage({ kind: 'abandon', recordingId })
    await host.handleMessage({ kind: 'end', recordingId, cause: 'bye', endedUs: nowUs })
    await host.handleMessage({ kind: 'update', requestId: 1, recordingId, streams: [], atUs: nowUs })
    expect(of('opened')[0]?.outcome).toMatchObject({ ok: false, detail: 'no such recording' })
    expect(posted).toHaveLength(1)
  })

  test('that break something unforeseen are answered with a failure, not with the death of the thread', async () => {
    const facts = factsOf({ openedUs: nowUs, vaultRecipients: ['not a recipient'] })
    const streams = [{ plan: planOf(0), port: firstPort }]
    await host.handleMessage({ kind: 'open', requestId: 1, facts, streams })
    expect(of('opened')[0]?.outcome).toMatchObject({ ok: false, reason: 'failed' })
    expect(engine.inUse).toBe(0)
    expect((await open(firstPort)).outcome).toEqual({ ok: true })
  })
})

test('totals only grow: what a recording counted stays when it has ended', async () => {
  const { facts } = await open(firstPort)
  await talk(firstPort)
  pass(1)
  expect(host.report(0.5)).toMatchObject({
    recordingSessions: 1,
    encodersInUse: 1,
    eventLoopLagSeconds: 0.5,
    load: { busyShare: 0, lagMs: 0 },
    packetsReceived: PACKETS,
  })
  await end(facts.recordingId)
  const report = host.report(0)
  expect(report).toMatchObject({ recordingSessions: 0, encodersInUse: 0, packetsReceived: PACKETS, quiet: [] })
  expect(report.encodedFrames).toBeGreaterThanOrEqual(PACKETS)
})

describe('SRTP', () => {
  const keys = keysOf('AES_CM_128_HMAC_SHA1_80')
  const datagramsUnder = (srtpKeys: SrtpKeys): Uint8Array[] => {
    const sender = new SrtpSender(srtpKeys)
    const packets = packetsOf({ plan: planOf(0), samples: noise({ seed: 1, samples: PACKETS * 160 }) })
    return packets.map(({ datagram }) => sender.protectRtp(datagram))
  }

  /** Sends and waits until the host has counted them, one way or the other. */
  async function send(datagrams: readonly Uint8Array[]): Promise<void> {
    const socket = createSocket('udp4')
    const counted = (): number => {
      const { packetsReceived, srtpFailures } = host.report(0)
      return packetsReceived + Object.values(srtpFailures).reduce((sum, count) => sum + count, 0)
    }
    const until = counted() + datagrams.length
    for (const datagram of datagrams) socket.send(datagram, firstPort, '127.0.0.1')
    while (counted() < until) await new Promise((resolve) => setImmediate(resolve))
    socket.close()
    await once(socket, 'close')
  }

  test('keys survive the way into the thread; what fails is counted by reason, also after the end', async () => {
    const facts = factsOf({ openedUs: nowUs })
    const message = {
      kind: 'open',
      requestId: 1,
      facts,
      streams: [{ plan: planOf(0, { keys }), port: firstPort }],
    } as const
    // As postMessage does it.
    await host.handleMessage(structuredClone(message))
    await send(datagramsUnder(keys))
    await send(datagramsUnder(keysOf('AES_CM_128_HMAC_SHA1_80', { seed: 2 })))
    await send(datagramsUnder(keys).slice(0, 3))
    const counts = { packetsReceived: PACKETS, srtpFailures: { authentication: PACKETS, replay: 3 } }
    expect(host.report(0)).toMatchObject({ ...counts, packetsDiscarded: { srtp: PACKETS, duplicate: 3 } })
    const manifest = await end(facts.recordingId)
    expect(manifest?.streams[0]).toMatchObject({ protection: ['AES_CM_128_HMAC_SHA1_80'], packets: { duplicate: 3 } })
    expect(host.report(0)).toMatchObject(counts)
  })

  test('keys that no suite has are answered with a failure that does not name them', async () => {
    const faulty = { ...keys, suite: 'AEAD_AES_128_GCM' } as const
    const streams = [{ plan: planOf(0, { keys: faulty }), port: firstPort }]
    await host.handleMessage({ kind: 'open', requestId: 1, facts: factsOf({ openedUs: nowUs }), streams })
    expect(of('opened')[0]?.outcome).toEqual({
      ok: false,
      reason: 'failed',
      ports: [],
      detail: 'these are no SRTP keys: length of a master salt',
    })
    expect((await open(firstPort)).outcome).toEqual({ ok: true })
  })
})

test('a recording without packets is reported as quiet, with how long', async () => {
  const { facts } = await open(firstPort)
  pass(3)
  expect(host.report(0).quiet).toEqual([{ recordingId: facts.recordingId, quietMs: 3_000, held: false }])
})
