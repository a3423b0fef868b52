import { accepted, rejected, type Result } from '../../result.ts'
import { expandCompactName, HeaderList, type SipHeader } from './header-list.ts'
import { HEADER_LENGTH_MAX, HEADERS_MAX, MESSAGE_BYTES_MAX, type MessageDefect, type SipMessage } from './message.ts'
import { isToken, parseDecimal, trimBlanks } from './text.ts'

/** Why bytes are not a SIP message that could be answered. `keepAlive`: nothing but CR, LF or NUL, as RFC 5626 3.5 pings. */
export type SipRejectReason = 'keepAlive' | 'tooLarge' | 'startLine'

export type ParsedMessage = Result<SipMessage, SipRejectReason>

/**
 * On a stream, Content-Length has cut the message already, and a shorter one is the head of a message over the bound; in a
 * datagram, the datagram's own length rules.
 */
export type SipFraming = 'datagram' | 'stream'

const VERSION = 'SIP/2.0'
const METHOD_LENGTH_MAX = 64
const decoder = new TextDecoder('utf-8')

/**
 * Parses one SIP message.
 *
 * Tolerates bare LF, folded lines, compact names, leading empty lines, a byte order mark, bytes that are not UTF-8 (they become
 * U+FFFD in header values; the body stays bytes), lines without a colon (left out), a missing empty line at the end, and in
 * datagrams a Content-Length that does not fit. Never throws; takes linear time.
 *
 * @returns the message, its {@link MessageDefect} named when it must be refused but can be answered
 * @see RFC 3261 7, 18.3
 */
export function parseMessage(bytes: Uint8Array, framing: SipFraming = 'datagram'): ParsedMessage {
  if (bytes.length > MESSAGE_BYTES_MAX) return rejected('tooLarge')
  const start = skipKeepAlive(bytes, 0)
  if (start === bytes.length) return rejected('keepAlive')
  // In bytes, as the stream framer measures what is not whole yet.
  if (endOfLine(bytes, start) - start > HEADER_LENGTH_MAX) return rejected('startLine')
  const { headEnd, bodyStart } = findBody(bytes, start)
  const lines = new LineReader(decoder.decode(bytes.subarray(start, headEnd)))
  const startLine = parseStartLine(lines.next() ?? '')
  if (startLine === undefined) return rejected('startLine')

  const { headers, defect: headerDefect } = readHeaders(lines)
  const rest = bytes.subarray(bodyStart)
  const { body, defect: bodyDefect } = cutBody(headers, rest, framing)
  const defect = startLine.defect ?? headerDefect ?? bodyDefect
  if (startLine.kind === 'request') {
    const { method, requestUri } = startLine
    return accepted({ kind: 'request', method, requestUri, headers, body, defect })
  }
  const { status, reason } = startLine
  return accepted({ kind: 'response', status, reason, headers, body, defect })
}

function endOfLine(bytes: Uint8Array, start: number): number {
  const feed = bytes.indexOf(0x0a, start)
  return feed === -1 ? bytes.length : feed
}

/** First position at or after `start` that is not CR, LF or NUL. RFC 3261 7.5 */
export function skipKeepAlive(bytes: Uint8Array, start: number): number {
  let index = start
  while (index < bytes.length) {
    const byte = bytes[index]
    if (byte !== 0x0d && byte !== 0x0a && byte !== 0) break
    index++
  }
  return index
}

/**
 * Finds the empty line between head and body, with bare LF as good as CRLF.
 *
 * @returns `headEnd` just after the last header line, `bodyStart` just after the empty line; both the end when there is none
 */
export function findBody(bytes: Uint8Array, start: number): { readonly headEnd: number; readonly bodyStart: number } {
  for (let index = bytes.indexOf(0x0a, start); index !== -1; index = bytes.indexOf(0x0a, index + 1)) {
    if (bytes[index + 1] === 0x0a) return { headEnd: index + 1, bodyStart: index + 2 }
    if (bytes[index + 1] === 0x0d && bytes[index + 2] === 0x0a) return { headEnd: index + 1, bodyStart: index + 3 }
  }
  return { headEnd: bytes.length, bodyStart: bytes.length }
}

class LineReader {
  readonly #text: string
  #position = 0

  constructor(text: string) {
    this.#text = text
  }

  /** The next line without its line end; undefined at the end. */
  next(): string | undefined {
    if (this.#position >= this.#text.length) return undefined
    const feed = this.#text.indexOf('\n', this.#position)
    const end = feed === -1 ? this.#text.length : feed
    const line = this.#text.slice(this.#position, this.#text.charCodeAt(end - 1) === 0x0d ? end - 1 : end)
    this.#position = end + 1
    return line
  }

  /** True when the next line continues the one before. RFC 3261 7.3.1 */
  get folds(): boolean {
    const code = this.#text.charCodeAt(this.#position)
    return code === 0x20 || code === 0x09
  }
}

type StartLine =
  | {
      readonly kind: 'request'
      readonly method: string
      readonly requestUri: string
      readonly defect: MessageDefect | undefined
    }
  | { readonly kind: 'response'; readonly status: number; readonly reason: string; readonly defect: undefined }

/** What cannot stand in a start line: the stream framer gives up at it before the line is whole, so no line may have it. */
function hasControl(line: string): boolean {
  for (let at = 0; at < line.length; at += 1) {
    const code = line.charCodeAt(at)
    if (code < 0x20 && code !== 0x09 && code !== 0x0a && code !== 0x0d) return true
  }
  return false
}

function parseStartLine(whole: string): StartLine | undefined {
  if (hasControl(whole)) return undefined
  const line = trimBlanks(whole)
  const space = line.indexOf(' ')
  if (space === -1) return undefined
  const word = line.slice(0, space)
  if (word.toUpperCase() === VERSION) return parseStatus(line.slice(space + 1))
  const lastSpace = line.lastIndexOf(' ')
  const version = line.slice(lastSpace + 1).toUpperCase()
  if (!version.startsWith('SIP/') || word.length > METHOD_LENGTH_MAX || !isToken(word)) return undefined
  const requestUri = trimBlanks(line.slice(space + 1, Math.max(lastSpace, space + 1)))
  // RFC 4475 3.1.2.7, 3.1.2.8: neither angle brackets nor blanks.
  const uriIsWhole = !requestUri.startsWith('<') && requestUri !== '' && !/[ \t\r]/.test(requestUri)
  const defect = version === VERSION ? (uriIsWhole ? undefined : 'requestUri') : 'version'
  return { kind: 'request', method: word, requestUri, defect }
}

function parseStatus(text: string): StartLine | undefined {
  const trimmed = trimBlanks(text)
  const status = parseDecimal(trimmed.slice(0, 3), 699)
  const code = trimmed.charCodeAt(3)
  if (status === undefined || status < 100 || (trimmed.length > 3 && code !== 0x20 && code !== 0x09)) return undefined
  return { kind: 'response', status, reason: trimBlanks(trimmed.slice(3)), defect: undefined }
}

function readHeaders(lines: LineReader): { readonly headers: HeaderList; readonly defect: MessageDefect | undefined } {
  const list: SipHeader[] = []
  let defect: MessageDefect | undefined
  for (let line = lines.next(); line !== undefined; line = lines.next()) {
    let length = line.length
    let whole = line
    while (lines.folds) {
      const continuation = lines.next() ?? ''
      length += continuation.length + 1
      if (length <= HEADER_LENGTH_MAX) whole = `${whole} ${trimBlanks(continuation)}`
    }
    const colon = whole.indexOf(':')
    if (length > HEADER_LENGTH_MAX) defect ??= 'headerLength'
    else if (colon <= 0) continue
    else if (list.length === HEADERS_MAX) defect ??= 'headerCount'
    else {
      const name = trimBlanks(whole.slice(0, colon))
      if (isToken(name)) list.push({ name: expandCompactName(name), value: trimBlanks(whole.slice(colon + 1)) })
    }
  }
  return { headers: new HeaderList(list), defect }
}

/** What a head says about the length of its body. */
export type AnnouncedLength =
  | { readonly kind: 'missing' }
  | { readonly kind: 'malformed' }
  | { readonly kind: 'bytes'; readonly bytes: number }

export function announcedLength(headers: HeaderList): AnnouncedLength {
  const values = headers.all('Content-Length')
  const first = values[0]
  if (first === undefined) return { kind: 'missing' }
  const bytes = parseDecimal(first, Number.MAX_SAFE_INTEGER)
  if (bytes === undefined || values.some((value) => value !== first)) return { kind: 'malformed' }
  return { kind: 'bytes', bytes }
}

function cutBody(
  headers: HeaderList,
  rest: Uint8Array,
  framing: SipFraming,
): { readonly body: Uint8Array; readonly defect: MessageDefect | undefined } {
  const announced = announcedLength(headers)
  if (announced.kind === 'malformed') return { body: rest, defect: 'contentLength' }
  // RFC 3261 18.3: without Content-Length a stream cannot tell where a body ends.
  if (announced.kind === 'missing') {
    const isUnframed = framing === 'stream' && headers.first('Content-Type') !== undefined
    return { body: rest, defect: isUnframed ? 'contentLength' : undefined }
  }
  if (framing === 'stream' && announced.bytes !== rest.length) {
    return { body: rest, defect: announced.bytes > rest.length ? 'tooLarge' : 'contentLength' }
  }
  // Clients miscount their bodies, so the datagram's length wins; only a plain `0` without a type means what it says.
  const isEmpty = announced.bytes === 0 && headers.first('Content-Type') === undefined
  return { body: isEmpty ? rest.subarray(0, 0) : rest, defect: undefined }
}
