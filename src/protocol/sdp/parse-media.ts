import { parseCryptoAttribute, type CryptoAttribute, type CryptoRejectReason } from './crypto-attribute.ts'
import type {
  MediaCodec,
  MediaDescription,
  MediaDirection,
  OfferedCrypto,
  RecordPreference,
  RecordState,
  SdpAttribute,
} from './session-description.ts'
import { SDP_LABELS } from '../siprec/vocabulary.ts'
import { STATIC_PAYLOAD_TYPES } from './static-payload-types.ts'

/** One `x=value` line, blanks around it removed. */
export interface RawLine {
  readonly type: string
  readonly value: string
}

/** The session level, or one m-line (which is the first of its lines) with all below it. */
export interface Section {
  readonly lines: readonly RawLine[]
  readonly attributes: readonly SdpAttribute[]
  /** What an m-line takes from the session when it does not say it itself. */
  readonly common: {
    readonly connectionAddress: string | undefined
    readonly direction: MediaDirection | undefined
    readonly packetTimeMs: number | undefined
    readonly record: RecordState | undefined
    readonly recordPreference: RecordPreference | undefined
  }
  readonly crypto: OfferedCrypto
}

/** Formats kept of one m-line; there are only 128 payload types. */
export const FORMATS_MAX = 128
/** `a=crypto` lines read of one m-line; those beyond are ignored, as they are the least preferred. */
export const CRYPTO_LINES_MAX = 32

const DIRECTIONS: ReadonlyMap<string, MediaDirection> = new Map([
  ['sendrecv', 'sendrecv'],
  ['sendonly', 'sendonly'],
  ['recvonly', 'recvonly'],
  ['inactive', 'inactive'],
])

// What RFC 7866 calls `paused` here and `pause` there is taken in either place.
const RECORD_STATES: ReadonlyMap<string, RecordState> = new Map([
  ['on', 'on'],
  ['off', 'off'],
  ['paused', 'paused'],
  ['pause', 'paused'],
])
const RECORD_PREFERENCES: ReadonlyMap<string, RecordPreference> = new Map([
  ['on', 'on'],
  ['off', 'off'],
  ['pause', 'pause'],
  ['paused', 'pause'],
  ['nopreference', 'nopreference'],
])

/** What the lines of a section say, read once however many m-lines inherit it. */
export function readSection(lines: readonly RawLine[]): Section {
  const attributes = lines.filter(({ type }) => type === 'a').map(({ value }) => readAttribute(value))
  return {
    lines,
    attributes,
    common: {
      connectionAddress: connectionAddressOf(lines),
      direction: directionOf(attributes),
      packetTimeMs: packetTimeOf(attributes),
      record: lastKnown(RECORD_STATES, 'record', attributes),
      recordPreference: lastKnown(RECORD_PREFERENCES, 'recordpref', attributes),
    },
    crypto: readCrypto(attributes),
  }
}

/** Reads one m-line and its section; `session` supplies what the section leaves out. RFC 8866 5.14, 5.7, 6 */
export function parseMediaSection(section: Section, index: number, session: Section): MediaDescription {
  const words = (section.lines[0]?.value ?? '').split(/\s+/)
  const protocol = words[2] ?? ''
  const formats = words.slice(3, 3 + FORMATS_MAX)
  const { attributes, common } = section
  return {
    index,
    type: (words[0] ?? '').toLowerCase(),
    // RFC 8866 5.14: `port/number of ports`
    port: parsePort((words[1] ?? '').split('/')[0] ?? ''),
    protocol,
    formats,
    connectionAddress: common.connectionAddress ?? session.common.connectionAddress,
    direction: common.direction ?? session.common.direction ?? 'sendrecv',
    label: labelOf(attributes),
    codecs: codecsOf(formats, attributes),
    packetTimeMs: common.packetTimeMs ?? session.common.packetTimeMs,
    rtcpMux: attributes.some(({ name }) => name === 'rtcp-mux'),
    ...rtcpOf(attributes),
    record: common.record ?? session.common.record,
    recordPreference: common.recordPreference ?? session.common.recordPreference,
    crypto: cryptoOf(protocol, section.crypto, session.crypto),
    attributes,
  }
}

function readAttribute(text: string): SdpAttribute {
  const colon = text.indexOf(':')
  return colon < 0
    ? { name: text.toLowerCase(), value: '' }
    : { name: text.slice(0, colon).trim().toLowerCase(), value: text.slice(colon + 1).trim() }
}

// The first of several: the others are further layers of a multicast. RFC 8866 5.7
function connectionAddressOf(lines: readonly RawLine[]): string | undefined {
  const connection = lines.find(({ type }) => type === 'c')
  const address = connection?.value.split(/\s+/)[2]?.split('/')[0]
  return address === '' ? undefined : address
}

// The last one wins: a client that writes two has appended the one it means.
function directionOf(attributes: readonly SdpAttribute[]): MediaDirection | undefined {
  const last = attributes.findLast(({ name }) => DIRECTIONS.has(name))
  return last === undefined ? undefined : DIRECTIONS.get(last.name)
}

/** The last value of an attribute that is a known one. */
function lastKnown<Value>(
  values: ReadonlyMap<string, Value>,
  wanted: string,
  attributes: readonly SdpAttribute[],
): Value | undefined {
  const last = attributes.findLast(({ name, value }) => name === wanted && values.has(value.toLowerCase()))
  return last && values.get(last.value.toLowerCase())
}

function readCrypto(attributes: readonly SdpAttribute[]): OfferedCrypto {
  const usable = new Map<number, CryptoAttribute>()
  const rejected: CryptoRejectReason[] = []
  for (const { value } of attributes.filter(({ name }) => name === 'crypto').slice(0, CRYPTO_LINES_MAX)) {
    const parsed = parseCryptoAttribute(value)
    if (!parsed.ok) rejected.push(parsed.reason)
    // RFC 4568 5.1.1: the answer names its choice by the tag.
    else if (!usable.has(parsed.value.tag)) usable.set(parsed.value.tag, parsed.value)
  }
  return { usable: [...usable.values()], rejected }
}

/**
 * RFC 4568 4 has the attribute at media level only. A secure line that has none of its own still takes what a client wrote
 * above all of them, as it can be received by nothing else; a plain line does not.
 */
function cryptoOf(protocol: string, own: OfferedCrypto, session: OfferedCrypto): OfferedCrypto {
  const hasOwn = own.usable.length + own.rejected.length > 0
  return hasOwn || !protocol.toUpperCase().includes('SAVP') ? own : session
}

function labelOf(attributes: readonly SdpAttribute[]): string | undefined {
  for (const wanted of SDP_LABELS) {
    const found = attributes.find(({ name, value }) => name === wanted && value !== '')
    if (found !== undefined) return found.value
  }
  return undefined
}

function codecsOf(formats: readonly string[], attributes: readonly SdpAttribute[]): MediaCodec[] {
  const maps = valuesByPayloadType(attributes, 'rtpmap')
  const parameters = valuesByPayloadType(attributes, 'fmtp')
  const codecs: MediaCodec[] = []
  const seen = new Set<number>()
  for (const format of formats) {
    const payloadType = parsePayloadType(format)
    if (payloadType === undefined || seen.has(payloadType)) continue
    seen.add(payloadType)
    const codec = codecOf(payloadType, maps.get(payloadType))
    if (codec === undefined) continue
    const fmtp = parameters.get(payloadType)
    codecs.push(fmtp === undefined ? codec : { ...codec, fmtp })
  }
  return codecs
}

// RFC 8866 6.6: `<payload type> <encoding name>/<clock rate>[/<channels>]`
function codecOf(payloadType: number, rtpmap: string | undefined): MediaCodec | undefined {
  const known = STATIC_PAYLOAD_TYPES.get(payloadType)
  const [name = '', clockRate, channels] = (rtpmap ?? '').split('/').map((word) => word.trim())
  if (name === '') return known === undefined ? undefined : { payloadType, ...known }
  return {
    payloadType,
    name: name.toUpperCase(),
    clockRate: parseDecimal(clockRate, 1_000_000) ?? known?.clockRate ?? 8000,
    channels: parseDecimal(channels, 255) ?? 1,
  }
}

/** What the first attribute of this name says of each payload type. */
export function valuesByPayloadType(
  attributes: readonly SdpAttribute[],
  wanted: 'rtpmap' | 'fmtp',
): ReadonlyMap<number, string> {
  const values = new Map<number, string>()
  for (const { name, value } of attributes) {
    if (name !== wanted) continue
    const blank = value.search(/\s/)
    if (blank < 0) continue
    const payloadType = parsePayloadType(value.slice(0, blank))
    if (payloadType !== undefined && !values.has(payloadType)) values.set(payloadType, value.slice(blank).trim())
  }
  return values
}

function packetTimeOf(attributes: readonly SdpAttribute[]): number | undefined {
  // Some clients write `20.0`.
  const found = attributes.find(({ name }) => name === 'ptime')
  return parseDecimal(found?.value.split('.')[0], 1_000)
}

// RFC 3605 2.1: `a=rtcp:<port> [<nettype> <addrtype> <address>]`
function rtcpOf(attributes: readonly SdpAttribute[]): Pick<MediaDescription, 'rtcpPort' | 'rtcpAddress'> {
  const words = attributes.find(({ name }) => name === 'rtcp')?.value.split(/\s+/) ?? []
  const rtcpAddress = words[3]
  return { rtcpPort: parseDecimal(words[0], 65_535), ...(rtcpAddress === undefined ? {} : { rtcpAddress }) }
}

function parsePort(text: string): number {
  return parseDecimal(text, 65_535) ?? 0
}

/** A payload type, or undefined when the format is something else (an MSRP `*`, a T.38 `t38`). RFC 3550 5.1 */
export function parsePayloadType(format: string): number | undefined {
  return format === '0' ? 0 : parseDecimal(format, 127)
}

function parseDecimal(text: string | undefined, max: number): number | undefined {
  if (text === undefined || !/^[0-9]{1,7}$/.test(text)) return undefined
  const value = Number(text)
  return value > 0 && value <= max ? value : undefined
}
