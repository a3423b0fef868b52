import { EarwitnessError } from '../../../errors.ts'

type Meaning = readonly [code: string, sentence: string, hint: string]

const CREDENTIALS: Meaning = [
  'storage-credentials',
  'The S3 server does not know the credentials, or they have expired',
  'Check storage.s3.accessKeyId, secretAccessKey and sessionToken; SIGHUP reads them again when they come from files.',
]
const NO_BUCKET: Meaning = [
  'storage-bucket-missing',
  'The bucket is not there',
  'Create it, or correct storage.s3.bucket; on AWS check storage.s3.region too.',
]
const DENIED: Meaning = [
  'storage-denied',
  'The S3 server refuses the operation',
  'Check the credentials, and that they may put, get, list and delete objects and versions in the prefix; Object Lock may forbid a deletion, and a KMS key its use.',
]
const BUSY: Meaning = [
  'storage-busy',
  'The S3 server asks to be asked less often',
  'It is tried again by itself. If it stays so, lower storage.s3.uploadsMax or see what else uses the server.',
]
const FAILING: Meaning = [
  'storage-failing',
  'The S3 server reports a fault of its own',
  'It is tried again by itself; look at the log of the server.',
]
const TIMEOUT: Meaning = [
  'storage-timeout',
  'The S3 server does not answer in time',
  'It is tried again by itself. Check the network, or raise storage.s3.requestTimeout.',
]
const UNREACHABLE: Meaning = [
  'storage-unreachable',
  'The S3 server cannot be reached',
  'Check storage.s3.endpoint, name resolution, firewalls and that the server runs.',
]
const TLS: Meaning = [
  'storage-tls',
  'The certificate of the S3 server is not trusted',
  'Name the CA that signed it in storage.s3.caFile, and use the name in the certificate in storage.s3.endpoint.',
]
const CHANGED: Meaning = [
  'storage-corrupted',
  'What reached the S3 server is not what was sent',
  'It is tried again by itself; if it stays so, something between recorder and server changes data.',
]

/** By the error code of the S3 API, the code of a socket, or the name of the error. */
const MEANINGS: ReadonlyMap<string, Meaning> = new Map<string, Meaning>([
  ['InvalidAccessKeyId', CREDENTIALS],
  ['SignatureDoesNotMatch', CREDENTIALS],
  ['ExpiredToken', CREDENTIALS],
  ['InvalidToken', CREDENTIALS],
  ['TokenRefreshRequired', CREDENTIALS],
  ['CredentialsProviderError', CREDENTIALS],
  ['NoSuchBucket', NO_BUCKET],
  ['AccessDenied', DENIED],
  ['AccountProblem', DENIED],
  ['AllAccessDisabled', DENIED],
  [
    'RequestTimeTooSkewed',
    [
      'storage-clock-skew',
      'The clock of this machine and that of the S3 server differ too much',
      'Set both by NTP (`earwitness doctor` checks this machine). Requests are signed with the time of the server from now on.',
    ],
  ],
  ['SlowDown', BUSY],
  ['ServiceUnavailable', BUSY],
  ['TooManyRequests', BUSY],
  ['ConditionalRequestConflict', BUSY],
  ['OperationAborted', BUSY],
  ['InternalError', FAILING],
  ['RequestTimeout', TIMEOUT],
  ['AbortError', TIMEOUT],
  ['TimeoutError', TIMEOUT],
  ['ETIMEDOUT', TIMEOUT],
  ['BadDigest', CHANGED],
  ['InvalidDigest', CHANGED],
  ['XAmzContentSHA256Mismatch', CHANGED],
  ['ECONNREFUSED', UNREACHABLE],
  ['ECONNRESET', UNREACHABLE],
  ['EPIPE', UNREACHABLE],
  ['EHOSTUNREACH', UNREACHABLE],
  ['ENETUNREACH', UNREACHABLE],
  ['ENOTFOUND', UNREACHABLE],
  ['EAI_AGAIN', UNREACHABLE],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', TLS],
  ['SELF_SIGNED_CERT_IN_CHAIN', TLS],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', TLS],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', TLS],
  ['ERR_TLS_CERT_ALTNAME_INVALID', TLS],
  ['CERT_HAS_EXPIRED', TLS],
  ['CERT_NOT_YET_VALID', TLS],
  [
    'PermanentRedirect',
    ['storage-region', 'The bucket lies in another region', 'Set storage.s3.region to the region of the bucket.'],
  ],
  [
    'AuthorizationHeaderMalformed',
    ['storage-region', 'The bucket lies in another region', 'Set storage.s3.region to the region of the bucket.'],
  ],
  [
    'QuotaExceeded',
    ['storage-full', 'The quota of the bucket is used up', 'Raise the quota, or let retention delete what is over.'],
  ],
])

/** What may be over a moment later; reading is tried again for it. */
export const S3_PASSING_CODES: ReadonlySet<string> = new Set([
  'storage-busy',
  'storage-failing',
  'storage-timeout',
  'storage-unreachable',
  'storage-clock-skew',
  'storage-corrupted',
])

/**
 * The EarwitnessError for whatever a request threw; an EarwitnessError stays what it is. Nothing of the request or of
 * the answer's text goes into it: they may hold names and keys.
 */
export function s3Error(error: unknown, bucket: string): EarwitnessError {
  if (error instanceof EarwitnessError) return error
  const [reason, status] = [s3ErrorCode(error), s3Status(error)]
  const [code, sentence, hint] = MEANINGS.get(reason) ?? byStatus(status)
  return new EarwitnessError(code, `${sentence} (${reason || (status ?? 'unknown')}): bucket ${bucket}`, hint)
}

/** `NoSuchKey`, `ECONNRESET` and so on; empty for what has neither. */
export function s3ErrorCode(error: unknown): string {
  if (!(error instanceof Error)) return ''
  if ('code' in error && typeof error.code === 'string') return error.code
  return error.name === 'Error' ? '' : error.name
}

/** Of the HTTP response; undefined when none came. */
export function s3Status(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('$metadata' in error)) return undefined
  const { httpStatusCode } = error.$metadata as { readonly httpStatusCode?: number }
  return httpStatusCode
}

function byStatus(status: number | undefined): Meaning {
  if (status === undefined) return UNREACHABLE
  if (status === 401 || status === 403) return DENIED
  if (status === 429 || status === 503) return BUSY
  if (status >= 500) return FAILING
  return [
    'storage-rejected',
    'The S3 server rejects the request',
    'It may not support what storage.s3 asks of it (encryption, Object Lock); `earwitness doctor` says more.',
  ]
}
