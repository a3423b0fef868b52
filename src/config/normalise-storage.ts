import { resolve } from 'node:path'
import type { Config, ReplicaConfig, S3Config, S3Credentials } from './config.ts'
import type { NormaliseOptions } from './normalise.ts'
import type { RawConfig } from './schema.ts'
import { secretAt } from './secret-at.ts'
import { parseDuration, parseSize } from './values.ts'

/** `storage`, with the secrets of `s3` only when it is used: files that nobody needs are not read. */
export function normaliseStorage(raw: RawConfig['storage'], options: NormaliseOptions): Config['storage'] {
  const path = raw.folder.path === null ? undefined : resolve(options.cwd, raw.folder.path)
  const s3 = raw.kind === 's3' ? s3Of(raw.s3, 'storage.s3', options) : undefined
  return { kind: raw.kind, folder: { path }, s3, replica: replicaOf(raw.replica, options) }
}

function replicaOf(raw: RawConfig['storage']['replica'], options: NormaliseOptions): ReplicaConfig | undefined {
  if (raw.kind === 'none') return undefined
  const path = raw.folder.path === null ? undefined : resolve(options.cwd, raw.folder.path)
  const s3 = raw.kind === 's3' ? s3Of(raw.s3, 'storage.replica.s3', options) : undefined
  return { durable: raw.durable, folder: { path }, s3 }
}

type RawS3 = RawConfig['storage']['s3'] | RawConfig['storage']['replica']['s3']

function s3Of(raw: RawS3, path: string, options: NormaliseOptions): S3Config {
  const requestTimeout = parseDuration(raw.requestTimeout)
  const bandwidth = parseSize(raw.bandwidth)
  return {
    endpoint: raw.endpoint ?? undefined,
    region: raw.region,
    bucket: raw.bucket ?? '',
    prefix: raw.prefix,
    pathStyle: raw.pathStyle,
    credentials: credentialsOf(raw, path, options),
    caFile: raw.caFile === null ? undefined : resolve(options.cwd, raw.caFile),
    encryption: raw.encryption,
    kmsKeyId: raw.kmsKeyId ?? undefined,
    objectLock: raw.objectLock.mode === 'none' ? undefined : { mode: raw.objectLock.mode, days: raw.objectLock.days },
    requestTimeoutMs: requestTimeout.ok ? requestTimeout.value : 0,
    uploadsMax: raw.uploadsMax,
    bytesPerSecondMax: bandwidth.ok ? bandwidth.value : 0,
  }
}

function credentialsOf(raw: RawS3, path: string, options: NormaliseOptions): S3Credentials | undefined {
  const accessKeyId = secretAt(`${path}.accessKeyId`, raw.accessKeyId, options)
  const secretAccessKey = secretAt(`${path}.secretAccessKey`, raw.secretAccessKey, options)
  const sessionToken = secretAt(`${path}.sessionToken`, raw.sessionToken, options)
  if (accessKeyId === undefined || secretAccessKey === undefined) return undefined
  return { accessKeyId, secretAccessKey, sessionToken }
}
