import { EarwitnessError } from '../errors.ts'
import { rejected, type Result } from '../result.ts'
import { openSealed, type OpenRejectReason } from './age-open.ts'
import { readWrappedKeyHeader, type RsaStanza } from './rsa-stanza.ts'
import type { VaultProvider } from './vault-recipient.ts'

/**
 * A key service in the hands of somebody who may listen. It throws where it cannot answer (it is away, it denies, its key is not the one that was pinned): that says nothing about the file.
 */
export interface VaultService {
  readonly provider: VaultProvider
  /** The fingerprints of the keys that it can be asked for. */
  readonly fingerprints: ReadonlySet<string>
  /** Has it decrypt what one of these keys was encrypted for. `damaged`: by that key this opens to nothing, so it was changed. */
  open(stanza: RsaStanza): Promise<Result<Uint8Array, 'damaged'>>
}

/** What opens a vault: an age identity (`AGE-SECRET-KEY-1…`), or a key service. */
export type VaultIdentity = string | VaultService

/** `keyNotConfigured`: sealed to a key of this very service that the configuration does not name; `detail` is its fingerprint. */
export type VaultOpenRejectReason = OpenRejectReason | 'keyNotConfigured'

/** Longer than any one-time identity: 74 characters and a line feed. */
const IDENTITY_LENGTH_MAX = 100

/**
 * Opens what `sealToVault` sealed: with age identities as {@link openSealed} does, without asking anybody; then by the services, each asked for one stanza of each of its keys until one opens.
 * Runs in browsers too. Throws what a service throws.
 */
export async function openVaultSealed(
  sealed: Uint8Array,
  identities: readonly VaultIdentity[],
): Promise<Result<Uint8Array, VaultOpenRejectReason>> {
  const texts = identities.filter((identity) => typeof identity === 'string')
  const services = identities.filter((identity) => typeof identity !== 'string')
  const opened = await openSealed(sealed, texts)
  if (opened.ok || opened.reason !== 'noIdentityMatches' || services.length === 0) return opened
  const header = readWrappedKeyHeader(sealed)
  if (!header.ok) return opened
  let refused: Result<Uint8Array, VaultOpenRejectReason> = opened
  const unanswered: unknown[] = []
  const asked = new Set<string>()
  for (const stanza of header.value.rsa) {
    const service = services.find(({ provider }) => provider === stanza.provider)
    if (service === undefined) continue
    if (!service.fingerprints.has(stanza.fingerprint)) {
      if (refused === opened) refused = rejected('keyNotConfigured', stanza.fingerprint)
      continue
    }
    // No writer makes two for one key: somebody who may write to the store must not choose how often a service is asked.
    const key = `${stanza.provider} ${stanza.fingerprint}`
    if (asked.has(key)) continue
    asked.add(key)
    try {
      const identity = await oneTimeIdentity(service, stanza)
      const result = identity === undefined ? rejected('damaged' as const) : await openSealed(sealed, [identity])
      if (result.ok) return result
      // The one-time identity is that of the stanza before: where it does not open, one of the two was replaced.
      refused = rejected(result.reason === 'tooLarge' ? 'tooLarge' : 'damaged')
    } catch (error) {
      // One of its keys may be gone, and another may open it.
      unanswered.push(error)
    }
  }
  // Who got no answer knows nothing, whatever the other keys say.
  if (unanswered.length > 0) throw unanswered.find((error) => !isKeyMissing(error)) ?? unanswered[0]
  return refused
}

/** A key that its service does not have will never open anything; of what else it may say, anything may be otherwise tomorrow. */
export function isKeyMissing(error: unknown): boolean {
  return error instanceof EarwitnessError && error.code === 'vault-key-missing'
}

/** Whether a service is to be asked for this: without asking it. */
export function isSealedToService(sealed: Uint8Array, { provider, fingerprints }: VaultService): boolean {
  const header = readWrappedKeyHeader(sealed)
  return header.ok && header.value.rsa.some((one) => one.provider === provider && fingerprints.has(one.fingerprint))
}

async function oneTimeIdentity(service: VaultService, stanza: RsaStanza): Promise<string | undefined> {
  const clear = await service.open(stanza)
  if (!clear.ok || clear.value.length > IDENTITY_LENGTH_MAX) return undefined
  const text = new TextDecoder('latin1').decode(clear.value)
  clear.value.fill(0)
  return /^AGE-SECRET-KEY-1[0-9A-Z]+\n$/u.test(text) ? text.trimEnd() : undefined
}
