import type { PauseRequester } from '../../evidence/words.ts'
import { sha256Hex } from '../../evidence/sha256.ts'
import type {
  ChunkEntry,
  DtmfEntry,
  KeptEntry,
  PeaksEntry,
  SnapshotEntry,
  WrappedKeyEntry,
} from '../../evidence/manifest.ts'
import { ManifestRoom } from '../../evidence/manifest-room.ts'
import { asRecordingId, asRsId, uuidV7, type DialogId, type StreamId } from '../../ids.ts'
import type { ConsentState } from '../../consent/words.ts'
import type { ConsentListening } from '../../recorder/consent-listener.ts'
import type { RecordingRequest } from '../../recorder/recording-request.ts'
import type { ReceivedMetadata } from '../../recorder/snapshot-keeper.ts'
import type {
  ReceptionSettings,
  RecordingFacts,
  RecordingIncident,
  SealedObject,
} from '../../recorder/recording-types.ts'
import type { AppliedSnapshot } from '../../protocol/siprec/metadata-state.ts'
import type { OfferRequest } from '../signalling/port.ts'
import { AnswerKeys } from './answer-keys.ts'
import { CommunicationFacts } from './communication-facts.ts'
import { ConsentTrail } from './consent-trail.ts'
import type { DescribedMedia } from './local-description.ts'
import type { HeldDecision } from './held-decision.ts'
import { recordingPrefix } from '../storage/layout.ts'
import type { StoryEvent } from './session-story.ts'
import type { Source } from './source-table.ts'

/** What every recording of this recorder has in common. */
export type RecordingSettings = Pick<
  RecordingFacts,
  'layout' | 'dtmf' | 'chunkUs' | 'silenceGateDbov' | 'conceals' | 'vaultRecipients' | 'software'
>

/**
 * `opening`: ports are being bound; `answered`: 200 was sent; `recording`: ACK or RTP came; `closing`: the dialog is
 * over and the worker writes what is left.
 */
export type LiveState = 'opening' | 'answered' | 'recording' | 'closing'

/** A snapshot that was handed to the worker and not sealed yet. */
export interface PendingSnapshot {
  readonly received: ReceivedMetadata
  readonly reason: string | undefined
  readonly receivedAt: string
}

/** Why the SRC should be asked for a complete snapshot: one could not be read, or not be applied. RFC 7866 9.2 */
export type SnapshotNeed = 'unreadable' | NonNullable<AppliedSnapshot['needsComplete']>

/** What we have asked an SRC for when its metadata could not be understood. RFC 7866 9.2 */
export interface SnapshotAsking {
  /** It says that it can be asked. */
  readonly isPossible: boolean
  /** It has refused once: it is not asked again. */
  isRefused: boolean
  asked: number
  lastAskedUs: number
  /** Waits for the ACK of our 200: why it is to be asked then. */
  pending: SnapshotNeed | undefined
}

/** The recording's public key, and its private half sealed to the vault. */
export interface SealedKey {
  readonly recipient: string
  readonly wrappedKey: WrappedKeyEntry
  readonly bytes: Uint8Array
}

/** What a recording session has given before it was certain that there is one. */
export type HeldBack =
  | { readonly kind: 'object'; readonly object: SealedObject }
  | { readonly kind: 'incident'; readonly incident: RecordingIncident }

/** One recording session as the main thread knows it: enough to write its manifest should its worker die. */
export interface LiveRecording {
  readonly facts: RecordingFacts
  readonly dialogId: DialogId
  readonly sipCallId: string
  readonly startedAt: string
  /** `<tenant>/YYYY/MM/DD/<recordingId>` in the object store. */
  readonly objectPrefix: string
  /** Of our SDP answers; the version grows with each (RFC 3264 8). */
  readonly sdpSessionId: string
  sdpVersion: number
  /** By which this SRC reaches us; what our descriptions say. */
  readonly mediaAddress: string
  /** Undefined until the first offer is answered, by us or by the SRC. */
  described: DescribedMedia | undefined
  /** An offer of ours waits for its answer: the first of the dialog, or a later one. */
  awaitsAnswer: 'first' | 'later' | undefined
  /** The ACK of our 200 came. */
  isConfirmed: boolean
  /** Media streams on which RTP came. */
  readonly receivedOn: Set<StreamId>
  /** Monotonic microseconds of position 0 of the audio; undefined until the media worker has said so. */
  originUs: number | undefined
  readonly pausedBy: Set<PauseRequester>
  /** Undefined where nothing is decided about it. */
  consentState: ConsentState | undefined
  /** The SRC is told of an operator's pause by a re-INVITE. */
  readonly tellPause: boolean
  /** From that metadata was read from last: a phone that forks its media changes it on a transfer. */
  from: string | undefined
  readonly asking: SnapshotAsking
  /** Of our SDP answers to secure lines. */
  readonly answerKeys: AnswerKeys
  state: LiveState
  /** Waits for the ACK or the first RTP: an INVITE that comes to nothing leaves no object behind. */
  sealedKey: SealedKey | undefined
  /** The key of what is held until consent; undefined when nothing is. */
  held: SealedKey | undefined
  heldDecision: HeldDecision | undefined
  heldPeaks: PeaksEntry | undefined
  /** In order; undefined once the recording is committed, and goes into custody as it comes. */
  heldBack: HeldBack[] | undefined
  readonly chunks: ChunkEntry[]
  readonly kept: KeptEntry[]
  readonly dtmf: DtmfEntry[]
  peaks: PeaksEntry | undefined
  /** What its manifest has left for more. */
  readonly room: ManifestRoom
  readonly snapshots: SnapshotEntry[]
  readonly pendingSnapshots: PendingSnapshot[]
  readonly incidents: RecordingIncident[]
  /** Those that its worker does not know of, as it has written its part of the manifest. */
  readonly lateIncidents: RecordingIncident[]
  /** What was agreed on and asked for, as the journal has it. */
  readonly story: StoryEvent[]
  readonly communication: CommunicationFacts
  /** What the parties were told and what they answered. */
  readonly consent: ConsentTrail
  /** Media streams that were counted as without packets. */
  readonly withoutPackets: Set<StreamId>
  /** It was counted as one-way. */
  isOneWay: boolean
  /** Settles when the manifest is stored and the database has been told. */
  readonly closed: Promise<void>
  readonly markClosed: () => void
}

/** A recording session that begins with `offer`; its two ids are made here. */
export function createLiveRecording(options: {
  readonly offer: Pick<OfferRequest, 'dialogId' | 'sipCallId' | 'header' | 'headers'>
  /** Without `offer` when the INVITE had no SDP. */
  readonly request: Pick<RecordingRequest, 'plans' | 'metadata'> & Partial<Pick<RecordingRequest, 'offer'>>
  readonly source: Pick<Source, 'name' | 'tenant' | 'tellPause' | 'dtmf' | 'dialect'>
  readonly mediaAddress?: string
  readonly canBeAsked?: boolean
  readonly settings: RecordingSettings
  readonly reception?: ReceptionSettings
  /** Audio is held until there is consent. */
  readonly isHeld?: boolean
  /** What is listened for in the audio. */
  readonly consent?: ConsentListening | undefined
  readonly openedUs: number
  readonly openedAtUnixMs: number
  readonly randomBytes: (length: number) => Uint8Array
}): LiveRecording {
  const { offer, request, source, openedUs, openedAtUnixMs, randomBytes } = options
  const { layout, chunkUs, silenceGateDbov, conceals, vaultRecipients, software } = options.settings
  const recordingId = asRecordingId(uuidV7(openedAtUnixMs, randomBytes(16)))
  let markClosed = (): void => {}
  const closed = new Promise<void>((resolve) => {
    markClosed = resolve
  })
  return {
    facts: {
      recordingId,
      rsId: asRsId(uuidV7(openedAtUnixMs, randomBytes(16))),
      tenant: source.tenant,
      src: source.name,
      sipCallIdSha256: sha256Hex(offer.sipCallId),
      dtmf: source.dtmf ?? options.settings.dtmf,
      ...{ layout, chunkUs, silenceGateDbov, conceals, openedUs, openedAtUnixMs, vaultRecipients, software },
      firstChunkUs: firstChunkUs(chunkUs, randomBytes(1)[0] ?? 0),
      ...optionalFacts(options),
    },
    ...{ dialogId: offer.dialogId, sipCallId: offer.sipCallId },
    startedAt: new Date(openedAtUnixMs).toISOString(),
    objectPrefix: recordingPrefix(source.tenant, recordingId),
    ...{ sdpSessionId: String(openedAtUnixMs), sdpVersion: 0 },
    mediaAddress: options.mediaAddress ?? '',
    described: undefined,
    awaitsAnswer: undefined,
    ...{ isConfirmed: false, originUs: undefined, receivedOn: new Set<StreamId>() },
    ...{ pausedBy: new Set(), consentState: undefined },
    tellPause: source.tellPause,
    from: undefined,
    asking: {
      isPossible: options.canBeAsked === true,
      isRefused: false,
      asked: 0,
      lastAskedUs: Number.NEGATIVE_INFINITY,
      pending: undefined,
    },
    answerKeys: new AnswerKeys(randomBytes),
    state: 'opening',
    sealedKey: undefined,
    heldBack: [],
    ...nothingSealed(recordingId),
    communication: new CommunicationFacts({
      headers: offer,
      sdp: request.offer,
      plans: request.plans,
      snapshot: request.metadata?.snapshot,
      configuredDialect: source.dialect,
    }),
    withoutPackets: new Set(),
    ...{ isOneWay: false, closed, markClosed },
  }
}

/** @param us monotonic microseconds */
export function wallClock({ facts }: LiveRecording, us: number): Date {
  return new Date(facts.openedAtUnixMs + Math.round((us - facts.openedUs) / 1_000))
}

/** The other way round. @param at RFC 3339 */
export function monotonicOf({ facts }: LiveRecording, at: string): number {
  return facts.openedUs + (Date.parse(at) - facts.openedAtUnixMs) * 1_000
}

/** From an eighth of a chunk to a whole one, so that the chunks of recordings that begin together end at all times alike. @param chance 0 to 255 */
function firstChunkUs(chunkUs: number, chance: number): number {
  return Math.round(chunkUs * (0.125 + (0.875 * chance) / 256))
}

/** How it is received, what is listened for and whether it is held, where any of it is said. */
function optionalFacts({
  reception,
  consent,
  isHeld,
}: {
  readonly reception?: ReceptionSettings
  readonly consent?: ConsentListening | undefined
  readonly isHeld?: boolean
}): Pick<RecordingFacts, 'reception' | 'consent' | 'heldUntilConsent'> {
  return {
    ...(reception === undefined ? {} : { reception }),
    ...(consent === undefined ? {} : { consent }),
    ...(isHeld === true ? { heldUntilConsent: true } : {}),
  }
}

/** What a recording has at its beginning. */
function nothingSealed(
  recordingId: string,
): Pick<
  LiveRecording,
  | 'peaks'
  | 'chunks'
  | 'kept'
  | 'dtmf'
  | 'room'
  | 'snapshots'
  | 'pendingSnapshots'
  | 'incidents'
  | 'lateIncidents'
  | 'story'
  | 'consent'
  | 'held'
  | 'heldDecision'
  | 'heldPeaks'
> {
  const lists = {
    chunks: [],
    kept: [],
    dtmf: [],
    snapshots: [],
    pendingSnapshots: [],
    incidents: [],
    lateIncidents: [],
    story: [],
  }
  const nothing = { peaks: undefined, held: undefined, heldDecision: undefined, heldPeaks: undefined }
  return { ...lists, ...nothing, room: new ManifestRoom(), consent: new ConsentTrail(recordingId) }
}
