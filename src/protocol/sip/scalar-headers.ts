import { accepted, rejected, type Result } from '../../result.ts'
import type { HeaderList } from './header-list.ts'
import { parseDecimal, splitList, trimBlanks } from './text.ts'

/** RFC 3261 8.1.1.5: less than 2**31. */
const SEQUENCE_NUMBER_MAX = 0x7fff_ffff

export interface CSeq {
  readonly sequenceNumber: number
  readonly method: string
}

/** Parses `4711 INVITE`. @see RFC 3261 20.16 */
export function parseCSeq(value: string): Result<CSeq, 'cseq'> {
  const text = value.replaceAll('\t', ' ')
  const blank = text.indexOf(' ')
  if (blank === -1) return rejected('cseq')
  const sequenceNumber = parseDecimal(text.slice(0, blank), SEQUENCE_NUMBER_MAX)
  const method = trimBlanks(text.slice(blank))
  return sequenceNumber === undefined || method === '' ? rejected('cseq') : accepted({ sequenceNumber, method })
}

/** Option tags of all lines of a header such as Require or Supported, in lower case. */
export function optionTags(headers: HeaderList, name: string): readonly string[] {
  return headers.all(name).flatMap((value) => splitList(value.toLowerCase()))
}

/** The single values of a comma-list header that may stand on several lines, such as Record-Route, in order. */
export function listValues(headers: HeaderList, name: string): readonly string[] {
  return headers.all(name).flatMap((value) => splitList(value))
}
