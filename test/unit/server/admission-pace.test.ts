import { expect, test } from 'vitest'
import { AdmissionPace, PACE_MAX, PACE_MIN } from '../../../src/server/admission-pace.ts'

const SECOND = 1_000_000

/** INVITEs at an even rate against a pace, with a measurement every second. */
function drive() {
  const pace = new AdmissionPace()
  let nowUs = 0
  const offer = (perSecond: number, seconds: number, isTooBusy = false): number => {
    let taken = 0
    for (let second = 0; second < seconds; second += 1) {
      for (let count = 0; count < perSecond; count += 1) {
        nowUs += SECOND / perSecond
        if (!pace.hasRoom(nowUs)) continue
        pace.take(nowUs)
        taken += 1
      }
      pace.noteSecond(isTooBusy, nowUs)
    }
    return taken
  }
  return { pace, offer, late: () => pace.noteLate(nowUs), now: () => nowUs, pass: (us: number) => (nowUs += us) }
}

test('without lateness nothing is limited', () => {
  const { pace, offer } = drive()
  expect([offer(5_000, 2), pace.perSecond]).toEqual([10_000, Infinity])
})

test('a late queue halves what was taken, and halves it again while it lasts, but not at every look', () => {
  const { pace, offer, late, pass } = drive()
  offer(300, 1)
  for (let count = 0; count < 300; count += 1) pace.take(pass(SECOND / 300))
  late()
  late()
  expect(pace.perSecond).toBeCloseTo(150)
  pass(260_000)
  late()
  expect(pace.perSecond).toBeCloseTo(75)
})

test('what is taken keeps to the pace, evenly', () => {
  const { pace, offer, late } = drive()
  offer(400, 1)
  for (let count = 0; count < 100; count += 1) pace.take(SECOND + count * 1_000)
  late()
  const { perSecond } = pace
  expect(perSecond).toBeLessThan(250)
  const taken = offer(400, 1)
  expect(taken).toBeGreaterThan(perSecond * 0.9)
  expect(taken).toBeLessThan(perSecond * 1.3)
})

test('it rises by a fifth each second, until there is no limit any more', () => {
  const { pace, offer, late } = drive()
  offer(400, 1)
  for (let count = 0; count < 100; count += 1) pace.take(SECOND)
  late()
  const { perSecond } = pace
  offer(10, 3)
  expect(pace.perSecond).toBeCloseTo(perSecond * 1.2 ** 3)
  offer(10, 30)
  expect(pace.perSecond).toBe(Infinity)
  expect(perSecond * 1.2 ** 30).toBeGreaterThan(PACE_MAX)
})

test('a thread that is too busy takes a fifth off, each second', () => {
  const { pace, offer } = drive()
  offer(100, 1)
  for (let count = 0; count < 100; count += 1) pace.take(SECOND + count * 10_000)
  pace.noteSecond(true, 2 * SECOND)
  expect(pace.perSecond).toBeCloseTo(80)
})

test.each([0, 1, PACE_MIN])('where %i a second are taken, they are not why something is late', (perSecond) => {
  const { pace, offer, late } = drive()
  offer(perSecond, 3, true)
  late()
  expect(pace.perSecond).toBe(Infinity)
})

test('the pace never falls below its least', () => {
  const { pace, offer, late, pass } = drive()
  for (let round = 0; round < 30; round += 1) {
    offer(100, 1)
    for (let count = 0; count < 50; count += 1) pace.take(pass(1_000))
    late()
    pass(300_000)
  }
  expect(pace.perSecond).toBeGreaterThanOrEqual(PACE_MIN)
  expect(pace.perSecond).toBeLessThan(30)
})
