import fc from 'fast-check'
import { expect, test } from 'vitest'

import { mentioning, SaidHolds } from '../../../../src/evidence/ledger/said-holds.ts'
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

test('a hold is open until it is released, and one without an id for ever', () => {
  const said = new SaidHolds()
  said.take({ kind: 'holdReleased', holdId: 'early' })
  for (const holdId of ['one', 'two', 'early']) said.take({ kind: 'holdAdded', holdId, recordSha256: `of ${holdId}` })
  said.take({ kind: 'holdAdded', recordSha256: 'of none' })
  said.take({ kind: 'holdReleased', holdId: 'one' })
  said.take({ kind: 'holdReleased' })
  said.take({ kind: 'shredded', recordSha256: 'of the end' })
  expect(said.open.map(({ recordSha256 }) => recordSha256)).toEqual(['of two', 'of none'])
})
