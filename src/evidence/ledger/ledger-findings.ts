import type { CheckpointRejectReason } from './checkpoint.ts'
import type { DocumentRejectReason } from '../signed-document.ts'

/** What may be wrong with a log. FORMAT.md 6 */
export type LedgerFindingCode =
  | 'statement-unreadable'
  | 'statement-unknown-signer'
  | 'statement-forged'
  | 'statement-foreign'
  | 'statement-missing'
  | 'statement-repeated'
  | 'statement-back-dated'
  | 'statement-not-included'
  | 'checkpoint-missing'
  | 'checkpoint-unreadable'
  | 'checkpoint-foreign'
  | 'checkpoint-unknown-signer'
  | 'checkpoint-forged'
  | 'checkpoint-swapped'
  | 'checkpoint-back-dated'
  | 'checkpoint-stale'
  | 'log-empty'
  | 'log-truncated'
  | 'log-rewritten'
  | 'log-forked'
  | 'opened-not-in-log'
  | 'closed-not-in-log'
  | 'manifest-not-in-log'
  | 'key-not-in-log'
  | 'closed-twice'
  | 'pause-not-in-log'
  | 'consent-not-in-log'
  | 'consent-not-stored'
  | 'consent-log-order'
  | 'custody-removed'
  | 'custody-not-in-log'
  | 'log-proof-unreadable'
  | 'timestamp-wrong'
  | 'cosignature-wrong'
  | 'witness-missing'
  | 'witness-stale'

export const STATEMENT_FAULTS: Readonly<Record<DocumentRejectReason, readonly [LedgerFindingCode, string]>> = {
  tooLarge: ['statement-unreadable', 'It is longer than any statement may be.'],
  notJws: ['statement-unreadable', 'It is not a signed statement of this format.'],
  notCanonical: ['statement-unreadable', 'It is not in canonical form, as no recorder writes it.'],
  format: ['statement-unreadable', 'It is of a format version that this software does not know.'],
  shape: ['statement-unreadable', 'It lacks something that the format asks for.'],
  signerUnknown: ['statement-unknown-signer', 'It is signed by a key that is not among those trusted.'],
  forged: ['statement-forged', 'The signature does not fit: it was changed, or somebody else wrote it.'],
}

export const CHECKPOINT_FAULTS: Readonly<Record<CheckpointRejectReason, readonly [LedgerFindingCode, string]>> = {
  tooLarge: ['checkpoint-unreadable', 'This checkpoint is longer than any may be.'],
  notNote: ['checkpoint-unreadable', 'This is not a signed checkpoint.'],
  notCheckpoint: ['checkpoint-unreadable', 'This is not a checkpoint of this format.'],
  signerUnknown: ['checkpoint-unknown-signer', 'No key that is trusted has signed this checkpoint.'],
  forged: ['checkpoint-forged', 'The signature does not fit: the checkpoint was changed, or somebody else wrote it.'],
}

export const TIMESTAMP_FAULTS = {
  unreadable: 'The time stamp beside it cannot be read.',
  foreign: 'The time stamp beside it is of something else.',
} as const

export const COSIGNATURE_FAULTS = {
  unreadable: 'The cosignatures of witnesses beside it cannot be read.',
  forged: 'A cosignature beside it bears the name of a witness that is trusted, and is not by it.',
} as const

/** Of a trusted witness that has signed nothing. */
export function unwitnessedText(name: string, checkpoints: number): string {
  return `Witness ${name} has signed under none of ${checkpoints} ${checkpoints === 1 ? 'checkpoint' : 'checkpoints'}.`
}

/** Of one that signed, and then did not, though the log went on. */
export function staleWitnessText(name: string, size: number): string {
  return `Witness ${name} has signed under nothing behind statement ${size - 1}, though the log went on for long.`
}
