/** One header line: the name as it is to be printed, the value unfolded and trimmed. */
export interface SipHeader {
  readonly name: string
  readonly value: string
}

/** Compact forms, RFC 3261 7.3.3 and the IANA registry of SIP header fields. */
const COMPACT_FORMS: ReadonlyMap<string, string> = new Map([
  ['a', 'Accept-Contact'],
  ['b', 'Referred-By'],
  ['c', 'Content-Type'],
  ['d', 'Request-Disposition'],
  ['e', 'Content-Encoding'],
  ['f', 'From'],
  ['i', 'Call-ID'],
  ['j', 'Reject-Contact'],
  ['k', 'Supported'],
  ['l', 'Content-Length'],
  ['m', 'Contact'],
  ['n', 'Identity-Info'],
  ['o', 'Event'],
  ['r', 'Refer-To'],
  ['s', 'Subject'],
  ['t', 'To'],
  ['u', 'Allow-Events'],
  ['v', 'Via'],
  ['x', 'Session-Expires'],
  ['y', 'Identity'],
])

/** The long form of a compact header name; other names as they are. */
export function expandCompactName(name: string): string {
  return name.length === 1 ? (COMPACT_FORMS.get(name.toLowerCase()) ?? name) : name
}

const NONE: readonly string[] = []

/** The headers of a message in their order, with an index by name. Names are compared without case; compact forms equal long ones. */
export class HeaderList {
  readonly list: readonly SipHeader[]
  readonly #index = new Map<string, string[]>()

  constructor(list: readonly SipHeader[]) {
    this.list = list
    for (const { name, value } of list) {
      const key = expandCompactName(name).toLowerCase()
      const values = this.#index.get(key)
      if (values === undefined) this.#index.set(key, [value])
      else values.push(value)
    }
  }

  /** The first value of a header, or undefined when there is none. */
  first(name: string): string | undefined {
    return this.all(name)[0]
  }

  /** All values of a header, one per line, comma lists not split. */
  all(name: string): readonly string[] {
    return this.#index.get(expandCompactName(name).toLowerCase()) ?? NONE
  }
}
