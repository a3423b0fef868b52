import type { Finding, FindingCode } from './findings.ts'
import type { WrappedKeyEntry } from './manifest.ts'
import { wrappedKeyName, wrappedKeyNumber } from './object-names.ts'

/** The ledger says that a key was sealed anew. ledger/FORMAT.md 2.1 */
export interface KeyRotation {
  readonly seq: number
  /** RFC 3339. */
  readonly at: string
  /** Of the new wrapped key. */
  readonly name: string
  readonly sha256: string
  readonly replacesSha256: string
}

/** A wrapped key as it lies under the prefix of a recording. */
export interface StoredKey {
  readonly name: string
  readonly sha256: string
  readonly sizeBytes: number
  /** The object whose content it is, where that is another one that the manifest names. */
  readonly contentOf?: string
}

export interface KeysFound {
  readonly findings: readonly Finding[]
  /** The wrapped key in force is there, and is the one that was stated. */
  readonly isIntact: boolean
}

/** All that {@link checkKeys} can find. */
export const KEY_FINDING_CODES: ReadonlySet<FindingCode> = new Set<FindingCode>([
  ...(['key-missing', 'key-changed', 'key-truncated', 'key-swapped'] as const),
  ...(['key-unexplained', 'rotation-unlinked'] as const),
])

/**
 * Compares the wrapped keys that are stored with what was said of them: the first in the manifest, each further one by a statement that it replaces one before.
 * A key that was replaced may be gone, or still be there. FORMAT.md 2.1
 */
export function checkKeys(
  wrappedKey: WrappedKeyEntry,
  stored: readonly StoredKey[],
  rotations: readonly KeyRotation[],
): KeysFound {
  const findings: Finding[] = []
  const { linked, unlinked } = linkRotations(wrappedKey.sha256, rotations)
  const current = linked.at(-1) ?? wrappedKey
  const stated = [wrappedKey, ...linked]
  for (const key of stored) {
    const expected = stated.findLast(({ name }) => name === key.name)
    if (expected === undefined) findings.push(unexplained(key))
    else if (expected.sha256 !== key.sha256) findings.push(differing(key, wrappedKey, stated))
  }
  for (const { seq } of unlinked) {
    const sentence = 'The ledger tells of a sealed key in the place of one that nobody knows.'
    findings.push({ code: 'rotation-unlinked', name: `statement ${seq}`, sentence })
  }
  const there = stored.find(({ name }) => name === current.name)
  if (there === undefined) {
    const sentence =
      linked.length === 0
        ? 'The manifest names this object, but it is not there.'
        : 'The ledger says that the key was sealed anew as this object, but it is not there.'
    findings.unshift({ code: 'key-missing', name: current.name, sentence })
  }
  return { findings, isIntact: there?.sha256 === current.sha256 }
}

/**
 * The chain of statements that begins at the key in the manifest, the key in force last; and those that are no part of it. The number in its name says which
 * of two keys is the later one: clocks of different nodes do not.
 */
export function linkRotations(
  firstSha256: string,
  rotations: readonly KeyRotation[],
): { readonly linked: readonly KeyRotation[]; readonly unlinked: readonly KeyRotation[] } {
  const known = new Set([firstSha256])
  const linked: KeyRotation[] = []
  let waiting = unique(rotations)
  for (let before = -1; before !== linked.length;) {
    before = linked.length
    for (const rotation of waiting) {
      if (!known.has(rotation.replacesSha256)) continue
      known.add(rotation.sha256)
      linked.push(rotation)
    }
    waiting = waiting.filter((rotation) => !linked.includes(rotation))
  }
  const byNumber = (one: KeyRotation, other: KeyRotation): number =>
    wrappedKeyNumber(one.name) - wrappedKeyNumber(other.name)
  return { linked: linked.toSorted(byNumber), unlinked: waiting }
}

/** A statement that was asked for twice, after a crash, counts once. In order of time. */
function unique(rotations: readonly KeyRotation[]): readonly KeyRotation[] {
  const byText = new Map<string, KeyRotation>()
  for (const rotation of rotations.toSorted((one, other) => (one.at < other.at ? -1 : 1))) {
    const text = `${rotation.name} ${rotation.sha256} ${rotation.replacesSha256}`
    if (!byText.has(text)) byText.set(text, rotation)
  }
  return [...byText.values()]
}

function unexplained({ name }: StoredKey): Finding {
  const sentence = 'Neither the manifest nor a statement in the ledger at hand knows this sealed key.'
  return { code: 'key-unexplained', name, sentence }
}

function differing(
  { name, sha256, sizeBytes, contentOf }: StoredKey,
  wrappedKey: WrappedKeyEntry,
  stated: readonly { readonly name: string; readonly sha256: string }[],
): Finding {
  const other = contentOf ?? stated.find((key) => key.sha256 === sha256 && key.name !== name)?.name
  if (other !== undefined) return { code: 'key-swapped', name, sentence: `This object holds the content of ${other}.` }
  if (name === wrappedKeyName(0) && sizeBytes < wrappedKey.sizeBytes) {
    const sentence = `This object is cut: ${sizeBytes} of ${wrappedKey.sizeBytes} bytes are there.`
    return { code: 'key-truncated', name, sentence }
  }
  return { code: 'key-changed', name, sentence: 'The content of this object is not what was recorded.' }
}
