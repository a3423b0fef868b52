import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'

import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  type ListObjectVersionsCommandInput,
  PutObjectCommand,
  PutObjectLegalHoldCommand,
  type PutObjectCommandInput,
  type S3Client,
} from '@aws-sdk/client-s3'

import type { S3Config, S3Credentials } from '../../../config/config.ts'
import { EarwitnessError } from '../../../errors.ts'
import { createS3Client } from './s3-client.ts'
import { s3Error, s3ErrorCode, s3Status } from './s3-error.ts'

/** Bytes of an object that is read whole: many hours of kept packets. */
export const S3_OBJECT_BYTES_MAX = 512 * 1024 * 1024
/** Versions of one object that `versions` gives; a hundred thousand would be an attack or a mistake. */
const VERSIONS_MAX = 10_000

export type PutOutcome =
  | { readonly kind: 'stored'; readonly etag: string | undefined; readonly versionId: string | undefined }
  /** Something has that key, and the server kept it. */
  | { readonly kind: 'taken' }
  /** The server does not implement the condition (or another header). */
  | { readonly kind: 'unsupported' }

export interface ObjectVersion {
  readonly key: string
  readonly versionId: string
  readonly isDeleteMarker: boolean
  /** When it was stored, or the object deleted. */
  readonly since: Date | undefined
}

export interface ObjectHead {
  readonly sizeBytes: number
  readonly retainUntil: Date | undefined
  /** `GOVERNANCE` or `COMPLIANCE`. */
  readonly lockMode: string | undefined
  readonly isOnLegalHold: boolean
}

/**
 * The few requests that storage is made of, each with its time-out, its errors as EarwitnessErrors, and keys without
 * the configured prefix.
 */
export class S3Api {
  readonly #config: S3Config
  #client: S3Client | undefined
  readonly #nowUnixMs: () => number
  #credentials: S3Credentials | undefined
  #clockOffsetMs: number | undefined

  constructor(config: S3Config, nowUnixMs: () => number) {
    this.#config = config
    this.#nowUnixMs = nowUnixMs
    this.#credentials = config.credentials
  }

  /** Milliseconds by which the clock of the server is ahead of ours, to a second or so; undefined before the first answer. */
  get clockOffsetMs(): number | undefined {
    return this.#clockOffsetMs
  }

  /** From the next request on. */
  setCredentials(credentials: S3Credentials): void {
    this.#credentials = credentials
  }

  close(): void {
    this.#client?.destroy()
  }

  /** Made with the first request: a CA that cannot be read is looked for again with the next one. */
  #opened(): S3Client {
    this.#client ??= this.#create()
    return this.#client
  }

  #create(): S3Client {
    const client = createS3Client(this.#config, () => this.#credentials)
    client.middlewareStack.add(
      (next) => async (args) => {
        const result = await next(args)
        this.#noteClock(result.response)
        return result
      },
      { step: 'deserialize', priority: 'low', name: 'noteClock' },
    )
    return client
  }

  async put(
    key: string,
    bytes: Uint8Array,
    options: { readonly onlyIfAbsent: boolean; readonly retainUntil?: Date | undefined },
  ): Promise<PutOutcome> {
    try {
      const answer = await this.#opened().send(
        new PutObjectCommand(this.#putInput(key, bytes, options)),
        this.#timeout(),
      )
      return { kind: 'stored', etag: answer.ETag?.replaceAll('"', ''), versionId: answer.VersionId }
    } catch (error) {
      if (s3Status(error) === 412) return { kind: 'taken' }
      if (s3Status(error) === 501) return { kind: 'unsupported' }
      throw s3Error(error, this.#config.bucket)
    }
  }

  /** Size and lock of an object; undefined when there is none. */
  async head(key: string, versionId?: string): Promise<ObjectHead | undefined> {
    const input = { ...this.#at(key), ...(versionId === undefined ? {} : { VersionId: versionId }) }
    return this.#absentIs404(async () => {
      const answer = await this.#opened().send(new HeadObjectCommand(input), this.#timeout())
      return {
        sizeBytes: answer.ContentLength ?? 0,
        retainUntil: answer.ObjectLockRetainUntilDate,
        lockMode: answer.ObjectLockMode,
        isOnLegalHold: answer.ObjectLockLegalHoldStatus === 'ON',
      }
    })
  }

  /** The whole object, undefined when there is none. */
  async get(key: string): Promise<Uint8Array | undefined> {
    return this.#absentIs404(async () => {
      const timeout = this.#timeout()
      const answer = await this.#opened().send(new GetObjectCommand(this.#at(key)), timeout)
      return collect(answer.Body as Readable, timeout.abortSignal)
    })
  }

  /** One page of at most 1,000 objects; `next` asks for the one after it. */
  async list(
    prefix: string,
    next?: string,
  ): Promise<{
    readonly objects: readonly { readonly key: string; readonly sizeBytes: number }[]
    readonly next: string | undefined
  }> {
    const { bucket, prefix: root } = this.#config
    return this.#mapped(async () => {
      const answer = await this.#opened().send(
        new ListObjectsV2Command({
          Bucket: bucket,
          Prefix: root + prefix,
          ...(next === undefined ? {} : { ContinuationToken: next }),
        }),
        this.#timeout(),
      )
      const objects = (answer.Contents ?? []).flatMap(({ Key, Size }) =>
        Key === undefined ? [] : [{ key: Key.slice(root.length), sizeBytes: Size ?? 0 }],
      )
      return { objects, next: answer.IsTruncated === true ? answer.NextContinuationToken : undefined }
    })
  }

  /** One page of what follows `prefix` up to the next slash, as `list`. */
  async folders(
    prefix: string,
    next?: string,
  ): Promise<{ readonly names: readonly string[]; readonly next: string | undefined }> {
    const { bucket, prefix: root } = this.#config
    return this.#mapped(async () => {
      const from = next === undefined ? {} : { ContinuationToken: next }
      const input = { Bucket: bucket, Prefix: root + prefix, Delimiter: '/', ...from }
      const answer = await this.#opened().send(new ListObjectsV2Command(input), this.#timeout())
      const names = (answer.CommonPrefixes ?? []).flatMap(({ Prefix }) =>
        Prefix === undefined ? [] : [Prefix.slice(root.length + prefix.length, -1)],
      )
      return { names, next: answer.IsTruncated === true ? answer.NextContinuationToken : undefined }
    })
  }

  /** Every version and delete marker of exactly this key; without versioning the one version `null`. */
  async versions(key: string): Promise<readonly ObjectVersion[]> {
    const found: ObjectVersion[] = []
    for await (const version of this.versionsUnder(key)) {
      // Keys come in order: past ours, nothing more of it follows.
      if (version.key !== key || found.length >= VERSIONS_MAX) break
      found.push(version)
    }
    return found
  }

  /** Every version and delete marker of all keys that begin with `prefix`, in ascending order of the keys within a page. */
  async *versionsUnder(prefix: string): AsyncGenerator<ObjectVersion> {
    const { bucket, prefix: root } = this.#config
    let markers: { readonly KeyMarker?: string; readonly VersionIdMarker?: string } | undefined = {}
    while (markers !== undefined) {
      const input: ListObjectVersionsCommandInput = { Bucket: bucket, Prefix: root + prefix, ...markers }
      const page = await this.#mapped(() => this.#opened().send(new ListObjectVersionsCommand(input), this.#timeout()))
      const found = [
        ...(page.Versions ?? []).map((entry) => ({ entry, isDeleteMarker: false })),
        ...(page.DeleteMarkers ?? []).map((entry) => ({ entry, isDeleteMarker: true })),
      ].map(({ entry: { Key = '', VersionId, LastModified }, isDeleteMarker }) => ({
        ...{ key: Key.slice(root.length), versionId: VersionId ?? 'null', isDeleteMarker, since: LastModified },
      }))
      yield* found.toSorted((one, other) => (one.key < other.key ? -1 : one.key > other.key ? 1 : 0))
      const { IsTruncated, NextKeyMarker: KeyMarker, NextVersionIdMarker: VersionIdMarker } = page
      markers =
        IsTruncated === true && KeyMarker !== undefined
          ? { KeyMarker, ...(VersionIdMarker === undefined ? {} : { VersionIdMarker }) }
          : undefined
    }
  }

  /**
   * Destroys one version; without one, a versioned bucket only hides the object. Fine when there is none.
   *
   * @param bypassesGovernance asks for what is under retention in mode governance; not everybody may
   */
  async remove(key: string, versionId?: string, bypassesGovernance = false): Promise<void> {
    const input = {
      ...this.#at(key),
      ...(versionId === undefined ? {} : { VersionId: versionId }),
      ...(bypassesGovernance ? { BypassGovernanceRetention: true } : {}),
    }
    await this.#absentIs404(() => this.#opened().send(new DeleteObjectCommand(input), this.#timeout()))
  }

  /** Sets or takes off the legal hold of a version; false when the bucket has no Object Lock. Fine when there is no such version. */
  async setLegalHold(key: string, versionId: string, isOn: boolean): Promise<boolean> {
    const input = { ...this.#at(key), VersionId: versionId, LegalHold: { Status: isOn ? 'ON' : 'OFF' } as const }
    try {
      await this.#opened().send(new PutObjectLegalHoldCommand(input), this.#timeout())
      return true
    } catch (error) {
      if (['NoSuchKey', 'NotFound', 'NoSuchVersion'].includes(s3ErrorCode(error))) return true
      const status = s3Status(error)
      // InvalidRequest on AWS and Ceph; older servers do not know the request at all.
      if (status === 400 || status === 405 || status === 501) return false
      throw s3Error(error, this.#config.bucket)
    }
  }

  #at(key: string): { readonly Bucket: string; readonly Key: string } {
    return { Bucket: this.#config.bucket, Key: this.#config.prefix + key }
  }

  #timeout(): { readonly abortSignal: AbortSignal } {
    return { abortSignal: AbortSignal.timeout(this.#config.requestTimeoutMs) }
  }

  #putInput(
    key: string,
    bytes: Uint8Array,
    { onlyIfAbsent, retainUntil }: { readonly onlyIfAbsent: boolean; readonly retainUntil?: Date | undefined },
  ): PutObjectCommandInput {
    const { encryption, kmsKeyId, objectLock } = this.#config
    const sha256 = createHash('sha256').update(bytes)
    const hash = sha256.digest()
    return {
      ...this.#at(key),
      Body: bytes,
      ContentType: 'application/octet-stream',
      // Ceph accepts a wrong SHA-256 checksum header, and refuses a wrong MD5; AWS refuses both.
      ContentMD5: createHash('md5').update(bytes).digest('base64'),
      ChecksumSHA256: hash.toString('base64'),
      Metadata: { sha256: hash.toString('hex') },
      ...(onlyIfAbsent ? { IfNoneMatch: '*' } : {}),
      ...(encryption === 'aes256' ? { ServerSideEncryption: 'AES256' } : {}),
      ...(encryption === 'kms' ? { ServerSideEncryption: 'aws:kms' } : {}),
      ...(encryption === 'kms' && kmsKeyId !== undefined ? { SSEKMSKeyId: kmsKeyId } : {}),
      ...(retainUntil === undefined
        ? {}
        : {
            ObjectLockMode: objectLock?.mode === 'compliance' ? 'COMPLIANCE' : 'GOVERNANCE',
            ObjectLockRetainUntilDate: retainUntil,
          }),
    }
  }

  async #absentIs404<Value>(work: () => Promise<Value>): Promise<Value | undefined> {
    try {
      return await work()
    } catch (error) {
      if (['NoSuchKey', 'NotFound', 'NoSuchVersion'].includes(s3ErrorCode(error))) return undefined
      throw s3Error(error, this.#config.bucket)
    }
  }

  async #mapped<Value>(work: () => Promise<Value>): Promise<Value> {
    try {
      return await work()
    } catch (error) {
      throw s3Error(error, this.#config.bucket)
    }
  }

  #noteClock(response: unknown): void {
    const { date } = (response as { readonly headers?: { readonly date?: string } }).headers ?? {}
    const serverUnixMs = date === undefined ? Number.NaN : Date.parse(date)
    if (!Number.isNaN(serverUnixMs)) this.#clockOffsetMs = serverUnixMs - this.#nowUnixMs()
  }
}

async function collect(body: Readable, signal: AbortSignal): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let sizeBytes = 0
  const cut = (): void => void body.destroy(Object.assign(new Error('aborted'), { name: 'AbortError' }))
  signal.addEventListener('abort', cut)
  try {
    for await (const part of body) {
      sizeBytes += (part as Uint8Array).length
      if (sizeBytes > S3_OBJECT_BYTES_MAX) throw tooLarge()
      parts.push(part as Uint8Array)
    }
  } finally {
    signal.removeEventListener('abort', cut)
  }
  return Buffer.concat(parts)
}

function tooLarge(): EarwitnessError {
  return new EarwitnessError(
    'storage-object-too-large',
    'An object in the bucket is larger than any that a recorder writes.',
    'Somebody else put it there; look at the bucket.',
  )
}
