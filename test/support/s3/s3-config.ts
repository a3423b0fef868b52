import type { S3Config } from '../../../src/config/config.ts'

/** What `config.storage.s3` is with its defaults, for a server that a test has. */
export function s3Config(
  server: { readonly endpoint: string; readonly accessKeyId: string; readonly secretAccessKey: string },
  bucket: string,
  changes: Partial<S3Config> = {},
): S3Config {
  const { endpoint, accessKeyId, secretAccessKey } = server
  return {
    ...{ endpoint, region: 'us-east-1', bucket, prefix: '', pathStyle: true },
    credentials: { accessKeyId, secretAccessKey, sessionToken: undefined },
    ...{ caFile: undefined, encryption: 'none', kmsKeyId: undefined, objectLock: undefined },
    ...{ requestTimeoutMs: 20_000, uploadsMax: 32, bytesPerSecondMax: 0 },
    ...changes,
  }
}
