import { isUuidV7 } from '../../ids.ts'

/** Names of the members of a bundle. FORMAT.md 1 */

export const BUNDLE_LIST_NAME = 'bundle.json'
/** The signature over the list; neither of the two is in the list. */
export const LIST_SIGNATURE_NAME = 'bundle.jws'
export const REPORT_NAME = 'report.html'
export const INSTRUCTIONS_NAME = 'VERIFY.md'
export const OBJECTS_FOLDER = 'objects/'
export const SIGNERS_FOLDER = 'signers/'
export const OPENED_FOLDER = 'opened/'
export const OPENED_KEY_NAME = `${OPENED_FOLDER}recording.agekey`
export const OPENED_AUDIO_NAME = `${OPENED_FOLDER}recording.ogg`

const LEDGER_FOLDER = 'ledger/'
const LOG_PROOF_END = '.json'

// Each part begins with a letter or digit: no `..`, no absolute path, no hidden file, nothing that a command takes for an option.
const MEMBER_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}(?:\/[A-Za-z0-9][A-Za-z0-9._-]{0,99})?$/

export function isMemberName(name: string): boolean {
  return MEMBER_NAME.test(name)
}

/** `metadata-000.age` → `opened/metadata-000.xml`. A snapshot that is no rs-metadata is a header line: text. */
export function openedSnapshotName({
  name,
  mediaType,
}: {
  readonly name: string
  readonly mediaType?: string
}): string {
  return `${OPENED_FOLDER}${name.replace(/\.age$/, '')}${mediaType === undefined ? '.xml' : '.txt'}`
}

export function logProofName(logId: string): string {
  return LEDGER_FOLDER + logId + LOG_PROOF_END
}

export function isLogProofName(name: string): boolean {
  const logId = name.slice(LEDGER_FOLDER.length, -LOG_PROOF_END.length)
  return isUuidV7(logId) && name === logProofName(logId)
}
