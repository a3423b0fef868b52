import { describe, expect, test } from 'vitest'
import { CREDENTIAL_PARAMS_MAX, parseDigestCredentials } from '../../../../src/protocol/sip/digest-credentials.ts'

const read = (value: string) => {
  const parsed = parseDigestCredentials(value)
  return parsed.ok ? parsed.value : parsed.reason
}

const PLAIN = {
  username: 'bob',
  realm: 'biloxi.com',
  nonce: 'dcd98b71',
  uri: 'sip:srs@example.com',
  response: '89eb0059',
  algorithm: 'MD5',
  qop: 'auth',
  nc: '00000001',
  cnonce: '0a4f113b',
}

describe('Authorization as clients write it', () => {
  test.each([
    [
      'by the book',
      'Digest username="bob", realm="biloxi.com", nonce="dcd98b71", uri="sip:srs@example.com", response="89eb0059", algorithm=MD5, cnonce="0a4f113b", opaque="x", qop=auth, nc=00000001',
    ],
    [
      'without an algorithm, which is MD5',
      'Digest username="bob",realm="biloxi.com",nonce="dcd98b71",uri="sip:srs@example.com",response="89eb0059",cnonce="0a4f113b",qop=auth,nc=00000001',
    ],
    [
      'without quotes',
      'Digest username=bob, realm=biloxi.com, nonce=dcd98b71, uri=sip:srs@example.com, response=89eb0059, algorithm=MD5, cnonce=0a4f113b, qop=auth, nc=00000001',
    ],
    [
      'with quotes everywhere',
      'Digest username="bob", realm="biloxi.com", nonce="dcd98b71", uri="sip:srs@example.com", response="89eb0059", algorithm="MD5", cnonce="0a4f113b", qop="auth", nc="00000001"',
    ],
    [
      'in any case, with blanks and empty items',
      '  DIGEST \t,, USERNAME = "bob" ,Realm="biloxi.com" , nonce ="dcd98b71",uri= "sip:srs@example.com", Response="89EB0059",,algorithm=md5,cnonce="0a4f113b",qop=AUTH,nc=00000001 ,',
    ],
    [
      'with escapes, commas in quotes, and parameters nobody knows',
      'Digest username="b\\ob", realm="biloxi.com", nonce="dcd98b71", uri="sip:srs@example.com", response="89eb0059", x="a, nonce=\\"b\\"", __proto__=1, cnonce="0a4f113b", qop=auth, nc=00000001',
    ],
    [
      'twice, where the first counts',
      'Digest username="bob", username="eve", realm="biloxi.com", nonce="dcd98b71", uri="sip:srs@example.com", response="89eb0059", cnonce="0a4f113b", qop=auth, nc=00000001',
    ],
  ])('%s', (_, value) => {
    expect(read(value)).toEqual(PLAIN)
  })

  test('of RFC 2069, without qop', () => {
    const value = 'Digest username="bob", realm="r", nonce="n", uri="sip:a", response="0"'
    expect(read(value)).toMatchObject({ qop: '', nc: '', cnonce: '', algorithm: 'MD5' })
  })

  test('a uri may hold equals signs and commas in quotes', () => {
    expect(read('Digest username="b", realm="r", nonce="n", uri="sip:a;x=y,z", response="0"')).toMatchObject({
      uri: 'sip:a;x=y,z',
    })
  })
})

describe('Authorization that says nothing', () => {
  test.each([
    ['', 'scheme'],
    ['Digest', 'scheme'],
    ['Digestusername="bob"', 'scheme'],
    ['Basic Ym9iOnphbnppYmFy', 'scheme'],
    ['Digest username="bob', 'params'],
    [`Digest ${Array.from({ length: CREDENTIAL_PARAMS_MAX + 1 }, (_, index) => `p${index}=1`).join()}`, 'params'],
    ['Digest username="bob", realm="r", nonce="n", uri="sip:a"', 'missing'],
    ['Digest username="", realm="r", nonce="n", uri="sip:a", response="0"', 'missing'],
    ['Digest ,,,', 'missing'],
  ])('%j is refused for its %s', (value, reason) => {
    expect(read(value)).toBe(reason)
  })
})
