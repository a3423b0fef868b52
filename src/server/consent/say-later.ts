import { existsSync } from 'node:fs'

import type { Config } from '../../config/config.ts'
import type { ConsentPolicy } from '../../consent/policy.ts'
import { EarwitnessError } from '../../errors.ts'
import type { RuleCheck } from '../../evidence/consent-event.ts'
import { consentState } from '../../evidence/consent-state.ts'
import type { CustodyNote } from '../../evidence/custody/custody-note.ts'
import { isDeciding, type LaterWish } from '../../evidence/later-consent.ts'
import type { ManifestBody } from '../../evidence/manifest.ts'
import type { KnownHold } from '../custody/lost-holds.ts'
import { RecordingCustody, type CustodyParts } from '../custody/recording-custody.ts'
import { acquireDataLock } from '../data-lock.ts'
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
}

export interface SaidLater {
  readonly said: LaterReport
  readonly held: SettledHeld
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
  const said = await addLater({ ...parts, custody, note }, wish)
  const heldKeys = new HeldKeys({ dataDir: parts.dataDir })
  const held = await settleHeld(
    {
      ...{ custody, manifest: said.manifest, heldKeys, intents: handOverIntents(parts.dataDir) },
      knownHolds: () => parts.knownHolds(recordingId),
      alone: (work) => settleAlone(heldKeys.folder, work),
      stateNow: async () => consentState((await readConsent(custody, parts.keys)).events.map(({ event }) => event)),
    },
    isDeciding(wish) ? said.state : undefined,
  )
  return { said, held, rows: indexRows(said), isShredded: (await custody.read()).state.shred !== 'none' }
}

/** How what was decided stands to the rule that was chosen; undefined when nothing was decided. */
export function ruleCheckOf({ added }: LaterReport): RuleCheck | undefined {
  const last = added.at(-1)?.event
  return last?.type === 'decided' ? last.ruleCheck : undefined
}

/** Policies by source, as they are configured. Of a source that is listed no more what holds by default. */
export function policiesOf({ sources, consent }: Pick<Config, 'sources' | 'consent'>): SayLaterParts['policyOf'] {
  return (src) => (sources.find(({ name }) => name === src)?.consent ?? consent.byDefault).policy
}

const isAgainst = (wish: LaterWish): boolean => (wish.kind === 'decide' ? wish.state === 'missing' : isDeciding(wish))

const holdsAudio = ({ held = [] }: ManifestBody): boolean => held.some(({ outcome }) => outcome === 'pending')

function indexRows({ events, manifest: { recordingId } }: LaterReport): readonly ConsentNotedRecord[] {
  return events.flatMap(({ event, jws }, index) => {
    if (event.manifestSha256 === undefined) return []
    const state = consentState(events.slice(0, index + 1).map((each) => each.event))
    return [consentRecord({ recordingId, entry: consentEntry(event, jws), jws, state })]
  })
}

/** One at a time: none may hand over what another one destroys. Where nothing was ever held there is nothing to settle, nor a folder that root should make. */
async function settleAlone<Value>(folder: string, work: () => Promise<Value>): Promise<Value> {
  if (!existsSync(folder)) return work()
  const lock = await acquireDataLock({ dataDir: folder, purpose: 'command' })
  try {
    return await work()
  } finally {
    lock.release()
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
