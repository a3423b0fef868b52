import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { encodeJournalLine, takeJournalLines } from '../../../../src/server/database/journal-lines.ts'
import { ACKNOWLEDGED_BYTES_MAX, Journal, SEGMENT_BYTES_MAX } from '../../../../src/server/database/journal.ts'

describe('A line of the journal', () => {
  const twoLines = Buffer.concat([encodeJournalLine('{"a":"ä"}'), encodeJournalLine('{"b":2}')])

  it('is check sum, blank, JSON, newline', () => {
    expect(Buffer.from(encodeJournalLine('{}')).toString()).toBe('a3a6bf43 {}\n')
  })

  it('comes back as it was written', () => {
    const { lines, consumedBytes } = takeJournalLines(twoLines, 10)
    expect(lines.map((line) => line.json)).toEqual(['{"a":"ä"}', '{"b":2}'])
    expect(consumedBytes).toBe(twoLines.length)
  })

  it('that has only begun is left where it is', () => {
    const { lines, consumedBytes } = takeJournalLines(twoLines.subarray(0, twoLines.length - 1), 10)
    expect(lines).toHaveLength(1)
    expect(consumedBytes).toBe(encodeJournalLine('{"a":"ä"}').length)
  })

  it('is found damaged whichever bit of it flips', () => {
    const line = encodeJournalLine('{"b":2}')
    for (let bit = 0; bit < (line.length - 1) * 8; bit += 1) {
      const damaged = Uint8Array.from(line)
      const index = bit >> 3
      damaged[index] = (damaged[index] ?? 0) ^ (1 << (bit & 7))
      for (const found of takeJournalLines(damaged, 10).lines) expect(found.json).toBeUndefined()
    }
  })
})

describe('The journal', () => {
  let directory: string

  beforeEach(() => {
    directory = join(mkdtempSync(join(tmpdir(), 'earwitness-journal-')), 'outbox')
  })

  afterEach(() => rmSync(join(directory, '..'), { recursive: true, force: true }))

  const POSITION = 'position.journal-line'
  const linesOf = (...values: readonly (number | string)[]): Uint8Array =>
    Buffer.concat(values.map((value) => encodeJournalLine(JSON.stringify(value))))
  /** What this process has open in the folder; Linux says of what is gone that it is. */
  const openFiles = (): readonly string[] =>
    readdirSync('/proc/self/fd').flatMap((descriptor) => {
      try {
        const path = readlinkSync(`/proc/self/fd/${descriptor}`)
        return path.startsWith(directory) ? [path] : []
      } catch {
        return []
      }
    })
  const segments = (): readonly string[] => readdirSync(directory).filter((name) => name.endsWith('.journal'))

  async function openJournal(): Promise<Journal> {
    const journal = new Journal(directory)
    await journal.open()
    return journal
  }

  async function readAll(journal: Journal): Promise<readonly unknown[]> {
    const values: unknown[] = []
    for (;;) {
      const { lines, next } = await journal.read(3)
      if (lines.length === 0) return values
      values.push(...lines.map(({ json }) => (json === undefined ? 'damaged' : JSON.parse(json))))
      await journal.acknowledge(next)
    }
  }

  it('gives back in order what was appended, and then nothing', async () => {
    const journal = await openJournal()
    await journal.append(linesOf(1, 2))
    await journal.append(linesOf(3, 4, 5))
    expect(await readAll(journal)).toEqual([1, 2, 3, 4, 5])
    expect(journal.backlogBytes).toBe(0)
    await journal.close()
  })

  it('gives the same lines again until they are acknowledged', async () => {
    const journal = await openJournal()
    await journal.append(linesOf(1, 2))
    const first = await journal.read(1)
    expect((await journal.read(1)).lines[0]?.json).toBe('1')
    await journal.acknowledge(first.next)
    expect((await journal.read(1)).lines[0]?.json).toBe('2')
    await journal.close()
  })

  it('goes on after a restart where it was, with the new behind the old', async () => {
    const before = await openJournal()
    await before.append(linesOf(1, 2, 3))
    await before.acknowledge((await before.read(1)).next)
    await before.close()
    const after = await openJournal()
    await after.append(linesOf(4))
    expect(await readAll(after)).toEqual([2, 3, 4])
    await after.close()
  })

  it('gives lines twice rather than never when the position was lost', async () => {
    const before = await openJournal()
    await before.append(linesOf(1, 2))
    await before.acknowledge((await before.read(1)).next)
    await before.close()
    writeFileSync(join(directory, POSITION), '')
    const after = await openJournal()
    expect(await readAll(after)).toEqual([1, 2])
    await after.close()
  })

  it('does not believe a position of which half is old', async () => {
    const before = await openJournal()
    await before.append(linesOf(1, 2, 3))
    const path = join(directory, POSITION)
    await before.acknowledge((await before.read(1)).next)
    const old = readFileSync(path)
    await before.acknowledge((await before.read(2)).next)
    await before.close()
    const middle = old.findIndex((byte, index) => byte !== readFileSync(path)[index] && index > 9) + 1
    writeFileSync(path, Buffer.concat([readFileSync(path).subarray(0, middle), old.subarray(middle)]))
    const after = await openJournal()
    expect(await readAll(after)).toEqual([1, 2, 3])
    await after.close()
  })

  it('writes the position over the one before, and holds no file that is gone', async () => {
    const journal = await openJournal()
    await journal.append(linesOf('x'.repeat(ACKNOWLEDGED_BYTES_MAX)))
    const path = join(directory, POSITION)
    await journal.acknowledge((await journal.read(1)).next)
    const deleted = (): readonly string[] => openFiles().filter((name) => name.includes('(deleted)'))
    expect(segments()).toEqual([])
    expect(deleted()).toEqual([])
    const { ino } = statSync(path)
    const long = readFileSync(path, 'utf8')
    await journal.append(linesOf(2))
    expect(await readAll(journal)).toEqual([2])
    expect(statSync(path).ino).toBe(ino)
    expect(readFileSync(path, 'utf8')).toHaveLength(long.length)
    expect(deleted()).toEqual([])
    await journal.close()
    expect(openFiles()).toEqual([])
  })

  it('does not skip new lines when a power cut took the end of a file that was already read', async () => {
    const before = await openJournal()
    await before.append(linesOf(1, 2, 3))
    await before.acknowledge((await before.read(3)).next)
    await before.close()
    truncateSync(join(directory, segments()[0] ?? ''), 5)
    const after = await openJournal()
    await after.append(linesOf(4))
    expect(await readAll(after)).toEqual([4])
    await after.close()
  })

  it('skips a torn end, counts it, and reads on in the next file', async () => {
    const before = await openJournal()
    await before.append(linesOf(1, 2))
    await before.close()
    const file = join(directory, segments()[0] ?? '')
    truncateSync(file, statSync(file).size - 3)
    const after = await openJournal()
    await after.append(linesOf(3))
    expect(await readAll(after)).toEqual([1, 3])
    expect(after.tornTails).toBe(1)
    await after.close()
  })

  it('gives a line damaged in the middle as damaged, and those around it whole', async () => {
    const before = await openJournal()
    await before.append(linesOf('first', 'second', 'third'))
    await before.close()
    const file = join(directory, segments()[0] ?? '')
    writeFileSync(file, readFileSync(file, 'latin1').replace('second', 'secund'), 'latin1')
    const after = await openJournal()
    expect(await readAll(after)).toEqual(['first', 'damaged', 'third'])
    await after.close()
  })

  it('survives a file of zeros and foreign files', async () => {
    const before = await openJournal()
    await before.append(linesOf(1))
    await before.close()
    appendFileSync(join(directory, segments()[0] ?? ''), new Uint8Array(400_000))
    writeFileSync(join(directory, 'notes.txt'), 'not ours')
    const after = await openJournal()
    await after.append(linesOf(2))
    expect(await readAll(after)).toEqual([1, 2])
    await after.close()
  })

  it('begins a new file when one is large, and deletes the old one when it is done', async () => {
    const journal = await openJournal()
    const large = 'x'.repeat(SEGMENT_BYTES_MAX / 4)
    for (let index = 0; index < 6; index += 1) await journal.append(linesOf(large))
    await journal.append(linesOf('last'))
    expect(segments()).toHaveLength(2)
    for (let index = 0; index < 5; index += 1) await journal.acknowledge((await journal.read(1)).next)
    expect(segments()).toHaveLength(1)
    expect((await readAll(journal)).at(-1)).toBe('last')
    await journal.close()
  })

  it('does not keep done lines lying about when nothing waits', async () => {
    const journal = await openJournal()
    await journal.append(linesOf('y'.repeat(ACKNOWLEDGED_BYTES_MAX)))
    await readAll(journal)
    expect(segments()).toEqual([])
    await journal.append(linesOf('again'))
    expect(await readAll(journal)).toEqual(['again'])
    await journal.close()
  })

  it('can be read by its owner only', async () => {
    const journal = await openJournal()
    await journal.append(linesOf(1))
    expect(statSync(directory).mode & 0o777).toBe(0o700)
    for (const name of segments()) expect(statSync(join(directory, name)).mode & 0o777).toBe(0o600)
    await journal.close()
  })
})
