import { existsSync } from 'node:fs'

import { closest } from '../../config/suggest.ts'
import type { ExitCode } from '../../errors.ts'
import { CONSENT_WORDS } from '../../evidence/consent-text.ts'
import { consentState } from '../../evidence/consent-state.ts'
import { DECIDABLE_STATES, isDeciding, type LaterWish } from '../../evidence/later-consent.ts'
import type { ManifestBody } from '../../evidence/manifest.ts'
import { addLater, readConsent, type LaterReport } from '../../server/consent/later-consent.ts'
import { settleHeld, type SettledHeld } from '../../server/consent/settle-held.ts'
import { acquireDataLock } from '../../server/data-lock.ts'
import { RecordingCustody, type Trouble } from '../../server/custody/recording-custody.ts'
import { consentRecord } from '../../server/database/index-records.ts'
import type { ConsentNotedRecord } from '../../server/database/records.ts'
import { consentEntry } from '../../server/recording/consent-keeper.ts'
import { HeldKeys } from '../../server/recording/held-keys.ts'
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
export async function sayLater(context: CommandContext, action: LaterAction, id: string): Promise<ExitCode> {
  const { args, json, stdout, stderr } = context
  const wish = wishOf(context, action)
  const note = decisionNote(context)
  const config = context.config()
  const open = await openCustody(context, config)
  try {
    const custody = await RecordingCustody.find(open, id, open.tenants)
    const { manifest } = await readConsent(custody, open.keys)
    if (isAgainst(wish) && holdsAudio(manifest) && !flag(args, 'yes')) {
      await confirmFor(context, id, `What is still held of recording ${id} until consent is destroyed by this.`)
    }
    const said = await addLater({ ...open, custody, note, leave: leaveOn(config) }, wish)
    const heldKeys = new HeldKeys({ dataDir: config.dataDir })
    const held = await settleHeld(
      {
        ...{ custody, manifest: said.manifest, heldKeys },
        knownHolds: () => knownHolds(context, { ...open, recordingId: id }),
        alone: (work) => settleAlone(heldKeys.folder, work),
        stateNow: async () => consentState((await readConsent(custody, open.keys)).events.map(({ event }) => event)),
      },
      isDeciding(wish) ? said.state : undefined,
    )
    const index = await writeToIndex(context, () => Promise.resolve(indexRows(said)))
    const troubles = [...said.troubles, ...held.troubles, ...index]
    if (json) writeJson(stdout, jsonOf(id, said, held, troubles))
    else writeLines(stdout, [...linesOf(id, said, held), ...troubleLines(troubles)])
    if (!said.hasLedger) writeLines(stderr, [NO_LEDGER])
    if ((await custody.read()).state.shred !== 'none') writeLines(stderr, [SHREDDED])
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

const isAgainst = (wish: LaterWish): boolean => (wish.kind === 'decide' ? wish.state === 'missing' : isDeciding(wish))

const holdsAudio = ({ held = [] }: ManifestBody): boolean => held.some(({ outcome }) => outcome === 'pending')

/** Rows of those after the manifest, each with the state as of then: also of those that the index may have missed. */
function indexRows({ events, manifest: { recordingId } }: LaterReport): readonly ConsentNotedRecord[] {
  return events.flatMap(({ event, jws }, index) => {
    if (event.manifestSha256 === undefined) return []
    const state = consentState(events.slice(0, index + 1).map((each) => each.event))
    return [consentRecord({ recordingId, entry: consentEntry(event, jws), jws, state })]
  })
}

/** One command at a time: none may hand over what another one destroys. Where nothing was ever held there is nothing to settle, nor a folder that root should make. */
async function settleAlone<Value>(folder: string, work: () => Promise<Value>): Promise<Value> {
  if (!existsSync(folder)) return work()
  const lock = await acquireDataLock({ dataDir: folder, purpose: 'command' })
  try {
    return await work()
  } finally {
    lock.release()
  }
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

function linesOf(id: string, { added, state }: LaterReport, { outcome }: SettledHeld): readonly string[] {
  const written =
    added.length === 0
      ? 'That was written before'
      : `Written: ${added.map(({ event }) => `no. ${event.number} (${event.type})`).join(', ')}`
  return [
    `${written}. Consent to recording ${id}: ${CONSENT_WORDS[state]}.`,
    ...(outcome === 'none' ? [] : [HELD[outcome]]),
    ...(state === 'refused' || state === 'withdrawn'
      ? [`What was recorded ${outcome === 'none' ? '' : 'besides '}is still there: \`earwitness shred\` destroys it.`]
      : []),
  ]
}

function jsonOf(recordingId: string, said: LaterReport, held: SettledHeld, troubles: readonly Trouble[]): unknown {
  const added = said.added.map(({ event }) => ({ number: event.number, type: event.type, at: event.at }))
  return { recordingId, added, state: said.state, held: held.outcome, hasLedger: said.hasLedger, troubles }
}
