import { isIPv4, isIPv6 } from 'node:net'

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { canonicalAddress } from '../../../../src/protocol/sdp/ip-address.ts'

describe('canonicalAddress', () => {
  it.each([
    ['192.0.2.7', '192.0.2.7'],
    ['192.000.002.007', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['::FFFF:c000:207', '192.0.2.7'],
    ['2001:db8::1', '2001:db8:0:0:0:0:0:1'],
    ['[2001:0DB8:0:0::0:1]', '2001:db8:0:0:0:0:0:1'],
    ['fe80::1%eth0', 'fe80:0:0:0:0:0:0:1'],
    ['::1', '0:0:0:0:0:0:0:1'],
    ['64:ff9b::192.0.2.7', '64:ff9b:0:0:0:0:c000:207'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
  ])('writes %s as %s', (text, expected) => {
    expect(canonicalAddress(text)).toBe(expected)
  })

  it.each([
    '',
    'src.example.com',
    '0.0.0.0',
    '::',
    '::ffff:0.0.0.0',
    '224.0.0.1',
    '255.255.255.255',
    'ff02::1',
    '192.0.2',
    '192.0.2.256',
    '192.0.2.1.5',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7:8::',
    '1::2::3',
    'g::1',
    '12345::1',
    ':::',
    '1.2.3.4::1',
  ])('knows that %j is no address to compare', (text) => {
    expect(canonicalAddress(text)).toBeUndefined()
  })

  it('gives all spellings of an address the same one', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
        const once = canonicalAddress(text)
        if (once === undefined) return
        expect(isIPv4(once) || isIPv6(once)).toBe(true)
        expect(canonicalAddress(once)).toBe(once)
        expect(canonicalAddress(text.toUpperCase())).toBe(once)
      }),
    )
  })

  it('never throws', () => {
    fc.assert(fc.property(fc.string(), (text) => void canonicalAddress(text)))
  })
})
