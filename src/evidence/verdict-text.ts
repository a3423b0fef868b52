import { custodySentences, shreddedHeadline } from './custody/custody-text.ts'
import { isShredded } from './custody/verify-custody.ts'
import { deviationSentence } from './consent-report.ts'
import { CONSENT_WORDS } from './consent-text.ts'
import { heldSentences, holdSentence, negotiatedSentences, pauseSentences, streamSentences } from './fact-text.ts'
import { GAP_CAUSES, type GapCauseName } from './manifest-shape.ts'
import type { ManifestBody, StreamEntry } from './manifest.ts'
import type { Verdict } from './verify.ts'
import { duration, plural, printable } from './words.ts'
import { KEY_NAME } from './object-names.ts'

/** Findings and streams written out one by one; the rest is counted. */
export const LINES_MAX = 100
/** Changes of protection of one media stream that are written out. */
const WAYS_MAX = 8

export const CAUSE_WORDS: Record<GapCauseName, string> = {
  lost: 'lost on the network',
  silence: 'nothing sent by the recording client',
  held: 'on hold',
  noMedia: 'no audio arriving',
  paused: 'paused on request',
  masked: 'masked because keys were pressed',
  undecoded: 'kept as it came, not decoded',
}

export const CLOCK_WORDS: Record<ManifestBody['clock']['status'], string> = {
  synchronized: 'synchronized',
  unsynchronized: 'NOT synchronized',
  unknown: 'not known to be synchronized',
}

/**
 * A verdict as plain text for a reader who is not an engineer: what was found, what was checked, by whose signature,
 * when, and what it does not say. Ends with a line break; control characters of foreign names are replaced.
 */
export function describeVerdict(verdict: Verdict): string {
  const { manifest } = verdict
  const lines = [headline(verdict), '']
  lines.push(...describeFindings(verdict))
  lines.push('What was checked', ...describeChecks(verdict), '')
  if (manifest !== undefined) {
    const trusted = verdict.signerKeyId !== undefined
    lines.push(trusted ? 'What the signed record says' : 'What the record says (not proved: no trusted signature)')
    lines.push(...describeRecord(manifest), consentSentence(verdict), '')
  }
  const decided = custodySentences(verdict.custody)
  if (decided.length > 0) lines.push('What was decided later', ...decided.map((line) => `  ${line}`), '')
  lines.push(...describeLimits(verdict))
  return `${lines.join('\n')}\n`
}

export function headline(verdict: Verdict): string {
  const id = printable(verdict.recordingId)
  if (!verdict.verified) {
    const count = verdict.findings.length + verdict.findingsDropped
    return `NOT VERIFIED: recording ${id} has ${plural(count, 'finding')}.`
  }
  const shredded = shreddedHeadline(id, verdict.custody)
  if (shredded !== undefined) return shredded
  return verdict.manifest?.state === 'interrupted'
    ? `VERIFIED, BUT INTERRUPTED: recording ${id} is unchanged; its end was cut off when it was made, and it says so.`
    : `VERIFIED: recording ${id} is complete and unchanged.`
}

function describeFindings(verdict: Verdict): string[] {
  if (verdict.findings.length === 0) return []
  const lines = verdict.findings
    .slice(0, LINES_MAX)
    .map(
      ({ code, name, sentence }) =>
        `  ${name === undefined ? '' : `${printable(name)}: `}${printable(sentence)} [${code}]`,
    )
  const more = verdict.findings.length + verdict.findingsDropped - lines.length
  if (more > 0) lines.push(`  and ${plural(more, 'more finding')}.`)
  return ['What was found', ...lines, '']
}

export function describeChecks(verdict: Verdict): string[] {
  const { counts, manifest, signerKeyId } = verdict
  if (manifest === undefined) return ['  Only the manifest: without it there is nothing to compare with.']
  const signature =
    signerKeyId === undefined
      ? '  Signature: not by any key that you trust.'
      : `  Signature: by the recorder key with fingerprint ${signerKeyId} (Ed25519), over the whole manifest.`
  if (verdict.findings.some(({ code }) => code === 'manifest-foreign')) {
    return [signature, '  The objects were not compared with it: it is the manifest of another recording.']
  }
  const lines = [
    signature,
    `  Audio: ${counts.chunksIntact} of ${plural(counts.chunks, 'chunk')} there and unchanged (SHA-256).`,
    `  Metadata: ${counts.snapshotsIntact} of ${plural(counts.snapshots, 'snapshot')} there and unchanged (SHA-256).`,
    `  Sealed key: ${keyWords(verdict)}.`,
    '  Order and time: whether chunks, gaps and running hashes follow on each other without a hole or an overlap,',
    '  and whether anything lies there that the manifest does not name.',
  ]
  if (counts.kept > 0) {
    const objects = plural(counts.kept, 'object')
    lines.splice(2, 0, `  RTP kept as it came: ${counts.keptIntact} of ${objects} there and unchanged (SHA-256).`)
  }
  if (counts.dtmf > 0) {
    const objects = plural(counts.dtmf, 'object')
    lines.splice(2, 0, `  Keys pressed: ${counts.dtmfIntact} of ${objects} there and unchanged (SHA-256).`)
  }
  if (counts.consentEvents > 0) {
    const events = plural(counts.consentEvents, 'event')
    lines.splice(
      2,
      0,
      `  Consent: ${counts.consentEventsIntact} of ${events} there, signed, in their order, and compared with what was decided.`,
    )
  }
  lines.push(
    counts.chunksOpened === undefined
      ? '  The audio was not opened: that needs a vault key or its key service, and is not needed to prove that nothing changed.'
      : `  Opened with the vault key: ${counts.chunksOpened} of ${plural(counts.chunks, 'chunk')}.`,
  )
  return lines
}

function keyWords({ counts, custody }: Verdict): string {
  if (counts.keyIntact) return 'there and unchanged'
  return isShredded(custody, KEY_NAME) ? 'destroyed, as it was decided' : 'not as it was recorded'
}

function describeRecord(manifest: ManifestBody): string[] {
  const lines = [
    `  Recorded by ${printable(manifest.software.name)} ${printable(manifest.software.version)} for tenant ` +
      `${printable(manifest.tenant)} from ${printable(manifest.src)}.`,
    `  Began ${manifest.startedAt}, ended ${manifest.endedAt} (${printable(manifest.endCause)}), by the ` +
      `recorder's clock, which was ${CLOCK_WORDS[manifest.clock.status]}.`,
    `  Length of the audio: ${duration(manifest.durationSamples)}` +
      `${manifest.originAt === undefined ? '' : `, from ${manifest.originAt}`}; ` +
      `${manifest.layout === 'separate' ? 'one channel per media stream' : 'all media streams mixed'}.`,
  ]
  for (const stream of manifest.streams.slice(0, LINES_MAX)) {
    lines.push(describeStream(stream), ...streamSentences(stream).map((sentence) => `    ${sentence}`))
    const hold = holdSentence(stream)
    if (hold !== undefined) lines.push(`    ${hold}`)
  }
  const more = manifest.streams.length - LINES_MAX
  if (more > 0) lines.push(`  and ${plural(more, 'more media stream')}.`)
  const gapSamples = manifest.streams.reduce((sum, stream) => sum + gapTotal(stream), 0)
  if (manifest.streams.length > 0)
    lines.push(`  Time without audio, all media streams together: ${duration(gapSamples)}.`)
  lines.push(...negotiatedSentences(manifest).map((sentence) => `  ${sentence}`))
  lines.push(...heldSentences(manifest).map((sentence) => `  ${sentence}`))
  lines.push(...pauseSentences(manifest).map((sentence) => `  ${sentence}`))
  for (const incident of manifest.incidents.slice(0, LINES_MAX)) {
    lines.push(`  Incident at ${incident.at}: ${printable(incident.detail)} [${printable(incident.code)}]`)
  }
  if (manifest.incidents.length === 0) lines.push('  No incident was noted.')
  else if (manifest.incidents.length > LINES_MAX) {
    lines.push(`  and ${plural(manifest.incidents.length - LINES_MAX, 'more incident')}.`)
  }
  return lines
}

/** What is proved about consent, in one line. */
export function consentSentence({ consent }: Pick<Verdict, 'consent'>): string {
  if (consent === undefined || consent.events.length === 0) return '  Nothing is proved about consent to the recording.'
  const late = consent.events.filter(({ isLate }) => isLate).length
  const later = late === 0 ? '' : `, ${late} of them after the recording was closed`
  return `  Consent: ${CONSENT_WORDS[consent.state]} (${plural(consent.events.length, 'signed event')}${later}).${deviationSentence(consent)}`
}

export function describeStream(stream: StreamEntry): string {
  const { ledger } = stream
  const causes = GAP_CAUSES.flatMap((cause) => {
    const samples = ledger.gapSamples[cause] ?? 0
    const made = cause === 'lost' ? (ledger.concealedSamples ?? 0) : 0
    const filled = made > 0 ? ` (${duration(made)} of it filled with a made-up signal)` : ''
    return samples > 0 ? [`${duration(samples)} ${CAUSE_WORDS[cause]}${filled}`] : []
  })
  const gaps = causes.length === 0 ? 'without a gap' : `gaps: ${causes.join(', ')}`
  const label = `label "${printable(stream.streamLabel)}", channel ${stream.channel + 1}`
  const name = `Media stream ${printable(stream.streamId)} (${label})`
  const silent = (ledger.silentSamples ?? 0) > 0 ? ` (${duration(ledger.silentSamples ?? 0)} of it silent)` : ''
  return `  ${name}: ${duration(ledger.audioSamples)} of audio${silent}, ${gaps}.${describeWay(stream.protection ?? [])}`
}

/** Who could have heard or changed it before it was recorded. */
function describeWay(protection: readonly string[]): string {
  if (protection.length === 0) return ''
  const ways = protection
    .slice(0, WAYS_MAX)
    .map((suite) => (suite === 'none' ? 'in clear' : `by SRTP (${printable(suite)})`))
  return ` It came ${ways.join(', then ')}.`
}

function describeLimits(verdict: Verdict): string[] {
  if (!verdict.verified)
    return ['A recording that is not verified may still be genuine in part; the list above says where it is not.']
  return [
    'What this does not say',
    '  That the recording client sent everything it heard; that the clock was right beyond what is said above; or that',
    '  nobody but the recorder had its signing key.',
  ]
}

function gapTotal(stream: StreamEntry): number {
  return GAP_CAUSES.reduce((sum, cause) => sum + (stream.ledger.gapSamples[cause] ?? 0), 0)
}
