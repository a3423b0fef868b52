import type { MediaCodec, MediaDescription, MediaDirection, SdpAttribute } from './session-description.ts'
import { SDP_LABELS } from '../siprec/vocabulary.ts'
import { STATIC_PAYLOAD_TYPES } from './static-payload-types.ts'

/** One `x=value` line, blanks around it removed. */
export interface RawLine {
  readonly type: string
  readonly value: string
}

/** The lines of the session level, or of one m-line (which is the first of them). */
export interface RawSection {
  readonly lines: readonly RawLine[]
  readonly attributes: readonly SdpAttribute[]
}

/** Formats kept of one m-line; there are only 128 payload types. */
export const FORMATS_MAX = 128

const DIRECTIONS: ReadonlyMap<string, MediaDirection> = new Map([
  ['sendrecv', 'sendrecv'],
  ['sendonly', 'sendonly'],
  ['recvonly', 'recvonly'],
  ['inactive', 'inactive'],
])

/** Reads one m-line and its section; `session` supplies what the section leaves out. RFC 8866 5.14, 5.7, 6 */
export function parseMediaSection(section: RawSection, index: number, session: RawSection): MediaDescription {
  const words = (section.lines[0]?.value ?? '').split(/\s+/)
  const formats = words.slice(3, 3 + FORMATS_MAX)
  const { attributes } = section
  return {
    index,
    type: (words[0] ?? '').toLowerCase(),
    // RFC 8866 5.14: `port/number of ports`
    port: parsePort((words[1] ?? '').split('/')[0] ?? ''),
    protocol: words[2] ?? '',
    formats,
    connectionAddress: connectionAddressOf(section) ?? connectionAddressOf(session),
    direction: directionOf(attributes) ?? directionOf(session.attributes) ?? 'sendrecv',
    label: labelOf(attributes),
    codecs: codecsOf(formats, attributes),
    packetTimeMs: packetTimeOf(attributes) ?? packetTimeOf(session.attributes),
    rtcpMux: attributes.some(({ name }) => name === 'rtcp-mux'),
    rtcpPort: rtcpPortOf(attributes),
    attributes,
  }
}

function connectionAddressOf(section: RawSection): string | undefined {
  const connection = section.lines.find(({ type }) => type === 'c')
  const address = connection?.value.split(/\s+/)[2]?.split('/')[0]
  return address === '' ? undefined : address
}

// The last one wins: a client that writes two has appended the one it means.
function directionOf(attributes: readonly SdpAttribute[]): MediaDirection | undefined {
  const last = attributes.findLast(({ name }) => DIRECTIONS.has(name))
  return last === undefined ? undefined : DIRECTIONS.get(last.name)
}

function labelOf(attributes: readonly SdpAttribute[]): string | undefined {
  for (const wanted of SDP_LABELS) {
    const found = attributes.find(({ name, value }) => name === wanted && value !== '')
    if (found !== undefined) return found.value
  }
  return undefined
}

function codecsOf(formats: readonly string[], attributes: readonly SdpAttribute[]): MediaCodec[] {
  const maps = firstByPayloadType(attributes, 'rtpmap')
  const parameters = firstByPayloadType(attributes, 'fmtp')
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

function firstByPayloadType(attributes: readonly SdpAttribute[], wanted: string): ReadonlyMap<number, string> {
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
function rtcpPortOf(attributes: readonly SdpAttribute[]): number | undefined {
  const found = attributes.find(({ name }) => name === 'rtcp')
  return parseDecimal(found?.value.split(/\s+/)[0], 65_535)
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
