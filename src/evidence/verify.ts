import type { Result } from '../result.ts'
import { openSealed } from './age-open.ts'
import { ConsentChecker, type ConsentTestimony } from './consent-checks.ts'
import { isShredded, verifyCustody, type CustodyVerdict } from './custody/verify-custody.ts'
import { FindingList, type Finding, type FindingCode, type ObjectKind } from './findings.ts'
import { checkKeys, type KeyRotation, type StoredKey } from './key-checks.ts'
import { checkAdded } from './added-objects.ts'
import { checkHeldKeys, identityFor, isDestroyed } from './held-objects.ts'
import { heldObjects, type MaybeHeld } from './held-entry.ts'
import { listObjects } from './list-objects.ts'
import { checkManifest } from './manifest-checks.ts'
import { decodeManifest, readManifest, type ManifestBody } from './manifest.ts'
import type { DocumentRejectReason } from './signed-document.ts'
import { KEY_NAME, MANIFEST_NAME } from './object-names.ts'
import { openNewestKey } from './recording-key.ts'
import type { VerifyKey } from './signer-keys.ts'
import type { VaultIdentity } from './vault-open.ts'
import { sha256Hex } from './web-digest.ts'

export { describeVerdict } from './verdict-text.ts'

/** Objects looked at under one recording's prefix. */
export const OBJECTS_MAX = 250_000

/**
 * The objects of one recording, by their names inside its prefix. What it throws goes through `verifyRecording`: a
 * store that cannot be read is no verdict.
 */
export interface ObjectReader {
  list(): AsyncIterable<string> | Promise<readonly string[]>
  get(name: string): Promise<Uint8Array | undefined>
}

const NONE_INTACT: Readonly<Record<CountedKind, number>> = {
  ...{ 'held-key': 0, 'held-peaks': 0 },
  ...{ chunk: 0, kept: 0, dtmf: 0, peaks: 0, snapshot: 0, index: 0, consent: 0 },
}

/** How much was looked at. */
export interface VerdictCounts {
  readonly chunks: number
  readonly chunksIntact: number
  /** Objects with RTP that was kept as it came. */
  readonly kept: number
  readonly keptIntact: number
  /** Objects with keys that were pressed. */
  readonly dtmf: number
  readonly dtmfIntact: number
  readonly snapshots: number
  readonly snapshotsIntact: number
  readonly consentEvents: number
  readonly consentEventsIntact: number
  readonly keyIntact: boolean
  /** Chunks opened with the key; undefined when no identity was given. */
  readonly chunksOpened: number | undefined
}

export interface Verdict {
  readonly recordingId: string
  /** True when there is not one finding. */
  readonly verified: boolean
  readonly findings: readonly Finding[]
  /** Findings beyond `FINDINGS_MAX`. */
  readonly findingsDropped: number
  /** Fingerprint of the trusted key that signed the manifest; undefined when none of them did. */
  readonly signerKeyId: string | undefined
  /** What the manifest says; to be believed only with `signerKeyId`. */
  readonly manifest: ManifestBody | undefined
  /** What was told and answered, as far as a trusted key has signed it; undefined without a manifest of this recording. */
  readonly consent: ConsentTestimony | undefined
  readonly counts: VerdictCounts
  /** The wrapped keys that are stored; more than one, or another than the manifest names, after a rotation. */
  readonly sealedKeys: readonly StoredKey[]
  /** What was decided about it later; undefined when nothing was. */
  readonly custody: CustodyVerdict | undefined
}

/** What lies beside a recording and its manifest does not name. */
export interface FoundBeside {
  readonly consent: ConsentTestimony
  readonly custody: CustodyVerdict | undefined
}

/** What a ledger says of a recording and no object does. */
export interface LedgerWord {
  readonly rotations: readonly KeyRotation[]
}

interface ExpectedObject {
  readonly kind: CountedKind
  readonly name: string
  readonly sha256: string
  readonly sizeBytes: number
  /** SHA-256 of what is inside, where the manifest states it. */
  readonly clearSha256?: string
  /** It may be gone: nobody could open it any more. */
  readonly isDestroyed?: boolean
}

/** Wrapped keys are looked at apart. */
type CountedKind = Exclude<ObjectKind, 'key'>

interface Tally {
  readonly intact: Record<CountedKind, number>
  opened: number
}

/**
 * Checks everything that FORMAT.md section 6 names and reports all that is wrong, not only the first.
 *
 * Needs no secret; with `identities` (of the vault) it also opens the key, the chunks, kept RTP and the snapshots, and keeps
 * nothing of what is inside. Reads one object at a time.
 */
export async function verifyRecording(options: {
  readonly recordingId: string
  readonly objects: ObjectReader
  readonly keys: readonly VerifyKey[]
  readonly identities?: readonly VaultIdentity[]
  /** Findings of what the objects came in stand before those of the recording. */
  readonly findings?: FindingList
  /** Goes on where a manifest of this recording could be read, trusted or not, and gives what a ledger says. */
  readonly alsoCheck?: (body: ManifestBody, found: FoundBeside) => Promise<LedgerWord>
}): Promise<Verdict> {
  const { recordingId, objects, keys, identities, findings = new FindingList(), alsoCheck } = options
  const tally: Tally = { intact: { ...NONE_INTACT }, opened: 0 }
  const signed = await loadManifest(objects, keys, findings)
  const body = signed?.body
  let sealedKeys: readonly StoredKey[] = []
  let isKeyIntact = false
  let consent: ConsentTestimony | undefined
  const names = await listObjects(objects, OBJECTS_MAX, findings)
  const custody = await verifyCustody(objects, names, { recordingId, keys, findings })
  if (body !== undefined && body.recordingId !== recordingId) {
    // Comparing the objects with the manifest of another recording would only bury this finding under others.
    findings.add('manifest-foreign', 'The manifest belongs to another recording.', MANIFEST_NAME)
  } else if (body !== undefined) {
    await checkManifest(body, findings)
    const { keyNames, later } = checkAdded(body, names, findings)
    const checker = new ObjectChecker(objects, { body, custody }, findings, tally)
    sealedKeys = await checker.checkAll(keyNames, identities)
    consent = await checker.checkConsent({ keys, later, manifestSha256: signed?.sha256 ?? '' })
    const rotations = (await alsoCheck?.(body, { consent, custody }))?.rotations ?? []
    if (!isShredded(custody, KEY_NAME)) {
      const keysFound = checkKeys(body.wrappedKey, sealedKeys, rotations)
      isKeyIntact = keysFound.isIntact
      for (const { code, sentence, name } of keysFound.findings) findings.add(code, sentence, name)
    }
  }
  return {
    recordingId,
    verified: findings.isEmpty,
    findings: findings.findings,
    findingsDropped: findings.dropped,
    signerKeyId: signed?.signerKeyId,
    manifest: body,
    consent,
    counts: {
      chunks: body?.chunks.length ?? 0,
      chunksIntact: tally.intact.chunk,
      kept: body?.kept?.length ?? 0,
      keptIntact: tally.intact.kept,
      dtmf: body?.dtmf?.length ?? 0,
      dtmfIntact: tally.intact.dtmf,
      snapshots: body?.snapshots.length ?? 0,
      snapshotsIntact: tally.intact.snapshot,
      consentEvents: (body?.consentEvents.length ?? 0) + (consent?.events.filter(({ isLate }) => isLate).length ?? 0),
      consentEventsIntact: consent?.events.length ?? 0,
      keyIntact: isKeyIntact,
      chunksOpened: identities === undefined ? undefined : tally.opened,
    },
    sealedKeys,
    custody,
  }
}

const MANIFEST_FAULTS: Record<DocumentRejectReason, readonly [FindingCode, string]> = {
  tooLarge: ['manifest-unreadable', 'The manifest is larger than any manifest may be.'],
  notJws: ['manifest-unreadable', 'The manifest is not a signed document of this format.'],
  notCanonical: ['manifest-unreadable', 'The manifest is not in canonical form, as no recorder writes it.'],
  format: ['manifest-unreadable', 'The manifest is of a format version that this software does not know.'],
  shape: ['manifest-unreadable', 'The manifest lacks something that the format asks for.'],
  signerUnknown: ['manifest-unknown-signer', 'The manifest is signed by a key that is not among those trusted.'],
  forged: ['manifest-forged', 'The signature does not fit: the manifest was changed, or somebody else wrote it.'],
}

async function loadManifest(
  objects: ObjectReader,
  keys: readonly VerifyKey[],
  findings: FindingList,
): Promise<
  { readonly body: ManifestBody; readonly signerKeyId: string | undefined; readonly sha256: string } | undefined
> {
  const bytes = await objects.get(MANIFEST_NAME)
  if (bytes === undefined) {
    findings.add('manifest-missing', 'There is no manifest, so nothing can be proved.', MANIFEST_NAME)
    return undefined
  }
  // Latin-1 keeps every byte apart, where UTF-8 would fold wrong ones together; a manifest is ASCII.
  const jws = new TextDecoder('latin1').decode(bytes)
  const untrusted = decodeManifest(jws)
  const trusted: Result<ManifestBody, DocumentRejectReason> = await readManifest(jws, keys)
  if (!trusted.ok) {
    const [code, sentence] = MANIFEST_FAULTS[trusted.reason]
    findings.add(code, trusted.detail === undefined ? sentence : `${sentence} (${trusted.detail})`, MANIFEST_NAME)
  }
  if (!untrusted.ok) return undefined
  const signerKeyId = trusted.ok ? untrusted.value.keyId : undefined
  return { body: untrusted.value.body, signerKeyId, sha256: await sha256Hex(bytes) }
}

/** Compares each object that a manifest names with what is stored. */
class ObjectChecker {
  readonly #objects: ObjectReader
  readonly #body: ManifestBody
  readonly #findings: FindingList
  readonly #tally: Tally
  readonly #custody: CustodyVerdict | undefined
  readonly #nameOfHash: ReadonlyMap<string, string>

  constructor(
    objects: ObjectReader,
    { body, custody }: { readonly body: ManifestBody; readonly custody: CustodyVerdict | undefined },
    findings: FindingList,
    tally: Tally,
  ) {
    this.#objects = objects
    this.#custody = custody
    this.#body = body
    this.#findings = findings
    this.#tally = tally
    this.#nameOfHash = new Map([
      [body.wrappedKey.sha256, body.wrappedKey.name],
      ...body.snapshots.map(({ sealedSha256, name }) => [sealedSha256, name] as const),
      ...heldObjects(body).map(({ sha256, name }) => [sha256, name] as const),
      ...(body.peaks === undefined ? [] : [[body.peaks.sha256, body.peaks.name] as const]),
      ...(body.index === undefined ? [] : [[body.index.sha256, body.index.name] as const]),
      ...[...body.chunks, ...(body.kept ?? []), ...(body.dtmf ?? []), ...body.consentEvents].map(
        ({ sha256, name }) => [sha256, name] as const,
      ),
    ])
  }

  /** Gives the wrapped keys that are there; what is wrong with them only a ledger can tell. */
  async checkAll(
    keyNames: readonly string[],
    vaultIdentities: readonly VaultIdentity[] | undefined,
  ): Promise<readonly StoredKey[]> {
    const keys = await this.#readKeys(keyNames)
    const identity = vaultIdentities === undefined ? undefined : await this.#openKey(keyNames, vaultIdentities)
    const held = await checkHeldKeys(this.#body, this.#objects, {
      ...{ findings: this.#findings, identities: vaultIdentities },
      check: (expected) => this.#check(expected),
    })
    const { chunks, kept = [], dtmf = [] } = this.#body
    const rows = [[chunks, 'chunk'] as const, [kept, 'kept'] as const, [dtmf, 'dtmf'] as const]
    for (const [row, kind] of rows) {
      for (const object of row) {
        await this.#checkAndOpen(this.#expectedOf(kind, object), identityFor(object, identity, held))
      }
    }
    if (this.#body.peaks !== undefined) await this.#checkAndOpen({ kind: 'peaks', ...this.#body.peaks }, identity)
    if (this.#body.index !== undefined) await this.#checkAndOpen({ kind: 'index', ...this.#body.index }, identity)
    for (const { name, sha256, sealedSha256, sizeBytes } of this.#body.snapshots) {
      const expected = { kind: 'snapshot', name, sha256: sealedSha256, sizeBytes, clearSha256: sha256 } as const
      await this.#checkAndOpen(expected, identity)
    }
    return keys
  }

  async #readKeys(names: readonly string[]): Promise<readonly StoredKey[]> {
    const keys: StoredKey[] = []
    for (const name of names) {
      const bytes = await this.#objects.get(name)
      if (bytes === undefined) continue
      const sha256 = await sha256Hex(bytes)
      const other = this.#nameOfHash.get(sha256)
      const contentOf = other === undefined || other === name ? {} : { contentOf: other }
      keys.push({ name, sha256, sizeBytes: bytes.length, ...contentOf })
    }
    return keys
  }

  /** Consent events are not sealed: what they say is checked without a key. */
  async checkConsent(options: {
    readonly keys: readonly VerifyKey[]
    /** Names that the manifest does not know. */
    readonly later: readonly string[]
    readonly manifestSha256: string
  }): Promise<ConsentTestimony> {
    const { keys, later, manifestSha256 } = options
    const checker = new ConsentChecker({ body: this.#body, keys, findings: this.#findings, manifestSha256 })
    for (const entry of this.#body.consentEvents) {
      const { name, sha256, sizeBytes } = entry
      await checker.take(entry, await this.#check({ kind: 'consent', name, sha256, sizeBytes }))
    }
    await checker.takeLate(later, (name) => this.#objects.get(name))
    return checker.finish()
  }

  async #checkAndOpen(expected: ExpectedObject, identity: string | undefined): Promise<void> {
    const bytes = await this.#check(expected)
    if (bytes === undefined || identity === undefined) return
    const opened = await openSealed(bytes, [identity])
    if (!opened.ok) {
      this.#findings.add(`${expected.kind}-unreadable`, 'The recording’s key does not open this object.', expected.name)
      return
    }
    if (expected.kind === 'chunk') this.#tally.opened += 1
    if (expected.clearSha256 !== undefined && (await sha256Hex(opened.value)) !== expected.clearSha256) {
      this.#findings.add('snapshot-mismatch', 'What is inside is not the metadata that arrived.', expected.name)
    }
    opened.value.fill(0)
  }

  #expectedOf(
    kind: CountedKind,
    object: MaybeHeld & { readonly name: string; readonly sha256: string; readonly sizeBytes: number },
  ): ExpectedObject {
    const { name, sha256, sizeBytes } = object
    return { kind, name, sha256, sizeBytes, isDestroyed: isDestroyed(this.#body, object) }
  }

  /** The bytes of an object, whether or not they are right; undefined when there is none. */
  async #check(expected: ExpectedObject): Promise<Uint8Array | undefined> {
    const { kind, name, sha256, sizeBytes } = expected
    const bytes = await this.#objects.get(name)
    if (bytes === undefined && expected.isDestroyed === true) return undefined
    if (bytes === undefined) {
      if (isShredded(this.#custody, name)) return undefined
      this.#findings.add(`${kind}-missing`, 'The manifest names this object, but it is not there.', name)
      return undefined
    }
    if (this.#custody?.state === 'shredded' && isShredded(this.#custody, name)) {
      this.#findings.add('shred-undone', 'This object was reported as destroyed, and is there.', name)
    }
    const actual = await sha256Hex(bytes)
    if (actual === sha256 && bytes.length === sizeBytes) {
      this.#tally.intact[kind] += 1
      return bytes
    }
    const other = this.#nameOfHash.get(actual)
    if (other !== undefined && other !== name) {
      this.#findings.add(`${kind}-swapped`, `This object holds the content of ${other}.`, name)
    } else if (bytes.length < sizeBytes) {
      const sentence = `This object is cut: ${bytes.length} of ${sizeBytes} bytes are there.`
      this.#findings.add(`${kind}-truncated`, sentence, name)
    } else {
      this.#findings.add(`${kind}-changed`, 'The content of this object is not what was recorded.', name)
    }
    return bytes
  }

  async #openKey(names: readonly string[], identities: readonly VaultIdentity[]): Promise<string | undefined> {
    const { recipient } = this.#body
    const key = await openNewestKey({ names, get: (name) => this.#objects.get(name), identities, recipient })
    if (key.ok) return key.value.identity
    const { reason, detail: name = KEY_NAME } = key
    if (reason === 'wrongRecipient') {
      this.#findings.add('key-wrong', 'This key belongs to another recording.', name)
    } else if (reason !== 'missing') {
      this.#findings.add('key-unreadable', UNOPENED.get(reason) ?? UNREADABLE, name)
    }
    return undefined
  }
}

/** It says nothing about the recording. */
const UNOPENED: ReadonlyMap<string, string> = new Map([
  ['noIdentityMatches', 'None of the given vault keys opens the recording’s key; nothing could be opened.'],
  [
    'keyNotConfigured',
    'The recording’s key is sealed to a key of the key service that the configuration does not name; nothing could be opened.',
  ],
])
const UNREADABLE = 'The recording’s key could not be read; nothing could be opened.'
