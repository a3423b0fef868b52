import { accepted, rejected, type Result } from '../result.ts'

/** BIP 173: the longest Bech32 text. Recipients have 62 characters, identities 74. */
export const BECH32_LENGTH_MAX = 90

export type Bech32RejectReason = 'length' | 'case' | 'separator' | 'character' | 'checksum' | 'padding'

const ALPHABET = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l'
const VALUES = new Map(Array.from(ALPHABET, (character, value) => [character, value]))
const GENERATORS = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3]
const CHECKSUM_LENGTH = 6

/** Bech32 in lower case (BIP 173); `prefix` must be lower case too. */
export function encodeBech32(prefix: string, bytes: Uint8Array): string {
  const words = regroup(bytes, 8, 5)
  const remainder = checksum([...expandPrefix(prefix), ...words, 0, 0, 0, 0, 0, 0]) ^ 1
  for (let index = 0; index < CHECKSUM_LENGTH; index += 1) words.push((remainder >>> (5 * (5 - index))) & 31)
  return `${prefix}1${words.map((word) => ALPHABET.charAt(word)).join('')}`
}

/** Reads Bech32 (BIP 173; not Bech32m); the prefix comes back in lower case. Mixed case is refused. */
export function decodeBech32(
  text: string,
): Result<{ readonly prefix: string; readonly bytes: Uint8Array }, Bech32RejectReason> {
  if (text.length > BECH32_LENGTH_MAX) return rejected('length')
  const lower = text.toLowerCase()
  if (text !== lower && text !== text.toUpperCase()) return rejected('case')
  const separator = lower.lastIndexOf('1')
  if (separator < 1 || separator + 1 + CHECKSUM_LENGTH > lower.length) return rejected('separator')
  const prefix = lower.slice(0, separator)
  const words: number[] = []
  for (const character of lower.slice(separator + 1)) {
    const value = VALUES.get(character)
    if (value === undefined) return rejected('character')
    words.push(value)
  }
  if (checksum([...expandPrefix(prefix), ...words]) !== 1) return rejected('checksum')
  return regroupStrictly(prefix, words.slice(0, -CHECKSUM_LENGTH))
}

function regroupStrictly(
  prefix: string,
  words: readonly number[],
): Result<{ readonly prefix: string; readonly bytes: Uint8Array }, Bech32RejectReason> {
  const spareBits = (words.length * 5) % 8
  // BIP 173: at most four spare bits, all zero, or two texts would stand for the same bytes.
  if (spareBits > 4) return rejected('padding')
  if (spareBits > 0 && ((words.at(-1) ?? 0) & ((1 << spareBits) - 1)) !== 0) return rejected('padding')
  const bytes = regroup(words, 5, 8).slice(0, Math.floor((words.length * 5) / 8))
  return accepted({ prefix, bytes: Uint8Array.from(bytes) })
}

function regroup(values: Iterable<number>, fromBits: number, toBits: number): number[] {
  const groups: number[] = []
  let pending = 0
  let pendingBits = 0
  for (const value of values) {
    pending = (pending << fromBits) | value
    pendingBits += fromBits
    while (pendingBits >= toBits) {
      pendingBits -= toBits
      groups.push((pending >>> pendingBits) & ((1 << toBits) - 1))
      pending &= (1 << pendingBits) - 1
    }
  }
  if (pendingBits > 0) groups.push((pending << (toBits - pendingBits)) & ((1 << toBits) - 1))
  return groups
}

function expandPrefix(prefix: string): number[] {
  const codes = Array.from(prefix, (character) => character.charCodeAt(0))
  return [...codes.map((code) => code >>> 5), 0, ...codes.map((code) => code & 31)]
}

function checksum(values: readonly number[]): number {
  let state = 1
  for (const value of values) {
    const top = state >>> 25
    state = ((state & 0x1ffffff) << 5) ^ value
    for (const [bit, generator] of GENERATORS.entries()) {
      if ((top >>> bit) & 1) state ^= generator
    }
  }
  return state
}
