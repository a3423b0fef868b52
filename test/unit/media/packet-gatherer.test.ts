import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { splitMultistreamPacket } from '../../../src/media/opus-packet.ts'
import { PacketGatherer } from '../../../src/media/packet-gatherer.ts'

describe('PacketGatherer', () => {
  it('gives back any packets as they were, page after page', () => {
    const packet = fc.uint8Array({ maxLength: 1_300 })
    fc.assert(
      fc.property(fc.array(fc.array(packet, { maxLength: 150 }), { maxLength: 4 }), (pages) => {
        const gatherer = new PacketGatherer()
        for (const packets of pages) {
          for (const each of packets) gatherer.push([each])
          expect(gatherer.length).toBe(packets.length)
          expect(gatherer.packets.map((view) => [...view])).toEqual(packets.map((each) => [...each]))
          gatherer.clear()
          expect(gatherer.length).toBe(0)
        }
      }),
      { numRuns: 30 },
    )
  })

  it('joins one packet of each stream, in whatever it grows to', () => {
    const packet = fc.uint8Array({ minLength: 0, maxLength: 1_275 }).map((frame) => Uint8Array.of(0xf8, ...frame))
    fc.assert(
      fc.property(fc.array(fc.array(packet, { minLength: 1, maxLength: 8 }), { maxLength: 40 }), (frames) => {
        const gatherer = new PacketGatherer()
        for (const packets of frames) gatherer.push(packets)
        expect(gatherer.packets.map((view, index) => splitMultistreamPacket(view, frames[index]?.length ?? 0))).toEqual(
          frames.map((packets) => ({ ok: true, value: packets })),
        )
      }),
      { numRuns: 30 },
    )
  })

  it('copies what it is given', () => {
    const gatherer = new PacketGatherer()
    const lent = Uint8Array.of(1, 2, 3)
    gatherer.push([lent])
    lent.fill(9)
    expect([...(gatherer.packets[0] ?? [])]).toEqual([1, 2, 3])
  })

  it('wipes what it forgets', () => {
    const gatherer = new PacketGatherer()
    gatherer.push([Uint8Array.of(1, 2, 3)])
    const view = gatherer.packets[0]
    gatherer.clear()
    expect([...(view ?? [])]).toEqual([0, 0, 0])
  })
})
