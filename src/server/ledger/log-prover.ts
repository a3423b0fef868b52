import { checkConsistency } from '../../evidence/ledger/check-proof.ts'
import { GrowingTree } from '../../evidence/ledger/growing-tree.ts'
import {
  consistencyNodes,
  HashPicker,
  proveConsistency,
  rootFromHashes,
  type ReadHash,
} from '../../evidence/ledger/proofs.ts'
import { hashCount, hashPlace, nodesOf, type TreeNode } from '../../evidence/ledger/tree-layout.ts'
import type { LogFolder } from './log-folder.ts'

/** Hashes that are written at a time. */
const HASHES_AT_ONCE = 4_096

/** That a log grew from `oldSize` to `size`, where its root is `root`. */
export interface GrowthClaim {
  readonly oldSize: number
  readonly size: number
  readonly root: Uint8Array
}

/** Proves that a log only grew, by stored hashes; where they are missing or wrong, they are made again from the statements. */
export class LogProver {
  readonly #files: Pick<LogFolder, 'readHashes' | 'writeHashes'>
  readonly #lines: () => AsyncIterable<string>
  /** One for each size, however many ask. */
  #remade: { readonly size: number; readonly done: Promise<void> } | undefined

  /** @param lines the statements of the log on the disk, from its beginning */
  constructor(files: Pick<LogFolder, 'readHashes' | 'writeHashes'>, lines: () => AsyncIterable<string>) {
    this.#files = files
    this.#lines = lines
  }

  /** A proof that is right, as anybody could check; undefined when the statements do not yield one, or when nobody waits for it any longer. */
  async prove(claim: GrowthClaim, signal: AbortSignal): Promise<readonly Uint8Array[] | undefined> {
    const { oldSize, size } = claim
    if (oldSize === 0 || oldSize === size) return []
    const proof = await this.#proveFromHashes(claim)
    if (proof !== undefined) return proof
    if (this.#remade?.size !== size) {
      this.#remade = { size, done: remakeHashes(this.#files, this.#lines(), { size, signal }).catch(() => {}) }
    }
    await this.#remade.done
    return this.#proveFromHashes(claim)
  }

  async #proveFromHashes(claim: GrowthClaim): Promise<readonly Uint8Array[] | undefined> {
    const nodes = nodesFor(claim)
    // Hashes that cannot be read are as good as none.
    const hashes = await this.#files.readHashes(nodes).catch(() => undefined)
    const byPlace = new Map(nodes.map((node, index) => [hashPlace(node), hashes?.[index]]))
    return checked(claim, (node) => byPlace.get(hashPlace(node)))
  }
}

/** The same from the statements alone, read once; nothing is written. */
export async function proveFromLines(
  lines: AsyncIterable<string>,
  claim: GrowthClaim,
): Promise<readonly Uint8Array[] | undefined> {
  if (claim.oldSize === 0 || claim.oldSize === claim.size) return []
  const picker = new HashPicker(nodesFor(claim))
  const tree = new GrowingTree()
  for await (const line of lines) {
    if (tree.size >= claim.size) break
    picker.take(tree.append(line))
  }
  return checked(claim, picker.read)
}

function nodesFor({ oldSize, size }: GrowthClaim): readonly TreeNode[] {
  return [...consistencyNodes(oldSize, size), ...nodesOf({ fromLeaf: 0, toLeaf: oldSize })]
}

async function checked(
  { oldSize, size, root }: GrowthClaim,
  readHash: ReadHash,
): Promise<readonly Uint8Array[] | undefined> {
  const oldRoot = rootFromHashes(oldSize, readHash)
  const proof = proveConsistency(oldSize, size, readHash)
  if (oldRoot === undefined || proof === undefined) return undefined
  return (await checkConsistency({ oldSize, oldRoot, size, root, proof })) ? proof : undefined
}

/**
 * Hashes are no evidence, and nobody synced them: what follows from the first `size` statements is simply made again. Each is written to its place, where nobody else ever
 * writes another one, so a log that goes on meanwhile is not disturbed.
 */
export async function remakeHashes(
  files: Pick<LogFolder, 'writeHashes'>,
  lines: AsyncIterable<string>,
  { size, signal }: { readonly size: number; readonly signal?: AbortSignal },
): Promise<void> {
  const tree = new GrowingTree()
  let hashes: Uint8Array[] = []
  const write = async (): Promise<void> => {
    await files.writeHashes(hashCount(tree.size) - hashes.length, Buffer.concat(hashes))
    hashes = []
  }
  for await (const line of lines) {
    if (tree.size >= size || signal?.aborted === true) break
    hashes.push(...tree.append(line))
    if (hashes.length >= HASHES_AT_ONCE) await write()
  }
  if (signal?.aborted !== true) await write()
}
