import { createEncoder } from 'libopus-wasm'
import { beforeAll, describe, expect, it } from 'vitest'

import { encodePcma, encodePcmu } from '../../../src/media/g711.ts'
import { payloadFormatOf } from '../../../src/protocol/rtp/payload-format.ts'
import type { OpusDecoder } from '../../../src/recorder/opus-decoder.ts'
import { SENT_WHILE_HELD_PACKETS, StreamReceiver } from '../../../src/recorder/stream-receiver.ts'
import { createOpusEngine } from '../../../src/server/media/opus-engine.ts'
import { tone, toneAmplitude } from '../../support/audio.ts'
import { OPENED_US, PACKET_US, planOf, rtp } from '../../support/recording-rig.ts'

/** A loud tone sounds from exactly the beginning of a pause to exactly its end, both inside a packet, and nothing else ever. */
const FREQUENCY = 700
const PACKETS = 100
const PAUSE_MS = { from: 507, to: 1_011 }
const pcmu = { kind: 'audio', codec: 'PCMU', clockRate: 8_000, sampleRate: 8_000, channels: 1 } as const
const opus = payloadFormatOf({ name: 'OPUS', clockRate: 48_000, channels: 2 })
const g722 = { ...pcmu, codec: 'G722', sampleRate: 16_000 } as const
const l16 = payloadFormatOf({ name: 'L16', clockRate: 44_100, channels: 1 })

interface Coding {
  readonly rate: number
  readonly encode: (samples: Int16Array) => Uint8Array
}

let opusDecoder: OpusDecoder
let opusEncoder: Awaited<ReturnType<typeof createEncoder>>

beforeAll(async () => {
  const engine = createOpusEngine('libopus-wasm', { sampleRate: 48_000, bitsPerSecond: 32_000, complexity: 5 })
  opusDecoder = await engine.createDecoder(48_000)
  opusEncoder = await createEncoder({ sampleRate: 48_000, channels: 1, bitrate: 64_000, frameSize: 960 })
})

const bigEndian = (samples: Int16Array): Uint8Array => Buffer.from(samples.slice().buffer).swap16()
const CODINGS: Readonly<Record<string, Coding>> = {
  PCMU: { rate: 8_000, encode: encodePcmu },
  PCMA: { rate: 8_000, encode: encodePcma },
  L16: { rate: 44_100, encode: bigEndian },
  OPUS: { rate: 48_000, encode: (samples) => opusEncoder.encode(samples).slice() },
}

function secretIn(rate: number): Int16Array {
  const all = tone({ frequency: FREQUENCY, sampleRate: rate, samples: (rate * PACKETS) / 50, amplitude: 0.9 })
  return all.map((sample, i) => (i >= (rate * PAUSE_MS.from) / 1_000 && i < (rate * PAUSE_MS.to) / 1_000 ? sample : 0))
}

/** What is heard of it; read a little behind, as a recording is. */
function send(receiver: StreamReceiver, { rate, encode }: Coding, payloadType: number, numbers = PACKETS): Int16Array {
  const { timeline } = receiver
  timeline.setOrigin(OPENED_US)
  const secret = secretIn(rate)
  const [length, heardLength] = [rate / 50, timeline.sampleRate / 50]
  const heard = new Int16Array(heardLength * numbers)
  const read = (packets: number): void => {
    const from = timeline.readPosition
    heard.set(timeline.read(packets * heardLength), from)
  }
  for (let index = 0; index < numbers; index++) {
    const payload = encode(secret.subarray(index * length, (index + 1) * length))
    const datagram = rtp({ payloadType, sequenceNumber: index, timestamp: index * length, payload })
    const nowUs = OPENED_US + (index + 1) * PACKET_US
    receiver.handleDatagram(datagram, nowUs)
    receiver.drain(nowUs)
    read(index - 15)
  }
  receiver.drain(Infinity)
  read(numbers)
  return heard
}

/** The loudest that the tone is anywhere. */
function loudest(heard: Int16Array, rate: number): number {
  const window = rate / 100
  let most = 0
  for (let at = 0; at + window <= heard.length; at += window / 10) {
    most = Math.max(most, toneAmplitude(heard.subarray(at, at + window), FREQUENCY, rate))
  }
  return most
}

describe('a tone that sounds in a pause only is not heard', () => {
  it.each([
    ['PCMU at its own rate', 'PCMU', [pcmu]],
    ['PCMA at its own rate', 'PCMA', [{ ...pcmu, codec: 'PCMA' } as const]],
    ['PCMU on a line of G.722, at twice its rate', 'PCMU', [g722, pcmu]],
    ['PCMU on a line of Opus, at six times its rate', 'PCMU', [opus, pcmu]],
    ['L16 at 44.1 kHz, recorded at 48', 'L16', [l16]],
    ['Opus', 'OPUS', [opus]],
  ] as const)('%s', (_name, coding, formats) => {
    const payloadTypes = new Map(formats.map((format, index) => [96 + index, format]))
    const plan = planOf(0, { payloadTypes })
    const used = CODINGS[coding]
    if (used === undefined) throw new Error(coding)
    const unpaused = new StreamReceiver(plan, OPENED_US, { takeDecoder: () => opusDecoder })
    const rate = unpaused.timeline.sampleRate
    expect(loudest(send(unpaused, used, 95 + formats.length), rate)).toBeGreaterThan(0.7)
    const receiver = new StreamReceiver(plan, OPENED_US, { takeDecoder: () => opusDecoder })
    receiver.pause(true, OPENED_US + PAUSE_MS.from * 1_000)
    receiver.pause(false, OPENED_US + PAUSE_MS.to * 1_000)
    expect(loudest(send(receiver, used, 95 + formats.length), rate)).toBeLessThan(0.002)
    expect(receiver.counters.packetsDiscarded.paused).toBeGreaterThan(20)
    const paused = (receiver.timeline.ledger.gapSamples.paused * 1_000) / rate
    expect(paused).toBeGreaterThanOrEqual(PAUSE_MS.to - PAUSE_MS.from)
    expect(paused).toBeLessThanOrEqual(PAUSE_MS.to - PAUSE_MS.from + 60)
  })
})

describe('a hold that the SRC offers', () => {
  const [active, held] = [planOf(0), planOf(0, { held: true })]
  const pcmuCoding: Coding = { rate: 8_000, encode: encodePcmu }

  function hold(receiver: StreamReceiver, plan = held): void {
    receiver.replan(plan, OPENED_US + PAUSE_MS.from * 1_000)
    receiver.replan(active, OPENED_US + PAUSE_MS.to * 1_000)
  }

  it('is obeyed where packets come all the same: their time is held', () => {
    const receiver = new StreamReceiver(active, OPENED_US)
    hold(receiver)
    expect(loudest(send(receiver, pcmuCoding, 0), 8_000)).toBeLessThan(0.002)
    const { held: heldSamples, paused } = receiver.timeline.ledger.gapSamples
    expect([heldSamples, paused]).toEqual([(PAUSE_MS.to - PAUSE_MS.from) * 8, 0])
  })

  it('is told of once when it is not meant, and again in the next', () => {
    const receiver = new StreamReceiver(active, OPENED_US)
    receiver.replan(held, OPENED_US)
    send(receiver, pcmuCoding, 0, SENT_WHILE_HELD_PACKETS - 1)
    expect(receiver.takeSentWhileHeld()).toBe(false)
    send(receiver, pcmuCoding, 0, SENT_WHILE_HELD_PACKETS)
    expect([receiver.takeSentWhileHeld(), receiver.takeSentWhileHeld()]).toEqual([true, false])
    receiver.replan(active, OPENED_US + 10 * PACKET_US)
    expect(receiver.takeSentWhileHeld()).toBe(false)
  })

  it('which stands from the beginning, or answers an offer of ours, is no such wish', () => {
    const awaited = new StreamReceiver(held, OPENED_US)
    const answered = new StreamReceiver(active, OPENED_US)
    hold(answered, { ...held, isAnswer: true })
    for (const receiver of [awaited, answered]) {
      expect(loudest(send(receiver, pcmuCoding, 0), 8_000)).toBeGreaterThan(0.7)
    }
  })

  it('inside of which an operator pauses is a pause there, and held beside it', () => {
    const receiver = new StreamReceiver(active, OPENED_US)
    hold(receiver)
    receiver.pause(true, OPENED_US + 700_000)
    receiver.pause(false, OPENED_US + 800_000)
    expect(loudest(send(receiver, pcmuCoding, 0), 8_000)).toBeLessThan(0.002)
    const inMs = receiver.timeline.gaps.map(({ fromSample, toSample, cause }) => [fromSample / 8, toSample / 8, cause])
    expect(inMs).toEqual([
      [PAUSE_MS.from, 700, 'held'],
      [700, 800, 'paused'],
      [800, PAUSE_MS.to, 'held'],
    ])
  })
})
