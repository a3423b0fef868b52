import { join } from 'node:path'

import type { Config, ServiceKeyConfig } from '../../config/config.ts'
import { EarwitnessError } from '../../errors.ts'
import { parseRecipient } from '../../evidence/age-keys.ts'
import type { VaultProvider } from '../../evidence/vault-recipient.ts'
import { VAULT_IDENTITY_FILE, VAULT_RECIPIENT_FILE } from '../storage/key-files.ts'
import { SERVICE_NAMES } from '../vault/key-service-error.ts'
import { fail, ok, warn, type Finding } from './finding.ts'
import type { Probes } from './probes.ts'

export async function checkVault(config: Config, probes: Probes): Promise<readonly Finding[]> {
  const keysDir = join(config.dataDir, 'keys')
  const identityFile = join(keysDir, VAULT_IDENTITY_FILE)
  const { kind, awsKms, vaultTransit } = config.vault
  const findings = kind === 'age' ? [await vaultRecipients(config, probes, keysDir)] : [serviceKeys(config.vault)]
  findings.push(...keysUnused(config.vault))
  for (const key of awsKms.keys) findings.push(...(await pinnedKey(probes, 'aws-kms', key)))
  for (const key of vaultTransit.keys) findings.push(...(await pinnedKey(probes, 'vault-transit', key)))
  if ((await probes.fileMode(identityFile)) !== undefined) {
    findings.push(
      warn(
        'vault-private-half',
        `The private half of a vault key lies on the recorder: ${identityFile}. Whoever has this machine can listen.`,
        'Move it to where recordings are listened to, and keep a copy: without it nobody ever will. The recorder does not need it.',
      ),
    )
  }
  return findings
}

async function vaultRecipients(config: Config, probes: Probes, keysDir: string): Promise<Finding> {
  const { recipients } = config.vault
  const hint = 'It must begin with age1; `earwitness keygen` makes a pair.'
  if (recipients.length > 0) {
    const wrong = recipients.filter((recipient) => !parseRecipient(recipient).ok).length
    if (wrong > 0) return fail('vault', `${wrong} of vault.recipients are no age X25519 recipients.`, hint)
    return ok('vault', `Recordings are sealed to ${recipients.length} vault recipients of the configuration.`)
  }
  const file = join(keysDir, VAULT_RECIPIENT_FILE)
  const stored = await probes.readText(file)
  if (stored === undefined) return ok('vault', 'A vault key pair is made at the first start.')
  if (!parseRecipient(stored.trim()).ok) return fail('vault', `This is no age X25519 recipient: ${file}`, hint)
  return ok('vault', `Recordings are sealed to the vault recipient in ${file}.`)
}

function serviceKeys({ kind, recipients, awsKms, vaultTransit }: Config['vault']): Finding {
  const [provider, keys] =
    kind === 'aws-kms' ? (['aws-kms', awsKms.keys] as const) : (['vault-transit', vaultTransit.keys] as const)
  const current = keys.filter(({ isRetired }) => !isRetired)
  const names = current.map(({ key, publicKey }) => `${key} (${publicKey.fingerprint})`).join(', ')
  const others = recipients.length === 0 ? '' : `, and to ${recipients.length} recipients of age`
  return ok('vault', `Recordings are sealed to keys of ${SERVICE_NAMES[provider]}: ${names}${others}.`)
}

/** Somebody may have named keys and believe that recordings are sealed to them. */
function keysUnused({ kind, awsKms, vaultTransit }: Config['vault']): readonly Finding[] {
  const groups = { 'aws-kms': awsKms.keys, 'vault-transit': vaultTransit.keys }
  return (['aws-kms', 'vault-transit'] as const)
    .filter((provider) => provider !== kind && groups[provider].some(({ isRetired }) => !isRetired))
    .map((provider) =>
      warn(
        'vault-keys-unused',
        `Recordings are not sealed to the keys of ${SERVICE_NAMES[provider]} that the configuration names: vault.kind is ${kind}.`,
        `Set vault.kind to ${provider}; or, where these keys only open what was sealed before, write \`retired: true\` to each.`,
      ),
    )
}

/** Whether the service has the key that is pinned. Nothing depends on it while recordings are made: they could not be opened later. */
async function pinnedKey(
  probes: Probes,
  provider: VaultProvider,
  { key, version, publicKey }: ServiceKeyConfig,
): Promise<readonly Finding[]> {
  const actual = await probes.vaultKey(provider, { key, version })
  // A recorder has no credentials, and needs none.
  if (actual === undefined) return []
  if (actual instanceof EarwitnessError) return [warn('vault-service', actual.message, actual.hint)]
  if (actual.fingerprint === publicKey.fingerprint) {
    return [ok('vault-service', `${SERVICE_NAMES[provider]} has the key that is pinned for ${key}.`)]
  }
  const sentence = `${SERVICE_NAMES[provider]} has another key for ${key} than the one that is pinned: ${actual.fingerprint} instead of ${publicKey.fingerprint}.`
  const hint =
    'What is sealed to the pinned one opens only where its private half is. Find out whose it is, fetch the right public half with `earwitness keys fetch`, and restart the recorder.'
  return [fail('vault-service', sentence, hint)]
}
