import { randomBytes } from 'node:crypto'

import type { S3Config } from '../../../config/config.ts'
import { EarwitnessError } from '../../../errors.ts'
import type { S3Api } from './s3-api.ts'
import type { S3Report } from './s3-report.ts'

/** Where probes are written, beside the tenants; no tenant can have this name. A listing leaves it out. */
export const PROBE_FOLDER = '.earwitness-probe/'
/** Long enough for a slow answer, short enough that nothing is locked when the next start tidies up. */
const PROBE_LOCK_MS = 20_000
/** Probes of earlier starts that one start removes, and how old they must be: another recorder may be trying out the same bucket now. */
const LEFTOVERS_MAX = 100
const LEFTOVER_AGE_MIN_MS = 10 * 60 * 1_000

/**
 * Finds out by doing: writes a small object, writes it again with other bytes, reads it, and removes it; with Object Lock
 * it also writes one that is locked for {@link PROBE_LOCK_MS} and tries to destroy that version.
 *
 * @throws EarwitnessError `storage-…`; `storage-lock-unavailable` when the bucket takes no locked objects
 */
export async function probeS3(
  api: S3Api,
  options: { readonly nowUnixMs: () => number; readonly objectLock: S3Config['objectLock'] },
): Promise<S3Report> {
  const { nowUnixMs } = options
  await removeLeftovers(api, nowUnixMs())
  const key = probeKey(nowUnixMs())
  try {
    const condition = await probeCondition(api, key)
    const objectLock = options.objectLock === undefined ? 'off' : await probeLock(api, nowUnixMs())
    return { condition, objectLock, clockOffsetMs: api.clockOffsetMs ?? 0 }
  } finally {
    // What cannot be removed now is removed by a later start.
    await destroy(api, key).catch(() => undefined)
  }
}

async function probeCondition(api: S3Api, key: string): Promise<S3Report['condition']> {
  const [first, second] = [randomBytes(16), randomBytes(16)]
  const outcome = await api.put(key, first, { onlyIfAbsent: true })
  if (outcome.kind === 'unsupported') {
    await requireStored(api, key, first)
    return 'refused'
  }
  await requireReadable(api, key, first)
  const again = await api.put(key, second, { onlyIfAbsent: true })
  if (again.kind === 'unsupported') return 'refused'
  // Some answer 412 to what they have done, and some 200 to what they have not: what counts is what is there now.
  return again.kind === 'taken' && isSame(await api.get(key), first) ? 'honoured' : 'ignored'
}

async function requireStored(api: S3Api, key: string, bytes: Uint8Array): Promise<void> {
  const outcome = await api.put(key, bytes, { onlyIfAbsent: false })
  if (outcome.kind === 'stored') return requireReadable(api, key, bytes)
  throw new EarwitnessError(
    'storage-rejected',
    'The S3 server does not implement what storage.s3 asks of it.',
    'Leave storage.s3.encryption at none and storage.s3.objectLock.mode at none, or use a server that has them.',
  )
}

async function requireReadable(api: S3Api, key: string, bytes: Uint8Array): Promise<void> {
  if (isSame(await api.get(key), bytes)) return
  throw new EarwitnessError(
    'storage-corrupted',
    'The S3 server does not give back what was just stored.',
    'A server that is consistent only later cannot keep recordings; nor can one behind something that changes data.',
  )
}

async function probeLock(api: S3Api, nowUnixMs: number): Promise<'enforced' | 'ignored'> {
  const key = probeKey(nowUnixMs)
  const retainUntil = new Date(nowUnixMs + (api.clockOffsetMs ?? 0) + PROBE_LOCK_MS)
  const outcome = await api.put(key, randomBytes(16), { onlyIfAbsent: false, retainUntil }).catch(lockError)
  if (outcome.kind !== 'stored') throw lockUnavailable()
  try {
    await api.remove(key, outcome.versionId)
  } catch (error) {
    if (error instanceof EarwitnessError && error.code === 'storage-denied') return 'enforced'
    throw error
  }
  const { versionId } = outcome
  const isStillThere = versionId !== undefined && (await api.head(key, versionId)) !== undefined
  await destroy(api, key).catch(() => undefined)
  return isStillThere ? 'enforced' : 'ignored'
}

function lockError(error: unknown): never {
  if (error instanceof EarwitnessError && error.code === 'storage-rejected') throw lockUnavailable()
  throw error
}

function lockUnavailable(): EarwitnessError {
  return new EarwitnessError(
    'storage-lock-unavailable',
    'The bucket takes no locked objects, and storage.s3.objectLock asks for them.',
    'Object Lock can be chosen only when a bucket is made: make one with it, or set storage.s3.objectLock.mode to none.',
  )
}

/** What is still locked stays, for a later start. */
async function removeLeftovers(api: S3Api, nowUnixMs: number): Promise<void> {
  const { objects } = await api.list(PROBE_FOLDER)
  const madeAt = (key: string): number => Number(key.slice(PROBE_FOLDER.length).split('-', 1)[0])
  const old = objects.filter(({ key }) => nowUnixMs - madeAt(key) > LEFTOVER_AGE_MIN_MS)
  for (const { key } of old.slice(0, LEFTOVERS_MAX)) await destroy(api, key).catch(() => undefined)
}

async function destroy(api: S3Api, key: string): Promise<void> {
  for (const { versionId } of await api.versions(key)) await api.remove(key, versionId)
}

function probeKey(nowUnixMs: number): string {
  return `${PROBE_FOLDER}${nowUnixMs}-${randomBytes(12).toString('hex')}`
}

function isSame(stored: Uint8Array | undefined, bytes: Uint8Array): boolean {
  return stored !== undefined && Buffer.from(bytes).equals(stored)
}
