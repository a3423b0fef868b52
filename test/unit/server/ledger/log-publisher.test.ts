import { beforeEach, describe, expect, it } from 'vitest'

import { EarwitnessError } from '../../../../src/errors.ts'
import { checkpointName, entriesName, logListKey, logMonthPrefix } from '../../../../src/evidence/ledger/log-names.ts'
import type { LogCopy } from '../../../../src/server/ledger/log-copy.ts'
import {
  LogPublisher,
  PUBLISHED_LENGTH_MAX,
  UPLOAD_ORDER,
  WAITING_LENGTH_MAX,
} from '../../../../src/server/ledger/log-publisher.ts'

const LOG_ID = '01890000-0000-7000-8000-000000000001'
const NOW_UNIX_MS = Date.parse('2026-11-29T09:00:00.000Z')
const PREFIX = logMonthPrefix(LOG_ID, NOW_UNIX_MS)
const LINE_LENGTH = 64 * 1024
const LINES_OF_PIECE = PUBLISHED_LENGTH_MAX / LINE_LENGTH
/** More than may wait at once. */
const PIECES = 6
const LINES = PIECES * LINES_OF_PIECE

let waiting: { readonly key: string; readonly length: number; readonly outcome: PromiseWithResolvers<void> }[]
let stored: string[]
let publisher: LogPublisher

beforeEach(() => {
  waiting = []
  stored = []
  const line = 'x'.repeat(LINE_LENGTH - 1)
  const file = Buffer.from(`${line}\n`.repeat(LINES_OF_PIECE))
  const entries = Array.from({ length: PIECES }, (_, index) => ({
    ...{ name: `file ${index}`, first: index * LINES_OF_PIECE, end: undefined },
  }))
  const copy: LogCopy = { logId: LOG_ID, entries, checkpoints: [], read: async () => file }
  publisher = new LogPublisher({
    ...{ logId: LOG_ID, store: { list: async () => [] }, copy: async () => copy },
    uploads: {
      put: (order, key, { length }) => {
        expect(order).toBe(UPLOAD_ORDER)
        const outcome = Promise.withResolvers<void>()
        waiting.push({ key, length, outcome })
        return outcome.promise
      },
    },
  })
})

/** The store takes, or refuses, what has waited longest. */
async function settleOne(error?: EarwitnessError): Promise<void> {
  const first = waiting.shift()
  if (error === undefined) {
    first?.outcome.resolve()
    stored.push(first?.key ?? '')
  } else first?.outcome.reject(error)
  await new Promise(setImmediate)
}

describe('a log of which the store lacks much', () => {
  it('waits in memory in parts, and its checkpoint comes last', async () => {
    const { isWhole, done } = await publisher.publish(LINES, 'note', NOW_UNIX_MS)
    expect([isWhole, publisher.isHandingOver]).toEqual([false, true])
    while (waiting.length > 0) {
      const length = waiting.reduce((sum, put) => sum + put.length, 0)
      expect(length).toBeLessThan(WAITING_LENGTH_MAX + PUBLISHED_LENGTH_MAX + LINE_LENGTH)
      await settleOne()
    }
    await done
    const pieces = Array.from({ length: PIECES }, (_, index) =>
      entriesName(index * LINES_OF_PIECE, (index + 1) * LINES_OF_PIECE),
    )
    expect(stored).toEqual([
      logListKey(LOG_ID),
      ...[...pieces, checkpointName(LINES)].map((name) => `${PREFIX}/${name}`),
    ])
    expect(publisher.isHandingOver).toBe(false)
    expect(await publisher.storedEnd(NOW_UNIX_MS)).toBe(LINES)
  })

  it('is handed over from where it was when the queue gives up a part', async () => {
    const { done } = await publisher.publish(LINES, 'note', NOW_UNIX_MS)
    await settleOne()
    await settleOne(new EarwitnessError('storage-stopped', 'The recorder stopped.', 'Start it.'))
    await expect(done).rejects.toMatchObject({ code: 'storage-stopped' })
    expect([publisher.isHandingOver, await publisher.storedEnd(NOW_UNIX_MS)]).toEqual([false, 0])
  })
})

it('a log that fits is handed over at once', async () => {
  const { isWhole } = await publisher.publish(LINES_OF_PIECE, 'note', NOW_UNIX_MS)
  expect([isWhole, publisher.isHandingOver, waiting.length]).toEqual([true, false, 3])
})
