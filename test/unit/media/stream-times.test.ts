import { expect, it } from 'vitest'

import { StreamTimeline } from '../../../src/media/stream-timeline.ts'

const PACKET = 160
const PACKET_US = 20_000

/** A stream of packets of 20 ms, the last of which has just been observed; the recording was paused in the middle of it. */
function pausedWithin(aheadUs: number): StreamTimeline {
  const timeline = new StreamTimeline({ clockRate: 8_000 })
  timeline.setOrigin(0)
  timeline.times.setAhead(aheadUs)
  for (let index = 0; index < 5; index++) {
    timeline.observe(index * PACKET, (index + 1) * PACKET_US)
    if (index < 4) timeline.write(new Int16Array(PACKET).fill(1_000), index * PACKET, (index + 1) * PACKET_US, 0)
  }
  timeline.read(PACKET)
  timeline.setPaused(true, 4.5 * PACKET_US)
  return timeline
}

it('a packet that a pause cuts is cut on the timeline', () => {
  expect(pausedWithin(0).isLastPaused).toBe(false)
})

it('a packet that a pause cuts is dropped whole where audio is moved ahead, or its end would stand before the pause', () => {
  expect(pausedWithin(60_000).isLastPaused).toBe(true)
})
