import type { LedgerFindingCode } from './ledger/ledger-findings.ts'

/** Findings kept of one verification; the ones beyond are counted. */
export const FINDINGS_MAX = 1_000

export type ObjectKind =
  | 'key'
  | 'held-key'
  | 'held-peaks'
  | 'chunk'
  | 'kept'
  | 'dtmf'
  | 'peaks'
  | 'snapshot'
  | 'index'
  | 'consent'
export type ObjectFault = 'missing' | 'changed' | 'truncated' | 'swapped' | 'unreadable'

/** Of a bundle, beside what is wrong with the recording in it. bundle/FORMAT.md 4 */
type BundleFindingCode =
  | 'bundle-list-missing'
  | 'bundle-list-unreadable'
  | `bundle-${'unsigned' | 'signature-unreadable' | 'unknown-signer' | 'forged'}`
  | `member-${'missing' | 'changed' | 'added' | 'repeated' | 'unreadable'}`
  | 'opened-wrong'

/** Of what was decided about a recording later. custody/FORMAT.md 4 */
type CustodyFindingCode =
  | `custody-${'unreadable' | 'unknown-signer' | 'forged' | 'foreign' | 'missing' | 'wrong'}`
  | `shred-${'unfinished' | 'undone'}`

export type FindingCode =
  | LedgerFindingCode
  | CustodyFindingCode
  | BundleFindingCode
  | `${ObjectKind}-${ObjectFault}`
  | 'manifest-missing'
  | 'manifest-unreadable'
  | 'manifest-unknown-signer'
  | 'manifest-forged'
  | 'manifest-foreign'
  | 'key-wrong'
  | 'key-unexplained'
  | 'rotation-unlinked'
  | 'held-wrong'
  | 'held-key-wrong'
  | 'held-key-present'
  | 'chunk-added'
  | 'kept-added'
  | 'dtmf-added'
  | 'snapshot-added'
  | `consent-${'added' | 'forged' | 'unknown-signer' | 'foreign' | 'mismatch' | 'order-wrong' | 'unsupported'}`
  | 'object-added'
  | 'objects-too-many'
  | 'snapshot-mismatch'
  | 'sequence-wrong'
  | 'name-repeated'
  | 'time-gap'
  | 'time-overlap'
  | 'duration-wrong'
  | 'clock-backwards'
  | 'running-hash-wrong'
  | 'gap-outside'
  | 'gap-overlap'
  | 'ledger-wrong'
  | 'stream-repeated'
  | 'pause-wrong'
  | 'kept-outside'
  | 'kept-overlap'
  | 'kept-stream-unknown'
  | 'undecoded-not-kept'

/** One thing that is not as the manifest, or the format, says. */
export interface Finding {
  readonly code: FindingCode
  /** The object concerned, when there is one. */
  readonly name?: string
  /** For people; carries no content of the recording. */
  readonly sentence: string
}

/**
 * Collects findings up to {@link FINDINGS_MAX}, so that a recording of which nothing is right still gives an answer.
 */
export class FindingList {
  readonly findings: Finding[] = []
  #dropped = 0

  get dropped(): number {
    return this.#dropped
  }

  get isEmpty(): boolean {
    return this.findings.length === 0
  }

  add(code: FindingCode, sentence: string, name?: string): void {
    if (this.findings.length >= FINDINGS_MAX) {
      this.#dropped += 1
      return
    }
    this.findings.push(name === undefined ? { code, sentence } : { code, name, sentence })
  }
}
