/** What a client keeps to, and where it varies: each list holds what it has been seen to do and what its next release might do. */
export interface DialectHabits {
  readonly require: readonly (string | undefined)[]
  /** The Contact of `HOST`. */
  readonly contact: readonly string[]
  readonly metadataType: readonly string[]
  readonly root: readonly string[]
  readonly namespace: readonly (string | undefined)[]
  readonly prefix: readonly string[]
  readonly dataMode: readonly (string | undefined)[]
  readonly ids: readonly IdStyle[]
  /** How ids are called: `session_id` and so on, or plain `id` with `session` for references. */
  readonly idNames: readonly ('rfc' | 'plain')[]
  readonly associations: readonly AssociationStyle[]
  readonly names: readonly ('nameID' | 'bareAor' | 'aorElement')[]
  readonly labels: readonly LabelStyle[]
  readonly sdpLabel: readonly ('label' | 'media_label')[]
  readonly metadataFirst: readonly boolean[]
  readonly closed: readonly boolean[]
  readonly lineEnd: readonly ('\r\n' | '\n')[]
  readonly boundary: readonly string[]
  /** Audio lines, and people on each of them. */
  readonly lines: readonly number[]
  readonly peopleOnLine: readonly number[]
  /** Lines that are not recorded, after each audio line. */
  readonly extraLines: readonly ('video' | 'text' | 'message' | undefined)[]
}

export type IdStyle = 'base64' | 'uuid' | 'urn' | 'upperUrn' | 'token' | 'number'
/** `element`: participantstreamassoc · `elementEach`: one for each stream · `inline`: send in the participant · `inlineId`: send with an id inside · `none`: nobody is said to send. */
export type AssociationStyle = 'element' | 'elementEach' | 'inline' | 'inlineId' | 'none'
/** `other`: the SDP has labels of its own · `missing`: it has none · `noStreams`: the metadata describes no streams. */
export type LabelStyle =
  | 'fromOne'
  | 'fromZero'
  | 'tens'
  | 'nineDigits'
  | 'words'
  | 'legs'
  | 'other'
  | 'missing'
  | 'noStreams'

const AFTER = '<sip:HOST>;+sip.src'
const INSIDE = '<sip:HOST;+sip.src>'
const RFC_NAMESPACE = 'urn:ietf:params:xml:ns:recording:1'
const OLD_NAMESPACE = 'urn:ietf:params:xml:ns:recording'
const XML = 'application/rs-metadata+xml'
const BARE = 'application/rs-metadata'
const CRLF = '\r\n'

const COMMON: DialectHabits = {
  require: ['siprec'],
  contact: [AFTER, '<sip:HOST>;+sip.src;+sip.instance="<urn:uuid:0>"', '"SBC" <sip:src@HOST;transport=udp>;+SIP.SRC'],
  metadataType: [XML],
  root: ['recording'],
  namespace: [RFC_NAMESPACE],
  prefix: [''],
  dataMode: ['complete', 'Complete', 'COMPLETE'],
  ids: ['base64'],
  idNames: ['rfc'],
  associations: ['element'],
  names: ['nameID'],
  labels: ['fromOne'],
  sdpLabel: ['label'],
  metadataFirst: [false],
  closed: [true],
  lineEnd: [CRLF],
  boundary: ['uniqueBoundary'],
  lines: [1, 2],
  peopleOnLine: [1],
  extraLines: [undefined],
}

/** The rows of the dialect table, and a client that does anything. */
export const DIALECT_HABITS: Readonly<Record<string, DialectHabits>> = {
  oracle: {
    ...COMMON,
    namespace: [OLD_NAMESPACE, RFC_NAMESPACE],
    idNames: ['plain', 'rfc'],
    associations: ['inline', 'element'],
    labels: ['nineDigits', 'fromOne'],
    boundary: ['unique-boundary-1', 'unique-boundary-2'],
    lines: [1, 2, 4],
  },
  audiocodes: {
    ...COMMON,
    require: [undefined, 'siprec'],
    contact: ['<sip:gw@HOST>;src', AFTER, '<sip:gw@HOST>;expires=180;src'],
    metadataType: [BARE, XML],
    namespace: [OLD_NAMESPACE, RFC_NAMESPACE, undefined],
    ids: ['uuid', 'urn'],
    idNames: ['plain', 'rfc'],
    associations: ['inline', 'element'],
    lineEnd: ['\n', CRLF],
    boundary: ['boundary_ac1fff85b', 'boundary_ac0', 'boundary_acFFFF12AB34'],
    extraLines: [undefined, 'video'],
  },
  cube: {
    ...COMMON,
    require: ['siprec', 'siprec,100rel', '100rel, siprec'],
    ids: ['base64'],
    lines: [2, 4],
    extraLines: [undefined, 'video'],
  },
  avaya: {
    ...COMMON,
    contact: [INSIDE, '<sip:HOST;transport=tcp;+sip.src>', AFTER],
    metadataType: [XML, BARE],
    ids: ['urn', 'upperUrn', 'uuid'],
    labels: ['tens', 'fromOne'],
    boundary: ['foobar'],
  },
  ribbon: {
    ...COMMON,
    namespace: [OLD_NAMESPACE, RFC_NAMESPACE],
    prefix: ['tns:', 'ns2:', ''],
    names: ['nameID', 'bareAor'],
    closed: [false, true],
    boundary: ['sonus-content-delim'],
  },
  metaswitch: {
    ...COMMON,
    contact: [INSIDE, AFTER],
    metadataType: [BARE, XML],
    namespace: [OLD_NAMESPACE, RFC_NAMESPACE],
    ids: ['uuid', 'token'],
    idNames: ['plain', 'rfc'],
    associations: ['inline', 'element'],
    boundary: ['MsTc'],
    lines: [1],
    peopleOnLine: [2, 3],
  },
  broadworks: {
    ...COMMON,
    require: [undefined],
    contact: ['<sip:HOST>;src', '<sip:HOST;transport=udp>;src'],
    root: ['recording_metadata', 'recording'],
    namespace: ['urn:ietf:params:xml:ns:siprec', 'urn:ietf:params:xml:ns:recording:1'],
    ids: ['urn', 'uuid'],
    idNames: ['plain'],
    associations: ['inlineId', 'inline'],
    names: ['aorElement', 'nameID'],
    labels: ['other', 'fromOne'],
    metadataFirst: [true, false],
    boundary: ['UniqueBroadWorksBoundary'],
    lines: [1, 2],
    peopleOnLine: [1, 2, 5],
  },
  netsapiens: {
    ...COMMON,
    require: ['siprec', undefined],
    ids: ['number', 'token'],
    associations: ['element', 'elementEach'],
    boundary: ['NSboundary'],
    lines: [2],
  },
  opensips: {
    ...COMMON,
    contact: ['<sip:HOST>', AFTER],
    associations: ['none', 'element'],
    labels: ['fromZero', 'noStreams'],
    boundary: ['OSS-unique-boundary-42'],
    lines: [2],
  },
  jambonz: {
    ...COMMON,
    closed: [false, true],
    ids: ['base64', 'uuid', 'token'],
    metadataType: [XML, BARE],
    lines: [2],
  },
  google: {
    ...COMMON,
    contact: ['<sip:HOST>', '<sip:HOST;transport=tls>'],
    ids: ['token', 'uuid'],
    labels: ['words'],
    sdpLabel: ['media_label', 'label'],
    boundary: ['ccai-boundary', 'boundary.with_all-chars:1'],
    lines: [2],
  },
  nena: { ...COMMON, lines: [2], extraLines: ['video', 'text', 'message', undefined], ids: ['token', 'base64', 'urn'] },
  procomm: {
    ...COMMON,
    require: ['siprec', undefined],
    metadataType: [BARE],
    closed: [false],
    ids: ['token'],
    labels: ['legs'],
    lines: [2],
  },
  anything: {
    ...COMMON,
    require: ['siprec', undefined, 'timer,siprec'],
    contact: [AFTER, INSIDE, '<sip:HOST>;src', '<sip:HOST>'],
    metadataType: [XML, BARE, 'Application/RS-Metadata+XML'],
    root: ['recording', 'recording_metadata', 'Recording'],
    namespace: [RFC_NAMESPACE, OLD_NAMESPACE, undefined, 'urn:example:own'],
    prefix: ['', 'tns:', 'rec:'],
    dataMode: ['complete', 'Complete', undefined],
    ids: ['base64', 'uuid', 'urn', 'upperUrn', 'token', 'number'],
    idNames: ['rfc', 'plain'],
    associations: ['element', 'elementEach', 'inline', 'inlineId'],
    names: ['nameID', 'bareAor', 'aorElement'],
    labels: ['fromOne', 'fromZero', 'tens', 'nineDigits', 'words', 'legs', 'other', 'missing'],
    sdpLabel: ['label', 'media_label'],
    metadataFirst: [false, true],
    closed: [true, false],
    lineEnd: [CRLF, '\n'],
    boundary: ['x', 'a-b_c.d:e', '=_gc0pJq0M:08jU534c0p', '----=_Part_0_1'],
    lines: [1, 2, 3, 6],
    peopleOnLine: [1, 2, 4],
    extraLines: [undefined, 'video', 'text'],
  },
}
