import { describe, expect, it } from 'vitest'

import type { SrtpKeys } from '../../../../src/protocol/srtp/srtp-keys.ts'
import { SrtpReceiver } from '../../../../src/protocol/srtp/srtp-receiver.ts'
import { areSameKeys, describeProtection, findKeyFault, MKI_LENGTH_MAX } from '../../../../src/protocol/srtp/suites.ts'
import { ALL_SUITES, keysOf, masterKeyOf } from '../../../support/srtp.ts'

const suite = 'AES_CM_128_HMAC_SHA1_80'
const master = masterKeyOf(suite, 1)

describe('keys that cannot be used', () => {
  it.each<[string, Partial<SrtpKeys>]>([
    ['no master key', { masterKeys: [] }],
    ['length of a master key', { masterKeys: [{ ...master, key: new Uint8Array(32) }] }],
    ['length of a master salt', { masterKeys: [{ ...master, salt: new Uint8Array(12) }] }],
    ['identifiers of different lengths', { masterKeys: [master, masterKeyOf(suite, 2, Uint8Array.of(1))] }],
    ['an identifier given twice', { masterKeys: [master, masterKeyOf(suite, 2)] }],
    ['length of an identifier', { masterKeys: [{ ...master, mki: new Uint8Array(MKI_LENGTH_MAX + 1) }] }],
    ['key derivation rate', { keyDerivationRate: 3 }],
    ['key derivation rate', { keyDerivationRate: 2 ** 25 }],
    ['key derivation rate', { keyDerivationRate: -1 }],
    ['key derivation rate', { keyDerivationRate: 0.5 }],
    ['key derivation rate', { keyDerivationRate: Number.NaN }],
  ])('%s', (fault, options) => {
    const keys = keysOf(suite, options)
    expect(findKeyFault(keys)).toBe(fault)
    expect(() => new SrtpReceiver(keys)).toThrow(`these are no SRTP keys: ${fault}`)
  })

  it.each(ALL_SUITES)('keys of the right lengths are right: %s', (suite) => {
    expect(findKeyFault(keysOf(suite, { keyDerivationRate: 2 ** 24 }))).toBe(undefined)
  })
})

describe('the same keys again', () => {
  it.each<[string, Partial<SrtpKeys> & { readonly seed?: number }, boolean]>([
    ['are the same by their octets', {}, true],
    ['are the same with a rate of 0', { keyDerivationRate: 0 }, true],
    ['differ by the suite', { suite: 'AES_CM_128_HMAC_SHA1_32' }, false],
    ['differ by the master key', { seed: 2 }, false],
    ['differ by the salt', { masterKeys: [{ ...master, salt: masterKeyOf(suite, 2).salt }] }, false],
    ['differ by the identifier', { masterKeys: [masterKeyOf(suite, 1, Uint8Array.of(1))] }, false],
    ['differ by a further key', { masterKeys: [master, masterKeyOf(suite, 2)] }, false],
    ['differ by what is encrypted', { unencryptedSrtp: true }, false],
    ['differ by what of SRTCP is encrypted', { unencryptedSrtcp: true }, false],
    ['differ by what is authenticated', { unauthenticatedSrtp: true }, false],
    ['differ by the rate', { keyDerivationRate: 2 }, false],
  ])('%s', (_, options, isSame) => {
    expect(areSameKeys(keysOf(suite), keysOf(suite, options))).toBe(isSame)
  })
})

it('protection is told in the words of SDP, without a word of the keys', () => {
  expect(describeProtection(keysOf('AEAD_AES_256_GCM'))).toBe('AEAD_AES_256_GCM')
  const weak = keysOf(suite, { unencryptedSrtp: true, unauthenticatedSrtp: true, unencryptedSrtcp: true })
  expect(describeProtection(weak)).toBe('AES_CM_128_HMAC_SHA1_80 UNENCRYPTED_SRTP UNAUTHENTICATED_SRTP')
})
