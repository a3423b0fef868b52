import { EarwitnessError } from '../../errors.ts'
import type { CustodyState } from '../../evidence/custody/custody-chain.ts'
import { NOT_TOLD, type CustodyNote } from '../../evidence/custody/custody-note.ts'
import type { CustodyDecision, CustodyRecord, ShredScope } from '../../evidence/custody/custody-record.ts'
import { isDestroyedBy } from '../../evidence/custody/destroyed-by.ts'
import { decodeManifest } from '../../evidence/manifest.ts'
import { KEY_NAME } from '../../evidence/object-names.ts'
import { sha256Hex } from '../../evidence/sha256.ts'
import type { CustodyRequest } from '../ledger/custody-requests.ts'
import type { CopyLock } from '../storage/object-store.ts'
import { destroyEverywhere, leftEverywhere, type DestroyedPlace } from './destroy.ts'
import { refuseLost, type KnownHold } from './lost-holds.ts'
import type { RecordingCustody, Trouble } from './recording-custody.ts'
import { sealedKeyHashes } from './sealed-key-hashes.ts'
import type { ShreddedMarks } from './shredded-marks.ts'

export interface ShredOptions {
  readonly custody: RecordingCustody
  readonly dataDir: string
  readonly marks: Pick<ShreddedMarks, 'read' | 'write'>
  readonly scope: ShredScope
  readonly note: CustodyNote
  /** Objects under retention in mode governance too. */
  readonly bypassesGovernance: boolean
  /** What ledger and index know of open holds on it. */
  readonly knownHolds: () => Promise<readonly KnownHold[]>
  /** Leaves a statement for the ledger of this machine; false where there is none. */
  readonly leave: (request: CustodyRequest) => Promise<boolean>
}

export interface ShredReport {
  readonly recordingId: string
  readonly scope: ShredScope
  /** `already`: it was before, and nothing is left of it now either. */
  readonly state: 'shredded' | 'already' | 'partly'
  /** What this run destroyed. */
  readonly destroyed: readonly DestroyedPlace[]
  /** What is still there, or could not be asked. */
  readonly troubles: readonly Trouble[]
  /** `recordId` of what was decided now. */
  readonly decided: readonly string[]
  /** False: no ledger is on this machine. */
  readonly hasLedger: boolean
}

/**
 * Destroys all wrapped keys of a recording (and with scope `objects` all its objects but the manifest and what was decided), wherever they are, and says so.
 *
 * Each step may be the last one: running it again goes on where it stopped, and ends in the same. In this order: the intent is stored and left for the ledger; this machine is told not to
 * store it again; files of this machine, the store, the replica; all are looked at again; the outcome is stored and left for the ledger.
 *
 * @throws EarwitnessError `recording-open`, `recording-held`, `hold-lost`, `shred-locked`, `custody-damaged`, `ledger-request-failed`, `storage-…` of the store itself; nothing was destroyed then
 */
export async function shred(options: ShredOptions): Promise<ShredReport> {
  const { scope } = options
  const asked: readonly ShredScope[] = scope === 'objects' ? ['key', 'objects'] : ['key']
  const { state } = await options.custody.read()
  // What was begun is finished first, whatever is asked for now; and what is destroyed may be destroyed further.
  const first = state.shred === 'begun' && state.scope !== undefined ? state.scope : scope
  const report = await new Shredding(options, first).run()
  const isMore = report.state !== 'partly' && asked.indexOf(first) < asked.indexOf(scope)
  if (!isMore) return report
  const rest = await new Shredding(options, scope).run()
  return {
    ...rest,
    destroyed: [...report.destroyed, ...rest.destroyed],
    decided: [...report.decided, ...rest.decided],
  }
}

/** One order, from its intent to its outcome. */
class Shredding {
  readonly #options: ShredOptions
  readonly #scope: ShredScope
  readonly #decided = new Set<string>()
  /** Of `key.age`; undefined where nobody can tell it any more. */
  #wrappedKeySha256: string | undefined
  /** Of all sealed keys that are there, or were. */
  readonly #keyHashes = new Set<string>()
  #hasLedger = true

  constructor(options: ShredOptions, scope: ShredScope) {
    this.#options = options
    this.#scope = scope
  }

  async run(): Promise<ShredReport> {
    const { custody } = this.#options
    const before = await custody.read()
    await this.#findKeys(before.state)
    const isDone = covers(before.state.destroyed, this.#scope) && before.state.shred === 'done'
    if (!isDone && before.state.shred !== 'begun') {
      refuseHeld(before.state)
      refuseLost(await this.#options.knownHolds(), before.records)
      await this.#refuseLocked()
      await this.#decide((state) => this.#order(state))
    }
    await this.#sayAll()
    const destroyed = await destroyEverywhere({ ...this.#options, scope: this.#scope, hashes: this.#keyHashes })
    const spread = await custody.spread()
    const left = [...(await leftEverywhere({ ...this.#options, scope: this.#scope })), ...spread]
    const troubles = distinct([...destroyed.troubles, ...left])
    if (troubles.length > 0) return this.#report('partly', destroyed.places, troubles)
    if (!isDone) await this.#finish(destroyed.places)
    return this.#report(isDone ? 'already' : 'shredded', destroyed.places, isDone ? [] : await custody.spread())
  }

  #report(
    state: ShredReport['state'],
    destroyed: readonly DestroyedPlace[],
    troubles: readonly Trouble[],
  ): ShredReport {
    const { recordingId } = this.#options.custody
    // What was decided must be in both places too.
    const isWhole = troubles.length === 0
    const hasLedger = this.#hasLedger
    return {
      ...{ recordingId, scope: this.#scope, destroyed, troubles, hasLedger },
      state: isWhole ? state : 'partly',
      decided: [...this.#decided],
    }
  }

  async #decide(choose: (state: CustodyState) => CustodyDecision): Promise<void> {
    const { record } = await this.#options.custody.decide(choose, this.#options.note)
    this.#decided.add(record.recordId)
  }

  #order(state: CustodyState): CustodyDecision {
    refuseHeld(state)
    if (state.shred === 'begun') throw underWay()
    return { kind: 'shredBegun', scope: this.#scope }
  }

  async #finish(places: readonly DestroyedPlace[]): Promise<void> {
    const destroyed = places.map(({ place, objects, copies }) => ({ place, objects, copies }))
    const outcome = { kind: 'shredded', scope: this.#scope, destroyed } as const
    await this.#decide((state) => {
      if (state.shred !== 'begun') throw underWay()
      return outcome
    })
    await this.#sayAll()
  }

  /** Leaves for the ledger what was decided here and not left yet; the mark knows, over a crash too. */
  async #sayAll(): Promise<void> {
    const { custody, marks } = this.#options
    const { records } = await custody.read()
    const mark = await marks.read(custody.recordingId)
    for (const hash of mark?.keys ?? []) this.#keyHashes.add(hash)
    const said = [...(mark?.said ?? [])]
    let scope: ShredScope = 'key'
    for (const { record, sha256, keyId } of records) {
      if (record.kind !== 'shredBegun' && record.kind !== 'shredded') continue
      if (record.scope === 'objects') scope = 'objects'
      if (keyId !== custody.signerKeyId || said.includes(record.recordId)) continue
      this.#hasLedger = await this.#leaveOne(record, sha256)
      said.push(record.recordId)
    }
    const keys = [...this.#keyHashes]
    const isKept = mark?.scope === scope && mark.said.length === said.length && mark.keys.length === keys.length
    if (!isKept) await marks.write(custody.recordingId, { scope, said, keys })
  }

  async #leaveOne(
    record: CustodyRecord & { readonly kind: 'shredBegun' | 'shredded' },
    recordSha256: string,
  ): Promise<boolean> {
    const { note, leave } = this.#options
    const wrappedKeySha256 = this.#wrappedKeySha256
    const { recordingId, recordId, at, kind, scope } = record
    try {
      return await leave({
        ...{ requestId: recordId, recordingId, at, kind, scope, recordSha256 },
        ...(wrappedKeySha256 === undefined ? {} : { wrappedKeySha256 }),
        // Who decided in an earlier run, and why, is sealed; whoever goes on did not.
        ...(this.#decided.has(recordId) ? note : NOT_TOLD),
      })
    } catch (cause) {
      throw new EarwitnessError(
        'ledger-request-failed',
        'This could not be handed to the ledger of this machine, and nothing is destroyed without a statement.',
        'Run the command as the user of the recorder, or as root; it goes on where it stopped.',
        { cause },
      )
    }
  }

  /** What was begun is finished whatever became of the manifest. */
  async #findKeys({ shred: begun }: CustodyState): Promise<void> {
    const { custody, dataDir } = this.#options
    const manifest = await custody.manifest()
    if (manifest === undefined && begun === 'none') throw stillOpen()
    this.#wrappedKeySha256 = await this.#hashOfKey(manifest)
    for (const hash of await sealedKeyHashes(custody, dataDir)) this.#keyHashes.add(hash)
    if (this.#wrappedKeySha256 !== undefined) this.#keyHashes.add(this.#wrappedKeySha256)
  }

  /** As the manifest has it; where nobody can read that, of the key that is there. */
  async #hashOfKey(manifest: Uint8Array | undefined): Promise<string | undefined> {
    const decoded = manifest === undefined ? undefined : decodeManifest(new TextDecoder('latin1').decode(manifest))
    if (decoded?.ok === true) return decoded.value.body.wrappedKey.sha256
    const key = await this.#options.custody.get(KEY_NAME)
    return key === undefined ? undefined : sha256Hex(key)
  }

  /** Before anything is said: a store that will not let go now is no reason for an order that cannot be carried out. */
  async #refuseLocked(): Promise<void> {
    const { custody, bypassesGovernance } = this.#options
    for (const { place, store } of custody.places) {
      try {
        for (const copy of await store.copies(custody.key(''))) {
          const name = copy.key.slice(custody.prefix.length + 1)
          if (!isDestroyedBy(this.#scope, name)) continue
          const lock = await store.lockOf(copy)
          if (lock === undefined || (lock.reason === 'governance' && bypassesGovernance)) continue
          throw locked(place, name, lock)
        }
      } catch (error) {
        // A replica that does not answer is told about later.
        const isLocked = error instanceof EarwitnessError && error.code === 'shred-locked'
        if (isLocked || place === 'store') throw error
      }
    }
  }
}

function covers(destroyed: ShredScope | undefined, asked: ShredScope): boolean {
  return destroyed === 'objects' || destroyed === asked
}

function refuseHeld({ holds }: CustodyState): void {
  if (holds.length === 0) return
  throw new EarwitnessError(
    'recording-held',
    `This recording is on legal hold (${holds.length === 1 ? 'one hold' : `${holds.length} holds`}), and is not destroyed.`,
    '`earwitness hold list` with its id shows them; each must be released first.',
  )
}

function underWay(): EarwitnessError {
  return new EarwitnessError(
    'shred-under-way',
    'Somebody else is destroying this recording at this moment.',
    'Run the command again: it finishes what is left.',
  )
}

function stillOpen(): EarwitnessError {
  return new EarwitnessError(
    'recording-open',
    'This recording has no manifest: it is still being made, or its recorder has not come back to close it.',
    'Let it end first, or end it (`POST /api/v1/recording-sessions/{rsId}/stop`); one that was interrupted is closed at the next start of its recorder.',
  )
}

function locked(place: 'store' | 'replica', name: string, { reason, until }: CopyLock): EarwitnessError {
  const date = until?.toISOString() ?? ''
  const sentences = {
    legalHold: `The ${place} keeps ${name} under a legal hold of its own`,
    governance: `The ${place} keeps ${name} under retention (governance) until ${date}`,
    compliance: `The ${place} keeps ${name} under retention (compliance) until ${date}`,
  }
  const hints = {
    legalHold:
      'If it is left from a hold that was released, `earwitness hold apply` with its id takes it off; else whoever set it must.',
    governance: 'Wait until then, or add --bypass-governance with credentials that may (s3:BypassGovernanceRetention).',
    compliance: 'Nobody can destroy it before. Run the command again then.',
  }
  return new EarwitnessError('shred-locked', `${sentences[reason]}; nothing was destroyed.`, hints[reason])
}

function distinct(troubles: readonly Trouble[]): readonly Trouble[] {
  return [...new Map(troubles.map((one) => [`${one.place} ${one.name ?? ''} ${one.code}`, one])).values()]
}
