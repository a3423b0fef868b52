import { createHmac } from 'node:crypto'

import type { RandomBytes } from './age-seal.ts'
import { readWrappedKeyHeader } from './rsa-stanza.ts'
import { recipientText, type VaultRecipient } from './vault-recipient.ts'
import { sealToVault } from './vault-seal.ts'

/**
 * Seals a recording's identity to other vault recipients, as the object `name`. The same arguments give the same bytes: whoever was stopped half way makes no second
 * key, and knows his own without a key of the new vault. FORMAT.md 2.1
 *
 * Nobody can tell those bytes from random ones who does not have the identity, which is what they keep; another name or recipient gives others.
 * Throws a RangeError as `sealToVault` does.
 */
export function rewrapKey(options: {
  readonly identity: string
  readonly recipients: readonly VaultRecipient[]
  readonly name: string
}): Uint8Array {
  const { identity, recipients } = options
  const clear = new TextEncoder().encode(`${identity}\n`)
  const wrapped = sealToVault(clear, recipients, randomnessOf(options))
  clear.fill(0)
  return wrapped
}

function randomnessOf({
  identity,
  recipients,
  name,
}: {
  readonly identity: string
  readonly recipients: readonly VaultRecipient[]
  readonly name: string
}): RandomBytes {
  const purpose = `earwitness-rewrap/1\n${name}\n${recipients.map((recipient) => `${recipientText(recipient)}\n`).join('')}`
  let calls = 0
  return (length) => {
    const bytes = createHmac('sha256', identity).update(`${purpose}${calls}`).digest()
    calls += 1
    return Uint8Array.from(bytes.subarray(0, length))
  }
}

/** Whether the header of a wrapped key has as many stanzas of each kind as a vault of these recipients gives it, for the very RSA keys in any order. */
export function isSealedTo(sealed: Uint8Array, recipients: readonly VaultRecipient[]): boolean {
  const header = readWrappedKeyHeader(sealed)
  if (!header.ok || header.value.x25519 !== recipients.length) return false
  const wanted = recipients.filter((recipient) => typeof recipient !== 'string').map(recipientText)
  const found = header.value.rsa.map(({ provider, fingerprint }) => `${provider} ${fingerprint}`)
  return wanted.toSorted().join('\n') === found.toSorted().join('\n')
}
