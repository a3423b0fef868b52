import { evaluateConsent } from '../../consent/evaluate.ts'
import type { ConsentParty, ConsentPolicy } from '../../consent/policy.ts'
import type { TimedFact } from '../../consent/standing.ts'
import type { ConsentFact } from '../../consent/words.ts'
import type { ConsentEvent, RuleCheck } from '../../evidence/consent-event.ts'
import type { ManifestBody } from '../../evidence/manifest.ts'

/** Longest sentence that an event keeps. */
const TEXT_LENGTH_MAX = 240

/**
 * Whether the evidence of a recording that is over shows what the rule chosen for it asks for: by the evaluator of recordings under way, out of its signed events. What a person decides is
 * written down either way, with this.
 *
 * Who joined late counts as there from the beginning, since nothing in clear says when that was.
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
  const { number, asks, exempt = [] } = rule
  if (asks === undefined) {
    const explanation = ['the rule was written in words alone, by an earlier release']
    return { outcome: 'unknown', rule: number, explanation }
  }
  const parties = partiesOf(manifest, exempt)
  const deadlineUnixMs = Date.parse(manifest.startedAt) + policy.deadlineMs
  const findings = evaluateConsent({
    ...{ parties, policy, isOverdue: true, needs: { ...asks, isStated: true } },
    ...factsOf(events, deadlineUnixMs, parties),
  })
  if (findings.isSatisfied) return { outcome: 'met', rule: number, explanation: [] }
  return { outcome: 'deviates', rule: number, explanation: [findings.explanation.slice(0, TEXT_LENGTH_MAX)] }
}

/** As `ConsentParties` has them: who is known, and who is heard on a stream of nobody known. */
function partiesOf(
  { participants, streams }: Pick<ManifestBody, 'participants' | 'streams'>,
  exempt: readonly string[],
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
  const all = [...known, ...nameless]
  const strangers = all.filter(({ id }) => !exempt.includes(id))
  return all.map(({ id, streamIds }) => {
    const isExempt = exempt.includes(id)
    const role = !isExempt && strangers.length === 1 ? ('caller' as const) : ('other' as const)
    return { id, streamIds, role, own: isExempt ? ('agreed' as const) : ('asked' as const) }
  })
}

function factsOf(
  events: readonly ConsentEvent[],
  deadlineUnixMs: number,
  parties: readonly ConsentParty[],
): { readonly facts: readonly TimedFact[]; readonly startedAfresh: ReadonlySet<string> } {
  let facts: TimedFact[] = []
  let startedAfresh: ReadonlySet<string> = new Set()
  for (const event of events) {
    const isDiscarded = event.type === 'enforced' && event.action === 'discard'
    if (isDiscarded) {
      facts = facts.map((timed) => ({ ...timed, isGone: true }))
      startedAfresh = new Set(parties.map(({ id }) => id))
    }
    const fact = factOf(event)
    if (fact !== undefined) facts.push({ fact, isLate: Date.parse(event.at) > deadlineUnixMs })
  }
  return { facts, startedAfresh }
}

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
