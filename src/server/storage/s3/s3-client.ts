import { readFileSync } from 'node:fs'

import { S3Client } from '@aws-sdk/client-s3'

import type { S3Config, S3Credentials } from '../../../config/config.ts'
import { EarwitnessError } from '../../../errors.ts'

const CONNECT_MS_MAX = 5_000
/** Kept open beyond those of uploads, for reading and listing. */
const OTHER_SOCKETS = 16
/** The SDK asks for credentials again when they are about to expire: so these always are. */
const CREDENTIALS_VALID_MS = 1_000

/**
 * The SDK's client for `config`. Retries are the caller's, who knows what may be repeated; `credentials` is asked
 * again and again, so what it gives may change. Undefined from it leaves the credentials to the SDK: environment,
 * files of AWS, the role of the machine or container.
 *
 * @throws EarwitnessError `storage-ca-unreadable`
 */
export function createS3Client(config: S3Config, credentials: () => S3Credentials | undefined): S3Client {
  const sockets = { keepAlive: true, maxSockets: config.uploadsMax + OTHER_SOCKETS }
  const connectionTimeout = Math.min(CONNECT_MS_MAX, config.requestTimeoutMs)
  return new S3Client({
    region: config.region,
    forcePathStyle: config.pathStyle,
    ...(config.endpoint === undefined ? {} : { endpoint: config.endpoint }),
    ...(credentials() === undefined ? {} : { credentials: async () => expiring(credentials()) }),
    maxAttempts: 1,
    requestHandler: {
      connectionTimeout,
      socketTimeout: config.requestTimeoutMs,
      httpAgent: sockets,
      httpsAgent: { ...sockets, ...(config.caFile === undefined ? {} : { ca: readCa(config.caFile) }) },
    },
    // We send digests of our own; what the SDK would add, older servers do not know.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  })
}

function expiring(credentials: S3Credentials | undefined) {
  const { accessKeyId = '', secretAccessKey = '', sessionToken } = credentials ?? {}
  return {
    ...{ accessKeyId, secretAccessKey },
    ...(sessionToken === undefined ? {} : { sessionToken }),
    expiration: new Date(Date.now() + CREDENTIALS_VALID_MS),
  }
}

function readCa(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    throw new EarwitnessError(
      'storage-ca-unreadable',
      `The certificates of storage.s3.caFile cannot be read: ${file}`,
      'Check the path, and that the user of the recorder may read the file.',
    )
  }
}
