import { accepted, rejected, type Result } from '../../result.ts'
import type { RandomBytes } from '../age-seal.ts'
import { canonicalJson, readCanonicalJson } from '../canonical-json.ts'
import { fromBase64, toBase64 } from '../ledger/base64.ts'
import { openVaultSealed, type VaultIdentity } from '../vault-open.ts'
import type { VaultRecipient } from '../vault-recipient.ts'
import { sealToVault } from '../vault-seal.ts'

/** Characters of the name of who decided, and of the reason. */
export const BY_LENGTH_MAX = 200
export const REASON_LENGTH_MAX = 2_000

/** Who decided, and why: sealed to the vault, since what lies beside a manifest is not secret. FORMAT.md 2 */
export interface CustodyNote {
  readonly by: string
  readonly reason: string
}

/** Of what somebody else decided: it is sealed. */
export const NOT_TOLD: CustodyNote = { by: '', reason: '' }

/** The member `note` of a record. Throws a TypeError when a text is too long. */
export function sealNote(
  { by, reason }: CustodyNote,
  vaultRecipients: readonly VaultRecipient[],
  randomBytes: RandomBytes,
): string {
  if (by.length > BY_LENGTH_MAX || reason.length > REASON_LENGTH_MAX) throw new TypeError('The note is too long.')
  const clear = new TextEncoder().encode(canonicalJson({ by, reason }))
  return toBase64(sealToVault(clear, vaultRecipients, randomBytes))
}

/** Opens it with identities of the vault, or by its key service, whose failure is thrown. `shape`: what is inside is no note. */
export async function openNote(
  note: string,
  vaultIdentities: readonly VaultIdentity[],
): Promise<Result<CustodyNote, 'sealed' | 'shape'>> {
  const sealed = fromBase64(note)
  const opened = sealed === undefined ? undefined : await openVaultSealed(sealed, vaultIdentities)
  if (opened?.ok !== true) return rejected('sealed')
  const value = readCanonicalJson(opened.value)
  const read = (name: string): unknown =>
    typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
  const [by, reason] = [read('by'), read('reason')]
  if (typeof by !== 'string' || by.length > BY_LENGTH_MAX) return rejected('shape')
  if (typeof reason !== 'string' || reason.length > REASON_LENGTH_MAX) return rejected('shape')
  return accepted({ by, reason })
}
