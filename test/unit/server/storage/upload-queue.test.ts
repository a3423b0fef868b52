import { beforeEach, describe, expect, it } from 'vitest'

import { EarwitnessError } from '../../../../src/errors.ts'
import { UploadQueue } from '../../../../src/server/storage/upload-queue.ts'

/** A store that a test holds in its hand: each put waits until it is let go, and may be told to fail. */
class SlowStore {
  readonly stored: string[] = []
  readonly attempts: string[] = []
  readonly waiting = new Map<string, (error?: Error) => void>()
  /** What the next attempts at a key end with. */
  readonly failures = new Map<string, Error[]>()
  holds = false

  async put(key: string): Promise<void> {
    this.attempts.push(key)
    if (this.holds) await new Promise<void>((resolve) => this.waiting.set(key, () => resolve()))
    const failure = this.failures.get(key)?.shift()
    if (failure !== undefined) throw failure
    this.stored.push(key)
  }

  release(key: string): void {
    this.waiting.get(key)?.()
    this.waiting.delete(key)
  }
}

let store: SlowStore
let queue: UploadQueue
let events: string[]
let nowUnixMs: number

beforeEach(() => {
  store = new SlowStore()
  events = []
  nowUnixMs = 1_000
  queue = new UploadQueue({
    store,
    nowUnixMs: () => nowUnixMs,
    retryFirstMs: 1,
    retryLastMs: 4,
    observer: {
      stored: () => events.push('stored'),
      failed: (_seconds, code, attempt) => events.push(`${code} ${attempt}`),
    },
  })
})

const bytes = (length: number): Uint8Array => new Uint8Array(length)
const storageFull = (): Error => new EarwitnessError('storage-full', 'The disk is full.', 'Make room.')
const conflict = (): Error => new EarwitnessError('storage-conflict', 'Another object is there.', 'Look at it.')
/** Lets everything that needs no timer happen. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('the order of uploads', () => {
  beforeEach(() => {
    store.holds = true
  })

  it('is kept within a recording: the next object waits until the one before is stored', async () => {
    const done = Promise.all([queue.put('a', 'a/1', bytes(1)), queue.put('a', 'a/2', bytes(1))])
    await settled()
    expect(store.attempts).toEqual(['a/1'])
    store.release('a/1')
    await settled()
    expect(store.attempts).toEqual(['a/1', 'a/2'])
    store.release('a/2')
    await done
    expect(store.stored).toEqual(['a/1', 'a/2'])
  })

  it('does not let one recording wait for another', async () => {
    const [slow, fast] = [queue.put('a', 'a/1', bytes(1)), queue.put('b', 'b/1', bytes(1))]
    await settled()
    expect(store.attempts).toEqual(['a/1', 'b/1'])
    store.release('b/1')
    await fast
    expect(store.stored).toEqual(['b/1'])
    store.release('a/1')
    await slow
  })
})

describe('a store that fails', () => {
  it('is tried again until it takes the object, and what follows waits for it', async () => {
    store.failures.set('a/1', [storageFull(), storageFull(), new Error('odd')])
    await Promise.all([queue.put('a', 'a/1', bytes(1)), queue.put('a', 'a/2', bytes(1))])
    expect(store.stored).toEqual(['a/1', 'a/2'])
    expect(events).toEqual(['storage-full 1', 'storage-full 2', 'storage-failed 3', 'stored', 'stored'])
  })

  it('is told apart from one that works by the code of its last answer', async () => {
    store.failures.set('a/1', [storageFull()])
    const failing: (string | undefined)[] = []
    const done = queue.put('a', 'a/1', bytes(1))
    while (events.length === 0) await settled()
    failing.push(queue.failing)
    await done
    failing.push(queue.failing)
    expect(failing).toEqual(['storage-full', undefined])
  })

  it('is not asked again when no retry can help; what follows is stored all the same', async () => {
    store.failures.set('a/1', [conflict()])
    const results = await Promise.allSettled([queue.put('a', 'a/1', bytes(1)), queue.put('a', 'a/2', bytes(1))])
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'fulfilled'])
    expect(store.attempts).toEqual(['a/1', 'a/2'])
    expect(queue.backlogBytes).toBe(0)
  })

  it('keeps no upload waiting once the queue is stopped', async () => {
    store.failures.set('a/1', Array.from({ length: 1_000 }, storageFull))
    const settledPuts = Promise.allSettled(['a/1', 'a/2'].map((key) => queue.put('a', key, bytes(1))))
    while (events.length < 2) await settled()
    queue.stop()
    const [first, second] = await settledPuts
    expect(first).toMatchObject({ reason: { code: 'storage-stopped', cause: { code: 'storage-full' } } })
    // The store would take it: then one before it would be missing.
    expect(second).toMatchObject({ reason: { code: 'storage-stopped' } })
    expect(store.stored).toEqual([])
  })
})

describe('the backlog', () => {
  beforeEach(() => {
    store.holds = true
  })

  it('counts the bytes that wait, and since when the oldest does', async () => {
    const first = queue.put('a', 'a/1', bytes(100))
    nowUnixMs = 2_000
    const second = queue.put('a', 'a/2', bytes(50))
    await settled()
    expect(queue).toMatchObject({ backlogBytes: 150, oldestUnixMs: 1_000 })
    store.release('a/1')
    await first
    expect(queue).toMatchObject({ backlogBytes: 50, oldestUnixMs: 2_000 })
    await settled()
    store.release('a/2')
    await second
    expect(queue).toMatchObject({ backlogBytes: 0, oldestUnixMs: undefined })
  })
})

describe('draining', () => {
  it('is done at once when nothing waits', async () => {
    expect(await queue.drain(0)).toBe(true)
  })

  it('waits for everything, what is put meanwhile included', async () => {
    store.holds = true
    void queue.put('a', 'a/1', bytes(1))
    const drained = queue.drain(60_000)
    await settled()
    void queue.put('a', 'a/2', bytes(1))
    store.release('a/1')
    await settled()
    store.release('a/2')
    expect(await drained).toBe(true)
    expect(store.stored).toEqual(['a/1', 'a/2'])
  })

  it('says so when the time was not enough', async () => {
    store.holds = true
    const done = queue.put('a', 'a/1', bytes(1))
    expect(await queue.drain(1)).toBe(false)
    await settled()
    store.release('a/1')
    await done
  })

  it('is done although one object was refused for good', async () => {
    store.failures.set('a/1', [conflict()])
    const refused = Promise.allSettled([queue.put('a', 'a/1', bytes(1))])
    expect(await queue.drain(60_000)).toBe(true)
    expect(await refused).toMatchObject([{ status: 'rejected', reason: { code: 'storage-conflict' } }])
  })
})

describe('woken', () => {
  it('what waits for its next attempt is tried at once', async () => {
    const patient = new UploadQueue({
      store,
      nowUnixMs: () => nowUnixMs,
      retryFirstMs: 3_600_000,
      retryLastMs: 3_600_000,
      observer: { stored: () => events.push('stored'), failed: (_seconds, code) => events.push(code) },
    })
    store.failures.set('a/1', [storageFull(), storageFull()])
    const done = patient.put('a', 'a/1', bytes(1))
    for (const expected of [1, 2]) {
      await settled()
      expect(store.attempts).toHaveLength(expected)
      patient.wake()
    }
    await done
    expect(events).toEqual(['storage-full', 'storage-full', 'stored'])
  })
})
