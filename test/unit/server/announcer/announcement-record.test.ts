import { expect, it } from 'vitest'

import { type ReceptionNews } from '../../../../src/consent/announcement/heard-to-end.ts'
import type { DatedFact } from '../../../../src/consent/announcement/announcement.ts'
import { AnnouncementRecord } from '../../../../src/server/announcer/announcement-record.ts'
import type { KeptAnnouncement } from '../../../../src/server/announcer/announcement-table.ts'

const PROMPT = { promptId: 'notice', sha256: 'a'.repeat(64), language: 'en' }
const RANGE = {
  ...{ firstSequence: 1, lastSequence: 100, endUs: 7_000_000, destination: 1 },
  ...{ startSequence: 1, before: undefined },
}

/** Of two prompts that were sent to their ends. */
function record() {
  const kept: KeptAnnouncement[] = []
  let news: ReceptionNews | undefined
  const factOf = (heardToEnd: 'yes' | 'no' | 'unknown'): DatedFact['fact'] => ({
    ...{ type: 'announcementPlayed', prompt: PROMPT, mode: 'answer', playedMs: 2_000, totalMs: 2_000 },
    ...{ heardToEnd, endCause: 'played' },
  })
  const options = {
    announcement: { facts: (heard) => [0, 1].map((index) => ({ atUs: 7_000_000, fact: factOf(heard(index)) })) },
    ...{ announcementId: 'a1', source: { name: 'pbx', tenant: 'acme' }, ids: [{ kind: 'sipCallId', value: 'c1' }] },
    table: { put: async (announcement) => void kept.push(announcement) },
    ...{ news: () => news, nowUnixMs: () => 1_000_000 },
  } as const satisfies ConstructorParameters<typeof AnnouncementRecord>[0]
  const written = new AnnouncementRecord(options, 5_000_000)
  const report = (change: Partial<ReceptionNews>): void => {
    news = { highestSequence: 100, cumulativeLost: 0, arrivalUs: 7_000_000, destination: 1, ...change }
    written.handleReported()
  }
  const heard = () => kept.at(-1)?.facts.map(({ fact }) => fact.type === 'announcementPlayed' && fact.heardToEnd)
  return { written, kept, report, heard }
}

it('knows from a report that came with the last packets, and awaits none', async () => {
  const { written, report, heard } = record()
  report({ highestSequence: 97, arrivalUs: 6_950_000 })
  written.handleSent(0, RANGE)
  expect(written.awaitsReport).toBe(false)
  await written.keep()
  expect(heard()).toEqual(['yes', 'unknown'])
})

it('awaits a report until every prompt that was sent is known of', () => {
  const { written, report } = record()
  expect(written.awaitsReport).toBe(false)
  written.handleSent(0, RANGE)
  written.handleSent(1, { ...RANGE, firstSequence: 101, lastSequence: 200 })
  expect(written.awaitsReport).toBe(true)
  report({})
  expect(written.awaitsReport).toBe(true)
  report({ highestSequence: 200 })
  expect(written.awaitsReport).toBe(false)
})

it('takes the later report, but not that of another listener, for what it says of a prompt', async () => {
  const { written, report, heard } = record()
  written.handleSent(0, RANGE)
  report({ highestSequence: 50, arrivalUs: 8_000_000 })
  await written.keep()
  expect(heard()).toEqual(['no', 'unknown'])
  report({})
  report({ cumulativeLost: 99, destination: 2 })
  await written.keepAgain()
  expect(heard()).toEqual(['yes', 'unknown'])
})

it('does not take back that a prompt was heard for what was lost of a later one', async () => {
  const { written, report, heard } = record()
  written.handleSent(0, RANGE)
  report({})
  const before = { highestSequence: 100, cumulativeLost: 0, arrivalUs: 7_000_000, destination: 1 }
  written.handleSent(1, { ...RANGE, firstSequence: 101, lastSequence: 200, before })
  report({ highestSequence: 200, cumulativeLost: 8 })
  await written.keep()
  expect(heard()).toEqual(['yes', 'no'])
})

it('has the instants of the wall clock, the same however often it is kept, and keeps again only what has changed', async () => {
  const { written, kept, report } = record()
  written.handleSent(0, RANGE)
  await written.keep()
  await written.keepAgain()
  expect(kept).toHaveLength(1)
  expect(kept[0]).toMatchObject({
    announcementId: 'a1',
    keptUnixMs: 1_000_000,
    facts: [{ at: '1970-01-01T00:16:42.000Z' }, {}],
  })
  report({})
  await written.keepAgain()
  expect(kept[1]?.facts[0]?.at).toBe(kept[0]?.facts[0]?.at)
  expect(kept[1]?.facts[1]).toBe(kept[0]?.facts[1])
})
