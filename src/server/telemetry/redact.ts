import { isIP } from 'node:net'

/** What stands where a value was withheld. */
export const WITHHELD = '[withheld]'
/** Longest text that reaches a log at info; the rest is cut. */
export const LOG_TEXT_CHARACTERS_MAX = 500
/** Longest text that is looked through at all: a bound on the work for one line. */
const SCRUBBED_CHARACTERS_MAX = 4_000
/** Longest identifier. RFC 3261 sets no limit for Call-ID; the SIPp and SBCs of the field stay under this. */
const IDENTIFIER_CHARACTERS_MAX = 128
/** This many digits in a row, separators aside, may be a telephone number. */
const NUMBER_DIGITS_MIN = 7

/** Ids: opaque words that join log lines. An id that looks like an address or holds a blank or quote is withheld. */
const IDENTIFIER_KEYS = new Set([
  'rsId',
  'csId',
  'sipCallId',
  'streamLabel',
  'src',
  'recordingId',
  'dialogId',
  'tenant',
])

/** Words of ours and addresses of machines. */
const TEXT_KEYS = new Set([
  'address',
  'cause',
  'code',
  'constraint',
  'dialect',
  'direction',
  'engine',
  'hint',
  'how',
  'kind',
  'layout',
  'level',
  'method',
  'node',
  'outcome',
  'path',
  'postgres',
  'reason',
  'service',
  'signal',
  'state',
  'status',
  'thread',
  'transport',
  'version',
  'worker',
])

const NUMBER_KEYS = new Set([
  'attempt',
  'chunkSeq',
  'complexity',
  'count',
  'depth',
  'migrations',
  'port',
  'portMax',
  'portMin',
  'restarts',
  'status',
  'total',
  'worker',
])
/** Lists of addresses and the like: each entry is held to the same rules. */
const LIST_KEYS = new Set(['addresses', 'checks', 'workers'])
const LIST_ENTRIES_MAX = 16
/** A number that names its unit is a measurement. */
const UNIT_SUFFIXES = ['Ms', 'Us', 'Seconds', 'Bytes', 'Count', 'Depth', 'Percent', 'Samples', 'Packets', 'Sessions']

export type LogFields = Readonly<Record<string, unknown>>

/**
 * What of `fields` may be logged at info and above: known keys only, each with a value that fits its kind.
 *
 * Everything else is left out and its key listed under `withheld`, so that a developer sees what to look for at debug. Keys
 * come from the code, never from the wire.
 */
export function redactFields(fields: LogFields): Record<string, unknown> {
  const kept: Record<string, unknown> = {}
  const withheld: string[] = []
  for (const [key, value] of Object.entries(fields)) {
    if (value === undefined) continue
    const shown = redactValue(key, value)
    if (shown === undefined) withheld.push(key)
    else kept[key] = shown
  }
  if (withheld.length > 0) kept['withheld'] = withheld
  return kept
}

function redactValue(key: string, value: unknown): unknown {
  if (value instanceof Error) return redactError(value)
  if (typeof value === 'string' && IDENTIFIER_KEYS.has(key)) return isIdentifier(value) ? value : WITHHELD
  if (typeof value === 'string' && TEXT_KEYS.has(key)) return redactText(value)
  if (typeof value === 'number' && isNumberKey(key)) return value
  if (typeof value === 'boolean') return value
  if (Array.isArray(value) && LIST_KEYS.has(key)) return value.slice(0, LIST_ENTRIES_MAX).map(redactEntry)
  return undefined
}

function redactEntry(entry: unknown): unknown {
  if (typeof entry === 'string') return redactText(entry)
  return typeof entry === 'object' && entry !== null ? redactFields(entry as LogFields) : WITHHELD
}

function isNumberKey(key: string): boolean {
  return NUMBER_KEYS.has(key) || UNIT_SUFFIXES.some((suffix) => key.endsWith(suffix))
}

/** Class, code, sentence, hint and where it came from. Other properties of an error (as of `pg`) may quote data. */
function redactError(error: Error): Record<string, unknown> {
  const shown: Record<string, unknown> = { type: error.name, message: redactText(error.message) }
  const { code, hint } = error as { readonly code?: unknown; readonly hint?: unknown }
  if (typeof code === 'string') shown['code'] = redactText(code)
  if (typeof hint === 'string') shown['hint'] = redactText(hint)
  const frames = (error.stack ?? '').split('\n').filter((line) => line.startsWith('    at '))
  if (frames.length > 0) shown['frames'] = frames.map((line) => line.trim())
  if (error.cause instanceof Error) shown['cause'] = redactText(`${error.cause.name}: ${error.cause.message}`)
  return shown
}

/**
 * Text without telephone numbers, user parts of SIP and tel URIs, and display names in front of them.
 *
 * A name in the middle of a sentence cannot be told from a word: messages are fixed sentences, and what varies is a field.
 */
export function redactText(text: string): string {
  const scrubbed = withoutNumbers(withoutUris(text.slice(0, SCRUBBED_CHARACTERS_MAX)))
  return scrubbed.length > LOG_TEXT_CHARACTERS_MAX ? `${scrubbed.slice(0, LOG_TEXT_CHARACTERS_MAX)}…` : scrubbed
}

// Each pattern matches a run of one character class: linear, whatever the text.
const DISPLAY_NAME = /"[^"]*"\s?(?=<)/g
const URI = /\b(sips?|tel):([^\s<>"';,]+)/gi
const UUID = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'
const DATE = '\\d{4}-\\d{2}-\\d{2}(?![\\d-])'
const NOT_A_NUMBER = new RegExp(`^(?:${UUID}|${DATE})$`, 'i')
const NUMBER = new RegExp(`${UUID}|${DATE}|\\+?\\d[\\d ().-]*`, 'gi')

function withoutUris(text: string): string {
  return text.replace(DISPLAY_NAME, `${WITHHELD} `).replace(URI, (_whole, scheme: string, rest: string) => {
    const at = rest.lastIndexOf('@')
    if (at >= 0) return `${scheme}:${WITHHELD}${rest.slice(at)}`
    return scheme.toLowerCase() === 'tel' || /^\+?\d+$/.test(rest) ? `${scheme}:${WITHHELD}` : `${scheme}:${rest}`
  })
}

function withoutNumbers(text: string): string {
  return text.replace(NUMBER, (run) => {
    if (NOT_A_NUMBER.test(run)) return run
    const digits = run.replace(/\D/g, '').length
    if (digits < NUMBER_DIGITS_MIN || isIP(run.trim().replace(/\.$/, '')) !== 0) return run
    return run.endsWith(' ') ? `${WITHHELD} ` : WITHHELD
  })
}

function isIdentifier(value: string): boolean {
  if (value.length === 0 || value.length > IDENTIFIER_CHARACTERS_MAX) return false
  return !/^(sips?|tel):/i.test(value) && !/^\+?\d{7,}(@|$)/.test(value) && /^[!#-;=?-~]+$/.test(value)
}
