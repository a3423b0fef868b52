import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest'

import { S3Store } from '../../src/server/storage/s3/s3-store.ts'
import { UploadGate } from '../../src/server/storage/upload-gate.ts'
import { UploadQueue } from '../../src/server/storage/upload-queue.ts'
import { eventually } from '../support/daemon.ts'
import { codeOf } from '../support/object-store-contract.ts'
import { FaultProxy, type Fault } from '../support/s3/fault-proxy.ts'
import { s3Config } from '../support/s3/s3-config.ts'
import { makeBucket, sharedS3Server, type S3Server } from '../support/s3/s3-server.ts'

/** Queue, gate and store on a real server, with everything going wrong on the way that can. */
let server: S3Server
let bucket: string
let proxy: FaultProxy
const stops: (() => void)[] = []

beforeAll(async () => {
  server = await sharedS3Server()
  bucket = await makeBucket(server)
  proxy = await FaultProxy.start(server.endpoint)
})
afterEach(() => {
  vi.useRealTimers()
  proxy.fault = undefined
  for (const stop of stops.splice(0)) stop()
})
afterAll(() => proxy.stop())

function storeBehindProxy(prefix: string, requestTimeoutMs = 20_000): S3Store {
  return new S3Store(s3Config({ ...server, endpoint: proxy.endpoint }, bucket, { prefix, requestTimeoutMs }))
}

/** As the daemon has it; `failures` are the codes that an operator is told, once for each. */
async function uploader(prefix: string, requestTimeoutMs?: number) {
  const store = storeBehindProxy(prefix, requestTimeoutMs)
  await store.check()
  const gate = new UploadGate({ store, uploadsMax: 8, bytesPerSecondMax: 0 })
  const failures = new Set<string>()
  const queue = new UploadQueue({
    store: gate,
    nowUnixMs: Date.now,
    observer: { stored: () => {}, failed: (_seconds, code) => failures.add(code) },
    retryFirstMs: 50,
  })
  stops.push(() => {
    queue.stop()
    gate.stop()
    store.close()
  })
  return { store, queue, failures }
}

const recording = (index: number): string => `default/2026/11/29/recording-${index}`
const chunk = (index: number): Uint8Array => new Uint8Array(20_000 + index).fill(index)

it.each<[what: string, fault: Fault, code: string]>([
  ['the server is down', { kind: 'down' }, 'storage-unreachable'],
  ['it is too slow', { kind: 'slow', delayMs: 1_500 }, 'storage-timeout'],
  ['it has a fault', { kind: 'answer', status: 500, code: 'InternalError' }, 'storage-failing'],
  ['it is not there', { kind: 'answer', status: 503, code: 'ServiceUnavailable' }, 'storage-busy'],
  ['it wants less', { kind: 'answer', status: 503, code: 'SlowDown' }, 'storage-busy'],
  ['uploads are cut off', { kind: 'resetUpload' }, 'storage-unreachable'],
  ['credentials are refused', { kind: 'answer', status: 403, code: 'InvalidAccessKeyId' }, 'storage-credentials'],
  ['the bucket is gone', { kind: 'answer', status: 404, code: 'NoSuchBucket' }, 'storage-bucket-missing'],
])('%s: all that was sealed waits, and is stored when it is over', async (what, fault, code) => {
  const prefix = `${what.replaceAll(' ', '-')}/`
  const { store, queue, failures } = await uploader(prefix, 1_000)
  proxy.fault = fault
  const stored = Promise.all(
    [1, 2, 3, 4, 5, 6].flatMap((index) => [
      queue.put(recording(index), `${recording(index)}/chunk-000000.age`, chunk(index)),
      queue.put(recording(index), `${recording(index)}/chunk-000001.age`, chunk(index + 100)),
    ]),
  )
  await eventually('a failure', async () => (failures.size > 0 ? true : undefined))
  expect([...failures]).toEqual([code])
  expect(queue.failing).toBe(code)
  expect(queue.backlogBytes).toBeGreaterThan(12 * 20_000)
  proxy.fault = undefined
  await stored
  expect(queue).toMatchObject({ backlogBytes: 0, failing: undefined, oldestUnixMs: undefined })
  for (const index of [1, 2, 3, 4, 5, 6]) {
    expect(Buffer.from((await store.get(`${recording(index)}/chunk-000000.age`)) ?? [])).toEqual(
      Buffer.from(chunk(index)),
    )
  }
  expect(await store.list('')).toHaveLength(12)
})

it('the answer to an upload is lost: the next try finds the same bytes and is content', async () => {
  const { store, queue, failures } = await uploader('lost/')
  proxy.fault = { kind: 'answerLost' }
  const stored = queue.put('a', recording(1), chunk(1))
  await eventually('a failure', async () => (failures.size > 0 ? true : undefined))
  proxy.fault = undefined
  await stored
  expect(await store.list('')).toEqual([{ key: recording(1), sizeBytes: 20_001 }])
})

it('the clock of the server is ten minutes ahead: the first request is refused, the next one signed with its time', async () => {
  const { queue, failures, store } = await uploader('clock/')
  proxy.fault = { kind: 'clock', aheadMs: 10 * 60 * 1_000 }
  await queue.put('a', recording(1), chunk(1))
  expect([...failures]).toEqual(['storage-clock-skew'])
  await store.check()
  expect(store.report?.clockOffsetMs).toBeGreaterThan(9 * 60 * 1_000)
})

it('the clock of this machine is twenty minutes off, and then right again: the server refuses once each time', async () => {
  const { queue, failures, store } = await uploader('machine-clock/')
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 20 * 60 * 1_000 })
  await queue.put('a', recording(1), chunk(1))
  expect([...failures]).toEqual(['storage-clock-skew'])
  await queue.put('a', recording(2), chunk(2))
  expect(failures.size).toBe(1)
  vi.useRealTimers()
  failures.clear()
  await queue.put('a', recording(3), chunk(3))
  expect([...failures]).toEqual(['storage-clock-skew'])
  expect(await store.list('')).toHaveLength(3)
})

it('an ETag that is another MD5 is not taken as it is: what is there is read and compared, once', async () => {
  const { store, queue } = await uploader('etag/')
  proxy.fault = { kind: 'wrongEtag' }
  const gets = (): number => proxy.seen.get('GET') ?? 0
  const before = gets()
  await queue.put('a', recording(1), chunk(1))
  expect(gets()).toBe(before + 1)
  await queue.put('a', recording(2), chunk(2))
  expect(gets()).toBe(before + 1)
  expect(await store.list('')).toHaveLength(2)
})

it('reading bears what passes, and not for ever', async () => {
  const store = storeBehindProxy('reading/')
  stops.push(() => store.close())
  await store.put(recording(1), chunk(1))
  proxy.fault = { kind: 'answer', status: 503, code: 'SlowDown' }
  expect(await codeOf(store.get(recording(1)))).toBe('storage-busy')
  const reading = store.get(recording(1))
  proxy.fault = undefined
  expect(Buffer.from((await reading) ?? [])).toEqual(Buffer.from(chunk(1)))
})

it('a store that was not tried out yet asks before it writes, and overwrites nothing', async () => {
  const store = storeBehindProxy('untried/')
  stops.push(() => store.close())
  const heads = proxy.seen.get('HEAD') ?? 0
  await store.put(recording(1), chunk(1))
  expect(await codeOf(store.put(recording(1), chunk(2)))).toBe('storage-conflict')
  expect(proxy.seen.get('HEAD')).toBeGreaterThan(heads + 1)
})
