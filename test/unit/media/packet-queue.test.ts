import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { PacketQueue, QUEUE_PACKETS_MAX, QUEUE_SECONDS_MAX } from '../../../src/media/packet-queue.ts'

const RATE = 8_000
const FRAME = 160

function frame(number: number, length = FRAME): Int16Array {
  return new Int16Array(length).fill(number % 30_000)
}

/** The sample of which each packet that waits consists; NaN when there are several. */
function contents(queue: PacketQueue): number[] {
  return Array.from({ length: queue.length }, (_, index) => {
    const entry = queue.at(index)
    if (entry === undefined) throw new Error('an entry is missing')
    const samples = new Int16Array(entry.length)
    queue.copy(entry, 0, samples, 0)
    return samples.every((sample) => sample === samples[0]) ? (samples[0] ?? 0) : Number.NaN
  })
}

describe('the queue of decoded packets', () => {
  it('gives back in order what it was given, however it grows and shrinks meanwhile', () => {
    const bursts = fc.array(fc.record({ pushed: fc.nat({ max: 300 }), shifted: fc.nat({ max: 300 }) }), {
      maxLength: 8,
    })
    fc.assert(
      fc.property(bursts, fc.integer({ min: 1, max: 400 }), (steps, length) => {
        const queue = new PacketQueue(RATE)
        const expected: number[] = []
        let number = 0
        for (const { pushed, shifted } of steps) {
          for (let i = 0; i < pushed; i += 1, number += 1) {
            if (queue.push(frame(number, length)) !== undefined) expected.push(number)
          }
          for (let i = 0; i < shifted; i += 1) queue.shift()
          expected.splice(0, shifted)
        }
        expect(contents(queue)).toEqual(expected)
      }),
      { numRuns: 30 },
    )
  })

  it('holds no more than its limits', () => {
    const queue = new PacketQueue(RATE)
    let taken = 0
    while (queue.push(frame(taken)) !== undefined) taken += 1
    expect(taken).toBe(
      Math.min(QUEUE_PACKETS_MAX, Math.floor(2 ** Math.ceil(Math.log2(RATE * QUEUE_SECONDS_MAX)) / FRAME)),
    )
    expect(queue.isNearlyFull).toBe(true)
  })

  it('needs as many entries as ever wait at a time', () => {
    const queue = new PacketQueue(RATE)
    const entries = new Set<unknown>()
    for (let number = 0; number < 500; number += 1) {
      entries.add(queue.push(frame(number)))
      if (queue.length > 30) queue.shift()
    }
    expect(entries.size).toBe(31)
  })

  it('gives back the memory that a stall has needed', () => {
    const queue = new PacketQueue(RATE)
    const before = queue.bytes
    for (let number = 0; number < 1_000; number += 1) queue.push(frame(number))
    expect(queue.bytes).toBeGreaterThan(8 * before)
    while (queue.length > 30) queue.shift()
    expect(contents(queue)).toEqual(Array.from({ length: 30 }, (_, index) => 970 + index))
    for (let number = 0; number < 100; number += 1) {
      queue.push(frame(number))
      queue.shift()
    }
    expect(queue.bytes).toBe(before)
  })
})
