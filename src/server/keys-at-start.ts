import { join } from 'node:path'

import type { Config } from '../config/config.ts'
import type { VaultRecipient } from '../evidence/vault-recipient.ts'
import { loadOrCreateSigner, loadOrCreateVault, loadSigner, type SignerFiles } from './storage/key-files.ts'

/** What an operator has to be told once, on the terminal: see `Daemon.notices`. */
export interface DaemonNotice {
  readonly code: 'vault-key-created' | 'vault-key-present' | 'signer-created'
  readonly path: string
}

/** The key that manifests are signed with: the one configured, or one of its own, made at the first start. */
export async function loadSignerAtStart(
  { dataDir, signer }: Pick<Config, 'dataDir' | 'signer'>,
  notices: DaemonNotice[],
): Promise<SignerFiles> {
  if (signer.keyFile !== undefined) return loadSigner(signer.keyFile)
  const files = await loadOrCreateSigner(join(dataDir, 'keys'))
  if (files.created) notices.push({ code: 'signer-created', path: files.keyFile })
  return files
}

/** What the configuration names to seal to: the keys of its key service that are not retired, and the recipients of age. */
export function configuredVault(vault: Config['vault']): readonly VaultRecipient[] {
  const keys = vault.kind === 'age' ? [] : (vault.kind === 'aws-kms' ? vault.awsKms : vault.vaultTransit).keys
  return [...keys.filter(({ isRetired }) => !isRetired).map(({ publicKey }) => publicKey), ...vault.recipients]
}

/** To what recordings are sealed: as configured, or to a key pair of its own, made at the first start. */
export async function vaultRecipientsAtStart(
  { dataDir, vault }: Pick<Config, 'dataDir' | 'vault'>,
  notices: DaemonNotice[],
): Promise<readonly VaultRecipient[]> {
  const configured = configuredVault(vault)
  if (configured.length > 0) return configured
  const files = await loadOrCreateVault(join(dataDir, 'keys'))
  if (files.created) notices.push({ code: 'vault-key-created', path: files.identityFile })
  else if (files.identityPresent) notices.push({ code: 'vault-key-present', path: files.identityFile })
  return [files.recipient]
}
