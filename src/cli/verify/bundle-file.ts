import type { Readable } from 'node:stream'

import { openPromise, type Entry, type ZipFile } from 'yauzl'

import { EarwitnessError, ExitCode } from '../../errors.ts'
import { digestOf, type BundleMembers } from '../../evidence/bundle/bundle-members.ts'
import { BUNDLE_BYTES_MAX, BUNDLE_MEMBERS_MAX } from '../../evidence/bundle/bundle-size.ts'
import { isMemberName } from '../../evidence/bundle/member-names.ts'
import { SEALED_LENGTH_MAX } from '../../evidence/age-open.ts'

/** What a bundle may hold; FORMAT.md 1 of bundles. */
export interface BundleLimits {
  /** `bundle.json` and folders included. */
  readonly membersMax: number
  /** All members, after inflating. */
  readonly bytesMax: number
  /** Of one that is read whole. */
  readonly memberBytesMax: number
}

export const BUNDLE_LIMITS: BundleLimits = {
  membersMax: BUNDLE_MEMBERS_MAX + 10,
  bytesMax: BUNDLE_BYTES_MAX,
  memberBytesMax: SEALED_LENGTH_MAX,
}

/** How much larger a member may be than it is in the zip: deflate itself reaches 1032. */
const INFLATION_MAX = 200
/** Below this no ratio is looked at: a page of blanks is no bomb. */
const INFLATION_FREE_BYTES = 1024 * 1024
const STORED = 0
const DEFLATED = 8
/** Of the upper half of the external attributes, where the zip comes from Unix. */
const FILE_TYPE_MASK = 0o170_000
const SYMBOLIC_LINK = 0o120_000

/** A bundle that is read member by member. Close it. */
export interface BundleFile extends BundleMembers {
  close(): void
}

/**
 * Opens a zip and reads its directory; the members themselves are read when they are asked for, as streams.
 *
 * Everything a member claims about its size is held to while it is read, so that the bounds looked at here hold.
 *
 * @throws EarwitnessError `bundle-unreadable`, exit code 2: not a zip, cut off, or beyond the bounds of a bundle
 */
export async function openBundle(path: string, limits: BundleLimits = BUNDLE_LIMITS): Promise<BundleFile> {
  let zip: ZipFile
  try {
    // Names with backslashes, drive letters, a leading slash or `..` are refused by the reader before we see them.
    zip = await openPromise(path, { autoClose: false, strictFileNames: true })
  } catch (cause) {
    throw noBundle(path, reasonOf(cause), cause)
  }
  try {
    const { names, entries } = await readDirectory(zip, limits)
    return {
      names,
      read: (name) => readWhole(zip, entries.get(name), limits.memberBytesMax),
      digest: async (name) => {
        const stream = await openMember(zip, entries.get(name))
        // What ends too early, or was damaged inside deflate, is told by an error of the stream.
        return stream === undefined ? undefined : digestOf(stream).catch(() => undefined)
      },
      close: () => {
        zip.close()
      },
    }
  } catch (cause) {
    zip.close()
    throw noBundle(path, reasonOf(cause), cause)
  }
}

async function readDirectory(
  zip: ZipFile,
  limits: BundleLimits,
): Promise<{ readonly names: readonly string[]; readonly entries: ReadonlyMap<string, Entry> }> {
  const names: string[] = []
  const entries = new Map<string, Entry>()
  let count = 0
  let sizeBytes = 0
  for await (const entry of zip.eachEntry()) {
    count += 1
    sizeBytes += entry.uncompressedSize
    const fault = faultOf(entry)
    if (fault !== undefined) throw new Error(fault)
    if (count > limits.membersMax) throw new Error(`it has more than ${limits.membersMax} members`)
    if (sizeBytes > limits.bytesMax) throw new Error(`its members are larger than ${limits.bytesMax} bytes together`)
    if (entry.fileName.endsWith('/')) continue
    names.push(entry.fileName)
    // Of two with one name the first is read; that there are two is a finding.
    if (!entries.has(entry.fileName)) entries.set(entry.fileName, entry)
  }
  return { names, entries }
}

function faultOf(entry: Entry): string | undefined {
  const { fileName, compressionMethod, compressedSize, uncompressedSize, externalFileAttributes } = entry
  if (!isMemberName(fileName.replace(/\/$/, ''))) return 'a member has a name that no member of a bundle has'
  if (fileName.endsWith('/') && uncompressedSize > 0) return 'a folder has a content'
  if (((externalFileAttributes >>> 16) & FILE_TYPE_MASK) === SYMBOLIC_LINK) return 'a member is a symbolic link'
  if (entry.isEncrypted()) return 'a member is encrypted by the zip'
  if (compressionMethod !== STORED && compressionMethod !== DEFLATED) return 'a member is neither stored nor deflated'
  if (uncompressedSize > INFLATION_FREE_BYTES && uncompressedSize > compressedSize * INFLATION_MAX) {
    return `a member would become more than ${INFLATION_MAX} times larger`
  }
  return undefined
}

/** Undefined when the two headers of a member contradict each other, or cannot be read. */
async function openMember(zip: ZipFile, entry: Entry | undefined): Promise<Readable | undefined> {
  if (entry === undefined) return undefined
  try {
    const local = await zip.readLocalFileHeaderPromise(entry)
    // Tools that read a zip from its beginning see the name in the local header.
    if (!local.fileName.equals(entry.fileNameRaw)) return undefined
    return await zip.openReadStreamPromise(entry)
  } catch {
    return undefined
  }
}

async function readWhole(zip: ZipFile, entry: Entry | undefined, bytesMax: number): Promise<Uint8Array | undefined> {
  if (entry === undefined || entry.uncompressedSize > bytesMax) return undefined
  const stream = await openMember(zip, entry)
  if (stream === undefined) return undefined
  try {
    const pieces: Uint8Array[] = []
    for await (const piece of stream) pieces.push(piece as Uint8Array)
    return Buffer.concat(pieces)
  } catch {
    return undefined
  }
}

function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return 'unknown'
  return cause.message.replaceAll(/[^\u0020-\u007e]/gu, '?').slice(0, 200)
}

/** What a person is told who gave something else. */
export function noBundle(path: string, reason: string, cause?: unknown): EarwitnessError {
  return new EarwitnessError(
    'bundle-unreadable',
    `This is no bundle of a recording: ${path}`,
    `Reason: ${reason}. Give a file that \`earwitness export --format bundle\` wrote, whole.`,
    { exitCode: ExitCode.usage, cause },
  )
}
