import type { Finding, Verdict } from '../../../src/consent/matcher/finding.ts'
import { SPEECH_RATE } from '../../support/speech.ts'
import type { Heard } from './consent-listening.ts'
import { SNRS_DB } from './consent-trials.ts'

/** How far from its place a prompt may be found and still be it. */
const OFFSET_MAX_MS = 100
/** A prompt cut shorter than this is never heard in full. */
const FULL_SHARE_MIN = 0.8
/** Bins of the share that was played; the last is of whole prompts only. */
const SHARES = [0.7, 0.8, 0.9, 0.999, 1] as const

export interface SnrRow {
  readonly snrDb: number | undefined
  readonly trials: number
  readonly found: number
  /** Of whole prompts: how many, and how many were heard in full. */
  readonly whole: number
  readonly wholeInFull: number
}

export interface ShareRow {
  /** Share of the prompt that was played: up to this. */
  readonly upTo: number
  readonly trials: number
  readonly verdicts: Readonly<Record<Verdict | 'notFound', number>>
}

export interface Figures {
  readonly positives: number
  readonly found: number
  readonly bySnr: readonly SnrRow[]
  readonly byShare: readonly ShareRow[]
  readonly offsetMs: { readonly median: number; readonly p95: number }
  readonly cutInFull: number
  readonly negatives: number
  readonly falsePositives: number
  readonly changed: number
  readonly changedInFull: number
  readonly toldApart: { readonly right: number; readonly open: number; readonly wrong: number; readonly none: number }
}

export interface Report {
  readonly figures: Figures
  readonly lines: readonly string[]
  /** A line for each trial that went wrong. */
  readonly wrong: readonly string[]
}

/** The finding of what was played, at its place. */
function rightFinding({ trial, findings }: Heard): Finding | undefined {
  return findings.find(
    (finding) => finding.promptId === trial.played?.promptId && Math.abs(offsetMs(trial, finding)) <= OFFSET_MAX_MS,
  )
}

function offsetMs(trial: Heard['trial'], finding: Finding): number {
  return ((finding.startSample - trial.startSample) * 1_000) / SPEECH_RATE
}

export function reportOf(heard: readonly Heard[], chains: readonly string[]): Report {
  const positives = heard.filter(({ trial }) => trial.group === 'positive')
  const negatives = heard.filter(({ trial }) => trial.group === 'negative')
  const changed = heard.filter(({ trial }) => trial.group === 'changed')
  const cut = positives.filter(({ trial }) => trial.sharePlayed < FULL_SHARE_MIN)
  const offsets = positives
    .flatMap((one) => {
      const finding = rightFinding(one)
      return finding === undefined ? [] : [Math.abs(offsetMs(one.trial, finding))]
    })
    .toSorted((a, b) => a - b)
  const figures: Figures = {
    positives: positives.length,
    found: positives.filter((one) => rightFinding(one) !== undefined).length,
    bySnr: SNRS_DB.map((snrDb) =>
      snrRow(
        positives.filter(({ trial }) => trial.snrDb === snrDb),
        snrDb,
      ),
    ),
    byShare: SHARES.map((upTo, index) => shareRow(positives, SHARES[index - 1] ?? 0, upTo)),
    offsetMs: { median: at(offsets, 0.5), p95: at(offsets, 0.95) },
    cutInFull: cut.filter((one) => isInFull(one)).length,
    negatives: negatives.length,
    falsePositives: negatives.filter(({ findings }) => findings.length > 0).length,
    changed: changed.length,
    changedInFull: changed.filter((one) => isInFull(one)).length,
    toldApart: toldApart(changed),
  }
  const lines = [
    ...positiveLines(figures),
    ...groupLines('by codec', positives, ({ trial }) => chains[trial.chain] ?? ''),
    ...groupLines('by noise', positives, ({ trial }) => trial.noise),
    ...groupLines('by impairment', positives, ({ trial }) => impairmentOf(trial)),
    ...negativeLines(figures, negatives),
    ...changedLines(figures, changed),
  ]
  return { figures, lines, wrong: wrongLines(heard, chains) }
}

function isInFull({ findings }: Heard): boolean {
  return findings.some(({ verdict }) => verdict === 'heardInFull')
}

function at(sorted: readonly number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0
}

function snrRow(rows: readonly Heard[], snrDb: number | undefined): SnrRow {
  const whole = rows.filter(({ trial }) => trial.sharePlayed === 1 && !trial.isDoubleTalk)
  return {
    snrDb,
    trials: rows.length,
    found: rows.filter((one) => rightFinding(one) !== undefined).length,
    whole: whole.length,
    wholeInFull: whole.filter((one) => rightFinding(one)?.verdict === 'heardInFull').length,
  }
}

function shareRow(positives: readonly Heard[], above: number, upTo: number): ShareRow {
  const rows = positives.filter(({ trial: { sharePlayed } }) => sharePlayed > above && sharePlayed <= upTo)
  const verdicts = { heardInFull: 0, heardInPart: 0, uncertain: 0, notFound: 0 }
  for (const row of rows) verdicts[rightFinding(row)?.verdict ?? 'notFound'] += 1
  return { upTo, trials: rows.length, verdicts }
}

/** With both prompts of a pair listened for: which one was found. */
function toldApart(changed: readonly Heard[]): Figures['toldApart'] {
  const count = { right: 0, open: 0, wrong: 0, none: 0 }
  for (const { trial, withBoth } of changed) {
    const [first] = withBoth
    if (first === undefined) count.none += 1
    else if (first.ambiguousWith.some(({ isToldApart }) => !isToldApart)) count.open += 1
    else if (first.promptId === trial.played?.promptId) count.right += 1
    else count.wrong += 1
  }
  return count
}

function impairmentOf({ lossShare, speed, isDoubleTalk, sharePlayed }: Heard['trial']): string {
  if (isDoubleTalk) return 'double talk'
  if (sharePlayed < 1) return 'cut'
  if (speed !== 1) return 'speed'
  return lossShare > 0 ? 'loss' : 'none of these'
}

function percent(part: number, whole: number): string {
  return whole === 0 ? '-' : `${((100 * part) / whole).toFixed(1)} %`
}

function positiveLines(figures: Figures): string[] {
  const { positives, found, bySnr, byShare, offsetMs, cutInFull } = figures
  return [
    `found: ${found} of ${positives} (${percent(found, positives)}); offset ${offsetMs.median.toFixed(1)} ms in the median, ${offsetMs.p95.toFixed(1)} ms at 95 %`,
    `cut below 80 % and yet heard in full: ${cutInFull}`,
    '',
    'SNR dB     trials   found            whole prompts heard in full',
    ...bySnr.map(
      ({ snrDb, trials, found, whole, wholeInFull }) =>
        `${String(snrDb ?? 'clean').padEnd(8)} ${String(trials).padStart(8)}   ${String(found).padStart(4)} ${percent(found, trials).padStart(8)}   ${String(wholeInFull).padStart(6)} of ${whole} ${percent(wholeInFull, whole)}`,
    ),
    '',
    'share played   trials   in full   in part   uncertain   not found',
    ...byShare.map(
      ({ upTo, trials, verdicts }) =>
        `up to ${upTo.toFixed(1)}    ${String(trials).padStart(8)} ${[verdicts.heardInFull, verdicts.heardInPart, verdicts.uncertain, verdicts.notFound].map((count) => String(count).padStart(9)).join(' ')}`,
    ),
  ]
}

function groupLines(title: string, rows: readonly Heard[], keyOf: (row: Heard) => string): string[] {
  const groups = Map.groupBy(rows, keyOf)
  const lines = [...groups].map(([key, group]) => {
    const found = group.filter((one) => rightFinding(one) !== undefined).length
    return `  ${key.padEnd(24)} ${String(found).padStart(5)} of ${String(group.length).padStart(4)} ${percent(found, group.length).padStart(8)}`
  })
  return ['', `found ${title}`, ...lines]
}

function negativeLines({ negatives, falsePositives }: Figures, rows: readonly Heard[]): string[] {
  const kinds = Map.groupBy(rows, ({ trial }) => trial.kind)
  const lines = [...kinds].map(([kind, group]) => {
    const wrong = group.filter(({ findings }) => findings.length > 0).length
    return `  ${kind.padEnd(30)} ${String(wrong).padStart(5)} of ${group.length}`
  })
  return ['', `false positives: ${falsePositives} of ${negatives}`, ...lines]
}

function changedLines(figures: Figures, rows: readonly Heard[]): string[] {
  const { changed, changedInFull, toldApart } = figures
  const bySnr = SNRS_DB.map((snrDb) => {
    const group = rows.filter(({ trial }) => trial.snrDb === snrDb)
    return `  ${String(snrDb ?? 'clean').padEnd(8)} ${String(group.filter((one) => isInFull(one)).length).padStart(4)} of ${group.length}`
  })
  return [
    '',
    `one word changed, and yet heard in full: ${changedInFull} of ${changed} (${percent(changedInFull, changed)})`,
    ...bySnr,
    `both listened for: the right one ${toldApart.right}, left open ${toldApart.open}, the wrong one ${toldApart.wrong}, none ${toldApart.none}`,
  ]
}

function wrongLines(heard: readonly Heard[], chains: readonly string[]): string[] {
  return heard.flatMap((one) => {
    const { trial, findings } = one
    const isWrong =
      trial.group === 'positive'
        ? rightFinding(one) === undefined || (trial.sharePlayed < FULL_SHARE_MIN && isInFull(one))
        : trial.group === 'negative'
          ? findings.length > 0
          : isInFull(one)
    if (!isWrong) return []
    const told = findings.map(
      (finding) =>
        `${finding.promptId} ${finding.verdict} at ${Math.round(offsetMs(trial, finding))} ms share ${finding.shareHeard.toFixed(2)} confidence ${finding.confidence.toFixed(2)} speed ${finding.speed.toFixed(3)}`,
    )
    const seconds = ((trial.played?.lengthSamples ?? 0) / SPEECH_RATE).toFixed(1)
    return [
      `${trial.group} ${trial.kind} ${trial.played?.promptId ?? ''} ${seconds} s, ${chains[trial.chain]}, ${trial.noise} ${trial.snrDb ?? ''} dB, share ${trial.sharePlayed.toFixed(2)}, loss ${trial.lossShare.toFixed(2)}, speed ${trial.speed.toFixed(3)}, level ${trial.levelDb.toFixed(0)}${trial.isDoubleTalk ? ', double talk' : ''}: ${told.join('; ') || 'nothing'}`,
    ]
  })
}
