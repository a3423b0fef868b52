import type { Announcement } from '../../consent/announcement/announcement.ts'
import { heardToEnd, type ReceptionNews, type SentRange } from '../../consent/announcement/heard-to-end.ts'
import type { ConsentFactAt } from '../../consent/words.ts'
import type { CorrelationId } from '../../protocol/siprec/correlation-values.ts'
import type { AnnouncementSource, AnnouncementTable } from './announcement-table.ts'

interface RecordOptions {
  readonly announcement: Pick<Announcement, 'facts'>
  readonly announcementId: string
  /** Who sent the call. */
  readonly source: AnnouncementSource
  readonly ids: readonly CorrelationId[]
  readonly table: Pick<AnnouncementTable, 'put'>
  /** What the listener reported last. */
  readonly news: () => ReceptionNews | undefined
  readonly nowUnixMs: () => number
}

/** What is kept of one announcement for the recording that follows: its facts, when they came true, and whether each prompt was heard. */
export class AnnouncementRecord {
  readonly #options: RecordOptions
  /** How unix time and monotonic time differ: the same for all facts, however often they are kept. */
  readonly #unixMsAtZero: number
  /** Of each prompt that was sent to its end. */
  readonly #ranges = new Map<number, SentRange>()
  /** What was known of them last. */
  readonly #known = new Map<number, 'yes' | 'no'>()
  /** What the table was given. */
  #kept: readonly ConsentFactAt[] = []

  /** @param nowUs monotonic microseconds, as the facts have them */
  constructor(options: RecordOptions, nowUs: number) {
    this.#options = options
    this.#unixMsAtZero = options.nowUnixMs() - nowUs / 1_000
  }

  /** A prompt was sent to its end, in these packets. */
  handleSent(index: number, range: SentRange): void {
    this.#ranges.set(index, range)
    this.handleReported()
  }

  /**
   * The listener reported. What he says of a prompt stays known when packets go to another, who has not heard it; that it was heard stays so whatever is lost
   * after it.
   */
  handleReported(): void {
    for (const [index, range] of this.#ranges) {
      const heard = heardToEnd(range, this.#options.news())
      if (heard !== 'unknown' && this.#known.get(index) !== 'yes') this.#known.set(index, heard)
    }
  }

  /** Something was sent to its end, and a report may still say whether it was heard. */
  get awaitsReport(): boolean {
    return [...this.#ranges.keys()].some((index) => this.#heard(index) === 'unknown')
  }

  /** Resolves when the facts are on the disk. */
  async keep(): Promise<void> {
    this.#kept = this.#facts()
    await this.#put(this.#kept)
  }

  /** Once more where a report has changed them. What is the same stays the same object: a recording that has taken it does not take it for another answer. */
  async keepAgain(): Promise<void> {
    const facts = this.#facts().map((fact, index) => {
      const former = this.#kept[index]
      return JSON.stringify(fact) === JSON.stringify(former) ? (former ?? fact) : fact
    })
    if (facts.some((fact, index) => fact !== this.#kept[index])) await this.#put(facts)
  }

  async #put(facts: readonly ConsentFactAt[]): Promise<void> {
    const { table, announcementId, source, ids, nowUnixMs } = this.#options
    await table.put({ announcementId, source, ids, keptUnixMs: nowUnixMs(), facts })
  }

  #facts(): readonly ConsentFactAt[] {
    const unixMsAt = (atUs: number): number => Math.round(this.#unixMsAtZero + atUs / 1_000)
    return this.#options.announcement
      .facts((index) => this.#heard(index))
      .map(({ atUs, fact }) => ({ at: new Date(unixMsAt(atUs)).toISOString(), fact }))
  }

  #heard(index: number): 'yes' | 'no' | 'unknown' {
    return this.#known.get(index) ?? 'unknown'
  }
}
