import type { ConsentEvent, ConsentEventBody } from './consent-event.ts'
import type { ConsentStateName } from './consent-event-shape.ts'
import type { ManifestBody } from './manifest.ts'

type Numbered = ConsentEventBody & Pick<ConsentEvent, 'number'>
/** `at`, RFC 3339 in UTC with milliseconds, orders as text. */
type TimedEvent = Numbered & Pick<ConsentEvent, 'at'>

/**
 * The consent state of a recording, as its events have it: that of the last decision, unless somebody refused or withdrew after it. A decision that its
 * events do not support counts as none. For what a recorder has written whole it is the state that the recorder was in; a property test says so. Without events it is `unknown`. FORMAT.md 4.3
 *
 * @param events in their order, all of them
 */
export function consentState(events: readonly Numbered[]): ConsentStateName {
  let state: ConsentStateName = 'unknown'
  for (const event of events) state = nextState(state, event, events)
  return state
}

function nextState(state: ConsentStateName, event: Numbered, events: readonly Numbered[]): ConsentStateName {
  switch (event.type) {
    case 'decided':
      return isSupported(event, events) ? event.state : 'unknown'
    case 'withdrawn':
      return 'withdrawn'
    default:
      // A withdrawal is not undone by somebody's no.
      return isObjection(event) && state !== 'withdrawn' ? 'refused' : state
  }
}

/** Somebody withdrew or said no. A spoken no counts at once, as it does for who decided. */
function isObjection(event: Numbered): boolean {
  return (
    event.type === 'withdrawn' || ((event.type === 'answered' || event.type === 'reviewed') && event.answer === 'no')
  )
}

/**
 * Whether a decision is supported by the events it names: they are earlier ones of this recording, and one of them, after which nobody withdrew, is of a
 * kind from which its state follows. What takes rights from nobody (`missing`, `unknown`, `refused`) needs none.
 */
export function isSupported(
  decision: Extract<ConsentEventBody, { readonly type: 'decided' }> & { readonly number: number },
  events: readonly Numbered[],
): boolean {
  const because = decision.because.map((number) => events.find((event) => event.number === number))
  if (because.some((event) => event === undefined || event.number >= decision.number)) return false
  if (needsNone(decision.state)) return true
  const withdrawals = events.filter(({ type, number }) => type === 'withdrawn' && number < decision.number)
  const withdrawn = decision.state === 'withdrawn' ? -1 : (withdrawals.at(-1)?.number ?? -1)
  const supporting = because.filter((event) => event !== undefined && supports(decision.state, event))
  if (supporting.some((event) => event !== undefined && event.number > withdrawn)) return true
  // A rule that asks for nothing holds after a withdrawal as it did before, once somebody has said yes again.
  const isRule = decision.state === 'notRequired' && supporting.length > 0
  return isRule && because.some((event) => event !== undefined && event.number > withdrawn && isAgreement(event))
}

/** Numbers of the events from which a state follows. Of what came before a withdrawal none: see {@link isSupported}. */
export function supportingEvents(events: readonly Numbered[], state: ConsentStateName): readonly number[] {
  const withdrawn = events.findLastIndex(({ type }) => type === 'withdrawn')
  return events.filter((event, index) => index > withdrawn && supports(state, event)).map(({ number }) => number)
}

/** Whose media stream it is, when it is one participant's alone. */
export type PartyOfStream = (streamId: string) => string | undefined

/** {@link PartyOfStream} of a manifest: undefined when the stream carries several voices, or nobody knows whose. */
export function soleParticipant({ streams }: Pick<ManifestBody, 'streams'>, streamId: string): string | undefined {
  const [only, ...more] = streams.find((stream) => stream.streamId === streamId)?.participantIds ?? []
  return more.length === 0 ? only : undefined
}

/**
 * Whether an objection stands. A yes that whoever made it said after it takes it back, and so does a person's word, without saying whose, that they have listened and heard a yes. A yes of
 * nobody in particular is the caller's, at an announcer, or an operator's word: it takes back an objection of the same kind only.
 */
export function hasOpenObjection(events: readonly TimedEvent[], partyOfStream: PartyOfStream): boolean {
  return events.some((objection, index) => {
    const isTakenBack = (event: TimedEvent): boolean =>
      isAgreement(event) &&
      // What is heard is told, and so numbered, later than it was said. A person who reviews has heard both.
      (event.type === 'reviewed' || event.at >= objection.at) &&
      ((event.type === 'reviewed' && event.participantId === undefined) ||
        whoOf(event, partyOfStream) === whoOf(objection, partyOfStream))
    return isObjection(objection) && !events.slice(index + 1).some(isTakenBack)
  })
}

/** The participant, where it is known; else the stream; `''` for nobody in particular. */
function whoOf(event: Numbered, partyOfStream: PartyOfStream): string {
  const streamId = 'streamId' in event ? event.streamId : undefined
  const ofStream = streamId === undefined ? undefined : (partyOfStream(streamId) ?? `stream ${streamId}`)
  return ('participantId' in event ? event.participantId : undefined) ?? ofStream ?? ''
}

function needsNone(state: ConsentStateName): boolean {
  return state === 'missing' || state === 'unknown' || state === 'refused'
}

function supports(state: ConsentStateName, event: Numbered): boolean {
  switch (state) {
    case 'agreed':
      return isAgreement(event)
    case 'notified':
      return isNotice(event) || isAgreement(event)
    case 'notRequired':
      return event.type === 'ruleChosen'
    case 'withdrawn':
      return event.type === 'withdrawn'
    default:
      return true
  }
}

/** A spoken yes alone is never consent: a person must have listened to it. */
function isAgreement(event: Numbered): boolean {
  if (event.type === 'reviewed') return event.answer === 'yes'
  return event.type === 'answered' && event.answer === 'yes' && event.by !== 'speech'
}

function isNotice(event: Numbered): boolean {
  // From which share on a part of it counts is for the policy of the source to say.
  if (event.type === 'announcementHeard') return event.verdict !== 'uncertain'
  return event.type === 'announcementPlayed' && event.endCause === 'played' && event.heardToEnd === 'yes'
}
