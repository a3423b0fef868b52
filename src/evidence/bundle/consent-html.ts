import type { ConsentReport } from '../consent-report.ts'
import { bullets, escapeHtml, page, paragraphs, table } from './html.ts'

/** The part of a page that says what is proved about consent. */
export function consentPart({ conclusion, events, more }: ConsentReport): string {
  const rows = events.map(([when, where, what, evidence]) => [
    where === '' ? when : `${when}, at ${where} of the audio`,
    what,
    evidence,
  ])
  return [
    paragraphs([conclusion]),
    rows.length === 0 ? '' : table(['When', 'What', 'Evidence'], rows),
    more === undefined ? '' : paragraphs([more]),
  ].join('')
}

/** A page of its own. */
export function consentReportHtml(recordingId: string, report: ConsentReport, doubts: readonly string[]): string {
  const title = `Consent to recording ${recordingId}`
  const parts = [
    `<h1>${escapeHtml(title)}</h1>\n`,
    doubts.length === 0
      ? ''
      : `<p class="verdict">NOT VERIFIED: what follows holds only as far as this allows.</p>\n${bullets(doubts)}`,
    consentPart(report),
    report.howTo.length === 0 ? '' : `<h2>How to check it</h2>\n${bullets(report.howTo)}`,
    paragraphs(['This is no legal advice. It proves nothing by itself: earwitness verify does.']),
  ]
  return page(title, parts.join(''))
}
