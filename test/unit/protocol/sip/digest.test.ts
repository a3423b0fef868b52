import { describe, expect, test } from 'vitest'
import {
  DIGEST_ALGORITHMS,
  type DigestAlgorithm,
  digestResponse,
  equalsInConstantTime,
  formatChallenge,
} from '../../../../src/protocol/sip/digest.ts'
import { hash } from '../../../support/digest-client.ts'

const NO_BODY = new Uint8Array(0)
const counted = { nc: '00000001', body: NO_BODY }

describe('published examples', () => {
  const mufasa = { method: 'GET', uri: '/dir/index.html', qop: 'auth', ...counted } as const

  test.each([
    ['MD5', '8ca523f5e9506fed4657c9700eebdbec'],
    ['SHA-256', '753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1'],
  ] as const)('RFC 7616 3.9.1, %s', (algorithm, response) => {
    const ha1 = hash(algorithm, 'Mufasa:http-auth@example.org:Circle of Life')
    const nonce = '7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v'
    const cnonce = 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ'
    expect(digestResponse(hash, { ...mufasa, algorithm, ha1, nonce, cnonce })).toBe(response)
  })

  test('RFC 7616 3.9.2 as corrected by erratum 4897: SHA-512-256 with a name outside ASCII', () => {
    const algorithm = 'SHA-512-256'
    const answer = digestResponse(hash, {
      ...mufasa,
      algorithm,
      ha1: hash(algorithm, 'Jäsøn Doe:api@example.org:Secret, or not?'),
      uri: '/doe.json',
      nonce: '5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK',
      cnonce: 'NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v',
    })
    expect(answer).toBe('3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5')
  })

  test('RFC 2617 3.5, with qop and in the way of RFC 2069', () => {
    const common = {
      algorithm: 'MD5',
      ha1: hash('MD5', 'Mufasa:testrealm@host.com:Circle Of Life'),
      method: 'GET',
      uri: '/dir/index.html',
      nonce: 'dcd98b7102dd2f0e8b11d0f600bfb0c093',
      cnonce: '0a4f113b',
      ...counted,
    } as const
    expect(digestResponse(hash, { ...common, qop: 'auth' })).toBe('6629fae49393a05397450978507c4ef1')
    expect(digestResponse(hash, { ...common, qop: undefined })).toBe('670fd8c2df070c60b045671b8b24ff02')
  })

  test('draft-smith-sipping-auth-examples: INVITE with auth and auth-int', () => {
    const common = {
      algorithm: 'MD5',
      ha1: '12af60467a33e8518da5c68bbff12b11',
      method: 'INVITE',
      uri: 'sip:bob@biloxi.com',
      nonce: 'dcd98b7102dd2f0e8b11d0f600bfb0c093',
      cnonce: '0a4f113b',
      ...counted,
    } as const
    expect(hash('MD5', 'bob:biloxi.com:zanzibar')).toBe(common.ha1)
    // The example gives the hash of its body, not the body.
    const withBody = (algorithm: DigestAlgorithm, data: string | Uint8Array): string =>
      typeof data === 'string' ? hash(algorithm, data) : 'c1ed018b8ec4a3b170c0921f5b564e48'
    expect(digestResponse(withBody, { ...common, qop: 'auth' })).toBe('89eb0059246c02b2f6ee02c7961d5ea3')
    expect(digestResponse(withBody, { ...common, qop: 'auth-int' })).toBe('bdbeebb2da6adb6bca02599c2239e192')
  })

  test('RFC 8760 2.6: the hash of an empty body is that of the empty string', () => {
    expect(DIGEST_ALGORITHMS.map((algorithm) => hash(algorithm, NO_BODY))).toEqual([
      'c672b8d1ef56ed28ab87c3622c5114069bdd3ad7b8f9737498d0c01ecef0967a',
      'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
      'd41d8cd98f00b204e9800998ecf8427e',
    ])
  })
})

test('a challenge says what RFC 3261 20.44 and RFC 7616 3.3 ask for', () => {
  const parts = { realm: 'rec.example.com', algorithm: 'SHA-256', nonce: 'n0', opaque: 'o0' } as const
  expect(formatChallenge({ ...parts, stale: false })).toBe(
    'Digest realm="rec.example.com", nonce="n0", opaque="o0", algorithm=SHA-256, qop="auth,auth-int"',
  )
  expect(formatChallenge({ ...parts, stale: true })).toContain('opaque="o0", stale=true, algorithm=SHA-256')
})

test.each([
  ['', '', true],
  ['a', '', false],
  ['', 'a', false],
  ['abc', 'abc', true],
  ['abc', 'abd', false],
  ['abc', 'abcabc', false],
  ['abcabc', 'abc', false],
  ['abc', 'abc\0', false],
])('in constant time, %j and %j: equal is %j', (expected, given, equal) => {
  expect(equalsInConstantTime(expected, given)).toBe(equal)
})
