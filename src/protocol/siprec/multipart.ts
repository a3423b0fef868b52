import { findDelimiters, type Delimiter } from './delimiters.ts'
import { parseParameterizedValue } from './header-value.ts'
import { readPartHeaders } from './part-headers.ts'
import { accepted, rejected, type Result } from '../../result.ts'

/** Parts of a body, those of nested multiparts included; a body with more is refused. */
export const PARTS_MAX = 32
/** Multiparts inside multiparts; a deeper one is kept whole, as one part. */
export const NESTING_MAX = 3
/** RFC 2046 5.1.1 allows 70 characters; clients have been seen with more. */
export const BOUNDARY_LENGTH_MAX = 256

/** One part of a body, or the whole of a body that is not multipart. */
export interface BodyPart {
  /** Lower case, without parameters; '' when the part does not say and its content does not show it. */
  readonly contentType: string
  /** By lower-case name, folding undone; the first of two wins. Of a body that is not multipart, only its type. */
  readonly headers: ReadonlyMap<string, string>
  /** A view of the bytes as they came. */
  readonly body: Uint8Array
}

export type MultipartRejectReason = 'noBoundary' | 'tooManyParts'

/**
 * Splits the body of a SIP message into its parts, in the order they came; nested multiparts are flattened.
 *
 * Tolerates what clients get wrong: a missing closing boundary or one without a line end before it, blanks after a
 * boundary, bare LF or CR, a boundary parameter that is missing or is not the one in the body, parameters after it,
 * parts without headers or without a blank line after them, and a `Content-Length` in a part, right or wrong.
 * Bodies are raw bytes. Linear in the length; never throws. An empty body has no parts.
 *
 * @param contentType the value of the message's Content-Type, or undefined when it has none: then the content decides
 * @see RFC 2046 5.1.1, RFC 5621
 */
export function splitBody(
  contentType: string | undefined,
  body: Uint8Array,
): Result<readonly BodyPart[], MultipartRejectReason> {
  const parts: BodyPart[] = []
  const reason = collectParts({ contentType: contentType ?? '', headers: new Map(), body }, parts, 0)
  return reason === undefined ? accepted(parts) : rejected(reason)
}

/** The two names of the same thing. RFC 7866 9.1, RFC 9806 */
export function isMetadataType(contentType: string): boolean {
  const { value } = parseParameterizedValue(contentType)
  return value === 'application/rs-metadata+xml' || value === 'application/rs-metadata'
}

/** `part.contentType` is the header as written here; a leaf gets its final form in `parts`. */
function collectParts(part: BodyPart, parts: BodyPart[], depth: number): MultipartRejectReason | undefined {
  if (part.body.length === 0 && depth === 0) return undefined
  const { value, parameters } = parseParameterizedValue(part.contentType)
  // RFC 2046 5.1: what the type does not say, the content shows; a type that is there is believed.
  const type = value === '' ? sniffType(part.body) : value
  if (!type.startsWith('multipart/') || depth >= NESTING_MAX) return addPart(part, type, parts)
  // One character for each byte, so that places in the text are places in the bytes.
  const text = new TextDecoder('latin1').decode(part.body)
  const delimiters = delimitersOf(text, parameters.get('boundary'))
  // A part that cannot be split costs nothing but itself; the SDP may stand beside it.
  if (delimiters === undefined) return depth === 0 ? 'noBoundary' : addPart(part, type, parts)
  for (const [index, delimiter] of delimiters.entries()) {
    if (delimiter.closing) break
    const end = delimiters[index + 1]?.contentEnd ?? text.length
    const inner = readPart(text, part.body, delimiter.lineEnd, Math.max(end, delimiter.lineEnd))
    if (inner === undefined) continue
    const reason = collectParts(inner, parts, depth + 1)
    if (reason !== undefined) return reason
  }
  return undefined
}

function addPart(part: BodyPart, contentType: string, parts: BodyPart[]): MultipartRejectReason | undefined {
  if (parts.length >= PARTS_MAX) return 'tooManyParts'
  const isBare = part.headers.size === 0 && part.contentType !== ''
  const headers = isBare ? new Map([['content-type', part.contentType]]) : part.headers
  parts.push({ contentType, headers, body: part.body })
  return undefined
}

function delimitersOf(text: string, boundary: string | undefined): readonly Delimiter[] | undefined {
  for (const candidate of [boundary, firstBoundaryOf(text)]) {
    if (candidate === undefined || candidate === '' || candidate.length > BOUNDARY_LENGTH_MAX) continue
    const delimiters = findDelimiters(text, candidate)
    if (delimiters.some(({ closing }) => !closing)) return delimiters
  }
  return undefined
}

/** The boundary that the body itself shows: the rest of the first line that begins with two hyphens. */
function firstBoundaryOf(text: string): string | undefined {
  const start = text.startsWith('--') ? 0 : text.search(/[\r\n]--/) + 1
  if (start === 0 && !text.startsWith('--')) return undefined
  const line = text.slice(start + 2, start + 2 + BOUNDARY_LENGTH_MAX + 1).split(/[\r\n]/)[0] ?? ''
  return line.trimEnd()
}

function readPart(text: string, bytes: Uint8Array, start: number, end: number): BodyPart | undefined {
  const { headers, bodyStart } = readPartHeaders(text, start, end)
  if (headers.size === 0 && text.slice(start, end).trim() === '') return undefined
  const bodyEnd = declaredEnd(text, headers.get('content-length'), bodyStart, end)
  return { contentType: headers.get('content-type') ?? '', headers, body: bytes.subarray(bodyStart, bodyEnd) }
}

// The delimiter decides where a part ends. A Content-Length is believed only when nothing but blanks lies beyond it.
function declaredEnd(text: string, contentLength: string | undefined, start: number, end: number): number {
  if (contentLength === undefined || !/^[0-9]{1,7}$/.test(contentLength)) return end
  const declared = start + Number(contentLength)
  return declared < end && text.slice(declared, end).trim() === '' ? declared : end
}

const SNIFFED_BYTES = 1024

function sniffType(body: Uint8Array): string {
  const start = new TextDecoder().decode(body.subarray(0, SNIFFED_BYTES)).trimStart()
  if (/^v=\s*0/.test(start)) return 'application/sdp'
  if (start.startsWith('<') && /<(?:[^\s<>:]{1,64}:)?recording/i.test(start)) return 'application/rs-metadata+xml'
  return start.startsWith('--') ? 'multipart/mixed' : ''
}
