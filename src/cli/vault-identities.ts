import type { Config } from '../config/config.ts'
import { EarwitnessError } from '../errors.ts'
import type { VaultIdentity } from '../evidence/vault-open.ts'
import { isVaultProvider, type VaultProvider } from '../evidence/vault-recipient.ts'
import { loadIdentities } from '../server/storage/key-files.ts'
import { openKeyService, type KeyService } from '../server/vault/key-service.ts'
import { defaultIdentityFile } from './stored-recording.ts'

/** What an option `--identity` takes besides a file. */
export const IDENTITY_WORDS = 'or aws-kms or vault-transit, to have the key service of the configuration open it'

/** What opens recordings when nobody says: the key service that the configuration seals to, or the key file that was made at the first start. */
export function defaultIdentity(config: Config): string {
  return config.vault.kind === 'age' ? defaultIdentityFile(config) : config.vault.kind
}

/**
 * What `--identity` names: a file of age identities, or the key service of the configuration. A file with the name of a service is given as `./aws-kms`.
 *
 * @throws EarwitnessError `identity-invalid`, `key-file-…`, `vault-keys-unset`
 */
export async function openIdentities(config: () => Config, asked: string): Promise<readonly VaultIdentity[]> {
  return isVaultProvider(asked) ? [await openConfiguredService(config(), asked)] : loadIdentities(asked)
}

/** @throws EarwitnessError `vault-keys-unset` */
async function openConfiguredService({ vault }: Config, provider: VaultProvider): Promise<KeyService> {
  const group = provider === 'aws-kms' ? 'awsKms' : 'vaultTransit'
  if (vault[group].keys.length > 0) return openKeyService(vault, provider)
  throw new EarwitnessError(
    'vault-keys-unset',
    `The configuration names no keys of ${provider}.`,
    `Put each key with the file of its public half into vault.${group}.keys; \`earwitness keys fetch\` writes that file.`,
  )
}
