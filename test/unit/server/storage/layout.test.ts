import { describe, expect, it } from 'vitest'

import { uuidV7 } from '../../../../src/ids.ts'
import { isTenantName, objectKey, recordingPrefix } from '../../../../src/server/storage/layout.ts'
import { isObjectKey } from '../../../../src/server/storage/object-store.ts'

describe('recordingPrefix', () => {
  it.each([
    ['2026-11-23T23:59:59.999Z', 'default/2026/11/23/'],
    ['2026-11-24T00:00:00.000Z', 'default/2026/11/24/'],
    ['2027-01-01T00:00:00.000Z', 'default/2027/01/01/'],
    ['1970-01-01T00:00:00.000Z', 'default/1970/01/01/'],
  ])('takes the UTC date of the recording id: %s', (time, start) => {
    const id = uuidV7(Date.parse(time), new Uint8Array(16))
    expect(recordingPrefix('default', id)).toBe(start + id)
    expect(isObjectKey(objectKey(recordingPrefix('default', id), 'chunk-000000.age'))).toBe(true)
  })

  it('refuses what is no UUIDv7, even one that looks like a path', () => {
    for (const id of ['', '..', 'f47ac10b-58cc-4372-a567-0e02b2c3d479', '../../etc']) {
      expect(() => recordingPrefix('default', id)).toThrow(RangeError)
    }
  })

  it('refuses tenants that are no name', () => {
    const id = uuidV7(0, new Uint8Array(16))
    for (const tenant of ['', '..', '.hidden', 'a/b', 'a b', '-x', 'x'.repeat(65)]) {
      expect(isTenantName(tenant)).toBe(false)
      expect(() => recordingPrefix(tenant, id)).toThrow(RangeError)
    }
    expect(isTenantName('Tenant_1.eu-west')).toBe(true)
  })
})
