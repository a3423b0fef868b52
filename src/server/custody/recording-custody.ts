import { EarwitnessError } from '../../errors.ts'
import type { CustodyChain, CustodyState, StoredRecord } from '../../evidence/custody/custody-chain.ts'
import { sealNote, type CustodyNote } from '../../evidence/custody/custody-note.ts'
import {
  CUSTODY_FORMAT,
  CUSTODY_RECORDS_MAX,
  signCustodyRecord,
  type CustodyDecision,
  type CustodyRecord,
} from '../../evidence/custody/custody-record.ts'
import { custodyName, isCustodyName, MANIFEST_NAME } from '../../evidence/object-names.ts'
import { sha256Hex } from '../../evidence/sha256.ts'
import type { SigningKey, VerifyKey } from '../../evidence/signer-keys.ts'
import type { VaultRecipient } from '../../evidence/vault-recipient.ts'
import { uuidV7 } from '../../ids.ts'
import { findRecordingPrefix } from '../storage/find-recording.ts'
import { objectKey } from '../storage/layout.ts'
import type { CustodyPlace } from '../storage/open-store.ts'
import { readDecisions } from './read-decisions.ts'

/** How often a decision is made again because somebody else decided at the same moment. */
const ATTEMPTS_MAX = 20

/** What could not be done, and what to do about it. */
export interface Trouble {
  readonly place: 'store' | 'replica' | 'node' | 'ledger' | 'index'
  /** The object concerned, where there is one. */
  readonly name?: string
  readonly code: string
  readonly sentence: string
  readonly hint: string
}

export interface CustodyParts {
  /** The store, and its replica where there is one. */
  readonly places: readonly CustodyPlace[]
  /** Who may have decided. */
  readonly keys: readonly VerifyKey[]
  readonly signer: SigningKey
  readonly vaultRecipients: readonly VaultRecipient[]
  readonly nowUnixMs: () => number
  readonly randomBytes: (length: number) => Uint8Array
}

/** A decision as it is stored now. */
export interface Decided {
  /** Hex, of the record. */
  readonly sha256: string
  readonly record: CustodyRecord
}

/** What was and is decided about one recording, in the store and its replica. */
export class RecordingCustody {
  readonly recordingId: string
  readonly prefix: string
  readonly places: readonly CustodyPlace[]
  readonly #parts: CustodyParts

  constructor(parts: CustodyParts, recordingId: string, prefix: string) {
    this.#parts = parts
    this.places = parts.places
    this.recordingId = recordingId
    this.prefix = prefix
  }

  /** @throws EarwitnessError `recording-id-invalid`, `recording-not-found`, `storage-…` of the store itself */
  static async find(parts: CustodyParts, id: string, tenants: Iterable<string>): Promise<RecordingCustody> {
    const at = (prefix: string): RecordingCustody => new RecordingCustody(parts, id, prefix)
    return at(await findRecordingPrefix(id, tenants, async (prefix) => (await at(prefix).names()).length > 0))
  }

  /** Whose decisions this machine makes. */
  get signerKeyId(): string {
    return this.#parts.signer.keyId
  }

  key(name: string): string {
    return objectKey(this.prefix, name)
  }

  /** Of all objects in either place. A replica that does not answer is passed over; the store must answer. */
  async names(): Promise<readonly string[]> {
    const names = new Set<string>()
    for (const { place, store } of this.places) {
      try {
        for (const { key } of await store.list(this.key(''))) names.add(key.slice(this.prefix.length + 1))
      } catch (error) {
        if (place === 'store') throw error
      }
    }
    return [...names]
  }

  /** From the store, or else its replica. */
  async get(name: string): Promise<Uint8Array | undefined> {
    for (const { place, store } of this.places) {
      try {
        const bytes = await store.get(this.key(name))
        if (bytes !== undefined) return bytes
      } catch (error) {
        if (place === 'store') throw error
      }
    }
    return undefined
  }

  /** The manifest as it is stored; whoever signed it. */
  manifest(): Promise<Uint8Array | undefined> {
    return this.get(MANIFEST_NAME)
  }

  /** @throws EarwitnessError `custody-damaged`, see {@link readDecisions} */
  async read(): Promise<CustodyChain> {
    const { recordingId } = this
    const trust = { recordingId, keys: this.#parts.keys }
    return readDecisions({ get: (name) => this.get(name) }, await this.names(), trust)
  }

  /**
   * Stores the next record: in the store, which says who was first, then in the replica.
   *
   * @param choose says what is decided in this state, or throws; it is asked again when somebody else was faster
   */
  async decide(
    choose: (state: CustodyState, records: readonly StoredRecord[]) => CustodyDecision,
    note: CustodyNote,
  ): Promise<Decided> {
    const { signer, vaultRecipients, nowUnixMs, randomBytes } = this.#parts
    for (let attempt = 1; ; attempt += 1) {
      const { state, records, next } = await this.read()
      const decision = choose(state, records)
      if (next.seq >= CUSTODY_RECORDS_MAX) throw tooMany()
      const now = nowUnixMs()
      const place = {
        ...{ recordingId: this.recordingId, recordId: uuidV7(now, randomBytes(16)), ...next },
        at: new Date(now).toISOString(),
        note: sealNote(note, vaultRecipients, randomBytes),
      }
      const bytes = new TextEncoder().encode(await signCustodyRecord({ ...place, ...decision }, signer))
      try {
        await this.put(custodyName(next.seq), bytes)
      } catch (error) {
        if (attempt >= ATTEMPTS_MAX || !(error instanceof EarwitnessError) || error.code !== 'storage-conflict') {
          throw error
        }
        continue
      }
      const record = { ...place, ...decision, format: CUSTODY_FORMAT } as CustodyRecord
      return { sha256: sha256Hex(bytes), record }
    }
  }

  /** Brings every object of a kind, custody records if nothing else is said, to every place that lacks it. */
  async spread(isWanted: (name: string) => boolean = isCustodyName): Promise<readonly Trouble[]> {
    const troubles: Trouble[] = []
    const names = (await this.names()).filter(isWanted)
    for (const at of this.places) {
      const { place, store } = at
      try {
        const there = new Set((await store.list(this.key(''))).map(({ key }) => key))
        for (const name of names.filter((each) => !there.has(this.key(each)))) {
          const bytes = await this.get(name)
          if (bytes !== undefined) await store.put(this.key(name), bytes)
          await at.adopt(this.key(name))
        }
      } catch (error) {
        troubles.push(troubleOf(place, error))
      }
    }
    return troubles
  }

  /** Stores an object in the store; its replica gets it by {@link spread}. @throws EarwitnessError `storage-conflict` when another one is there */
  async put(name: string, bytes: Uint8Array): Promise<void> {
    const [first] = this.places
    if (first === undefined) throw new TypeError('there is no store')
    await first.store.put(this.key(name), bytes)
    await first.adopt(this.key(name))
  }
}

export function troubleOf(place: Trouble['place'], error: unknown, name?: string): Trouble {
  const about = name === undefined ? { place } : { place, name }
  if (error instanceof EarwitnessError) {
    return { ...about, code: error.code, sentence: error.message, hint: error.hint }
  }
  const sentence = error instanceof Error ? error.message : String(error)
  return { ...about, code: `${place}-failed`, sentence, hint: 'Mend it and run the same command again.' }
}

function tooMany(): EarwitnessError {
  return new EarwitnessError(
    'custody-full',
    `There are ${CUSTODY_RECORDS_MAX} decisions about this recording already, and no more can be kept.`,
    'Nothing was done. Look at `earwitness hold list` with its id: something decides again and again.',
  )
}
