import { describe, expect, it } from 'vitest'

import {
  OUTAGE_TOLERANCE_US,
  REORDER_PACKETS_MAX,
  REORDER_SETTLE_US,
  REORDER_WINDOW_US,
  ReorderBuffer,
  STRAGGLERS_US,
} from '../../../src/media/reorder-buffer.ts'
import type { RtpPacket } from '../../../src/protocol/rtp/packet.ts'
import { lend } from '../../support/lent-memory.ts'

function packet(sequenceNumber: number, timestamp = 0): RtpPacket {
  return {
    payloadType: 0,
    marker: false,
    sequenceNumber: sequenceNumber & 0xffff,
    timestamp: timestamp >>> 0,
    ssrc: 1,
    payload: new Uint8Array(0),
  }
}

/** What is released by now, as "number" or "number(lost before)". */
function released(buffer: ReorderBuffer, nowUs: number): string[] {
  const found: string[] = []
  for (let next = buffer.pop(nowUs); next !== undefined; next = buffer.pop(nowUs)) {
    found.push(`${next.packet.sequenceNumber}${next.lostBefore > 0 ? `(${next.lostBefore})` : ''}`)
  }
  return found
}

function filled(numbers: readonly number[]): ReorderBuffer {
  const buffer = new ReorderBuffer()
  for (const number of numbers) buffer.push(packet(number), 0)
  return buffer
}

describe('the reorder buffer', () => {
  it('releases in sequence whatever the order of arrival', () => {
    const buffer = filled([12, 10, 11, 14, 13])
    expect(released(buffer, REORDER_SETTLE_US)).toEqual(['10', '11', '12', '13', '14'])
  })

  it('goes on over the wrap of the sequence number', () => {
    const buffer = filled([65_534, 0, 65_535, 1])
    expect(released(buffer, REORDER_SETTLE_US)).toEqual(['65534', '65535', '0', '1'])
    expect(buffer.counters).toMatchObject({ queued: 4, released: 4, lost: 0 })
  })

  it('holds the first packet a little, so that one it overtook is still in time', () => {
    const buffer = filled([11])
    expect(released(buffer, REORDER_SETTLE_US - 1)).toEqual([])
    expect(buffer.push(packet(10), REORDER_SETTLE_US - 1)).toBe('queued')
    expect(released(buffer, REORDER_SETTLE_US)).toEqual(['10', '11'])
  })

  it('waits for a missing packet until another has waited for the window, then counts it as lost once', () => {
    const buffer = filled([10])
    expect(released(buffer, REORDER_SETTLE_US)).toEqual(['10'])
    buffer.push(packet(13), 200_000)
    buffer.push(packet(14), 220_000)
    expect(released(buffer, 200_000 + REORDER_WINDOW_US - 1)).toEqual([])
    expect(released(buffer, 200_000 + REORDER_WINDOW_US)).toEqual(['13(2)', '14'])
    expect(buffer.counters.lost).toBe(2)
  })

  it('goes on at once when the missing packet comes', () => {
    const buffer = filled([10])
    released(buffer, REORDER_SETTLE_US)
    buffer.push(packet(12), 200_000)
    expect(released(buffer, 210_000)).toEqual([])
    buffer.push(packet(11), 220_000)
    expect(released(buffer, 220_000)).toEqual(['11', '12'])
  })

  it('waits for nothing when it is flushed', () => {
    expect(released(filled([10, 12, 15]), Infinity)).toEqual(['10', '12(1)', '15(2)'])
  })

  it('says "late" for a packet that has been counted as lost, and leaves the count as it is', () => {
    const buffer = filled([10, 12])
    released(buffer, Infinity)
    expect(buffer.push(packet(11), 1)).toBe('late')
    expect(buffer.push(packet(11), 2)).toBe('duplicate')
    expect(buffer.counters).toMatchObject({ late: 1, duplicate: 1, lost: 1, released: 2 })
  })

  it('says "duplicate" for a second copy, whether the first waits or is gone', () => {
    const buffer = filled([10, 11, 13])
    expect(buffer.push(packet(13), 1)).toBe('duplicate')
    released(buffer, Infinity)
    expect(buffer.push(packet(10), 2)).toBe('duplicate')
    expect(buffer.push(packet(13), 2)).toBe('duplicate')
    expect(buffer.counters).toMatchObject({ queued: 3, duplicate: 3, released: 3 })
  })

  it('remembers released numbers right over an outage', () => {
    const buffer = filled([10])
    released(buffer, Infinity)
    expect(buffer.push(packet(2_000), 1)).toBe('queued')
    expect(buffer.push(packet(1_999), 2)).toBe('queued')
    expect(buffer.push(packet(2_000), 2)).toBe('duplicate')
    expect(released(buffer, Infinity)).toEqual(['1999(1988)', '2000'])
  })
})

describe('what was to be expected', () => {
  it('is counted by the numbers alone, over the wrap and over every run', () => {
    const buffer = filled([65_530, 65_533, 1, 3, 3])
    expect(buffer.counters.expected).toBe(0)
    released(buffer, Infinity)
    expect(buffer.counters).toMatchObject({ expected: 10, released: 4, lost: 6 })
    for (const number of [40_000, 40_001, 40_004]) buffer.push(packet(number), 1)
    released(buffer, Infinity)
    expect(buffer.counters).toMatchObject({ expected: 15, released: 7, lost: 8 })
  })

  it('does not grow by what came late, before the first or in between', () => {
    const buffer = filled([10, 13])
    released(buffer, Infinity)
    expect(buffer.push(packet(9), 1)).toBe('late')
    expect(buffer.push(packet(12), 1)).toBe('late')
    expect(buffer.counters).toMatchObject({ expected: 4, released: 2, lost: 2, late: 2 })
  })
})

describe('a jump of the sequence number', () => {
  it('is believed with the second packet; both are released, after the old ones, and nothing between is lost', () => {
    const buffer = filled([10, 11, 13])
    expect(buffer.push(packet(40_000), 1)).toBe('queued')
    expect(buffer.push(packet(40_001), 2)).toBe('restarted')
    expect(released(buffer, REORDER_WINDOW_US)).toEqual(['10', '11', '13(1)'])
    expect(released(buffer, REORDER_WINDOW_US + 1)).toEqual(['40000', '40001'])
    expect(buffer.counters).toMatchObject({ restarted: 1, lost: 1, stray: 0 })
  })

  it('is believed even when the second packet has overtaken the first or one between is lost', () => {
    const backwards = filled([10])
    backwards.push(packet(40_001), 1)
    expect(backwards.push(packet(40_000), 2)).toBe('restarted')
    expect(released(backwards, Infinity)).toEqual(['10', '40000', '40001'])
    const broken = filled([10])
    broken.push(packet(40_000), 1)
    expect(broken.push(packet(40_002), 2)).toBe('restarted')
    expect(released(broken, Infinity)).toEqual(['10', '40000', '40002(1)'])
  })

  it('backwards beyond reordering is a restart too', () => {
    const buffer = filled([1_000])
    buffer.push(packet(5), 1)
    expect(buffer.push(packet(6), 2)).toBe('restarted')
    expect(released(buffer, Infinity)).toEqual(['1000', '5', '6'])
  })

  it('of a single stray packet costs nothing but that packet', () => {
    const buffer = filled([10])
    buffer.push(packet(40_000), 1)
    buffer.push(packet(11), 2)
    expect(buffer.push(packet(50_000), 3)).toBe('queued')
    expect(released(buffer, 3)).toEqual([])
    expect(buffer.counters).toMatchObject({ stray: 1, lost: 0 })
    // The last one is not forgotten when nothing more comes.
    expect(released(buffer, Infinity)).toEqual(['10', '11'])
    expect(buffer.counters).toMatchObject({ stray: 2, lost: 0 })
  })

  it('may happen twice in a row', () => {
    const buffer = filled([10])
    for (const number of [30_000, 30_001, 50_000, 50_001]) buffer.push(packet(number), 1)
    expect(released(buffer, Infinity)).toEqual(['10', '30000', '30001', '50000', '50001'])
    expect(buffer.counters.restarted).toBe(2)
  })
})

describe('a jump that the RTP clock counted, packet by packet', () => {
  const before = 0xffff_0000

  /** A buffer that released 10 of packets of 160 samples, and then got these, counted from it. */
  function jumped(...later: readonly number[]): ReorderBuffer {
    const buffer = new ReorderBuffer()
    buffer.push(packet(10, before), 0)
    released(buffer, Infinity)
    for (const number of later) comesAsSent(buffer, number)
    return buffer
  }

  /** A packet comes when the RTP clock says, or so many seconds later. */
  function comesAsSent(buffer: ReorderBuffer, number: number, samples = 0, lateUs = 0): void {
    buffer.push(packet(10 + number, before + number * 160 + samples), number * 20_000 + lateUs, 8_000)
  }

  it('is loss, whichever of the two came first', () => {
    for (const later of [
      [3_000, 3_001],
      [3_002, 3_000],
    ]) {
      const buffer = jumped(...later)
      expect(released(buffer, Infinity)[0]).toBe('3010(2999)')
      expect(buffer.counters).toMatchObject({ restarted: 0, stray: 0 })
    }
  })

  it('is loss over any number of wraps of the sequence number', () => {
    const buffer = jumped(200_000, 200_001)
    expect(released(buffer, Infinity)).toEqual([`${200_010 & 0xffff}(199999)`, `${200_011 & 0xffff}`])
    expect(buffer.counters).toMatchObject({ restarted: 0, lost: 199_999, expected: 200_002 })
    expect(buffer.push(packet(200_011), 200_002 * 20_000)).toBe('duplicate')
  })

  it('is waited for, and stragglers of before find their place', () => {
    const buffer = jumped(3_000, 3_001)
    buffer.push(packet(12, before + 320), 3_001 * 20_000, 8_000)
    expect(released(buffer, 3_000 * 20_000 + REORDER_WINDOW_US - 1)).toEqual([])
    expect(released(buffer, Infinity)).toEqual(['12(1)', '3010(2997)', '3011'])
    expect(buffer.counters).toMatchObject({ restarted: 0, lost: 2_998, expected: 3_002, released: 4 })
  })

  it('is none when the clock counted less, more, or backwards', () => {
    for (const samples of [-1, 1, -160, 160, -2 * 3_000 * 160]) {
      const buffer = jumped()
      for (const number of [3_000, 3_001]) comesAsSent(buffer, number, samples)
      expect(released(buffer, Infinity)).toEqual(['3010', '3011'])
      expect(buffer.counters).toMatchObject({ restarted: 1, lost: 0 })
    }
  })

  it('is none when that did not take as long: number and clock leapt together', () => {
    for (const [lateUs, restarted] of [
      [OUTAGE_TOLERANCE_US, 0],
      [-OUTAGE_TOLERANCE_US, 0],
      [1 - 3_000 * 20_000, 1],
      [-OUTAGE_TOLERANCE_US - 1, 1],
      [OUTAGE_TOLERANCE_US + 1, 1],
    ] as const) {
      const buffer = jumped()
      for (const number of [3_000, 3_001]) comesAsSent(buffer, number, 0, lateUs)
      expect(buffer.counters).toMatchObject({ restarted })
    }
  })
})

describe('stragglers of the sequence before a jump', () => {
  /** 10 and 12 of a sequence, and two of the next. */
  function jumped(): ReorderBuffer {
    const buffer = filled([10, 12, 40_000, 40_001])
    expect(buffer.counters.restarted).toBe(1)
    return buffer
  }

  it('find their place, missing ones and those that were sent last', () => {
    const buffer = jumped()
    for (const number of [11, 14, 40_002, 13]) expect(buffer.push(packet(number), 1)).toBe('queued')
    expect(released(buffer, Infinity)).toEqual(['10', '11', '12', '13', '14', '40000', '40001', '40002'])
    expect(buffer.counters).toMatchObject({ restarted: 1, stray: 0, lost: 0, expected: 8, released: 8 })
  })

  it('are waited for like any other missing packet, and late when the next sequence has begun', () => {
    const buffer = jumped()
    expect(released(buffer, REORDER_WINDOW_US - 1)).toEqual(['10'])
    expect(released(buffer, REORDER_WINDOW_US)).toEqual(['12(1)', '40000', '40001'])
    expect(buffer.push(packet(11), REORDER_WINDOW_US)).toBe('late')
    expect(buffer.push(packet(13), REORDER_WINDOW_US)).toBe('late')
    expect(buffer.push(packet(13), REORDER_WINDOW_US)).toBe('duplicate')
    expect(buffer.push(packet(12), REORDER_WINDOW_US)).toBe('duplicate')
    expect(buffer.push(packet(40_002), REORDER_WINDOW_US)).toBe('queued')
    expect(released(buffer, REORDER_WINDOW_US)).toEqual(['40002'])
    expect(buffer.counters).toMatchObject({ restarted: 1, late: 2, duplicate: 2, lost: 1, expected: 6, released: 5 })
  })

  it('are none after a while: the source has gone back', () => {
    const buffer = jumped()
    released(buffer, Infinity)
    expect(buffer.push(packet(13), STRAGGLERS_US)).toBe('late')
    expect(buffer.push(packet(14), STRAGGLERS_US + 1)).toBe('queued')
    expect(buffer.push(packet(15), STRAGGLERS_US + 2)).toBe('restarted')
    expect(released(buffer, Infinity)).toEqual(['14', '15'])
  })

  it('are told from packets of the new sequence by what they are nearer to, when it begins a little before the old one ended', () => {
    const buffer = filled([1_000, 850, 851])
    expect(buffer.counters.restarted).toBe(1)
    expect(buffer.push(packet(1_001), 1)).toBe('queued')
    expect(buffer.push(packet(852), 1)).toBe('queued')
    expect(released(buffer, Infinity)).toEqual(['1000', '1001', '850', '851', '852'])
    expect(buffer.counters).toMatchObject({ restarted: 1, lost: 0 })
  })
})

describe('the bound of the reorder buffer', () => {
  it('releases without waiting when it is full, and counts what it has to drop', () => {
    const buffer = filled([0])
    released(buffer, Infinity)
    for (let number = 2; number < 2 + REORDER_PACKETS_MAX; number++) {
      expect(buffer.push(packet(number), 1)).toBe('queued')
    }
    expect(buffer.push(packet(2 + REORDER_PACKETS_MAX), 1)).toBe('overflow')
    expect(buffer.length).toBe(REORDER_PACKETS_MAX)
    expect(released(buffer, 1)[0]).toBe('2(1)')
    buffer.push(packet(3 + REORDER_PACKETS_MAX), 2)
    expect(released(buffer, Infinity)).toEqual([`${3 + REORDER_PACKETS_MAX}(1)`])
    expect(buffer.counters).toMatchObject({ overflow: 1, lost: 2 })
  })
})

describe('a jump when the buffer is full', () => {
  it('drops both packets, and counts the first as a stray: its push is over', () => {
    const buffer = filled(Array.from({ length: REORDER_PACKETS_MAX }, (_, number) => number))
    expect([buffer.push(packet(30_000), 1), buffer.push(packet(30_001), 1)]).toEqual(['queued', 'overflow'])
    expect(buffer.counters).toMatchObject({ overflow: 1, stray: 1 })
  })
})

describe('payloads', () => {
  const payloadOf = (number: number): Uint8Array => new Uint8Array(number % 50).fill(number)

  /** Pushes packets whose memory is used again at once. */
  function pushLent(buffer: ReorderBuffer, number: number, arrivalUs: number): void {
    lend(payloadOf(number), (payload) => buffer.push({ ...packet(number), payload }, arrivalUs))
  }

  it('are copied: released in sequence with their own bytes, whatever came and went meanwhile', () => {
    const buffer = new ReorderBuffer()
    const found: number[] = []
    const takeOut = (nowUs: number): void => {
      for (let next = buffer.pop(nowUs); next !== undefined; next = buffer.pop(nowUs)) {
        expect(next.packet.payload).toEqual(payloadOf(next.packet.sequenceNumber))
        found.push(next.packet.sequenceNumber)
      }
    }
    for (let index = 0; index < 600; index++) {
      pushLent(buffer, index ^ 3, index * 20_000)
      if (index % 11 === 0) takeOut(index * 20_000)
    }
    takeOut(Infinity)
    expect(found).toEqual(Array.from({ length: 600 }, (_, index) => index))
  })

  it('keep their bytes while the buffer grows to its limit, and in a jump', () => {
    const buffer = new ReorderBuffer()
    for (let number = 1; number <= REORDER_PACKETS_MAX - 2; number++) pushLent(buffer, number, number)
    pushLent(buffer, 40_003, REORDER_PACKETS_MAX)
    pushLent(buffer, 40_002, REORDER_PACKETS_MAX)
    let count = 0
    for (let next = buffer.pop(Infinity); next !== undefined; next = buffer.pop(Infinity)) {
      expect(next.packet.payload).toEqual(payloadOf(next.packet.sequenceNumber))
      count += 1
    }
    expect(count).toBe(REORDER_PACKETS_MAX)
  })

  it('need memory for as many as ever waited at a time', () => {
    const buffer = new ReorderBuffer()
    const memories = new Set<ArrayBufferLike>()
    for (let number = 0; number < 1_000; number++) {
      lend(new Uint8Array(160), (payload) => buffer.push({ ...packet(number ^ 1), payload }, number * 20_000))
      for (let next = buffer.pop(number * 20_000); next !== undefined; next = buffer.pop(number * 20_000)) {
        memories.add(next.packet.payload.buffer)
      }
    }
    expect(memories.size).toBeLessThanOrEqual(8)
  })

  it('lie in memory that is used again, not in a new piece for each packet', () => {
    const buffer = new ReorderBuffer()
    const memories = new Set<ArrayBufferLike>()
    for (let number = 1; number < 1_000; number++) {
      lend(new Uint8Array(160), (payload) => buffer.push({ ...packet(number), payload }, number * 20_000))
      for (let next = buffer.pop(Infinity); next !== undefined; next = buffer.pop(Infinity)) {
        memories.add(next.packet.payload.buffer)
      }
    }
    expect(memories.size).toBe(1)
  })
})
