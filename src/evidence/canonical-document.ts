import { accepted, rejected, type Result } from '../result.ts'
import { readCanonicalJson } from './canonical-json.ts'
import type { Check } from './shape-checks.ts'

/** `notCanonical`: not JSON, or not in its canonical form. `format`: a version that this software does not know. */
export type DocumentRejectReason = 'tooLarge' | 'notCanonical' | 'format' | 'shape'

/**
 * A file that is one canonical JSON object which names its format (`format`), checked in its shape only: the caller may take it for what
 * `findFault` checks. Never throws; `detail` says where the shape is wrong.
 */
export function readDocument(
  bytes: Uint8Array,
  expected: { readonly bytesMax: number; readonly format: string; readonly findFault: Check },
): Result<object, DocumentRejectReason> {
  if (bytes.length > expected.bytesMax) return rejected('tooLarge')
  const value = readCanonicalJson(bytes)
  if (typeof value !== 'object' || value === null) return rejected('notCanonical')
  if (Reflect.get(value, 'format') !== expected.format) return rejected('format')
  const fault = expected.findFault(value, '')
  return fault === undefined ? accepted(value) : rejected('shape', fault)
}

const FAULTS: Record<DocumentRejectReason, string> = {
  tooLarge: 'is larger than any may be.',
  notCanonical: 'is not in canonical form, as no recorder writes it.',
  format: 'is of a format version that this software does not know.',
  shape: 'lacks something that the format asks for.',
}

/** @param subject what cannot be used, as it begins a sentence */
export function documentFault(subject: string, reason: DocumentRejectReason): string {
  return `${subject} ${FAULTS[reason]}`
}
