import type { AssociationStyle, DialectHabits, IdStyle, LabelStyle } from './dialect-habits.ts'

/** One choice out of each list of habits, and what no client keeps to. */
export interface DialectChoices {
  readonly require: string | undefined
  readonly contact: string
  readonly metadataType: string
  readonly root: string
  readonly namespace: string | undefined
  readonly prefix: string
  readonly dataMode: string | undefined
  readonly ids: IdStyle
  readonly idNames: 'rfc' | 'plain'
  readonly associations: AssociationStyle
  readonly names: DialectHabits['names'][number]
  readonly labels: LabelStyle
  readonly sdpLabel: 'label' | 'media_label'
  readonly metadataFirst: boolean
  readonly closed: boolean
  readonly lineEnd: '\r\n' | '\n'
  readonly boundary: string
  readonly lines: number
  readonly peopleOnLine: number
  readonly extraLine: 'video' | 'text' | 'message' | undefined
  /** Turns the order of what stands beside each other in the XML. */
  readonly rotation: number
  readonly indent: '' | ' ' | '\t'
  readonly quote: '"' | "'"
  readonly byteOrderMark: boolean
  readonly declaration: boolean
  readonly vendorData: boolean
  readonly quotedBoundary: boolean
  readonly parameterBefore: string
  readonly parameterAfter: string
  /** `lower`, `upper`, `compact`: how header names are written, in the message and in its parts. */
  readonly headerCase: 'usual' | 'lower' | 'upper' | 'compact'
  readonly colon: ':' | ': ' | ' : ' | ':\t'
  readonly partHeaders: readonly string[]
  readonly typeLast: boolean
  readonly blankBeforeBoundary: boolean
  readonly preamble: string
  /** What is added to the true Content-Length of the datagram. */
  readonly lengthError: number
}

/** One m-line of an offer. */
export interface OfferedLine {
  readonly kind: 'audio' | 'video' | 'text' | 'message'
  readonly sdpLabel: string | undefined
  readonly label: string
  readonly streamId: string
  readonly people: readonly { readonly participantId: string; readonly aor: string; readonly name: string }[]
}

const WORDS = ['customer', 'agent', 'supervisor', 'bot', 'guest', 'host', 'third', 'fourth', 'fifth', 'sixth', 'x', 'y']

/** Who is on which line, as the choices have it. */
export function offeredLines(choices: DialectChoices): readonly OfferedLine[] {
  const kinds = Array.from({ length: choices.lines }, () => [
    'audio',
    ...(choices.extraLine ? [choices.extraLine] : []),
  ])
  let person = 0
  return (kinds.flat() as OfferedLine['kind'][]).map((kind, index) => {
    const label = labelOf(choices.labels, index)
    const peopleCount = kind === 'audio' ? choices.peopleOnLine : 0
    return {
      kind,
      label,
      sdpLabel: choices.labels === 'missing' ? undefined : choices.labels === 'other' ? `sdp${index + 5}` : label,
      streamId: idOf(choices.ids, 's', index),
      people: Array.from({ length: peopleCount }, () => {
        person += 1
        return {
          participantId: idOf(choices.ids, 'p', person),
          aor: `sip:+155501${String(person).padStart(2, '0')}@example.com`,
          name: `Person ${person}`,
        }
      }),
    }
  })
}

function labelOf(style: LabelStyle, index: number): string {
  switch (style) {
    case 'fromZero':
      return String(index)
    case 'tens':
      return String(10 * (index + 1))
    case 'nineDigits':
      return String(134_217_729 + index)
    case 'words':
      return WORDS[index] ?? `word${index}`
    case 'legs':
      return `${String.fromCodePoint(97 + index)}_leg`
    default:
      return String(index + 1)
  }
}

function idOf(style: IdStyle, kind: string, index: number): string {
  const uuid = `00000000-abcd-4000-8000-${kind === 's' ? 'a' : 'b'}${String(index).padStart(11, '0')}`
  switch (style) {
    case 'base64':
      return Buffer.from(`${kind}-${String(index).padStart(14, '0')}`).toString('base64')
    case 'uuid':
      return uuid
    case 'urn':
      return `urn:uuid:${uuid}`
    case 'upperUrn':
      return `urn:uuid:${uuid.toUpperCase()}`
    case 'token':
      return `${kind}${index}`
    default:
      return String(kind === 's' ? index + 1 : 1_000 + index)
  }
}

const COMPACT_NAMES: ReadonlyMap<string, string> = new Map([
  ['Via', 'v'],
  ['From', 'f'],
  ['To', 't'],
  ['Call-ID', 'i'],
  ['Contact', 'm'],
  ['Content-Type', 'c'],
  ['Content-Length', 'l'],
  ['Supported', 'k'],
])

/** The whole datagram of an INVITE. */
export function dialectInvite(choices: DialectChoices): Uint8Array {
  const body = multipartBody(choices)
  const boundary = choices.quotedBoundary ? `"${choices.boundary}"` : choices.boundary
  const headers: readonly (readonly [string, string])[] = [
    ['Via', 'SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKvariant;rport'],
    ['From', '<sip:src@192.0.2.1>;tag=1'],
    ['To', '<sip:recorder@192.0.2.2>'],
    ['Call-ID', 'variant@192.0.2.1'],
    ['CSeq', '1 INVITE'],
    ['Contact', choices.contact.replace('HOST', '192.0.2.1:5060')],
    ...(choices.require === undefined ? [] : [['Require', choices.require] as const]),
    ['Content-Type', `multipart/mixed;${choices.parameterBefore}boundary=${boundary}${choices.parameterAfter}`],
    ['Content-Length', String(Math.max(0, body.length + choices.lengthError))],
  ]
  const head = headers.map(([name, value]) => `${headerName(choices, name)}${choices.colon}${value}`)
  const lines = ['INVITE sip:recorder@192.0.2.2 SIP/2.0', ...head, '', '']
  return Buffer.concat([Buffer.from(lines.join(choices.lineEnd)), body])
}

/** The body of {@link dialectInvite}. */
function multipartBody(choices: DialectChoices): Uint8Array {
  const { lineEnd, boundary, closed, metadataFirst, blankBeforeBoundary, preamble } = choices
  const parts = [
    part(choices, 'application/sdp', sdpText(choices)),
    part(choices, choices.metadataType, metadataText(choices)),
  ]
  const ordered = metadataFirst ? parts.toReversed() : parts
  const gap = blankBeforeBoundary ? lineEnd : ''
  const text = ordered.map((each) => `--${boundary}${lineEnd}${each}${lineEnd}${gap}`).join('')
  return Buffer.from(`${preamble}${text}${closed ? `--${boundary}--${lineEnd}` : ''}`)
}

function part(choices: DialectChoices, type: string, content: string): string {
  const { lineEnd, partHeaders, typeLast, colon } = choices
  const ownHeaders = partHeaders.map((line) => {
    const at = line.indexOf(':')
    return `${headerName(choices, line.slice(0, at))}${colon}${line.slice(at + 1)}`
  })
  const typeHeader = `${headerName(choices, 'Content-Type')}${colon}${type}`
  const headers = typeLast ? [...ownHeaders, typeHeader] : [typeHeader, ...ownHeaders]
  return [...headers, '', content].join(lineEnd)
}

function headerName({ headerCase }: DialectChoices, name: string): string {
  if (headerCase === 'compact') return COMPACT_NAMES.get(name) ?? name
  if (headerCase === 'lower') return name.toLowerCase()
  return headerCase === 'upper' ? name.toUpperCase() : name
}

function sdpText(choices: DialectChoices): string {
  const lines = ['v=0', 'o=- 1 1 IN IP4 192.0.2.1', 's=-', 'c=IN IP4 192.0.2.1', 't=0 0']
  offeredLines(choices).forEach(({ kind, sdpLabel }, index) => {
    const port = 30_000 + 2 * index
    const formats = { audio: 'RTP/AVP 0 8 101', video: 'RTP/AVP 97', text: 'RTP/AVP 98', message: 'TCP/MSRP *' }
    lines.push(`m=${kind} ${port} ${formats[kind]}`)
    if (sdpLabel !== undefined) lines.push(`a=${choices.sdpLabel}:${sdpLabel}`)
    lines.push('a=sendonly')
  })
  return lines.join(choices.lineEnd)
}

/** The rs-metadata document of {@link dialectInvite}. */
export function metadataText(choices: DialectChoices): string {
  const { prefix, namespace, quote, lineEnd, indent } = choices
  const declared =
    namespace === undefined
      ? ''
      : ` xmlns${prefix === '' ? '' : `:${prefix.slice(0, -1)}`}=${quote}${namespace}${quote}`
  const mode = choices.dataMode === undefined ? [] : [element(choices, 'datamode', choices.dataMode)]
  const kinds = metadataObjects(choices)
  // Where order decides, objects of one kind keep theirs.
  const objects = orderDecides(choices)
    ? rotate(kinds, choices.rotation).flat()
    : rotate(kinds.flat(), choices.rotation)
  const root = `${prefix}${choices.root}`
  const start = `${choices.byteOrderMark ? '\ufeff' : ''}${choices.declaration ? `<?xml version=${quote}1.0${quote} encoding=${quote}UTF-8${quote}?>${lineEnd}` : ''}`
  return `${start}<${root}${declared}>${lineEnd}${[...mode, ...objects].map((each) => `${indent}${each}${lineEnd}`).join('')}</${root}>`
}

/** True when labels or associations do not say who is on which line. */
function orderDecides({ labels, associations: style }: DialectChoices): boolean {
  return style === 'none' || labels === 'other' || labels === 'missing' || labels === 'noStreams'
}

/** By kind. */
function metadataObjects(choices: DialectChoices): readonly (readonly string[])[] {
  const lines = offeredLines(choices)
  const cs = idOf(choices.ids, 'c', 0)
  const plain = choices.idNames === 'plain'
  const idName = (kind: string): string => (plain ? 'id' : `${kind}_id`)
  const refName = plain ? 'session' : 'session_id'
  const people = lines.flatMap((line) => line.people.map((person) => ({ person, line })))
  const streams = choices.labels === 'noStreams' ? [] : lines
  const session = element(choices, 'session', element(choices, 'start-time', '2026-11-23T12:00:00Z'), {
    [idName('session')]: cs,
  })
  const participants = people.map(({ person, line }) =>
    element(choices, 'participant', `${nameOf(choices, person)}${inlineSend(choices, line)}`, {
      [idName('participant')]: person.participantId,
      ...(plain ? { session: cs } : {}),
    }),
  )
  const described = streams.map(({ streamId, label }) =>
    element(choices, 'stream', element(choices, 'label', label), { [idName('stream')]: streamId, [refName]: cs }),
  )
  const sending = people.flatMap(({ person, line }) => associations(choices, person.participantId, line))
  return [[session], participants, described, sending, choices.vendorData ? [VENDOR_DATA] : []]
}

/** With names of the model in it, and not well-formed. */
const VENDOR_DATA =
  '<v:data xmlns:v="http://example.com/vendor"><v:stream id="x"><v:label>1</v:label></v:stream><v:to>A & B <sip:c@example.com></v:to></v:data>'

function nameOf(choices: DialectChoices, { aor, name }: OfferedLine['people'][number]): string {
  const named = element(choices, 'name', name)
  if (choices.names === 'aorElement') return `${element(choices, 'aor', aor)}${named}`
  return element(choices, 'nameID', named, { aor: choices.names === 'bareAor' ? aor.slice('sip:'.length) : aor })
}

function inlineSend(choices: DialectChoices, { streamId }: OfferedLine): string {
  if (choices.associations === 'inline') return element(choices, 'send', streamId)
  return choices.associations === 'inlineId' ? element(choices, 'send', element(choices, 'id', streamId)) : ''
}

function associations(choices: DialectChoices, participantId: string, { streamId }: OfferedLine): readonly string[] {
  const attributes = { participant_id: bareId(participantId) }
  const send = element(choices, 'send', bareId(streamId))
  if (choices.associations === 'element') return [element(choices, 'participantstreamassoc', send, attributes)]
  if (choices.associations !== 'elementEach') return []
  const heard = offeredLines(choices).filter((line) => line.kind === 'audio' && line.streamId !== streamId)
  return [
    element(choices, 'participantstreamassoc', send, attributes),
    ...heard.map((line) =>
      element(choices, 'participantstreamassoc', element(choices, 'recv', line.streamId), attributes),
    ),
  ]
}

/** References leave `urn:uuid:` out, as some clients do. */
function bareId(id: string): string {
  return id.startsWith('urn:uuid:') ? id.slice('urn:uuid:'.length) : id
}

function element(
  { prefix, quote }: DialectChoices,
  name: string,
  content: string,
  attributes: Readonly<Record<string, string>> = {},
): string {
  const written = Object.entries(attributes).map(([key, value]) => ` ${key}=${quote}${value}${quote}`)
  return `<${prefix}${name}${written.join('')}>${content}</${prefix}${name}>`
}

function rotate<Item>(items: readonly Item[], by: number): readonly Item[] {
  const at = items.length === 0 ? 0 : by % items.length
  return [...items.slice(at), ...items.slice(0, at)]
}
