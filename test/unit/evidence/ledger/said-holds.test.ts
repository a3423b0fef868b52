import { expect, test } from 'vitest'

import { SaidHolds } from '../../../../src/evidence/ledger/said-holds.ts'

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
