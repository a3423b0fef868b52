import { identityToRecipient } from 'age-encryption'

import { accepted, rejected, type Result } from '../result.ts'
import { openSealed, type OpenRejectReason } from './age-open.ts'

/** A recording's key pair, in the hands of somebody who may listen. */
export interface OpenedRecordingKey {
  /** `AGE-SECRET-KEY-1…`: opens every chunk and snapshot of the recording. A secret. */
  readonly identity: string
  readonly recipient: string
}

export type RecordingKeyRejectReason = OpenRejectReason | 'notIdentity'

/**
 * Opens `key.age` with vault identities and reads the recording's identity out of it. FORMAT.md 2
 *
 * The caller compares `recipient` with the manifest's: a key file of another recording opens just as well.
 */
export async function openRecordingKey(
  wrappedKey: Uint8Array,
  vaultIdentities: readonly string[],
): Promise<Result<OpenedRecordingKey, RecordingKeyRejectReason>> {
  const opened = await openSealed(wrappedKey, vaultIdentities)
  if (!opened.ok) return opened
  const lines = new TextDecoder().decode(opened.value).split('\n')
  opened.value.fill(0)
  const [identity, ...more] = lines.filter((line) => line !== '' && !line.startsWith('#'))
  if (identity === undefined || more.length > 0) return rejected('notIdentity')
  try {
    return accepted({ identity, recipient: await identityToRecipient(identity) })
  } catch {
    return rejected('notIdentity')
  }
}
