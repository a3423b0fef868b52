import { accepted, rejected, type Result } from '../../result.ts'
import { canonicalJson } from '../canonical-json.ts'
import { readDocument, type DocumentRejectReason } from '../canonical-document.ts'
import { integer, list, members, sha256, text, time, truth } from '../shape-checks.ts'
import { BUNDLE_LIST_NAME, isMemberName, LIST_SIGNATURE_NAME } from './member-names.ts'

export const BUNDLE_FORMAT = 'earwitness-bundle/1'
/** Bytes of `bundle.json`. FORMAT.md 3 */
export const BUNDLE_LIST_BYTES_MAX = 64 * 1024 * 1024

export interface ListedMember {
  readonly name: string
  /** Hex. */
  readonly sha256: string
  readonly sizeBytes: number
}

/** What `bundle.json` says; `bundle.jws` signs it. FORMAT.md 3 */
export interface BundleList {
  readonly format: typeof BUNDLE_FORMAT
  readonly recordingId: string
  /** RFC 3339. */
  readonly exportedAt: string
  readonly software: { readonly name: string; readonly version: string }
  readonly opened: boolean
  readonly members: readonly ListedMember[]
}

const findFault = members({
  recordingId: text,
  exportedAt: time,
  software: members({ name: text, version: text }),
  opened: truth,
  members: list(members({ name: text, sha256, sizeBytes: integer })),
})

/** `bundle.json` with its members in ascending order of their names. */
export function writeBundleList(value: BundleList): Uint8Array {
  const sorted = value.members.toSorted((left, right) => (left.name < right.name ? -1 : 1))
  return new TextEncoder().encode(canonicalJson({ ...value, members: sorted }))
}

/** Never throws. `detail` says where the shape is wrong. */
export function readBundleList(bytes: Uint8Array): Result<BundleList, DocumentRejectReason> {
  const document = readDocument(bytes, { bytesMax: BUNDLE_LIST_BYTES_MAX, format: BUNDLE_FORMAT, findFault })
  if (!document.ok) return document
  const read = document.value as BundleList
  return hasOrderedNames(read.members) ? accepted(read) : rejected('shape', 'members')
}

/** Names of members, ascending, none twice, none of them the list itself or its signature. */
function hasOrderedNames(listed: readonly ListedMember[]): boolean {
  return listed.every(
    ({ name }, index) =>
      isMemberName(name) &&
      name !== BUNDLE_LIST_NAME &&
      name !== LIST_SIGNATURE_NAME &&
      (index === 0 || (listed[index - 1]?.name ?? '') < name),
  )
}
