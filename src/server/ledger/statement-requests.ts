import { constants } from 'node:fs'
import { chown, mkdir, open, readFile, rename, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'

import { EarwitnessError } from '../../errors.ts'
import { CONSENT_EVENT_TYPES } from '../../evidence/consent-event-shape.ts'
import { LEDGER_PREFIX } from '../../evidence/ledger/log-names.ts'
import type { StatementBody } from '../../evidence/ledger/statement.ts'
import { isWrappedKeyName } from '../../evidence/object-names.ts'
import { isUuidV7 } from '../../ids.ts'
import { namesIn } from '../names-in.ts'
import { nodeFiles } from '../storage/file-operations.ts'
import { errnoOf } from '../storage/storage-error.ts'
import { custodyStatement, parseCustody, type Asked, type CustodyRequest } from './custody-requests.ts'

/** Beside the logs in the data folder. */
const REQUESTS_FOLDER = 'requests'
/** Requests that are taken in one go; further ones with the next. */
export const REQUESTS_MAX = 256
/** Requests that may wait for a recorder that does not run: a year of one every hour. */
export const REQUESTS_WAITING_MAX = 10_000
const REQUEST_BYTES_MAX = 32_768
const NAME = /^([0-9a-f-]{36})\.json$/
const SHA256 = /^[0-9a-f]{64}$/
const UTC_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

/** A command on this machine opened a recording. */
export interface AccessRequest extends Asked {
  readonly kind?: undefined
  readonly action: 'export' | 'open'
}

/** A command on this machine sealed the key of a recording anew, and has stored it. */
export interface KeyRotatedRequest extends Asked {
  readonly kind: 'keyRotated'
  /** Of the new wrapped key. */
  readonly name: string
  readonly sha256: string
  readonly replacesSha256: string
}

/** A command on this machine added a consent event to a recording that is over, and has stored it. The event itself says who, hidden. */
export interface ConsentRequest extends Asked {
  readonly kind: 'consent'
  readonly type: string
  readonly number: number
  readonly evidenceSha256: string
  /** By this very command, and nobody has counted it. Those that were there before are said again. */
  readonly isNew?: boolean
}

/** What a command on this machine did with a recording, to be said in the ledger by the recorder, which alone writes it. */
export type StatementRequest = AccessRequest | KeyRotatedRequest | ConsentRequest | CustodyRequest

/** What is said of it. `byHash` gives what stands for a name, where there is a salt. */
export function statementOf(
  asked: StatementRequest,
  saltedHash: (member: string, value: string) => string | undefined,
): StatementBody {
  if ('recordSha256' in asked) return custodyStatement(asked, saltedHash)
  if (asked.kind === 'consent') {
    const { kind, recordingId, type, number, evidenceSha256 } = asked
    return { kind, recordingId, type, number, evidenceSha256 }
  }
  const { by, at, ...request } = asked
  const byHash = saltedHash('byHash', by)
  const who = { ...(byHash === undefined ? {} : { byHash }), askedAt: at }
  return request.kind === undefined ? { ...request, kind: 'access', ...who } : { ...request, ...who }
}

/** Where requests wait. */
export function requestsFolder(dataDir: string): string {
  return join(dataDir, LEDGER_PREFIX, REQUESTS_FOLDER)
}

/**
 * Leaves a request for the recorder, whether it runs or not; it says so within seconds, or at its next start. One that waits already stays as it is: whoever left it first knew who had decided.
 * Resolves to false when there is no ledger on this machine, to true when a power cut does not take it any more. Rejects when the folder cannot be written, or with `ledger-requests-full`.
 */
export async function leaveRequest(dataDir: string, request: StatementRequest): Promise<boolean> {
  const ledgerDir = join(dataDir, LEDGER_PREFIX)
  const owner = await stat(ledgerDir).catch(() => undefined)
  if (owner === undefined) return false
  const folder = requestsFolder(dataDir)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const path = join(folder, `${request.requestId}.json`)
  if (await isThere(path)) return true
  if ((await waitingNames(folder)).length >= REQUESTS_WAITING_MAX) throw requestsFull()
  // Of one that is left again, after a crash.
  await unlink(`${path}.new`).catch(() => {})
  const file = await open(`${path}.new`, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, 0o600)
  try {
    await file.writeFile(JSON.stringify(request))
    await file.datasync()
  } finally {
    await file.close()
  }
  // A command that root runs must not leave what the user of the recorder cannot read.
  for (const made of [folder, `${path}.new`]) await chown(made, owner.uid, owner.gid).catch(() => {})
  await rename(`${path}.new`, path)
  await nodeFiles.syncDirectory(folder)
  return true
}

function requestsFull(): EarwitnessError {
  return new EarwitnessError(
    'ledger-requests-full',
    `${REQUESTS_WAITING_MAX} requests of commands wait for the recorder to say them in its ledger: there is no room for another one.`,
    'Start the recorder, which takes them within seconds and minutes; if it runs, see that it may read and write ledger/requests in its data folder.',
  )
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false
    throw error
  }
}

/** The requests that wait for the recorder. What is no request is put aside. */
export class RequestFolder {
  readonly #folder: string
  readonly #onRefused: () => void

  constructor(dataDir: string, onRefused: () => void) {
    this.#folder = requestsFolder(dataDir)
    this.#onRefused = onRefused
  }

  /** The oldest first, at most {@link REQUESTS_MAX}. */
  async list(): Promise<readonly StatementRequest[]> {
    const requests: StatementRequest[] = []
    for (const name of await waitingNames(this.#folder)) {
      if (requests.length >= REQUESTS_MAX) break
      const request = await this.#read(name)
      if (request !== undefined) requests.push(request)
    }
    return requests
  }

  /** They have been said; a crash before this says them again, with the same `requestId`. */
  async done(requests: readonly StatementRequest[]): Promise<void> {
    for (const { requestId } of requests) await unlink(join(this.#folder, `${requestId}.json`)).catch(() => {})
  }

  async #read(name: string): Promise<StatementRequest | undefined> {
    const path = join(this.#folder, name)
    const bytes = await readFile(path).catch(() => undefined)
    if (bytes === undefined) return undefined
    const request = bytes.length > REQUEST_BYTES_MAX ? undefined : parseRequest(bytes.toString('utf8'))
    if (request !== undefined && `${request.requestId}.json` === name) return request
    this.#onRefused()
    await rename(path, `${path}.refused`).catch(() => {})
    return undefined
  }
}

/** Those that wait in a data folder, for a reader who changes nothing there. What is no request is passed over. */
export async function waitingRequests(dataDir: string): Promise<readonly StatementRequest[]> {
  const folder = requestsFolder(dataDir)
  const requests: StatementRequest[] = []
  for (const name of await waitingNames(folder)) {
    // The recorder may take it meanwhile.
    const bytes = await readFile(join(folder, name)).catch(() => undefined)
    const request = bytes === undefined ? undefined : parseRequest(bytes.toString('utf8'))
    if (request !== undefined) requests.push(request)
  }
  return requests
}

/** The oldest first. */
async function waitingNames(folder: string): Promise<readonly string[]> {
  return (await namesIn(folder)).filter((each) => NAME.test(each)).toSorted()
}

function parseRequest(json: string): StatementRequest | undefined {
  try {
    const { requestId, recordingId, by, at, ...rest } = JSON.parse(json) as Partial<Record<string, unknown>>
    if (typeof requestId !== 'string' || !isUuidV7(requestId)) return undefined
    if (typeof recordingId !== 'string' || !isUuidV7(recordingId) || typeof by !== 'string') return undefined
    if (typeof at !== 'string' || !UTC_TIME.test(at) || Number.isNaN(Date.parse(at))) return undefined
    const asked = { requestId, recordingId, by, at }
    if ('recordSha256' in rest) return parseCustody(asked, rest)
    if (rest['kind'] === 'consent') return parseConsent(asked, rest)
    return rest['kind'] === 'keyRotated' ? parseKeyRotated(asked, rest) : parseAccess(asked, rest)
  } catch {
    return undefined
  }
}

function parseAccess(asked: Asked, { kind, action }: Partial<Record<string, unknown>>): AccessRequest | undefined {
  return kind === undefined && (action === 'export' || action === 'open') ? { ...asked, action } : undefined
}

function parseKeyRotated(asked: Asked, rest: Partial<Record<string, unknown>>): KeyRotatedRequest | undefined {
  const { name, sha256, replacesSha256 } = rest
  if (typeof name !== 'string' || !isWrappedKeyName(name)) return undefined
  if (typeof sha256 !== 'string' || !SHA256.test(sha256)) return undefined
  if (typeof replacesSha256 !== 'string' || !SHA256.test(replacesSha256)) return undefined
  return { ...asked, kind: 'keyRotated', name, sha256, replacesSha256 }
}

function parseConsent(asked: Asked, rest: Partial<Record<string, unknown>>): ConsentRequest | undefined {
  const { type, number, evidenceSha256, isNew } = rest
  if (typeof type !== 'string' || !CONSENT_EVENT_TYPES.includes(type)) return undefined
  if (typeof number !== 'number' || !Number.isInteger(number) || number < 0) return undefined
  if (typeof evidenceSha256 !== 'string' || !SHA256.test(evidenceSha256)) return undefined
  return { ...asked, kind: 'consent', type, number, evidenceSha256, isNew: isNew === true }
}
