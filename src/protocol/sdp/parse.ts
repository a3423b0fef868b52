import { parseMediaSection, readCrypto, type RawLine, type RawSection } from './parse-media.ts'
import type { SessionDescription } from './session-description.ts'
import { accepted, rejected, type Result } from '../../result.ts'

/** The largest datagram there is; a longer description is refused unread. */
export const SDP_BYTES_MAX = 65_536
/** Lines of any kind. */
export const SDP_LINES_MAX = 2_000
export const SDP_MEDIA_MAX = 64

export type SdpRejectReason = 'empty' | 'tooLarge' | 'tooManyLines' | 'tooManyMedia' | 'notSdp'

/**
 * Reads a session description as clients in the field write it. RFC 8866, RFC 4574, RFC 3605, RFC 5761
 *
 * Tolerates a byte order mark, any kind of line end, blanks around lines and before `=`, missing `v=`, `o=`, `s=`, `t=`
 * lines, lines of unknown type, payload types without rtpmap, and m-lines whose port or format list is not there (they
 * count, with port 0, so that an answer has as many lines as the offer). Never throws; linear in the length.
 *
 * A description without an m-line is accepted with an empty list: what that means is the caller's to say.
 */
export function parseSdp(bytes: Uint8Array): Result<SessionDescription, SdpRejectReason> {
  if (bytes.length > SDP_BYTES_MAX) return rejected('tooLarge')
  // TextDecoder removes the byte order mark and replaces what is not UTF-8.
  const text = new TextDecoder().decode(bytes)
  if (text.trim() === '') return rejected('empty')
  const lines = readLines(text)
  if (lines === undefined) return rejected('tooManyLines')
  const sections = splitSections(lines)
  const [session, ...media] = sections
  if (session === undefined || lines.length === 0) return rejected('notSdp')
  if (media.length > SDP_MEDIA_MAX) return rejected('tooManyMedia')
  // Something that merely has an equals sign in second place is not a session description.
  if (media.length === 0 && !lines.some(({ type }) => type === 'v' || type === 'o')) return rejected('notSdp')
  return accepted({
    ...originOf(session),
    sessionName: session.lines.find(({ type }) => type === 's')?.value ?? '',
    media: media.map((section, index) => parseMediaSection(section, index, session)),
    attributes: session.attributes,
  })
}

// RFC 8866 5.2: `<user> <id> <version> IN …`. Some clients have blanks in the name of the user.
function originOf(session: RawSection): Pick<SessionDescription, 'originUser' | 'sessionId' | 'sessionVersion'> {
  const words = session.lines.find(({ type }) => type === 'o')?.value.split(/\s+/) ?? []
  const networkType = words.indexOf('IN', 3)
  const version = networkType < 0 ? 2 : networkType - 1
  const originUser = words.slice(0, Math.max(1, version - 1)).join(' ')
  return { originUser, sessionId: words[version - 1] ?? '', sessionVersion: words[version] ?? '' }
}

function readLines(text: string): readonly RawLine[] | undefined {
  const lines: RawLine[] = []
  for (const line of text.split(/[\r\n]/)) {
    const trimmed = line.trim()
    const equals = trimmed.indexOf('=')
    // RFC 8866 5 allows no blank before the equals sign; it is forgiven.
    if (equals < 1 || trimmed.slice(1, equals).trim() !== '') continue
    if (lines.length >= SDP_LINES_MAX) return undefined
    lines.push({ type: trimmed.charAt(0), value: trimmed.slice(equals + 1).trim() })
  }
  return lines
}

/** The session's own lines first, then one section for each m-line. */
function splitSections(lines: readonly RawLine[]): readonly RawSection[] {
  let current: RawLine[] = []
  const groups: RawLine[][] = [current]
  for (const line of lines) {
    if (line.type === 'm') {
      current = []
      groups.push(current)
    }
    current.push(line)
  }
  return groups.map((group) => {
    const attributes = attributesOf(group)
    return { lines: group, attributes, crypto: readCrypto(attributes) }
  })
}

function attributesOf(lines: readonly RawLine[]): RawSection['attributes'] {
  return lines
    .filter(({ type }) => type === 'a')
    .map(({ value }) => {
      const colon = value.indexOf(':')
      return colon < 0
        ? { name: value.toLowerCase(), value: '' }
        : { name: value.slice(0, colon).trim().toLowerCase(), value: value.slice(colon + 1).trim() }
    })
}
