import { Readable } from 'node:stream'

import { DecryptCommand, GetPublicKeyCommand, KMSClient } from '@aws-sdk/client-kms'

import type { AwsKmsConfig } from '../../config/config.ts'
import { EarwitnessError } from '../../errors.ts'
import { readAnswerBytes } from './answer-bytes.ts'
import { readCaFile } from './ca-file.ts'
import { isTlsFault, keyServiceError, type KeyServiceFault } from './key-service-error.ts'
import type { KeyServiceApi, ServiceKeyName } from './key-service.ts'

const CONNECT_MS_MAX = 5_000
/** The SDK waits between them, longer each time and by chance. */
const ATTEMPTS_MAX = 3

/** By the error code of the service, of a socket, or the name of the error. What is not here is `answer`. */
const FAULTS: ReadonlyMap<string, KeyServiceFault> = new Map<string, KeyServiceFault>([
  ...(
    [
      ...['AccessDeniedException', 'UnrecognizedClientException', 'InvalidSignatureException', 'ExpiredTokenException'],
      ...[
        'MissingAuthenticationTokenException',
        'IncompleteSignature',
        'InvalidClientTokenId',
        'SignatureDoesNotMatch',
      ],
      ...['OptInRequired', 'CredentialsProviderError', 'TokenProviderError'],
    ] as const
  ).map((code) => [code, 'denied'] as const),
  ...(['NotFoundException', 'InvalidArnException'] as const).map((code) => [code, 'keyMissing'] as const),
  ...(['DisabledException', 'KMSInvalidStateException', 'KeyUnavailableException'] as const).map(
    (code) => [code, 'keyDisabled'] as const,
  ),
  ...(['InvalidKeyUsageException', 'IncorrectKeyException', 'UnsupportedOperationException'] as const).map(
    (code) => [code, 'keyWrong'] as const,
  ),
  ...(
    [
      ...['DependencyTimeoutException', 'KMSInternalException', 'ThrottlingException', 'LimitExceededException'],
      ...['ServiceUnavailableException', 'InternalFailure', 'RequestTimeout', 'TimeoutError', 'AbortError'],
      ...['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND', 'EAI_AGAIN', 'ETIMEDOUT'],
    ] as const
  ).map((code) => [code, 'away'] as const),
])

/** Asks AWS KMS. A key that is named by its ARN is asked for in the region of that. */
export class AwsKms implements KeyServiceApi {
  readonly #config: AwsKmsConfig
  readonly #clients = new Map<string, KMSClient>()

  constructor(config: AwsKmsConfig) {
    this.#config = config
  }

  async decrypt({ key }: ServiceKeyName, ciphertext: Uint8Array): Promise<Uint8Array | 'invalid'> {
    const command = new DecryptCommand({
      ...{ KeyId: key, CiphertextBlob: ciphertext, EncryptionAlgorithm: 'RSAES_OAEP_SHA_256' },
    })
    try {
      const { Plaintext } = await this.#clientOf(key).send(command)
      if (Plaintext !== undefined) return Plaintext
    } catch (error) {
      if (codesOf(error).includes('InvalidCiphertextException')) return 'invalid'
      throw faultOf(error, key)
    }
    throw keyServiceError('aws-kms', 'answer', { key })
  }

  async publicKey({ key }: ServiceKeyName): Promise<Uint8Array> {
    try {
      const { PublicKey } = await this.#clientOf(key).send(new GetPublicKeyCommand({ KeyId: key }))
      if (PublicKey !== undefined) return PublicKey
    } catch (error) {
      throw faultOf(error, key)
    }
    throw keyServiceError('aws-kms', 'answer', { key })
  }

  #clientOf(key: string): KMSClient {
    // arn:aws:kms:REGION:ACCOUNT:key/ID
    const region = (key.startsWith('arn:') ? key.split(':')[3] : undefined) ?? this.#config.region
    const known = this.#clients.get(region ?? '')
    if (known !== undefined) return known
    const client = createClient(this.#config, region)
    this.#clients.set(region ?? '', client)
    return client
  }
}

function createClient(config: AwsKmsConfig, region: string | undefined): KMSClient {
  const { endpoint, credentials, caFile, requestTimeoutMs } = config
  const ca = caFile === undefined ? {} : { ca: readCaFile(caFile, 'aws-kms') }
  const client = new KMSClient({
    ...(region === undefined ? {} : { region }),
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(credentials === undefined
      ? {}
      : {
          credentials: {
            ...{ accessKeyId: credentials.accessKeyId, secretAccessKey: credentials.secretAccessKey },
            ...(credentials.sessionToken === undefined ? {} : { sessionToken: credentials.sessionToken }),
          },
        }),
    maxAttempts: ATTEMPTS_MAX,
    requestHandler: {
      connectionTimeout: Math.min(CONNECT_MS_MAX, requestTimeoutMs),
      requestTimeout: requestTimeoutMs,
      throwOnRequestTimeout: true,
      httpsAgent: ca,
    },
  })
  // Of low priority, so that it stands before whatever reads the answer. The SDK itself waits for the first byte only, and reads what comes behind it without end.
  client.middlewareStack.add(
    (next) => async (asked) => {
      const output = await next(asked)
      const body: unknown = Reflect.get(Object(output.response), 'body')
      if (body instanceof Readable)
        Reflect.set(Object(output.response), 'body', await readWithin(body, requestTimeoutMs))
      return output
    },
    { step: 'deserialize', priority: 'low', name: 'boundAnswer' },
  )
  return client
}

async function readWithin(body: Readable, timeoutMs: number): Promise<Uint8Array> {
  const late = new Error('The answer stopped in the middle.')
  late.name = 'TimeoutError'
  const timer = setTimeout(() => body.destroy(late), timeoutMs)
  try {
    return await readAnswerBytes(body, 'aws-kms')
  } finally {
    clearTimeout(timer)
  }
}

function faultOf(error: unknown, key: string): Error {
  if (error instanceof EarwitnessError) return error
  const codes = codesOf(error)
  const [first] = codes
  const known = codes.map((code) => (isTlsFault(code) ? 'tls' : FAULTS.get(code))).find((fault) => fault !== undefined)
  const detail = first === undefined ? {} : { detail: first }
  if (known !== undefined) return keyServiceError('aws-kms', known, { key, ...detail, cause: error })
  const status = statusOf(error)
  // "Region is missing" is a bare Error of the SDK.
  if (error instanceof Error && /region/iu.test(error.message) && status === undefined)
    return keyServiceError('aws-kms', 'address', { key, detail: 'no region', cause: error })
  const fault = status !== undefined && (status >= 500 || status === 429) ? 'away' : 'answer'
  return keyServiceError('aws-kms', fault, { key, ...detail, cause: error })
}

/** Of an error and of what is behind it, the outermost first. */
function codesOf(error: unknown): readonly string[] {
  const codes: string[] = []
  let next = error
  for (let depth = 0; depth < 4 && next instanceof Error; depth += 1) {
    if (next.name !== 'Error') codes.push(next.name)
    const code: unknown = Reflect.get(next, 'code')
    if (typeof code === 'string') codes.push(code)
    if (next instanceof AggregateError && next.errors[0] instanceof Error) next = next.errors[0]
    else next = next.cause
  }
  return codes
}

function statusOf(error: unknown): number | undefined {
  const metadata: unknown = error instanceof Error ? Reflect.get(error, '$metadata') : undefined
  const status: unknown =
    typeof metadata === 'object' && metadata !== null ? Reflect.get(metadata, 'httpStatusCode') : undefined
  return typeof status === 'number' ? status : undefined
}
