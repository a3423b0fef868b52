import { beforeEach, describe, expect, test } from 'vitest'
import { DIGEST_ALGORITHMS } from '../../../../src/protocol/sip/digest.ts'
import {
  AUTHORIZATIONS_MAX,
  type DigestAccounts,
  DigestAuthenticator,
  type DigestVerdict,
} from '../../../../src/protocol/sip/digest-authenticator.ts'
import { NONCE_LIFETIME_US } from '../../../../src/protocol/sip/digest-nonces.ts'
import {
  WRONG_ANSWERS_ADDRESSES_MAX,
  WRONG_ANSWERS_MAX,
  WRONG_ANSWERS_WINDOW_US,
  WrongAnswers,
} from '../../../../src/protocol/sip/wrong-answers.ts'
import {
  accountsOf,
  type AnswerOptions,
  answerTo,
  type Challenge,
  hash,
  mac,
  readChallenge,
} from '../../../support/digest-client.ts'

const PEER = '192.0.2.1'
const ALL = accountsOf({ sbc: 'swordfish' })
let digest: DigestAuthenticator
let nowUs: number

beforeEach(() => {
  digest = new DigestAuthenticator({ realm: 'earwitness', hash, mac })
  nowUs = 1_000_000
})

interface Asked {
  readonly method?: string
  readonly body?: string
  readonly peer?: string
  readonly accounts?: DigestAccounts
}

function ask(authorizations: string | readonly string[] = [], asked: Asked = {}): DigestVerdict {
  const { method = 'INVITE', body = '', peer = PEER, accounts = ALL } = asked
  const request = { method, authorizations: [authorizations].flat(), body: new TextEncoder().encode(body) }
  return digest.authenticate({ request, accounts, peer, nowUs })
}

function challengesOf(verdict: DigestVerdict): readonly Challenge[] {
  if (verdict.kind === 'accepted') return []
  return verdict.headers.filter(({ name }) => name === 'WWW-Authenticate').map(({ value }) => readChallenge(value))
}

/** A fresh challenge of the kind wanted. */
function challenge(algorithm: Challenge['algorithm'] = 'SHA-256', asked: Asked = {}): Challenge {
  return challengesOf(ask([], asked)).find((one) => one.algorithm === algorithm)!
}

const causeOf = (verdict: DigestVerdict): string => (verdict.kind === 'accepted' ? 'accepted' : verdict.cause)

describe('who says nothing', () => {
  test('is asked with 401, strongest first, under one nonce', () => {
    const verdict = ask()
    expect(verdict).toMatchObject({ kind: 'refused', cause: 'challenged', status: 401, reason: 'Unauthorized' })
    const challenges = challengesOf(verdict)
    expect(challenges.map(({ algorithm }) => algorithm)).toEqual(['SHA-512-256', 'SHA-256', 'MD5'])
    expect(new Set(challenges.map(({ nonce }) => nonce)).size).toBe(1)
    expect(challenges.map(({ stale }) => stale)).toEqual([false, false, false])
  })

  test('is asked with what its accounts can answer only', () => {
    const accounts = accountsOf({ sbc: 'x' }, { algorithms: ['MD5'] })
    expect(challengesOf(ask([], { accounts })).map(({ algorithm }) => algorithm)).toEqual(['MD5'])
  })

  test.each([
    ['another realm', () => answerTo({ ...challenge(), realm: 'other.example.com' })],
    ['a proxy before us', () => answerTo({ ...challenge(), realm: 'proxy.example.com' }, { password: 'theirs' })],
  ])('to us, but to %s, is asked and not counted as wrong', (_, authorization) => {
    expect(causeOf(ask(authorization()))).toBe('challenged')
  })
})

describe('who knows the password', () => {
  const shapes: AnswerOptions[] = [{ qop: 'auth' }, { qop: 'auth-int', body: 'v=0' }, { qop: 'none' }]

  test.each(DIGEST_ALGORITHMS.flatMap((algorithm) => shapes.map((shape) => [algorithm, shape.qop, shape] as const)))(
    'comes in by %s with qop %s',
    (algorithm, _, shape) => {
      const authorization = answerTo(challenge(algorithm), shape)
      expect(ask(authorization, { body: 'v=0' })).toEqual({ kind: 'accepted', user: 'sbc' })
    },
  )

  test('comes in with one of several answers', () => {
    const foreign = answerTo({ ...challenge(), realm: 'proxy.example.com' })
    expect(causeOf(ask(['Basic Ym9i', foreign, answerTo(challenge())]))).toBe('accepted')
  })

  test('and sends more answers than are read is asked again', () => {
    const foreign = answerTo({ ...challenge(), realm: 'proxy.example.com' })
    const many = Array.from({ length: AUTHORIZATIONS_MAX }, () => foreign)
    expect(causeOf(ask([...many, answerTo(challenge())]))).toBe('challenged')
  })

  test('may sign another uri than the Request-URI, which proxies rewrite (RFC 3261 22.4)', () => {
    expect(causeOf(ask(answerTo(challenge(), { uri: 'sip:recorder@example.com' })))).toBe('accepted')
  })

  test('may keep the nonce and count up', () => {
    const kept = challenge()
    const counts = ['00000001', '00000002', '2', '00000003', '3', '4', 'A', '0000000a']
    expect(counts.map((nc) => causeOf(ask(answerTo(kept, { nc }))))).toEqual([
      ...['accepted', 'accepted', 'replayed', 'accepted', 'replayed', 'accepted', 'accepted', 'replayed'],
    ])
  })
})

describe('a right answer that was used, or is too old', () => {
  test.each([
    ['replayed', () => void ask(answerTo(challenge()))],
    ['stale', () => (nowUs += NONCE_LIFETIME_US)],
  ])('%s: the client is told to try again by itself', (cause, spoil) => {
    const asked = challenge()
    const authorization = answerTo(asked)
    if (cause === 'replayed') expect(causeOf(ask(authorization))).toBe('accepted')
    spoil()
    const verdict = ask(authorization)
    expect(causeOf(verdict)).toBe(cause)
    const again = challengesOf(verdict)
    expect(again.every(({ stale, nonce }) => stale && nonce !== asked.nonce)).toBe(true)
    expect(causeOf(ask(answerTo(again[0]!)))).toBe('accepted')
  })

  test('from before a restart: one more round, no question to anybody', () => {
    const authorization = answerTo(challenge())
    digest = new DigestAuthenticator({ realm: 'earwitness', hash, mac: (text) => mac(`restarted ${text}`) })
    expect(causeOf(ask(authorization))).toBe('stale')
  })

  test('stolen from another address is no use', () => {
    expect(causeOf(ask(answerTo(challenge()), { peer: '198.51.100.7' }))).toBe('stale')
  })

  test('does not fit another method or another body', () => {
    expect(causeOf(ask(answerTo(challenge()), { method: 'OPTIONS' }))).toBe('wrong')
    const signed = answerTo(challenge(), { qop: 'auth-int', body: 'v=0' })
    expect(causeOf(ask(signed, { body: 'v=1' }))).toBe('wrong')
  })
})

describe('who does not know the password', () => {
  test.each([
    ['a wrong one', { password: 'guess' }, 'wrong'],
    ['an unknown user', { user: 'eve' }, 'wrong'],
    ['a name of every object', { user: '__proto__' }, 'wrong'],
    ['no cnonce', { cnonce: '' }, 'malformed'],
    ['a count that is none', { nc: 'one' }, 'malformed'],
    ['a count that is too long', { nc: '000000001' }, 'malformed'],
  ])('%s: asked again, not as stale', (_, shape, cause) => {
    const verdict = ask(answerTo(challenge(), shape))
    expect(causeOf(verdict)).toBe(cause)
    expect(challengesOf(verdict).map(({ stale }) => stale)).toEqual([false, false, false])
  })

  test('an algorithm or qop that was not offered is told as that', () => {
    const onlySha = accountsOf({ sbc: 'swordfish' }, { algorithms: ['SHA-256'] })
    expect(causeOf(ask(answerTo(challenge('MD5')), { accounts: onlySha }))).toBe('unsupported')
    const right = answerTo(challenge())
    expect(causeOf(ask(right.replace('algorithm=SHA-256', 'algorithm=SHA-256-sess')))).toBe('unsupported')
    expect(causeOf(ask(right.replace('qop=auth', 'qop="auth,auth-int"')))).toBe('unsupported')
    expect(causeOf(ask('Digest username="sbc'))).toBe('malformed')
  })

  test('a hash is computed for an unknown user too', () => {
    let hashes = 0
    const counting = new DigestAuthenticator({
      realm: 'earwitness',
      hash: (algorithm, data) => {
        hashes += 1
        return hash(algorithm, data)
      },
      mac,
    })
    digest = counting
    const work = ['sbc', 'nobody'].map((user) => {
      const authorization = answerTo(challenge(), { user, password: 'guess' })
      hashes = 0
      ask(authorization)
      return hashes
    })
    expect(work).toEqual([2, 2])
  })

  test('gets 403 after the bound, and the right password is still taken', () => {
    const wrong = (): DigestVerdict => ask(answerTo(challenge(), { password: 'guess' }))
    for (let round = 0; round < WRONG_ANSWERS_MAX; round++) expect(causeOf(wrong())).toBe('wrong')
    expect(wrong()).toMatchObject({ cause: 'forbidden', status: 403, reason: 'Forbidden' })
    expect(causeOf(ask(answerTo(challenge(), { password: 'guess' }), { peer: '192.0.2.2' }))).not.toBe('forbidden')
    expect(causeOf(ask(answerTo(challenge())))).toBe('accepted')
    expect(causeOf(wrong())).toBe('wrong')
  })
})

describe('wrong answers', () => {
  test('are forgotten after a while', () => {
    const answers = new WrongAnswers()
    for (let round = 0; round < WRONG_ANSWERS_MAX; round++) expect(answers.add(PEER, 0)).toBe(false)
    expect(answers.add(PEER, WRONG_ANSWERS_WINDOW_US - 1)).toBe(true)
    expect(answers.add(PEER, WRONG_ANSWERS_WINDOW_US)).toBe(false)
  })

  test('are counted for a bounded number of addresses', () => {
    const answers = new WrongAnswers()
    for (let index = 0; index < WRONG_ANSWERS_ADDRESSES_MAX + 10; index++) answers.add(`address ${index}`, 0)
    expect(answers.addressCount).toBe(WRONG_ANSWERS_ADDRESSES_MAX)
  })
})
