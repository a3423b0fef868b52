import type { Config } from '../config/config.ts'
import { EarwitnessError } from '../errors.ts'
import { parseRecipient, recipientOfIdentity } from '../evidence/age-keys.ts'
import { RECIPIENTS_MAX } from '../evidence/age-seal.ts'
import type { VaultIdentity } from '../evidence/vault-open.ts'
import { isVaultProvider, recipientText, type VaultRecipient } from '../evidence/vault-recipient.ts'
import { configuredVault } from '../server/keys-at-start.ts'
import { KeyService } from '../server/vault/key-service.ts'
import type { Vaults } from '../server/vault/rotate-key.ts'
import { textOption, textOptions, usageError } from './arguments.ts'
import type { CommandContext } from './command.ts'
import { openIdentities } from './vault-identities.ts'

/** @throws EarwitnessError `usage-no-identity`, `keys-recipients`, `vault-recipient-invalid`, `keys-same-vault`, `identity-wrong`, `vault-keys-unset`, `key-file-…` */
export async function rotationVaults({ args }: Pick<CommandContext, 'args'>, config: Config): Promise<Vaults> {
  const asked = textOption(args, 'identity')
  if (asked === undefined) {
    const sentence = 'The key of the vault that is left was not given.'
    const hint = 'Add --identity OLDKEYFILE, or aws-kms or vault-transit: it opens what is to be sealed anew.'
    throw usageError('usage-no-identity', sentence, hint)
  }
  const newRecipients = recipientsOf(textOptions(args, 'to'), config)
  const oldIdentities = withoutNew(await openIdentities(() => config, asked), newRecipients)
  const oldRecipients = recipientsOpenedBy(oldIdentities)
  if (newRecipients.every((recipient) => oldRecipients.has(recipientText(recipient)))) {
    const hint = 'Give the old key with --identity, and the recipient of the new one with --to.'
    throw usageError('keys-same-vault', 'The new vault is the one that is to be left.', hint)
  }
  const checkWith = textOption(args, 'check-with')
  if (checkWith === undefined) return { oldIdentities, newRecipients, newIdentities: undefined }
  const newIdentities = await openIdentities(() => config, checkWith)
  const checked = recipientsOpenedBy(newIdentities)
  if (newRecipients.some((recipient) => checked.has(recipientText(recipient)))) {
    return { oldIdentities, newRecipients, newIdentities }
  }
  throw new EarwitnessError(
    'identity-wrong',
    'The key in --check-with belongs to none of the new recipients.',
    'Give the private half of one of them, or the key service that has it; `age-keygen -y FILE` prints the recipient of a key.',
  )
}

/** What `--to` names, each once; without it, what the recorder seals to. */
function recipientsOf(asked: readonly string[], config: Config): readonly VaultRecipient[] {
  const named = asked.length === 0 ? configuredVault(config.vault) : asked.flatMap((text) => recipientOf(text, config))
  const recipients = [...new Map(named.map((recipient) => [recipientText(recipient), recipient])).values()]
  if (recipients.length > 0 && recipients.length <= RECIPIENTS_MAX) return recipients
  const hint = 'Put the recipients of the new vault into vault.recipients, or give each with --to.'
  throw usageError('keys-recipients', `A vault has 1 to ${RECIPIENTS_MAX} recipients.`, hint)
}

function recipientOf(text: string, { vault }: Config): readonly VaultRecipient[] {
  // What the configuration seals to when this is its kind, but for the recipients of age: each of those is given by itself.
  if (isVaultProvider(text)) return configuredVault({ ...vault, kind: text, recipients: [] })
  const parsed = parseRecipient(text)
  if (parsed.ok) return [text]
  const hint =
    '`earwitness keygen` and `age-keygen -y` print one: it begins with age1. aws-kms and vault-transit stand for the keys of the configuration.'
  throw usageError('vault-recipient-invalid', `--to is not an age X25519 recipient (${parsed.reason}).`, hint)
}

/**
 * A service that is both left and rotated to has keys of both vaults. Where the new vault is of this service alone, what is to be left are its other keys. Where not, all of them: a recording
 * that is sealed to a new key of the service may lack the other new recipients, as where an escrow key is added.
 */
function withoutNew(
  identities: readonly VaultIdentity[],
  recipients: readonly VaultRecipient[],
): readonly VaultIdentity[] {
  const texts = new Set(recipients.map(recipientText))
  return identities.map((identity) => {
    if (!(identity instanceof KeyService)) return identity
    const own = new Map([...identity.fingerprints].map((one) => [`${identity.provider} ${one}`, one]))
    if ([...texts].some((text) => !own.has(text))) return identity
    const left = new Set([...own].flatMap(([text, one]) => (texts.has(text) ? [] : [one])))
    return left.size === 0 ? identity : identity.only(left)
  })
}

/** As `recipientText` has them. */
function recipientsOpenedBy(identities: readonly VaultIdentity[]): ReadonlySet<string> {
  const recipients = new Set<string>()
  for (const identity of identities) {
    if (typeof identity !== 'string') {
      for (const fingerprint of identity.fingerprints) recipients.add(`${identity.provider} ${fingerprint}`)
      continue
    }
    const recipient = recipientOfIdentity(identity)
    if (recipient.ok) recipients.add(recipient.value)
  }
  return recipients
}
