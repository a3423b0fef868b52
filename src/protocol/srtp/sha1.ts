/** Octets that SHA-1 takes at once. RFC 3174 4 */
export const BLOCK_LENGTH = 64
/** Of the state, which is the digest of 20 octets in the end. */
export const STATE_WORDS = 5
/** RFC 3174 6.1 */
export const INITIAL_STATE = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0]
/** Octets that {@link pad} may write behind a message. */
export const PADDING_LENGTH_MAX = 1 + 8 + (BLOCK_LENGTH - 1)

/** The words of the block under way: used within one call only, and so there is one for all. */
const schedule = new Int32Array(80)

/**
 * Pads a message to whole blocks where it lies. RFC 3174 4
 *
 * @param length octets; with what was hashed before it, below 2^28, as the upper half of the bit length is left 0
 * @param lengthBefore octets of whole blocks that were hashed before
 * @returns the end of the last block
 */
export function pad(message: DataView, length: number, lengthBefore: number): number {
  const end = (length + 1 + 8 + BLOCK_LENGTH - 1) & ~(BLOCK_LENGTH - 1)
  message.setUint8(length, 0x80)
  for (let at = length + 1; at < end - 4; at += 1) message.setUint8(at, 0)
  message.setUint32(end - 4, 8 * (lengthBefore + length))
  return end
}

/** Takes one block into the state. RFC 3174 6.1; Four loops, as one that asks for the round each time takes twice as long. */
export function compress(state: Int32Array, message: DataView, offset: number): void {
  const w = schedule
  for (let t = 0; t < 16; t += 1) w[t] = message.getInt32(offset + 4 * t)
  for (let t = 16; t < 80; t += 1) {
    const mixed = (w[t - 3] ?? 0) ^ (w[t - 8] ?? 0) ^ (w[t - 14] ?? 0) ^ (w[t - 16] ?? 0)
    w[t] = (mixed << 1) | (mixed >>> 31)
  }
  let a = state[0] ?? 0
  let b = state[1] ?? 0
  let c = state[2] ?? 0
  let d = state[3] ?? 0
  let e = state[4] ?? 0
  for (let t = 0; t < 20; t += 1) {
    const next = (((a << 5) | (a >>> 27)) + (d ^ (b & (c ^ d))) + e + (w[t] ?? 0) + 0x5a827999) | 0
    e = d
    d = c
    c = (b << 30) | (b >>> 2)
    b = a
    a = next
  }
  for (let t = 20; t < 40; t += 1) {
    const next = (((a << 5) | (a >>> 27)) + (b ^ c ^ d) + e + (w[t] ?? 0) + 0x6ed9eba1) | 0
    e = d
    d = c
    c = (b << 30) | (b >>> 2)
    b = a
    a = next
  }
  for (let t = 40; t < 60; t += 1) {
    const next = (((a << 5) | (a >>> 27)) + ((b & c) | (d & (b | c))) + e + (w[t] ?? 0) + 0x8f1bbcdc) | 0
    e = d
    d = c
    c = (b << 30) | (b >>> 2)
    b = a
    a = next
  }
  for (let t = 60; t < 80; t += 1) {
    const next = (((a << 5) | (a >>> 27)) + (b ^ c ^ d) + e + (w[t] ?? 0) + 0xca62c1d6) | 0
    e = d
    d = c
    c = (b << 30) | (b >>> 2)
    b = a
    a = next
  }
  state[0] = (state[0] ?? 0) + a
  state[1] = (state[1] ?? 0) + b
  state[2] = (state[2] ?? 0) + c
  state[3] = (state[3] ?? 0) + d
  state[4] = (state[4] ?? 0) + e
}
