import {
  MANIFEST_FORMAT,
  type ChunkEntry,
  type DtmfEntry,
  type IncidentEntry,
  type IndexEntry,
  type KeptEntry,
  type ManifestBody,
  type PeaksEntry,
  type SnapshotEntry,
} from '../../evidence/manifest.ts'
import { unlistedConsentEvents, type KeptConsent } from './consent-trail.ts'
import { heldEntries, type HeldFacts } from './held-decision.ts'
import type { OpenFacts } from './open-journal.ts'
import { tellStory, type StoryEvent } from './session-story.ts'
import type { ToldNews } from './told-facts.ts'

/** A recording that nobody is left to finish, as far as it is known. */
export interface InterruptedRecording extends OpenFacts, HeldFacts {
  /** When it was last known to go on. RFC 3339 */
  readonly endedAt: string
  readonly chunks: readonly ChunkEntry[]
  readonly kept: readonly KeptEntry[]
  readonly dtmf: readonly DtmfEntry[]
  readonly peaks?: PeaksEntry | undefined
  /** What came to light after it was opened. */
  readonly news?: readonly ToldNews[] | undefined
  /** What was agreed on and asked for. */
  readonly story?: readonly StoryEvent[] | undefined
  /** Its index facts are in the store already. */
  readonly index?: IndexEntry | undefined
  readonly consent?: KeptConsent | undefined
  readonly snapshots: readonly SnapshotEntry[]
  readonly incidents: readonly IncidentEntry[]
}

/** The manifest of a recording that nobody is left to finish: what was sealed, agreed on and asked for; what came on each media stream is not known. */
export function interruptedManifest(
  recording: InterruptedRecording,
  told: { readonly incident: IncidentEntry; readonly attributions: readonly { readonly participantId: string }[] },
): ManifestBody {
  const { facts, startedAt, recipient, wrappedKey, chunks, kept, dtmf, peaks, snapshots, incidents } = recording
  // One by one: a live recording knows more than a manifest may say.
  const { recordingId, rsId, tenant, src, sipCallIdSha256, layout, software } = facts
  const durationSamples = chunks.at(-1)?.toSample ?? 0
  return {
    format: MANIFEST_FORMAT,
    ...{ recordingId, rsId, tenant, src, sipCallIdSha256, layout, software },
    ...{ startedAt, recipient, wrappedKey, chunks, snapshots },
    ...heldEntries(recording, chunks),
    ...(kept.length === 0 ? {} : { kept }),
    ...(dtmf.length === 0 ? {} : { dtmf }),
    ...(peaks === undefined ? {} : { peaks }),
    endedAt: recording.endedAt,
    state: 'interrupted',
    endCause: 'interrupted',
    durationSamples,
    streams: [],
    ...tellStory(recording.story ?? [], { layout, durationSamples }),
    // As far as the metadata had said who was on a line.
    participants: [...new Set(told.attributions.map(({ participantId }) => participantId))].map((participantId) => ({
      participantId,
    })),
    incidents: [...incidents, told.incident],
    consentEvents: recording.consent?.entries ?? [],
    ...(recording.consent === undefined ? {} : unlistedConsentEvents(recording.consent)),
    clock: { status: 'unknown' },
  }
}
