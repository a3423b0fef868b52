import { consentEventWords, CONSENT_WORDS, ruleCheckWords } from './consent-text.ts'
import type { ConsentTestimony, TrustedConsentEvent } from './consent-checks.ts'
import { consentName } from './object-names.ts'
import { duration, plural, printable } from './words.ts'

/** Events that are written out; the rest is counted. */
const REPORT_EVENTS_MAX = 200

/** A report about consent that a lawyer can read, in the parts of which text and page are made. */
export interface ConsentReport {
  readonly conclusion: string
  /** When, where in the audio, what, by which evidence. */
  readonly events: readonly (readonly [when: string, where: string, what: string, evidence: string])[]
  readonly more: string | undefined
  readonly howTo: readonly string[]
}

/** @param consent what a trusted key has signed; undefined: there is no manifest of the recording */
export function consentReport(consent: ConsentTestimony | undefined): ConsentReport {
  const events = consent?.events ?? []
  const told = events.slice(0, REPORT_EVENTS_MAX)
  const more = events.length - told.length + (consent?.unlisted ?? 0)
  return {
    conclusion:
      consent === undefined || events.length === 0
        ? 'No signed event says anything about consent: whether anybody was told or agreed is not known.'
        : `Consent to this recording: ${CONSENT_WORDS[consent.state]}. This follows from ${plural(events.length, 'signed event')}.${deviationSentence(consent)}`,
    events: told.map(eventRow),
    more: more === 0 ? undefined : `And ${plural(more, 'more event')}.`,
    howTo: events.length === 0 ? [] : HOW_TO,
  }
}

/** What must be known besides of the state: that who decided on it went beyond the rule. Empty where nothing is to be said; else it begins with a blank. */
export function deviationSentence({ state, events }: ConsentTestimony): string {
  const decision = events.findLast(({ event }) => event.type === 'decided')?.event
  if (decision?.type !== 'decided' || decision.state !== state || decision.ruleCheck === undefined) return ''
  const { outcome } = decision.ruleCheck
  return outcome === 'met' ? '' : ` A person decided so${ruleCheckWords(decision.ruleCheck)}.`
}

function eventRow({ event, sha256, isLate }: TrustedConsentEvent): readonly [string, string, string, string] {
  const sample = event.atSample ?? ('fromSample' in event ? event.fromSample : undefined)
  const hidden = event.personal === undefined ? '' : '; what names people in it is sealed'
  const late = isLate ? ', after the recording was closed' : ''
  return [
    event.at,
    sample === undefined ? '' : duration(sample),
    `no. ${event.number}: ${consentEventWords(event)}${late}${hidden}`,
    `${consentName(event.number)}, SHA-256 ${sha256}`,
  ]
}

const HOW_TO: readonly string[] = [
  'Each event is a file consent-NNN.jws, signed by the recorder (JWS, EdDSA). With its public key, from a source that you trust, in signer.pub.pem:',
  "IFS=. read -r head body sign < consent-000.jws; printf '%s.%s' \"$head\" \"$body\" > text; printf '%s==' \"$sign\" | tr '_-' '/+' | base64 -d > signature 2>/dev/null",
  'openssl pkeyutl -verify -rawin -pubin -inkey signer.pub.pem -in text -sigfile signature',
  "What it says: printf '%s===' \"$body\" | tr '_-' '/+' | base64 -d 2>/dev/null | jq .",
  'Its place: previousSha256 is that of the file before (sha256sum consent-000.jws); the signed manifest lists the SHA-256 of each under consentEvents, and the ledger has a statement "consent" for each.',
]

/** As plain text, ended by a line break. */
export function consentReportText(recordingId: string, report: ConsentReport): string {
  const events = report.events.flatMap(([when, where, what, evidence]) => [
    `  ${when}${where === '' ? '' : `, at ${where} of the audio`}`,
    `    ${printable(what)}`,
    `    evidence: ${evidence}`,
  ])
  return [
    `Consent to recording ${printable(recordingId)}`,
    '',
    report.conclusion,
    '',
    ...(events.length === 0 ? [] : ['What happened', ...events, '']),
    ...(report.more === undefined ? [] : [report.more, '']),
    ...(report.howTo.length === 0 ? [] : ['How to check it', ...report.howTo.map((line) => `  ${line}`), '']),
    'This is no legal advice. It proves nothing by itself: `earwitness verify` does.',
    '',
  ].join('\n')
}
