import type { FindingCode, FindingList } from '../findings.ts'
import { custodyName, isCustodyName } from '../object-names.ts'
import type { VerifyKey } from '../signer-keys.ts'
import { sha256Hex } from '../web-digest.ts'
import { CUSTODY_RECORDS_MAX, readCustodyRecord, type CustodyRecord, type ShredScope } from './custody-record.ts'
import type { DocumentRejectReason } from '../signed-document.ts'

/** A record that a trusted key has signed, as it is stored. */
export interface StoredRecord {
  readonly name: string
  /** Hex, of the object. */
  readonly sha256: string
  /** Who signed it. */
  readonly keyId: string
  readonly record: CustodyRecord
}

/** What holds now. */
export interface CustodyState {
  /** Open holds, the oldest first. */
  readonly holds: readonly { readonly holdId: string; readonly addedAt: string }[]
  /** `begun`: ordered, and not reported as done. */
  readonly shred: 'none' | 'begun' | 'done'
  /** Of the last order; undefined without one. */
  readonly scope: ShredScope | undefined
  /** What is destroyed for good, whatever else was begun since; undefined: nothing. */
  readonly destroyed: ShredScope | undefined
}

export interface CustodyChain {
  readonly state: CustodyState
  /** Those that can be believed, in order. */
  readonly records: readonly StoredRecord[]
  /** Where the next one goes. */
  readonly next: { readonly seq: number; readonly previousSha256?: string }
}

const FAULTS: Record<DocumentRejectReason, readonly [FindingCode, string]> = {
  tooLarge: ['custody-unreadable', 'It is longer than any custody record may be.'],
  notJws: ['custody-unreadable', 'It is not a signed custody record.'],
  notCanonical: ['custody-unreadable', 'It is not in canonical form, as no recorder writes it.'],
  format: ['custody-unreadable', 'It is of a format version that this software does not know.'],
  shape: ['custody-unreadable', 'It lacks something that the format asks for.'],
  signerUnknown: ['custody-unknown-signer', 'It is signed by a key that is not among those trusted.'],
  forged: ['custody-forged', 'The signature does not fit: it was changed, or somebody else wrote it.'],
}

/**
 * Reads what was decided about a recording and checks it. FORMAT.md 3 and 4
 *
 * What cannot be believed is a finding and decides nothing, so a caller who is about to destroy or to release must look whether there are findings.
 *
 * @param names of all objects of the recording
 */
export async function readCustodyChain(
  objects: { readonly get: (name: string) => Promise<Uint8Array | undefined> },
  names: Iterable<string>,
  trust: { readonly recordingId: string; readonly keys: readonly VerifyKey[]; readonly findings: FindingList },
): Promise<CustodyChain> {
  const { recordingId, keys, findings } = trust
  const there = [...names].filter(isCustodyName).toSorted()
  if (there.length > CUSTODY_RECORDS_MAX) {
    findings.add('custody-unreadable', `There are more than ${CUSTODY_RECORDS_MAX} custody records.`)
    there.length = CUSTODY_RECORDS_MAX
  }
  const story = new CustodyStory(findings)
  const records: StoredRecord[] = []
  let seq = 0
  let previousSha256: string | undefined
  for (const name of there) {
    const expected = custodyName(seq)
    const isNext = name === expected
    if (!isNext) findings.add('custody-missing', 'A custody record is missing before this one.', name)
    const bytes = await objects.get(name)
    if (bytes === undefined) {
      findings.add('custody-missing', 'This custody record was there a moment ago, and is gone.', name)
      continue
    }
    const sha256 = await sha256Hex(bytes)
    const read = await readCustodyRecord(new TextDecoder('latin1').decode(bytes), keys)
    if (!read.ok) findings.add(...faultOf(read.reason, read.detail), name)
    else if (read.value.record.recordingId !== recordingId) {
      findings.add('custody-foreign', 'This custody record belongs to another recording.', name)
    } else {
      const { record, keyId } = read.value
      if (custodyName(record.seq) !== name) {
        findings.add('custody-wrong', 'This custody record has the number of another.', name)
      } else if (isNext && record.previousSha256 !== previousSha256) {
        findings.add('custody-missing', 'The custody record before this one is not the one that it followed on.', name)
      }
      records.push({ name, sha256, keyId, record })
      story.take(record, name)
    }
    seq = Number(/\d+/.exec(name)?.[0]) + 1
    previousSha256 = sha256
  }
  return { state: story.state, records, next: previousSha256 === undefined ? { seq } : { seq, previousSha256 } }
}

function faultOf(reason: DocumentRejectReason, detail: string | undefined): readonly [FindingCode, string] {
  const [code, sentence] = FAULTS[reason]
  return [code, detail === undefined ? sentence : `${sentence} (${detail})`]
}

/** One decision after the other. */
class CustodyStory {
  readonly #findings: FindingList
  readonly #holds = new Map<string, string>()
  /** Ids of all holds of which the records are there. */
  readonly #added = new Set<string>()
  /** Hashes of the lost records whose holds were released. */
  readonly #lost = new Set<string>()
  #shred: CustodyState['shred'] = 'none'
  #scope: ShredScope | undefined
  #destroyed: ShredScope | undefined

  constructor(findings: FindingList) {
    this.#findings = findings
  }

  get state(): CustodyState {
    return {
      holds: [...this.#holds].map(([holdId, addedAt]) => ({ holdId, addedAt })),
      shred: this.#shred,
      scope: this.#scope,
      destroyed: this.#destroyed,
    }
  }

  take(record: CustodyRecord, name: string): void {
    const wrong = this.#apply(record)
    if (wrong !== undefined) this.#findings.add('custody-wrong', wrong, name)
  }

  /** Why it cannot be, in which case it decides nothing. */
  #apply(record: CustodyRecord): string | undefined {
    switch (record.kind) {
      case 'holdAdded':
        if (this.#shred !== 'none') return 'A hold was added to what was already being destroyed.'
        if (this.#holds.has(record.holdId)) return 'A hold was added twice.'
        this.#holds.set(record.holdId, record.at)
        this.#added.add(record.holdId)
        return undefined
      case 'holdReleased':
        if (record.lostSha256 !== undefined) return this.#releaseLost(record.holdId, record.lostSha256)
        return this.#holds.delete(record.holdId) ? undefined : 'A hold was released that did not hold.'
      case 'shredBegun':
        return this.#begin(record.scope)
      case 'shredded':
        if (this.#shred !== 'begun' || record.scope !== this.#scope) return 'It reports what nobody had ordered.'
        this.#shred = 'done'
        this.#destroyed = record.scope
        return undefined
      default:
        return 'It says something that this software does not know.'
    }
  }

  #releaseLost(holdId: string, lostSha256: string): string | undefined {
    if (this.#shred !== 'none') return 'A lost hold was released when nothing was held any more.'
    if (this.#added.has(holdId)) return 'A hold was released as lost whose record is there.'
    if (this.#lost.has(lostSha256)) return 'A lost hold was released twice.'
    this.#lost.add(lostSha256)
    return undefined
  }

  #begin(scope: ShredScope): string | undefined {
    if (this.#holds.size > 0) return 'Its destruction was ordered while it was held.'
    const isMore = this.#shred === 'done' && this.#destroyed === 'key' && scope === 'objects'
    if (this.#shred !== 'none' && !isMore) return 'Its destruction was ordered twice.'
    this.#shred = 'begun'
    this.#scope = scope
    return undefined
  }
}
