import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DIGEST_ALGORITHMS, equalsInConstantTime } from '../../src/protocol/sip/digest.ts'
import { DigestAuthenticator } from '../../src/protocol/sip/digest-authenticator.ts'
import { parseDigestCredentials } from '../../src/protocol/sip/digest-credentials.ts'
import { NONCE_LIFETIME_US, Nonces } from '../../src/protocol/sip/digest-nonces.ts'
import { accountsOf, answerTo, hash, mac, readChallenge } from '../support/digest-client.ts'

const PEER = '192.0.2.1'
const quoted = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 40 })
  .map((text) => text.replaceAll(/[\r\n\0]/g, '_'))
const escape = (text: string): string => text.replaceAll(/["\\]/g, (character) => `\\${character}`)
const blank = fc.constantFrom('', ' ', '\t', '  ')

describe('Authorization', () => {
  test('written by any rule of RFC 3261 25.1 reads as what it says', () => {
    const fields = fc.record({
      username: quoted,
      realm: quoted,
      nonce: quoted,
      uri: quoted,
      response: fc.stringMatching(/^[0-9a-f]{32}$/),
    })
    fc.assert(
      fc.property(fields, fc.array(blank, { minLength: 3, maxLength: 3 }), (values, [before, around, after]) => {
        const params = Object.entries(values).map(
          ([name, value]) => `${before}${name}${around}=${around}"${escape(value)}"${after}`,
        )
        const parsed = parseDigestCredentials(`Digest ${params.join(',')}`)
        expect(parsed.ok && parsed.value).toMatchObject(values)
      }),
    )
  })

  test('of any text never throws', () => {
    const piece = fc.oneof(quoted, fc.constantFrom('Digest ', 'username=', '"', '\\', ',', 'nonce="x"', '='))
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        const parsed = parseDigestCredentials(pieces.join(''))
        expect(parsed.ok || ['scheme', 'params', 'missing'].includes(parsed.reason)).toBe(true)
      }),
    )
  })

  test('answers the largest hostile texts; anything but linear time would not come to an end', () => {
    for (const piece of ['"', '\\', ',', ' ', 'a=', '="', '",', 'a="b",', '\\"']) {
      const parsed = parseDigestCredentials(`Digest ${piece.repeat(4_000_000 / piece.length)}`)
      expect(parsed.ok).toBe(false)
    }
  })
})

describe('a challenge and its answer', () => {
  const answer = fc.record({
    algorithm: fc.constantFrom(...DIGEST_ALGORITHMS),
    qop: fc.constantFrom('auth', 'auth-int', 'none'),
    user: fc.stringMatching(/^[A-Za-z0-9._@-]{1,20}$/),
    password: fc.string({ maxLength: 30 }),
    guess: fc.string({ maxLength: 30 }),
    body: fc.uint8Array({ maxLength: 200 }),
    nc: fc.integer({ min: 0, max: 0xffff_ffff }).map((count) => count.toString(16).padStart(8, '0')),
    cnonce: fc.stringMatching(/^[A-Za-z0-9+/=]{1,40}$/),
  })

  test('let in who has the password, once, and nobody else', () => {
    fc.assert(
      fc.property(answer, ({ algorithm, user, password, guess, ...shape }) => {
        const digest = new DigestAuthenticator({ realm: 'earwitness', hash, mac })
        const accounts = accountsOf({ [user]: password })
        const ask = (authorizations: readonly string[]) =>
          digest.authenticate({
            request: { method: 'INVITE', authorizations, body: shape.body },
            accounts,
            peer: PEER,
            nowUs: 5_000,
          })
        const first = ask([])
        const values = first.kind === 'refused' ? first.headers.map(({ value }) => readChallenge(value)) : []
        const challenge = values.find((one) => one.algorithm === algorithm)!
        const right = answerTo(challenge, { ...shape, user, password })
        if (guess !== password) {
          expect(ask([answerTo(challenge, { ...shape, user, password: guess })])).toMatchObject({ cause: 'wrong' })
        }
        expect(ask([right])).toEqual({ kind: 'accepted', user })
        expect(ask([right])).toMatchObject({ kind: 'refused', cause: 'replayed' })
      }),
    )
  })
})

test('of all uses of all nonces in any order, each count of each is taken at most once, and only in its time', () => {
  const use = fc.record({ nonce: fc.nat(5), count: fc.nat(70), atUs: fc.nat(2 * NONCE_LIFETIME_US) })
  fc.assert(
    fc.property(fc.array(use, { maxLength: 60 }), fc.integer({ min: 1, max: 6 }), (uses, usedMax) => {
      const nonces = new Nonces({ mac, usedMax })
      const made = Array.from({ length: 6 }, (_, index) => ({
        atUs: index * 1000,
        text: nonces.create(PEER, index * 1000),
      }))
      const taken = new Set<string>()
      for (const { nonce, count, atUs } of uses.toSorted((left, right) => left.atUs - right.atUs)) {
        const { text, atUs: madeUs } = made[nonce]!
        const outcome = nonces.use(text, count, PEER, atUs)
        const age = atUs - madeUs
        if (age < 0 || age >= NONCE_LIFETIME_US) expect(outcome).toBe('stale')
        if (outcome !== 'fresh') continue
        expect(taken.has(`${nonce} ${count}`)).toBe(false)
        taken.add(`${nonce} ${count}`)
        expect(nonces.usedCount).toBeLessThanOrEqual(usedMax)
      }
    }),
  )
})

test('a nonce with any character changed is not ours', () => {
  const nonces = new Nonces({ mac })
  const nonce = nonces.create(PEER, 123_456)
  fc.assert(
    fc.property(fc.nat(nonce.length - 1), fc.stringMatching(/^[0-9a-z.]$/), (at, character) => {
      fc.pre(nonce[at] !== character)
      expect(nonces.use(nonce.slice(0, at) + character + nonce.slice(at + 1), 1, PEER, 200_000)).toBe('stale')
    }),
  )
})

test('equality in constant time is equality', () => {
  const text = fc.stringMatching(/^[ab]{0,6}$/)
  fc.assert(fc.property(text, text, (left, right) => equalsInConstantTime(left, right) === (left === right)))
})
