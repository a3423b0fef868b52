import { createHash } from 'node:crypto'

import type { Config, ServiceKeyConfig } from '../../config/config.ts'
import { ciphertextLength, rsaVaultKeyOf } from '../../evidence/rsa-vault-key.ts'
import type { RsaStanza } from '../../evidence/rsa-stanza.ts'
import type { RsaVaultKey, VaultProvider } from '../../evidence/vault-recipient.ts'
import type { VaultService } from '../../evidence/vault-open.ts'
import { accepted, rejected, type Result } from '../../result.ts'
import { EarwitnessError } from '../../errors.ts'
import { keyServiceError } from './key-service-error.ts'

/** A key of a service, as it is asked for. */
export type ServiceKeyName = Pick<ServiceKeyConfig, 'key' | 'version'>

/** What differs between key services. Each call throws an EarwitnessError of `key-service-error` when it was not answered. */
export interface KeyServiceApi {
  /** `invalid`: the service has the key, and by it this opens to nothing. */
  decrypt(key: ServiceKeyName, ciphertext: Uint8Array): Promise<Uint8Array | 'invalid'>
  /** SubjectPublicKeyInfo, DER. */
  publicKey(key: ServiceKeyName): Promise<Uint8Array>
}

/** One-time identities kept, so that one command asks once for what it opens twice. */
const OPENED_MAX = 64
/** Answers in a row that did not come, after which the service is not waited for again by this command. */
export const AWAY_MAX = 3

/** A key service in the hands of who opens recordings. */
export class KeyService implements VaultService {
  readonly provider: VaultProvider
  readonly fingerprints: ReadonlySet<string>
  readonly #keys: ReadonlyMap<string, ServiceKeyConfig>
  readonly #api: KeyServiceApi
  readonly #opened = new Map<string, Promise<Result<Uint8Array, 'damaged'>>>()
  /** Keys that the service has as they are pinned. */
  readonly #proven = new Set<ServiceKeyConfig>()
  #away = 0
  #lastAway: EarwitnessError | undefined

  constructor(provider: VaultProvider, keys: readonly ServiceKeyConfig[], api: KeyServiceApi) {
    this.provider = provider
    this.#keys = new Map(keys.map((key) => [key.publicKey.fingerprint, key]))
    this.fingerprints = new Set(this.#keys.keys())
    this.#api = api
  }

  /** The same service, for some of its keys only. */
  only(fingerprints: ReadonlySet<string>): KeyService {
    const keys = [...this.#keys.values()].filter(({ publicKey }) => fingerprints.has(publicKey.fingerprint))
    return new KeyService(this.provider, keys, this.#api)
  }

  async open(stanza: RsaStanza): Promise<Result<Uint8Array, 'damaged'>> {
    const key = this.#keys.get(stanza.fingerprint)
    if (key === undefined) throw new TypeError('The service was asked for a key that it does not have.')
    if (stanza.ciphertext.length !== ciphertextLength(key.publicKey)) return rejected('damaged')
    const name = createHash('sha256').update(stanza.fingerprint).update(stanza.ciphertext).digest('hex')
    const known = this.#opened.get(name)
    const opening = known ?? this.#ask(key, stanza.ciphertext)
    if (known === undefined) this.#remember(name, opening)
    const opened = await opening
    // Whoever opened it overwrites what he was given.
    return opened.ok ? accepted(Uint8Array.from(opened.value)) : opened
  }

  /** The key that the service has under a name. */
  async fetch(name: ServiceKeyName): Promise<RsaVaultKey> {
    const key = rsaVaultKeyOf(await this.#api.publicKey(name), this.provider)
    if (key.ok) return key.value
    throw new EarwitnessError(
      'vault-key-unfit',
      `The key ${name.key} is not one that recordings can be sealed to (${key.reason}${key.detail === undefined ? '' : ` ${key.detail}`}).`,
      'It must be RSA of 3072 or 4096 bits, for encryption: KMS key spec RSA_3072 or RSA_4096 with usage ENCRYPT_DECRYPT, Vault type rsa-3072 or rsa-4096.',
    )
  }

  #remember(name: string, opening: Promise<Result<Uint8Array, 'damaged'>>): void {
    const [oldest] = this.#opened.keys()
    if (this.#opened.size >= OPENED_MAX && oldest !== undefined) this.#opened.delete(oldest)
    this.#opened.set(name, opening)
    opening.catch(() => this.#opened.delete(name))
  }

  async #ask(key: ServiceKeyConfig, ciphertext: Uint8Array): Promise<Result<Uint8Array, 'damaged'>> {
    if (this.#away >= AWAY_MAX && this.#lastAway !== undefined) throw this.#lastAway
    try {
      const clear = await this.#api.decrypt(key, ciphertext)
      this.#away = 0
      if (clear !== 'invalid') return accepted(clear)
    } catch (error) {
      if (error instanceof EarwitnessError && error.code === 'vault-service-away') {
        this.#away += 1
        this.#lastAway = error
      }
      throw error
    }
    // Before anybody is told that a file was changed: is it the key to which it was sealed?
    if (!this.#proven.has(key)) {
      const actual = await this.fetch(key)
      if (actual.fingerprint !== key.publicKey.fingerprint)
        throw keyServiceError(this.provider, 'keyWrong', { key: key.key })
      this.#proven.add(key)
    }
    return rejected('damaged')
  }
}

/**
 * Opens a service with what the configuration says of it. Its client is loaded only here.
 *
 * @throws EarwitnessError `vault-service-unset`
 */
export async function openKeyService(vault: Config['vault'], provider: VaultProvider): Promise<KeyService> {
  if (provider === 'aws-kms') {
    const { AwsKms } = await import('./aws-kms.ts')
    return new KeyService(provider, vault.awsKms.keys, new AwsKms(vault.awsKms))
  }
  const { VaultTransit } = await import('./vault-transit.ts')
  return new KeyService(provider, vault.vaultTransit.keys, new VaultTransit(vault.vaultTransit))
}
