import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'

import { HmacSha1 } from '../../../../src/protocol/srtp/hmac-sha1.ts'
import {
  BLOCK_LENGTH,
  compress,
  INITIAL_STATE,
  pad,
  PADDING_LENGTH_MAX,
  STATE_WORDS,
} from '../../../../src/protocol/srtp/sha1.ts'

/** A message with room for its padding, which is full of other octets before. */
function withRoom(message: Uint8Array): DataView {
  const octets = new Uint8Array(message.length + PADDING_LENGTH_MAX).fill(0xa5)
  octets.set(message)
  return new DataView(octets.buffer)
}

function sha1(message: Uint8Array): string {
  const view = withRoom(message)
  const state = Int32Array.from(INITIAL_STATE)
  const end = pad(view, message.length, 0)
  for (let at = 0; at < end; at += BLOCK_LENGTH) compress(state, view, at)
  return Array.from(state, (word) => (word >>> 0).toString(16).padStart(8, '0')).join('')
}

describe('SHA-1', () => {
  it.each([
    ['abc', 1, 'a9993e364706816aba3e25717850c26c9cd0d89d'],
    ['abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq', 1, '84983e441c3bd26ebaae4aa1f95129e5e54670f1'],
    ['a', 1_000_000, '34aa973cd4c4daa4f61eeb2bdbad27316534016f'],
    [
      '0123456701234567012345670123456701234567012345670123456701234567',
      10,
      'dea356a2cddd90c7a7ecedc5ebb563934f460452',
    ],
  ])('gives the digest of RFC 3174 7.3: %s, %i times', (text, times, digest) => {
    expect(sha1(Buffer.from(text.repeat(times)))).toBe(digest)
  })

  it('is that of node:crypto for messages of all lengths over several blocks', () => {
    for (let length = 0; length <= 4 * BLOCK_LENGTH; length += 1) {
      const message = Uint8Array.from({ length }, (_, at) => at * 7 + length)
      expect(sha1(message)).toBe(createHash('sha1').update(message).digest('hex'))
    }
  })
})

describe('HMAC-SHA1', () => {
  it.each([
    [1, new Uint8Array(20).fill(0x0b), Buffer.from('Hi There'), 'b617318655057264e28bc0b6fb378c8ef146be00'],
    [2, Buffer.from('Jefe'), Buffer.from('what do ya want for nothing?'), 'effcdf6ae5eb2fa2d27416d5f184df9c259a7c79'],
    [3, new Uint8Array(20).fill(0xaa), new Uint8Array(50).fill(0xdd), '125d7342b9ac11cd91a39af48aa17b4f63f175d3'],
    [
      4,
      Uint8Array.from({ length: 25 }, (_, at) => at + 1),
      new Uint8Array(50).fill(0xcd),
      '4c9007f4026250c6bc8414f9bf50c86c2d7235da',
    ],
    [5, new Uint8Array(20).fill(0x0c), Buffer.from('Test With Truncation'), '4c1a03424b55e07fe7f27be1d58bb9324a9a5a04'],
  ])('gives the code of test case %i of RFC 2202 3', (_, key, message, code) => {
    const hmac = new HmacSha1(key)
    hmac.compute(withRoom(message), message.length)
    expect(Buffer.from(hmac.code(4 * STATE_WORDS)).toString('hex')).toBe(code)
  })

  it('takes no key that is longer than a block', () => {
    expect(() => new HmacSha1(new Uint8Array(BLOCK_LENGTH))).not.toThrow()
    expect(() => new HmacSha1(new Uint8Array(BLOCK_LENGTH + 1))).toThrow(RangeError)
  })

  it('matches the beginning of the code, and nothing that differs in one bit', () => {
    const hmac = new HmacSha1(new Uint8Array(20).fill(1))
    hmac.compute(withRoom(new Uint8Array(30)), 30)
    const packet = Uint8Array.of(1, 2, 3, ...hmac.code(10))
    expect(hmac.matches(packet, 3)).toBe(true)
    expect(hmac.matches(packet.subarray(0, 7), 3)).toBe(true)
    for (let bit = 0; bit < 80; bit += 1) {
      const forged = Uint8Array.from(packet, (octet, at) => (at === 3 + (bit >> 3) ? octet ^ (1 << (bit & 7)) : octet))
      expect(hmac.matches(forged, 3)).toBe(false)
    }
  })
})
