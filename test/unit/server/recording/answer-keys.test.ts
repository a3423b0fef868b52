import { describe, expect, it } from 'vitest'

import { parseCryptoAttribute, type CryptoAttribute } from '../../../../src/protocol/sdp/crypto-attribute.ts'
import { AnswerKeys } from '../../../../src/server/recording/answer-keys.ts'
import { seededBytes } from '../../../support/recording-rig.ts'
import { valueOf } from '../../protocol/siprec/vectors.ts'

const offered = (suite: string, octets: number, fill = 1, tag = 1): CryptoAttribute =>
  valueOf(parseCryptoAttribute(`${tag} ${suite} inline:${Buffer.alloc(octets, fill).toString('base64')}`))
const CM_128 = offered('AES_CM_128_HMAC_SHA1_80', 30)

describe('our own key for a secure line', () => {
  it('is as long as the suite asks', () => {
    const keys = new AnswerKeys(seededBytes(1))
    expect(keys.masterKeyFor(0, CM_128)).toHaveLength(30)
    expect(keys.masterKeyFor(1, offered('AEAD_AES_256_GCM', 44))).toHaveLength(44)
  })

  it('stays as long as the offers repeat theirs', () => {
    const keys = new AnswerKeys(seededBytes(1))
    const first = keys.masterKeyFor(0, CM_128)
    expect(keys.masterKeyFor(0, offered('AES_CM_128_HMAC_SHA1_80', 30))).toBe(first)
  })

  it.each([
    ['key', offered('AES_CM_128_HMAC_SHA1_80', 30, 2)],
    ['suite', offered('AES_CM_128_HMAC_SHA1_32', 30)],
    ['tag', offered('AES_CM_128_HMAC_SHA1_80', 30, 1, 2)],
  ])('is a new one when the offer has another %s, even when it goes back later', (_name, changed) => {
    const keys = new AnswerKeys(seededBytes(1))
    const drawn = [CM_128, changed, CM_128].map((crypto) => Buffer.from(keys.masterKeyFor(0, crypto)).toString('hex'))
    expect(new Set(drawn).size).toBe(3)
  })

  it('is another one for each line, and is not printed', () => {
    const keys = new AnswerKeys(seededBytes(1))
    expect(keys.masterKeyFor(0, CM_128)).not.toEqual(keys.masterKeyFor(1, CM_128))
    expect(JSON.stringify(keys)).toBe('{}')
  })
})
