import { plural } from '../words.ts'
import type { CustodyRecord } from './custody-record.ts'
import type { CustodyVerdict } from './verify-custody.ts'

/** Decisions written out one by one; the rest is counted. */
const LINES_MAX = 100

export const CUSTODY_WORDS: Readonly<Record<CustodyRecord['kind'], string>> = {
  holdAdded: 'it was put on legal hold',
  holdReleased: 'a legal hold ended',
  shredBegun: 'the destruction of its key began',
  shredded: 'its key was destroyed, and nothing of it was found any more',
  unknown: 'something that this software does not know',
}

/** What stands first in the verdict over a recording that was destroyed on purpose; undefined for all others. */
export function shreddedHeadline(id: string, custody: CustodyVerdict | undefined): string | undefined {
  if (custody?.state !== 'shredded') return undefined
  const at = custody.records.at(-1)?.at ?? ''
  const what = custody.scope === 'objects' ? 'its key and its objects were' : 'its key was'
  return `SHREDDED: recording ${id} existed, and ${what} destroyed on purpose on ${at}; what is left of it is unchanged.`
}

/** Nobody who reads only the verdict may take it for a release like any other. */
function lostWords(lostSha256: string): string {
  const which = `the record that put it on hold (SHA-256 ${lostSha256}) is LOST`
  return `a legal hold was declared over of which only ledger or index still knew: ${which}, and whoever signed this says so`
}

/** What was decided later, for a reader. */
export function custodySentences(custody: CustodyVerdict | undefined): readonly string[] {
  if (custody === undefined) return []
  const { records, holds, state } = custody
  const lines = records
    .slice(0, LINES_MAX)
    .map(
      ({ kind, at, lostSha256 }) => `${at}: ${lostSha256 === undefined ? CUSTODY_WORDS[kind] : lostWords(lostSha256)}.`,
    )
  const more = records.length - lines.length
  if (more > 0) lines.push(`and ${plural(more, 'more decision')}.`)
  if (state === 'held') lines.push(`It is HELD, by ${plural(holds.length, 'legal hold')}: it must not be destroyed.`)
  if (state === 'shredded')
    lines.push('Who had opened the key before, or kept a copy of it elsewhere, can still listen.')
  return lines
}
