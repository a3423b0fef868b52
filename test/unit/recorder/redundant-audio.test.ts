import { beforeEach, describe, expect, it } from 'vitest'

import { encodePcmu } from '../../../src/media/g711.ts'
import { parseSdp } from '../../../src/protocol/sdp/parse.ts'
import { planStreams } from '../../../src/recorder/recording-request.ts'
import type { MediaStreamPlan } from '../../../src/recorder/recording-types.ts'
import { StreamReceiver } from '../../../src/recorder/stream-receiver.ts'
import { noise } from '../../support/audio.ts'
import { EncoderStock, OPENED_US, PACKET_SAMPLES, PACKET_US, RecordingRig, rtp } from '../../support/recording-rig.ts'
import { redundantPayload } from '../../support/redundant-audio.ts'

const RED = 121
const said = noise({ seed: 3, samples: 20 * PACKET_SAMPLES, amplitude: 0.3 })
const encoded = (index: number): Uint8Array =>
  encodePcmu(said.subarray(index * PACKET_SAMPLES, (index + 1) * PACKET_SAMPLES))

function planOf(formats: string): MediaStreamPlan {
  const text = [
    ...['v=0', 'o=- 1 1 IN IP4 192.0.2.1', 's=-', 'c=IN IP4 192.0.2.1', 't=0 0', `m=audio 4000 RTP/AVP ${formats}`],
    ...['a=rtpmap:121 red/8000', 'a=fmtp:121 0/0', 'a=sendonly', ''],
  ].join('\r\n')
  const offer = parseSdp(new TextEncoder().encode(text))
  const [plan] = offer.ok ? planStreams(offer.value.media).plans : []
  if (plan === undefined) throw new Error('no plan')
  return plan
}

let receiver: StreamReceiver

beforeEach(() => {
  receiver = new StreamReceiver(planOf('121 0'), OPENED_US)
})

/** Packet `index`, with copies of so many before it. */
function receive(index: number, copies: number): void {
  const blocks = Array.from({ length: Math.min(copies, index) + 1 }, (_, back) => ({
    payloadType: 0,
    timestampOffset: back * PACKET_SAMPLES,
    payload: encoded(index - back),
  })).toReversed()
  const nowUs = OPENED_US + (index + 1) * PACKET_US
  const packet = { payloadType: RED, sequenceNumber: index, timestamp: index * PACKET_SAMPLES }
  receiver.handleDatagram(rtp({ ...packet, payload: redundantPayload(blocks) }), nowUs)
  receiver.drain(nowUs)
}

function heard(): Int16Array {
  receiver.timeline.setOrigin(OPENED_US)
  receiver.drain(Infinity)
  return receiver.timeline.read(said.length).slice()
}

describe('redundant audio', () => {
  it('is heard as what it wraps', () => {
    for (let index = 0; index < 20; index++) receive(index, 1)
    const whole = heard()
    expect(receiver.codecs).toEqual(['PCMU'])
    expect(receiver.counters).toMatchObject({ packetsReceived: 20, packetsLost: 0, packetsDuplicate: 0 })
    expect(receiver.timeline.ledger.audioSamples).toBe(said.length)
    expect(whole.every((sample, i) => Math.abs(sample - (said[i] ?? 0)) < 600)).toBe(true)
  })

  it.each([1, 2])('makes up for losses of as many packets as it has copies of: %i', (copies) => {
    const isLost = (index: number): boolean => index % 5 >= 5 - copies
    for (let index = 0; index < 20; index++) if (!isLost(index)) receive(index, copies)
    const whole = heard()
    const lostAtEnd = copies
    const rest = said.length - lostAtEnd * PACKET_SAMPLES
    expect(receiver.counters).toMatchObject({ packetsReceived: 20 - lostAtEnd, packetsLost: 0, packetsDuplicate: 0 })
    expect(receiver.timeline.ledger.audioSamples).toBe(rest)
    expect(whole.subarray(0, rest).every((sample, i) => Math.abs(sample - (said[i] ?? 0)) < 600)).toBe(true)
  })

  it('on a line that offers nothing else is heard as well', () => {
    receiver = new StreamReceiver(planOf('121'), OPENED_US)
    for (let index = 0; index < 20; index++) receive(index, 1)
    heard()
    expect(receiver.codecs).toEqual(['PCMU'])
    expect(receiver.timeline.ledger.audioSamples).toBe(said.length)
  })

  it('that cannot be read, or wraps what was not offered, is discarded', () => {
    receiver.handleDatagram(rtp({ payloadType: RED, payload: Uint8Array.of(0x80, 1) }), OPENED_US + PACKET_US)
    const foreign = [{ payloadType: 77, timestampOffset: 0, payload: encoded(0) }]
    receiver.handleDatagram(rtp({ payloadType: RED, payload: redundantPayload(foreign) }), OPENED_US + PACKET_US)
    expect(receiver.counters).toMatchObject({ packetsReceived: 0, packetsDiscarded: { payloadType: 2 } })
  })

  it('said in a pause is not taken, nor the copy of it in the packet behind', () => {
    for (let index = 0; index < 10; index++) receive(index, 1)
    receiver.pause(true, OPENED_US + 10 * PACKET_US)
    for (let index = 10; index < 15; index++) receive(index, 1)
    receiver.pause(false, OPENED_US + 15 * PACKET_US)
    for (let index = 15; index < 20; index++) receive(index, 1)
    const [from, to] = [10 * PACKET_SAMPLES, 15 * PACKET_SAMPLES]
    expect(
      heard()
        .subarray(from, to)
        .every((sample) => sample === 0),
    ).toBe(true)
    expect(receiver.timeline.ledger.gapSamples.paused).toBe(to - from)
  })
})

it('a recording whose packets were of no payload type that was agreed on says that, and not that none came', async () => {
  const plan = planOf('0')
  const rig = new RecordingRig({ encoders: await EncoderStock.of(1), plans: [plan] })
  const foreign = Array.from({ length: 50 }, (_, index) => ({
    streamId: plan.streamId,
    datagram: rtp({ payloadType: 97, sequenceNumber: index, timestamp: index * PACKET_SAMPLES }),
    arrivalUs: OPENED_US + (index + 1) * PACKET_US,
  }))
  rig.run(foreign, 2_000_000)
  expect(rig.end(2_000_000).incidents.map(({ code }) => code)).toEqual(['payload-types-foreign'])
})
