import { splitOutsideQuotes } from './header-value.ts'
import { CONTACT_TAGS } from './vocabulary.ts'

/**
 * True when an INVITE opens a recording session. Any one sign is enough, because clients leave out each of them:
 * the option tag `siprec` in Require, the feature tag `+sip.src` (or a bare `src`) in Contact, inside or after its
 * angle brackets, or metadata in the body.
 *
 * @see RFC 7866 6.1.1
 */
export function isRecordingRequest(request: {
  /** The values of the Require headers, each possibly a comma-separated list. */
  readonly require: readonly string[]
  /** The Contact header as written. */
  readonly contact: string | undefined
  readonly hasMetadataPart: boolean
}): boolean {
  if (request.hasMetadataPart) return true
  if (request.require.some((value) => value.split(',').some((tag) => tag.trim().toLowerCase() === 'siprec')))
    return true
  return request.contact !== undefined && hasSourceTag(request.contact)
}

// The first piece is the display name and the address itself; every other piece is a parameter of the URI or of the
// Contact, up to the `>` or `,` that may follow it.
function hasSourceTag(contact: string): boolean {
  return splitOutsideQuotes(contact, ';').some((piece, index) => {
    const end = piece.search(/[>,]/)
    const parameter = end < 0 ? piece : piece.slice(0, end)
    const equals = parameter.indexOf('=')
    const name = (equals < 0 ? parameter : parameter.slice(0, equals)).trim().toLowerCase()
    // RFC 3840 9: a feature tag without a value, or with TRUE, is present; FALSE says that it is not.
    const value =
      equals < 0
        ? ''
        : parameter
            .slice(equals + 1)
            .trim()
            .replaceAll('"', '')
            .toLowerCase()
    if (index === 0 || (value !== '' && value !== 'true')) return false
    return CONTACT_TAGS.has(name)
  })
}
