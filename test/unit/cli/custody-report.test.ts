import { expect, test } from 'vitest'

import { holdLines, shredLines } from '../../../src/cli/custody/custody-report.ts'
import type { HoldReport } from '../../../src/server/custody/hold.ts'
import type { ShredReport } from '../../../src/server/custody/shred.ts'

const REPORT: ShredReport = {
  ...{ recordingId: 'R', scope: 'key', destroyed: [], decided: [], hasLedger: true },
  ...{ state: 'shredded', troubles: [] },
}
const trouble = { place: 'index', code: 'database-failed', sentence: 'It is down.', hint: 'Start it.' } as const

test.each([
  ['shredded', 'Recording R is shredded: no sealed key of it was found any more.'],
  ['already', 'Recording R was shredded before (key), and nothing of that is left.'],
  ['partly', 'Recording R is NOT SHREDDED yet: run the same command again.'],
] as const)('what could not be done is told of one that is %s', (state, outcome) => {
  expect(shredLines({ ...REPORT, state })).toEqual([outcome])
  expect(shredLines({ ...REPORT, state, troubles: [trouble] })).toEqual([
    'NOT DONE in the index: It is down. [database-failed]',
    'hint: Start it.',
    outcome,
  ])
})

test('a hold whose record is lost is told where no other holds', () => {
  const report: HoldReport = {
    ...{ recordingId: 'R', holdIds: ['A'], decided: ['D'], holds: [], lostHolds: [], storeHolds: [] },
    ...{ isOpen: false, hasLedger: true, troubles: [] },
  }
  expect(holdLines(report)).toEqual(['Recording R is not held any more.'])
  const lost = { holdId: 'B', recordSha256: 'ab', knownBy: 'ledger' } as const
  expect(holdLines({ ...report, lostHolds: [lost] })).toEqual([
    'Recording R is held by none whose record is there.',
    expect.stringMatching(
      /^note: ledger or index know a hold whose record is lost, .* hold release ID --lost B --reason/,
    ),
  ])
  const unknown = { ...trouble, code: 'hold-lost-unknown' }
  expect(holdLines({ ...report, troubles: [unknown] })[0]).toBe('Recording R is held by none whose record is there.')
})
