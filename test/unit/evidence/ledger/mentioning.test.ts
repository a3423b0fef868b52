import fc from 'fast-check'
import { expect, test } from 'vitest'

import { mentioning } from '../../../../src/evidence/ledger/mentioning.ts'
import { uuidV7 } from '../../../../src/ids.ts'

const ID = '019aaff1-0680-7abc-8def-0123456789ab'
const jwsOf = (payload: string): string =>
  ['{"alg":"EdDSA"}', payload, 'signature'].map((part) => Buffer.from(part).toString('base64url')).join('.')

test('a text with the id in its payload is never passed over, and one with another is', () => {
  const mentions = mentioning(ID)
  const sixteen = fc.uint8Array({ minLength: 16, maxLength: 16 })
  fc.assert(
    fc.property(fc.string(), fc.string(), sixteen, (before, behind, random) => {
      expect(mentions(jwsOf(before + ID + behind))).toBe(true)
      expect(mentions(jwsOf(before + uuidV7(1_764_000_000_000, random) + behind))).toBe(false)
    }),
  )
})
