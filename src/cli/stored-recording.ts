import { join } from 'node:path'

import type { Config } from '../config/config.ts'
import { tenantsOf } from '../config/tenants.ts'
import { EarwitnessError } from '../errors.ts'
import { openSealed } from '../evidence/age-open.ts'
import { heldEntryOf, type HeldEntry, type MaybeHeld } from '../evidence/held-entry.ts'
import { identityFor, openHeldIdentities, type HeldIdentities } from '../evidence/held-objects.ts'
import { decodeCustodyRecord } from '../evidence/custody/custody-record.ts'
import { decodeManifest, type ManifestBody } from '../evidence/manifest.ts'
import { openNewestKey } from '../evidence/recording-key.ts'
import { readWrappedKeyHeader } from '../evidence/rsa-stanza.ts'
import type { VaultIdentity } from '../evidence/vault-open.ts'
import { isChunkName, isCustodyName, isKeptName, MANIFEST_NAME } from '../evidence/object-names.ts'
import type { ObjectReader } from '../evidence/verify.ts'
import { sha256Hex } from '../evidence/web-digest.ts'
import type { OpenedKept } from './export/kept-packets.ts'
import { VAULT_IDENTITY_FILE } from '../server/storage/key-files.ts'
import { findRecordingPrefix } from '../server/storage/find-recording.ts'
import { recordingObjects } from '../server/storage/object-store.ts'
import { openForReading } from './open-for-reading.ts'

/**
 * Finds the objects of a recording without asking the database: the id says the day, the configuration the tenants.
 *
 * @throws EarwitnessError `recording-id-invalid`, `recording-not-found`
 */
export async function findRecording(config: Config, id: string): Promise<ObjectReader> {
  const store = await openForReading(config)
  const objectsAt = (prefix: string): ObjectReader => recordingObjects(store, prefix)
  const isThere = async (prefix: string): Promise<boolean> => (await namesOf(objectsAt(prefix))).length > 0
  return objectsAt(await findRecordingPrefix(id, tenantsOf(config), isThere))
}

export function defaultIdentityFile(config: Config): string {
  return join(config.dataDir, 'keys', VAULT_IDENTITY_FILE)
}

/** What `openAudio` gives: one Ogg file as the chunks hold it. */
export interface OpenedAudio {
  readonly ogg: Uint8Array
  readonly chunks: number
  /** What named the chunks; its signature is for `verify` to check. Undefined while the recording still runs. */
  readonly manifest: ManifestBody | undefined
  /** RTP that was kept as it came, as the manifest names it. */
  readonly kept: readonly OpenedKept[]
  /** Objects with RTP that was kept, of a recording that still runs: whose packets they are, and of what codec, only the manifest will say. */
  readonly keptUnnamed: number
  /** What was held until consent and cannot be opened: it is in none of the above. */
  readonly closed: readonly HeldEntry[]
  /** Chunks of a recording that still runs which its own key does not open: they are held until consent. */
  readonly heldUnnamed: number
}

/**
 * Unwraps the recording's key with `identities` and opens the chunks that the manifest names, in order; without a
 * manifest (the recording still runs) all that are stored.
 *
 * Sealing needs no secret, so a chunk proves nothing by opening: one that the manifest does not name is left out.
 *
 * @throws EarwitnessError `recording-key-missing`, `recording-key-damaged`, `identity-wrong`, `manifest-unreadable`, `chunk-unreadable`
 */
export async function openAudio(objects: ObjectReader, identities: readonly VaultIdentity[]): Promise<OpenedAudio> {
  const manifest = await readStoredManifest(objects)
  const recordingIdentities = await unwrapKey(objects, identities, manifest?.recipient)
  const names = manifest === undefined ? await namesOf(objects) : []
  const wanted =
    manifest?.chunks ??
    names
      .filter(isChunkName)
      .toSorted()
      .map((name) => ({ name, sha256: undefined }))
  const [own] = recordingIdentities
  const held = manifest === undefined ? [] : await openHeldIdentities(manifest, objects, identities)
  const keys = { own, held, body: manifest ?? {} }
  const parts: Uint8Array[] = []
  let heldUnnamed = 0
  for (const object of wanted) {
    const part = await openIfPossible(objects, keys, object)
    if (part !== undefined) parts.push(part)
    else if (manifest === undefined) heldUnnamed += 1
  }
  const kept: OpenedKept[] = []
  for (const entry of manifest?.kept ?? []) {
    const clear = await openIfPossible(objects, keys, entry)
    if (clear !== undefined) kept.push({ entry, clear })
  }
  const keptUnnamed = names.filter(isKeptName).length
  const closed = (manifest?.held ?? []).filter((_, heldSeq) => held[heldSeq] === undefined)
  return { ogg: Buffer.concat(parts), chunks: parts.length, manifest, kept, keptUnnamed, closed, heldUnnamed }
}

interface OpeningKeys {
  readonly own: string | undefined
  readonly held: HeldIdentities
  readonly body: Pick<ManifestBody, 'held'>
}

/** Undefined for what is held until consent and has no key: one that was kept must have it. */
async function openIfPossible(
  objects: ObjectReader,
  { own, held, body }: OpeningKeys,
  object: MaybeHeld & { readonly name: string; readonly sha256: string | undefined },
): Promise<Uint8Array | undefined> {
  const identity = identityFor(object, own, held)
  if (identity !== undefined && object.sha256 !== undefined) return openOne(objects, [identity], object)
  if (object.sha256 === undefined) return openUnnamed(objects, own ?? '', object.name)
  if (heldEntryOf(body, object)?.outcome === 'kept') throw unreadable(object.name)
  return undefined
}

/** A chunk of a recording that still runs; undefined when it is sealed to another key than its own. */
async function openUnnamed(objects: ObjectReader, identity: string, name: string): Promise<Uint8Array | undefined> {
  const sealed = await objects.get(name)
  const opened = sealed === undefined ? undefined : await openSealed(sealed, [identity])
  if (opened?.ok === true) return opened.value
  if (opened?.reason === 'noIdentityMatches') return undefined
  throw unreadable(name)
}

async function openOne(
  objects: ObjectReader,
  identities: readonly string[],
  { name, sha256 }: { readonly name: string; readonly sha256: string | undefined },
): Promise<Uint8Array> {
  const sealed = await objects.get(name)
  const isNamed = sealed !== undefined && (sha256 === undefined || (await sha256Hex(sealed)) === sha256)
  const opened = isNamed ? await openSealed(sealed, identities) : undefined
  if (opened?.ok !== true) throw unreadable(name)
  return opened.value
}

function unreadable(name: string): EarwitnessError {
  return new EarwitnessError(
    'chunk-unreadable',
    `The object ${name} is missing, or is not what the manifest says.`,
    'Run `earwitness verify` on this recording: it says what was changed.',
  )
}

async function readStoredManifest(objects: ObjectReader): Promise<ManifestBody | undefined> {
  const jws = await objects.get(MANIFEST_NAME)
  if (jws === undefined) return undefined
  const manifest = decodeManifest(new TextDecoder().decode(jws))
  if (manifest.ok) return manifest.value.body
  throw new EarwitnessError(
    'manifest-unreadable',
    'The manifest of this recording cannot be read.',
    'Run `earwitness verify` on this recording: it says what was changed.',
  )
}

/**
 * The identity of the recording's own key, which opens all of its objects; out of the newest wrapped key, where the vault was rotated.
 *
 * @param recipient as the manifest has it, where there is one
 * @throws EarwitnessError `recording-shredded`, `recording-key-missing`, `identity-wrong`, `vault-key-unknown`, and those of a key service
 */
export async function unwrapKey(
  objects: ObjectReader,
  identities: readonly VaultIdentity[],
  recipient?: string,
): Promise<readonly string[]> {
  const names = await namesOf(objects)
  const opened = await openNewestKey({ names, get: (name) => objects.get(name), identities, recipient })
  if (opened.ok) return [opened.value.identity]
  if (opened.reason === 'missing') {
    if (await isShredded(objects)) throw shredded()
    throw new EarwitnessError(
      'recording-key-missing',
      'The sealed key of this recording is gone: nobody can open it any more.',
      'Nobody has signed that it was destroyed on purpose: run `earwitness verify` on it.',
    )
  }
  if (['damaged', 'notSealed', 'tooLarge', 'notIdentity'].includes(opened.reason)) {
    throw new EarwitnessError(
      'recording-key-damaged',
      `The sealed key of this recording was changed, and opens to nothing: ${opened.detail ?? ''}.`,
      'Run `earwitness verify` on it, which says more; a replica or a backup may have it whole.',
    )
  }
  if (opened.reason === 'keyNotConfigured') throw await notConfigured(objects, opened.detail ?? '')
  throw new EarwitnessError(
    'identity-wrong',
    'None of the given identities opens the key of this recording.',
    'Give the private half of a vault key that was configured when the recording was made, or to which its key was rotated: --identity FILE.',
  )
}

async function notConfigured(objects: ObjectReader, name: string): Promise<EarwitnessError> {
  const header = readWrappedKeyHeader((await objects.get(name)) ?? new Uint8Array())
  const keys = header.ok ? header.value.rsa.map(({ provider, fingerprint }) => `${provider} ${fingerprint}`) : []
  return new EarwitnessError(
    'vault-key-unknown',
    `The key of this recording is sealed to keys of a service that the configuration does not name: ${keys.join(', ')}.`,
    'Put the key with this fingerprint into vault.awsKms.keys or vault.vaultTransit.keys, with `retired: true` if nothing new is to be sealed to it; `earwitness keys fetch` shows the fingerprint of a key.',
  )
}

/** Somebody says so; whether he may is for `verify` to say. */
async function isShredded(objects: ObjectReader): Promise<boolean> {
  for (const name of (await namesOf(objects)).filter(isCustodyName)) {
    const bytes = await objects.get(name)
    const record = bytes === undefined ? undefined : decodeCustodyRecord(new TextDecoder('latin1').decode(bytes))
    if (record?.ok === true && record.value.record.kind.startsWith('shred')) return true
  }
  return false
}

function shredded(): EarwitnessError {
  return new EarwitnessError(
    'recording-shredded',
    'The key of this recording was destroyed on purpose: nobody can open it any more.',
    '`earwitness verify` tells when that was decided, and proves what is left.',
  )
}

/** The names of all objects of a recording. */
export async function namesOf(objects: ObjectReader): Promise<readonly string[]> {
  const listed = await objects.list()
  if (Array.isArray(listed)) return listed as readonly string[]
  const names: string[] = []
  for await (const name of listed as AsyncIterable<string>) names.push(name)
  return names
}
