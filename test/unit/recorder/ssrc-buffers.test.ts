import { beforeEach, describe, expect, it } from 'vitest'

import type { RtpPacket } from '../../../src/protocol/rtp/packet.ts'
import { FORMER_SSRC_US, SsrcBuffers } from '../../../src/recorder/ssrc-buffers.ts'

const payload = new Uint8Array(0)

function packet(ssrc: number, sequenceNumber: number): RtpPacket {
  return { payloadType: 0, marker: false, sequenceNumber, timestamp: 0, ssrc, payload }
}

let buffers: SsrcBuffers

/** These numbers of the active SSRC come and are taken. */
function take(...numbers: readonly number[]): void {
  for (const number of numbers) buffers.active.push(packet(buffers.ssrc ?? 0, number), 0)
  while (buffers.active.pop(Infinity) !== undefined);
}

beforeEach(() => {
  buffers = new SsrcBuffers()
  buffers.begin(1, 0)
  take(10, 11, 13)
  buffers.begin(2, 100)
  take(500, 501)
})

describe('the SSRC before', () => {
  it('is recognised by what it sent, for a while', () => {
    expect([10, 11, 12, 13, 14].map((number) => buffers.isCopy(packet(1, number), 100))).toEqual([
      true,
      true,
      false,
      true,
      false,
    ])
    expect(buffers.isCopy(packet(1, 13), 100 + FORMER_SSRC_US)).toBe(true)
    expect(buffers.isCopy(packet(1, 13), 101 + FORMER_SSRC_US)).toBe(false)
    expect(buffers.isCopy(packet(3, 13), 100)).toBe(false)
  })

  it('goes on where it was when it comes back soon: what is missing in between is lost', () => {
    buffers.begin(1, 100 + FORMER_SSRC_US)
    take(13, 20)
    expect(buffers.active.counters).toMatchObject({ duplicate: 1, released: 4, lost: 7 })
    expect(buffers.expected).toBe(11 + 2)
    expect(buffers.isCopy(packet(2, 501), 200)).toBe(true)
  })

  it('begins anew when it comes back later; nothing expected is forgotten', () => {
    buffers.begin(1, 101 + FORMER_SSRC_US)
    take(20)
    expect(buffers.active.counters).toMatchObject({ released: 1, lost: 0 })
    expect(buffers.expected).toBe(4 + 2 + 1)
  })

  it('has in the count what waits for a missing packet, and that, once nothing more is awaited', () => {
    const counts = (): readonly number[] => [buffers.expected, buffers.lost]
    buffers.active.push(packet(2, 504), 0)
    expect(counts()).toEqual([4 + 2, 1])
    buffers.countRest()
    expect(counts()).toEqual([4 + 5, 1 + 2])
    for (const ssrc of [3, 4, 5]) buffers.begin(ssrc, 200)
    expect(counts()).toEqual([4 + 5, 1 + 2])
  })

  it('keeps its strays in the count when others follow', () => {
    take(40_000)
    for (const ssrc of [3, 4, 5]) buffers.begin(ssrc, 200)
    expect(buffers.stray).toBe(1)
    expect(buffers.expected).toBe(4 + 2)
  })
})
