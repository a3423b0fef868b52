import { createHmac, createSecretKey, hash as hashOnce, type KeyObject } from 'node:crypto'
import type { DigestAlgorithm } from '../../protocol/sip/digest.ts'
import { type DigestAccounts, DigestAuthenticator } from '../../protocol/sip/digest-authenticator.ts'
import type { Authorisation, Authoriser } from '../../protocol/sip/door.ts'
import type { SipFlow } from '../../protocol/sip/flow.ts'
import type { SipRequest } from '../../protocol/sip/message.ts'
import type { SipSource } from './port.ts'
import type { SignallingLog } from './signalling-log.ts'

/** Who guesses passwords may do so thousands of times a second: one line a second, the rest is counted. */
const FAILURE_LOG_INTERVAL_US = 1_000_000
const TAG_LENGTH = 32
const HASH_NAMES: Readonly<Record<DigestAlgorithm, string>> = {
  'SHA-512-256': 'sha512-256',
  'SHA-256': 'sha256',
  MD5: 'md5',
}

/** Whose passwords open a dialog from a peer; undefined when nobody is asked. */
export interface AccountsLookup {
  accountsFor(peer: Pick<SipSource, 'address' | 'tlsNames'>): (DigestAccounts & { readonly source: string }) | undefined
}

export interface AuthenticationOptions {
  readonly sources: AccountsLookup
  readonly realm: string
  /** OPTIONS outside a dialog too. */
  readonly includeOptions: boolean
  /** Of this process alone, at least 32 unguessable bytes: nonces of another are stale. */
  readonly secret: Uint8Array
  readonly log: SignallingLog
}

/** Digest authentication of the sources that have users: joins the pure {@link DigestAuthenticator} to hashes, profiles and the log. */
export class Authentication implements Authoriser {
  readonly #options: AuthenticationOptions
  readonly #digest: DigestAuthenticator
  /** As a key object: importing bytes for each MAC would take most of the time that a 401 takes. */
  readonly #key: KeyObject
  #nextFailureLogUs = -Infinity

  constructor(options: AuthenticationOptions) {
    this.#options = options
    this.#key = createSecretKey(options.secret)
    this.#digest = new DigestAuthenticator({
      realm: options.realm,
      hash: (algorithm, data) => hashOnce(HASH_NAMES[algorithm], data),
      mac: (text) => this.#mac(text),
    })
  }

  authorise({ method, headers, body }: SipRequest, flow: SipFlow, nowUs: number): Authorisation {
    const { sources, includeOptions } = this.#options
    const { address: peer, tlsNames = [] } = flow
    const isExempt = method === 'OPTIONS' && !includeOptions
    const accounts = isExempt ? undefined : sources.accountsFor({ address: peer, tlsNames })
    if (accounts === undefined) return { kind: 'granted', user: undefined }
    const request = { method, authorizations: headers.all('Authorization'), body }
    const verdict = this.#digest.authenticate({ request, accounts, peer, nowUs })
    if (verdict.kind === 'accepted') return { kind: 'granted', user: verdict.user }
    if (verdict.cause !== 'challenged' && verdict.cause !== 'stale') {
      this.#logFailure(accounts.source, verdict.cause, nowUs)
    }
    return { ...verdict, kind: 'denied' }
  }

  tagFor(transactionKey: string): string {
    return this.#mac(`tag\n${transactionKey}`).slice(0, TAG_LENGTH)
  }

  #mac(text: string): string {
    return createHmac('sha256', this.#key).update(text).digest('hex')
  }

  #logFailure(src: string, reason: string, nowUs: number): void {
    if (nowUs < this.#nextFailureLogUs) return
    this.#nextFailureLogUs = nowUs + FAILURE_LOG_INTERVAL_US
    this.#options.log.warn({ src, reason }, 'SIP: a request with a password was not accepted')
  }
}
