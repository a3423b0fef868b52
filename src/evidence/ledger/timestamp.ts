import { accepted, rejected, type Result } from '../../result.ts'
import { sha256Hex } from '../web-digest.ts'

/**
 * Time stamps of RFC 3161: what is asked of an authority, and what its answer says. Whether the authority signed it is for `openssl ts -verify` to tell, with the
 * certificates that a reader trusts.
 */

/** Longest answer, in bytes: tokens with a chain of certificates have some thousands. */
export const TIMESTAMP_BYTES_MAX = 48 * 1024

/** What a time stamp says of the bytes whose SHA-256 it holds. */
export interface TimestampFacts {
  /** SHA-256 of what was stamped. */
  readonly imprint: Uint8Array
  /** RFC 3339, as precise as the authority says. */
  readonly at: string
  readonly nonce: Uint8Array | undefined
}

/** `notDer`: no answer of RFC 3161. `refused`: the authority gave no token. `notSha256`: it stamped a hash of another kind. */
export type TimestampRejectReason = 'tooLarge' | 'notDer' | 'refused' | 'notSha256'

const INTEGER = 0x02
const OCTET_STRING = 0x04
const OBJECT_IDENTIFIER = 0x06
const GENERALIZED_TIME = 0x18
const SEQUENCE = 0x30
const EXPLICIT_0 = 0xa0
/** 2.16.840.1.101.3.4.2.1, with its NULL parameters. */
const SHA256_ALGORITHM = Uint8Array.of(
  0x30,
  0x0d,
  0x06,
  0x09,
  0x60,
  0x86,
  0x48,
  0x01,
  0x65,
  0x03,
  0x04,
  0x02,
  0x01,
  0x05,
  0x00,
)
const SHA256_BYTES = 32
/** version 1; certReq TRUE: without the certificate of the authority a reader had to have it. RFC 3161 2.4.1 */
const VERSION_1 = Uint8Array.of(INTEGER, 1, 1)
const CERTIFICATES_WANTED = Uint8Array.of(0x01, 1, 0xff)
/** granted, grantedWithMods. RFC 3161 2.4.2 */
const GRANTED_MAX = 1
const TIME = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)((?:\.\d{1,9})?)Z$/

/** A TimeStampReq in DER for a SHA-256. `nonce` is 8 random bytes: an answer to an earlier request does not pass. RFC 3161 2.4.1 */
export function timestampRequest(imprint: Uint8Array, nonce: Uint8Array): Uint8Array {
  const messageImprint = der(SEQUENCE, [SHA256_ALGORITHM, der(OCTET_STRING, [imprint])])
  return der(SEQUENCE, [VERSION_1, messageImprint, der(INTEGER, [positive(nonce)]), CERTIFICATES_WANTED])
}

/** Reads a TimeStampResp; no signature is checked. Never throws. RFC 3161 2.4.2 */
export function readTimestamp(reply: Uint8Array): Result<TimestampFacts, TimestampRejectReason> {
  if (reply.length > TIMESTAMP_BYTES_MAX) return rejected('tooLarge')
  const [response, ...more] = elementsOf(reply) ?? []
  const [status, token] = inside(response, SEQUENCE)
  if (response === undefined || more.length > 0 || status === undefined) return rejected('notDer')
  const [code] = inside(status, SEQUENCE)
  if (code?.tag !== INTEGER) return rejected('notDer')
  if (code.content.length !== 1 || (code.content[0] ?? 0xff) > GRANTED_MAX || token === undefined)
    return rejected('refused')
  // ContentInfo → SignedData → EncapsulatedContentInfo → TSTInfo. RFC 5652 3, 5.1, 5.2
  const [signedData] = inside(inside(token, SEQUENCE)[1], EXPLICIT_0)
  const [, , encapsulated] = inside(signedData, SEQUENCE)
  const [content] = inside(inside(encapsulated, SEQUENCE)[1], EXPLICIT_0)
  const [info] = content?.tag === OCTET_STRING ? (elementsOf(content.content) ?? []) : []
  return readInfo(inside(info, SEQUENCE))
}

/** TSTInfo: version, policy, messageImprint, serialNumber, genTime, then what is optional. RFC 3161 2.4.2 */
function readInfo(fields: readonly Element[]): Result<TimestampFacts, TimestampRejectReason> {
  const [version, policy, messageImprint, serial, time, ...optional] = fields
  const isWhole =
    version?.tag === INTEGER &&
    policy?.tag === OBJECT_IDENTIFIER &&
    serial?.tag === INTEGER &&
    time?.tag === GENERALIZED_TIME
  if (!isWhole) return rejected('notDer')
  const [algorithm, imprint] = inside(messageImprint, SEQUENCE)
  const [oid] = inside(algorithm, SEQUENCE)
  if (imprint?.tag !== OCTET_STRING) return rejected('notDer')
  const isSha256 = oid !== undefined && hexOf(oid.content) === hexOf(SHA256_ALGORITHM.subarray(4, 13))
  if (!isSha256 || imprint.content.length !== SHA256_BYTES) return rejected('notSha256')
  const [, year, month, day, hour, minute, second, fraction] =
    TIME.exec(new TextDecoder('latin1').decode(time.content)) ?? []
  if (year === undefined) return rejected('notDer')
  const at = `${year}-${month}-${day}T${hour}:${minute}:${second}${fraction}Z`
  return accepted({ imprint: imprint.content, at, nonce: optional.find(({ tag }) => tag === INTEGER)?.content })
}

/** Whether an answer has the nonce of a request, whatever zeros stand before it. */
export function hasNonce({ nonce }: TimestampFacts, asked: Uint8Array): boolean {
  return nonce !== undefined && hexOf(nonce) === hexOf(positive(asked))
}

/** Whether an answer is a time stamp over this very note; `unreadable` when it is none. Its own signature is not looked at. */
export async function compareTimestamp(note: string, reply: Uint8Array): Promise<'right' | 'foreign' | 'unreadable'> {
  const read = readTimestamp(reply)
  if (!read.ok) return 'unreadable'
  return hexOf(read.value.imprint) === (await sha256Hex(new TextEncoder().encode(note))) ? 'right' : 'foreign'
}

interface Element {
  readonly tag: number
  readonly content: Uint8Array
}

/** What is inside an element that has the tag; nothing of any other. */
function inside(element: Element | undefined, tag: number): readonly Element[] {
  return element?.tag === tag ? (elementsOf(element.content) ?? []) : []
}

/** The elements that stand one after the other; undefined when the last one is cut, or a length is not in DER. X.690 10.1 */
function elementsOf(bytes: Uint8Array): readonly Element[] | undefined {
  const elements: Element[] = []
  for (let place = 0; place < bytes.length;) {
    const tag = bytes[place] ?? 0
    const first = bytes[place + 1] ?? 0x80
    const lengthBytes = first < 0x80 ? 0 : first & 0x7f
    // More than three bytes of length are more than TIMESTAMP_BYTES_MAX.
    if (first === 0x80 || lengthBytes > 3) return undefined
    const length =
      lengthBytes === 0
        ? first
        : bytes.subarray(place + 2, place + 2 + lengthBytes).reduce((sum, byte) => sum * 256 + byte, 0)
    const begin = place + 2 + lengthBytes
    if (begin + length > bytes.length) return undefined
    elements.push({ tag, content: bytes.subarray(begin, begin + length) })
    place = begin + length
  }
  return elements
}

function der(tag: number, parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  // What is asked is a hash and a nonce: always short enough for one byte of length.
  const bytes = new Uint8Array(2 + length)
  bytes.set([tag, length])
  let place = 2
  for (const part of parts) {
    bytes.set(part, place)
    place += part.length
  }
  return bytes
}

/** As the content of a positive INTEGER in DER: no zeros before it, but one where it would be negative. */
function positive(bytes: Uint8Array): Uint8Array {
  const start = bytes.findIndex((byte) => byte !== 0)
  const trimmed = start < 0 ? Uint8Array.of(0) : bytes.subarray(start)
  return (trimmed[0] ?? 0) >= 0x80 ? Uint8Array.of(0, ...trimmed) : trimmed
}

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
