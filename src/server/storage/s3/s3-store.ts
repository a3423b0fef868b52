import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'

import type { S3Config, S3Credentials } from '../../../config/config.ts'
import { EarwitnessError } from '../../../errors.ts'
import { backoffMs } from '../backoff.ts'
import { requireObjectKey, type CopyLock, type CustodyStore, type ObjectCopy } from '../object-store.ts'
import { S3Api, type PutOutcome } from './s3-api.ts'
import { S3_PASSING_CODES } from './s3-error.ts'
import { PROBE_FOLDER, probeS3 } from './s3-probe.ts'
import type { S3Report } from './s3-report.ts'

/** Objects in one answer of `list`. */
export const S3_LIST_OBJECTS_MAX = 1_000_000
const READ_ATTEMPTS_MAX = 4
const READ_RETRY = { firstMs: 200, lastMs: 2_000 }
const DAY_MS = 24 * 60 * 60 * 1_000

/** What a bucket with versions says of an object that somebody has deleted. */
export interface S3Deletion {
  /** The last time. */
  readonly deletedAt: Date | undefined
  /** Whoever knows one of them can still read the object. */
  readonly versionIds: readonly string[]
}

/**
 * An object store in a bucket of any S3-compatible server.
 *
 * Objects are created with `If-None-Match: *`. Where the server is not known to honour that (see {@link S3Store.check}),
 * a HEAD comes before each PUT: nothing is overwritten then either, except by a second writer within the same moment.
 * Writing is tried once, since the upload queue tries again for ever; reading a few times.
 */
export class S3Store implements CustodyStore {
  readonly #api: S3Api
  readonly #config: S3Config
  readonly #nowUnixMs: () => number
  #report: S3Report | undefined
  /** False once an ETag was seen that is no MD5: some servers encrypt or compress before they hash. */
  #isEtagMd5 = true

  constructor(config: S3Config, options: { readonly nowUnixMs?: () => number } = {}) {
    this.#config = config
    this.#nowUnixMs = options.nowUnixMs ?? Date.now
    this.#api = new S3Api(config, this.#nowUnixMs)
  }

  /** What the last {@link S3Store.check} found. */
  get report(): S3Report | undefined {
    return this.#report
  }

  /** From the next request on. */
  setCredentials(credentials: S3Credentials): void {
    this.#api.setCredentials(credentials)
  }

  async put(key: string, bytes: Uint8Array): Promise<void> {
    requireObjectKey(key)
    const condition = this.#report?.condition ?? 'unknown'
    if (condition !== 'honoured' && (await this.#api.head(key)) !== undefined) {
      await this.#requireSame(key, bytes)
      return
    }
    const { objectLock } = this.#config
    // The server compares with its own clock.
    const nowUnixMs = this.#nowUnixMs() + (this.#api.clockOffsetMs ?? 0)
    const retainUntil = objectLock === undefined ? undefined : new Date(nowUnixMs + objectLock.days * DAY_MS)
    const outcome = await this.#api.put(key, bytes, { onlyIfAbsent: condition !== 'refused', retainUntil })
    if (outcome.kind === 'taken') await this.#requireSame(key, bytes)
    else if (outcome.kind === 'unsupported') throw unsupported()
    else await this.#requireDigest(key, bytes, outcome)
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    requireObjectKey(key)
    return this.#again(() => this.#api.get(key))
  }

  async list(prefix: string): Promise<readonly { readonly key: string; readonly sizeBytes: number }[]> {
    const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1)
    if (folder !== '') requireObjectKey(folder.slice(0, -1))
    const found: { readonly key: string; readonly sizeBytes: number }[] = []
    let next: string | undefined
    do {
      const from = next
      const page = await this.#again(() => this.#api.list(prefix, from))
      found.push(...page.objects.filter(({ key }) => !key.startsWith(PROBE_FOLDER)))
      if (found.length > S3_LIST_OBJECTS_MAX) throw listTooLong(prefix)
      next = page.next
    } while (next !== undefined)
    return found.toSorted((left, right) => (left.key < right.key ? -1 : 1))
  }

  async folders(prefix: string): Promise<readonly string[]> {
    if (prefix !== '') requireObjectKey(prefix.slice(0, -1))
    const found: string[] = []
    let next: string | undefined
    do {
      const from = next
      const page = await this.#again(() => this.#api.folders(prefix, from))
      found.push(...page.names.filter((name) => !`${prefix}${name}/`.startsWith(PROBE_FOLDER)))
      if (found.length > S3_LIST_OBJECTS_MAX) throw listTooLong(prefix)
      next = page.next
    } while (next !== undefined)
    return found.toSorted()
  }

  /** Destroys every version of the object: one that is only hidden by a delete marker could still be read. */
  async delete(key: string): Promise<void> {
    requireObjectKey(key)
    const versions = await this.#again(() => this.#api.versions(key))
    for (const { versionId } of versions) await this.#again(() => this.#api.remove(key, versionId))
  }

  /** Whether an object that is not there was deleted, and which versions of it the bucket still has; undefined when there was never one, or no versions are kept. */
  async deletion(key: string): Promise<S3Deletion | undefined> {
    requireObjectKey(key)
    const versions = await this.#again(() => this.#api.versions(key))
    const marker = versions.find(({ isDeleteMarker }) => isDeleteMarker)
    if (marker === undefined) return undefined
    const kept = versions.filter(({ isDeleteMarker }) => !isDeleteMarker).map(({ versionId }) => versionId)
    return { deletedAt: marker.since, versionIds: kept }
  }

  async copies(prefix: string): Promise<readonly ObjectCopy[]> {
    return this.#again(async () => {
      const found: ObjectCopy[] = []
      for await (const { key, versionId, isDeleteMarker } of this.#api.versionsUnder(prefix)) {
        found.push({ key, copyId: versionId, isDeleteMarker })
        if (found.length > S3_LIST_OBJECTS_MAX) throw listTooLong(prefix)
      }
      return found
    })
  }

  async lockOf({ key, copyId, isDeleteMarker }: ObjectCopy): Promise<CopyLock | undefined> {
    if (isDeleteMarker) return undefined
    const head = await this.#again(() => this.#api.head(key, copyId))
    if (head?.isOnLegalHold === true) return { reason: 'legalHold', until: undefined }
    // The server compares with its own clock.
    const nowUnixMs = this.#nowUnixMs() + (this.#api.clockOffsetMs ?? 0)
    const until = head?.retainUntil
    if (until === undefined || until.getTime() <= nowUnixMs) return undefined
    return { reason: head?.lockMode === 'COMPLIANCE' ? 'compliance' : 'governance', until }
  }

  async destroy({ key, copyId }: ObjectCopy, options: { readonly bypassesGovernance: boolean }): Promise<void> {
    await this.#again(() => this.#api.remove(key, copyId, options.bypassesGovernance))
  }

  /** A bucket has nothing without a name. */
  destroyUnnamed(): Promise<number> {
    return Promise.resolve(0)
  }

  async setLegalHold({ key, copyId, isDeleteMarker }: ObjectCopy, isOn: boolean): Promise<boolean> {
    return isDeleteMarker || this.#again(() => this.#api.setLegalHold(key, copyId, isOn))
  }

  /** Proves that the bucket takes objects and finds out what the server can do; {@link S3Store.report} has it then. */
  async check(): Promise<S3Report> {
    const report = await probeS3(this.#api, { nowUnixMs: this.#nowUnixMs, objectLock: this.#config.objectLock })
    this.#report = report
    return report
  }

  close(): void {
    this.#api.close()
  }

  async #requireSame(key: string, bytes: Uint8Array): Promise<void> {
    const existing = await this.#api.head(key)
    // By size first: what a stranger put there may be of any size.
    const found = existing?.sizeBytes === bytes.length ? await this.#api.get(key) : undefined
    if (isSame(bytes, found)) return
    if (existing === undefined || (existing.sizeBytes === bytes.length && found === undefined)) throw taken(key)
    throw new EarwitnessError(
      'storage-conflict',
      `Another object is stored as ${key} already.`,
      'Nothing was overwritten. Two recorders may share this bucket and prefix, or somebody put an object there.',
    )
  }

  /** The ETag is the MD5 of what was stored, with most servers and without KMS: the last chance to see that it is not what we sent. */
  async #requireDigest(
    key: string,
    bytes: Uint8Array,
    { etag, versionId }: Extract<PutOutcome, { readonly kind: 'stored' }>,
  ): Promise<void> {
    if (!this.#isEtagMd5 || etag === undefined) return
    if (etag.toLowerCase() === createHash('md5').update(bytes).digest('hex')) return
    const stored = await this.#api.get(key)
    if (isSame(bytes, stored)) {
      this.#isEtagMd5 = false
      return
    }
    // What was just written would be in the way for ever: the next try finds the name taken. A lock, or a lack of rights, keeps it.
    if (stored !== undefined) await this.#api.remove(key, versionId).catch(() => {})
    throw new EarwitnessError(
      'storage-corrupted',
      `The S3 server has stored something else than was sent as ${key}.`,
      'Something between recorder and server changes data; the audio is kept and tried again.',
    )
  }

  async #again<Value>(work: () => Promise<Value>): Promise<Value> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await work()
      } catch (error) {
        const isPassing = error instanceof EarwitnessError && S3_PASSING_CODES.has(error.code)
        if (!isPassing || attempt >= READ_ATTEMPTS_MAX) throw error
        await sleep(backoffMs(attempt, READ_RETRY, Math.random()))
      }
    }
  }
}

function isSame(bytes: Uint8Array, stored: Uint8Array | undefined): boolean {
  return stored !== undefined && Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).equals(stored)
}

/** Removed since, or never there: whether the name is free the next try tells. */
function taken(key: string): EarwitnessError {
  return new EarwitnessError(
    'storage-busy',
    `The S3 server said that there is an object ${key}, and then that there is none.`,
    'It is tried again by itself. If it stays so, see what else writes to the bucket.',
  )
}

function unsupported(): EarwitnessError {
  return new EarwitnessError(
    'storage-rejected',
    'The S3 server does not implement what storage.s3 asks of it.',
    'See what `earwitness doctor` says about it.',
  )
}

function listTooLong(prefix: string): EarwitnessError {
  return new EarwitnessError(
    'storage-list-too-long',
    `There is more under ${prefix} than one listing takes.`,
    'Ask for a smaller part, such as one tenant or one day.',
  )
}
