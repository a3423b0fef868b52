import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { OPENINGS_WAITING_MAX, OpeningQueue } from '../../../../src/server/media/opening-queue.ts'

const WAIT_US = 80_000
let nowUs = 0

beforeEach(() => {
  nowUs = 0
  vi.useFakeTimers()
})
afterEach(() => vi.useRealTimers())

function make(activeMax = 2) {
  const queue = new OpeningQueue({ waitUs: WAIT_US, nowUs: () => nowUs })
  const settled: string[] = []
  const enter = (name: string, receivedUs = nowUs): void =>
    void queue.enter(receivedUs, activeMax).then((isGranted) => settled.push(`${name} ${isGranted ? 'go' : 'late'}`))
  /** Lets time go by, timers and promises with it. */
  const pass = async (us: number): Promise<void> => {
    nowUs += us
    await vi.advanceTimersByTimeAsync(us / 1_000)
  }
  return { queue, settled, enter, pass }
}

test('so many at a time, the others in the order in which they came', async () => {
  const { queue, settled, enter, pass } = make()
  for (const name of ['a', 'b', 'c', 'd']) enter(name)
  await pass(1_000)
  expect(settled).toEqual(['a go', 'b go'])
  queue.leave()
  await pass(1_000)
  expect(settled).toEqual(['a go', 'b go', 'c go'])
  expect(queue.isLate).toBe(false)
})

test('who waits too long is told at that moment, and who comes then is told by isLate until nobody waits', async () => {
  const { queue, settled, enter, pass } = make(1)
  enter('a')
  enter('b')
  await pass(30_000)
  enter('c')
  await pass(49_000)
  expect(settled).toEqual(['a go'])
  await pass(1_000)
  expect([settled.at(-1), queue.isLate]).toEqual(['b late', true])
  queue.leave()
  await pass(0)
  expect([settled.at(-1), queue.isLate]).toEqual(['c go', false])
})

test('what was waited elsewhere counts: an INVITE that comes late gets no place, but a free turn it gets', async () => {
  const { settled, enter, pass } = make(1)
  nowUs = 1_000_000
  enter('a', 0)
  enter('b', 0)
  await pass(0)
  expect(settled).toEqual(['a go', 'b late'])
})

test('a turn that comes free when the first ones are late goes to the first that is not', async () => {
  const { queue, settled, enter } = make(1)
  enter('a')
  enter('b')
  nowUs = 60_000
  enter('c')
  nowUs = 90_000
  queue.leave()
  await vi.advanceTimersByTimeAsync(0)
  expect(settled).toEqual(['a go', 'b late', 'c go'])
})

test('the queue is bounded, and stopping settles everybody', async () => {
  const { queue, settled, enter, pass } = make(1)
  for (let count = 0; count <= OPENINGS_WAITING_MAX; count += 1) enter('x')
  enter('over')
  await pass(0)
  expect(settled).toEqual(['x go', 'over late'])
  queue.stop()
  await pass(0)
  expect(settled).toHaveLength(OPENINGS_WAITING_MAX + 2)
})
