import { EarwitnessError } from '../../errors.ts'
import type { CustodyState } from '../../evidence/custody/custody-chain.ts'
import { standingOf, type CustodyStanding } from '../../evidence/custody/verify-custody.ts'
import { decodeManifest } from '../../evidence/manifest.ts'
import {
  isHeldKeyName,
  isWrappedKeyName,
  MANIFEST_NAME,
  wrappedKeyName,
  wrappedKeyNumber,
} from '../../evidence/object-names.ts'
import { openRecordingKey, RecordingKeyOpener } from '../../evidence/recording-key.ts'
import { isSealedTo, rewrapKey } from '../../evidence/rewrapped-key.ts'
import { sha256Hex } from '../../evidence/sha256.ts'
import type { VerifyKey } from '../../evidence/signer-keys.ts'
import type { VaultIdentity } from '../../evidence/vault-open.ts'
import type { VaultRecipient } from '../../evidence/vault-recipient.ts'
import { readDecisions } from '../custody/read-decisions.ts'
import { objectKey } from '../storage/layout.ts'
import { isOfOneKey } from './key-service-error.ts'
import type { RotationIntents } from './left-keys.ts'
import type { RotationPlace } from './rotation-place.ts'

/** Of one recording; the number in the last possible name. */
const ROTATIONS_MAX = 999

/** The two vaults of a rotation. */
export interface Vaults {
  /** Of the vault that is left: open what is to be sealed anew. */
  readonly oldIdentities: readonly VaultIdentity[]
  readonly newRecipients: readonly VaultRecipient[]
  /** Of the new vault, where they are at hand: what was sealed anew is opened before anything is destroyed. */
  readonly newIdentities: readonly VaultIdentity[] | undefined
}

/** Why the key of a recording is as it is, and stays so for now or for good. */
export type RotationRest =
  /** Sealed to the new vault already. */
  | 'already'
  /** It has no key, so it is shredded, or somebody took the key away. */
  | 'noKey'
  /** Its destruction was ordered in this very moment: the key that was stored was taken away again. */
  | 'shredded'
  /** It has no manifest yet. */
  | 'running'
  /** No identity given opens it. */
  | 'notOpened'
  /** Its key opens, and is not the one that its manifest names: `verify` says more. */
  | 'keyWrong'
  /** What was stored could not be read back, or not be opened; or all names are taken. */
  | 'notProven'

/** A key that was sealed anew, stored and proven; the ones before are still there. */
export interface RotatedKey {
  readonly recordingId: string
  readonly objectPrefix: string
  readonly name: string
  readonly sha256: string
  readonly replacesSha256: string
  /** The keys before, which the old vault opens. */
  readonly old: readonly { readonly name: string; readonly sha256: string }[]
  /** By a legal hold: the keys before stay. */
  readonly isHeld: boolean
}

/** Its destruction was ordered, and sealed keys of it were there: an earlier run that was killed may have left one. */
export interface ShreddedKeys {
  /** Names of those that are still there: its destruction was begun, which `shred` finishes; or a place keeps them. */
  readonly keysLeft: readonly string[]
  /** Names of those that were there after it had been reported as destroyed, and were taken away now. */
  readonly keysDestroyed: readonly string[]
  /** Of the first error of a place that keeps one. */
  readonly code?: string
  readonly sentence?: string
  readonly hint?: string
}

interface OpenedKey {
  readonly name: string
  readonly sha256: string
  readonly bytes: Uint8Array
}

interface Recording {
  readonly recordingId: string
  readonly objectPrefix: string
}

interface RotateOptions {
  readonly vaults: Vaults
  /** Who may have decided about recordings. */
  readonly trusted: readonly VerifyKey[]
  readonly isDryRun: boolean
  /** What is told before a key is stored, until it is sure that it may stay. */
  readonly intents: Pick<RotationIntents, 'write' | 'remove'>
}

/**
 * Seals the key of one recording to the new vault, stores that in every place and proves it. Nothing is destroyed here. Doing it again, whatever happened in between,
 * finds what was done and goes on from there. Of what is held the new key is kept by the stores' own legal holds too.
 *
 * @param isDryRun stores nothing; the result is what would be stored
 */
export async function rotateKey(
  places: readonly RotationPlace[],
  recording: Recording,
  { vaults, trusted, isDryRun, intents }: RotateOptions,
): Promise<RotatedKey | RotationRest | ShreddedKeys> {
  const names = await keyNames(places, recording)
  if (names.length === 0) return 'noKey'
  const before = await standingIn(places, recording, trusted)
  if (before === 'shredding' || (before === 'shredded' && isDryRun)) return { keysLeft: names, keysDestroyed: [] }
  if (before === 'shredded') return destroyUndue(places, recording, names)
  const recipient = await recipientOf(places, recording)
  if (recipient === undefined) return 'running'
  const opened = await openAll(places, recording, { names, recipient, identities: vaults.oldIdentities })
  const [source] = opened.keys
  if (source === undefined || opened.identity === undefined) {
    return opened.hasWrong ? 'keyWrong' : restOfUnopened(places, recording, { names, recipient, vaults })
  }
  const rewrap = (name: string): Uint8Array =>
    rewrapKey({ identity: opened.identity ?? '', recipients: vaults.newRecipients, name })
  const target = await targetOf(places, recording, { source, names, rewrap })
  if (target === undefined) return 'notProven'
  const old = opened.keys.filter(({ name }) => wrappedKeyNumber(name) < wrappedKeyNumber(target))
  const [replaced] = old
  if (replaced === undefined) return 'already'
  const bytes = rewrap(target)
  const rotated = {
    ...recording,
    ...{ name: target, sha256: sha256Hex(bytes), replacesSha256: replaced.sha256 },
    old: old.map(({ name, sha256 }) => ({ name, sha256 })),
  }
  if (isDryRun) return { ...rotated, isHeld: before === 'held' }
  const key = objectKey(recording.objectPrefix, target)
  await intents.write(recording.recordingId, recording.objectPrefix)
  for (const place of places) await place.put(key, bytes)
  for (const place of places) {
    if (!(await isProven(await place.get(key), { bytes, recipient, vaults }))) return 'notProven'
  }
  const now = await standingIn(places, recording, trusted)
  if (isOrdered(now)) {
    // In this very moment: the key that we made would bring it back.
    for (const place of places) await place.delete(key)
    await intents.remove(recording.recordingId)
    return 'shredded'
  }
  await intents.remove(recording.recordingId)
  if (now === 'held') for (const place of places) await place.hold(key)
  return { ...rotated, isHeld: now === 'held' }
}

/**
 * What was decided about it, by what is in any place.
 *
 * @throws EarwitnessError `custody-damaged`
 */
export async function standingIn(
  places: readonly RotationPlace[],
  recording: Recording,
  trusted: readonly VerifyKey[],
): Promise<CustodyStanding> {
  return standingOf(await stateIn(places, recording, trusted))
}

/** As {@link standingIn}, whole. */
export async function stateIn(
  places: readonly RotationPlace[],
  recording: Recording,
  trusted: readonly VerifyKey[],
): Promise<CustodyState> {
  const names = await namesIn(places, recording, 'custody-')
  const get = (name: string): Promise<Uint8Array | undefined> => getAny(places, recording, name)
  const trust = { recordingId: recording.recordingId, keys: trusted }
  return (await readDecisions({ get }, names, trust)).state
}

function isOrdered(standing: CustodyStanding): boolean {
  return standing === 'shredding' || standing === 'shredded'
}

/** Takes away what was reported as destroyed, and what a crash left of it. What is only being destroyed is left to `shred`, which says in the ledger what it does. */
export async function destroyUndue(
  places: readonly RotationPlace[],
  recording: Recording,
  names: readonly string[],
): Promise<ShreddedKeys> {
  const keys: { readonly name: string; readonly sha256: string }[] = []
  for (const name of names) {
    for (const place of places) {
      const bytes = await place.get(objectKey(recording.objectPrefix, name))
      if (bytes !== undefined) keys.push({ name, sha256: sha256Hex(bytes) })
    }
  }
  const kept = await destroyOldKeys(places, { objectPrefix: recording.objectPrefix, old: keys })
  const left = kept === undefined ? [] : (await namesIn(places, recording, '')).filter((name) => names.includes(name))
  const why = kept === undefined ? {} : { code: kept.code, sentence: kept.message, hint: kept.hint }
  return { keysLeft: left, keysDestroyed: names.filter((name) => !left.includes(name)), ...why }
}

/** Destroys the keys before, and what a crash left of them. Gives the first error, when a place keeps one of them, as Object Lock does. */
export async function destroyOldKeys(
  places: readonly RotationPlace[],
  { objectPrefix, old }: Pick<RotatedKey, 'objectPrefix' | 'old'>,
): Promise<EarwitnessError | undefined> {
  // Copies that a crash left under no name go first: they are known by the keys that still have one.
  const hashes = new Set(old.map(({ sha256 }) => sha256))
  for (const place of places) await place.destroyUnnamed(hashes)
  let kept: EarwitnessError | undefined
  for (const { name } of old) {
    for (const place of places) {
      try {
        await place.delete(objectKey(objectPrefix, name))
      } catch (error) {
        if (!(error instanceof EarwitnessError)) throw error
        kept ??= error
      }
    }
  }
  return kept
}

/** Of all places: one of them may be behind. */
export async function namesIn(
  places: readonly RotationPlace[],
  { objectPrefix }: Recording,
  start: string,
): Promise<readonly string[]> {
  const names = new Set<string>()
  for (const place of places) {
    for (const { key } of await place.list(objectKey(objectPrefix, start))) {
      names.add(key.slice(objectPrefix.length + 1))
    }
  }
  return [...names]
}

/** Of its wrapped keys in any place, the newest first. */
async function keyNames(places: readonly RotationPlace[], recording: Recording): Promise<readonly string[]> {
  const names = (await namesIn(places, recording, 'key')).filter(isWrappedKeyName)
  return names.toSorted((one, other) => wrappedKeyNumber(other) - wrappedKeyNumber(one))
}

/** Of everything in any place with which something of it can be opened: what is held has a key of its own. */
export async function sealedKeyNames(
  places: readonly RotationPlace[],
  recording: Recording,
): Promise<readonly string[]> {
  const held = (await namesIn(places, recording, 'held-key-')).filter(isHeldKeyName)
  return [...(await keyNames(places, recording)), ...held]
}

async function getAny(
  places: readonly RotationPlace[],
  { objectPrefix }: Recording,
  name: string,
): Promise<Uint8Array | undefined> {
  for (const place of places) {
    const bytes = await place.get(objectKey(objectPrefix, name))
    if (bytes !== undefined) return bytes
  }
  return undefined
}

/** Undefined while there is no manifest, or none that can be read. */
async function recipientOf(places: readonly RotationPlace[], recording: Recording): Promise<string | undefined> {
  const signed = await getAny(places, recording, MANIFEST_NAME)
  const manifest = signed === undefined ? undefined : decodeManifest(new TextDecoder('latin1').decode(signed))
  return manifest?.ok === true ? manifest.value.body.recipient : undefined
}

/** The wrapped keys that open to the recording's identity, the newest first. Throws what a key service throws: at once when it is away, else when no other key opens. */
async function openAll(
  places: readonly RotationPlace[],
  recording: Recording,
  options: {
    readonly names: readonly string[]
    readonly recipient: string
    readonly identities: readonly VaultIdentity[]
  },
): Promise<{ readonly keys: readonly OpenedKey[]; readonly identity: string | undefined; readonly hasWrong: boolean }> {
  const keys: OpenedKey[] = []
  let identity: string | undefined
  let hasWrong = false
  const opener = new RecordingKeyOpener(options.identities)
  const unanswered: unknown[] = []
  for (const name of options.names) {
    const bytes = await getAny(places, recording, name)
    let opened: Awaited<ReturnType<typeof opener.open>> | undefined
    try {
      opened = bytes === undefined ? undefined : await opener.open(bytes)
    } catch (error) {
      if (!isOfOneKey(error)) throw error
      unanswered.push(error)
    }
    if (bytes === undefined || opened?.ok !== true) continue
    if (opened.value.recipient === options.recipient) {
      identity = opened.value.identity
      keys.push({ name, sha256: sha256Hex(bytes), bytes })
    } else hasWrong = true
  }
  if (keys.length === 0 && unanswered.length > 0) throw unanswered[0]
  return { keys, identity, hasWrong }
}

/** Without a key of the new vault nobody can tell a rotated key from that of a third vault of age; its name says that it was sealed anew, and its header to how many of age and to which of a service. */
async function restOfUnopened(
  places: readonly RotationPlace[],
  recording: Recording,
  options: { readonly names: readonly string[]; readonly recipient: string; readonly vaults: Vaults },
): Promise<RotationRest> {
  const { names, recipient, vaults } = options
  if (vaults.newIdentities === undefined) {
    for (const name of names.filter((one) => wrappedKeyNumber(one) > 0)) {
      const bytes = await getAny(places, recording, name)
      if (bytes !== undefined && isSealedTo(bytes, vaults.newRecipients)) return 'already'
    }
    return 'notOpened'
  }
  const opened = await openAll(places, recording, { names, recipient, identities: vaults.newIdentities })
  return opened.keys.some(({ bytes }) => isSealedTo(bytes, vaults.newRecipients)) ? 'already' : 'notOpened'
}

/** The name under which the new key is, or is to be stored: that of one which is ours already, else the first that is free. */
async function targetOf(
  places: readonly RotationPlace[],
  recording: Recording,
  options: {
    readonly source: OpenedKey
    readonly names: readonly string[]
    readonly rewrap: (name: string) => Uint8Array
  },
): Promise<string | undefined> {
  const { source, names, rewrap } = options
  // The new vault may open with a key of the old one, when only an escrow key was added.
  if (isSame(source.bytes, rewrap(source.name))) return source.name
  const number = wrappedKeyNumber(source.name)
  const later = names.filter((name) => wrappedKeyNumber(name) > number)
  for (const name of later) {
    const stored = await getAny(places, recording, name)
    if (stored !== undefined && isSame(stored, rewrap(name))) return name
  }
  const next = Math.max(number, ...later.map(wrappedKeyNumber)) + 1
  if (next <= ROTATIONS_MAX) return wrappedKeyName(next)
  // Somebody put a key there under the last name: any place behind the key in force will do.
  for (let free = number + 1; free <= ROTATIONS_MAX; free += 1) {
    if (!names.includes(wrappedKeyName(free))) return wrappedKeyName(free)
  }
  return undefined
}

async function isProven(
  stored: Uint8Array | undefined,
  expected: { readonly bytes: Uint8Array; readonly recipient: string; readonly vaults: Vaults },
): Promise<boolean> {
  const { bytes, recipient, vaults } = expected
  if (stored === undefined || !isSame(stored, bytes)) return false
  if (!isSealedTo(stored, vaults.newRecipients)) return false
  if (vaults.newIdentities === undefined) return true
  const opened = await openRecordingKey(stored, vaults.newIdentities)
  return opened.ok && opened.value.recipient === recipient
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.from(one.buffer, one.byteOffset, one.length).equals(other)
}
