import { MANIFEST_FORMAT, type IncidentEntry, type ManifestBody } from '../../evidence/manifest.ts'
import { unlistedConsentEvents } from './consent-trail.ts'
import type { InterruptedRecording } from './custody.ts'
import { heldEntries } from './held-decision.ts'
import { tellStory } from './session-story.ts'

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
