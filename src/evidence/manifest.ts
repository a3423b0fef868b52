import { mapped, type Result } from '../result.ts'
import type { HeldEntry } from './held-entry.ts'
import type { ConsentEventType } from './consent-event.ts'
import { findShapeFault, type GapCauseName, type OptionalGapCauseName } from './manifest-shape.ts'
import {
  decodeDocument,
  readDocument,
  signDocument,
  type DocumentKind,
  type DocumentRejectReason,
  type SignedDocument,
} from './signed-document.ts'
import type { SigningKey, VerifyKey } from './signer-keys.ts'
import type { PauseEntry, ReceptionFacts, RtcpFacts, SourceFacts } from './stream-facts.ts'

/** What a manifest says. The meaning of every member is in `FORMAT.md` section 5; sample positions are at 48 kHz. */

export const MANIFEST_FORMAT = 'earwitness-manifest/1'

/** `chunk-000000.age` and so on. FORMAT.md 1 */
export interface ChunkEntry {
  /** Counts from 0 without a hole. */
  readonly chunkSeq: number
  /** Object name inside the recording's prefix. */
  readonly name: string
  /** Hex SHA-256 of the sealed object. */
  readonly sha256: string
  /** Size of the sealed object. */
  readonly sizeBytes: number
  readonly fromSample: number
  readonly toSample: number
  /** Hex; see `nextRunningHash`. */
  readonly runningHash: string
  /** Sealed to the key of this entry of `held`. Absent: to the recording's own. */
  readonly heldSeq?: number
}

/** What a payload type of kept packets meant: as SDP had it, or RFC 3551 6. */
export interface KeptFormat {
  /** Where the first packet with it stands in the object. */
  readonly fromSample: number
  readonly payloadType: number
  readonly encoding: string
  readonly clockRate: number
  readonly channels: number
  readonly fmtp?: string
  /** The packets were decoded besides: their audio is in the chunks. */
  readonly decoded?: true
}

/** `rtp-000000.age` and so on: packets of one media stream, kept as they came. FORMAT.md 3.1, 5 */
export interface KeptEntry {
  /** Counts from 0 without a hole, over all streams. */
  readonly keptSeq: number
  readonly name: string
  /** Hex SHA-256 of the sealed object. */
  readonly sha256: string
  /** Size of the sealed object. */
  readonly sizeBytes: number
  readonly streamId: string
  readonly channel: number
  readonly fromSample: number
  readonly toSample: number
  readonly packets: number
  /** RTP sequence numbers, 16 bits. */
  readonly firstSequence: number
  readonly lastSequence: number
  readonly formats: readonly KeptFormat[]
  /** Hex; see `nextRunningHash`. */
  readonly runningHash: string
  /** As of a chunk. */
  readonly heldSeq?: number
}

/** `dtmf-000.age` and so on: keys that were pressed, where the policy keeps them. FORMAT.md 4.1 */
export interface DtmfEntry {
  /** Counts from 0 without a hole. */
  readonly dtmfSeq: number
  readonly name: string
  /** Hex SHA-256 of the sealed object. */
  readonly sha256: string
  /** Size of the sealed object. */
  readonly sizeBytes: number
  /** As of a chunk. */
  readonly heldSeq?: number
}

export interface GapEntry {
  readonly fromSample: number
  readonly toSample: number
  readonly cause: GapCauseName
}

export interface StreamLedger {
  readonly audioSamples: number
  /** Causes that may be absent are 0 then. */
  readonly gapSamples: Readonly<
    Record<Exclude<GapCauseName, OptionalGapCauseName>, number> & Partial<Record<OptionalGapCauseName, number>>
  >
  /** Part of `gapSamples` that the bounded list of gaps could not name one by one. */
  readonly unlistedGapSamples: number
  /** Part of `gapSamples.lost` in which the chunks hold a signal that the recorder made up. Absent in older manifests. */
  readonly concealedSamples?: number
  /** Part of `audioSamples` in which nothing was louder than -54 dB of full scale. Absent in older manifests. */
  readonly silentSamples?: number
}

export interface PacketCounts {
  /** By the sequence numbers, RFC 3550 A.3: received, lost and paused together. Absent in older manifests. */
  readonly expected?: number
  readonly received: number
  readonly lost: number
  readonly late: number
  readonly duplicate: number
  readonly discarded: number
  /** Part of `discarded`: in time, but spoken in a pause. Absent: none. */
  readonly paused?: number
  /** Part of `received`: comfort noise, which says that silence began. Absent: none. */
  readonly comfortNoise?: number
}

export interface StreamEntry {
  readonly streamId: string
  readonly streamLabel: string
  readonly channel: number
  readonly participantIds: readonly string[]
  readonly codecs: readonly string[]
  /** Samples per second of its audio as it was encoded, at the end: it only rises. Absent in older manifests. */
  readonly sampleRate?: number
  /** How the packets that came were protected on their way: crypto suites as SDP names them, or `none`. Absent in older manifests. */
  readonly protection?: readonly string[]
  /** From where the packets came. Absent: nobody asked, or none came; and in older manifests. */
  readonly sources?: SourceFacts
  /** What the sender says of itself by RTCP. Absent: nothing; and in older manifests. */
  readonly rtcp?: RtcpFacts
  /** How the recorder heard it. Absent: no packet was taken; and in older manifests. */
  readonly reception?: ReceptionFacts
  readonly packets: PacketCounts
  readonly ledger: StreamLedger
  readonly gaps: readonly GapEntry[]
}

/** A media stream of which only that is known which SDP agreed on. */
export type NegotiatedStreamEntry = Pick<StreamEntry, 'streamId' | 'streamLabel' | 'channel'>

export interface ParticipantEntry {
  readonly participantId: string
  /** Hex SHA-256 of each AoR as it was sent: comparable, not readable. */
  readonly aorSha256?: readonly string[]
}

export interface SnapshotEntry {
  readonly seq: number
  readonly name: string
  /** Hex SHA-256 of the metadata document as it arrived. */
  readonly sha256: string
  /** Hex SHA-256 of the sealed object. */
  readonly sealedSha256: string
  /** Size of the sealed object. */
  readonly sizeBytes: number
  readonly receivedAt: string
  /** Of the document; absent for rs-metadata. */
  readonly mediaType?: string
  readonly dataMode?: 'complete' | 'partial'
  readonly valid: boolean
}

export interface IncidentEntry {
  readonly code: string
  readonly at: string
  readonly atSample?: number
  readonly detail: string
}

export interface WrappedKeyEntry {
  readonly name: string
  readonly sha256: string
  readonly sizeBytes: number
}

/** Waveform peaks of all streams. FORMAT.md 3.2 */
export interface PeaksEntry {
  readonly name: string
  /** Hex SHA-256 of the sealed object. */
  readonly sha256: string
  /** Size of the sealed object. */
  readonly sizeBytes: number
}

/** What the index knows of a recording and no other object says. FORMAT.md 4.2 */
export interface IndexEntry {
  readonly name: string
  /** Hex SHA-256 of the sealed object. */
  readonly sha256: string
  /** Size of the sealed object. */
  readonly sizeBytes: number
}

/** `consent-000.jws` and so on: what the parties were told and what they answered, signed. FORMAT.md 4.3, 5 */
export interface ConsentEventEntry {
  readonly name: string
  /** Hex SHA-256 of the object. */
  readonly sha256: string
  readonly sizeBytes: number
  /** Counts from 0 without a hole. */
  readonly number: number
  readonly type: ConsentEventType
  readonly at: string
  readonly atSample?: number
}

export interface ManifestBody {
  readonly format: typeof MANIFEST_FORMAT
  readonly recordingId: string
  readonly rsId: string
  readonly tenant: string
  /** Configured name of the SRC, or `other`. */
  readonly src: string
  readonly sipCallIdSha256: string
  readonly startedAt: string
  readonly endedAt: string
  /** Wall clock at sample 0; absent when there was no audio. */
  readonly originAt?: string
  readonly state: 'complete' | 'interrupted'
  readonly endCause: string
  readonly layout: 'separate' | 'mixed'
  readonly durationSamples: number
  /** age recipient of the recording's own key pair. */
  readonly recipient: string
  readonly wrappedKey: WrappedKeyEntry
  /** What was held until consent. Absent: nothing was. */
  readonly held?: readonly HeldEntry[]
  readonly chunks: readonly ChunkEntry[]
  /** Absent when every codec was decoded. */
  readonly kept?: readonly KeptEntry[]
  /** Absent when no key was pressed, or none is kept. */
  readonly dtmf?: readonly DtmfEntry[]
  /** Absent when nothing was recorded, and where the recorder did not come to it. */
  readonly peaks?: PeaksEntry
  /** Absent in older manifests. */
  readonly index?: IndexEntry
  readonly streams: readonly StreamEntry[]
  /** Of a recording that the recorder did not end itself. */
  readonly negotiatedStreams?: readonly NegotiatedStreamEntry[]
  readonly participants: readonly ParticipantEntry[]
  readonly snapshots: readonly SnapshotEntry[]
  /** In the order in which they began. Absent in older manifests. */
  readonly pauses?: readonly PauseEntry[]
  /** Pauses beyond those that are listed. Absent: none. */
  readonly unlistedPauses?: number
  readonly incidents: readonly IncidentEntry[]
  /** In order; those that came after the manifest are not here. FORMAT.md 4.3 */
  readonly consentEvents: readonly ConsentEventEntry[]
  /** Consent events beyond the bound, which are written nowhere. Absent: none. */
  readonly unlistedConsentEvents?: number
  readonly software: { readonly name: string; readonly version: string }
  readonly clock: { readonly status: 'synchronized' | 'unsynchronized' | 'unknown'; readonly source?: string }
}

/** Longest compact JWS that is read. FORMAT.md 5 */
export const MANIFEST_LENGTH_MAX = 32 * 1024 * 1024

export const MANIFEST_TYPE = 'earwitness-manifest+jws'

const MANIFEST: DocumentKind = {
  ...{ what: 'manifest', format: MANIFEST_FORMAT, type: MANIFEST_TYPE, lengthMax: MANIFEST_LENGTH_MAX },
  findFault: findShapeFault,
}

/** A manifest whose signature nobody has checked. */
export type UntrustedManifest = SignedDocument<ManifestBody>

/**
 * Signs a manifest as a compact JWS over its canonical JSON. The result is ASCII and has no line break at its end.
 *
 * Throws a TypeError when `body` is not of the shape of format 1 or too long: a recorder must not sign what no verifier accepts.
 */
export function signManifest(body: ManifestBody, signer: SigningKey): Promise<string> {
  return signDocument(body, MANIFEST, signer)
}

/** Reads a manifest and checks its signature against the keys that are trusted. Never throws. */
export async function readManifest(
  jws: string,
  keys: readonly VerifyKey[],
): Promise<Result<ManifestBody, DocumentRejectReason>> {
  return mapped(await readDocument<ManifestBody>(jws, MANIFEST, keys), ({ body }) => body)
}

/** Reads a manifest *without* checking its signature, for telling what is wrong with one that is not trusted. */
export function decodeManifest(jws: string): Result<UntrustedManifest, DocumentRejectReason> {
  return decodeDocument(jws, MANIFEST)
}
