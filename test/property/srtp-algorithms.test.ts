import { createCipheriv, createHmac } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { HmacSha1 } from '../../src/protocol/srtp/hmac-sha1.ts'
import { BLOCKS_AHEAD, Keystream } from '../../src/protocol/srtp/keystream.ts'
import { PADDING_LENGTH_MAX, STATE_WORDS } from '../../src/protocol/srtp/sha1.ts'

describe('HMAC-SHA1', () => {
  it('is that of node:crypto for any key and message, one after the other', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 64 }),
        fc.array(fc.uint8Array({ maxLength: 1_500, size: 'max' }), { minLength: 1, maxLength: 4 }),
        (key, messages) => {
          const hmac = new HmacSha1(key)
          for (const message of messages) {
            const octets = new Uint8Array(message.length + PADDING_LENGTH_MAX).fill(0xff)
            octets.set(message)
            hmac.compute(new DataView(octets.buffer), message.length)
            expect(Buffer.from(hmac.code(4 * STATE_WORDS))).toEqual(createHmac('sha1', key).update(message).digest())
            expect(octets.subarray(0, message.length)).toEqual(message)
          }
        },
      ),
    )
  })

  it('is that of node:crypto for every length that a packet may have, around where they take turns', () => {
    const key = new Uint8Array(20).fill(0x5a)
    const hmac = new HmacSha1(key)
    for (let length = 0; length < 1_200; length += 1) {
      const octets = Uint8Array.from({ length: length + PADDING_LENGTH_MAX }, (_, at) => at * 13 + length)
      const expected = createHmac('sha1', key).update(octets.subarray(0, length)).digest()
      hmac.compute(new DataView(octets.buffer), length)
      expect(expected.equals(hmac.code(4 * STATE_WORDS))).toBe(true)
    }
  })
})

describe('the keystream', () => {
  const anyPacket = fc.record({
    ssrc: fc.constantFrom(0, 7, 0xffff_fffe),
    // Steps over what lies ready, to its end, past it and back.
    step: fc.oneof(fc.constant(1), fc.integer({ min: -20, max: 50 })),
    length: fc.oneof(fc.constantFrom(0, 160, 161), fc.integer({ max: 2 * BLOCKS_AHEAD * 16, min: 0 })),
    headerLength: fc.constantFrom(12, 16, 72),
  })

  it('is that of node:crypto whatever follows on whatever: gaps, stragglers, duplicates, other SSRCs, longer packets', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(16, 32).chain((length) => fc.uint8Array({ minLength: length, maxLength: length })),
        fc.uint8Array({ minLength: 14, maxLength: 14 }),
        fc.constantFrom(100, 0xfff0, 0xffff_ffff_fff0, 0x8000_0000_0000),
        fc.array(anyPacket, { minLength: 1, maxLength: 60, size: 'max' }),
        fc.boolean(),
        (encryptionKey, salt, firstIndex, packets, isAhead) => {
          const keystream = new Keystream({ encryptionKey, salt }, isAhead)
          let index: number = firstIndex
          for (const { ssrc, step, length, headerLength } of packets) {
            index = Math.min(0xffff_ffff_ffff, Math.max(0, index + step))
            const words = new Int32Array((headerLength + length + 3) >> 2)
            const packet = new Uint8Array(words.buffer)
            const bodyEnd = headerLength + length
            keystream.apply(words, { packet, headerLength, bodyEnd, ssrc, index, isEncrypted: true, word: 0 })
            const expected = counterMode({ encryptionKey, salt, ssrc, index }, length)
            expect(expected.equals(packet.subarray(headerLength, bodyEnd))).toBe(true)
            expect(packet.subarray(0, headerLength).every((octet) => octet === 0)).toBe(true)
          }
        },
      ),
    )
  })
})

/** RFC 3711 4.1.1 as it is written, with big numbers and a new cipher. */
function counterMode(
  of: { encryptionKey: Uint8Array; salt: Uint8Array; ssrc: number; index: number },
  length: number,
): Buffer {
  const salt = BigInt(`0x${Buffer.from(of.salt).toString('hex')}`)
  const iv = (salt << 16n) ^ (BigInt(of.ssrc) << 64n) ^ (BigInt(of.index) << 16n)
  const algorithm = of.encryptionKey.length === 16 ? 'aes-128-ctr' : 'aes-256-ctr'
  const cipher = createCipheriv(algorithm, of.encryptionKey, Buffer.from(iv.toString(16).padStart(32, '0'), 'hex'))
  return cipher.update(new Uint8Array(length))
}
