import { createHash, type KeyObject } from 'node:crypto'

import packageJson from '../../../package.json' with { type: 'json' }
import { EarwitnessError } from '../../errors.ts'
import { openSealed } from '../../evidence/age-open.ts'
import { BUNDLE_FORMAT, writeBundleList, type ListedMember } from '../../evidence/bundle/bundle-list.ts'
import { checkBundleSize, type BundleExcess } from '../../evidence/bundle/bundle-size.ts'
import { instructions } from '../../evidence/bundle/instructions.ts'
import {
  BUNDLE_LIST_NAME,
  INSTRUCTIONS_NAME,
  LIST_SIGNATURE_NAME,
  logProofName,
  OBJECTS_FOLDER,
  OPENED_AUDIO_NAME,
  OPENED_KEY_NAME,
  openedSnapshotName,
  REPORT_NAME,
  SIGNERS_FOLDER,
} from '../../evidence/bundle/member-names.ts'
import { signBundleList } from '../../evidence/bundle/list-signature.ts'
import { reportHtml } from '../../evidence/bundle/report-html.ts'
import { writeLogProof } from '../../evidence/ledger/log-proof.ts'
import { heldEntryOf } from '../../evidence/held-entry.ts'
import { identityFor, openHeldIdentities, type HeldIdentities } from '../../evidence/held-objects.ts'
import type { ManifestBody } from '../../evidence/manifest.ts'
import { isObjectName } from '../../evidence/object-names.ts'
import type { SigningKey, VerifyKey } from '../../evidence/signer-keys.ts'
import type { VaultIdentity } from '../../evidence/vault-open.ts'
import { verifyRecording, type ObjectReader, type Verdict } from '../../evidence/verify.ts'
import { namesOf, unwrapKey } from '../stored-recording.ts'
import type { WithLedger } from '../ledger/recording-in-ledger.ts'
import { writeNewFile } from './new-file.ts'
import { reportedPeople } from './reported-people.ts'
import { zipStream, type NewMember } from './zip-stream.ts'

const SOFTWARE = { name: 'earwitness', version: packageJson.version }

/** A trusted signer, and its key as `signers/` has it. */
export interface BundledSigner {
  readonly verifyKey: VerifyKey
  readonly publicKey: KeyObject
}

export interface BundleOptions {
  readonly recordingId: string
  readonly objects: ObjectReader
  readonly signers: readonly BundledSigner[]
  /** Of the vault; names participants in the report, and opens the audio with `isOpened`. */
  readonly identities: readonly VaultIdentity[] | undefined
  /** The recorder's; without it nobody vouches for the list of the bundle. */
  readonly signingKey: SigningKey | undefined
  /** Asks the logs at hand. */
  readonly withLedger: (verdict: Verdict, keys: readonly VerifyKey[]) => Promise<WithLedger>
  /** Adds what is inside the sealed objects, in the clear, and the recording's key. */
  readonly isOpened: boolean
  readonly exportedAt: Date
}

export interface WrittenBundle {
  readonly verdict: Verdict
  /** Without `bundle.json` and its signature. */
  readonly members: number
  /** Names and addresses stand in the report, in clear. */
  readonly namesPeople: boolean
  /** Statements of ledgers that are in it with their proofs. */
  readonly statements: number
}

/**
 * Verifies a recording and writes it with all that is needed to verify it again as one zip, one object in memory at a time. What is wrong with it
 * is no reason not to write it: the report says so, and the caller should.
 *
 * @throws EarwitnessError `recording-without-manifest`, `object-name-foreign`, `bundle-too-large`, `recording-key-missing`, `identity-wrong`, `chunk-unreadable`,
 * `export-not-written`
 */
export async function writeBundle(path: string, options: BundleOptions): Promise<WrittenBundle> {
  const { recordingId, objects, signers, identities, isOpened, exportedAt } = options
  const names = (await namesOf(objects)).toSorted()
  const foreign = names.find((name) => !isObjectName(name))
  if (foreign !== undefined) throw foreignName(foreign)
  const keys = signers.map(({ verifyKey }) => verifyKey)
  const opening = identities === undefined ? {} : { identities }
  const found = await verifyRecording({ recordingId, objects, keys, ...opening })
  if (found.manifest === undefined) throw withoutManifest()
  const { verdict, proofs } = await options.withLedger(found, keys)
  const excess = checkBundleSize(found.manifest, { objects: names.length, isOpened })
  if (excess !== undefined) throw tooLarge(excess)
  const recordingIdentities =
    identities === undefined ? undefined : await unwrapKey(objects, identities, found.manifest.recipient)
  const people =
    recordingIdentities === undefined ? undefined : await reportedPeople(found.manifest, objects, recordingIdentities)
  const facts = {
    verdict,
    exportedAt: exportedAt.toISOString(),
    software: SOFTWARE,
    opened: isOpened,
    people,
    ledger: verdict.ledger,
  }
  const members: NewMember[] = [
    textMember(REPORT_NAME, () => reportHtml(facts)),
    textMember(INSTRUCTIONS_NAME, () =>
      instructions({
        recordingId,
        opened: isOpened,
        signed: options.signingKey !== undefined,
        proved: proofs.length > 0,
      }),
    ),
    ...uniqueSigners(signers).flatMap(signerMembers),
    ...names.map((name) => objectMember(objects, name)),
    ...proofs.map((proof) => bytesMember(logProofName(proof.logId), () => writeLogProof(proof))),
    ...(isOpened && recordingIdentities !== undefined
      ? openedMembers(found.manifest, objects, {
          own: recordingIdentities[0] ?? '',
          held: await openHeldIdentities(found.manifest, objects, identities ?? []),
        })
      : []),
  ]
  const listed: ListedMember[] = []
  // Asked for when all that it lists has been read; its signature after it.
  let list: Uint8Array = new Uint8Array()
  const { signingKey } = options
  const all = [
    ...members.map((member) => noted(member, listed)),
    bytesMember(BUNDLE_LIST_NAME, () => {
      const { exportedAt: at, software, opened } = facts
      list = writeBundleList({ format: BUNDLE_FORMAT, recordingId, exportedAt: at, software, opened, members: listed })
      return list
    }),
    ...(signingKey === undefined
      ? []
      : [bytesMember(LIST_SIGNATURE_NAME, async () => Buffer.from(await signBundleList(list, signingKey)))]),
  ]
  await writeNewFile(path, zipStream(all, exportedAt))
  return {
    verdict,
    members: members.length,
    namesPeople: people !== undefined && people.length > 0,
    statements: proofs.reduce((sum, { statements }) => sum + statements.length, 0),
  }
}

/** The member, and its hash and size in `listed` when it has been read to its end. */
function noted({ name, open }: NewMember, listed: ListedMember[]): NewMember {
  return {
    name,
    open: async function* noting() {
      const hash = createHash('sha256')
      let sizeBytes = 0
      for await (const piece of open()) {
        hash.update(piece)
        sizeBytes += piece.length
        yield piece
      }
      listed.push({ name, sha256: hash.digest('hex'), sizeBytes })
    },
  }
}

async function* once(make: () => Promise<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield await make()
}

function bytesMember(name: string, make: () => Uint8Array | Promise<Uint8Array>): NewMember {
  return { name, open: () => once(async () => make()) }
}

function textMember(name: string, make: () => string): NewMember {
  return bytesMember(name, () => Buffer.from(make()))
}

function signerMembers({ verifyKey, publicKey }: BundledSigner): readonly NewMember[] {
  const path = `${SIGNERS_FOLDER}${signerFileName(verifyKey.keyId)}`
  const jwk = { ...publicKey.export({ format: 'jwk' }), alg: 'EdDSA', kid: verifyKey.keyId, use: 'sig' }
  return [
    textMember(`${path}.pub.pem`, () => publicKey.export({ format: 'pem', type: 'spki' }).toString()),
    textMember(`${path}.jwk.json`, () => `${JSON.stringify(jwk)}\n`),
  ]
}

/** The same key may be given twice, in two files. */
function uniqueSigners(signers: readonly BundledSigner[]): readonly BundledSigner[] {
  return [...new Map(signers.map((signer) => [signer.verifyKey.keyId, signer])).values()]
}

/** A fingerprint may begin with `-` or `_`, which no member's name does. */
function signerFileName(keyId: string): string {
  return /^[A-Za-z0-9]/.test(keyId) ? keyId : `k${keyId}`
}

function objectMember(objects: ObjectReader, name: string): NewMember {
  return {
    name: OBJECTS_FOLDER + name,
    open: () =>
      once(async () => {
        const bytes = await objects.get(name)
        if (bytes !== undefined) return bytes
        throw new EarwitnessError(
          'object-gone',
          `The object ${name} was there a moment ago, and is gone.`,
          'Somebody destroys this recording, or changes it; try again and look at what `earwitness verify` says.',
        )
      }),
  }
}

function openedMembers(
  manifest: ManifestBody,
  objects: ObjectReader,
  { own, held }: { readonly own: string; readonly held: HeldIdentities },
): readonly NewMember[] {
  // What was held until consent and was not kept has no key, and is left out.
  const chunks = manifest.chunks.filter(
    (chunk) => identityFor(chunk, own, held) !== undefined || heldEntryOf(manifest, chunk)?.outcome === 'kept',
  )
  const keys = [{ recipient: manifest.recipient, identity: own }]
  for (const { heldSeq, recipient } of manifest.held ?? []) {
    const identity = held[heldSeq]
    if (identity !== undefined) keys.push({ recipient, identity })
  }
  return [
    textMember(OPENED_KEY_NAME, () =>
      keys.map(({ recipient, identity }) => `# public key: ${recipient}\n${identity}\n`).join(''),
    ),
    ...(chunks.length === 0
      ? []
      : [
          {
            name: OPENED_AUDIO_NAME,
            open: async function* opened() {
              for (const chunk of chunks) yield await openObject(objects, chunk.name, identityFor(chunk, own, held))
            },
          },
        ]),
    ...manifest.snapshots.map((snapshot) => ({
      name: openedSnapshotName(snapshot),
      open: () => once(() => openObject(objects, snapshot.name, own)),
    })),
  ]
}

async function openObject(objects: ObjectReader, name: string, identity: string | undefined): Promise<Uint8Array> {
  const sealed = await objects.get(name)
  const opened = sealed === undefined || identity === undefined ? undefined : await openSealed(sealed, [identity])
  if (opened?.ok === true) return opened.value
  throw new EarwitnessError(
    'chunk-unreadable',
    `The object ${name} is missing, or cannot be opened.`,
    'Run `earwitness verify` on this recording: it says what was changed. Without --decrypted it can be bundled as it is.',
  )
}

function tooLarge(excess: BundleExcess): EarwitnessError {
  const what = excess === 'members' ? 'more objects' : 'more bytes'
  return new EarwitnessError(
    'bundle-too-large',
    `This recording has ${what} than one bundle holds.`,
    'Copy its objects from the store as they are: `earwitness verify ID` checks them there. Without --decrypted a bundle is half as large.',
  )
}

function withoutManifest(): EarwitnessError {
  return new EarwitnessError(
    'recording-without-manifest',
    'This recording has no manifest that can be read, so that there is nothing to prove yet.',
    'Export its bundle when the recording is over; `earwitness verify` says if the manifest is damaged.',
  )
}

function foreignName(name: string): EarwitnessError {
  return new EarwitnessError(
    'object-name-foreign',
    `Under this recording lies something that no recorder names so: ${JSON.stringify(name.slice(0, 200))}.`,
    'Move it away, and find out who put it there.',
  )
}
