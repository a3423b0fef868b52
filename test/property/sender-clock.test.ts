import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { REPORTS_AGREE_US, SenderClock } from '../../src/media/sender-clock.ts'

const RATE = 8_000
const US_PER_TICK = 1_000_000 / RATE
const BEGIN_UNIX_MS = Date.UTC(2026, 10, 29, 12)
/** NTP has 32 bits of seconds. RFC 3550 4 */
const NTP_MS_MAX = 2 ** 32 * 1_000

interface Event {
  readonly kind: 'report' | 'packet'
  readonly stepUs: number
  readonly ntpAtUnixMs: number
  readonly timestamp: number
}

/** What any sender may put on the wire, in order of arrival. */
const nonsense: fc.Arbitrary<Event[]> = fc.array(
  fc.record({
    kind: fc.constantFrom('report', 'packet'),
    stepUs: fc.nat({ max: 3_000_000 }),
    ntpAtUnixMs: fc.oneof(fc.constant(Number.NaN), fc.double({ min: 0, max: NTP_MS_MAX, noNaN: true })),
    timestamp: fc.nat({ max: 0xffff_ffff }),
  }),
  { maxLength: 60 },
)

/** Ten seconds of a sender whose reports are wrong by so many microseconds each, on a line with these transits. */
function listen(errorsUs: readonly number[], transitsUs: readonly number[], again = false): SenderClock {
  const clock = new SenderClock(RATE)
  for (let index = 0; index < 500; index++) {
    const atUs = index * 20_000
    if (index % 100 === 10) {
      const ntpAtUnixMs = BEGIN_UNIX_MS + (atUs + (errorsUs[Math.floor(index / 100)] ?? 0)) / 1_000
      const report = { ntpAtUnixMs, rtpTimestamp: index * 160 }
      for (let copy = 0; copy < (again ? 2 : 1); copy++) clock.noteReport(report, atUs + copy * 1_000)
    }
    clock.notePacket(index * 160, atUs + (transitsUs[index % transitsUs.length] ?? 0))
  }
  return clock
}

/** By an honest sender five reports of at most 1.4 ms error, two of which are no further apart than is believed. */
const errors = fc.array(fc.integer({ min: -1_400, max: 1_400 }), { minLength: 5, maxLength: 5 })
const transits = fc.array(fc.nat({ max: 150_000 }), { minLength: 1, maxLength: 50 })

describe('the clock of a sender', () => {
  it('is never NaN, and its doubts only grow, whatever is reported', () => {
    fc.assert(
      fc.property(nonsense, (events) => {
        const clock = new SenderClock(RATE)
        let nowUs = 0
        let doubts = 0
        for (const { kind, stepUs, ntpAtUnixMs, timestamp } of events) {
          nowUs += stepUs
          if (kind === 'report') clock.noteReport({ ntpAtUnixMs, rtpTimestamp: timestamp }, nowUs)
          else clock.notePacket(timestamp, nowUs)
          expect(clock.disagreements).toBeGreaterThanOrEqual(doubts)
          doubts = clock.disagreements
          expect(Number.isNaN(clock.offsetUs)).toBe(false)
          if (clock.isKnown(nowUs)) {
            expect(Number.isFinite(clock.offsetUs)).toBe(true)
            expect(clock.runStartUs).toBeLessThanOrEqual(clock.lastReportUs)
          }
        }
      }),
      { numRuns: 300 },
    )
  })

  it('is the least transit after its reports, within what these are wrong by', () => {
    fc.assert(
      fc.property(errors, transits, (errorsUs, transitsUs) => {
        const clock = listen(errorsUs, transitsUs)
        expect(clock.disagreements).toBe(0)
        expect(clock.isKnown(10_000_000)).toBe(true)
        const offsetUs = clock.offsetUs + BEGIN_UNIX_MS * 1_000 - Math.min(...transitsUs)
        expect(Math.abs(offsetUs)).toBeLessThanOrEqual(1_400 + US_PER_TICK)
      }),
      { numRuns: 100 },
    )
  })

  it('is the same when each report comes twice', () => {
    fc.assert(
      fc.property(errors, transits, (errorsUs, transitsUs) => {
        const [once, twice] = [listen(errorsUs, transitsUs), listen(errorsUs, transitsUs, true)]
        expect([twice.offsetUs, twice.disagreements]).toEqual([once.offsetUs, once.disagreements])
      }),
      { numRuns: 50 },
    )
  })

  it('is doubted as soon as a report is further off than two clocks drift', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2 * REPORTS_AGREE_US, max: 900_000 }), fc.boolean(), (lieUs, isEarly) => {
        const clock = listen([0, 0, isEarly ? -lieUs : lieUs, 0, 0], [0])
        expect(clock.disagreements).toBeGreaterThanOrEqual(1)
      }),
      { numRuns: 50 },
    )
  })
})
