import { identityToRecipient } from 'age-encryption'

import { accepted, rejected, type Result } from '../result.ts'
import { isWrappedKeyName, wrappedKeyNumber } from './object-names.ts'
import { isSealedToService, openVaultSealed, type VaultIdentity, type VaultOpenRejectReason } from './vault-open.ts'

/** A recording's key pair, in the hands of somebody who may listen. */
export interface OpenedRecordingKey {
  /** `AGE-SECRET-KEY-1…`: opens every chunk and snapshot of the recording. A secret. */
  readonly identity: string
  readonly recipient: string
}

export type RecordingKeyRejectReason = VaultOpenRejectReason | 'notIdentity'

/** No wrapped key is larger: 20 recipients take 2 KiB, and each RSA key 1 KiB more. What is larger is not looked into. */
const WRAPPED_KEY_BYTES_MAX = 16 * 1024

/**
 * Opens `key.age` with vault identities, or by a key service, and reads the recording's identity out of it. FORMAT.md 2
 *
 * The caller compares `recipient` with the manifest's: a key file of another recording opens just as well. Throws what a key service throws.
 */
export async function openRecordingKey(
  wrappedKey: Uint8Array,
  vaultIdentities: readonly VaultIdentity[],
): Promise<Result<OpenedRecordingKey, RecordingKeyRejectReason>> {
  if (wrappedKey.length > WRAPPED_KEY_BYTES_MAX) return rejected('tooLarge')
  const opened = await openVaultSealed(wrappedKey, vaultIdentities)
  if (!opened.ok) return opened
  const lines = new TextDecoder().decode(opened.value).split('\n')
  opened.value.fill(0)
  const [identity, ...more] = lines.filter((line) => line !== '' && !line.startsWith('#'))
  if (identity === undefined || more.length > 0) return rejected('notIdentity')
  try {
    return accepted({ identity, recipient: await identityToRecipient(identity) })
  } catch {
    return rejected('notIdentity')
  }
}

/**
 * Opens the wrapped keys of one recording. Of those that a service would have to open, the first {@link SERVICE_KEYS_MAX} only: somebody who may write to the store must not choose how often
 * a service is asked. Throws what a service throws.
 */
export class RecordingKeyOpener {
  readonly #identities: readonly VaultIdentity[]
  #asking = 0

  constructor(identities: readonly VaultIdentity[]) {
    this.#identities = identities
  }

  open(wrapped: Uint8Array): Promise<Result<OpenedRecordingKey, RecordingKeyRejectReason>> {
    const isForService = this.#identities.some((one) => typeof one !== 'string' && isSealedToService(wrapped, one))
    if (isForService) this.#asking += 1
    const texts = this.#identities.filter((one) => typeof one === 'string')
    return openRecordingKey(wrapped, this.#asking > SERVICE_KEYS_MAX ? texts : this.#identities)
  }
}

/** A recording has one, and during a rotation or on legal hold some more. */
export const SERVICE_KEYS_MAX = 16

/** `missing`: there is no wrapped key at all. `wrongRecipient`: one opens, and is that of another recording. */
export type NewestKeyRejectReason = RecordingKeyRejectReason | 'missing' | 'wrongRecipient'

/** A wrapped key in force, opened. */
export interface NewestKey extends OpenedRecordingKey {
  /** Of the object. */
  readonly name: string
}

/**
 * Opens the newest wrapped key that the identities open and that is the recording's: after a rotation there may be several. FORMAT.md 2.1
 *
 * @param options.names of the objects of the recording, or of its wrapped keys
 * @param options.recipient as the manifest has it; undefined while there is none
 * Throws what a key service throws, when no other key opens.
 *
 * @returns `detail` of a refusal is the name of the newest key
 */
export async function openNewestKey(options: {
  readonly names: readonly string[]
  readonly get: (name: string) => Promise<Uint8Array | undefined>
  readonly identities: readonly VaultIdentity[]
  readonly recipient: string | undefined
}): Promise<Result<NewestKey, NewestKeyRejectReason>> {
  const { names, get, identities, recipient } = options
  let refused: Result<NewestKey, NewestKeyRejectReason> | undefined
  const unanswered: unknown[] = []
  const opener = new RecordingKeyOpener(identities)
  for (const name of newestFirst(names)) {
    const wrapped = await get(name)
    if (wrapped === undefined) continue
    const opened = await openOrKeep(wrapped, opener, unanswered)
    if (opened === undefined) continue
    if (!opened.ok) refused ??= rejected(opened.reason, name)
    else if (recipient === undefined || opened.value.recipient === recipient) return accepted({ ...opened.value, name })
    else refused = rejected('wrongRecipient', name)
  }
  if (unanswered.length > 0) throw unanswered[0]
  return refused ?? rejected('missing')
}

/** Undefined when a key service did not answer, which is put to `unanswered`: an older key may open. */
async function openOrKeep(
  wrapped: Uint8Array,
  opener: RecordingKeyOpener,
  unanswered: unknown[],
): Promise<Result<OpenedRecordingKey, RecordingKeyRejectReason> | undefined> {
  try {
    return await opener.open(wrapped)
  } catch (error) {
    unanswered.push(error)
    return undefined
  }
}

/** The wrapped keys among `names`. */
function newestFirst(names: readonly string[]): readonly string[] {
  return names.filter(isWrappedKeyName).toSorted((one, other) => wrappedKeyNumber(other) - wrappedKeyNumber(one))
}
