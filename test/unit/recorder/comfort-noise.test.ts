import { beforeEach, describe, expect, it } from 'vitest'

import type { RtpPacket } from '../../../src/protocol/rtp/packet.ts'
import { StreamReceiver } from '../../../src/recorder/stream-receiver.ts'
import { OPENED_US, PACKET_SAMPLES, PACKET_US, planOf, rtp } from '../../support/recording-rig.ts'

const FIRST_SEQUENCE = 0xfffe
const FIRST_TIMESTAMP = 0xffff_ff00

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

describe('comfort noise (RFC 3389)', () => {
  /** Ten packets of talk; the SRC says at once, a packet's time early, that silence follows, and says so again; then it goes on talking. */
  function talkWithSilence(): void {
    for (let index = 0; index < 10; index++) receive(index)
    receive(10, { payloadType: 13, payload: Uint8Array.of(70), atUs: OPENED_US + 10 * PACKET_US + 1 })
    const update = { sequenceNumber: (FIRST_SEQUENCE + 11) & 0xffff, payload: Uint8Array.of(71, 1, 2) }
    receive(30, { ...update, payloadType: 13, atUs: OPENED_US + 30 * PACKET_US + 1 })
    for (let index = 50; index < 60; index++) {
      receive(index, { sequenceNumber: (FIRST_SEQUENCE + index - 38) & 0xffff })
    }
  }

  it('is counted, and its time is silence by the word of the SRC', () => {
    talkWithSilence()
    expect(heard(60)).toBe('x'.repeat(10) + '.'.repeat(40) + 'x'.repeat(10))
    expect(receiver.timeline.gaps).toEqual([{ fromSample: 1_600, toSample: 8_000, cause: 'silence' }])
    expect(receiver.counters).toMatchObject({
      packetsReceived: 22,
      packetsExpected: 22,
      packetsComfortNoise: 2,
      packetsLost: 0,
    })
  })

  it('disturbs neither the clock nor the jitter, though it leaves before its time has passed', () => {
    talkWithSilence()
    expect(receiver.counters.jitterSeconds).toBe(0)
    receiver.drain(Infinity)
    expect(receiver.timeline.firstSampleUs).toBe(OPENED_US)
    heard(60)
    expect(receiver.timeline.ledger).toMatchObject({ resyncs: 0, insertedSamples: 0, removedSamples: 0 })
  })

  it('makes silence of what follows even while nothing does, and of a clock that stood still', () => {
    for (let index = 0; index < 10; index++) receive(index)
    receive(10, { payloadType: 13, payload: Uint8Array.of(70) })
    expect(heard(30)).toBe('x'.repeat(10) + '.'.repeat(20))
    expect(receiver.timeline.gaps).toEqual([{ fromSample: 1_600, toSample: 4_800, cause: 'silence' }])
    for (let index = 11; index < 20; index++) receive(index, { atUs: OPENED_US + (index + 40) * PACKET_US })
    receiver.drain(Infinity)
    receiver.timeline.read(59 * PACKET_SAMPLES)
    expect(receiver.timeline.gaps[0]).toMatchObject({ fromSample: 1_600, cause: 'silence' })
    expect(receiver.timeline.ledger.gapSamples.noMedia).toBe(0)
  })

  it('that was lost before more of it counts as lost', () => {
    for (let index = 0; index < 10; index++) receive(index)
    receive(12, { payloadType: 13, payload: Uint8Array.of(70) })
    receive(20, { sequenceNumber: (FIRST_SEQUENCE + 13) & 0xffff })
    expect(heard(21)).toBe(`${'x'.repeat(10)}${'.'.repeat(10)}x`)
    expect(receiver.counters).toMatchObject({ packetsExpected: 14, packetsReceived: 12, packetsLost: 2 })
    expect(receiver.timeline.ledger.gapSamples).toMatchObject({ lost: 320, silence: 1_280 })
  })
})
