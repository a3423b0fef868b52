import { generateIdentity } from '../evidence/age-keys.ts'
import type { RandomBytes } from '../evidence/age-seal.ts'
import { heldKeyName, KEY_NAME } from '../evidence/object-names.ts'
import { sha256Hex } from '../evidence/sha256.ts'
import type { VaultRecipient } from '../evidence/vault-recipient.ts'
import { sealToVault } from '../evidence/vault-seal.ts'
import type { RecordingSink } from './recording-types.ts'

/** The public half of a recording's key pair, and its private half sealed to the vault. */
export interface RecordingKey {
  readonly recipient: string
  readonly name: string
  readonly wrapped: Uint8Array
  readonly sha256: string
  /** Of `wrapped`, whose bytes may have moved to another thread by the time the manifest is written. */
  readonly sizeBytes: number
}

/**
 * Makes the key pair of one recording and seals its private half to every vault recipient at once. The private half
 * leaves this function only sealed: from here on the recorder can write but not read.
 */
export function createRecordingKey(vaultRecipients: readonly VaultRecipient[], randomBytes: RandomBytes): RecordingKey {
  return createKey(KEY_NAME, vaultRecipients, randomBytes)
}

/** The same for what is held until consent: without this key nobody opens that, and it can be destroyed by itself. FORMAT.md 2.2 */
export function createHeldKey(vaultRecipients: readonly VaultRecipient[], randomBytes: RandomBytes): RecordingKey {
  return createKey(heldKeyName(0), vaultRecipients, randomBytes)
}

function createKey(name: string, vaultRecipients: readonly VaultRecipient[], randomBytes: RandomBytes): RecordingKey {
  const { identity, recipient } = generateIdentity(randomBytes)
  // A line break at the end makes the opened file an ordinary age identity file (`age -d -i`).
  const clear = new TextEncoder().encode(`${identity}\n`)
  const wrapped = sealToVault(clear, vaultRecipients, randomBytes)
  clear.fill(0)
  return { recipient, name, wrapped, sha256: sha256Hex(wrapped), sizeBytes: wrapped.length }
}

/** A private half leaves the recorder once, sealed to the vault. */
export function handOver(
  kind: 'key' | 'heldKey',
  { name, wrapped: bytes, recipient }: RecordingKey,
  sink: Pick<RecordingSink, 'handleSealed'>,
): void {
  sink.handleSealed({ kind, name, bytes, recipient })
}
