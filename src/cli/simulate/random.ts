/** A source of numbers in [0, 1). Everything random in `simulate` comes from one of these, so that `--seed` replays a run. */
export type Random = () => number

/**
 * A small seeded generator (the public-domain "sfc32" of Chris Doty-Humphrey's PractRand), one per purpose.
 *
 * `purpose` separates streams of numbers: packet loss of one media stream never shifts the identifiers of another, whatever
 * order the network delivers things in. Not for secrets.
 */
export function seededRandom(seed: number, purpose: string): Random {
  let a = seed | 0
  let b = hashText(purpose)
  let c = Math.floor(seed / 0x1_0000_0000) | 0
  let counter = 1
  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (c << 21) | (c >>> 11)
    c = (c + sum) | 0
    return (sum >>> 0) / 0x1_0000_0000
  }
  for (let round = 0; round < 15; round++) next()
  return next
}

// FNV-1a, 32 bits: spreads the purposes; nothing depends on its strength.
function hashText(text: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  }
  return hash | 0
}

export function randomUint32(random: Random): number {
  return Math.floor(random() * 0x1_0000_0000)
}

export function randomBytes(random: Random, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => Math.floor(random() * 256))
}

/** Lower-case hexadecimal text for tags, branches and Call-IDs. */
export function randomToken(random: Random, length = 16): string {
  return Array.from({ length }, () => Math.floor(random() * 16).toString(16)).join('')
}
