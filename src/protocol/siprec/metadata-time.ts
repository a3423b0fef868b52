import type { MetadataTime } from './metadata.ts'

const TIME_LENGTH_MAX = 64

/**
 * Reads a date and time of RFC 3339, also with a blank for the `T`, a zone written `+0000`, or no zone at all (then UTC
 * is taken and said so). The text is kept whatever it is; undefined only when there is none.
 */
export function parseMetadataTime(written: string | undefined): MetadataTime | undefined {
  const text = (written ?? '').trim().slice(0, TIME_LENGTH_MAX)
  if (text === '') return undefined
  const match =
    /^(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)? ?([Zz]|[+-]\d{2}(?::?\d{2})?)?$/.exec(
      text,
    )
  if (match === null) return { text, at: undefined, zoneAssumed: false }
  const [, year, month, day, hour, minute, second = '0', fraction = '', zone] = match
  const unixMs = Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second))
  const fractionMs = Number(`${fraction}000`.slice(0, 3))
  const inRange = Number(month) >= 1 && Number(month) <= 12 && Number(day) >= 1 && Number(day) <= 31
  // RFC 3339 5.6: a leap second is written 60.
  const inDay = Number(hour) <= 24 && Number(minute) <= 59 && Number(second) <= 60
  const at = inRange && inDay ? new Date(unixMs + fractionMs - zoneOffsetMs(zone)) : undefined
  return { text, at, zoneAssumed: at !== undefined && zone === undefined }
}

function zoneOffsetMs(zone: string | undefined): number {
  if (zone === undefined || zone.toUpperCase() === 'Z') return 0
  const digits = zone.replace(':', '').slice(1).padEnd(4, '0')
  const minutes = Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2))
  return (zone.startsWith('-') ? -minutes : minutes) * 60_000
}
