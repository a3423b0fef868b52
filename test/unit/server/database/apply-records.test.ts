import { expect, test } from 'vitest'

import { joinedStatements, planRecord, ROWS_PER_STATEMENT_MAX } from '../../../../src/server/database/apply-records.ts'
import { chunkRecord, closedRecord, exampleId, openedRecord } from './example-records.ts'

const id = exampleId()
const chunks = (count: number) => Array.from({ length: count }, (_, chunkSeq) => planRecord(chunkRecord(id, chunkSeq)))

/** The first words of each statement, and how many rows a statement of chunks has. */
function shapeOf(planned: Parameters<typeof joinedStatements>[0]): readonly (string | number)[] {
  return [...joinedStatements(planned)].map(({ sql, values }) =>
    sql.startsWith('INSERT INTO chunks') ? (values[1] as unknown[]).length : sql.split(/\s+/, 2).join(' '),
  )
}

test('chunks that follow on each other are one statement, and nothing changes its place', () => {
  const planned = [
    planRecord(openedRecord(id)),
    ...chunks(3),
    planRecord(closedRecord(id, { streams: [], gaps: [] })),
    ...chunks(2),
  ]
  expect(shapeOf(planned)).toEqual(['INSERT INTO', 3, 'UPDATE recordings', 2])
})

test('a statement has its bound, and no chunk is lost at it', () => {
  expect(shapeOf(chunks(ROWS_PER_STATEMENT_MAX))).toEqual([ROWS_PER_STATEMENT_MAX])
  expect(shapeOf(chunks(2 * ROWS_PER_STATEMENT_MAX + 1))).toEqual([ROWS_PER_STATEMENT_MAX, ROWS_PER_STATEMENT_MAX, 1])
  expect(shapeOf([])).toEqual([])
})
