import { join } from 'node:path'

import type { Config } from '../config/config.ts'
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

/** To whom recordings are sealed: as configured, or to a key pair of its own, made at the first start. */
export async function vaultRecipientsAtStart(
  { dataDir, vault }: Pick<Config, 'dataDir' | 'vault'>,
  notices: DaemonNotice[],
): Promise<readonly string[]> {
  if (vault.recipients.length > 0) return vault.recipients
  const files = await loadOrCreateVault(join(dataDir, 'keys'))
  if (files.created) notices.push({ code: 'vault-key-created', path: files.identityFile })
  else if (files.identityPresent) notices.push({ code: 'vault-key-present', path: files.identityFile })
  return [files.recipient]
}
