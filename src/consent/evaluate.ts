import type { ConsentNeeds } from './policy.ts'
import { type PartyStanding, type Standing, type StandingQuestion, standingOf } from './standing.ts'
import type { ConsentState } from './words.ts'

/** A call has at least so many parties; of a recording with fewer it is not known who is on it. */
const PARTIES_MIN = 2

export interface ConsentFindings {
  readonly state: ConsentState
  /** What is needed is there: recording may go on, and what was held may be kept. */
  readonly isSatisfied: boolean
  /** A sentence for people; no names, numbers or digits. */
  readonly explanation: string
}

export interface EvaluationQuestion extends StandingQuestion {
  /** The deadline has passed, or the recording has ended. */
  readonly isOverdue: boolean
}

/** What the facts amount to. The same facts, in the same order, amount to the same. */
export function evaluateConsent(question: EvaluationQuestion): ConsentFindings {
  const { needs, isOverdue } = question
  const standing = standingOf(question)
  const objected = objectionIn(standing)
  if (objected !== undefined) return objected
  const { parties } = standing
  const enough = parties.length >= PARTIES_MIN
  const asked = parties.filter(({ party }) => party.own !== 'agreed')
  const saidYes = parties.filter(({ answer }) => answer === 'yes').length
  const everybodyAgreed = enough && asked.length > 0 && asked.every(({ answer }) => answer === 'yes')
  const agreed = everybodyAgreed || (needs.require === 'agreement' && needs.parties === 'one' && saidYes > 0)
  const lacksAnnouncement = needs.require === 'agreement' && needs.recordAnnouncement && !standing.hasAnnouncement
  if (agreed && !lacksAnnouncement)
    return {
      state: 'agreed',
      isSatisfied: true,
      explanation: `${saidYes} of ${parties.length} parties said yes, all who must`,
    }
  if (needs.require === 'agreement') {
    if (enough && asked.length === 0) return nobodyToAsk('asked')
    if (agreed) return missing(standing, isOverdue, 'no announcement is in the recording')
    return missing(
      standing,
      isOverdue,
      `${asked.length - asked.filter(isYes).length} of ${parties.length} parties have not agreed`,
    )
  }
  return noticeIn(standing, needs, isOverdue)
}

const isYes = ({ answer }: PartyStanding): boolean => answer === 'yes'

function objectionIn({ parties, objection }: Standing): ConsentFindings | undefined {
  const answers = parties.map(({ answer }) => answer)
  if (objection === 'withdrawn' || answers.includes('withdrawn')) {
    return { state: 'withdrawn', isSatisfied: false, explanation: 'consent was withdrawn' }
  }
  if (objection !== 'no' && !answers.includes('no')) return undefined
  return { state: 'refused', isSatisfied: false, explanation: 'a party said no' }
}

function nobodyToAsk(what: 'asked' | 'told'): ConsentFindings {
  const explanation = `no party must be ${what}: all are the operator's own, as he declares`
  return { state: 'notRequired', isSatisfied: true, explanation }
}

function noticeIn(standing: Standing, needs: ConsentNeeds, isOverdue: boolean): ConsentFindings {
  const { parties } = standing
  const enough = parties.length >= PARTIES_MIN
  const told = parties.filter((each) => each.told).length
  const strangers = parties.filter(({ isExempt }) => !isExempt)
  const strangersTold = strangers.filter((each) => each.told).length
  const everybody = enough && told === parties.length && strangersTold > 0
  const isNotified = everybody || (needs.require === 'notice' && needs.parties === 'one' && strangersTold > 0)
  if (isNotified)
    return {
      state: 'notified',
      isSatisfied: true,
      explanation: `${told} of ${parties.length} parties know, all who must`,
    }
  if (needs.require === 'notice') {
    if (enough && strangers.length === 0) return nobodyToAsk('told')
    return missing(standing, isOverdue, `${parties.length - told} of ${parties.length} parties were not told`)
  }
  if (needs.isStated)
    return { state: 'notRequired', isSatisfied: true, explanation: 'the rule asks for nothing further' }
  return {
    state: 'unknown',
    isSatisfied: true,
    explanation: 'nothing is required here, and not all parties are known to know',
  }
}

function missing({ parties, notes }: Standing, isOverdue: boolean, lack: string): ConsentFindings {
  const lacks = parties.length < PARTIES_MIN ? [`${lack}, and who takes part is not known`] : [lack]
  const explanation = [...lacks, ...notes].join('; ')
  return { state: isOverdue ? 'missing' : 'unknown', isSatisfied: false, explanation }
}
