import type { CorrelationKind, ValueReader } from '../correlation-values.ts'

/** The clients that the recorder knows by their habits. A dialect that nobody recognises is `generic`. */
export const DIALECT_NAMES = [
  'oracle',
  'audiocodes',
  'cisco-cube',
  'cisco-phone',
  'avaya',
  'ribbon',
  'metaswitch',
  'broadworks',
  'netsapiens',
  'opensips',
  'jambonz',
  'google',
  'nena',
  'procomm',
  'generic',
] as const

export type DialectName = (typeof DIALECT_NAMES)[number]

/**
 * One client, as data. Nothing here switches the parser: it reads the words, ids and habits of all dialects at once, so that a client
 * nobody has named, or a later release of one, is read as well. A table says what is known, and adds to what is understood.
 */
export interface Dialect {
  readonly name: DialectName
  /** For people. */
  readonly title: string
  /** How it is told from the others; see `recogniseDialect`. */
  readonly signs: readonly Sign[]
  /** Feature tags in Contact by which it says that it records. RFC 7866 6.1.1 has `+sip.src`. */
  readonly contactTags: readonly string[]
  /** What it calls things that RFC 7865 calls otherwise: folded names, see `foldName`. */
  readonly aliases: Readonly<Partial<Record<ModelTerm, readonly string[]>>>
  /** Attributes of an m-line that hold its label, besides `label`. RFC 4574 */
  readonly sdpLabels: readonly string[]
  /** Where its extension elements name the communication session. */
  readonly extensionIds: readonly ExtensionIdRule[]
  /** Where its SIP headers do. */
  readonly headerIds: readonly HeaderIdRule[]
  /** Habits that the reader has a rule for; {@link QUIRKS} says which. */
  readonly quirks: readonly Quirk[]
}

/** Everything that RFC 7865 has a name for and a client may have another. */
export type ModelTerm =
  | 'root'
  | 'dataMode'
  | 'group'
  | 'session'
  | 'participant'
  | 'stream'
  | 'sessionRecordingAssoc'
  | 'participantSessionAssoc'
  | 'participantStreamAssoc'
  | 'groupId'
  | 'sessionId'
  | 'participantId'
  | 'streamId'
  | 'groupRef'
  | 'sessionRef'
  | 'participantRef'
  | 'streamRef'
  | 'sipSessionId'
  | 'startTime'
  | 'stopTime'
  | 'reason'
  | 'nameId'
  | 'aor'
  | 'name'
  | 'send'
  | 'recv'
  | 'label'
  | 'mode'
  | 'associateTime'
  | 'disassociateTime'

/** `named`: it says so itself; `sure`: nobody else does it; `likely`: few others; `hint`: counts only beside something else. */
export type SignWeight = 'named' | 'sure' | 'likely' | 'hint'

/** One thing to look for; texts are compared without case. */
export type Sign = { readonly weight: SignWeight } & (
  /** User-Agent, or Server. */
  | { readonly fact: 'userAgent'; readonly startsWith: string }
  | { readonly fact: 'header'; readonly name: string; readonly contains?: string }
  /** A parameter of the URI in From. */
  | { readonly fact: 'fromParameter'; readonly name: string }
  | { readonly fact: 'boundary'; readonly startsWith: string }
  /** The user of `o=`. RFC 8866 5.2 */
  | { readonly fact: 'sdpOrigin'; readonly startsWith: string }
  /** The whole of `s=`. RFC 8866 5.3 */
  | { readonly fact: 'sdpName'; readonly is: string }
  | { readonly fact: 'sdpAttribute'; readonly name: string; readonly is?: string }
  /** Folded name of the root. */
  | { readonly fact: 'root'; readonly is: string }
  | { readonly fact: 'rootPrefix'; readonly is: string }
  | { readonly fact: 'rootAttribute'; readonly name: string }
  /** Of the root or of any extension. */
  | { readonly fact: 'namespace'; readonly contains: string }
  /** Folded names of the last elements of an extension's path, joined by `/`. */
  | { readonly fact: 'extension'; readonly endsWith: string }
)

/** Extension elements, or attributes of extension elements, whose folded name is `name`. */
export interface ExtensionIdRule {
  readonly name: string
  /** Only inside an element of this folded name. */
  readonly inside?: string
  readonly kind: CorrelationKind
  readonly reads: ValueReader
}

export interface HeaderIdRule {
  readonly header: string
  /** The id is the value of this parameter, of the header or of the URI in it; else the header's value. */
  readonly parameter?: string
  /** For Call-Info and its like: only entries whose `purpose` contains this; the id is their URI. RFC 3261 20.9 */
  readonly purpose?: string
  readonly kind: CorrelationKind
  readonly reads: ValueReader
}

/** Habits, and the rule of the reader that meets each, whoever has it. */
export const QUIRKS = {
  sendInParticipant: '<send> and <recv> stand in <participant>; there is no participantstreamassoc',
  bareAor: '<aor> and <name> stand in <participant>; there is no nameID',
  noAssociations: 'nobody is said to send anything: participants go to m-lines in order when their numbers fit',
  mixedStream: 'several participants send one stream: all of them are heard on its m-line',
  sdpLabelDiffers: 'labels of SDP and metadata differ: streams go to m-lines in order',
  sdpLabelAttribute: 'the label of an m-line stands in another attribute',
  emptyStreamId: 'a stream has no id: it is known by its label',
  dummyParticipant: 'the far end is a participant without a stream until its m-line is there',
  sendDroppedOnHold: 'on hold <send> goes or the association is empty: who was heard last stays on the line',
  wrongSessionId: 'associations name a wrong session: the session of an association is not relied upon',
  endsInBye: 'the BYE carries a snapshot that ends everything: who took part stays known',
  streamIdsReused: 'stream ids come again in other recording sessions: they never link any',
  newDialogOnTransfer: 'a transfer ends the dialog and begins another of the same group',
  impossibleTimes: 'times lie in 1970: the time of receipt is taken',
  timesWithoutZone: 'times have no zone: UTC is taken and marked, the time of receipt where they are far apart',
  alwaysComplete: 'every snapshot is complete',
  upperCaseMode: 'the data mode is written in any case',
  unescapedMarkup: '& and < stand unescaped in text: the document is repaired',
  undeclaredPrefix: 'a prefix is not declared: elements are told by their local names',
  noClosingBoundary: 'the last boundary is missing',
  metadataFirst: 'the metadata part comes before the SDP',
  addressesInExtension: 'the real numbers stand in an extension: searches for participants look there too',
  factsInFrom: 'there is no metadata: parameters of the URI in From say who is heard',
  twoDialogs: 'each side of the communication session is a dialog of its own',
  delayedOffer: 'the INVITE has no SDP',
} as const

export type Quirk = keyof typeof QUIRKS
