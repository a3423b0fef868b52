import { createHash, createHmac } from 'node:crypto'
import type { DigestAlgorithm, DigestHash } from '../../src/protocol/sip/digest.ts'
import type { DigestAccounts } from '../../src/protocol/sip/digest-authenticator.ts'

/** The client's side of digest authentication, written from RFC 7616 3.4 and not from our server. */

const HASH_NAMES = { 'SHA-512-256': 'sha512-256', 'SHA-256': 'sha256', MD5: 'md5' } as const

export const hash: DigestHash = (algorithm, data) => createHash(HASH_NAMES[algorithm]).update(data).digest('hex')
export const mac = (text: string): string => createHmac('sha256', 'a secret of the tests').update(text).digest('hex')

export interface Challenge {
  readonly realm: string
  readonly nonce: string
  readonly algorithm: DigestAlgorithm
  readonly stale: boolean
  readonly opaque: string
}

/** Reads the value of one WWW-Authenticate of ours. */
export function readChallenge(value: string): Challenge {
  const get = (name: string): string => new RegExp(`\\b${name}="?([^",]*)`).exec(value)?.[1] ?? ''
  return {
    realm: get('realm'),
    nonce: get('nonce'),
    algorithm: get('algorithm') as DigestAlgorithm,
    stale: get('stale') === 'true',
    opaque: get('opaque'),
  }
}

export interface AnswerOptions {
  readonly user?: string
  readonly password?: string
  readonly method?: string
  readonly uri?: string
  readonly qop?: 'auth' | 'auth-int' | 'none'
  readonly nc?: string
  readonly cnonce?: string
  readonly body?: string | Uint8Array
}

/** The value of the Authorization with which a client answers. */
export function answerTo(challenge: Challenge, options: AnswerOptions = {}): string {
  const { user = 'sbc', password = 'swordfish', method = 'INVITE', uri = 'sip:srs@192.0.2.9', qop = 'auth' } = options
  const { nc = '00000001', cnonce = '0a4f113b', body = '' } = options
  const { realm, nonce, algorithm } = challenge
  const h = (text: string | Uint8Array): string => hash(algorithm, text)
  const ha1 = h(`${user}:${realm}:${password}`)
  const ha2 = h(qop === 'auth-int' ? `${method}:${uri}:${h(body)}` : `${method}:${uri}`)
  const response = qop === 'none' ? h(`${ha1}:${nonce}:${ha2}`) : h(`${ha1}:${nonce}:${nc}:${cnonce}:${qop}:${ha2}`)
  const counted = qop === 'none' ? '' : `, qop=${qop}, nc=${nc}, cnonce="${cnonce}"`
  return `Digest username="${user}", realm="${realm}", nonce="${nonce}", uri="${uri}", response="${response}", algorithm=${algorithm}${counted}, opaque="${challenge.opaque}"`
}

/** Accounts with these passwords, all algorithms unless told otherwise. */
export function accountsOf(
  passwords: Readonly<Record<string, string>>,
  options: { readonly realm?: string; readonly algorithms?: readonly DigestAlgorithm[] } = {},
): DigestAccounts {
  const { realm = 'earwitness', algorithms = ['MD5', 'SHA-256', 'SHA-512-256'] } = options
  const known = new Map(Object.entries(passwords))
  return {
    algorithms,
    ha1: (user, algorithm) => {
      const password = known.get(user)
      return password === undefined ? undefined : hash(algorithm, `${user}:${realm}:${password}`)
    },
  }
}
