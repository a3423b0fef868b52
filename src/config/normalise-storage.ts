import { resolve } from 'node:path'
import type { Config, S3Config, S3Credentials } from './config.ts'
import type { NormaliseOptions } from './normalise.ts'
import type { RawConfig } from './schema.ts'
import { secretAt } from './secret-at.ts'
import { parseDuration, parseSize } from './values.ts'

/** `storage`, with the secrets of `s3` only when it is used: files that nobody needs are not read. */
export function normaliseStorage(raw: RawConfig['storage'], options: NormaliseOptions): Config['storage'] {
  const path = raw.folder.path === null ? undefined : resolve(options.cwd, raw.folder.path)
  return { kind: raw.kind, folder: { path }, s3: raw.kind === 's3' ? s3Of(raw.s3, options) : undefined }
}

function s3Of(raw: RawConfig['storage']['s3'], options: NormaliseOptions): S3Config {
  const requestTimeout = parseDuration(raw.requestTimeout)
  const bandwidth = parseSize(raw.bandwidth)
  return {
    endpoint: raw.endpoint ?? undefined,
    region: raw.region,
    bucket: raw.bucket ?? '',
    prefix: raw.prefix,
    pathStyle: raw.pathStyle,
    credentials: credentialsOf(raw, options),
    caFile: raw.caFile === null ? undefined : resolve(options.cwd, raw.caFile),
    encryption: raw.encryption,
    kmsKeyId: raw.kmsKeyId ?? undefined,
    objectLock: raw.objectLock.mode === 'none' ? undefined : { mode: raw.objectLock.mode, days: raw.objectLock.days },
    requestTimeoutMs: requestTimeout.ok ? requestTimeout.value : 0,
    uploadsMax: raw.uploadsMax,
    bytesPerSecondMax: bandwidth.ok ? bandwidth.value : 0,
  }
}

function credentialsOf(raw: RawConfig['storage']['s3'], options: NormaliseOptions): S3Credentials | undefined {
  const accessKeyId = secretAt('storage.s3.accessKeyId', raw.accessKeyId, options)
  const secretAccessKey = secretAt('storage.s3.secretAccessKey', raw.secretAccessKey, options)
  const sessionToken = secretAt('storage.s3.sessionToken', raw.sessionToken, options)
  if (accessKeyId === undefined || secretAccessKey === undefined) return undefined
  return { accessKeyId, secretAccessKey, sessionToken }
}
