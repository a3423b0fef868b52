import {
  DIGEST_ALGORITHMS,
  type DigestAlgorithm,
  type DigestHash,
  digestResponse,
  equalsInConstantTime,
  formatChallenge,
} from './digest.ts'
import { type DigestCredentials, parseDigestCredentials } from './digest-credentials.ts'
import { Nonces } from './digest-nonces.ts'
import type { SipHeader } from './header-list.ts'
import { WrongAnswers } from './wrong-answers.ts'

/** Authorization headers of one request that are read: a request that was challenged on its way carries one for each realm. */
export const AUTHORIZATIONS_MAX = 8
const NC_DIGITS_MAX = 8
const OPAQUE_LENGTH = 16
const TOO_OFTEN: SipHeader = { name: 'Warning', value: '399 earwitness "Wrong user or password, too often"' }
/** Clients of RFC 2069 name none. */
const QOPS: ReadonlyMap<string, 'auth' | 'auth-int' | 'none'> = new Map([
  ['', 'none'],
  ['auth', 'auth'],
  ['auth-int', 'auth-int'],
])

/** Who may answer a challenge. */
export interface DigestAccounts {
  /** What is offered, in any order. */
  readonly algorithms: readonly DigestAlgorithm[]
  /** H(user:realm:password) in lower case hex; undefined for a user that is not known. */
  ha1(user: string, algorithm: DigestAlgorithm): string | undefined
}

/**
 * `challenged`: came without an answer · `wrong`: user or password · `stale`: right, for a nonce that is too old or not ours ·
 * `replayed`: right, and used before · `malformed`: cannot be read · `unsupported`: an algorithm or qop that was not offered ·
 * `forbidden`: wrong, and too often.
 */
export type DigestRefusal = 'challenged' | 'wrong' | 'stale' | 'replayed' | 'malformed' | 'unsupported' | 'forbidden'

export type DigestVerdict =
  | { readonly kind: 'accepted'; readonly user: string }
  | {
      readonly kind: 'refused'
      readonly cause: DigestRefusal
      readonly status: 401 | 403
      readonly reason: string
      readonly headers: readonly SipHeader[]
    }

export interface DigestAuthenticatorOptions {
  /** Printable, without quotes and backslashes. */
  readonly realm: string
  readonly hash: DigestHash
  /** Keyed with a secret of this process: at least 32 characters that nobody else can compute. */
  readonly mac: (text: string) => string
  readonly noncesUsedMax?: number
}

/** What of a request the answer is about. */
export interface DigestRequest {
  readonly method: string
  /** Values of its Authorization headers. */
  readonly authorizations: readonly string[]
  readonly body: Uint8Array
}

/** A request, who may send it, and from where it came. */
export interface DigestQuestion {
  readonly request: DigestRequest
  readonly accounts: DigestAccounts
  /** Its address: a nonce is good for the one it was given to. */
  readonly peer: string
  /** Monotonic microseconds. */
  readonly nowUs: number
}

/**
 * The server side of digest authentication: challenges, and checks what comes back.
 *
 * The uri that a client signed is not compared with the Request-URI, which proxies rewrite (RFC 3261 22.4). A hash is computed for an
 * unknown user as for a known one, so that the time tells nobody who exists. `-sess`, `userhash` and `username*` are not offered and
 * not understood.
 *
 * @see RFC 3261 22, RFC 7616, RFC 8760
 */
export class DigestAuthenticator {
  readonly #options: DigestAuthenticatorOptions
  readonly #nonces: Nonces
  readonly #wrong = new WrongAnswers()
  readonly #opaque: string

  constructor(options: DigestAuthenticatorOptions) {
    this.#options = options
    const { mac, noncesUsedMax } = options
    this.#nonces = new Nonces({ mac, ...(noncesUsedMax === undefined ? {} : { usedMax: noncesUsedMax }) })
    this.#opaque = mac('opaque').slice(0, OPAQUE_LENGTH)
  }

  authenticate(asked: DigestQuestion): DigestVerdict {
    const { request, peer } = asked
    let cause: DigestRefusal = 'challenged'
    for (const value of request.authorizations.slice(0, AUTHORIZATIONS_MAX)) {
      const credentials = parseDigestCredentials(value)
      if (credentials.ok && credentials.value.realm !== this.#options.realm) continue
      const outcome = credentials.ok ? this.#check(credentials.value, asked) : 'malformed'
      if (outcome === 'accepted' && credentials.ok) {
        this.#wrong.forgive(peer)
        return { kind: 'accepted', user: credentials.value.username }
      }
      // Of several, the one that came nearest: it decides whether the client is told to try again by itself.
      if (outcome !== 'accepted' && cause !== 'stale' && cause !== 'replayed') cause = outcome
    }
    return this.#refuse(cause, asked)
  }

  #check(credentials: DigestCredentials, asked: DigestQuestion): 'accepted' | DigestRefusal {
    const { request, accounts, peer, nowUs } = asked
    const { username, nonce, uri, response, nc, cnonce } = credentials
    const algorithm = DIGEST_ALGORITHMS.find((name) => name === credentials.algorithm)
    const qop = QOPS.get(credentials.qop)
    if (algorithm === undefined || qop === undefined || !accounts.algorithms.includes(algorithm)) return 'unsupported'
    const count = qop === 'none' ? undefined : parseCount(nc)
    if (qop !== 'none' && (count === undefined || cnonce === '')) return 'malformed'
    const ha1 = accounts.ha1(username, algorithm)
    const expected = digestResponse(this.#options.hash, {
      algorithm,
      ha1: ha1 ?? this.#opaque,
      method: request.method,
      uri,
      nonce,
      qop: qop === 'none' ? undefined : qop,
      nc,
      cnonce,
      body: request.body,
    })
    if (!equalsInConstantTime(expected, response) || ha1 === undefined) return 'wrong'
    const use = this.#nonces.use(nonce, count, peer, nowUs)
    return use === 'fresh' ? 'accepted' : use
  }

  #refuse(cause: DigestRefusal, { accounts, peer, nowUs }: DigestQuestion): DigestVerdict {
    const stale = cause === 'stale' || cause === 'replayed'
    if (!stale && cause !== 'challenged' && this.#wrong.add(peer, nowUs)) {
      return { kind: 'refused', cause: 'forbidden', status: 403, reason: 'Forbidden', headers: [TOO_OFTEN] }
    }
    const { realm } = this.#options
    const nonce = this.#nonces.create(peer, nowUs)
    const offered = DIGEST_ALGORITHMS.filter((algorithm) => accounts.algorithms.includes(algorithm))
    const headers = offered.map((algorithm) => ({
      name: 'WWW-Authenticate',
      value: formatChallenge({ realm, algorithm, nonce, opaque: this.#opaque, stale }),
    }))
    return { kind: 'refused', cause, status: 401, reason: 'Unauthorized', headers }
  }
}

function parseCount(nc: string): number | undefined {
  return nc.length <= NC_DIGITS_MAX && /^[0-9A-Fa-f]+$/.test(nc) ? Number.parseInt(nc, 16) : undefined
}
