import type { RotationOutcome, RotationSummary } from '../server/vault/rotation-run.ts'
import type { LookedAt } from '../server/storage/recording-walk.ts'
import { printable } from './output.ts'

const WORDS: Readonly<Record<RotationOutcome, string>> = {
  rotated: 'sealed to the new vault, and the key before destroyed',
  already: 'sealed to the new vault before',
  noKey: 'without a key: shredded, or it was taken away; `earwitness verify` tells which',
  shredded:
    'whose destruction was ordered, with a key that was still there: see below; `earwitness shred` finishes what was begun',
  running: 'still being made, or not in the store yet: run this again when they are over and stored',
  notOpened: 'not opened by the key that was given: they are of another vault, or of a part of the new one, or damaged',
  keyWrong: 'with the key of another recording: run `earwitness verify`',
  notProven: 'whose new key could not be proven; the old one was left',
  oldKept:
    'sealed to the new vault, but the store keeps the key before, as Object Lock does; run this again when its retention is over',
  unsaid: 'with both keys: the recorder has not said so in its ledger; start it and run this again',
  heldKey:
    'with a key of audio held until consent, which is not sealed anew: the OLD vault key is still needed for it, so keep it; their own key was dealt with',
  held: 'on legal hold: sealed to the new vault, and the key before kept; run this again when the hold is released',
  failed:
    'for which a store did not do its work, or about which something was decided that cannot be believed: see below, and run this again',
}

/** @param lookedAt undefined when recordings were chosen by their ids */
export function rotationLines(summary: RotationSummary, lookedAt: LookedAt | undefined): readonly string[] {
  const { counts, left, leftDropped, isDryRun, isCut } = summary
  const lines: string[] = []
  for (const [outcome, count] of Object.entries(counts)) {
    if (count === 0) continue
    const words =
      isDryRun && outcome === 'rotated' ? 'would be sealed to the new vault' : WORDS[outcome as RotationOutcome]
    lines.push(`${count} ${words}.`)
  }
  if (lines.length === 0) lines.push('There is no recording.')
  lines.push(...left.map(leftLine))
  if (leftDropped > 0) lines.push(`  and ${leftDropped} more`)
  const hints = new Set(left.flatMap(({ code, hint }) => (hint === undefined ? [] : [`hint [${code}]: ${hint}`])))
  lines.push(...[...hints].map(printable))
  lines.push(lookedAt === undefined ? ONLY_NAMED : lookedAtLine(lookedAt))
  if (isCut) lines.push('Stopped before the end; run it again to go on.')
  return lines
}

const ONLY_NAMED =
  'Looked only at what was named: this says nothing of other recordings, for which the old vault key may be needed.'

function leftLine({
  recordingId,
  outcome,
  code,
  sentence,
  keysLeft,
  keysDestroyed,
}: RotationSummary['left'][number]): string {
  const parts = [`  ${recordingId} ${outcome}`]
  if (code !== undefined) parts.push(` [${code}]`)
  if (sentence !== undefined) parts.push(` ${sentence}`)
  if (keysDestroyed !== undefined && keysDestroyed.length > 0)
    parts.push(`, taken away now: ${keysDestroyed.join(', ')}`)
  if (keysLeft !== undefined && keysLeft.length > 0) parts.push(`, still there: ${keysLeft.join(', ')}`)
  return printable(parts.join(''))
}

function lookedAtLine({ isAll, tenants, days, firstDay, lastDay }: LookedAt): string {
  const span =
    days === 0 ? 'no day' : days === 1 ? `1 day (${firstDay})` : `${days} days from ${firstDay} to ${lastDay}`
  const whose =
    tenants.length === 0 ? 'no tenant' : `${tenants.length === 1 ? 'tenant' : 'tenants'} ${tenants.join(', ')}`
  const rest = isAll
    ? ''
    : ' This is a part of the store: of the rest nothing is said, and the old vault key may be needed for it.'
  return `Looked at ${whose}: ${span} of which a store has something.${rest}`
}
