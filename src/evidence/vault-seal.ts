import { decodeRecipient, generateIdentity } from './age-keys.ts'
import { drawn, RECIPIENTS_MAX, recipientPoint, sealWithStanzas, x25519Stanza, type RandomBytes } from './age-seal.ts'
import { encryptRsaOaep, OAEP_SEED_LENGTH } from './rsa-oaep.ts'
import { rsaStanzaText } from './rsa-stanza.ts'
import { publicKeyOf } from './rsa-vault-key.ts'
import { RSA_VAULT_KEYS_MAX, type RsaVaultKey, type VaultRecipient } from './vault-recipient.ts'

/**
 * Seals `plaintext` to a vault, as one complete age v1 file. For an RSA key of a key service a one-time age key pair stands between: the file is sealed to it as to any other recipient, and
 * its private half, encrypted to the RSA key, is a stanza of its own behind that. So it needs no network, and every age program opens the file with the one-time identity. FORMAT.md 2.3
 *
 * Randomness is taken in this order: file key (16 bytes); for each recipient of age its ephemeral secret (32), for each RSA key the one-time secret (32), the ephemeral secret (32) and the
 * seed of OAEP (32); payload nonce (16).
 *
 * Throws a RangeError for no or too many recipients, and for one that cannot be sealed to: they are to be checked when they are configured.
 */
export function sealToVault(
  plaintext: Uint8Array,
  vault: readonly VaultRecipient[],
  randomBytes: RandomBytes,
): Uint8Array {
  const rsaKeys = vault.filter((recipient) => typeof recipient !== 'string').length
  if (vault.length === 0 || vault.length > RECIPIENTS_MAX || rsaKeys > RSA_VAULT_KEYS_MAX) {
    throw new RangeError(`A vault has 1 to ${RECIPIENTS_MAX} recipients, ${RSA_VAULT_KEYS_MAX} RSA keys among them.`)
  }
  const stanzasFor = (fileKey: Uint8Array): readonly string[] =>
    vault.map((recipient) =>
      typeof recipient === 'string'
        ? x25519Stanza(fileKey, recipientPoint(recipient), randomBytes)
        : rsaStanzas(fileKey, recipient, randomBytes),
    )
  return sealWithStanzas(plaintext, stanzasFor, randomBytes)
}

function rsaStanzas(
  fileKey: Uint8Array,
  { provider, spki, fingerprint }: RsaVaultKey,
  randomBytes: RandomBytes,
): string {
  const oneTime = generateIdentity(randomBytes)
  const point = decodeRecipient(oneTime.recipient)
  if (!point.ok) throw new Error('The recipient of a fresh identity could not be read.')
  const x25519 = x25519Stanza(fileKey, point.value, randomBytes)
  const clear = new TextEncoder().encode(`${oneTime.identity}\n`)
  const ciphertext = encryptRsaOaep(publicKeyOf(spki), clear, drawn(randomBytes, OAEP_SEED_LENGTH))
  clear.fill(0)
  return x25519 + rsaStanzaText({ provider, fingerprint, ciphertext })
}
