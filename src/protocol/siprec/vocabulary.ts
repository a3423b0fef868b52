import { DIALECTS } from './dialects/all.ts'
import type { Dialect, ModelTerm } from './dialects/dialect.ts'

/** The names of RFC 7865, folded (see `foldName`). Where it has several for one thing, the first that is there counts. */
const STANDARD: Readonly<Record<ModelTerm, readonly string[]>> = {
  root: ['recording'],
  dataMode: ['datamode'],
  group: ['group'],
  session: ['session'],
  participant: ['participant'],
  stream: ['stream'],
  sessionRecordingAssoc: ['sessionrecordingassoc'],
  participantSessionAssoc: ['participantsessionassoc'],
  participantStreamAssoc: ['participantstreamassoc'],
  groupId: ['groupid'],
  sessionId: ['sessionid'],
  participantId: ['participantid'],
  streamId: ['streamid'],
  groupRef: ['groupref', 'groupid'],
  sessionRef: ['sessionid', 'session'],
  participantRef: ['participantid', 'participant'],
  streamRef: ['id', 'streamid', 'stream', 'ref'],
  sipSessionId: ['sipsessionid'],
  startTime: ['starttime'],
  stopTime: ['stoptime'],
  reason: ['reason'],
  nameId: ['nameid'],
  aor: ['aor'],
  name: ['name'],
  send: ['send'],
  recv: ['recv'],
  label: ['label'],
  mode: ['mode'],
  associateTime: ['associatetime'],
  disassociateTime: ['disassociatetime'],
}

/** Every name of every thing: those of RFC 7865 first, then what dialects say instead. */
export const WORDS: Readonly<Record<ModelTerm, readonly string[]>> = withAliases(STANDARD, DIALECTS)

/** What an element of this folded name is, of those the model reads as objects. */
export const OBJECT_TERMS: ReadonlyMap<string, ObjectTerm> = termsOf([
  'group',
  'session',
  'participant',
  'stream',
  'sessionRecordingAssoc',
  'participantSessionAssoc',
  'participantStreamAssoc',
])

export type ObjectTerm = Extract<
  ModelTerm,
  | 'group'
  | 'session'
  | 'participant'
  | 'stream'
  | 'sessionRecordingAssoc'
  | 'participantSessionAssoc'
  | 'participantStreamAssoc'
>

/** The term for the id of an object that stands for itself. */
export const ID_TERMS: ReadonlyMap<ObjectTerm, ModelTerm> = new Map([
  ['group', 'groupId'],
  ['session', 'sessionId'],
  ['participant', 'participantId'],
  ['stream', 'streamId'],
])

const TIMES: readonly ModelTerm[] = ['associateTime', 'disassociateTime']

/** What the model reads inside each element of the model, by folded names; everything else in there is an extension. */
const CHILD_TERMS: readonly (readonly [parent: ModelTerm, children: readonly ModelTerm[]])[] = [
  ['group', [...TIMES, 'session', 'groupId']],
  [
    'session',
    [...TIMES, 'sipSessionId', 'groupRef', 'startTime', 'stopTime', 'reason', 'sessionId', 'participant', 'stream'],
  ],
  ['participant', [...TIMES, 'nameId', 'aor', 'name', 'send', 'recv', 'participantId', 'session', 'sessionRef']],
  ['nameId', ['aor', 'name']],
  ['aor', ['name']],
  ['send', ['streamRef']],
  ['recv', ['streamRef']],
  ['stream', [...TIMES, 'label', 'mode', 'streamId', 'session', 'sessionRef']],
  ['sessionRecordingAssoc', [...TIMES, 'sessionRef']],
  ['participantSessionAssoc', [...TIMES, 'participantRef', 'sessionRef']],
  ['participantStreamAssoc', [...TIMES, 'participantRef', 'send', 'recv']],
]

export const KNOWN_CHILDREN: ReadonlyMap<string, ReadonlySet<string>> = new Map(
  CHILD_TERMS.flatMap(([parent, children]) => {
    const known = new Set(children.flatMap((child) => WORDS[child]))
    return WORDS[parent].map((name) => [name, known] as const)
  }),
)

/** Attributes that the model reads of each element of the model; the others are vendor data. */
const ATTRIBUTE_TERMS: readonly (readonly [parent: ModelTerm, attributes: readonly ModelTerm[]])[] = [
  ['group', ['groupId']],
  ['session', ['sessionId', 'groupRef']],
  ['participant', ['participantId', 'sessionRef']],
  ['nameId', ['aor']],
  ['stream', ['streamId', 'sessionRef', 'label', 'mode']],
  ['sessionRecordingAssoc', ['sessionRef']],
  ['participantSessionAssoc', ['participantRef', 'sessionRef']],
  ['participantStreamAssoc', ['participantRef']],
]

export const KNOWN_ATTRIBUTES: ReadonlyMap<string, ReadonlySet<string>> = new Map(
  ATTRIBUTE_TERMS.flatMap(([parent, attributes]) => {
    const known = new Set(attributes.flatMap((attribute) => WORDS[attribute]))
    return WORDS[parent].map((name) => [name, known] as const)
  }),
)

const MARKUP_TERMS: readonly ModelTerm[] = [
  'root',
  'dataMode',
  'nameId',
  'name',
  'aor',
  'send',
  'recv',
  'label',
  'groupRef',
  'sipSessionId',
]

/**
 * The elements whose start tag is markup even when the end tag never comes (a document that was cut off): all that carry what the model reads.
 */
export const MARKUP_NAMES: ReadonlySet<string> = new Set(wordsOf([...OBJECT_TERMS.values(), ...MARKUP_TERMS]))

/** Attributes of an m-line that hold its label, in the order they are looked for. RFC 4574 4 */
export const SDP_LABELS: readonly string[] = ['label', ...DIALECTS.flatMap(({ sdpLabels }) => sdpLabels)]

/** Feature tags in Contact by which a client says that it records. RFC 7866 6.1.1, and older drafts. */
export const CONTACT_TAGS: ReadonlySet<string> = new Set(DIALECTS.flatMap(({ contactTags }) => contactTags))

function withAliases(
  standard: Readonly<Record<ModelTerm, readonly string[]>>,
  dialects: readonly Dialect[],
): Readonly<Record<ModelTerm, readonly string[]>> {
  const words: Record<ModelTerm, readonly string[]> = { ...standard }
  for (const term of Object.keys(standard) as ModelTerm[]) {
    words[term] = [...new Set([...standard[term], ...dialects.flatMap(({ aliases }) => aliases[term] ?? [])])]
  }
  return words
}

function wordsOf(terms: readonly ModelTerm[]): readonly string[] {
  return terms.flatMap((term) => WORDS[term])
}

function termsOf(terms: readonly ObjectTerm[]): ReadonlyMap<string, ObjectTerm> {
  return new Map(terms.flatMap((term) => WORDS[term].map((name) => [name, term] as const)))
}
