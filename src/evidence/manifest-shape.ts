import { HELD_OUTCOMES } from './held-entry.ts'
import { CONSENT_EVENT_TYPES } from './consent-event-shape.ts'
import { PAUSE_REQUESTERS } from './words.ts'
import { integer, list, members, objectName, oneOf, optional, sha256, text, time, truth } from './shape-checks.ts'

/** Why a stretch of a stream has no audio. FORMAT.md 5 */
export const GAP_CAUSES = ['lost', 'silence', 'held', 'noMedia', 'paused', 'masked', 'undecoded'] as const
export type GapCauseName = (typeof GAP_CAUSES)[number]

/** Causes that a ledger need not name when there was none of it: those that came after the first release. */
const OPTIONAL_GAP_CAUSES = ['paused', 'masked', 'undecoded'] as const
export type OptionalGapCauseName = (typeof OPTIONAL_GAP_CAUSES)[number]

/** How an address is known that packets were taken from. FORMAT.md 5 */
const SOURCE_KINDS = ['sdp', 'signalling', 'authentic', 'latched'] as const
export type SourceKindName = (typeof SOURCE_KINDS)[number]

/** How the SRC asked for a pause. FORMAT.md 5 */
const PAUSE_WAYS = ['INVITE', 'UPDATE', 'INFO', 'SDP'] as const
export type PauseWayName = (typeof PAUSE_WAYS)[number]

/** What media streams are aligned by. FORMAT.md 5 */
const ALIGNMENT_BASES = ['arrival', 'reports'] as const
export type AlignmentBasisName = (typeof ALIGNMENT_BASES)[number]

/**
 * Checks the types of all members that format 1 knows; members it does not know are passed over. FORMAT.md 5
 *
 * Whether the values agree with each other and with the objects is not its business; see `manifest-checks.ts`.
 */
export function findShapeFault(value: unknown): string | undefined {
  return checkBody(value, '')
}

const checkGapSamples = members({
  ...Object.fromEntries(GAP_CAUSES.map((cause) => [cause, integer])),
  ...Object.fromEntries(OPTIONAL_GAP_CAUSES.map((cause) => [cause, optional(integer)])),
})

const checkChunk = members({
  chunkSeq: integer,
  name: objectName,
  sha256,
  sizeBytes: integer,
  fromSample: integer,
  toSample: integer,
  runningHash: sha256,
  heldSeq: optional(integer),
})

const checkKept = members({
  keptSeq: integer,
  name: objectName,
  sha256,
  sizeBytes: integer,
  streamId: text,
  channel: integer,
  fromSample: integer,
  toSample: integer,
  packets: integer,
  firstSequence: integer,
  lastSequence: integer,
  formats: list(
    members({
      fromSample: integer,
      payloadType: integer,
      encoding: text,
      clockRate: integer,
      channels: integer,
      fmtp: optional(text),
      decoded: optional(truth),
    }),
  ),
  runningHash: sha256,
  heldSeq: optional(integer),
})

const checkSources = members({ kinds: list(oneOf(...SOURCE_KINDS)), dropped: integer, moves: integer })

const checkRtcp = members({
  senderReports: integer,
  goodbyes: integer,
  discarded: integer,
  packetsSent: optional(integer),
  packetsArrived: optional(integer),
  octetsSent: optional(integer),
  octetsArrived: optional(integer),
  disagreements: integer,
  refusals: integer,
  alignedSamples: integer,
  alignedBy: optional(oneOf(...ALIGNMENT_BASES)),
})

const checkReception = members({
  ssrcs: integer,
  reportsSent: integer,
  packetsExpected: integer,
  packetsReceived: integer,
  jitterUs: integer,
  roundTripUs: optional(integer),
  lossRate: integer,
  discardRate: integer,
  burstDensity: integer,
  gapDensity: integer,
  burstMs: integer,
  gapMs: integer,
})

const checkPause = members({
  by: oneOf(...PAUSE_REQUESTERS),
  via: optional(oneOf(...PAUSE_WAYS)),
  streamId: optional(text),
  from: time,
  fromSample: integer,
  to: optional(time),
  toSample: optional(integer),
})

const checkStream = members({
  streamId: text,
  streamLabel: text,
  channel: integer,
  participantIds: list(text),
  codecs: list(text),
  sampleRate: optional(integer),
  protection: optional(list(text)),
  sources: optional(checkSources),
  rtcp: optional(checkRtcp),
  reception: optional(checkReception),
  packets: members({
    expected: optional(integer),
    received: integer,
    lost: integer,
    late: integer,
    duplicate: integer,
    discarded: integer,
    paused: optional(integer),
    comfortNoise: optional(integer),
  }),
  ledger: members({
    audioSamples: integer,
    gapSamples: checkGapSamples,
    unlistedGapSamples: integer,
    concealedSamples: optional(integer),
    silentSamples: optional(integer),
  }),
  gaps: list(members({ fromSample: integer, toSample: integer, cause: oneOf(...GAP_CAUSES) })),
})

const checkHeld = members({
  heldSeq: integer,
  recipient: text,
  wrappedKey: members({ name: objectName, sha256, sizeBytes: integer }),
  fromSample: integer,
  toSample: integer,
  outcome: oneOf(...HELD_OUTCOMES),
  decidedAt: optional(time),
  cause: optional(text),
  peaks: optional(members({ name: objectName, sha256, sizeBytes: integer })),
})

const checkSnapshot = members({
  seq: integer,
  name: objectName,
  sha256,
  sealedSha256: sha256,
  sizeBytes: integer,
  receivedAt: time,
  mediaType: optional(text),
  dataMode: optional(oneOf('complete', 'partial')),
  valid: truth,
})

const checkConsentEvent = members({
  name: objectName,
  sha256,
  sizeBytes: integer,
  number: integer,
  type: oneOf(...CONSENT_EVENT_TYPES),
  at: time,
  atSample: optional(integer),
})

const checkBody = members({
  recordingId: text,
  rsId: text,
  tenant: text,
  src: text,
  sipCallIdSha256: sha256,
  startedAt: time,
  endedAt: time,
  originAt: optional(time),
  state: oneOf('complete', 'interrupted'),
  endCause: text,
  layout: oneOf('separate', 'mixed'),
  durationSamples: integer,
  recipient: text,
  wrappedKey: members({ name: objectName, sha256, sizeBytes: integer }),
  held: optional(list(checkHeld)),
  chunks: list(checkChunk),
  kept: optional(list(checkKept)),
  dtmf: optional(
    list(members({ dtmfSeq: integer, name: objectName, sha256, sizeBytes: integer, heldSeq: optional(integer) })),
  ),
  peaks: optional(members({ name: objectName, sha256, sizeBytes: integer })),
  index: optional(members({ name: objectName, sha256, sizeBytes: integer })),
  streams: list(checkStream),
  negotiatedStreams: optional(list(members({ streamId: text, streamLabel: text, channel: integer }))),
  participants: list(members({ participantId: text, aorSha256: optional(list(sha256)) })),
  snapshots: list(checkSnapshot),
  pauses: optional(list(checkPause)),
  unlistedPauses: optional(integer),
  incidents: list(members({ code: text, at: time, atSample: optional(integer), detail: text })),
  consentEvents: list(checkConsentEvent),
  unlistedConsentEvents: optional(integer),
  software: members({ name: text, version: text }),
  clock: members({ status: oneOf('synchronized', 'unsynchronized', 'unknown'), source: optional(text) }),
})
