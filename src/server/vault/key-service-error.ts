import { EarwitnessError } from '../../errors.ts'
import type { VaultProvider } from '../../evidence/vault-recipient.ts'

/** Why a key service did not do what it was asked: none of it says anything about a recording. */
export type KeyServiceFault =
  | 'away'
  | 'denied'
  | 'keyMissing'
  | 'keyDisabled'
  | 'keyWrong'
  | 'answer'
  | 'tls'
  | 'address'

export const SERVICE_NAMES: Readonly<Record<VaultProvider, string>> = {
  'aws-kms': 'AWS KMS',
  'vault-transit': 'Vault Transit',
}

const GROUPS: Readonly<Record<VaultProvider, string>> = {
  'aws-kms': 'vault.awsKms',
  'vault-transit': 'vault.vaultTransit',
}

type Meaning = readonly [code: string, sentence: (name: string) => string, hint: (group: string) => string]

const MEANINGS: Readonly<Record<KeyServiceFault, Meaning>> = {
  away: [
    'vault-service-away',
    (name) => `${name} cannot be reached, or asks to be asked later`,
    (group) =>
      `Nothing is wrong with the recording: recordings go on without the service, and are opened when it answers. Check the network, the state of the service and ${group}; then run this again.`,
  ],
  denied: [
    'vault-service-denied',
    (name) => `${name} does not let you use this key`,
    (group) =>
      `Check the credentials of ${group} and what they are allowed (kms:Decrypt and kms:GetPublicKey; in Vault update on MOUNT/decrypt/KEY and read on MOUNT/keys/KEY), and whether they have expired.`,
  ],
  keyMissing: [
    'vault-key-missing',
    (name) => `${name} has no such key`,
    (group) =>
      `Check the key in ${group}.keys, and the region or mount. If it was deleted, take it out of the configuration: only other recipients of what was sealed to it still open that.`,
  ],
  keyDisabled: [
    'vault-key-disabled',
    (name) => `${name} has this key, and it is disabled or not in use`,
    () => 'Enable it, or cancel its deletion; in Vault, lower min_decryption_version of the key.',
  ],
  keyWrong: [
    'vault-key-wrong',
    (name) => `${name} has another key under this name than the one whose public half is pinned`,
    (group) =>
      `Compare ${group}.keys with \`earwitness keys fetch\`: name, version and publicKeyFile of an entry belong together.`,
  ],
  answer: [
    'vault-service-answer',
    (name) => `${name} gave an answer that is not one of its own`,
    (group) => `Check that ${group} leads to the service itself, not to a proxy or a page that asks for a login.`,
  ],
  tls: [
    'vault-service-tls',
    (name) => `The certificate of ${name} is not trusted`,
    (group) => `Name the CA that signed it in ${group}.caFile, and use the name in the certificate.`,
  ],
  address: [
    'vault-service-unset',
    (name) => `Nothing says where ${name} is, or who asks it`,
    (group) =>
      `Set region (aws-kms) or address and token (vault-transit) in ${group}: the recorder needs neither, who opens recordings does.`,
  ],
}

/** @param detail what the service or the system called it; never a secret */
export function keyServiceError(
  provider: VaultProvider,
  fault: KeyServiceFault,
  { key, detail, cause }: { readonly key?: string; readonly detail?: string; readonly cause?: unknown } = {},
): EarwitnessError {
  const [code, sentence, hint] = MEANINGS[fault]
  const which = key === undefined ? '' : `: key ${key}`
  const why = detail === undefined ? '' : ` (${detail.slice(0, DETAIL_MAX)})`
  return new EarwitnessError(code, `${sentence(SERVICE_NAMES[provider])}${which}${why}.`, hint(GROUPS[provider]), {
    cause,
  })
}

/** Whether a service refused one of its keys, and may well open by another. */
export function isOfOneKey(error: unknown): error is EarwitnessError {
  return error instanceof EarwitnessError && ONE_KEY.has(error.code)
}

const ONE_KEY: ReadonlySet<string> = new Set(['vault-key-missing', 'vault-key-disabled', 'vault-key-wrong'])
const DETAIL_MAX = 200

/** Codes of Node and OpenSSL for a certificate that does not do. */
export function isTlsFault(code: string): boolean {
  return code.startsWith('ERR_TLS') || code.includes('CERT') || code.startsWith('UNABLE_TO_')
}
