import { EarwitnessError } from '../../errors.ts'
import type { ConsentPolicy } from '../../consent/policy.ts'
import { ConsentChecker } from '../../evidence/consent-checks.ts'
import {
  CONSENT_EVENTS_MAX,
  decodeConsentEvent,
  signConsentEvent,
  type ConsentEventBody,
} from '../../evidence/consent-event.ts'
import { sealPersonal } from '../../evidence/consent-personal.ts'
import { consentState, soleParticipant } from '../../evidence/consent-state.ts'
import type { ConsentStateName } from '../../evidence/consent-event-shape.ts'
import type { CustodyNote } from '../../evidence/custody/custody-note.ts'
import { FindingList } from '../../evidence/findings.ts'
import { laterEvents, type LaterReason, type LaterWish } from '../../evidence/later-consent.ts'
import { readManifest, type ManifestBody } from '../../evidence/manifest.ts'
import { consentName, isConsentName, MANIFEST_NAME } from '../../evidence/object-names.ts'
import { sha256Hex } from '../../evidence/sha256.ts'
import type { StoredConsentEvent } from '../../evidence/stored-consent-events.ts'
import { uuidV7 } from '../../ids.ts'
import { troubleOf, type CustodyParts, type RecordingCustody, type Trouble } from '../custody/recording-custody.ts'
import type { ConsentRequest } from '../ledger/statement-requests.ts'
import { checkRule } from './rule-check.ts'

/** How often an event is signed again because somebody else was faster. */
const ATTEMPTS_MAX = 20

/** A recording that is over, with all that is there about consent. */
interface ConsentSoFar {
  readonly manifest: ManifestBody
  /** Hex. */
  readonly manifestSha256: string
  /** In order; all of them are trusted and whole. */
  readonly events: readonly StoredConsentEvent[]
}

export interface LaterConsentOptions extends Pick<CustodyParts, 'keys' | 'signer' | 'nowUnixMs' | 'randomBytes'> {
  readonly custody: RecordingCustody
  /** Who says so, and why: sealed with the recording. */
  readonly note: CustodyNote
  /** False when there is no ledger on this machine. */
  readonly leave: (request: ConsentRequest) => Promise<boolean>
  /** Of a source, by the name that the manifest has. */
  readonly policyOf: (src: string) => ConsentPolicy
  /** Told of each event once it is stored, with all that are there then. */
  readonly onAdded?: (added: StoredConsentEvent, events: readonly StoredConsentEvent[]) => void
}

export interface LaterReport {
  readonly manifest: ManifestBody
  readonly added: readonly StoredConsentEvent[]
  /** All of the recording, in order. */
  readonly events: readonly StoredConsentEvent[]
  /** With all of them. */
  readonly state: ConsentStateName
  readonly hasLedger: boolean
  readonly troubles: readonly Trouble[]
}

/**
 * Adds what a person has to say of the consent to a recording that is over: signed events behind those that are there, bound to its manifest. FORMAT.md 4.3
 *
 * The ledger is told of all later events, also of those that were there: told twice is told once.
 *
 * @throws EarwitnessError `consent-…` when it cannot be said, `storage-…`
 */
export async function addLater(options: LaterConsentOptions, wish: LaterWish): Promise<LaterReport> {
  const { custody, keys } = options
  const added: StoredConsentEvent[] = []
  let soFar = await readConsent(custody, keys)
  refuseUnknownParty(wish, soFar.manifest)
  for (let attempt = 1; ; attempt += 1) {
    const bodies = laterEvents(
      soFar.events.map(({ event }) => event),
      wish,
      (streamId) => soleParticipant(soFar.manifest, streamId),
    )
    if (!bodies.ok && bodies.reason !== 'alreadySo') throw refusalOf(bodies.reason)
    const wanted = bodies.ok ? bodies.value.map((body) => checked(body, soFar, options.policyOf)) : []
    if (soFar.events.length + wanted.length > CONSENT_EVENTS_MAX) throw full()
    try {
      for (const body of wanted) {
        const one = await append(options, soFar, body)
        added.push(one)
        soFar = { ...soFar, events: [...soFar.events, one] }
        options.onAdded?.(one, soFar.events)
      }
      break
    } catch (error) {
      const isTaken = error instanceof EarwitnessError && error.code === 'storage-conflict'
      if (!isTaken || attempt >= ATTEMPTS_MAX) throw error
      // Somebody else was faster: what is said now may be something else.
      soFar = await readConsent(custody, keys)
    }
  }
  // All of them, in their order: a command that died left some untold, and two at once may have told theirs in the wrong one.
  const later = soFar.events.filter(({ event }) => event.manifestSha256 !== undefined)
  const ledger = await tellLedger(options, later, new Set(added))
  const troubles = [...ledger.troubles, ...(await custody.spread(isConsentName))]
  const state = consentState(soFar.events.map(({ event }) => event))
  return { manifest: soFar.manifest, added, events: soFar.events, state, hasLedger: ledger.hasLedger, troubles }
}

/** What is decided says how it stands to the rule that was chosen. `missing`, `refused` and `withdrawn` claim nothing. */
function checked(
  body: ConsentEventBody,
  { manifest, events }: ConsentSoFar,
  policyOf: LaterConsentOptions['policyOf'],
): ConsentEventBody {
  if (body.type !== 'decided' || (body.state !== 'agreed' && body.state !== 'notified')) return body
  const soFar = events.map(({ event }) => event)
  return { ...body, ruleCheck: checkRule(soFar, manifest, policyOf(manifest.src)) }
}

async function tellLedger(
  { leave, note, nowUnixMs, randomBytes }: LaterConsentOptions,
  told: readonly StoredConsentEvent[],
  added: ReadonlySet<StoredConsentEvent>,
): Promise<{ readonly hasLedger: boolean; readonly troubles: readonly Trouble[] }> {
  try {
    for (const [index, one] of told.entries()) {
      const { recordingId, type, number, at } = one.event
      // In their order: requests are taken in that of their ids.
      const requestId = uuidV7(nowUnixMs() + index, randomBytes(16))
      const request = { requestId, recordingId, at, by: note.by, type, number, evidenceSha256: sha256Hex(one.jws) }
      if (!(await leave({ ...request, kind: 'consent', isNew: added.has(one) })))
        return { hasLedger: false, troubles: [] }
    }
    return { hasLedger: true, troubles: [] }
  } catch (error) {
    const hint = 'Run the same command again, as the user of the recorder or as root.'
    return { hasLedger: true, troubles: [{ ...troubleOf('ledger', error), code: 'ledger-request-failed', hint }] }
  }
}

/** @throws EarwitnessError `consent-unknown-party`: free text must not get into what is signed, in clear, for ever */
function refuseUnknownParty(wish: LaterWish, { participants }: ManifestBody): void {
  if (wish.kind === 'decide' || wish.participantId === undefined) return
  const ids = participants.map(({ participantId }) => participantId)
  if (ids.includes(wish.participantId)) return
  throw new EarwitnessError(
    'consent-unknown-party',
    'No participant of this recording has that id.',
    ids.length === 0 ? 'The recording names none: leave --party out.' : `Write one of ${ids.slice(0, 8).join(', ')}.`,
  )
}

/** @throws EarwitnessError `consent-recording-open`, `consent-damaged` */
export async function readConsent(custody: RecordingCustody, keys: LaterConsentOptions['keys']): Promise<ConsentSoFar> {
  const signed = await custody.manifest()
  if (signed === undefined) {
    throw new EarwitnessError(
      'consent-recording-open',
      'This recording has no manifest yet: it is being made, or was not closed.',
      'While it runs, use POST /api/v1/recording-sessions/{rsId}/consent; after a crash, start the recorder once.',
    )
  }
  const manifest = await readManifest(new TextDecoder('latin1').decode(signed), keys)
  if (!manifest.ok) throw damaged(`${MANIFEST_NAME} [${manifest.reason}]`)
  const body = manifest.value
  const findings = new FindingList()
  const manifestSha256 = sha256Hex(signed)
  const checker = new ConsentChecker({ body, keys, findings, manifestSha256 })
  const texts = new Map<string, string>()
  const read = async (name: string): Promise<Uint8Array | undefined> => {
    const bytes = await custody.get(name)
    if (bytes !== undefined) texts.set(name, new TextDecoder('latin1').decode(bytes))
    return bytes
  }
  for (const entry of body.consentEvents) {
    const bytes = await read(entry.name)
    if (bytes === undefined || sha256Hex(bytes) !== entry.sha256) throw damaged(entry.name)
    await checker.take(entry, bytes)
  }
  const named = new Set(body.consentEvents.map(({ name }) => name))
  const later = (await custody.names()).filter((name) => isConsentName(name) && !named.has(name))
  await checker.takeLate(later, read)
  const stored = checker
    .finish()
    .events.map(({ event }) => ({ event, jws: texts.get(consentName(event.number)) ?? '' }))
  const [first] = findings.findings
  if (first !== undefined) throw damaged(`${first.name ?? ''} ${first.sentence} [${first.code}]`)
  return { manifest: body, manifestSha256, events: stored }
}

async function append(
  { custody, note, signer, nowUnixMs, randomBytes }: LaterConsentOptions,
  { manifest, manifestSha256, events }: ConsentSoFar,
  body: ConsentEventBody,
): Promise<StoredConsentEvent> {
  const { recordingId, recipient } = manifest
  const last = events.at(-1)
  const number = (last?.event.number ?? -1) + 1
  const personal = sealPersonal({ by: note.by, value: note.reason }, recipient, randomBytes)
  const place = {
    ...{ recordingId, number, at: new Date(nowUnixMs()).toISOString(), manifestSha256 },
    clock: { status: 'unknown' } as const,
    ...(last === undefined ? {} : { previousSha256: sha256Hex(last.jws) }),
  }
  const jws = await signConsentEvent({ ...body, personal }, place, signer)
  const decoded = decodeConsentEvent(jws)
  if (!decoded.ok) throw new TypeError(`a consent event that was just signed cannot be read: ${decoded.reason}`)
  await custody.put(consentName(number), new TextEncoder().encode(jws))
  return { event: decoded.value.event, jws }
}

function damaged(what: string): EarwitnessError {
  return new EarwitnessError(
    'consent-damaged',
    `What this recording says about consent cannot be believed: ${what}`,
    'Nothing was written. Run `earwitness verify` on it; if another recorder made it, give its public key too: --key signer.pub.pem. `earwitness shred` destroys it in any case.',
  )
}

function full(): EarwitnessError {
  return new EarwitnessError(
    'consent-full',
    `There are ${CONSENT_EVENTS_MAX} consent events of this recording already, and no more can be kept.`,
    'Nothing was written. `earwitness consent report` with its id shows them.',
  )
}

function refusalOf(reason: Exclude<LaterReason, 'alreadySo'>): EarwitnessError {
  if (reason === 'objected') {
    return new EarwitnessError(
      'consent-objected',
      'Somebody refused this recording or withdrew, and has not said yes since.',
      'When that party has said yes since, and you have heard it: earwitness consent review ID --answer yes, with --party PARTICIPANT where only one of several said so, then decide.',
    )
  }
  if (reason === 'unanswered') {
    return new EarwitnessError(
      'consent-unanswered',
      'Nobody answered in this recording: there is nothing to listen to.',
      '`earwitness consent report` with its id shows what there is.',
    )
  }
  return new EarwitnessError(
    'consent-unsupported',
    'No event of this recording supports that state.',
    'It needs an answer or an announcement. Who has listened to a spoken yes: earwitness consent review ID --answer yes.',
  )
}
