import { closest } from '../../config/suggest.ts'
import type { ExitCode } from '../../errors.ts'
import { CONSENT_WORDS, ruleCheckWords } from '../../evidence/consent-text.ts'
import { DECIDABLE_STATES, type LaterWish } from '../../evidence/later-consent.ts'
import { policiesOf, sayLater, type SaidLater } from '../../server/consent/say-later.ts'
import type { SettledHeld } from '../../server/consent/settle-held.ts'
import type { Trouble } from '../../server/custody/recording-custody.ts'
import { flag, textOption, usageError } from '../arguments.ts'
import type { CommandContext } from '../command.ts'
import { confirmFor } from '../confirm.ts'
import { exitCodeOf, NO_LEDGER, troubleLines } from '../custody/custody-report.ts'
import { knownHolds } from '../custody/known-holds.ts'
import { decisionNote, leaveOn, openCustody, writeToIndex } from '../custody/open-custody.ts'
import { writeJson, writeLines } from '../output.ts'

export const LATER_ACTIONS = ['review', 'withdraw', 'decide'] as const
export type LaterAction = (typeof LATER_ACTIONS)[number]

/**
 * `earwitness consent review | withdraw | decide ID`: what a person has to say of the consent to a recording that is over, as signed events behind the others; what is still
 * held is then handed over or destroyed.
 */
export async function runLater(context: CommandContext, action: LaterAction, id: string): Promise<ExitCode> {
  const { args, json, stdout, stderr } = context
  const wish = wishOf(context, action)
  const note = decisionNote(context)
  const config = context.config()
  const open = await openCustody(context, config)
  try {
    const parts = {
      ...open,
      ...{ dataDir: config.dataDir, leave: leaveOn(config), policyOf: policiesOf(config) },
      knownHolds: (recordingId: string) => knownHolds(context, { ...open, recordingId }),
    }
    const confirm = (): Promise<void> =>
      flag(args, 'yes')
        ? Promise.resolve()
        : confirmFor(context, id, `What is still held of recording ${id} until consent is destroyed by this.`)
    const later = await sayLater(parts, { recordingId: id, wish, note, confirm })
    const { said, held, isShredded } = later
    const index = await writeToIndex(context, () => Promise.resolve(later.rows))
    const troubles = [...said.troubles, ...held.troubles, ...index]
    if (json) writeJson(stdout, jsonOf(id, later, troubles))
    else writeLines(stdout, [...linesOf(id, later), ...troubleLines(troubles)])
    if (!said.hasLedger) writeLines(stderr, [NO_LEDGER])
    if (isShredded) writeLines(stderr, [SHREDDED])
    return exitCodeOf(troubles)
  } finally {
    open.close()
  }
}

/** @throws EarwitnessError `usage-…` */
function wishOf({ args }: CommandContext, action: LaterAction): LaterWish {
  const participantId = textOption(args, 'party')
  const of = participantId === undefined ? {} : { participantId }
  if (action === 'withdraw') return { kind: 'withdraw', ...of }
  if (action === 'review') {
    const answer = textOption(args, 'answer')
    if (answer === 'yes' || answer === 'no') return { kind: 'review', answer, ...of }
    throw usageError('usage-invalid-value', 'review wants what was heard.', 'Add --answer yes or --answer no.')
  }
  const wanted = args.positionals[2] ?? ''
  const state = DECIDABLE_STATES.find((each) => each === wanted)
  if (state !== undefined) return { kind: 'decide', state }
  const near = closest(wanted, DECIDABLE_STATES)
  const hint = `Write one of ${DECIDABLE_STATES.join(', ')}${near === undefined ? '' : `; did you mean ${near}?`}`
  throw usageError('usage-invalid-value', 'decide wants the state that is decided on.', hint)
}

const SHREDDED =
  'note: the recording is shredded: who said this, and why, is sealed with it, and nobody can open it any more.'

const HELD: Readonly<Record<SettledHeld['outcome'], string>> = {
  none: '',
  kept: 'What was held until consent is kept: it opens with the vault key from now on.',
  destroyed: 'What was held until consent can be opened by nobody any more: its key was destroyed.',
  pending: 'What was held until consent is still held: nothing was decided about it.',
  unfinished: 'What was held until consent is not where it should be yet:',
}

function linesOf(id: string, { said, held: { outcome }, ruleCheck: check }: SaidLater): readonly string[] {
  const { added, state } = said
  const written =
    added.length === 0
      ? 'That was written before'
      : `Written: ${added.map(({ event }) => `no. ${event.number} (${event.type})`).join(', ')}`
  return [
    `${written}. Consent to recording ${id}: ${CONSENT_WORDS[state]}.`,
    ...(check === undefined ? [] : [`This was compared with the rule${ruleCheckWords(check)}.`]),
    ...(outcome === 'none' ? [] : [HELD[outcome]]),
    ...(state === 'refused' || state === 'withdrawn'
      ? [`What was recorded ${outcome === 'none' ? '' : 'besides '}is still there: \`earwitness shred\` destroys it.`]
      : []),
  ]
}

function jsonOf(recordingId: string, { said, held, ruleCheck }: SaidLater, troubles: readonly Trouble[]): unknown {
  const added = said.added.map(({ event }) => ({ number: event.number, type: event.type, at: event.at }))
  return {
    recordingId,
    added,
    state: said.state,
    ruleCheck,
    held: held.outcome,
    hasLedger: said.hasLedger,
    troubles,
  }
}
