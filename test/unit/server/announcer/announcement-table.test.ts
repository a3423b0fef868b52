import { appendFile, readdir, readFile, readlink, stat, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import type { ConsentFact } from '../../../../src/consent/words.ts'
import {
  ANNOUNCEMENTS_KEPT_MAX,
  LINES_MIN,
  AnnouncementTable,
  type KeptAnnouncement,
} from '../../../../src/server/announcer/announcement-table.ts'
import { makeDataDir, removeDataDir } from '../../../support/daemon.ts'
import { limitFileSize } from '../../../support/small-disk.ts'

const WINDOW_MS = 60_000
let dataDir: string
const lost: string[] = []
const failures: unknown[] = []
let unwritten = 0
let count = 0

beforeEach(async () => {
  dataDir = await makeDataDir()
  lost.length = 0
  failures.length = 0
  unwritten = 0
})
afterEach(() => removeDataDir(dataDir))

async function tableAt(nowUnixMs: number): Promise<AnnouncementTable> {
  const table = new AnnouncementTable({
    dataDir,
    windowMs: WINDOW_MS,
    lost: (reason) => void lost.push(reason),
    unwritten: () => {
      unwritten += 1
    },
    failed: (error) => void failures.push(error),
    changed: (kept) => {
      count = kept
    },
  })
  await table.run(nowUnixMs)
  return table
}

const PBX = { name: 'pbx', tenant: 'acme' }

const answered = (answer: 'yes' | 'no'): ConsentFact => ({ type: 'answered', answer, by: 'dtmf' })

function announcement(
  name: string,
  keptUnixMs: number,
  ids: KeptAnnouncement['ids'] = [{ kind: 'sipCallId', value: name }],
): KeptAnnouncement {
  return {
    ...{ announcementId: name, source: PBX, ids, keptUnixMs },
    facts: [{ at: '2026-01-01T00:00:00.000Z', fact: answered('yes') }],
  }
}

const FILE = 'announcements.jsonl'

async function namesOnDisk(): Promise<readonly string[]> {
  const text = await readFile(join(dataDir, FILE), 'utf8')
  expect(text.endsWith('\n')).toBe(true)
  return text
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as KeptAnnouncement).announcementId)
}

/** Files below `folder`, or of that name, that this process has open. */
async function openFiles(folder: string): Promise<readonly string[]> {
  const descriptors = await readdir('/proc/self/fd')
  const targets = await Promise.all(descriptors.map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')))
  return targets.filter((target) => target.startsWith(folder))
}

const byIds = (ids: KeptAnnouncement['ids'], source = PBX) => ({ ids, announcementIds: [], source })
const byCall = (value: string, source = PBX) => byIds([{ kind: 'sipCallId', value }], source)

describe('announcements that wait for their recording', () => {
  it('are found by any id in common, or by token, more than once, in their order', async () => {
    const table = await tableAt(0)
    await table.put(announcement('first', 1, [{ kind: 'sessionId', value: 'a1' }]))
    await table.put({
      ...announcement('second', 2, [{ kind: 'ucid', value: 'a1' }]),
      facts: [{ at: '', fact: answered('no') }],
    })
    const taken = (keys: Parameters<AnnouncementTable['take']>[0]) =>
      table.take(keys, 3).map(({ fact }) => fact.type === 'answered' && fact.answer)
    expect(taken({ ids: [{ kind: 'sessionId', value: 'a1' }], announcementIds: ['second'], source: PBX })).toEqual([
      'yes',
      'no',
    ])
    expect(taken(byIds([{ kind: 'ucid', value: 'a1' }]))).toEqual(['no'])
    expect(taken({ ids: [{ kind: 'guid', value: 'a1' }], announcementIds: ['other'], source: PBX })).toEqual([])
    expect(taken(byIds([{ kind: 'ucid', value: 'a1' }])), 'again').toEqual(['no'])
    await table.stop()
  })

  it('are not found by what only names a group', async () => {
    const table = await tableAt(0)
    await table.put(announcement('first', 1, [{ kind: 'csGroup', value: 'a1' }]))
    expect(table.take(byIds([{ kind: 'csGroup', value: 'a1' }]), 2)).toEqual([])
    await table.stop()
  })

  it('are not found by a recording of another tenant, whatever it has in common with them', async () => {
    const table = await tableAt(0)
    const ids = [{ kind: 'sipCallId', value: '3848276298220188511@atlanta.example.com' } as const]
    await table.put(announcement('first', 1, ids))
    const found = (source: { readonly name: string; readonly tenant: string }) =>
      table.take({ ids, announcementIds: ['first'], source }, 2).length
    expect([found({ name: 'pbx', tenant: 'other' }), found({ name: 'sbc', tenant: 'acme' })]).toEqual([0, 1])
    await table.stop()
  })

  it('are found by an id that may be a counter only from the same source', async () => {
    const table = await tableAt(0)
    await table.put(announcement('first', 1, [{ kind: 'vendorCall', value: 'call-17' }]))
    const found = (name: string) =>
      table.take(byIds([{ kind: 'vendorCall', value: 'call-17' }], { ...PBX, name }), 2).length
    expect([found('sbc'), found('pbx')]).toEqual([0, 1])
    await table.stop()
  })

  it('that somebody asked for at the API are of no source: found by any recording, by what cannot be mistaken', async () => {
    const table = await tableAt(0)
    const ids = ['call-17', '3848276298220188511'].map((value) => ({ kind: 'sipCallId', value }) as const)
    await table.put({ ...announcement('first', 1, ids), source: undefined })
    const found = (value: string) => table.take(byCall(value), 2).length
    expect([found('call-17'), found('3848276298220188511')]).toEqual([0, 1])
    await table.stop()
    const next = await tableAt(3)
    expect(next.take(byCall('3848276298220188511'), 3)).toHaveLength(1)
    await next.stop()
  })

  it('are forgotten when the window is over', async () => {
    const table = await tableAt(0)
    await table.put(announcement('first', 1_000))
    await table.put(announcement('second', 1_000))
    expect(table.take(byCall('first'), 1_000 + WINDOW_MS)).toHaveLength(1)
    expect(lost).toEqual([])
    // A recording has found the first.
    expect([table.take(byCall('first'), 1_001 + WINDOW_MS), lost, count]).toEqual([[], ['expired'], 0])
    await table.stop()
  })

  it('survive a restart, but for lines that were cut off, and what has become too old', async () => {
    const table = await tableAt(0)
    await table.put(announcement('old', 1))
    await table.put(announcement('new', 50_000))
    await table.put({ ...announcement('new', 50_000), facts: [{ at: '', fact: answered('no') }] })
    await table.stop()
    await appendFile(join(dataDir, 'announcements.jsonl'), '{"announcementId":"cut","ids":[{"kind":"sipC')
    const next = await tableAt(61_000)
    expect(next.take(byCall('new'), 61_000).map(({ fact }) => fact)).toEqual([answered('no')])
    expect([next.take(byCall('old'), 61_000), lost]).toEqual([[], ['restart']])
    await next.stop()
    expect((await readFile(join(dataDir, 'announcements.jsonl'), 'utf8')).split('\n')).toHaveLength(2)
  })

  it('tell whoever took them when they are put again soon', async () => {
    const table = await tableAt(0)
    const told: string[] = []
    await table.put(announcement('first', 1_000))
    table.take(byCall('other'), 1_001, () => void told.push('of no concern'))
    table.take(byCall('first'), 1_001, () => void told.push('changed'))
    await table.put(announcement('first', 2_500))
    await table.put(announcement('first', 2_600))
    table.take(byCall('first'), 9_000, () => void told.push('long over'))
    await table.put(announcement('first', 9_001))
    expect(told).toEqual(['changed'])
    await table.stop()
  })

  it('stay found when what was told is put again', async () => {
    const table = await tableAt(0)
    await table.put(announcement('first', 1))
    table.take(byCall('first'), 2)
    await table.put(announcement('first', 3))
    table.take(byCall('other'), 4 + WINDOW_MS)
    expect([count, lost]).toEqual([0, []])
    await table.stop()
  })

  it('are still known when the table is closed, and counted as not on the disk', async () => {
    const table = await tableAt(0)
    await table.stop()
    await table.put(announcement('first', 1))
    expect([table.take(byCall('first'), 2).length, lost, unwritten]).toEqual([1, [], 1])
  })

  it('are not found by an id they had before they were put again, nor when they are forgotten', async () => {
    const table = await tableAt(0)
    await table.put(announcement('first', 1, [{ kind: 'ucid', value: 'a1' }]))
    await table.put(announcement('first', 2, [{ kind: 'ucid', value: 'b1' }]))
    await table.put(announcement('second', 2, [{ kind: 'ucid', value: 'b1' }]))
    const found = (value: string) => table.take(byIds([{ kind: 'ucid', value }]), 3).length
    expect([found('a1'), found('b1')]).toEqual([0, 2])
    await table.stop()
  })

  it('have at most so many ids and facts, and tell so many', async () => {
    const table = await tableAt(0)
    await table.stop()
    const ids = Array.from({ length: 65 }, (_, index) => ({ kind: 'guid', value: `id-${index}` }) as const)
    const [fact] = announcement('first', 1).facts
    const facts = Array.from({ length: 65 }, () => fact!)
    await table.put({ announcementId: 'first', source: PBX, ids, keptUnixMs: 1, facts })
    let told = 0
    const found = (index: number) => table.take(byIds(ids.slice(index, index + 1)), 2, () => (told += 1)).length
    expect([found(64), found(63)]).toEqual([0, 64])
    for (let taken = 1; taken <= 8; taken += 1) found(0)
    await table.put({ announcementId: 'first', source: PBX, ids, keptUnixMs: 3, facts })
    expect(told).toBe(8)
  })

  it('are bounded: the oldest goes first', async () => {
    // Without a file: it is the memory that is bounded here.
    const table = await tableAt(0)
    await table.stop()
    for (let index = 0; index <= ANNOUNCEMENTS_KEPT_MAX; index += 1) await table.put(announcement(`call-${index}`, 1))
    expect(table.take(byCall('call-0'), 2)).toEqual([])
    expect(table.take(byCall(`call-${ANNOUNCEMENTS_KEPT_MAX}`), 2)).toHaveLength(1)
    expect(lost).toEqual(['full'])
  })
})

describe('the file', () => {
  const place = async (): Promise<number> => (await stat(join(dataDir, FILE))).ino

  it('is written anew when most of its lines say nothing any more, and only then', async () => {
    const table = await tableAt(0)
    const first = await place()
    await table.put(announcement('once', 1))
    for (let line = 1; line < LINES_MIN; line += 1) await table.put(announcement('again', 2))
    expect([await place(), (await namesOnDisk()).length]).toEqual([first, LINES_MIN])
    await table.put(announcement('again', 3))
    const second = await place()
    expect(await namesOnDisk()).toEqual(['once', 'again'])
    for (let line = 0; line < 3; line += 1) await table.put(announcement('again', 4))
    expect([second === first, await place(), (await namesOnDisk()).length]).toEqual([false, second, 5])
    await table.stop()
    expect(await place(), 'nothing was missing in it').toBe(second)
  })

  it('is not written anew as long as most of its lines are needed', async () => {
    const table = await tableAt(0)
    const first = await place()
    for (let line = 0; line <= LINES_MIN; line += 1) await table.put(announcement(`call-${line}`, 1))
    expect([await place(), (await namesOnDisk()).length]).toEqual([first, LINES_MIN + 1])
    await table.stop()
  })
})

describe('a disk that fails', () => {
  it('is tried again after a while, and then has all that is known', async () => {
    const table = await tableAt(0)
    await table.put(announcement('before', 1))
    await limitFileSize(process.pid, '0')
    try {
      await table.put(announcement('during', 2))
    } finally {
      await limitFileSize(process.pid, 'unlimited')
    }
    expect([unwritten, failures]).toMatchObject([1, [{ code: 'EFBIG' }]])
    await table.put(announcement('too soon', 3))
    expect([unwritten, failures.length, await namesOnDisk()]).toEqual([2, 1, ['before']])
    expect(table.take(byCall('during'), 4)).toHaveLength(1)
    await table.put(announcement('after', 10_000))
    expect(await namesOnDisk()).toEqual(['before', 'during', 'too soon', 'after'])
    await table.put(announcement('as usual', 10_001))
    expect([(await namesOnDisk()).at(-1), unwritten, lost]).toEqual(['as usual', 2, []])
    await table.stop()
  })

  it('is up to date when it has been tried again, also where the clock was put back meanwhile', async () => {
    const table = await tableAt(0)
    await limitFileSize(process.pid, '0')
    try {
      await table.put(announcement('during', 10_000))
    } finally {
      await limitFileSize(process.pid, 'unlimited')
    }
    await table.put(announcement('after', 20_000))
    const { ino } = await stat(join(dataDir, FILE))
    await table.stop()
    expect((await stat(join(dataDir, FILE))).ino, 'nothing was missing').toBe(ino)
    const next = await tableAt(20_000)
    await limitFileSize(process.pid, '0')
    try {
      await next.put(announcement('later', 30_000))
    } finally {
      await limitFileSize(process.pid, 'unlimited')
    }
    await next.put(announcement('at last', 40_000))
    await next.put(announcement('put back', 31_000))
    await next.stop()
    expect(await namesOnDisk()).toEqual(['during', 'after', 'later', 'at last', 'put back'])
  })

  it('is tried once more at the end', async () => {
    const table = await tableAt(0)
    await limitFileSize(process.pid, '0')
    try {
      await table.put(announcement('first', 1))
    } finally {
      await limitFileSize(process.pid, 'unlimited')
    }
    await table.stop()
    expect(await namesOnDisk()).toEqual(['first'])
  })

  it('at the start leaves the former file as it is, and nothing open', async () => {
    const former = await tableAt(0)
    await former.put(announcement('first', 1))
    await former.stop()
    await symlink('/dev/full', join(dataDir, `${FILE}.new`))
    const table = await tableAt(2)
    expect([failures, await namesOnDisk()]).toMatchObject([[{ code: 'ENOSPC' }], ['first']])
    expect([await openFiles(dataDir), await openFiles('/dev/full')]).toEqual([[], []])
    expect([table.take(byCall('first'), 3).length, lost]).toEqual([1, []])
    await table.put(announcement('second', 10_000))
    expect(await namesOnDisk()).toEqual(['first', 'second'])
    expect(await openFiles(dataDir)).toEqual([join(dataDir, FILE)])
    await table.stop()
    expect(await openFiles(dataDir)).toEqual([])
  })
})
