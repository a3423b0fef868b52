import { readCustodyChain } from '../../evidence/custody/custody-chain.ts'
import { openNote } from '../../evidence/custody/custody-note.ts'
import { openSealed } from '../../evidence/age-open.ts'
import { FindingList } from '../../evidence/findings.ts'
import { readIndexFacts, type IndexFacts } from '../../evidence/index-facts.ts'
import { readManifest, type ManifestBody } from '../../evidence/manifest.ts'
import type { DocumentRejectReason } from '../../evidence/signed-document.ts'
import { MANIFEST_NAME } from '../../evidence/object-names.ts'
import { openNewestKey } from '../../evidence/recording-key.ts'
import { sha256Hex } from '../../evidence/sha256.ts'
import type { VerifyKey } from '../../evidence/signer-keys.ts'
import type { VaultIdentity } from '../../evidence/vault-open.ts'
import type { ObjectStore } from '../storage/object-store.ts'
import { isOfOneKey } from '../vault/key-service-error.ts'
import { objectKey } from '../storage/layout.ts'
import { readConsent } from './read-consent.ts'
import type { ReadRecording } from './restored-records.ts'
import type { StoredRecording } from './stored-recordings.ts'

/** Why a recording, or a part of it, could not be used. The first five: it is left out altogether. */
export type ProblemCode =
  | 'manifest-unreadable'
  | 'manifest-unknown-signer'
  | 'manifest-forged'
  | 'manifest-foreign'
  | 'database-refused'
  | 'key-missing'
  | 'key-unreadable'
  | 'object-missing'
  | 'object-changed'
  | 'object-unreadable'
  /** Something in what was decided about it later is not to be believed; the rest is in the index. */
  | 'custody-damaged'

export interface Problem {
  readonly recordingId: string
  readonly code: ProblemCode
  /** The object concerned, inside the recording's prefix. */
  readonly name?: string
}

export interface Trust {
  readonly keys: readonly VerifyKey[]
  /** Of the vault; none: what is sealed stays closed. */
  readonly identities: readonly VaultIdentity[]
}

type Report = (code: ProblemCode, name?: string) => void

const MANIFEST_PROBLEMS: Record<DocumentRejectReason, ProblemCode> = {
  tooLarge: 'manifest-unreadable',
  notJws: 'manifest-unreadable',
  notCanonical: 'manifest-unreadable',
  format: 'manifest-unreadable',
  shape: 'manifest-unreadable',
  signerUnknown: 'manifest-unknown-signer',
  forged: 'manifest-forged',
}

/** Reads what the store holds about one recording; undefined when its manifest is not to be believed. Audio is not read. */
export async function readRecording(
  store: Pick<ObjectStore, 'get'>,
  stored: StoredRecording,
  trust: Trust,
  report: Report,
): Promise<ReadRecording | undefined> {
  const { recordingId, objectPrefix } = stored
  const signed = await store.get(objectKey(objectPrefix, MANIFEST_NAME))
  if (signed === undefined) return undefined
  // Latin-1 keeps every byte apart, where UTF-8 would fold wrong ones together; a manifest is ASCII.
  const read = await readManifest(new TextDecoder('latin1').decode(signed), trust.keys)
  if (!read.ok || read.value.recordingId !== recordingId) {
    report(read.ok ? 'manifest-foreign' : MANIFEST_PROBLEMS[read.reason], MANIFEST_NAME)
    return undefined
  }
  const manifest = read.value
  const manifestSha256 = sha256Hex(signed)
  const consent = await readConsent(store, { ...stored, manifest, manifestSha256 }, trust.keys, report)
  const known = { manifest, manifestSha256, objectPrefix, consent }
  const opener = new Opener(store, objectPrefix, report)
  const { custody, isDestroyed } = await readCustody(store, stored, trust, report)
  const isSealed = trust.identities.length === 0 || isDestroyed
  const identity = isSealed ? undefined : await opener.unwrap(manifest, stored.keyNames, trust.identities)
  if (identity === undefined) return { ...known, custody, indexFacts: undefined, snapshots: [] }
  const snapshots: { entry: ManifestBody['snapshots'][number]; raw: Uint8Array }[] = []
  for (const entry of manifest.snapshots) {
    const raw = await opener.open(entry.name, entry.sealedSha256, identity)
    if (raw !== undefined && sha256Hex(raw) !== entry.sha256) report('object-changed', entry.name)
    else if (raw !== undefined) snapshots.push({ entry, raw })
  }
  const indexFacts = await opener.readIndex(manifest, identity)
  return { ...known, custody, indexFacts, snapshots }
}

/** What was decided about it later. A recording that was destroyed on purpose lacks its key, and that is no problem. */
async function readCustody(
  store: Pick<ObjectStore, 'get'>,
  { recordingId, objectPrefix, custodyNames }: StoredRecording,
  { keys, identities }: Trust,
  report: Report,
): Promise<{ readonly custody: ReadRecording['custody']; readonly isDestroyed: boolean }> {
  const findings = new FindingList()
  const get = (name: string): Promise<Uint8Array | undefined> => store.get(objectKey(objectPrefix, name))
  const { records, state } = await readCustodyChain({ get }, custodyNames, { recordingId, keys, findings })
  for (const { name } of findings.findings) report('custody-damaged', name)
  const custody = await Promise.all(
    records.map(async (stored) => {
      const { note } = stored.record
      const opened = note === undefined || identities.length === 0 ? undefined : await openNote(note, identities)
      return { stored, note: opened?.ok === true ? opened.value : undefined }
    }),
  )
  return { custody, isDestroyed: state.shred !== 'none' }
}

/** Opens objects of one recording, each only when it is the one that the manifest names. */
class Opener {
  readonly #store: Pick<ObjectStore, 'get'>
  readonly #objectPrefix: string
  readonly #report: Report

  constructor(store: Pick<ObjectStore, 'get'>, objectPrefix: string, report: Report) {
    this.#store = store
    this.#objectPrefix = objectPrefix
    this.#report = report
  }

  /** The recording's own identity. Its key may have been destroyed on purpose: that is what shredding is. */
  async unwrap(
    { wrappedKey, recipient }: ManifestBody,
    names: readonly string[],
    identities: readonly VaultIdentity[],
  ): Promise<string | undefined> {
    const get = (name: string): Promise<Uint8Array | undefined> => this.#store.get(objectKey(this.#objectPrefix, name))
    let opened: Awaited<ReturnType<typeof openNewestKey>>
    try {
      opened = await openNewestKey({ names, get, identities, recipient })
    } catch (error) {
      // Whoever may write to the store could end the run for all other recordings.
      if (!isOfOneKey(error)) throw error
      this.#report('key-unreadable', wrappedKey.name)
      return undefined
    }
    if (opened.ok) return opened.value.identity
    const { reason, detail: name = wrappedKey.name } = opened
    this.#report(reason === 'missing' ? 'key-missing' : 'key-unreadable', name)
    return undefined
  }

  async readIndex({ index, sipCallIdSha256 }: ManifestBody, identity: string): Promise<IndexFacts | undefined> {
    const clear = index === undefined ? undefined : await this.open(index.name, index.sha256, identity)
    if (index === undefined || clear === undefined) return undefined
    const read = readIndexFacts(clear)
    clear.fill(0)
    if (read.ok && sha256Hex(read.value.sipCallId) === sipCallIdSha256) return read.value
    this.#report('object-unreadable', index.name)
    return undefined
  }

  async open(name: string, sha256: string, identity: string): Promise<Uint8Array | undefined> {
    const sealed = await this.#store.get(objectKey(this.#objectPrefix, name))
    if (sealed === undefined || sha256Hex(sealed) !== sha256) {
      this.#report(sealed === undefined ? 'object-missing' : 'object-changed', name)
      return undefined
    }
    const opened = await openSealed(sealed, [identity])
    if (opened.ok) return opened.value
    this.#report('object-unreadable', name)
    return undefined
  }
}
