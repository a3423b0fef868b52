import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'

import { afterEach, beforeEach, expect, it } from 'vitest'

import { S3Store } from '../../../../src/server/storage/s3/s3-store.ts'

const KEY = 'default/2026/11/29/id/chunk-000000.age'
const BYTES = Buffer.from('sealed audio')

/** Versions by path, the newest last. */
let objects: Map<string, Buffer[]>
let corrupts: boolean
let mayDelete: boolean
/** There is something else of the name at the next PUT, and nothing any more when it is asked for. */
let isFleeting: boolean
let isVersioned: boolean
let server: Server
let store: S3Store

beforeEach(async () => {
  objects = new Map()
  corrupts = false
  mayDelete = true
  isFleeting = false
  isVersioned = false
  server = createServer((request, response) => void answer(request, response))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  store = new S3Store({
    ...{ endpoint: `http://127.0.0.1:${port}`, region: 'us-east-1', bucket: 'bucket', prefix: '', pathStyle: true },
    credentials: { accessKeyId: 'id', secretAccessKey: 'secret', sessionToken: undefined },
    ...{ caFile: undefined, encryption: 'none', kmsKeyId: undefined, objectLock: undefined },
    ...{ uploadsMax: 4, bytesPerSecondMax: 0, requestTimeoutMs: 5_000 },
  })
})

afterEach(() => {
  store.close()
  server.closeAllConnections()
  server.close()
})

/** A server that may store something else than it was sent. */
async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? '', 'http://127.0.0.1')
  const body = await buffer(request)
  const versions = objects.get(pathname) ?? []
  const newest = versions.at(-1)
  response.statusCode = 200
  if (request.method === 'PUT') {
    if (newest !== undefined || isFleeting) {
      response.statusCode = 412
      isFleeting = false
    } else {
      if (corrupts) body[0] = (body[0] ?? 0) ^ 1
      objects.set(pathname, [...versions, body])
      response.setHeader('ETag', `"${createHash('md5').update(body).digest('hex')}"`)
      if (isVersioned) response.setHeader('x-amz-version-id', 'v1')
    }
    response.end()
  } else if (request.method === 'DELETE') {
    response.statusCode = mayDelete ? 204 : 403
    if (mayDelete && searchParams.get('versionId') === (isVersioned ? 'v1' : null)) objects.delete(pathname)
    response.end()
  } else {
    if (newest === undefined) response.statusCode = 404
    response.setHeader('Content-Length', newest?.length ?? 0)
    response.end(request.method === 'HEAD' ? undefined : newest)
  }
}

async function codeOf(put: Promise<void>): Promise<unknown> {
  return put.then(
    () => 'stored',
    (error: unknown) => (error instanceof Error && 'code' in error ? error.code : error),
  )
}

it.each([false, true])('what the server changed does not stay in the way, with versions: %s', async (hasVersions) => {
  isVersioned = hasVersions
  corrupts = true
  expect(await codeOf(store.put(KEY, BYTES))).toBe('storage-corrupted')
  corrupts = false
  expect(await codeOf(store.put(KEY, BYTES))).toBe('stored')
  expect(await store.get(KEY)).toEqual(BYTES)
})

it('what the server changed, and does not let go, is another object under the name', async () => {
  corrupts = true
  mayDelete = false
  expect(await codeOf(store.put(KEY, BYTES))).toBe('storage-corrupted')
  expect(await codeOf(store.put(KEY, BYTES))).toBe('storage-conflict')
})

it('what another object was in the way of, and is no more, is tried again', async () => {
  isFleeting = true
  expect(await codeOf(store.put(KEY, BYTES))).toBe('storage-busy')
  expect(await codeOf(store.put(KEY, BYTES))).toBe('stored')
})
