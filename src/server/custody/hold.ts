import { EarwitnessError } from '../../errors.ts'
import type { CustodyState, StoredRecord } from '../../evidence/custody/custody-chain.ts'
import { NOT_TOLD, type CustodyNote } from '../../evidence/custody/custody-note.ts'
import { MANIFEST_NAME } from '../../evidence/object-names.ts'
import { uuidV7 } from '../../ids.ts'
import type { CustodyRequest } from '../ledger/custody-requests.ts'
import { inParallel } from '../in-parallel.ts'
import { lostHolds, type KnownHold } from './lost-holds.ts'
import { troubleOf, type CustodyParts, type Decided, type RecordingCustody, type Trouble } from './recording-custody.ts'

/** Copies whose legal holds are set beside each other. */
const HELD_AT_ONCE = 8
/** How often the stores are told again, because somebody else decided meanwhile. */
const SETTLE_ROUNDS_MAX = 20

/** What became of the legal holds of the stores themselves (S3 Object Lock). */
export interface StoreHold {
  readonly place: 'store' | 'replica'
  /** `unsupported`: the folder, or the bucket, has none. */
  readonly outcome: 'set' | 'takenOff' | 'unsupported'
  /** Versions of objects. */
  readonly copies: number
}

export interface HoldReport {
  readonly recordingId: string
  readonly holdIds: readonly string[]
  /** `recordId` of what was decided now. */
  readonly decided: readonly string[]
  /** Open holds afterwards. */
  readonly holds: CustodyState['holds']
  /** Where none is open: those whose record is lost, and that hold all the same. */
  readonly lostHolds: readonly KnownHold[]
  readonly storeHolds: readonly StoreHold[]
  /** The recording has no manifest yet: objects are still to come. */
  readonly isOpen: boolean
  readonly hasLedger: boolean
  readonly troubles: readonly Trouble[]
}

export interface HoldOptions {
  readonly custody: RecordingCustody
  readonly note: CustodyNote
  readonly leave: (request: CustodyRequest) => Promise<boolean>
  /** Asked before the stores are let go. */
  readonly knownHolds: () => Promise<readonly KnownHold[]>
}

/** Adds a hold. A recording that is still being made may be held: nothing of it is destroyed, and `applyHolds` tells the stores of what came later. */
export async function addHold(
  options: HoldOptions & Pick<CustodyParts, 'nowUnixMs' | 'randomBytes'>,
): Promise<HoldReport> {
  const holdId = uuidV7(options.nowUnixMs(), options.randomBytes(16))
  const decided = await options.custody.decide((state) => {
    if (state.shred !== 'none') throw destroyed(state)
    return { kind: 'holdAdded', holdId }
  }, options.note)
  return finish(options, [decided], [holdId])
}

/** Ends holds. @param options.which the id of one, `only` or `all` */
export async function releaseHolds(options: HoldOptions & { readonly which: string }): Promise<HoldReport> {
  const { custody, note, which } = options
  const { state } = await custody.read()
  const wanted = chooseHolds(state, which)
  const decided: Decided[] = []
  for (const holdId of wanted) {
    decided.push(
      await custody.decide((now) => {
        if (!now.holds.some((hold) => hold.holdId === holdId)) throw noHold()
        return { kind: 'holdReleased', holdId }
      }, note),
    )
  }
  return finish(options, decided, wanted)
}

/**
 * Ends a hold of which only ledger or index still know, as its record is lost: with a record that says so. Where it knows of several records of that id, each is named.
 *
 * @throws EarwitnessError `hold-not-lost`, `hold-not-found`
 */
export async function releaseLostHold(options: HoldOptions & { readonly holdId: string }): Promise<HoldReport> {
  const { custody, note, holdId } = options
  const known = await options.knownHolds()
  const lostIn = (records: readonly StoredRecord[]): readonly string[] => {
    if (records.some(({ record }) => record.kind === 'holdAdded' && record.holdId === holdId)) throw notLost()
    const lost = lostHolds(known, records).filter((hold) => hold.holdId === holdId)
    return [...new Set(lost.flatMap(({ recordSha256 }) => recordSha256 ?? []))]
  }
  const wanted = lostIn((await custody.read()).records)
  if (wanted.length === 0) throw noHold()
  const decided: Decided[] = []
  for (const lostSha256 of wanted) {
    decided.push(
      await custody.decide((state, records) => {
        if (state.shred !== 'none') throw destroyed(state)
        if (!lostIn(records).includes(lostSha256)) throw noHold()
        return { kind: 'holdReleased', holdId, lostSha256 }
      }, note),
    )
  }
  return finish({ ...options, knownHolds: () => Promise.resolve(known) }, decided, [holdId])
}

/**
 * Does again all that holds ask of the stores and the ledger: after an error, or when a recording that was held while it was made is over. Who decided is sealed, and not said then: whoever
 * applies it did not.
 */
export async function applyHolds(options: Omit<HoldOptions, 'note'>): Promise<HoldReport> {
  const { records } = await options.custody.read()
  const holds = records.filter(({ record }) => 'holdId' in record)
  if (holds.length === 0) throw noHold()
  return finish({ ...options, note: NOT_TOLD }, holds, [])
}

async function finish(
  { custody, note, leave, knownHolds }: HoldOptions,
  decided: readonly Decided[],
  holdIds: readonly string[],
): Promise<HoldReport> {
  const troubles: Trouble[] = []
  let hasLedger = true
  for (const one of decided) {
    try {
      hasLedger = await leaveHold(one, note, leave)
    } catch (error) {
      troubles.push({
        ...troubleOf('ledger', error),
        code: 'ledger-request-failed',
        hint: 'Run `earwitness hold apply` with its id as the user of the recorder, or as root.',
      })
    }
  }
  troubles.push(...(await custody.spread()))
  const settled = await settleStores(custody, troubles, knownHolds)
  const isOpen = !(await custody.names()).includes(MANIFEST_NAME)
  const { recordingId } = custody
  return {
    ...{ recordingId, holdIds, ...settled, isOpen, hasLedger, troubles },
    decided: holdIds.length === 0 ? [] : decided.map(({ record }) => record.recordId),
  }
}

/**
 * Sets or takes off the stores' own legal holds, as what is decided wants it; one whose record is lost holds as well. Somebody else may decide meanwhile, and be done with the stores before
 * us: so what is decided is read again behind it, and whoever is last leaves them as it wants.
 *
 * @param knownHolds asked once, where no hold has a record; where that fails the stores go on holding
 */
export async function settleStores(
  custody: RecordingCustody,
  troubles: Trouble[],
  knownHolds: HoldOptions['knownHolds'],
): Promise<Pick<HoldReport, 'holds' | 'lostHolds' | 'storeHolds'>> {
  const look = standingOf(custody, knownHolds)
  let standing = await look()
  for (let round = 1; ; round += 1) {
    const { isOn } = standing
    const storeHolds: StoreHold[] = []
    const failed: Trouble[] = []
    for (const { place, store } of custody.places) {
      try {
        storeHolds.push({ place, ...(await setStoreHolds(custody, store, isOn)) })
      } catch (error) {
        failed.push(troubleOf(place, error))
      }
    }
    standing = await look()
    const isSettled = standing.isOn === isOn
    if (!isSettled && round < SETTLE_ROUNDS_MAX) continue
    const { holds, lostHolds: lost, unknown } = standing
    troubles.push(...failed, ...unknown, ...(isSettled ? [] : [unsettled()]))
    return { holds, lostHolds: lost, storeHolds }
  }
}

/** What holds a recording by now. */
interface Standing extends Pick<HoldReport, 'holds' | 'lostHolds'> {
  readonly isOn: boolean
  /** Why it is not known which lost holds there are. */
  readonly unknown: readonly Trouble[]
}

function standingOf(custody: RecordingCustody, knownHolds: HoldOptions['knownHolds']): () => Promise<Standing> {
  let asked: ReturnType<HoldOptions['knownHolds']> | undefined
  return async () => {
    const { state, records } = await custody.read()
    const { holds } = state
    if (holds.length > 0) return { holds, lostHolds: [], unknown: [], isOn: true }
    try {
      asked ??= knownHolds()
      const lost = lostHolds(await asked, records)
      return { holds, lostHolds: lost, unknown: [], isOn: lost.length > 0 }
    } catch (error) {
      return { holds, lostHolds: [], unknown: [notAsked(error)], isOn: true }
    }
  }
}

async function leaveHold(
  { sha256, record }: Decided,
  { by, reason }: CustodyNote,
  leave: HoldOptions['leave'],
): Promise<boolean> {
  if (record.kind !== 'holdAdded' && record.kind !== 'holdReleased') return true
  const { recordId, recordingId, at, kind, holdId } = record
  const lost =
    record.kind === 'holdReleased' && record.lostSha256 !== undefined ? { lostSha256: record.lostSha256 } : {}
  return leave({ requestId: recordId, recordingId, at, kind, holdId, ...lost, recordSha256: sha256, by, reason })
}

async function setStoreHolds(
  custody: RecordingCustody,
  store: RecordingCustody['places'][number]['store'],
  isOn: boolean,
): Promise<Omit<StoreHold, 'place'>> {
  const [first, ...rest] = (await store.copies(custody.key(''))).filter(({ isDeleteMarker }) => !isDeleteMarker)
  if (first === undefined || !(await store.setLegalHold(first, isOn))) return { outcome: 'unsupported', copies: 0 }
  await inParallel(rest, HELD_AT_ONCE, async (copy) => {
    await store.setLegalHold(copy, isOn)
  })
  return { outcome: isOn ? 'set' : 'takenOff', copies: rest.length + 1 }
}

function chooseHolds({ holds }: CustodyState, which: string): readonly string[] {
  if (holds.length === 0) throw noHold()
  if (which === 'all') return holds.map(({ holdId }) => holdId)
  if (which === 'only') {
    const [only, ...more] = holds
    if (only !== undefined && more.length === 0) return [only.holdId]
    throw new EarwitnessError(
      'hold-several',
      `This recording is held by ${holds.length} holds, each for a matter of its own.`,
      'Say which ends: --hold ID, from `earwitness hold list` with the id of the recording; or --all.',
    )
  }
  if (holds.some(({ holdId }) => holdId === which)) return [which]
  throw noHold()
}

function unsettled(): Trouble {
  return {
    ...{ place: 'store', code: 'hold-unsettled' },
    sentence:
      'Somebody else adds and releases holds of this recording again and again; the legal holds of the stores may not fit.',
    hint: 'Run `earwitness hold apply` with its id when that is over.',
  }
}

function notAsked(error: unknown): Trouble {
  const { sentence } = troubleOf('store', error)
  return {
    ...{ place: 'store', code: 'hold-lost-unknown' },
    sentence: `Whether a hold whose record is lost still keeps this recording cannot be asked, so the stores go on holding: ${sentence}`,
    hint: 'Run `earwitness hold apply` with its id when ledger and index answer again.',
  }
}

function notLost(): EarwitnessError {
  return new EarwitnessError(
    'hold-not-lost',
    'The record of this hold is beside the recording: it is not lost.',
    'Release it with --hold ID instead of --lost ID, or see that it was: earwitness hold list ID.',
  )
}

function noHold(): EarwitnessError {
  return new EarwitnessError(
    'hold-not-found',
    'There is no such hold on this recording.',
    '`earwitness hold list` with its id shows those that are open.',
  )
}

function destroyed({ shred }: CustodyState): EarwitnessError {
  return new EarwitnessError(
    'recording-shredded',
    shred === 'done' ? 'This recording was destroyed already.' : 'This recording is being destroyed already.',
    'A hold can only be put on what is still there. `earwitness verify` tells what was decided.',
  )
}
