import type { ConsentEventBody, PromptEntry, RuleCheck } from './consent-event.ts'
import type { ConsentStateName } from './consent-event-shape.ts'

/** Consent states as they stand in a sentence. */
export const CONSENT_WORDS: Record<ConsentStateName, string> = {
  agreed: 'agreed to',
  notified: 'the parties were told',
  notRequired: 'not required by the rule that was chosen',
  missing: 'MISSING',
  refused: 'REFUSED',
  withdrawn: 'WITHDRAWN',
  unknown: 'not known',
}

const MODES = {
  answer: 'before the call',
  early: 'before the call was answered',
  refer: 'before the call was passed on',
  adapter: 'by the media path',
} as const
const VERDICTS = {
  heardInFull: 'was heard in full',
  heardInPart: 'was heard in part',
  uncertain: 'may have been heard',
} as const
const HEARD = { yes: 'to its end', no: 'not to its end', unknown: 'whether to its end is not known' } as const
const WAYS = {
  dtmf: 'by a key',
  speech: 'by voice',
  api: 'to the operator',
  reInvite: 'by the signalling',
  person: 'to a person, who wrote it down after the call',
} as const

/** What happened, in plain words, without the names of people. */
export function consentEventWords(event: ConsentEventBody): string {
  const who =
    'participantId' in event && event.participantId !== undefined ? ` (participant ${event.participantId})` : ''
  switch (event.type) {
    case 'announcementPlayed':
      return `announcement ${promptWords(event.prompt)} was played ${MODES[event.mode]}, ${HEARD[event.heardToEnd]}${who}`
    case 'announcementHeard':
      return (
        `announcement ${promptWords(event.prompt)} ${VERDICTS[event.verdict]} on media stream ${event.streamId}: ` +
        `${percent(event.share)} of it, confidence ${percent(event.confidence)}`
      )
    case 'answered':
      return event.answer === 'none'
        ? `nobody answered${who}`
        : `"${event.answer}" was answered ${WAYS[event.by]}${who}${event.by === 'speech' ? ', not reviewed by a person' : ''}`
    case 'reviewed':
      return `a person listened to the answer and heard "${event.answer}"${who}`
    case 'withdrawn':
      return `consent was withdrawn ${WAYS[event.by]}${who}`
    case 'declared':
      return `the recording client declared something in its ${event.by === 'header' ? 'headers' : 'metadata'}, which is no consent`
    default:
      return decisionWords(event)
  }
}

function decisionWords(
  event: Extract<ConsentEventBody, { readonly type: 'ruleChosen' | 'decided' | 'enforced' }>,
): string {
  if (event.type === 'enforced') return `the recorder acted: ${event.action}`
  if (event.type === 'decided') {
    const because =
      event.because.length === 0 ? '' : `, because of ${event.because.map((number) => `no. ${number}`).join(', ')}`
    return `consent: ${CONSENT_WORDS[event.state]}${because}${sentences(event.explanation ?? [])}${ruleCheckWords(event.ruleCheck)}`
  }
  const law = event.reference === undefined ? '' : ` (${event.reference})`
  return `rule ${event.rule}${law} applies in ${event.jurisdictions.join(', ')}${sentences(event.explanation)}`
}

/** How a person's decision stands to the rule that was chosen. */
export function ruleCheckWords(check: RuleCheck | undefined): string {
  if (check === undefined) return ''
  const rule = `the rule that was chosen${check.rule === undefined ? '' : ` (no. ${check.rule})`}`
  if (check.outcome === 'met') return `; this is what ${rule} asks for`
  const why = check.explanation.join('; ')
  return check.outcome === 'deviates'
    ? `; THIS DEVIATES FROM ${rule}, which asks for more: ${why}`
    : `; whether this is what ${rule} asks for is not known: ${why}`
}

function sentences(explanation: readonly string[]): string {
  return explanation.length === 0 ? '' : `: ${explanation.join(' ')}`
}

function promptWords({ promptId, version, language, sha256 }: PromptEntry): string {
  const more = [version, language].filter((part) => part !== undefined)
  return `"${promptId}"${more.length === 0 ? '' : ` ${more.join(', ')}`} (SHA-256 ${sha256})`
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`
}
