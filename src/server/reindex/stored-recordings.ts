import { EarwitnessError } from '../../errors.ts'
import { isConsentName, isCustodyName, isWrappedKeyName, MANIFEST_NAME } from '../../evidence/object-names.ts'
import { isUuidV7 } from '../../ids.ts'
import { recordingPrefix } from '../storage/layout.ts'
import type { ObjectStore } from '../storage/object-store.ts'

const DAY_MS = 86_400_000
/** Seven hex digits of a UUIDv7 are the time in steps of 2^20 ms, some 17 minutes. */
const SLICE_MS = 2 ** 20
const SLICE_DIGITS = 7

/** All recordings of a tenant that began on one day (UTC). */
export interface StoredDay {
  readonly tenant: string
  /** Of its first millisecond. */
  readonly dayUnixMs: number
  readonly recordings: readonly StoredRecording[]
}

export interface StoredRecording {
  readonly recordingId: string
  readonly objectPrefix: string
  /** Without one it is still being made, or its recorder has not come back. */
  readonly hasManifest: boolean
  /** Names of its wrapped keys; several after a rotation. */
  readonly keyNames: readonly string[]
  /** Of what was decided about it later. */
  readonly custodyNames: readonly string[]
  /** Of its consent events: those are not asked for that no listing has, since a store that is away cannot say no. */
  readonly consentNames: readonly string[]
}

interface Found {
  hasManifest: boolean
  readonly keyNames: string[]
  readonly custodyNames: string[]
  readonly consentNames: string[]
}

/** Walks the days from `fromUnixMs` to `toUnixMs`, both of them included; one day is held at a time. */
export async function* storedDays(
  store: Pick<ObjectStore, 'list'>,
  span: { readonly tenants: Iterable<string>; readonly fromUnixMs: number; readonly toUnixMs: number },
): AsyncGenerator<StoredDay> {
  for (const tenant of span.tenants) {
    const first = Math.floor(span.fromUnixMs / DAY_MS) * DAY_MS
    for (let dayUnixMs = first; dayUnixMs <= span.toUnixMs; dayUnixMs += DAY_MS) {
      yield { tenant, dayUnixMs, recordings: await recordingsOfDay(store, tenant, dayUnixMs) }
    }
  }
}

async function recordingsOfDay(
  store: Pick<ObjectStore, 'list'>,
  tenant: string,
  dayUnixMs: number,
): Promise<readonly StoredRecording[]> {
  const folder = dayFolder(tenant, dayUnixMs)
  const found = new Map<string, Found>()
  try {
    take(found, folder, await store.list(folder))
  } catch (error) {
    if (!(error instanceof EarwitnessError) || error.code !== 'storage-list-too-long') throw error
    for (const slice of slicesOf(dayUnixMs)) take(found, folder, await store.list(folder + slice))
  }
  return [...found]
    .map(([recordingId, rest]) => ({ recordingId, objectPrefix: folder + recordingId, ...rest }))
    .filter(({ recordingId, objectPrefix }) => objectPrefix === recordingPrefix(tenant, recordingId))
}

/** `tenant/YYYY/MM/DD/` */
function dayFolder(tenant: string, dayUnixMs: number): string {
  const prefix = recordingPrefix(tenant, firstIdOf(dayUnixMs))
  return prefix.slice(0, prefix.lastIndexOf('/') + 1)
}

function take(found: Map<string, Found>, folder: string, objects: readonly { readonly key: string }[]): void {
  for (const { key } of objects) {
    const [recordingId = '', name = ''] = key.slice(folder.length).split('/')
    if (!isUuidV7(recordingId)) continue
    const recording = found.get(recordingId) ?? { hasManifest: false, keyNames: [], custodyNames: [], consentNames: [] }
    found.set(recordingId, recording)
    if (name === MANIFEST_NAME) recording.hasManifest = true
    else if (isWrappedKeyName(name)) recording.keyNames.push(name)
    else if (isCustodyName(name)) recording.custodyNames.push(name)
    else if (isConsentName(name)) recording.consentNames.push(name)
  }
}

/** The beginnings that ids of this day can have. */
function slicesOf(dayUnixMs: number): readonly string[] {
  const slices: string[] = []
  for (let at = dayUnixMs - (dayUnixMs % SLICE_MS); at < dayUnixMs + DAY_MS; at += SLICE_MS) {
    slices.push(firstIdOf(at).slice(0, SLICE_DIGITS))
  }
  return slices
}

/** The least UUIDv7 of a millisecond: every id made then or later sorts at or behind it. */
export function firstIdOf(unixMs: number): string {
  const hex = unixMs.toString(16).padStart(12, '0')
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`
}

/** The ids of a day lie in `[first, next)`. */
export function idRangeOf(dayUnixMs: number): { readonly first: string; readonly next: string } {
  return { first: firstIdOf(dayUnixMs), next: firstIdOf(dayUnixMs + DAY_MS) }
}
