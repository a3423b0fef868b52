import type { DigestAccounts } from '../../protocol/sip/digest-authenticator.ts'
import type { DialectHint, DigestAlgorithm, SourceUser } from '../../config/config.ts'
import type { DtmfPolicy } from '../../recorder/recording-types.ts'
import type { SourceRule } from '../../recorder/packet-sources.ts'
import type { SipSource } from '../signalling/port.ts'
import { type SourceCriteria, SourceMatcher } from './source-matcher.ts'

/** Peers whose profiles are remembered; the one looked up longest ago is forgotten first. */
export const SOURCES_REMEMBERED_MAX = 1024

/** A profile as the configuration gives it; what is left out is not asked for. */
export interface SourceProfile extends SourceCriteria {
  readonly name: string
  readonly tenant: string
  readonly forceSiprec: boolean
  readonly tellPause?: boolean
  readonly dtmf?: DtmfPolicy | 'inherit'
  readonly rtpSource?: SourceRule
  readonly dialect?: DialectHint
  readonly policy?: 'record' | 'refuse'
  readonly users?: readonly SourceUser[]
  readonly digestAlgorithms?: readonly DigestAlgorithm[]
}

/**
 * Why a recording is refused: `policy` of its profile is `refuse` · `unknown`: no profile fits and `unknownSources` is `refuse` ·
 * `unauthenticated`: its profile has users, and none of them has proved to have sent it.
 */
export type SourceRefusal = 'policy' | 'unknown' | 'unauthenticated'

/** What is known about who sent an INVITE. */
export interface Source {
  readonly name: string
  readonly tenant: string
  readonly forceSiprec: boolean
  /** The SRC is told of an operator's pause by re-INVITE. */
  readonly tellPause: boolean
  /** Undefined: as for everybody. */
  readonly dtmf: DtmfPolicy | undefined
  /** From where its media is taken. */
  readonly rtpSource: SourceRule
  /** What the operator says it is; `auto`: to be seen from what it sends. */
  readonly dialect: DialectHint
  readonly refusal: SourceRefusal | undefined
}

/** Of SRCs that no profile fits. */
export const STRANGER_NAME = 'other'

const STRANGER = {
  name: STRANGER_NAME,
  tenant: 'default',
  forceSiprec: false,
  tellPause: false,
  dtmf: undefined,
  rtpSource: 'latch',
  dialect: 'auto',
} as const

/** Who may prove to have sent a request, and under which name of a source failures are told. */
export interface SourceAccounts extends DigestAccounts {
  readonly source: string
}

interface Entry {
  readonly profile: SourceProfile
  readonly matcher: SourceMatcher
  readonly users: ReadonlyMap<string, SourceUser>
}

/** The profiles that fit a peer, as far as its password does not decide. */
interface Fit {
  /** Those before the first that asks for no password. */
  readonly withUsers: readonly Entry[]
  readonly open: Entry | undefined
  readonly accounts: SourceAccounts | undefined
}

/**
 * Finds the profile of an SRC: the first configured whose criteria all fit.
 *
 * A profile with users that fits by address and certificate asks for a password, and who does not know one of those asked for gets no
 * further: neither to a later profile nor to that of strangers.
 */
export class SourceTable {
  readonly #entries: readonly Entry[]
  readonly #stranger: Source
  readonly #fits = new Map<string, Fit>()

  constructor(
    configured: readonly SourceProfile[],
    options: { readonly unknownSources?: 'record' | 'refuse' | undefined } = {},
  ) {
    this.#entries = configured.map((profile) => ({
      profile,
      matcher: new SourceMatcher(profile),
      users: new Map(profile.users?.map((user) => [user.name, user])),
    }))
    const refusal = options.unknownSources === 'refuse' ? 'unknown' : undefined
    this.#stranger = { ...STRANGER, refusal }
  }

  lookup(source: Pick<SipSource, 'address' | 'tlsNames' | 'user'>): Source {
    const { withUsers, open } = this.#fit(source)
    const { user } = source
    const first = withUsers[0]
    if (first === undefined) return open === undefined ? this.#stranger : sourceOf(open.profile)
    const proved = user === undefined ? undefined : withUsers.find(({ users }) => users.has(user))
    return proved === undefined ? { ...sourceOf(first.profile), refusal: 'unauthenticated' } : sourceOf(proved.profile)
  }

  /** Who may open a dialog from here; undefined when nobody is asked for a password. */
  accountsFor(peer: Pick<SipSource, 'address' | 'tlsNames'>): SourceAccounts | undefined {
    return this.#fit(peer).accounts
  }

  #fit({ address, tlsNames }: Pick<SipSource, 'address' | 'tlsNames'>): Fit {
    const key = [address, ...tlsNames].join('\n')
    const known = this.#fits.get(key)
    if (known !== undefined) return known
    const fitting = this.#entries.filter(({ matcher }) => matcher.fits(address, tlsNames))
    const firstOpen = fitting.findIndex(({ users }) => users.size === 0)
    const withUsers = firstOpen === -1 ? fitting : fitting.slice(0, firstOpen)
    const fit = { withUsers, open: fitting[firstOpen], accounts: accountsOf(withUsers) }
    const oldest = this.#fits.keys().next()
    if (this.#fits.size >= SOURCES_REMEMBERED_MAX && oldest.done !== true) this.#fits.delete(oldest.value)
    this.#fits.set(key, fit)
    return fit
  }
}

function sourceOf(profile: SourceProfile): Source {
  const { name, tenant, forceSiprec, tellPause = false, rtpSource = 'latch', dialect = 'auto' } = profile
  const dtmf = profile.dtmf === 'inherit' ? undefined : profile.dtmf
  const refusal = profile.policy === 'refuse' ? 'policy' : undefined
  return { name, tenant, forceSiprec, tellPause, dtmf, rtpSource, dialect, refusal }
}

/** The users of all these profiles; of two with one name the first counts. */
function accountsOf(entries: readonly Entry[]): SourceAccounts | undefined {
  const [first, ...others] = entries
  if (first === undefined) return undefined
  const users = new Map(entries.toReversed().flatMap((entry) => [...entry.users]))
  const offers = entries.map(algorithmsOf)
  const common = algorithmsOf(first).filter((algorithm) => offers.every((offer) => offer.includes(algorithm)))
  return {
    source: first.profile.name,
    // Whose challenge it will be is not known yet, so it is best one that each can answer.
    algorithms: others.length === 0 || common.length > 0 ? common : [...new Set(offers.flat())],
    ha1: (user, algorithm) => users.get(user)?.ha1.get(algorithm),
  }
}

/** What every user of the profile can answer. */
function algorithmsOf({ profile, users }: Entry): readonly DigestAlgorithm[] {
  const known = [...users.values()].map(({ ha1 }) => ha1)
  const [one] = known
  const common = [...(one?.keys() ?? [])].filter((algorithm) => known.every((ha1) => ha1.has(algorithm)))
  const { digestAlgorithms } = profile
  return digestAlgorithms === undefined ? common : common.filter((algorithm) => digestAlgorithms.includes(algorithm))
}
