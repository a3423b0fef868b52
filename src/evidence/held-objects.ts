import { openSealed } from './age-open.ts'
import type { FindingList } from './findings.ts'
import { heldEntryOf, type HeldEntry, type MaybeHeld } from './held-entry.ts'
import type { ManifestBody } from './manifest.ts'
import { openRecordingKey } from './recording-key.ts'
import { isKeyMissing, type VaultIdentity } from './vault-open.ts'
import type { ObjectReader } from './verify.ts'

/** What looks at one named object, and says what is wrong with it. */
type Check = (
  expected: { readonly kind: 'held-key' | 'held-peaks' } & HeldEntry['wrappedKey'],
) => Promise<Uint8Array | undefined>

/** Identities by the number of the held part; undefined where none is to be had. */
export type HeldIdentities = readonly (string | undefined)[]

/**
 * Looks at the keys of what was held until consent: a kept one must be there, a destroyed one must not, and one about which nobody had decided may. FORMAT.md 6
 *
 * With `identities` (of the vault) it opens those that are there.
 */
export async function checkHeldKeys(
  { held = [] }: ManifestBody,
  objects: ObjectReader,
  options: {
    readonly findings: FindingList
    readonly check: Check
    readonly identities: readonly VaultIdentity[] | undefined
  },
): Promise<HeldIdentities> {
  const opened: (string | undefined)[] = []
  for (const entry of held) {
    const { name } = entry.wrappedKey
    const isThere = entry.outcome === 'kept' || (await objects.get(name)) !== undefined
    if (entry.outcome === 'destroyed' && isThere) {
      const sentence = 'The key of what was held until consent is there, although it is said to be destroyed.'
      options.findings.add('held-key-present', sentence, name)
    }
    const isExpected = isThere && entry.outcome !== 'destroyed'
    const wrapped = isExpected ? await options.check({ kind: 'held-key', ...entry.wrappedKey }) : undefined
    const identity = wrapped === undefined ? undefined : await openHeldKey(entry, wrapped, options)
    opened.push(identity)
    await checkPeaks(entry, identity, options)
  }
  return opened
}

async function openHeldKey(
  { recipient, wrappedKey }: HeldEntry,
  wrapped: Uint8Array,
  {
    identities,
    findings,
  }: { readonly identities: readonly VaultIdentity[] | undefined; readonly findings: FindingList },
): Promise<string | undefined> {
  if (identities === undefined) return undefined
  const key = await openIfThere(wrapped, identities)
  if (key?.ok === true && key.value.recipient === recipient) return key.value.identity
  if (key?.ok === true) {
    findings.add('held-key-wrong', 'This key is not that of what was held until consent.', wrappedKey.name)
  } else {
    const sentence = 'None of the given vault keys opens the key of what was held until consent.'
    findings.add('held-key-unreadable', sentence, wrappedKey.name)
  }
  return undefined
}

async function checkPeaks(
  { peaks, outcome }: HeldEntry,
  identity: string | undefined,
  { check, findings }: { readonly check: Check; readonly findings: FindingList },
): Promise<void> {
  if (peaks === undefined || outcome === 'destroyed') return
  const bytes = await check({ kind: 'held-peaks', ...peaks })
  if (bytes === undefined || identity === undefined) return
  const opened = await openSealed(bytes, [identity])
  if (!opened.ok) findings.add('held-peaks-unreadable', 'The held key does not open this object.', peaks.name)
}

/** What opens an object: the recording's own identity, or that of the held part to which it belongs. */
export function identityFor(object: MaybeHeld, own: string | undefined, held: HeldIdentities): string | undefined {
  return object.heldSeq === undefined ? own : held[object.heldSeq]
}

/** Nobody can open this object any more, and it may be deleted: that is as it should be. */
export function isDestroyed(body: Pick<ManifestBody, 'held'>, object: MaybeHeld): boolean {
  return heldEntryOf(body, object)?.outcome === 'destroyed'
}

/** Undefined where its key is not in the service any more: rotation leaves held keys to the vault they were sealed to, and the rest of the recording opens. */
async function openIfThere(
  wrapped: Uint8Array,
  identities: readonly VaultIdentity[],
): Promise<Awaited<ReturnType<typeof openRecordingKey>> | undefined> {
  try {
    return await openRecordingKey(wrapped, identities)
  } catch (error) {
    if (isKeyMissing(error)) return undefined
    throw error
  }
}

/** The identities of held parts that somebody with these vault identities can open; others are left out. Nothing is checked. */
export async function openHeldIdentities(
  { held = [] }: Pick<ManifestBody, 'held'>,
  objects: Pick<ObjectReader, 'get'>,
  identities: readonly VaultIdentity[],
): Promise<HeldIdentities> {
  const opened: (string | undefined)[] = []
  for (const { wrappedKey, recipient, outcome } of held) {
    const wrapped = outcome === 'destroyed' ? undefined : await objects.get(wrappedKey.name)
    const key = wrapped === undefined ? undefined : await openIfThere(wrapped, identities)
    opened.push(key?.ok === true && key.value.recipient === recipient ? key.value.identity : undefined)
  }
  return opened
}
