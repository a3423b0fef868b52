import { beforeEach, describe, expect, it } from 'vitest'

import { QUEUE_SECONDS_MAX } from '../../../src/media/packet-queue.ts'
import { REORDER_WINDOW_US } from '../../../src/media/reorder-buffer.ts'
import type { RtpPacket } from '../../../src/protocol/rtp/packet.ts'
import type { PayloadFormat } from '../../../src/protocol/rtp/payload-format.ts'
import {
  CANDIDATE_AGE_US,
  CANDIDATE_PACKETS_MAX,
  CANDIDATES_MAX,
  SSRC_SILENCE_US,
} from '../../../src/recorder/ssrc-candidates.ts'
import { CODECS_MAX, StreamReceiver } from '../../../src/recorder/stream-receiver.ts'
import { NARROWBAND_FORMATS, OPENED_US, PACKET_SAMPLES, PACKET_US, planOf, rtp } from '../../support/recording-rig.ts'

const FIRST_SEQUENCE = 0xfffe
const FIRST_TIMESTAMP = 0xffff_ff00
const LATER_US = OPENED_US + 100 * PACKET_US

let receiver: StreamReceiver

beforeEach(() => {
  receiver = new StreamReceiver(planOf(0), OPENED_US)
})

/** Packet number `index` of the stream, on time unless it says otherwise. */
function receive(index: number, options: Partial<RtpPacket> & { readonly atUs?: number } = {}): void {
  const { atUs = OPENED_US + (index + 1) * PACKET_US, ...packet } = options
  const datagram = rtp({
    sequenceNumber: (FIRST_SEQUENCE + index) & 0xffff,
    timestamp: (FIRST_TIMESTAMP + index * PACKET_SAMPLES) >>> 0,
    payload: new Uint8Array(PACKET_SAMPLES).fill(index + 1),
    ...packet,
  })
  receiver.handleDatagram(datagram, atUs)
}

/** What came, as one digit per packet's time, "." for silence. */
function heard(packets: number): string {
  receiver.drain(Infinity)
  receiver.timeline.setOrigin(receiver.timeline.firstSampleUs ?? 0)
  const samples = receiver.timeline.read(packets * PACKET_SAMPLES)
  return Array.from({ length: packets }, (_, index) => (samples[index * PACKET_SAMPLES + 80] === 0 ? '.' : 'x')).join(
    '',
  )
}

describe('which datagrams are taken', () => {
  it('takes packets of the agreed payload types', () => {
    receive(0)
    receive(1, { payloadType: 8 })
    expect(receiver.counters).toMatchObject({ packetsReceived: 2, packetsLost: 0 })
    expect(receiver.codecs).toEqual(['PCMU', 'PCMA'])
    expect(heard(2)).toBe('xx')
  })

  it('counts and leaves out a payload type that was not agreed', () => {
    receive(0)
    receive(1, { payloadType: 18 })
    expect(receiver.counters).toMatchObject({ packetsReceived: 1, packetsDiscarded: { payloadType: 1 } })
  })

  it('takes a codec that is not decoded live: counted, named, and its time is a gap', () => {
    const g729 = { kind: 'kept', name: 'G729', clockRate: 8_000, channels: 1 } as const
    const payloadTypes = new Map<number, PayloadFormat>([...NARROWBAND_FORMATS, [18, g729]])
    receiver.replan(planOf(0, { payloadTypes }), OPENED_US)
    for (const index of [0, 1, 2, 3]) receive(index, { payloadType: index === 0 || index === 3 ? 0 : 18 })
    expect(heard(4)).toBe('x..x')
    expect(receiver.counters).toMatchObject({
      packetsReceived: 4,
      packetsKept: 2,
      packetsDiscarded: { payloadType: 0 },
    })
    expect(receiver.codecs).toEqual(['PCMU', 'G729'])
    expect(receiver.timeline.gaps).toEqual([{ fromSample: 160, toSample: 480, cause: 'undecoded' }])
  })

  it('keeps no packet that was spoken in a pause', () => {
    const amr = { kind: 'kept', name: 'AMR-WB', clockRate: 16_000, channels: 1 } as const
    receiver = new StreamReceiver(planOf(0, { payloadTypes: new Map([[96, amr]]) }), OPENED_US)
    receiver.pause(true, OPENED_US + PACKET_US * 1.5)
    for (const index of [0, 1]) receive(index, { payloadType: 96, timestamp: index * 320 })
    receiver.drain(Infinity)
    expect(receiver.counters).toMatchObject({ packetsReceived: 1, packetsKept: 1, packetsDiscarded: { paused: 1 } })
  })

  it('names no more codecs than the manifest has room for', () => {
    const formats = Array.from(
      { length: 40 },
      (_, index) => [index, { kind: 'kept', name: `X${index}`, clockRate: 8_000, channels: 1 }] as const,
    )
    receiver = new StreamReceiver(planOf(0, { payloadTypes: new Map<number, PayloadFormat>(formats) }), OPENED_US)
    for (const [index] of formats) receive(index, { payloadType: index })
    expect(receiver.codecs).toHaveLength(CODECS_MAX)
  })

  it('counts what is no RTP', () => {
    receiver.handleDatagram(new TextEncoder().encode('hello, is this the recorder?'), OPENED_US)
    receiver.handleDatagram(new Uint8Array(0), OPENED_US)
    expect(receiver.counters).toMatchObject({ packetsReceived: 0, packetsDiscarded: { notRtp: 2 } })
    expect(receiver.firstArrivalUs).toBeUndefined()
  })

  it('passes over RTCP on the RTP port without counting it as discarded', () => {
    receiver.handleDatagram(Uint8Array.of(0x80, 200, 0, 6, ...new Uint8Array(24)), OPENED_US)
    expect(Object.values(receiver.counters.packetsDiscarded).every((count) => count === 0)).toBe(true)
  })

  it('goes on taking the former payload types after a new offer, as packets are still on their way', () => {
    const payloadTypes = new Map<number, PayloadFormat>([
      [96, { kind: 'event', clockRate: 8_000 }],
      [8, { kind: 'audio', codec: 'PCMA', clockRate: 8_000, sampleRate: 8_000, channels: 1 }],
    ])
    receive(0)
    receiver.replan(planOf(0, { payloadTypes }), OPENED_US + PACKET_US)
    receive(1)
    receive(2, { payloadType: 8 })
    expect(receiver.counters).toMatchObject({ packetsReceived: 3, packetsDiscarded: { payloadType: 0 } })
    expect(heard(3)).toBe('xxx')
  })
})

describe('what is counted', () => {
  it('puts packets in order, across the wrap of sequence number and timestamp', () => {
    for (const index of [0, 2, 1, 4, 3]) receive(index, { atUs: OPENED_US + PACKET_US * 6 })
    expect(heard(5)).toBe('xxxxx')
    expect(receiver.counters).toMatchObject({ packetsReceived: 5, packetsLost: 0, packetsLate: 0 })
  })

  it('counts a missing packet as lost, once, when it is not waited for any more', () => {
    for (const index of [0, 1, 3, 4]) receive(index)
    receiver.drain(OPENED_US + 5 * PACKET_US)
    expect(receiver.counters.packetsLost).toBe(0)
    receiver.drain(OPENED_US + 5 * PACKET_US + REORDER_WINDOW_US)
    receiver.drain(Infinity)
    expect(receiver.counters.packetsLost).toBe(1)
    expect(heard(5)).toBe('xx.xx')
    expect(receiver.timeline.gaps).toEqual([{ fromSample: 320, toSample: 480, cause: 'lost' }])
  })

  it('counts a packet that comes after that as late, and takes no sample of it', () => {
    for (const index of [0, 2]) receive(index)
    receiver.drain(Infinity)
    receive(1, { atUs: LATER_US })
    expect(receiver.counters).toMatchObject({ packetsReceived: 2, packetsLost: 1, packetsLate: 1 })
    expect(receiver.counters.packetsDiscarded).toMatchObject({ late: 1, duplicate: 0 })
  })

  it('counts a second copy as a duplicate, whether the first still waits or is gone', () => {
    receive(0)
    receive(0)
    receiver.drain(Infinity)
    receive(0)
    expect(receiver.counters).toMatchObject({ packetsReceived: 1, packetsDuplicate: 2, packetsLost: 0 })
    expect(receiver.counters.packetsDiscarded).toMatchObject({ late: 0, duplicate: 2 })
  })

  it('does not count a packet whose number jumped until another follows it there', () => {
    receive(0)
    receive(1, { sequenceNumber: 30_000 })
    expect(receiver.counters.packetsReceived).toBe(1)
    receive(2, { sequenceNumber: 30_001 })
    expect(receiver.counters).toMatchObject({ packetsReceived: 3, packetsDiscarded: { sequence: 0 } })
  })

  it('counts as lost what did not come for a minute and more, although the number jumps by then: it is no silence', () => {
    for (const index of [0, 1, 4_001, 4_002]) receive(index)
    expect(heard(2)).toBe('xx')
    receiver.timeline.read(4_002 * PACKET_SAMPLES)
    expect(receiver.timeline.gaps).toEqual([{ fromSample: 320, toSample: 4_001 * PACKET_SAMPLES, cause: 'lost' }])
    expect(receiver.counters).toMatchObject({ packetsReceived: 4, packetsLost: 3_999, packetsExpected: 4_003 })
  })

  it('counts one that nothing followed as discarded', () => {
    receive(0)
    receive(1, { sequenceNumber: 30_000 })
    receive(2, { sequenceNumber: 20_000 })
    expect(receiver.counters).toMatchObject({ packetsReceived: 1, packetsDiscarded: { sequence: 1 } })
  })

  it('measures jitter', () => {
    for (let index = 0; index < 50; index += 1) {
      receive(index, { atUs: OPENED_US + (index + 1) * PACKET_US + (index % 2) * 8_000 })
    }
    expect(receiver.counters.jitterSeconds).toBeGreaterThan(0.005)
    expect(receiver.counters.jitterSeconds).toBeLessThan(0.009)
  })

  it('remembers when the first and the last packet came', () => {
    receive(0)
    receive(1)
    expect(receiver.firstArrivalUs).toBe(OPENED_US + PACKET_US)
    expect(receiver.lastArrivalUs).toBe(OPENED_US + 2 * PACKET_US)
  })
})

describe('telephone-events in the stream', () => {
  const EVENT = { payloadType: 101, payload: Uint8Array.of(1, 0x0a, 0, 160) }

  it('are no audio: their time is a gap, and nothing is lost', () => {
    receive(0)
    // RFC 4733 2.5.1.2: all packets of one tone carry the timestamp of its beginning.
    for (const index of [1, 2, 3]) receive(index, { ...EVENT, timestamp: (FIRST_TIMESTAMP + PACKET_SAMPLES) >>> 0 })
    receive(4)
    expect(heard(5)).toBe('x...x')
    expect(receiver.counters).toMatchObject({ packetsReceived: 5, packetsLost: 0 })
    expect(receiver.timeline.gaps).toEqual([{ fromSample: 160, toSample: 640, cause: 'silence' }])
    expect(receiver.codecs).toEqual(['PCMU'])
  })

  it('do not disturb the estimate of jitter', () => {
    receive(0)
    for (const index of [1, 2, 3]) receive(index, { ...EVENT, timestamp: (FIRST_TIMESTAMP + PACKET_SAMPLES) >>> 0 })
    receive(4)
    expect(receiver.counters.jitterSeconds).toBe(0)
  })

  it('keep the loss before them: its time is lost, not silent', () => {
    receive(0)
    receive(2, { ...EVENT, timestamp: (FIRST_TIMESTAMP + 2 * PACKET_SAMPLES) >>> 0 })
    receive(3)
    expect(heard(4)).toBe('x..x')
    expect(receiver.counters.packetsLost).toBe(1)
    expect(receiver.timeline.ledger.gapSamples).toMatchObject({ lost: PACKET_SAMPLES, silence: PACKET_SAMPLES })
  })
})

describe('another SSRC', () => {
  /** Number `index` of the second source, whose clock has nothing to do with the first one's. */
  function receiveOther(index: number, options: Partial<RtpPacket> & { readonly atUs?: number } = {}): void {
    receive(index, { ssrc: 2, sequenceNumber: 500 + index, timestamp: 7_000 + index * PACKET_SAMPLES, ...options })
  }

  it('is not believed for a single packet', () => {
    receive(0)
    receiveOther(30)
    expect(receiver.counters.packetsReceived).toBe(1)
    receive(31, { sequenceNumber: FIRST_SEQUENCE + 1 })
    expect(receiver.counters).toMatchObject({ packetsReceived: 2, packetsLost: 0 })
  })

  it('is not believed for one packet that came twice', () => {
    receive(0)
    receiveOther(30)
    receiveOther(30)
    expect(receiver.counters).toMatchObject({ packetsReceived: 1, packetsDuplicate: 1 })
  })

  it('takes over when the active one has been silent, and loses nothing of what it sent meanwhile', () => {
    for (const index of [0, 1]) receive(index)
    for (const index of [2, 3, 4, 5]) receiveOther(index)
    expect(receiver.counters.packetsReceived).toBe(2)
    receiveOther(6)
    expect(receiver.counters).toMatchObject({ packetsReceived: 7, packetsLost: 0, packetsDiscarded: { ssrc: 0 } })
    expect(receiver.hasSecondSource).toBe(false)
    expect(heard(7)).toBe('xxxxxxx')
  })

  it('leaves stragglers of the old one out, when it has taken over', () => {
    receive(0)
    for (let index = 2; index < 10; index += 1) receiveOther(index)
    receive(1, { atUs: OPENED_US + 11 * PACKET_US })
    expect(receiver.counters).toMatchObject({ packetsReceived: 9 })
    receiveOther(11)
    expect(receiver.counters.packetsReceived).toBe(10)
  })

  it('that sends at the same time is left out, counted, and told of', () => {
    for (let index = 0; index <= CANDIDATE_PACKETS_MAX; index += 1) {
      receive(index)
      receiveOther(index)
    }
    expect(receiver.hasSecondSource).toBe(true)
    // The last packets of it would be taken if the first went silent.
    expect(receiver.counters).toMatchObject({ packetsDiscarded: { ssrc: 1 } })
    receiver.takeRest()
    expect(receiver.counters).toMatchObject({
      packetsReceived: CANDIDATE_PACKETS_MAX + 1,
      packetsDiscarded: { ssrc: CANDIDATE_PACKETS_MAX + 1 },
    })
    expect(heard(5)).toBe('xxxxx')
  })

  it('that comes now and then is forgotten after a while', () => {
    receive(0)
    receiveOther(1)
    receiveOther(1 + CANDIDATE_AGE_US / PACKET_US + 1)
    expect(receiver.counters).toMatchObject({ packetsReceived: 1, packetsDiscarded: { ssrc: 1 } })
  })

  it('that still waits to be believed at the end is counted', () => {
    receive(0)
    receiveOther(1)
    receiver.takeRest()
    expect(receiver.counters).toMatchObject({ packetsReceived: 1, packetsDiscarded: { ssrc: 1 } })
  })

  it('is not followed while it changes with every packet', () => {
    receive(0)
    for (const [index, ssrc] of [2, 3, 4, 5, 6, 7].entries()) receiveOther(20 + index, { ssrc })
    expect(receiver.counters).toMatchObject({ packetsReceived: 1, packetsDiscarded: { ssrc: 2 } })
    receiver.takeRest()
    expect(receiver.counters).toMatchObject({ packetsReceived: 1, packetsDiscarded: { ssrc: 6 } })
  })

  it('of which several send in turns takes over all the same: the first that is believed', () => {
    receive(0)
    for (let index = 20; index < 40; index += 1) for (const ssrc of [2, 3]) receiveOther(index, { ssrc })
    expect(receiver.counters).toMatchObject({ packetsReceived: 21, packetsLost: 0 })
    expect(receiver.hasSecondSource).toBe(true)
    expect(heard(25)).toBe('x...................xxxxx')
  })

  it('of more than are watched waits until one of them is silent', () => {
    const ssrcs = Array.from({ length: CANDIDATES_MAX }, (_, index) => 10 + index)
    receive(0)
    for (const ssrc of ssrcs) receiveOther(20, { ssrc })
    for (const index of [21, 22]) receiveOther(index)
    expect(receiver.counters).toMatchObject({ packetsReceived: 1, packetsDiscarded: { ssrc: 2 } })
    const silent = SSRC_SILENCE_US / PACKET_US
    for (const index of [20 + silent, 21 + silent]) receiveOther(index)
    expect(receiver.counters).toMatchObject({ packetsReceived: 3, packetsDiscarded: { ssrc: 3 } })
  })
})

describe('a timeline without room', () => {
  it('leaves packets where they are until it has been read, and none is dropped', () => {
    receiver.timeline.setOrigin(OPENED_US)
    let packets = 0
    for (; receiver.drain(Infinity); packets += 1) receive(packets)
    const held = packets
    for (; packets < held + 100; packets += 1) receive(packets)
    expect(held).toBeGreaterThan(QUEUE_SECONDS_MAX * 50)
    expect(receiver.timeline.ledger.writtenSamples).toBeLessThan(packets * PACKET_SAMPLES)
    while (!receiver.drain(Infinity)) receiver.timeline.skip(receiver.timeline.readPosition + 8_000)
    receiver.timeline.skip(packets * PACKET_SAMPLES)
    expect(receiver.timeline.ledger).toMatchObject({ overflowSamples: 0, audioSamples: packets * PACKET_SAMPLES })
    expect(receiver.counters).toMatchObject({ packetsReceived: packets, packetsLost: 0 })
  })
})

describe('hold', () => {
  it('is the cause of the gap while the SDP says so', () => {
    receive(0)
    receiver.replan(planOf(0, { held: true }), OPENED_US + PACKET_US)
    const resumedUs = OPENED_US + 2_000_000
    receiver.replan(planOf(0), resumedUs)
    receive(100, { sequenceNumber: FIRST_SEQUENCE + 1, atUs: resumedUs + PACKET_US })
    heard(101)
    expect(receiver.timeline.gaps.map(({ cause }) => cause)).toEqual(['held'])
    expect(receiver.timeline.ledger.gapSamples.held).toBe(99 * PACKET_SAMPLES)
    expect(receiver.timeline.sampleRate).toBe(8_000)
  })

  it('from first to last means that nobody waited for this stream', () => {
    const held = new StreamReceiver(planOf(0, { held: true }), OPENED_US)
    held.replan(planOf(0, { held: true }), OPENED_US + 1)
    expect(held.wasAwaited).toBe(false)
    held.replan(planOf(0), OPENED_US + 2)
    held.replan(planOf(0, { held: true }), OPENED_US + 3)
    expect(held.wasAwaited).toBe(true)
  })

  it('is told of a stream that went over to formats that are not recorded, once', () => {
    receive(0)
    expect(receiver.refuse(OPENED_US + PACKET_US)).toBe(true)
    expect(receiver.refuse(OPENED_US + 2 * PACKET_US)).toBe(false)
    expect(receiver.plan.held).toBe(true)
    receiver.replan(planOf(0), OPENED_US + 3 * PACKET_US)
    expect(receiver.plan.held).toBe(false)
    expect(receiver.refuse(OPENED_US + 4 * PACKET_US)).toBe(true)
  })
})

describe('a pause', () => {
  const spokenUs = (packets: number): number => OPENED_US + packets * PACKET_US

  it('keeps packets from being decoded, and counts them apart', () => {
    for (let index = 0; index < 4; index += 1) receive(index)
    receiver.pause(true, spokenUs(4))
    for (let index = 4; index < 8; index += 1) receive(index)
    receiver.pause(false, spokenUs(8))
    for (let index = 8; index < 10; index += 1) receive(index)
    expect(heard(10)).toBe('xxxx....xx')
    expect(receiver.counters).toMatchObject({
      packetsReceived: 6,
      packetsLost: 0,
      packetsDiscarded: { paused: 4, late: 0 },
    })
    expect(receiver.timeline.ledger).toMatchObject({
      writtenSamples: 6 * PACKET_SAMPLES,
      gapSamples: { paused: 4 * PACKET_SAMPLES, lost: 0 },
    })
  })

  it('keeps what was spoken before it and waits for its place in the sequence', () => {
    receive(0)
    receive(2)
    receiver.pause(true, spokenUs(3))
    receive(1, { atUs: spokenUs(5) })
    expect(heard(3)).toBe('xxx')
    expect(receiver.counters).toMatchObject({ packetsReceived: 3, packetsDiscarded: { paused: 0 } })
  })

  it('holds back what was spoken in it and comes after its end', () => {
    for (let index = 0; index < 3; index += 1) receive(index)
    receiver.pause(true, spokenUs(3))
    receiver.pause(false, spokenUs(6))
    for (let index = 3; index < 6; index += 1) receive(index, { atUs: spokenUs(index + 4) })
    receive(6, { atUs: spokenUs(11) })
    expect(heard(7)).toBe('xxx...x')
  })

  it('by the SDP lasts as long as the SDP says so, whatever becomes of that of the recording', () => {
    receiver.replan(planOf(0, { paused: true }), spokenUs(0))
    receiver.pause(true, spokenUs(1))
    receiver.pause(false, spokenUs(2))
    expect(receiver.isPaused).toBe(true)
    for (let index = 0; index < 4; index += 1) receive(index)
    receiver.replan(planOf(0), spokenUs(4))
    receive(4)
    expect(receiver.isPaused).toBe(false)
    expect(heard(5)).toBe('....x')
  })

  it('from the first offer on means that nobody is missed', () => {
    const paused = new StreamReceiver(planOf(0, { paused: true }), OPENED_US)
    expect(paused.wasAwaited).toBe(false)
    paused.replan(planOf(0), LATER_US)
    expect(paused.wasAwaited).toBe(true)
  })

  it('drops telephone-events by when they come: their timestamp is that of the first', () => {
    receive(0)
    receiver.pause(true, spokenUs(1))
    receive(1, { payloadType: 101, payload: new Uint8Array(4) })
    expect(receiver.counters).toMatchObject({ packetsReceived: 1, packetsDiscarded: { paused: 1 } })
  })
})
