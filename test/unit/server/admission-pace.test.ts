import { expect, test } from 'vitest'
import { AdmissionPace, PACE_MAX, PACE_MIN } from '../../../src/server/admission-pace.ts'

const LOOK_US = 100_000

/** A recorder that opens at most so many a second, asked for more or less. */
function recorder() {
  const pace = new AdmissionPace()
  let nowUs = 0
  let openedTotal = 0
  let waiting = 0
  /** INVITEs at an even rate; late is what has waited 80 ms. Returns how many were taken. */
  const run = (seconds: number, invitesPerSecond: number, capacityPerSecond = Infinity): number => {
    let taken = 0
    for (let look = 0; look < seconds * 10; look += 1) {
      for (let count = 0; count < invitesPerSecond / 10; count += 1) {
        nowUs += LOOK_US / (invitesPerSecond / 10)
        if (!pace.hasRoom(nowUs)) continue
        pace.take(nowUs)
        taken += 1
        waiting += 1
      }
      if (invitesPerSecond === 0) nowUs += LOOK_US
      const opened = Math.min(waiting, capacityPerSecond / 10)
      waiting -= opened
      openedTotal += opened
      pace.look(waiting > capacityPerSecond * 0.08, openedTotal, nowUs)
    }
    return taken
  }
  return {
    pace,
    run,
    waiting: () => waiting,
    look: (isLate: boolean) => pace.look(isLate, openedTotal, (nowUs += LOOK_US)),
  }
}

test('without lateness nothing is limited', () => {
  const { pace, run } = recorder()
  expect([run(2, 5_000), pace.perSecond]).toEqual([10_000, Infinity])
})

test('in a flood the pace comes down to what can be opened, and stays near it', () => {
  const { pace, run, waiting } = recorder()
  run(1, 400, 80)
  expect(pace.perSecond).toBeLessThan(80)
  run(4, 400, 80)
  const taken = run(20, 400, 80)
  expect(taken / 20).toBeGreaterThan(60)
  expect(taken / 20).toBeLessThan(84)
  expect(waiting(), 'the queue stays short').toBeLessThan(40)
})

test('when the recorder becomes slower, the pace follows', () => {
  const { run } = recorder()
  run(10, 300, 100)
  run(3, 300, 40)
  const taken = run(10, 300, 40)
  expect(taken / 10).toBeGreaterThan(25)
  expect(taken / 10).toBeLessThan(45)
})

test('a stall costs little, and that for a moment', () => {
  const { pace, run, look } = recorder()
  run(3, 100, 1_000)
  look(true)
  expect(pace.perSecond).toBeGreaterThan(80)
  expect(run(2, 100, 1_000)).toBeGreaterThan(175)
  expect(run(1, 100, 1_000)).toBe(100)
})

test('it rises until there is no limit any more', () => {
  const { pace, run } = recorder()
  run(2, 400, 80)
  run(20, 0)
  expect(pace.perSecond).toBe(Infinity)
  expect(80 * 1.25 ** 20).toBeGreaterThan(PACE_MAX)
})

test.each([0, 1, PACE_MIN])('where %i a second are opened, they are not why something is late', (perSecond) => {
  const { pace, run, look } = recorder()
  run(3, perSecond)
  for (let count = 0; count < 20; count += 1) look(true)
  expect(pace.perSecond).toBe(Infinity)
})

test('the pace never falls below its least, however long something is late', () => {
  const { pace, run, look } = recorder()
  for (let round = 0; round < 200; round += 1) {
    run(0.3, 100)
    look(true)
  }
  expect(pace.perSecond).toBeGreaterThanOrEqual(PACE_MIN)
})
