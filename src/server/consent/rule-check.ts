import { evaluateConsent } from '../../consent/evaluate.ts'
import type { ConsentParty, ConsentPolicy } from '../../consent/policy.ts'
import { beganAtUs, placeFact, type TimedFact } from '../../consent/standing.ts'
import type { ConsentFact } from '../../consent/words.ts'
import type { ConsentEvent, RuleCheck } from '../../evidence/consent-event.ts'
import type { ManifestBody } from '../../evidence/manifest.ts'

/** Longest sentence that an event keeps. */
const TEXT_LENGTH_MAX = 240

type RuleChosen = Extract<ConsentEvent, { readonly type: 'ruleChosen' }>

/**
 * Whether the evidence of a recording that is over shows what the rule chosen for it asks for: by the evaluator of recordings under way, out of its signed events. What a person decides is
 * written down either way, with this.
 *
 * Where the events leave it open whether something counts it does not: `met` is said only where a recording under way would have been satisfied.
 *
 * @param policy of the source, as it is now: how late and how much of an announcement counts
 */
export function checkRule(
  events: readonly ConsentEvent[],
  manifest: Pick<ManifestBody, 'participants' | 'streams' | 'startedAt'>,
  policy: ConsentPolicy,
): RuleCheck {
  const rule = events.findLast((event) => event.type === 'ruleChosen')
  if (rule === undefined) return { outcome: 'unknown', explanation: ['no rule was chosen for this recording'] }
  const { number, asks, unlistedJoined = 0 } = rule
  if (asks === undefined) {
    const explanation = ['the rule was written in words alone, by an earlier release']
    return { outcome: 'unknown', rule: number, explanation }
  }
  const parties = partiesOf(manifest, rule)
  const deadlineUnixMs = Date.parse(manifest.startedAt) + policy.deadlineMs
  const findings = evaluateConsent({
    ...{ parties, policy, isOverdue: true, needs: { ...asks, isStated: true } },
    facts: factsOf(events, deadlineUnixMs),
    startedAfresh: startedAfresh(events, parties),
  })
  if (!findings.isSatisfied)
    return { outcome: 'deviates', rule: number, explanation: [findings.explanation.slice(0, TEXT_LENGTH_MAX)] }
  if (asks.require === 'notice' && unlistedJoined > 0) {
    const explanation = ['more parties joined later than are listed, and may not have been told']
    return { outcome: 'unknown', rule: number, explanation }
  }
  return { outcome: 'met', rule: number, explanation: [] }
}

/** As `ConsentParties` has them: who is known, and who is heard on a stream of nobody known. */
function partiesOf(
  { participants, streams }: Pick<ManifestBody, 'participants' | 'streams'>,
  { exempt = [], informed = [], joined = [] }: RuleChosen,
): readonly ConsentParty[] {
  const known = participants.map(({ participantId }) => ({
    id: participantId,
    streamIds: streams
      .filter((stream) => stream.participantIds.includes(participantId))
      .map(({ streamId }) => streamId),
  }))
  const nameless = streams
    .filter(({ participantIds }) => participantIds.length === 0)
    .map(({ streamId }) => ({ id: streamId, streamIds: [streamId] }))
  const all = [...known, ...nameless].map(
    (party) =>
      ({
        ...party,
        // `exempt` has those who are informed too, where the rule takes that for notice.
        own: informed.includes(party.id) ? 'informed' : exempt.includes(party.id) ? 'agreed' : 'asked',
        joinedAtSample: joined.find(({ id }) => id === party.id)?.joinedAtSample ?? 0,
      }) as const,
  )
  const isAlone = all.filter(({ own }) => own === 'asked').length === 1
  return all.map((party) => ({ ...party, role: isAlone && party.own === 'asked' ? 'caller' : 'other' }))
}

function factsOf(events: readonly ConsentEvent[], deadlineUnixMs: number): readonly TimedFact[] {
  const discardedAt = events.findLastIndex(isDiscard)
  const discardedUs = Date.parse(events[discardedAt]?.at ?? '') * 1_000
  return events.reduce<readonly TimedFact[]>((facts, event, index) => {
    const fact = factOf(event)
    if (fact === undefined) return facts
    const atUnixMs = Date.parse(event.at)
    const atUs = atUnixMs * 1_000
    return placeFact(facts, {
      ...{ fact, atUs, isLate: atUnixMs >= deadlineUnixMs },
      isGone: index < discardedAt || beganAtUs(fact, atUs) <= discardedUs,
    })
  }, [])
}

/**
 * Ids of those who were there when the beginning was destroyed, while the recording went on. At its end it does not: what is held is destroyed then, and nothing that
 * is said follows.
 */
function startedAfresh(events: readonly ConsentEvent[], parties: readonly ConsentParty[]): ReadonlySet<string> {
  const wentOn = events.findLastIndex(
    ({ type, manifestSha256 }) => type !== 'enforced' && type !== 'decided' && manifestSha256 === undefined,
  )
  const discardedAt = events.slice(0, Math.max(0, wentOn)).findLastIndex(isDiscard)
  if (discardedAt < 0) return new Set()
  const before = events.slice(0, discardedAt).findLast((event) => event.type === 'ruleChosen')
  const joinedBefore = new Set(before?.joined?.map(({ id }) => id))
  return new Set(
    parties.filter(({ id, joinedAtSample = 0 }) => joinedAtSample === 0 || joinedBefore.has(id)).map(({ id }) => id),
  )
}

const isDiscard = (event: ConsentEvent): boolean => event.type === 'enforced' && event.action === 'discard'

function factOf(event: ConsentEvent): ConsentFact | undefined {
  switch (event.type) {
    case 'announcementPlayed':
    case 'announcementHeard':
    case 'answered':
    case 'reviewed':
      return event
    case 'withdrawn':
      return { ...event, by: event.by === 'person' ? 'api' : event.by }
    default:
      return undefined
  }
}
