import { accepted, rejected, type Result } from '../../result.ts'
import type { HeaderList, SipHeader } from './header-list.ts'
import { parseParams, paramValue } from './params.ts'
import { optionTags } from './scalar-headers.ts'
import { parseDecimal, trimBlanks } from './text.ts'

/** The shortest session interval that is taken: the least that RFC 4028 5 allows. Seconds. */
export const MIN_SESSION_SECONDS = 90
/** delta-seconds of RFC 3261 25.1. */
const SESSION_SECONDS_MAX = 0xffff_ffff

/** How long a dialog lives without a refresh, and who sends the refreshes. */
export interface SessionTerms {
  readonly intervalSeconds: number
  /** We refresh; else the peer does. */
  readonly isOurs: boolean
  /** The peer knows RFC 4028. When it does not, a proxy on the way asked for the timer. */
  readonly isPeerAware: boolean
}

interface SessionExpires {
  readonly seconds: number
  readonly refresher: string | undefined
}

/** The first readable Session-Expires; anything else in it is as if it were not there. */
function readSessionExpires(headers: HeaderList): SessionExpires | undefined {
  const value = headers.first('Session-Expires')
  if (value === undefined) return undefined
  const semicolon = value.indexOf(';')
  const digits = trimBlanks(semicolon === -1 ? value : value.slice(0, semicolon))
  const params = parseParams(semicolon === -1 ? '' : value.slice(semicolon))
  const seconds = parseDecimal(digits, SESSION_SECONDS_MAX)
  if (seconds === undefined || !params.ok) return undefined
  return { seconds, refresher: paramValue(params.value, 'refresher')?.toLowerCase() }
}

/**
 * What an INVITE or UPDATE asks of the session timer, and what we make of it: undefined for no timer, `tooShort` for 422.
 *
 * The peer refreshes whenever it may: it knows better than we whether it takes requests of ours. A peer that does not know the timer
 * can neither refresh nor be told 422, so an interval too short that a proxy wrote is left out.
 *
 * @see RFC 4028 9 and its table 2
 */
export function readSessionTerms(headers: HeaderList): Result<SessionTerms | undefined, 'tooShort'> {
  const expires = readSessionExpires(headers)
  if (expires === undefined) return accepted(undefined)
  const isPeerAware =
    optionTags(headers, 'Supported').includes('timer') || optionTags(headers, 'Require').includes('timer')
  if (expires.seconds < MIN_SESSION_SECONDS) return isPeerAware ? rejected('tooShort') : accepted(undefined)
  const isOurs = !isPeerAware || expires.refresher === 'uas'
  return accepted({ intervalSeconds: expires.seconds, isOurs, isPeerAware })
}

/** Session-Expires and Require of a 2xx. RFC 4028 9 */
export function sessionAnswerHeaders(terms: SessionTerms | undefined): SipHeader[] {
  if (terms === undefined) return []
  const value = `${terms.intervalSeconds};refresher=${terms.isOurs ? 'uas' : 'uac'}`
  const expires = { name: 'Session-Expires', value }
  return terms.isPeerAware ? [{ name: 'Require', value: 'timer' }, expires] : [expires]
}

/** Extensions that an answer to an INVITE or UPDATE of ours may use. */
export const OWN_SUPPORTED: SipHeader = { name: 'Supported', value: 'siprec, timer' }

/** Headers of an INVITE or UPDATE of ours that refreshes; who sends the refreshes stays as it is. RFC 4028 7.4 */
export function refreshHeaders({ intervalSeconds, isOurs }: SessionTerms, minSeconds: number): SipHeader[] {
  const value = `${intervalSeconds};refresher=${isOurs ? 'uac' : 'uas'}`
  const headers = [OWN_SUPPORTED, { name: 'Session-Expires', value }]
  return minSeconds > MIN_SESSION_SECONDS ? [...headers, { name: 'Min-SE', value: String(minSeconds) }] : headers
}

/**
 * The terms that a 2xx to a refresh of ours sets; `before` when it says nothing, since whoever answers is there. RFC 4028 7.2
 *
 * A peer that shortens the interval below what is allowed is taken at the least.
 */
export function readRefreshAnswer(headers: HeaderList, before: SessionTerms): SessionTerms {
  const expires = readSessionExpires(headers)
  if (expires === undefined) return before
  const intervalSeconds = Math.max(expires.seconds, MIN_SESSION_SECONDS)
  return { intervalSeconds, isOurs: expires.refresher !== 'uas', isPeerAware: true }
}

/** Min-SE of a 422, seconds. RFC 4028 5 */
export function readMinSe(headers: HeaderList): number | undefined {
  const value = headers.first('Min-SE') ?? ''
  const semicolon = value.indexOf(';')
  return parseDecimal(trimBlanks(semicolon === -1 ? value : value.slice(0, semicolon)), SESSION_SECONDS_MAX)
}
