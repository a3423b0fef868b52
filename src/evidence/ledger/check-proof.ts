/** Checks proofs of RFC 9162. By WebCrypto, so that browsers can; hence asynchronous. */

/** Hashes in one proof: that of a log of 2^53 statements has no more. */
export const PROOF_HASHES_MAX = 64

/** RFC 9162 2.1.1 */
export async function leafHashOf(leaf: Uint8Array): Promise<Uint8Array> {
  return digest(0, [leaf])
}

/** Whether `proof` shows that the leaf with this hash is leaf `leaf` of the tree with this root. RFC 9162 2.1.3.2 */
export async function checkInclusion(claim: {
  readonly leafHash: Uint8Array
  readonly leaf: number
  readonly size: number
  readonly root: Uint8Array
  readonly proof: readonly Uint8Array[]
}): Promise<boolean> {
  const { leaf, size, proof } = claim
  if (!isCount(leaf) || !isCount(size) || leaf >= size || proof.length > PROOF_HASHES_MAX) return false
  let node = leaf
  let last = size - 1
  let hash = claim.leafHash
  for (const sibling of proof) {
    if (last === 0) return false
    if (node % 2 === 1 || node === last) {
      hash = await nodeHashOf(sibling, hash)
      for (; node % 2 === 0 && node !== 0; node /= 2) last = Math.floor(last / 2)
    } else {
      hash = await nodeHashOf(hash, sibling)
    }
    node = Math.floor(node / 2)
    last = Math.floor(last / 2)
  }
  return last === 0 && areSame(hash, claim.root)
}

/** Whether `proof` shows that the tree with `root` begins with the one with `oldRoot`. RFC 9162 2.1.4.2 */
export async function checkConsistency(claim: {
  readonly oldSize: number
  readonly oldRoot: Uint8Array
  readonly size: number
  readonly root: Uint8Array
  readonly proof: readonly Uint8Array[]
}): Promise<boolean> {
  const { oldSize, oldRoot, size, root, proof } = claim
  if (!isCount(oldSize) || !isCount(size) || oldSize > size || proof.length > PROOF_HASHES_MAX) return false
  if (oldSize === size) return proof.length === 0 && areSame(oldRoot, root)
  if (oldSize === 0) return proof.length === 0 && areSame(oldRoot, await emptyRootOf())
  let node = oldSize - 1
  let last = size - 1
  for (; node % 2 === 1; node = Math.floor(node / 2)) last = Math.floor(last / 2)
  // Of a tree of 2^n leaves the root is itself the first hash.
  const [first, ...siblings] = node === 0 ? [oldRoot, ...proof] : proof
  if (first === undefined) return false
  let oldHash = first
  let hash = first
  for (const sibling of siblings) {
    if (last === 0) return false
    if (node % 2 === 1 || node === last) {
      oldHash = await nodeHashOf(sibling, oldHash)
      hash = await nodeHashOf(sibling, hash)
      for (; node % 2 === 0 && node !== 0; node /= 2) last = Math.floor(last / 2)
    } else {
      hash = await nodeHashOf(hash, sibling)
    }
    node = Math.floor(node / 2)
    last = Math.floor(last / 2)
  }
  return last === 0 && areSame(oldHash, oldRoot) && areSame(hash, root)
}

export function areSame(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, index) => byte === right[index])
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}

function nodeHashOf(left: Uint8Array, right: Uint8Array): Promise<Uint8Array> {
  return digest(1, [left, right])
}

async function emptyRootOf(): Promise<Uint8Array> {
  return new Uint8Array(await globalThis.crypto.subtle.digest('SHA-256', new Uint8Array()))
}

async function digest(prefix: number, parts: readonly Uint8Array[]): Promise<Uint8Array> {
  const bytes = new Uint8Array(1 + parts.reduce((sum, part) => sum + part.length, 0))
  bytes[0] = prefix
  let place = 1
  for (const part of parts) {
    bytes.set(part, place)
    place += part.length
  }
  return new Uint8Array(await globalThis.crypto.subtle.digest('SHA-256', bytes))
}
