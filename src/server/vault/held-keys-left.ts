import { openSealed } from '../../evidence/age-open.ts'
import { isHeldKeyName } from '../../evidence/object-names.ts'
import { isSealedToService, type VaultIdentity } from '../../evidence/vault-open.ts'
import type { HeldKeys } from '../recording/held-keys.ts'
import { objectKey } from '../storage/layout.ts'
import type { RotationPlace } from './rotation-place.ts'

/** Keys of what is held until consent, which rotation leaves as they are. FORMAT.md 2.1 */
export interface HeldKeysLeft {
  /** Whether one of them opens with the vault that is left, which is still needed then. */
  isIn(recording: { readonly objectPrefix: string }): Promise<boolean>
}

/**
 * Looks at what this machine has first, then at the places: one that is decided meanwhile goes the same way, and is not missed.
 *
 * @param undecided on this machine
 */
export async function heldKeysLeft(
  places: readonly RotationPlace[],
  undecided: Pick<HeldKeys, 'undecided' | 'read'>,
  oldIdentities: readonly VaultIdentity[],
): Promise<HeldKeysLeft> {
  const here = await undecided.undecided()
  const texts = oldIdentities.filter((identity) => typeof identity === 'string')
  const services = oldIdentities.filter((identity) => typeof identity !== 'string')
  const opens = async (bytes: Uint8Array | undefined): Promise<boolean> => {
    // By the name of a key one sees what a service would open, and an opening that nobody needs does not stand in its log.
    if (bytes !== undefined && services.some((service) => isSealedToService(bytes, service))) return true
    const opened = bytes === undefined ? undefined : await openSealed(bytes, texts)
    if (opened?.ok !== true) return false
    opened.value.fill(0)
    return true
  }
  return {
    async isIn({ objectPrefix }) {
      const start = objectKey(objectPrefix, 'held-key-')
      for (const key of here) if (key.startsWith(start) && (await opens(await undecided.read(key)))) return true
      for (const place of places) {
        for (const { key } of await place.list(start)) {
          if (isHeldKeyName(key.slice(objectPrefix.length + 1)) && (await opens(await place.get(key)))) return true
        }
      }
      return false
    },
  }
}
