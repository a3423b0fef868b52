import { rejected } from '../../result.ts'
import { FindingList, type FindingCode } from '../findings.ts'
import { decodeManifest } from '../manifest.ts'
import { isObjectName, MANIFEST_NAME } from '../object-names.ts'
import type { VerifyKey } from '../signer-keys.ts'
import type { VaultIdentity } from '../vault-open.ts'
import { verifyRecording, type LedgerWord, type ObjectReader, type Verdict } from '../verify.ts'
import { documentFault } from '../canonical-document.ts'
import { readBundleList, type BundleList } from './bundle-list.ts'
import type { BundleMembers } from './bundle-members.ts'
import type { WitnessKey } from '../ledger/witness-key.ts'
import { checkLedger, type BundledTestimony } from './ledger-checks.ts'
import { checkListSignature, type ListSignatureRejectReason } from './list-signature.ts'
import { BUNDLE_LIST_NAME, LIST_SIGNATURE_NAME, OBJECTS_FOLDER } from './member-names.ts'
import { checkOpened } from './opened-checks.ts'

/** What is said of the bundle beside the verdict over the recording in it. */
export interface BundleFacts {
  /** Without `bundle.json`. */
  readonly members: number
  /** Undefined when the list cannot be read, as all below. */
  readonly exportedAt: string | undefined
  readonly software: BundleList['software'] | undefined
  readonly opened: boolean | undefined
  /** Fingerprint of the trusted key that signed the list; undefined when none did. */
  readonly signerKeyId: string | undefined
  /** What the ledger says of the recording, as far as the bundle proves it; undefined when there is no proof in it. */
  readonly ledger: BundledTestimony | undefined
}

export interface BundleVerdict {
  readonly verdict: Verdict
  readonly bundle: BundleFacts
}

/**
 * Checks a bundle by its own list and the recording in it by its manifest. FORMAT.md 4
 *
 * Gives undefined for what is no bundle: there is neither a list nor a manifest. Needs no secret; with `identities`, of the
 * vault, it also opens what is sealed.
 */
export async function verifyBundle(options: {
  readonly members: BundleMembers
  readonly keys: readonly VerifyKey[]
  readonly identities?: readonly VaultIdentity[]
  /** Whose signatures under a checkpoint count. */
  readonly witnesses?: readonly WitnessKey[]
  /** That the list bears no signature at all is no finding: what is no object of the recording then proves nothing. */
  readonly allowUnsigned?: boolean
}): Promise<BundleVerdict | undefined> {
  const { members, keys, identities, allowUnsigned = false } = options
  const names = new Set(members.names)
  if (!names.has(BUNDLE_LIST_NAME) && !names.has(OBJECTS_FOLDER + MANIFEST_NAME)) return undefined
  const findings = new FindingList()
  addRepeated(members.names, findings)
  const list = await loadList(members, names, findings)
  const signerKeyId = list === undefined ? undefined : await checkSigned(members, { keys, allowUnsigned }, findings)
  if (list !== undefined) await checkMembers(list, members, findings)
  let ledger: BundledTestimony | undefined
  const objects = objectsOf(members)
  const recordingId = list?.recordingId ?? (await claimedRecordingId(objects)) ?? ''
  const verdict = await verifyRecording({
    recordingId,
    objects,
    keys,
    ...(identities === undefined ? {} : { identities }),
    findings,
    alsoCheck: async (body, found): Promise<LedgerWord> => {
      const checked = await checkLedger(body, { members, keys, witnesses: options.witnesses, ...found }, findings)
      ledger = checked.best
      await checkOpened(body, { members, objects, isOpened: list?.opened === true }, findings)
      return checked
    },
  })
  return {
    verdict,
    bundle: {
      members: [...names].filter((name) => name !== BUNDLE_LIST_NAME && name !== LIST_SIGNATURE_NAME).length,
      exportedAt: list?.exportedAt,
      software: list?.software,
      opened: list?.opened,
      signerKeyId,
      ledger,
    },
  }
}

function addRepeated(names: readonly string[], findings: FindingList): void {
  const seen = new Set<string>()
  for (const name of names) {
    if (seen.has(name)) findings.add('member-repeated', 'The bundle holds two members of this name.', name)
    seen.add(name)
  }
}

async function loadList(
  members: BundleMembers,
  names: ReadonlySet<string>,
  findings: FindingList,
): Promise<BundleList | undefined> {
  if (!names.has(BUNDLE_LIST_NAME)) {
    findings.add('bundle-list-missing', 'There is no list of what was put into the bundle.', BUNDLE_LIST_NAME)
    return undefined
  }
  const bytes = await members.read(BUNDLE_LIST_NAME)
  if (bytes === undefined) {
    findings.add('bundle-list-unreadable', 'The list of the bundle is damaged.', BUNDLE_LIST_NAME)
    return undefined
  }
  const list = readBundleList(bytes)
  if (list.ok) return list.value
  const sentence = documentFault('The list of the bundle', list.reason)
  const detail = list.detail === undefined ? sentence : `${sentence} (${list.detail})`
  findings.add('bundle-list-unreadable', detail, BUNDLE_LIST_NAME)
  return undefined
}

const SIGNATURE_FAULTS: Record<ListSignatureRejectReason, readonly [FindingCode, string]> = {
  notJws: ['bundle-signature-unreadable', 'The signature over the list of the bundle is damaged.'],
  signerUnknown: [
    'bundle-unknown-signer',
    'The list of the bundle is signed by a key that is not among those trusted.',
  ],
  forged: [
    'bundle-forged',
    'The signature does not fit: the list of the bundle was changed, or somebody else wrote it.',
  ],
}

/** Whose signature the list bears; undefined when it is not one that is trusted. */
async function checkSigned(
  members: BundleMembers,
  { keys, allowUnsigned }: { readonly keys: readonly VerifyKey[]; readonly allowUnsigned: boolean },
  findings: FindingList,
): Promise<string | undefined> {
  if (!members.names.includes(LIST_SIGNATURE_NAME)) {
    const sentence = 'Nobody has signed the list of the bundle: its report and instructions may be of anybody.'
    if (!allowUnsigned) findings.add('bundle-unsigned', sentence, LIST_SIGNATURE_NAME)
    return undefined
  }
  const signature = await members.read(LIST_SIGNATURE_NAME)
  const list = await members.read(BUNDLE_LIST_NAME)
  const signed =
    signature === undefined || list === undefined
      ? rejected<ListSignatureRejectReason>('notJws')
      : await checkListSignature(signature, list, keys)
  if (signed.ok) return signed.value
  const [code, sentence] = SIGNATURE_FAULTS[signed.reason]
  findings.add(code, sentence, LIST_SIGNATURE_NAME)
  return undefined
}

/** Compares each member with the list. */
async function checkMembers(list: BundleList, members: BundleMembers, findings: FindingList): Promise<void> {
  const there = new Set(members.names)
  const named = new Set([BUNDLE_LIST_NAME, LIST_SIGNATURE_NAME])
  for (const { name, sha256, sizeBytes } of list.members) {
    named.add(name)
    if (!there.has(name)) {
      findings.add('member-missing', 'The list of the bundle names this member, but it is not there.', name)
      continue
    }
    const digest = await members.digest(name)
    if (digest === undefined) findings.add('member-unreadable', 'This member is damaged and cannot be read.', name)
    else if (digest.sha256 !== sha256 || digest.sizeBytes !== sizeBytes) {
      findings.add('member-changed', 'This member is not what was put into the bundle.', name)
    }
  }
  for (const name of there) {
    if (!named.has(name)) findings.add('member-added', 'The list of the bundle does not know this member.', name)
  }
}

/** What is under `objects/`, as if it were the recording's prefix in a store. */
function objectsOf(members: BundleMembers): ObjectReader {
  const names = members.names
    .filter((name) => name.startsWith(OBJECTS_FOLDER))
    .map((name) => name.slice(OBJECTS_FOLDER.length))
  const there = new Set(names)
  return {
    list: () => Promise.resolve([...there]),
    get: (name) =>
      isObjectName(name) && there.has(name) ? members.read(OBJECTS_FOLDER + name) : Promise.resolve(undefined),
  }
}

/** What the manifest itself says, when no list says what was asked for. */
async function claimedRecordingId(objects: ObjectReader): Promise<string | undefined> {
  const bytes = await objects.get(MANIFEST_NAME)
  if (bytes === undefined) return undefined
  const manifest = decodeManifest(new TextDecoder('latin1').decode(bytes))
  return manifest.ok ? manifest.value.body.recordingId : undefined
}
