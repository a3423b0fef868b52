/** Key services that a vault may be of. Their names stand in files: they never change. */
export const VAULT_PROVIDERS = ['aws-kms', 'vault-transit'] as const
export type VaultProvider = (typeof VAULT_PROVIDERS)[number]

/** The public half of an RSA key whose private half never leaves a key service. */
export interface RsaVaultKey {
  readonly provider: VaultProvider
  /** SubjectPublicKeyInfo, DER in Base64. RFC 3279 2.3.1 */
  readonly spki: string
  /** SHA-256 of that, Base64 without padding: the name of the key in files. */
  readonly fingerprint: string
}

/** To what the keys of recordings are sealed: an age recipient (`age1…`), or an RSA key of a key service. Plain data, so that it goes to media workers as it is. */
export type VaultRecipient = string | RsaVaultKey

/** RSA keys in one vault: with those of age it has at most `RECIPIENTS_MAX` recipients. */
export const RSA_VAULT_KEYS_MAX = 8

export function isVaultProvider(text: string): text is VaultProvider {
  return (VAULT_PROVIDERS as readonly string[]).includes(text)
}

/** A text that stands for a recipient and for no other. FORMAT.md 2.1 */
export function recipientText(recipient: VaultRecipient): string {
  return typeof recipient === 'string' ? recipient : `${recipient.provider} ${recipient.fingerprint}`
}
