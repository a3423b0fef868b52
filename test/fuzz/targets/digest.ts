import { DIGEST_ALGORITHMS } from '../../../src/protocol/sip/digest.ts'
import { DigestAuthenticator } from '../../../src/protocol/sip/digest-authenticator.ts'
import { parseDigestCredentials } from '../../../src/protocol/sip/digest-credentials.ts'
import { accountsOf, answerTo, type Challenge, hash, mac } from '../../support/digest-client.ts'
import type { Random } from '../random.ts'
import { type FuzzTarget, invariant } from '../target.ts'

const PEER = '192.0.2.1'
const NOW_US = 1_000_000
/** Known to nobody: the seed and the corpus do not say it. */
const ACCOUNTS = accountsOf({ a: mac('a password that no input can hold'), sbc: mac('another') })

const authenticator = new DigestAuthenticator({ realm: 'earwitness', hash, mac, noncesUsedMax: 64 })
const challenge: Challenge = {
  realm: 'earwitness',
  nonce: '4.1.0123456789abcdef0123456789abcdef',
  algorithm: 'SHA-256',
  stale: false,
  opaque: '0123',
}
const NAMES = [
  ...['username', 'realm', 'nonce', 'uri', 'response', 'algorithm', 'qop', 'nc', 'cnonce', 'opaque'],
  ...['userhash', 'username*', '__proto__', 'x'],
]
const VALUES = [
  ...['"a"', 'a', '"earwitness"', 'earwitness', `"${challenge.nonce}"`, '"sip:srs@192.0.2.9"', '"', '""', '\\', 'MD5'],
  ...[
    'SHA-256',
    '"SHA-512-256"',
    'MD5-sess',
    'auth',
    '"auth-int"',
    '00000001',
    'ffffffff',
    `"${'0'.repeat(64)}"`,
    'true',
  ],
]

/** The value of an Authorization, read and answered. */
export const digest: FuzzTarget = {
  name: 'digest',
  corpus: DIGEST_ALGORITHMS.flatMap((algorithm) =>
    (['auth', 'auth-int', 'none'] as const).map((qop) =>
      Buffer.from(answerTo({ ...challenge, algorithm }, { qop, user: 'a', password: 'guess' })),
    ),
  ),
  dictionary: ['Digest ', 'Basic ', ', ', '="', '\\"', ...NAMES, ...VALUES],
  generate: (random) => Buffer.from(makeAuthorization(random), 'latin1'),
  run(input) {
    const value = Buffer.from(input).toString('latin1')
    const parsed = parseDigestCredentials(value)
    if (parsed.ok) {
      const { username, nonce, uri, response } = parsed.value
      invariant(
        [username, nonce, uri, response].every((text) => text !== ''),
        'what is needed is there',
      )
      const lengths = Object.values(parsed.value).map((text) => text.length)
      invariant(Math.max(...lengths) <= value.length, 'nothing is longer than the whole')
    }
    const request = { method: 'INVITE', authorizations: [value, value], body: input }
    const verdict = authenticator.authenticate({ request, accounts: ACCOUNTS, peer: PEER, nowUs: NOW_US })
    invariant(verdict.kind === 'refused', 'nobody comes in without the password')
    if (verdict.kind !== 'refused') return
    invariant(verdict.headers.length > 0 && verdict.headers.length <= DIGEST_ALGORITHMS.length, 'a header each')
    invariant(
      verdict.headers.every((header) => /^[ -~]+$/.test(header.value)),
      'what goes back is one line of ASCII',
    )
  },
}

function makeAuthorization(random: Random): string {
  const params = Array.from({ length: random.below(14) }, () => {
    const blank = random.pick(['', '', ' ', '\t'])
    return `${random.pick(NAMES)}${blank}=${blank}${random.pick(VALUES)}`
  })
  return `${random.pick(['Digest ', 'Digest ', 'digest\t', 'Basic '])}${params.join(random.pick([', ', ',', ' ,, ', ' ']))}`
}
