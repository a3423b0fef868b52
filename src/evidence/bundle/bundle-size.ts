import type { ManifestBody } from '../manifest.ts'

/** Members of a bundle besides `bundle.json` and its signature. FORMAT.md 1 */
export const BUNDLE_MEMBERS_MAX = 100_000
/** Bytes of all members. FORMAT.md 1 */
export const BUNDLE_BYTES_MAX = 64 * 1024 ** 3
/** Report, instructions, keys, proofs and the folder of opened metadata: what is in a bundle besides objects. */
const OTHER_MEMBERS_MAX = 200
const OTHER_BYTES_MAX = 256 * 1024 ** 2

/** Which bound of a bundle a recording does not keep to. */
export type BundleExcess = 'members' | 'bytes'

/**
 * Whether a recording fits into one bundle, before anything is written. Zip itself is no bound: beyond 65,535 members, and beyond 4 GiB, ZIP64 is written.
 *
 * @param options.objects how many there are under its prefix
 */
export function checkBundleSize(
  manifest: ManifestBody,
  options: { readonly objects: number; readonly isOpened: boolean },
): BundleExcess | undefined {
  const { chunks, snapshots, kept = [], dtmf = [] } = manifest
  const members = options.objects + OTHER_MEMBERS_MAX + (options.isOpened ? snapshots.length : 0)
  if (members > BUNDLE_MEMBERS_MAX) return 'members'
  const sum = (entries: readonly { readonly sizeBytes: number }[]): number =>
    entries.reduce((total, { sizeBytes }) => total + sizeBytes, 0)
  const audio = sum(chunks) + sum(snapshots)
  const bytes = audio * (options.isOpened ? 2 : 1) + sum(kept) + sum(dtmf) + OTHER_BYTES_MAX
  return bytes > BUNDLE_BYTES_MAX ? 'bytes' : undefined
}
