import { spawn } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import { inject } from 'vitest'

/** A real S3 server: Ceph's radosgw, with one key in its KMS. */
export interface S3Server {
  readonly endpoint: string
  /** The same server over TLS, with a certificate for localhost and 127.0.0.1 of the CA in `caFile`. */
  readonly tlsEndpoint: string
  readonly caFile: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly kmsKeyId: string
}

const POLL_MS = 50
const START_WAIT_MS = 110_000

/** The server that all test files of one run share; whoever asks first starts it, and the run's end stops it. */
export async function sharedS3Server(): Promise<S3Server> {
  const folder = inject('s3Folder')
  startOnce(folder)
  const [ready, failed] = [join(folder, 'ready.json'), join(folder, 'failed')]
  for (let waitedMs = 0; waitedMs < START_WAIT_MS; waitedMs += POLL_MS) {
    if (existsSync(ready)) return JSON.parse(readFileSync(ready, 'utf8')) as S3Server
    if (existsSync(failed)) break
    await sleep(POLL_MS)
  }
  throw new Error(`the S3 server does not start:\n${readFileSync(join(folder, 'supervisor.log'), 'utf8')}`)
}

/** Makes a bucket with an unused name and gives the name. */
export async function makeBucket(server: S3Server, options: { readonly objectLock?: boolean } = {}): Promise<string> {
  const bucket = `test-${process.pid}-${crypto.randomUUID().slice(0, 8)}`
  const client = s3Client(server)
  await client.send(
    new CreateBucketCommand({ Bucket: bucket, ObjectLockEnabledForBucket: options.objectLock === true }),
  )
  client.destroy()
  return bucket
}

/** A client of its own for what the tests look at and change behind the recorder's back. */
export function s3Client({ endpoint, accessKeyId, secretAccessKey }: S3Server): S3Client {
  return new S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  })
}

function startOnce(folder: string): void {
  try {
    mkdirSync(join(folder, 'cluster'))
  } catch {
    return
  }
  const log = openSync(join(folder, 'supervisor.log'), 'a')
  const script = join(import.meta.dirname, 'supervisor.ts')
  // It outlives this test file: the parent of the workers is what it watches.
  const child = spawn(process.execPath, [script, folder, String(process.ppid)], {
    detached: true,
    stdio: ['ignore', log, log],
  })
  closeSync(log)
  writeFileSync(join(folder, 'supervisor.pid'), String(child.pid))
  child.unref()
}
