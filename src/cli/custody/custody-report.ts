import { ExitCode } from '../../errors.ts'
import type { HoldReport, StoreHold } from '../../server/custody/hold.ts'
import { endOf } from '../../server/custody/lost-holds.ts'
import type { Trouble } from '../../server/custody/recording-custody.ts'
import type { ShredReport } from '../../server/custody/shred.ts'
import { printable } from '../output.ts'

const PLACES: Readonly<Record<Trouble['place'], string>> = {
  store: 'the store',
  replica: 'the replica',
  node: 'this machine',
  ledger: 'the ledger',
  index: 'the index',
}

export const NO_LEDGER =
  'note: no ledger is on this machine, so this stands in none; the signed record beside the recording says it.'

export function troubleLines(troubles: readonly Trouble[]): readonly string[] {
  return troubles.flatMap(({ place, name, code, sentence, hint }) => [
    `NOT DONE in ${PLACES[place]}${name === undefined ? '' : `, ${printable(name)}`}: ${printable(sentence)} [${code}]`,
    `hint: ${printable(hint)}`,
  ])
}

export function exitCodeOf(troubles: readonly Trouble[]): ExitCode {
  return troubles.length === 0 ? ExitCode.done : ExitCode.partlyDone
}

/** What was destroyed, and what was not. */
export function shredLines(report: ShredReport): readonly string[] {
  const { recordingId, scope, state, destroyed, troubles } = report
  const what = scope === 'objects' ? 'key and objects' : 'key'
  const lines = destroyed.map(({ place, objects, copies, names }) => {
    const more = objects > names.length ? ` and ${objects - names.length} more` : ''
    const versions = copies > objects ? ` (${copies} versions)` : ''
    return `Destroyed in ${PLACES[place]}: ${names.map(printable).join(', ')}${more}${versions}.`
  })
  const isAsBefore = state === 'already' && lines.length === 0
  const outcome =
    state === 'partly'
      ? 'is NOT SHREDDED yet: run the same command again.'
      : isAsBefore
        ? `was shredded before (${what}), and nothing of that is left.`
        : `is shredded: no ${scope === 'objects' ? 'object' : 'sealed key'} of it was found any more.`
  return [...lines, ...troubleLines(troubles), `Recording ${recordingId} ${outcome}`]
}

export function storeHoldLine({ place, outcome, copies }: StoreHold): string {
  if (outcome === 'unsupported')
    return `note: ${PLACES[place]} has no legal holds of its own (S3 Object Lock); it keeps nothing by force.`
  const what = outcome === 'set' ? 'set on' : 'taken off'
  return `In ${PLACES[place]}: legal hold ${what} ${copies} ${copies === 1 ? 'object' : 'objects'}.`
}

export function holdLines(report: HoldReport): readonly string[] {
  const { recordingId, holds, lostHolds, storeHolds, isOpen, troubles } = report
  const isUnknown = troubles.some(({ code }) => code === 'hold-lost-unknown')
  const state =
    holds.length > 0
      ? `is held by ${holds.length} ${holds.length === 1 ? 'hold' : 'holds'}`
      : lostHolds.length === 0 && !isUnknown
        ? 'is not held any more'
        : 'is held by none whose record is there'
  const supports = storeHolds.some(({ outcome }) => outcome !== 'unsupported')
  return [
    `Recording ${recordingId} ${state}${holds.length === 0 ? '' : `: ${holds.map(({ holdId }) => holdId).join(', ')}`}.`,
    ...storeHolds.map(storeHoldLine),
    ...(lostHolds.length === 0 ? [] : [`${STILL_LOST} ${endOf(lostHolds)}`]),
    ...(isOpen && supports && holds.length > 0 ? [STILL_COMING] : []),
    ...troubleLines(troubles),
  ]
}

const STILL_LOST =
  'note: ledger or index know a hold whose record is lost, so nothing of it will be destroyed, and the stores go on holding.'

const STILL_COMING =
  'note: it is still being made. Nothing of it will be destroyed; the stores keep by force what is there now: run `earwitness hold apply` with its id when it is over.'
