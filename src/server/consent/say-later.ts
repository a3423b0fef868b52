import { existsSync } from 'node:fs'

import type { Config } from '../../config/config.ts'
import type { ConsentPolicy } from '../../consent/policy.ts'
import { EarwitnessError } from '../../errors.ts'
import type { ConsentEventType, RuleCheck } from '../../evidence/consent-event.ts'
import type { ConsentStateName } from '../../evidence/consent-event-shape.ts'
import { consentState } from '../../evidence/consent-state.ts'
import type { CustodyNote } from '../../evidence/custody/custody-note.ts'
import { isDeciding, type LaterWish } from '../../evidence/later-consent.ts'
import type { ManifestBody } from '../../evidence/manifest.ts'
import type { StoredConsentEvent } from '../../evidence/stored-consent-events.ts'
import type { KnownHold } from '../custody/lost-holds.ts'
import { RecordingCustody, troubleOf, type CustodyParts } from '../custody/recording-custody.ts'
import { acquireDataLock, type DataLock } from '../data-lock.ts'
import { consentRecord } from '../database/index-records.ts'
import type { ConsentNotedRecord } from '../database/records.ts'
import type { ConsentRequest } from '../ledger/statement-requests.ts'
import { consentEntry } from '../recording/consent-keeper.ts'
import { HeldKeys } from '../recording/held-keys.ts'
import { handOverIntents } from '../vault/left-keys.ts'
import { addLater, readConsent, type LaterReport } from './later-consent.ts'
import { settleHeld, type SettledHeld } from './settle-held.ts'

/** What a person says of a recording that is over, with whoever has to confirm it. */
export interface LaterSaying {
  readonly recordingId: string
  readonly wish: LaterWish
  readonly note: CustodyNote
  /** What is still held would be destroyed by it; rejects when nobody wants that. */
  readonly confirm: () => Promise<void>
}

export interface SayLaterParts extends CustodyParts {
  readonly dataDir: string
  readonly tenants: ReadonlySet<string>
  /** False when there is no ledger on this machine. */
  readonly leave: (request: ConsentRequest) => Promise<boolean>
  /** What is configured for a source now. */
  readonly policyOf: (src: string) => ConsentPolicy
  readonly knownHolds: (recordingId: string) => Promise<readonly KnownHold[]>
  /** Told of each event once it is signed and stored, whatever becomes of the others; with the rows of the index as of then. */
  readonly onAdded?: (type: ConsentEventType, rows: readonly ConsentNotedRecord[]) => void
  /** For somebody else of this machine who settles held audio; 30 s by default. */
  readonly settleWaitMs?: number
}

export interface SaidLater {
  readonly said: LaterReport
  readonly held: SettledHeld
  /** How what was decided stands to the rule that was chosen, also where it had been decided before; undefined when nothing was decided. */
  readonly ruleCheck: RuleCheck | undefined
  /** Rows of all events after the manifest, each with the state as of then: also of those that the index may have missed. */
  readonly rows: readonly ConsentNotedRecord[]
  /** Nobody can read who said it any more. */
  readonly isShredded: boolean
}

/**
 * Writes down what a person says of the consent to a recording that is over, as signed events behind the others; what is still held is then handed over or destroyed. Command and API
 * do the same.
 *
 * @throws EarwitnessError `recording-…`, `consent-…`, `storage-…`, and what `confirm` throws
 */
export async function sayLater(
  parts: SayLaterParts,
  { recordingId, wish, note, confirm }: LaterSaying,
): Promise<SaidLater> {
  const custody = await RecordingCustody.find(parts, recordingId, parts.tenants)
  const { manifest } = await readConsent(custody, parts.keys)
  if (isAgainst(wish) && holdsAudio(manifest)) await confirm()
  const onAdded = (added: StoredConsentEvent, events: readonly StoredConsentEvent[]): void =>
    parts.onAdded?.(added.event.type, indexRows(events))
  const said = await addLater({ ...parts, custody, note, onAdded }, wish)
  const { held, isShredded } = await settle(parts, custody, said, isDeciding(wish) ? said.state : undefined)
  return { said, held, ruleCheck: ruleCheckOf(said, wish), rows: indexRows(said.events), isShredded }
}

/** What was said is stored by now: what cannot be done any more is told with it, and not in its place. */
async function settle(
  parts: SayLaterParts,
  custody: RecordingCustody,
  { manifest }: LaterReport,
  state: ConsentStateName | undefined,
): Promise<Pick<SaidLater, 'held' | 'isShredded'>> {
  const heldKeys = new HeldKeys({ dataDir: parts.dataDir })
  try {
    const held = await settleHeld(
      {
        ...{ custody, manifest, heldKeys, intents: handOverIntents(parts.dataDir) },
        knownHolds: () => parts.knownHolds(manifest.recordingId),
        alone: (work) => settleAlone(heldKeys.folder, parts.settleWaitMs, work),
        stateNow: async () => consentState((await readConsent(custody, parts.keys)).events.map(({ event }) => event)),
      },
      state,
    )
    return { held, isShredded: (await custody.read()).state.shred !== 'none' }
  } catch (error) {
    return { held: { outcome: 'unfinished', troubles: [troubleOf('node', error)] }, isShredded: false }
  }
}

function ruleCheckOf({ events }: LaterReport, wish: LaterWish): RuleCheck | undefined {
  const last = events.findLast(({ event }) => event.type === 'decided')?.event
  if (last?.type !== 'decided' || wish.kind !== 'decide' || wish.state !== last.state) return undefined
  return last.ruleCheck
}

/** Policies by source, as they are configured. Of a source that is listed no more what holds by default. */
export function policiesOf({ sources, consent }: Pick<Config, 'sources' | 'consent'>): SayLaterParts['policyOf'] {
  return (src) => (sources.find(({ name }) => name === src)?.consent ?? consent.byDefault).policy
}

const isAgainst = (wish: LaterWish): boolean => (wish.kind === 'decide' ? wish.state === 'missing' : isDeciding(wish))

const holdsAudio = ({ held = [] }: ManifestBody): boolean => held.some(({ outcome }) => outcome === 'pending')

function indexRows(events: readonly StoredConsentEvent[]): readonly ConsentNotedRecord[] {
  return events.flatMap(({ event, jws }, index) => {
    if (event.manifestSha256 === undefined) return []
    const state = consentState(events.slice(0, index + 1).map((each) => each.event))
    return [consentRecord({ recordingId: event.recordingId, entry: consentEntry(event, jws), jws, state })]
  })
}

/** One at a time: none may hand over what another one destroys. Where nothing was ever held there is nothing to settle, nor a folder that root should make. */
async function settleAlone<Value>(
  folder: string,
  waitMs: number | undefined,
  work: () => Promise<Value>,
): Promise<Value> {
  if (!existsSync(folder)) return work()
  const lock = await lockOf(folder, waitMs)
  try {
    return await work()
  } finally {
    lock.release()
  }
}

/** The recorder itself may have it: nobody is told to stop who does. @throws EarwitnessError `consent-settling` */
async function lockOf(dataDir: string, waitMs: number | undefined): Promise<DataLock> {
  try {
    return await acquireDataLock({ dataDir, purpose: 'command', ...(waitMs === undefined ? {} : { waitMs }) })
  } catch (cause) {
    if (!(cause instanceof EarwitnessError && cause.code === 'data-in-use')) throw cause
    throw new EarwitnessError(
      'consent-settling',
      'Somebody else is settling what is held on this machine, the recorder or another command, and has not finished.',
      'Say the same again in a moment: it is written once, and what is held is settled then.',
      { cause },
    )
  }
}

/** What is said when nobody confirmed. */
export function destroysHeld(hint: string): EarwitnessError {
  return new EarwitnessError(
    'consent-destroys-held',
    'What is still held of this recording until consent is destroyed by this.',
    hint,
  )
}
