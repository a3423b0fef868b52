import { readConsentToken, signConsentToken, type TokenRejectReason } from '../../evidence/consent-token.ts'
import type { SigningKey, VerifyKey } from '../../evidence/signer-keys.ts'
import type { CorrelationId } from '../../protocol/siprec/correlation-values.ts'
import type { ConsentFactAt } from '../../consent/words.ts'
import type { AnnouncementSource, AnnouncementTable } from './announcement-table.ts'

/** The header in which a token travels. SIPREC clients copy such headers into their metadata, or send them in an INVITE to the recorder. */
export const TOKEN_HEADER = 'X-Earwitness-Consent'
/** Tokens of one call that are looked at. */
export const TOKENS_MAX = 8

export interface AnnouncementTokensOptions {
  readonly table: AnnouncementTable
  readonly signer: SigningKey
  readonly verifyKey: VerifyKey
  readonly windowMs: number
  readonly counted: (outcome: 'issued' | 'taken' | TokenRejectReason) => void
  readonly nowUnixMs: () => number
}

/** Ties announcements to the recordings that follow: gives tokens out, and finds facts by them and by whatever else both have in common. */
export class AnnouncementTokens {
  readonly #options: AnnouncementTokensOptions

  constructor(options: AnnouncementTokensOptions) {
    this.#options = options
  }

  /** A token for an announcement that is in the table; as old as the window it is worth nothing. */
  async issue(announcementId: string): Promise<string> {
    const { signer, windowMs, nowUnixMs, counted } = this.#options
    counted('issued')
    return signConsentToken({ announcementId, expiresUnixMs: nowUnixMs() + windowMs }, signer)
  }

  /**
   * What was announced before a recording began: the facts of all announcements of its tenant that share an id with it or whose token it bears, oldest first.
   *
   * @param call.changed is called when one of these announcements says more soon after, by a report of its listener
   * @param call.tokens values of the header {@link TOKEN_HEADER}, and what looks like one in metadata; forged and expired ones are counted and give nothing
   */
  async take(call: {
    readonly source: AnnouncementSource
    readonly ids: readonly CorrelationId[]
    readonly tokens: readonly string[]
    readonly changed: () => void
  }): Promise<readonly ConsentFactAt[]> {
    const { table, verifyKey, counted, nowUnixMs } = this.#options
    const announcementIds: string[] = []
    for (const token of call.tokens.slice(0, TOKENS_MAX)) {
      const read = await readConsentToken(token, [verifyKey], nowUnixMs())
      counted(read.ok ? 'taken' : read.reason)
      if (read.ok) announcementIds.push(read.value)
    }
    return table.take({ ids: call.ids, announcementIds, source: call.source }, nowUnixMs(), call.changed)
  }
}
