import type { ConsentEvent, ConsentEventBody } from './consent-event.ts'
import { consentState, hasOpenObjection, supportingEvents, type PartyOfStream } from './consent-state.ts'
import { accepted, rejected, type Result } from '../result.ts'

/** Of the events that a decision names; the newest. */
const REASONS_MAX = 64

/** What a person has to say of the consent to a recording that is over. */
export type LaterWish =
  /** They listened to what was answered. */
  | { readonly kind: 'review'; readonly answer: 'yes' | 'no'; readonly participantId?: string }
  /** A party took its consent back. */
  | { readonly kind: 'withdraw'; readonly participantId?: string }
  /** They weighed what the events say. */
  | { readonly kind: 'decide'; readonly state: DecidableState }

/** States that a person may decide on; `refused` and `withdrawn` follow from what a party said, `notRequired` from the rule of its time. */
export const DECIDABLE_STATES = ['agreed', 'notified', 'missing'] as const
export type DecidableState = (typeof DECIDABLE_STATES)[number]

/**
 * `unsupported`: no event of the recording is of a kind from which that state follows. `objected`: somebody refused or withdrew, and has not said yes since. `unanswered`:
 * there is no answer to listen to. `alreadySo`: there is nothing to write.
 */
export type LaterReason = 'unsupported' | 'objected' | 'unanswered' | 'alreadySo'

/** Whether a wish settles what all comes to. An objection does by itself; a reviewed yes alone does not, since others may have to agree too. */
export function isDeciding(wish: LaterWish): boolean {
  return wish.kind !== 'review' || wish.answer === 'no'
}

/**
 * The events to be written, in order.
 *
 * @param events all of the recording, in order
 */
export function laterEvents(
  events: readonly ConsentEvent[],
  wish: LaterWish,
  partyOfStream: PartyOfStream,
): Result<readonly ConsentEventBody[], LaterReason> {
  if (wish.kind === 'decide') return decide(events, wish.state, partyOfStream)
  const state = consentState(events)
  const next = (events.at(-1)?.number ?? -1) + 1
  const of = wish.participantId === undefined ? {} : { participantId: wish.participantId }
  const isSame = (event: ConsentEvent | undefined): boolean =>
    event !== undefined && 'participantId' in event
      ? event.participantId === wish.participantId
      : wish.participantId === undefined
  if (wish.kind === 'withdraw') {
    if (state === 'withdrawn' && isSame(events.findLast(({ type }) => type === 'withdrawn')))
      return rejected('alreadySo')
    const withdrawn = { type: 'withdrawn', by: 'person', ...of } as const
    return accepted([withdrawn, { type: 'decided', state: 'withdrawn', because: [next] }])
  }
  if (!events.some(({ type }) => type === 'answered')) return rejected('unanswered')
  const last = events.findLast((event) => event.type !== 'decided' && event.type !== 'enforced')
  if (last?.type === 'reviewed' && last.answer === wish.answer && isSame(last)) return rejected('alreadySo')
  const reviewed = { type: 'reviewed', answer: wish.answer, ...of } as const
  // Who has withdrawn has not refused.
  if (wish.answer === 'yes' || state === 'withdrawn') return accepted([reviewed])
  return accepted([reviewed, { type: 'decided', state: 'refused', because: [next] }])
}

function decide(
  events: readonly ConsentEvent[],
  state: DecidableState,
  partyOfStream: PartyOfStream,
): Result<readonly ConsentEventBody[], LaterReason> {
  const now = consentState(events)
  // Who refused or withdrew has said more than that consent is missing.
  if (now === state || (state === 'missing' && (now === 'refused' || now === 'withdrawn'))) return rejected('alreadySo')
  if (hasOpenObjection(events, partyOfStream)) return rejected('objected')
  const because = state === 'missing' ? [] : supportingEvents(events, state)
  if (because.length === 0 && state !== 'missing') return rejected('unsupported')
  return accepted([{ type: 'decided', state, because: because.slice(-REASONS_MAX) }])
}
