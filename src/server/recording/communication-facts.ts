import { tokensIn } from '../../evidence/consent-token.ts'
import { TOKEN_HEADER, TOKENS_MAX } from '../announcer/announcement-tokens.ts'
import { AttributionHistory, type AttributedLine } from '../../protocol/siprec/attribution-history.ts'
import { headerCorrelation, snapshotCorrelation } from '../../protocol/siprec/correlation.ts'
import type { CorrelationId } from '../../protocol/siprec/correlation-values.ts'
import type { HeaderLookup } from '../../protocol/siprec/dialog-facts.ts'
import type { AppliedSnapshot } from '../../protocol/siprec/metadata-state.ts'
import type { MetadataSnapshot } from '../../protocol/siprec/metadata.ts'
import { recogniseDialect, type DialectFacts } from '../../protocol/siprec/recognise-dialect.ts'
import type { DialectName } from '../../protocol/siprec/dialects/dialect.ts'
import type { MediaStreamPlan } from '../../recorder/recording-types.ts'

/** Ids kept of the headers of one dialog. */
export const DIALOG_IDS_MAX = 128

/** What is new since the database was told last. */
export interface CommunicationNews {
  /** Only when the client was not known before. */
  readonly dialect: DialectName | undefined
  readonly correlationIds: readonly CorrelationId[]
  readonly attributions: ReturnType<AttributionHistory['takeChanged']>
}

/** What one dialog tells about the communication session it records: which client, by which ids it is known, and who was on which line. */
export class CommunicationFacts {
  #dialect: DialectName
  readonly #correlationIds = new Map<string, CorrelationId>()
  readonly #consentTokens = new Set<string>()
  /** Of the newest snapshot that had any. */
  #snapshotIds: readonly CorrelationId[] = []
  readonly #attributions: AttributionHistory
  #untold: CorrelationId[] = []
  #isDialectUntold = false

  constructor(options: {
    readonly headers: HeaderLookup
    readonly sdp: DialectFacts['sdp']
    readonly plans: readonly MediaStreamPlan[]
    readonly snapshot: MetadataSnapshot | undefined
    /** Of the source's profile; what is no dialect is none. */
    readonly configuredDialect: string | undefined
  }) {
    const { headers, sdp, plans, snapshot, configuredDialect } = options
    this.#dialect = recogniseDialect({ headers, sdp, snapshot }, configuredDialect).dialect
    this.#attributions = new AttributionHistory(linesOf(plans))
    this.#noteHeaders(headers)
  }

  /** Given out by an announcer, and brought by offers in a header or by metadata in vendor data; the first {@link TOKENS_MAX}, and nobody has checked them. */
  get consentTokens(): readonly string[] {
    return [...this.#consentTokens]
  }

  get dialect(): DialectName {
    return this.#dialect
  }

  /** All by which the communication session is known so far: of headers, and of metadata. */
  get ids(): readonly CorrelationId[] {
    return [...this.#correlationIds.values(), ...this.#snapshotIds]
  }

  /** Who takes part, and who was on which line. */
  get history(): Pick<AttributionHistory, 'state' | 'intervals'> {
    return this.#attributions
  }

  /** What the recording is opened with; {@link takeNews} has only what comes after. */
  takeOpening(): { readonly dialect: DialectName; readonly correlationIds: readonly CorrelationId[] } {
    this.#untold = []
    this.#isDialectUntold = false
    return { dialect: this.#dialect, correlationIds: [...this.#correlationIds.values()] }
  }

  /** A snapshot has come, in whatever message. `needsComplete` says when the SRC is to be asked for a whole one. */
  apply(snapshot: MetadataSnapshot, receivedAt: Date): AppliedSnapshot {
    if (this.#dialect === 'generic') this.#recogniseLate(snapshot)
    const ids = snapshotCorrelation(snapshot)
    if (ids.length > 0) this.#snapshotIds = ids
    this.#noteTokens(snapshot)
    return this.#attributions.apply(snapshot, receivedAt)
  }

  /** An offer inside the dialog was taken: m-lines may have changed, and ids have come. */
  noteOffer(headers: HeaderLookup, plans: readonly MediaStreamPlan[], receivedAt: Date): void {
    this.#noteHeaders(headers)
    this.#attributions.setLines(linesOf(plans), receivedAt)
  }

  /** What is new since this was last asked; undefined when nothing is. */
  takeNews(): CommunicationNews | undefined {
    const news = {
      dialect: this.#isDialectUntold ? this.#dialect : undefined,
      correlationIds: this.#untold,
      attributions: this.#attributions.takeChanged(),
    }
    this.#untold = []
    this.#isDialectUntold = false
    const isEmpty = news.dialect === undefined && news.correlationIds.length + news.attributions.length === 0
    return isEmpty ? undefined : news
  }

  /** An INVITE without metadata says little; what comes later may say more. */
  #recogniseLate(snapshot: MetadataSnapshot): void {
    const { dialect } = recogniseDialect({ headers: NO_HEADERS, sdp: undefined, snapshot })
    this.#isDialectUntold = dialect !== 'generic'
    this.#dialect = dialect
  }

  /** Wherever an SRC has copied it to: its own header, a parameter, a URI with headers. What a snapshot may hold is bounded. */
  #noteTokens({ extensions }: MetadataSnapshot): void {
    for (const { text, attributes } of extensions) {
      for (const value of [text, ...attributes.map((attribute) => attribute.value)]) {
        const room = TOKENS_MAX - this.#consentTokens.size
        if (room === 0) return
        for (const token of tokensIn(value, room)) this.#consentTokens.add(token)
      }
    }
  }

  #noteHeaders(headers: HeaderLookup): void {
    for (const token of headers.headers(TOKEN_HEADER)) {
      if (this.#consentTokens.size < TOKENS_MAX) this.#consentTokens.add(token)
    }
    for (const id of headerCorrelation(headers)) {
      const key = `${id.kind} ${id.value}`
      if (this.#correlationIds.has(key) || this.#correlationIds.size >= DIALOG_IDS_MAX) continue
      this.#correlationIds.set(key, id)
      this.#untold.push(id)
    }
  }
}

const NO_HEADERS: HeaderLookup = { header: () => undefined, headers: () => [] }

function linesOf(plans: readonly MediaStreamPlan[]): readonly AttributedLine[] {
  return plans.map(({ streamId, line }) => ({ streamId, line }))
}
