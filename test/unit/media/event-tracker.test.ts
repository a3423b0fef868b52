import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import {
  EVENT_TIMEOUT_US,
  EventTracker,
  PRESSES_REMEMBERED,
  type EventPress,
} from '../../../src/media/event-tracker.ts'
import { parseTelephoneEvents } from '../../../src/protocol/rtp/telephone-event.ts'
import { eventPayload } from '../../support/dtmf.ts'

const MS_US = 1_000
const PACKET_US = 20 * MS_US

interface Told {
  readonly digit: string
  readonly timestamp: number
  readonly duration: number
  readonly isEnd?: boolean
  readonly marker?: boolean
  readonly atUs: number
}

class Listener {
  readonly presses = new Set<EventPress>()
  readonly tracker: EventTracker

  constructor(clockRate = 8_000) {
    this.tracker = new EventTracker(clockRate, (press) => this.presses.add(press))
  }

  hear(...packets: readonly Told[]): this {
    for (const { timestamp, marker = false, atUs, ...report } of packets) {
      this.hearPayload(eventPayload(report), { timestamp, marker, atUs })
    }
    return this
  }

  hearPayload(payload: Uint8Array, packet: Pick<Told, 'timestamp' | 'marker' | 'atUs'>): void {
    const events = parseTelephoneEvents(payload)
    if (!events.ok) throw new Error(events.reason)
    const { timestamp, marker = false, atUs } = packet
    this.tracker.handle({ timestamp, marker }, events.value, atUs)
  }

  get digits(): string {
    return [...this.presses].map(({ digit }) => digit).join('')
  }

  get all(): readonly EventPress[] {
    return [...this.presses]
  }
}

/** As most senders do: one packet every 20 ms, and the end three times. */
function press(options: {
  readonly digit: string
  readonly timestamp: number
  readonly packets?: number
  readonly fromUs?: number
  readonly step?: number
}): Told[] {
  const { digit, timestamp, packets = 5, fromUs = 0, step = 160 } = options
  return Array.from({ length: packets + 2 }, (_, index) => {
    const last = Math.min(index, packets - 1)
    return {
      digit,
      timestamp: timestamp >>> 0,
      duration: (last + 1) * step,
      isEnd: index >= packets - 1,
      marker: index === 0,
      atUs: fromUs + (index + 1) * PACKET_US,
    }
  })
}

describe('one press', () => {
  it('is one press, however often its end is told', () => {
    const { all } = new Listener().hear(...press({ digit: '5', timestamp: 1_000 }))
    expect(all).toMatchObject([{ digit: '5', timestamp: 1_000, duration: 800, isOver: true, fromUs: 0 }])
  })

  it('is one press at 16 and 48 kHz, and its beginning is right', () => {
    for (const clockRate of [16_000, 48_000]) {
      const listener = new Listener(clockRate)
      listener.hear(...press({ digit: '#', timestamp: 7, step: clockRate / 50, fromUs: 500 * MS_US }))
      expect(listener.all).toMatchObject([{ digit: '#', duration: clockRate / 10, fromUs: 500 * MS_US }])
    }
  })

  it('whose end was lost is over when nothing more is heard of it', () => {
    const listener = new Listener().hear(...press({ digit: '5', timestamp: 0 }).slice(0, 4))
    expect(listener.all).toMatchObject([{ duration: 640, isOver: false }])
    listener.tracker.expire(80 * MS_US + EVENT_TIMEOUT_US - 1)
    expect(listener.all).toMatchObject([{ isOver: false }])
    listener.tracker.expire(80 * MS_US + EVENT_TIMEOUT_US)
    expect(listener.all).toMatchObject([{ duration: 640, isOver: true }])
  })

  it('of more than 0xffff units comes in segments', () => {
    const first = press({ digit: '9', timestamp: 100, packets: 8, step: 8_191 }).slice(0, 8)
    const told = first.map((packet, index) => ({
      ...packet,
      duration: index === 7 ? 0xffff : packet.duration,
      isEnd: false,
    }))
    const second = press({ digit: '9', timestamp: 100 + 0xffff, packets: 3, fromUs: 160 * MS_US })
    const { all } = new Listener().hear(...told, ...second.map((packet) => ({ ...packet, marker: false })))
    expect(all).toMatchObject([{ digit: '9', duration: 0xffff + 480, isOver: true }])
  })

  it('is one press when the sender moves the timestamp along with the duration', () => {
    const told = press({ digit: '2', timestamp: 0 }).map((packet, index) => ({ ...packet, timestamp: index * 160 }))
    expect(new Listener().hear(...told).digits).toBe('2')
  })

  it('over the wrap of the timestamp is one press', () => {
    const { all } = new Listener().hear(...press({ digit: '4', timestamp: 0xffff_ffff - 100 }))
    expect(all).toMatchObject([{ duration: 800, isOver: true }])
  })
})

describe('several presses', () => {
  it('of the same key are as many, with their ends lost too', () => {
    const told = [0, 1_600, 3_200].flatMap((timestamp, index) =>
      press({ digit: '1', timestamp, fromUs: index * 200 * MS_US }).slice(0, 4),
    )
    expect(new Listener().hear(...told).digits).toBe('111')
  })

  it('are each over when the next begins', () => {
    const listener = new Listener().hear(
      ...press({ digit: '1', timestamp: 0 }).slice(0, 3),
      ...press({ digit: '2', timestamp: 1_600, fromUs: 200 * MS_US }).slice(0, 3),
    )
    expect(listener.all).toMatchObject([{ isOver: true }, { isOver: false }])
  })

  it('in one packet are as many', () => {
    const listener = new Listener()
    const payload = eventPayload({ digit: '1', duration: 400 }, { digit: '2', duration: 400, isEnd: true })
    listener.hearPayload(payload, { timestamp: 50, marker: true, atUs: 0 })
    expect(listener.all).toMatchObject([
      { digit: '1', timestamp: 50, isOver: true },
      { digit: '2', timestamp: 450, isOver: true },
    ])
  })

  it('are over, and forgotten, when another source begins', () => {
    const listener = new Listener().hear(...press({ digit: '1', timestamp: 0 }).slice(0, 3))
    listener.tracker.restart()
    listener.hear(...press({ digit: '1', timestamp: 0, fromUs: 100 * MS_US }))
    expect(listener.all).toMatchObject([{ isOver: true }, { isOver: true }])
  })

  it('that were not told to be over are over before they are forgotten', () => {
    const listener = new Listener()
    const many = PRESSES_REMEMBERED + 4
    // Each begins before the one told of before it: none of them ends another.
    for (let index = 0; index < many; index++) {
      listener.hear({
        digit: '3',
        timestamp: (100_000 - index * 2_000) >>> 0,
        duration: 160,
        marker: true,
        atUs: index,
      })
    }
    expect(listener.all.filter(({ isOver }) => !isOver)).toHaveLength(PRESSES_REMEMBERED)
  })

  it('of what is no key are none', () => {
    const listener = new Listener()
    listener.hearPayload(Uint8Array.of(16, 0x80, 1, 0), { timestamp: 0, marker: true, atUs: 0 })
    expect(listener.all).toEqual([])
  })

  it('come out right whatever is lost, repeated or overtaken within 60 ms', () => {
    const gone = fc.record({ isLost: fc.boolean(), isRepeated: fc.boolean(), lateMs: fc.integer({ min: 0, max: 60 }) })
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(...Array.from('0123456789*#ABCD')), { minLength: 1, maxLength: 12 }),
        fc.infiniteStream(gone),
        (digits, fates) => {
          const told = digits.flatMap((digit, index) => {
            const packets = press({ digit, timestamp: index * 1_600, fromUs: index * 200 * MS_US })
            // One packet at least arrives of each.
            const kept = packets.filter((_, at) => at === 2 || fates.next().value?.isLost !== true)
            return kept.flatMap((packet) => {
              const { isRepeated = false, lateMs = 0 } = fates.next().value ?? {}
              const late = { ...packet, atUs: packet.atUs + lateMs * MS_US }
              return isRepeated ? [late, late] : [late]
            })
          })
          const listener = new Listener().hear(...told.toSorted((left, right) => left.atUs - right.atUs))
          expect(listener.digits).toBe(digits.join(''))
        },
      ),
    )
  })
})
