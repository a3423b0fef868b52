import { uuidV7UnixMs } from '../../ids.ts'

const TENANT = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/

export function isTenantName(tenant: string): boolean {
  return TENANT.test(tenant)
}

/**
 * Where the objects of a recording lie: `tenant/YYYY/MM/DD/recordingId`, without a slash at the end; the date is that
 * of the UUIDv7, in UTC. `src/evidence/FORMAT.md` 1
 *
 * Throws a RangeError for an id that is no UUIDv7 or a tenant that is no {@link isTenantName}.
 */
export function recordingPrefix(tenant: string, recordingId: string): string {
  const unixMs = uuidV7UnixMs(recordingId)
  if (unixMs === undefined) throw new RangeError('A recording id must be a UUIDv7.')
  if (!isTenantName(tenant)) throw new RangeError('A tenant is 1 to 64 letters, digits, dots, dashes and underscores.')
  const date = new Date(unixMs)
  // 48 bits of milliseconds reach the year 10889; ISO dates past 9999 have a sign and six digits.
  const year = String(date.getUTCFullYear()).padStart(4, '0')
  const month = String(date.getUTCMonth() + 1).padStart(2, '0')
  const day = String(date.getUTCDate()).padStart(2, '0')
  return `${tenant}/${year}/${month}/${day}/${recordingId}`
}

/** The key in the object store of one object of a recording; the names are in `src/evidence/object-names.ts`. */
export function objectKey(prefix: string, name: string): string {
  return `${prefix}/${name}`
}
