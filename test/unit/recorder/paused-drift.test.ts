import { describe, expect, it } from 'vitest'

import { encodePcmu } from '../../../src/media/g711.ts'
import { StreamReceiver } from '../../../src/recorder/stream-receiver.ts'
import { OPENED_US, PACKET_US, planOf, rtp } from '../../support/recording-rig.ts'

const RATE = 8_000
const PACKET = 160
/** Which sample is the first of a pause is a matter of rounding. */
const SAMPLE_MS = 1_000 / RATE
const OPEN = encodePcmu(new Int16Array(PACKET).fill(700))
const PAUSE = { fromSecond: 600, toSecond: 610 }
const END_SECOND = 630

/** What is said in the pause is loud. */
function payloadOf(spokenSecond: number): Uint8Array {
  const { fromSecond, toSecond } = PAUSE
  if (spokenSecond + 1 < fromSecond || spokenSecond > toSecond) return OPEN
  const isSecret = (second: number): boolean => second >= fromSecond && second < toSecond
  return encodePcmu(Int16Array.from({ length: PACKET }, (_, i) => (isSecret(spokenSecond + i / RATE) ? 9_000 : 700)))
}

interface Wire {
  /** Of the sender's clock against ours; negative: it is slower. */
  readonly ppm?: number
  /** How long packets are on their way. */
  readonly delayMs?: (second: number) => number
  readonly isHold?: boolean
}

/** Ten minutes, a pause of ten seconds, or a hold, and twenty seconds more; read half a second behind, as a recording is. */
function record({ ppm = 0, delayMs = () => 0, isHold = false }: Wire): {
  readonly receiver: StreamReceiver
  readonly secretMs: number
} {
  const receiver = new StreamReceiver(planOf(0), OPENED_US)
  receiver.timeline.setOrigin(OPENED_US)
  const set = (isOn: boolean, second: number): void => {
    const atUs = OPENED_US + second * 1_000_000
    if (isHold) receiver.replan(planOf(0, { held: isOn }), atUs)
    else receiver.pause(isOn, atUs)
  }
  let secretSamples = 0
  const read = (toSecond: number): void => {
    const samples = receiver.timeline.read(Math.max(0, Math.floor(toSecond * RATE)))
    secretSamples += samples.filter((sample) => sample > 5_000).length
  }
  let state: 'before' | 'within' | 'behind' = 'before'
  for (let index = 0; ; index++) {
    const spokenSecond = (index * PACKET_US * (1 - ppm / 1e6)) / 1e6
    const second = spokenSecond + PACKET_US / 1e6 + delayMs(spokenSecond) / 1_000
    if (second > END_SECOND) break
    if (state === 'before' && second >= PAUSE.fromSecond) {
      set(true, PAUSE.fromSecond)
      state = 'within'
    }
    if (state === 'within' && second >= PAUSE.toSecond) {
      set(false, PAUSE.toSecond)
      state = 'behind'
    }
    const payload = payloadOf(spokenSecond)
    const datagram = rtp({ sequenceNumber: index & 0xffff, timestamp: index * PACKET, payload })
    receiver.handleDatagram(datagram, OPENED_US + second * 1e6)
    receiver.drain(OPENED_US + second * 1e6)
    if (index % 15 === 0) read(second - 0.5)
  }
  receiver.drain(Infinity)
  read(END_SECOND - 1)
  return { receiver, secretMs: (secretSamples * 1_000) / RATE }
}

/** Milliseconds behind the pause that are no audio. */
function missingMs({ timeline }: StreamReceiver): number {
  const gaps = timeline.gaps.map(({ fromSample, toSample }) => toSample - Math.max(fromSample, PAUSE.toSecond * RATE))
  return (gaps.filter((length) => length > 0).reduce((sum, length) => sum + length, 0) * 1_000) / RATE
}

describe.each([
  ['pause', false],
  ['hold', true],
])('behind a %s', (_name, isHold) => {
  it.each([-500, -100, 0, 100, 500])('all is recorded, with a clock of the SRC that is %i ppm off', (ppm) => {
    const { receiver, secretMs } = record({ ppm, isHold })
    expect(secretMs).toBeLessThanOrEqual(SAMPLE_MS)
    expect(missingMs(receiver)).toBeLessThan(20)
  })

  it.each([200, 400, 900])(
    'nothing of it comes out of a queue of %i ms on the way that grew in it and stays',
    (queueMs) => {
      const delayMs = (second: number): number => Math.min(queueMs, Math.max(0, (second - 602) * 150))
      const { receiver, secretMs } = record({ delayMs, isHold })
      expect(secretMs).toBe(0)
      expect(missingMs(receiver)).toBeLessThanOrEqual(queueMs + 20)
    },
  )
})
