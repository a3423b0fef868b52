import { describe, expect, test } from 'vitest'

import {
  acceptCrypto,
  formatCryptoAttribute,
  LIFETIME_PACKETS_MAX,
  MASTER_KEYS_MAX,
  masterKeyBytes,
  parseCryptoAttribute,
  SESSION_PARAMETERS_MAX,
  srtpKeysOf,
  type CryptoAttribute,
} from '../../../../src/protocol/sdp/crypto-attribute.ts'
import { MKI_LENGTH_MAX } from '../../../../src/protocol/srtp/suites.ts'

/** Thirty octets: key and salt of AES_CM_128. */
const KEY_30 = 'AAECAwQFBgcICQoLDA0OD/Dx8vP09fb3+Pn6+/z9'
const CM_128 = 'AES_CM_128_HMAC_SHA1_80'

function parsed(value: string): CryptoAttribute {
  const result = parseCryptoAttribute(value)
  if (!result.ok) throw new Error(`rejected: ${result.reason}`)
  return result.value
}

function reasonOf(value: string): string {
  const result = parseCryptoAttribute(value)
  return result.ok ? 'accepted' : result.reason
}

function masterKey(value: string): { key: string; salt: string; mki: string } {
  const { key, salt, mki } = parsed(value).keyParameters[0]!
  return { key: hex(key), salt: hex(salt), mki: hex(mki) }
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const keyOf = (length: number): string => Buffer.alloc(length, 7).toString('base64')

describe('the examples of RFC 4568', () => {
  test.each([
    [
      '4.5, video',
      '1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^20|1:32',
      'wDfvg&T+)xG7@fb5jU,RaA}\\|p0%*#',
      32,
    ],
    [
      '4.5, audio',
      '1 AES_CM_128_HMAC_SHA1_32 inline:NzB4d1BINUAvLEw6UzF3WSJ+PSdFcGdUJShpX1Zj|2^20|1:32',
      `70xwPH5@/,L:S1wY"~='EpgT%(i_Vc`,
      32,
    ],
    [
      '6.1, lifetime',
      '1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^20|1:4',
      'wDfvg&T+)xG7@fb5jU,RaA}\\|p0%*#',
      4,
    ],
    [
      '7.1.5, answer',
      '1 AES_CM_128_HMAC_SHA1_80     inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR|2^20|1:4',
      '=-n@%^x!Bjufr9)?,#5h\\`=&]{qiPQ',
      4,
    ],
  ])('%s', (_name, value, keyAndSalt, mkiBytes) => {
    const [parameter] = parsed(value).keyParameters
    expect(Buffer.concat([parameter!.key, parameter!.salt]).toString('latin1')).toBe(keyAndSalt)
    expect(parameter!.key).toHaveLength(16)
    expect(parameter!.lifetimePackets).toBe(2 ** 20)
    expect(hex(parameter!.mki)).toBe('01'.padStart(mkiBytes * 2, '0'))
  })

  test('6.1, an MKI of 1066 in four octets, and the lifetime left out', () => {
    const value = '1 AES_CM_128_HMAC_SHA1_80 inline:YUJDZGVmZ2hpSktMbW9QUXJzVHVWd3l6MTIzNDU2|1066:4'
    const [parameter] = parsed(value).keyParameters
    expect(hex(parameter!.mki)).toBe('0000042a')
    expect(parameter!.lifetimePackets).toBeUndefined()
  })

  test('7.1.5, the offer: its second line has two keys, a blank after the semicolon, and a suite that is not ours', () => {
    const first = parsed(
      '1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:4 FEC_ORDER=FEC_SRTP',
    )
    expect(first.sessionParameters.fecOrder).toBe('FEC_SRTP')
    const keys =
      'inline:MTIzNDU2Nzg5QUJDREUwMTIzNDU2Nzg5QUJjZGVm|2^20|1:4;  inline:QUJjZGVmMTIzNDU2Nzg5QUJDREUwMTIzNDU2Nzg5|2^20|2:4 FEC_ORDER=FEC_SRTP'
    expect(reasonOf(`2 F8_128_HMAC_SHA1_80 ${keys}`)).toBe('suite')
    const { keyParameters, sessionParameters } = parsed(`2 ${CM_128} ${keys}`)
    expect(keyParameters.map(({ mki }) => hex(mki))).toEqual(['00000001', '00000002'])
    expect(sessionParameters.fecOrder).toBe('FEC_SRTP')
  })
})

describe('the suites', () => {
  // RFC 7714 16 and 17 use these keys with the salt "Quid pro quo".
  const OCTETS_32 = Array.from({ length: 32 }, (_, index) => index)
  const QUID_PRO_QUO = Buffer.from('Quid pro quo')

  test.each([
    ['AEAD_AES_128_GCM', 16],
    ['AEAD_AES_256_GCM', 32],
  ])('%s has a salt of 12 octets', (suite, keyBytes) => {
    const key = Buffer.from(OCTETS_32.slice(0, keyBytes))
    const inline = Buffer.concat([key, QUID_PRO_QUO]).toString('base64')
    expect(masterKey(`1 ${suite} inline:${inline}`)).toEqual({
      key: hex(key),
      salt: '517569642070726f2071756f',
      mki: '',
    })
  })

  test.each([
    ['AES_CM_128_HMAC_SHA1_80', 'AES_CM_128_HMAC_SHA1_80', 30],
    ['AES_CM_128_HMAC_SHA1_32', 'AES_CM_128_HMAC_SHA1_32', 30],
    ['AES_256_CM_HMAC_SHA1_80', 'AES_256_CM_HMAC_SHA1_80', 46],
    ['AES_256_CM_HMAC_SHA1_32', 'AES_256_CM_HMAC_SHA1_32', 46],
    ['AES_CM_256_HMAC_SHA1_80', 'AES_256_CM_HMAC_SHA1_80', 46],
    ['AES_CM_256_HMAC_SHA1_32', 'AES_256_CM_HMAC_SHA1_32', 46],
    ['aes_cm_128_hmac_sha1_80', 'AES_CM_128_HMAC_SHA1_80', 30],
    ['AEAD_AES_128_GCM', 'AEAD_AES_128_GCM', 28],
    ['AEAD_AES_256_GCM', 'AEAD_AES_256_GCM', 44],
  ] as const)('%s is %s with a key of %i octets and no other', (name, suite, length) => {
    const attribute = parsed(`7 ${name} inline:${keyOf(length)}`)
    expect([attribute.suite, attribute.suiteName, attribute.tag]).toEqual([suite, name, 7])
    expect(masterKeyBytes(suite)).toBe(length)
    for (const wrong of [length - 1, length + 1, 1]) {
      expect(reasonOf(`7 ${name} inline:${keyOf(wrong)}`)).toBe('key')
    }
  })

  test.each(['F8_128_HMAC_SHA1_80', 'AES_192_CM_HMAC_SHA1_80', 'NULL_HMAC_SHA1_80', '__proto__', 'constructor'])(
    '%s is none of ours',
    (name) => {
      expect(reasonOf(`1 ${name} inline:${KEY_30}`)).toBe('suite')
    },
  )
})

describe('a key', () => {
  test('may lack its padding', () => {
    for (const [suite, length] of [
      ['AES_256_CM_HMAC_SHA1_80', 46],
      ['AEAD_AES_128_GCM', 28],
      ['AEAD_AES_256_GCM', 44],
    ] as const) {
      const padded = keyOf(length)
      expect(padded).toContain('=')
      expect(masterKey(`1 ${suite} inline:${padded.replaceAll('=', '')}`)).toEqual(
        masterKey(`1 ${suite} inline:${padded}`),
      )
    }
  })

  test('is announced by inline, in letters of either case, and by nothing else', () => {
    expect(reasonOf(`1 ${CM_128} INLINE:${KEY_30}`)).toBe('accepted')
    expect(reasonOf(`1 ${CM_128} uri:${KEY_30}`)).toBe('keyMethod')
    expect(reasonOf(`1 ${CM_128} ${KEY_30}`)).toBe('keyMethod')
    expect(reasonOf(`1 ${CM_128} inline:`)).toBe('key')
  })

  test.each(['-_'.padEnd(40, 'A'), 'A=A'.padEnd(40, 'A'), '='.repeat(40), `${KEY_30}===`, `${KEY_30.slice(1)}é`])(
    'is no base64: %s',
    (text) => {
      expect(reasonOf(`1 ${CM_128} inline:${text}`)).toBe('key')
    },
  )

  test.each([
    ['2^31', 2 ** 31],
    ['2^48', LIFETIME_PACKETS_MAX],
    ['1048576', 2 ** 20],
    ['1', 1],
  ])('may live for %s packets', (text, packets) => {
    expect(parsed(`1 ${CM_128} inline:${KEY_30}|${text}`).keyParameters[0]?.lifetimePackets).toBe(packets)
  })

  test.each(['0', '2^49', '281474976710657', '2^', '3^5', '2^-1', '1e3', '9'.repeat(400)])(
    'cannot live for %s packets',
    (text) => {
      expect(reasonOf(`1 ${CM_128} inline:${KEY_30}|${text}`)).toBe('lifetime')
    },
  )

  test('may have an MKI of up to 128 octets', () => {
    const greatest = (256n ** BigInt(MKI_LENGTH_MAX) - 1n).toString()
    expect(masterKey(`1 ${CM_128} inline:${KEY_30}|${greatest}:${MKI_LENGTH_MAX}`).mki).toBe(
      'ff'.repeat(MKI_LENGTH_MAX),
    )
    expect(masterKey(`1 ${CM_128} inline:${KEY_30}||255:1`).mki).toBe('ff')
  })

  test.each(['256:1', '1:0', '1:129', '1:', ':4', 'x:4', '-1:4', `${'9'.repeat(310)}:128`])(
    'cannot have the MKI %s',
    (mki) => {
      expect(reasonOf(`1 ${CM_128} inline:${KEY_30}|2^20|${mki}`)).toBe('mki')
    },
  )

  test('has one lifetime and one MKI at most', () => {
    expect(reasonOf(`1 ${CM_128} inline:${KEY_30}|1:4|2:4`)).toBe('syntax')
    expect(reasonOf(`1 ${CM_128} inline:${KEY_30}|1|2`)).toBe('syntax')
  })

  test('is one of several only when distinct MKIs of one length tell them apart', () => {
    const keys = (...ends: readonly string[]) => `1 ${CM_128} ${ends.map((end) => `inline:${KEY_30}${end}`).join(';')}`
    expect(parsed(keys('|1:4', '|2:4', '|3:4')).keyParameters).toHaveLength(3)
    expect(reasonOf(keys('|1:4', '|2:2'))).toBe('mki')
    expect(reasonOf(keys('|1:4', '|1:4'))).toBe('mki')
    expect(reasonOf(keys('|1:4', ''))).toBe('mki')
    expect(reasonOf(keys('', ''))).toBe('mki')
  })

  test(`is one of ${MASTER_KEYS_MAX} at most`, () => {
    const keys = (count: number) => Array.from({ length: count }, (_, index) => `inline:${KEY_30}|${index}:1`).join(';')
    expect(reasonOf(`1 ${CM_128} ${keys(MASTER_KEYS_MAX)}`)).toBe('accepted')
    expect(reasonOf(`1 ${CM_128} ${keys(MASTER_KEYS_MAX + 1)}`)).toBe('key')
  })
})

describe('the session parameters', () => {
  const sessionOf = (words: string, suite = CM_128, key = KEY_30) =>
    parsed(`1 ${suite} inline:${key} ${words}`).sessionParameters

  test('are read', () => {
    expect(
      sessionOf('UNENCRYPTED_SRTP UNENCRYPTED_SRTCP UNAUTHENTICATED_SRTP KDR=3 FEC_ORDER=SRTP_FEC WSH=128'),
    ).toEqual({
      unencryptedSrtp: true,
      unencryptedSrtcp: true,
      unauthenticatedSrtp: true,
      keyDerivationRate: 8,
      fecOrder: 'SRTP_FEC',
      windowSizeHint: 128,
    })
    expect(sessionOf('kdr=0').keyDerivationRate).toBe(0)
  })

  test('may hold the key of a FEC stream, which has to be one', () => {
    expect(reasonOf(`1 ${CM_128} inline:${KEY_30} FEC_KEY=inline:${KEY_30}|2^20|2:4`)).toBe('accepted')
    expect(reasonOf(`1 ${CM_128} inline:${KEY_30} FEC_KEY=none`)).toBe('parameter')
  })

  test('that are unknown are passed over only when they are marked as optional', () => {
    expect(reasonOf(`1 ${CM_128} inline:${KEY_30} -NOVELTY=1 -`)).toBe('accepted')
    expect(reasonOf(`1 ${CM_128} inline:${KEY_30} NOVELTY=1`)).toBe('parameter')
    expect(reasonOf(`1 ${CM_128} inline:${KEY_30} __proto__`)).toBe('parameter')
  })

  test.each(['KDR', 'KDR=25', 'KDR=x', 'FEC_ORDER=BOTH', 'WSH=', 'WSH=-1', 'UNENCRYPTED_SRTP=1'])(
    'cannot be %s',
    (word) => {
      expect(reasonOf(`1 ${CM_128} inline:${KEY_30} ${word}`)).toBe('parameter')
    },
  )

  test('cannot take encryption or authentication from an AEAD suite, but the encryption of SRTCP', () => {
    const aead = `1 AEAD_AES_128_GCM inline:${keyOf(28)}`
    expect(reasonOf(`${aead} UNENCRYPTED_SRTP`)).toBe('parameter')
    expect(reasonOf(`${aead} UNAUTHENTICATED_SRTP`)).toBe('parameter')
    expect(reasonOf(`${aead} UNENCRYPTED_SRTCP`)).toBe('accepted')
  })

  test(`are ${SESSION_PARAMETERS_MAX} at most`, () => {
    const words = (count: number) => ' -X'.repeat(count)
    expect(reasonOf(`1 ${CM_128} inline:${KEY_30}${words(SESSION_PARAMETERS_MAX)}`)).toBe('accepted')
    expect(reasonOf(`1 ${CM_128} inline:${KEY_30}${words(SESSION_PARAMETERS_MAX + 1)}`)).toBe('parameter')
  })
})

describe('the line', () => {
  test.each([
    '',
    '1',
    `x ${CM_128} inline:${KEY_30}`,
    `-1 ${CM_128} inline:${KEY_30}`,
    `1234567890 ${CM_128} inline:${KEY_30}`,
    `1 ${CM_128}`,
    `1 ${CM_128} ;`,
  ])('is no crypto attribute: %s', (value) => {
    expect(reasonOf(value)).toBe('syntax')
  })

  test('may have tabs and any number of blanks between its words', () => {
    expect(reasonOf(`\t1 \t${CM_128}\t\tinline:${KEY_30}\t WSH=64 `)).toBe('accepted')
  })
})

describe('our own line', () => {
  const masterKeyOf = (length: number): Uint8Array => Uint8Array.from({ length }, (_, index) => index)

  test('has the tag and suite of the offer as they were written, and our key without MKI and lifetime', () => {
    const offered = parsed(`4 aes_cm_256_hmac_sha1_32 inline:${keyOf(46)}|2^20|1:4 WSH=64 FEC_ORDER=SRTP_FEC KDR=1`)
    const own = formatCryptoAttribute(acceptCrypto(offered, masterKeyOf(46)))
    expect(own).toBe(`4 aes_cm_256_hmac_sha1_32 inline:${Buffer.from(masterKeyOf(46)).toString('base64')}`)
  })

  test('repeats what holds for both directions', () => {
    const offered = parsed(`1 ${CM_128} inline:${KEY_30} UNENCRYPTED_SRTCP UNAUTHENTICATED_SRTP UNENCRYPTED_SRTP`)
    const own = formatCryptoAttribute(acceptCrypto(offered, masterKeyOf(30)))
    expect(own.split(' ').slice(3)).toEqual(['UNENCRYPTED_SRTP', 'UNENCRYPTED_SRTCP', 'UNAUTHENTICATED_SRTP'])
  })

  test('cannot be made of a key of another length', () => {
    expect(() => acceptCrypto(parsed(`1 ${CM_128} inline:${KEY_30}`), masterKeyOf(46))).toThrow(RangeError)
  })
})

test('what decrypts the packets are the keys of the line and what it says of protection', () => {
  const attribute = parsed(`1 ${CM_128} inline:${KEY_30}|2^20|1:2 UNENCRYPTED_SRTCP`)
  expect(srtpKeysOf(attribute)).toEqual({
    suite: CM_128,
    masterKeys: [
      {
        key: Uint8Array.from({ length: 16 }, (_, index) => index),
        salt: Uint8Array.from({ length: 14 }, (_, index) => 0xf0 + index),
        mki: Uint8Array.of(0, 1),
      },
    ],
    unencryptedSrtp: false,
    unencryptedSrtcp: true,
    unauthenticatedSrtp: false,
  })
  expect(srtpKeysOf(parsed(`1 ${CM_128} inline:${KEY_30} KDR=5`)).keyDerivationRate).toBe(32)
})
