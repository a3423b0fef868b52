import { expect, test } from 'vitest'

import { shredLines } from '../../../src/cli/custody/custody-report.ts'
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
