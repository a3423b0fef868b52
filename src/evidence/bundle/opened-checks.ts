import { createHash } from 'node:crypto'

import { parseIdentityFile, recipientOfIdentity } from '../age-keys.ts'
import { openSealed } from '../age-open.ts'
import type { FindingList } from '../findings.ts'
import { identityFor, type HeldIdentities } from '../held-objects.ts'
import type { ManifestBody } from '../manifest.ts'
import type { ObjectReader } from '../verify.ts'
import type { BundleMembers } from './bundle-members.ts'
import { OPENED_AUDIO_NAME, OPENED_FOLDER, OPENED_KEY_NAME, openedSnapshotName } from './member-names.ts'

interface OpenedBundle {
  readonly members: BundleMembers
  readonly objects: ObjectReader
  /** What the list says. */
  readonly isOpened: boolean
}

/**
 * Opens the sealed objects once more with the key of the bundle and compares: clear audio has no hash in the manifest.
 * FORMAT.md 4
 */
export async function checkOpened(body: ManifestBody, bundle: OpenedBundle, findings: FindingList): Promise<void> {
  const opened = new Set(bundle.members.names.filter((name) => name.startsWith(OPENED_FOLDER)))
  if (!bundle.isOpened && opened.size === 0) return
  const keys = await bundledKeys(body, bundle.members)
  if (keys === undefined) {
    findings.add(
      'opened-wrong',
      'The key that should open this recording is missing, or is of another.',
      OPENED_KEY_NAME,
    )
    return
  }
  const expected = new Set([OPENED_KEY_NAME, ...body.snapshots.map(openedSnapshotName)])
  if (body.chunks.some((chunk) => identityFor(chunk, keys.own, keys.held) !== undefined))
    expected.add(OPENED_AUDIO_NAME)
  for (const name of opened) {
    if (!expected.has(name)) findings.add('opened-wrong', 'No sealed object holds what is in this member.', name)
  }
  for (const name of expected) {
    if (!opened.has(name))
      findings.add('opened-wrong', 'An opened bundle holds this member, but it is not there.', name)
  }
  if (opened.has(OPENED_AUDIO_NAME)) await checkAudio(body, bundle, { keys, findings })
  for (const snapshot of body.snapshots) {
    const name = openedSnapshotName(snapshot)
    if (!opened.has(name)) continue
    const digest = await bundle.members.digest(name)
    if (digest?.sha256 !== snapshot.sha256) {
      findings.add('opened-wrong', 'This is not the metadata that arrived.', name)
    }
  }
}

interface BundledKeys {
  readonly own: string
  readonly held: HeldIdentities
}

/** Undefined when the recording's own is not among them, or one of a held part that was kept. */
async function bundledKeys(body: ManifestBody, members: BundleMembers): Promise<BundledKeys | undefined> {
  const bytes = members.names.includes(OPENED_KEY_NAME) ? await members.read(OPENED_KEY_NAME) : undefined
  if (bytes === undefined) return undefined
  const identities = parseIdentityFile(new TextDecoder().decode(bytes))
  if (!identities.ok) return undefined
  const identityOf = (wanted: string): string | undefined =>
    identities.value.find((identity) => {
      const recipient = recipientOfIdentity(identity)
      return recipient.ok && recipient.value === wanted
    })
  const own = identityOf(body.recipient)
  const held = (body.held ?? []).map(({ recipient }) => identityOf(recipient))
  const lacksKept = body.held?.some(({ outcome }, index) => outcome === 'kept' && held[index] === undefined) === true
  return own === undefined || lacksKept ? undefined : { own, held }
}

async function checkAudio(
  body: ManifestBody,
  { members, objects }: OpenedBundle,
  { keys, findings }: { readonly keys: BundledKeys; readonly findings: FindingList },
): Promise<void> {
  const hash = createHash('sha256')
  for (const chunk of body.chunks) {
    const { name } = chunk
    const identity = identityFor(chunk, keys.own, keys.held)
    if (identity === undefined) continue
    const sealed = await objects.get(name)
    const clear = sealed === undefined ? undefined : await openSealed(sealed, [identity])
    if (clear?.ok !== true) {
      findings.add('opened-wrong', `The audio cannot be compared: ${name} does not open.`, OPENED_AUDIO_NAME)
      return
    }
    hash.update(clear.value)
    clear.value.fill(0)
  }
  const digest = await members.digest(OPENED_AUDIO_NAME)
  if (digest?.sha256 !== hash.digest('hex')) {
    findings.add('opened-wrong', 'This is not the audio that the sealed chunks hold.', OPENED_AUDIO_NAME)
  }
}
