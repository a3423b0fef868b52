import { consentReport } from '../consent-report.ts'
import { holdSentence, negotiatedSentences, pauseSentences, streamSentences } from '../fact-text.ts'
import { GAP_CAUSES } from '../manifest-shape.ts'
import type { ManifestBody, StreamEntry } from '../manifest.ts'
import { CAUSE_WORDS, CLOCK_WORDS, describeChecks, describeStream, headline } from '../verdict-text.ts'
import type { Verdict } from '../verify.ts'
import { duration, plural } from '../words.ts'
import { consentPart } from './consent-html.ts'
import { bullets, escapeHtml, page, paragraphs, table } from './html.ts'
import { STATEMENT_WORDS, testimonyLine } from '../ledger/ledger-text.ts'
import type { BundledTestimony } from './ledger-checks.ts'
import { INSTRUCTIONS_NAME, LIST_SIGNATURE_NAME } from './member-names.ts'

/** Findings, media streams, gaps of a stream, incidents and participants that are written out; the rest is counted. */
export const REPORT_ROWS_MAX = 200

/** Somebody who is named in the metadata, which only an identity opens. */
export interface ReportedPerson {
  readonly participantId: string
  /** As the SRC named them: names and addresses. */
  readonly names: readonly string[]
}

export interface ReportFacts {
  readonly verdict: Verdict
  /** RFC 3339. */
  readonly exportedAt: string
  readonly software: { readonly name: string; readonly version: string }
  /** The bundle holds the audio in the clear. */
  readonly opened: boolean
  /** Undefined: nobody opened the metadata. */
  readonly people: readonly ReportedPerson[] | undefined
  /** What the ledger at hand said of it; undefined when none was. */
  readonly ledger: BundledTestimony | undefined
}

/** `report.html`: what a recording is and what was found of it, for somebody who is not an engineer. FORMAT.md 1 */
export function reportHtml(facts: ReportFacts): string {
  const { verdict } = facts
  const { manifest } = verdict
  const title = `Recording ${verdict.recordingId}`
  const parts = [
    `<h1>${escapeHtml(title)}</h1>\n`,
    `<p class="verdict">${escapeHtml(headline(verdict))}</p>\n`,
    paragraphs([
      `This was found at ${facts.exportedAt} by ${facts.software.name} ${facts.software.version}, when this bundle was made. The page itself proves nothing: ` +
        'whoever relies on it should check the bundle again, as described at its end.',
      ...(facts.people === undefined || facts.people.length === 0
        ? []
        : ['This page names people. Hand it on only to those who may know who took part.']),
    ]),
    findingsPart(verdict),
    manifest === undefined ? '' : recordParts(manifest, facts),
    heading('What was checked'),
    bullets(folded(describeChecks(verdict))),
    howToPart(facts),
  ]
  return page(title, parts.join(''))
}

function heading(text: string): string {
  return `<h2>${escapeHtml(text)}</h2>\n`
}

function findingsPart({ findings, findingsDropped }: Verdict): string {
  if (findings.length === 0) return ''
  const told = findings.slice(0, REPORT_ROWS_MAX)
  const more = findings.length - told.length + findingsDropped
  const rows = told.map(({ name = 'the recording', sentence, code }) => [name, sentence, code])
  return heading('What is wrong') + table(['Where', 'What', 'Code'], rows) + rest(more, 'finding')
}

function recordParts(manifest: ManifestBody, facts: ReportFacts): string {
  const trusted = facts.verdict.signerKeyId !== undefined
  return [
    heading('Who, when, how long'),
    trusted ? '' : paragraphs(['None of this is proved: the record bears no signature of a trusted recorder.']),
    table([], recordRows(manifest)),
    peoplePart(manifest, facts.people),
    heading('Media streams'),
    manifest.streams.length === 0
      ? bulletsOr(negotiatedSentences(manifest), 'No media stream is described in the record.')
      : '',
    ...manifest.streams.slice(0, REPORT_ROWS_MAX).map(streamPart),
    rest(manifest.streams.length - REPORT_ROWS_MAX, 'media stream'),
    heading('Pauses'),
    bulletsOr(pauseSentences(manifest), 'Nobody asked for a pause, as far as the record says.'),
    heading('Times on hold'),
    bulletsOr(
      manifest.streams.map(holdSentence).filter((sentence) => sentence !== undefined),
      'No media stream was on hold.',
    ),
    heading('Consent'),
    consentPart(consentReport(facts.verdict.consent)),
    heading('Incidents'),
    incidentsPart(manifest),
    heading('What the ledger says'),
    ledgerPart(facts.ledger),
  ].join('')
}

function recordRows(manifest: ManifestBody): readonly (readonly string[])[] {
  const { startedAt, endedAt, endCause, durationSamples, originAt, clock, software } = manifest
  return [
    ['Began', `${startedAt} (the call reached the recorder)`],
    ['Ended', `${endedAt} (${endCause})`],
    ['Length of the audio', `${duration(durationSamples)}${originAt === undefined ? '' : `, from ${originAt}`}`],
    ['State', manifest.state === 'complete' ? 'complete' : 'interrupted: the recorder could not end it itself'],
    ['Clock of the recorder', CLOCK_WORDS[clock.status]],
    ['Recorded by', `${software.name} ${software.version}`],
    ['Tenant, recording client', `${manifest.tenant}, ${manifest.src}`],
    ['Channels', manifest.layout === 'separate' ? 'one for each media stream' : 'all media streams mixed'],
    ['Pieces of audio', `${manifest.chunks.length}, each sealed and listed with its fingerprint (SHA-256)`],
  ]
}

function peoplePart({ participants }: ManifestBody, people: readonly ReportedPerson[] | undefined): string {
  if (people === undefined) {
    const count = plural(participants.length, 'participant')
    return paragraphs([
      `The record knows of ${count}. Who they are stands in the sealed metadata, which was not opened for this report.`,
    ])
  }
  if (people.length === 0) return paragraphs(['The metadata names no participant.'])
  const rows = people.slice(0, REPORT_ROWS_MAX).map(({ participantId, names }) => [participantId, names.join(', ')])
  const named = table(['Participant', 'As the recording client named them'], rows)
  return `<h3>Participants</h3>\n${named}${rest(people.length - REPORT_ROWS_MAX, 'participant')}`
}

function streamPart(stream: StreamEntry): string {
  const told = stream.gaps.slice(0, REPORT_ROWS_MAX)
  const rows = told.map(({ fromSample, toSample, cause }) => [
    `${duration(fromSample)} to ${duration(toSample)}`,
    duration(toSample - fromSample),
    CAUSE_WORDS[cause],
  ])
  const gaps = rows.length === 0 ? '' : table(['Without audio from', 'Length', 'Why'], rows)
  const unlisted = stream.ledger.unlistedGapSamples
  return [
    bullets([describeStream(stream).trim(), ...streamSentences(stream)]),
    gaps,
    rest(stream.gaps.length - told.length, 'gap'),
    unlisted === 0
      ? ''
      : paragraphs([`Of another ${duration(unlisted)} of gaps the record does not say where they are.`]),
    rows.length === 0 && gapTotal(stream) === 0 ? paragraphs(['There is audio all the time.']) : '',
  ].join('')
}

function gapTotal({ ledger }: StreamEntry): number {
  return GAP_CAUSES.reduce((sum, cause) => sum + (ledger.gapSamples[cause] ?? 0), 0)
}

function incidentsPart({ incidents }: ManifestBody): string {
  if (incidents.length === 0) return paragraphs(['No incident was noted.'])
  const rows = incidents.slice(0, REPORT_ROWS_MAX).map(({ at, detail, code }) => [at, detail, code])
  return table(['When', 'What', 'Code'], rows) + rest(incidents.length - REPORT_ROWS_MAX, 'incident')
}

function ledgerPart(ledger: BundledTestimony | undefined): string {
  if (ledger === undefined) return paragraphs(['No ledger was at hand when this bundle was made.'])
  const told = ledger.statements.slice(0, REPORT_ROWS_MAX)
  const rows = told.map(({ seq, at, kind, action }) => [
    at,
    action === undefined ? STATEMENT_WORDS[kind] : `${STATEMENT_WORDS[kind]} (${action})`,
    String(seq),
  ])
  const more = rest(ledger.statements.length - told.length, 'statement')
  return (
    paragraphs([testimonyLine(ledger)]) + (rows.length === 0 ? '' : table(['When', 'What', 'Statement'], rows)) + more
  )
}

function howToPart({ opened }: ReportFacts): string {
  return [
    heading('What this does not say'),
    bullets([
      'That the recording client sent everything it heard.',
      'That the clock was right beyond what is said above.',
      'That nobody but the recorder had its signing key.',
    ]),
    heading('How to check it again'),
    paragraphs([
      `${INSTRUCTIONS_NAME}, beside this page, has the commands, for tools that have nothing to do with the recorder: unzip, age, openssl and jq. ` +
        'What they do is this. The file objects/manifest.jws lists every piece of the recording with its fingerprint, and is signed. Whoever has the public ' +
        'key of the recorder, from a source that they trust, can check the signature; then compute the fingerprints of the pieces and compare. ' +
        'One changed bit changes a fingerprint; one changed fingerprint breaks the signature.',
      `This page and all else in the bundle is listed in bundle.json, which ${LIST_SIGNATURE_NAME} signs, where whoever exported had the key of the recorder.`,
      opened
        ? 'This bundle holds the audio in the clear, in the folder opened, and the key with which the sealed pieces can be opened again to compare.'
        : 'The audio is sealed. It is heard with the key of the vault, which is not in this bundle, or by the key service that has it; nothing has to be heard to prove that nothing was changed.',
    ]),
  ].join('')
}

/** Lines of a text for terminals, those that go on in the next line put together. */
function folded(lines: readonly string[]): readonly string[] {
  const sentences: string[] = []
  for (const line of lines.map((line) => line.trim())) {
    if (/^[a-z]/.test(line) && sentences.length > 0) sentences.push(`${sentences.pop() ?? ''} ${line}`)
    else sentences.push(line)
  }
  return sentences
}

function bulletsOr(texts: readonly string[], none: string): string {
  return texts.length === 0 ? paragraphs([none]) : bullets(texts)
}

function rest(count: number, word: string): string {
  return count > 0 ? paragraphs([`And ${plural(count, `more ${word}`)}, which the manifest lists.`]) : ''
}
