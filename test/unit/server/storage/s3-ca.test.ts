import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, expect, it } from 'vitest'

import type { S3Config } from '../../../../src/config/config.ts'
import { openS3Side } from '../../../../src/server/storage/store-side.ts'
import { createLogger } from '../../../../src/server/telemetry/logger.ts'

let folder: string
let server: Server
let config: S3Config

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'earwitness-ca-'))
  server = createServer((_request, response) => {
    response.statusCode = 404
    response.end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  config = {
    ...{ endpoint: `http://127.0.0.1:${port}`, region: 'us-east-1', bucket: 'bucket', prefix: '', pathStyle: true },
    credentials: { accessKeyId: 'id', secretAccessKey: 'secret', sessionToken: undefined },
    ...{ caFile: join(folder, 'ca.pem'), encryption: 'none', kmsKeyId: undefined, objectLock: undefined },
    ...{ uploadsMax: 4, bytesPerSecondMax: 0, requestTimeoutMs: 5_000 },
  }
})

afterEach(() => {
  server.closeAllConnections()
  server.close()
  rmSync(folder, { recursive: true, force: true })
})

const log = createLogger({ level: 'error', destination: { write: () => {} } })
const UNREADABLE = { code: 'storage-ca-unreadable' }

it('a store whose CA cannot be read ends the start, as one that refuses does', async () => {
  await expect(openS3Side(config, { log, isPassing: () => false })).rejects.toMatchObject(UNREADABLE)
})

it('one that no start has to wait for is tried again, and works when the CA is there', async () => {
  const side = await openS3Side(config, { log, isPassing: () => true })
  await expect(side.store.get('key')).rejects.toMatchObject(UNREADABLE)
  writeFileSync(join(folder, 'ca.pem'), '')
  expect(await side.store.get('key')).toBeUndefined()
  side.stop()
  expect(await side.ready).toBe(false)
})
