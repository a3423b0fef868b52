import type { ConsentEvent } from './consent-event.ts'
import { consentState, soleParticipant } from './consent-state.ts'
import type { ManifestBody, StreamEntry } from './manifest.ts'
import { consentName, MANIFEST_NAME } from './object-names.ts'

/**
 * A recording as a vCon, for systems that know nothing of Earwitness: draft-ietf-vcon-vcon-core-03 (syntax 0.4.0), unsigned form. What consent was given or
 * taken back is an attachment of purpose `lawful_basis` (draft-howe-vcon-lawful-basis, which took the place of draft-howe-vcon-consent); the evidence itself,
 * manifest and consent events, is attached as it was signed.
 *
 * Everything in it that proves something bears a signature of its own; `signed-vcon.ts` signs all of it where the signer key has a certificate, which section 5.2 asks for.
 */
export interface VconFacts {
  readonly manifest: ManifestBody
  /** The signed manifest, as it is stored. */
  readonly manifestJws: string
  /** In order, those after the manifest included. */
  readonly events: readonly { readonly event: ConsentEvent; readonly jws: string }[]
  /** RFC 3339. */
  readonly createdAt: string
  /** As the SRC named them; undefined: nobody opened the metadata. */
  readonly people?: readonly { readonly participantId: string; readonly names: readonly string[] }[] | undefined
  /** The audio in the clear; undefined: it stays sealed, and its dialog has no content. */
  readonly audio?: { readonly mediatype: string; readonly filename: string; readonly base64url: string } | undefined
}

const JWS_TYPE = 'application/jose'
const SAMPLES_PER_SECOND = 48_000

export function vconOf(facts: VconFacts): object {
  const { manifest, manifestJws, events, createdAt } = facts
  const parties = partiesOf(facts)
  const attach = (purpose: string, start: string, content: object): object => ({
    ...{ purpose, start, party: 0, dialog: 0 },
    ...content,
  })
  const grant = grantOf(facts)
  return {
    vcon: '0.4.0',
    uuid: manifest.recordingId,
    ...(grant === undefined ? {} : { extensions: ['lawful_basis'] }),
    created_at: createdAt,
    parties,
    dialog: [dialogOf(facts)],
    attachments: [
      attach('manifest', manifest.endedAt, signedFile(MANIFEST_NAME, manifestJws)),
      ...events.map(({ event, jws }) =>
        attach('consent-event', event.at, {
          ...signedFile(consentName(event.number), jws),
          party: partyOf(event, manifest),
        }),
      ),
      ...(grant === undefined
        ? []
        : [attach('lawful_basis', createdAt, { mediatype: 'application/json', encoding: 'json', body: grant })]),
    ],
  }
}

function signedFile(filename: string, body: string): object {
  return { mediatype: JWS_TYPE, filename, encoding: 'none', body }
}

/** One of each participant, by its id; names and addresses only where somebody opened the metadata. At least one, as attachments must name one. */
function partiesOf({ manifest, people }: VconFacts): readonly object[] {
  const named = new Map((people ?? []).map(({ participantId, names }) => [participantId, names]))
  const parties = manifest.participants.map(({ participantId }) => ({
    uuid: participantId,
    ...nameOf(named.get(participantId)),
  }))
  return parties.length === 0 ? [{}] : parties
}

function nameOf(names: readonly string[] | undefined): object {
  const [first] = names ?? []
  if (first === undefined) return {}
  const address = /(sips?:[^\s)>]+)/u.exec(first)?.[1]
  const tel = /(tel:[^\s)>]+)/u.exec(first)?.[1]
  return { name: first, ...(address === undefined ? {} : { sip: address }), ...(tel === undefined ? {} : { tel }) }
}

/** One recording, with a channel for each media stream unless all were mixed. */
function dialogOf({ manifest, audio }: VconFacts): object {
  const indexOf = (participantId: string): number =>
    manifest.participants.findIndex((one) => one.participantId === participantId)
  const ofStream = ({ participantIds }: StreamEntry): readonly number[] =>
    participantIds.map(indexOf).filter((index) => index >= 0)
  const channels = manifest.streams
    .toSorted((one, other) => one.channel - other.channel)
    .map((stream) => {
      const parties = ofStream(stream)
      return parties.length === 0 ? null : parties.length === 1 ? (parties[0] ?? null) : parties
    })
  const everybody = manifest.participants.map((_participant, index) => index)
  return {
    type: 'recording',
    start: manifest.originAt ?? manifest.startedAt,
    duration: manifest.durationSamples / SAMPLES_PER_SECOND,
    parties: manifest.layout === 'separate' && channels.length > 0 ? channels : everybody,
    application: `${manifest.software.name} ${manifest.software.version}`,
    ...(audio === undefined
      ? {}
      : { mediatype: audio.mediatype, filename: audio.filename, encoding: 'base64url', body: audio.base64url }),
  }
}

/** Whose word it is: who is named, or whose media stream it was in. The first where nobody knows, as an attachment must name one; the event says what is known. */
function partyOf(event: ConsentEvent, manifest: ManifestBody): number {
  const isWord = event.type === 'answered' || event.type === 'withdrawn'
  const sender = isWord && event.streamId !== undefined ? soleParticipant(manifest, event.streamId) : undefined
  const id = ('participantId' in event ? event.participantId : undefined) ?? sender
  return Math.max(
    0,
    manifest.participants.findIndex(({ participantId }) => participantId === id),
  )
}

/** What a party granted or refused. That people were told, or need not be, is no grant: which lawful basis holds then is not for a recorder to say. */
function grantOf({ events }: VconFacts): object | undefined {
  const told = events.map(({ event }) => event)
  const state = consentState(told)
  if (state !== 'agreed' && state !== 'refused' && state !== 'withdrawn') return undefined
  const last = told.findLast(
    ({ type }) => type === 'decided' || type === 'withdrawn' || type === 'answered' || type === 'reviewed',
  )
  const rule = told.findLast(({ type }) => type === 'ruleChosen')
  return {
    lawful_basis: 'consent',
    // Until it is withdrawn.
    expiration: null,
    purpose_grants: [{ purpose: 'recording', granted: state === 'agreed', granted_at: last?.at ?? told[0]?.at }],
    proof_mechanisms: told.map(({ number, type, at }) => ({
      proof_type: 'cryptographic_signature',
      timestamp: at,
      proof_data: { attachment: consentName(number), type },
    })),
    ...(rule?.type === 'ruleChosen' ? { metadata: { rule: rule.rule, jurisdictions: rule.jurisdictions } } : {}),
  }
}
