import { SocketAddress } from 'node:net'

import fc from 'fast-check'
import { expect, test } from 'vitest'

import { sourceAddress } from '../../../../src/server/media/source-address.ts'

test.each([
  [[127, 0, 0, 1], '127.0.0.1'],
  [[0, 0, 0, 0], '0.0.0.0'],
  [Array.from({ length: 16 }, () => 0), '::'],
  [[...Array.from({ length: 15 }, () => 0), 1], '::1'],
  [[...Array.from({ length: 10 }, () => 0), 255, 255, 192, 0, 2, 7], '::ffff:192.0.2.7'],
  [[0x20, 1, 0x0d, 0xb8, 0, 0, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1], '2001:db8:0:1:1:1:1:1'],
  [[0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1], '2001:db8::1:0:0:1'],
  [[0x20, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1], '2001:0:0:1::1'],
  [[0xfe, 0x80, ...Array.from({ length: 14 }, () => 0)], 'fe80::'],
])('RFC 5952 4, 5: %j is %s', (octets, text) => {
  expect(sourceAddress(Uint8Array.from(octets))).toBe(text)
})

test('is how the system writes it', () => {
  const group = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff }))
  // The first six groups zero: an IPv4-compatible address, which some systems write with dots and nobody sends from.
  const groups = fc.array(group, { minLength: 8, maxLength: 8 }).filter((all) => all.slice(0, 5).some((one) => one > 0))
  fc.assert(
    fc.property(groups, (all) => {
      const octets = Uint8Array.from(all.flatMap((one) => [one >> 8, one & 0xff]))
      const address = all.map((one) => one.toString(16)).join(':')
      expect(sourceAddress(octets)).toBe(new SocketAddress({ family: 'ipv6', address }).address)
    }),
  )
})
