import type { FindingCode, FindingList } from './findings.ts'
import { heldObjects } from './held-entry.ts'
import type { ManifestBody } from './manifest.ts'
import {
  isChunkName,
  isConsentName,
  isCustodyName,
  isDtmfName,
  isKeptName,
  isSnapshotName,
  isWrappedKeyName,
  MANIFEST_NAME,
} from './object-names.ts'

/**
 * Finds objects that the manifest does not name; gives the names of all wrapped keys, and of what may be consent events that came after it. Custody records are
 * checked by themselves.
 */
export function checkAdded(
  body: ManifestBody,
  names: readonly string[],
  findings: FindingList,
): { readonly keyNames: readonly string[]; readonly later: readonly string[] } {
  const later: string[] = []
  const keyNames = new Set([body.wrappedKey.name])
  const named = new Set([MANIFEST_NAME, body.wrappedKey.name])
  for (const { name } of [...body.chunks, ...(body.kept ?? []), ...(body.dtmf ?? [])]) named.add(name)
  for (const { name } of [...body.snapshots, ...body.consentEvents, ...heldObjects(body)]) named.add(name)
  if (body.peaks !== undefined) named.add(body.peaks.name)
  if (body.index !== undefined) named.add(body.index.name)
  for (const name of names) {
    if (isWrappedKeyName(name)) keyNames.add(name)
    if (named.has(name) || isWrappedKeyName(name) || isCustodyName(name)) continue
    if (isConsentName(name)) later.push(name)
    else findings.add(addedCode(name), 'The manifest does not know this object.', name)
  }
  return { keyNames: [...keyNames].toSorted(), later }
}

function addedCode(name: string): FindingCode {
  if (isChunkName(name)) return 'chunk-added'
  if (isKeptName(name)) return 'kept-added'
  if (isDtmfName(name)) return 'dtmf-added'
  return isSnapshotName(name) ? 'snapshot-added' : 'object-added'
}
