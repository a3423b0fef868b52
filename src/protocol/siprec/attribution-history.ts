import type { LabelledLine } from './match-streams.ts'
import { MetadataState, type AppliedSnapshot, type Attribution } from './metadata-state.ts'
import type { MetadataSnapshot, MetadataTime } from './metadata.ts'

/** Intervals kept of one recording session; the rest is counted. */
export const ATTRIBUTION_INTERVALS_MAX = 1_000
/** A time of the SRC may lie this far ahead of ours: clocks differ. */
export const SRC_AHEAD_MAX_MS = 5 * 60_000
/** … and this far behind: an association may be older than its recording. What lies further back (1970) is no time. */
export const SRC_BEHIND_MAX_MS = 24 * 3_600_000

/** One m-line by the name that the recorder gives it. */
export interface AttributedLine {
  readonly streamId: string
  readonly line: LabelledLine
}

/** A wall-clock instant, and whose clock it is. RFC 3339 */
export interface AttributedInstant {
  readonly at: string
  /** `src`: the SRC said so; `recorder`: when its word reached us, because it gave no time or an impossible one. */
  readonly clock: 'src' | 'recorder'
}

/** A participant was on an m-line, from one instant to another. */
export interface AttributionInterval {
  /** Position in the history; stays with the interval. */
  readonly ordinal: number
  /** The recorder's: which m-line. */
  readonly streamId: string
  readonly participantId: string
  /** By the label of the m-line, or by its place. */
  readonly basis: 'label' | 'order'
  readonly from: AttributedInstant
  /** Undefined while it lasts. */
  readonly to: AttributedInstant | undefined
}

/**
 * Who was on which m-line from when to when, as the snapshots of one recording session and its offers tell. On hold everyone stays.
 *
 * @see RFC 7865 6.6, 6.8 (associations have a beginning and an end)
 */
export class AttributionHistory {
  readonly state = new MetadataState()
  readonly #intervals: AttributionInterval[] = []
  readonly #changed = new Set<number>()
  #lines: readonly AttributedLine[]
  #droppedCount = 0

  constructor(lines: readonly AttributedLine[]) {
    this.#lines = lines
  }

  get intervals(): readonly AttributionInterval[] {
    return this.#intervals
  }

  /** Intervals beyond the limit, left out. */
  get droppedCount(): number {
    return this.#droppedCount
  }

  apply(snapshot: MetadataSnapshot, receivedAt: Date): AppliedSnapshot {
    const applied = this.state.apply(snapshot)
    this.#settle(receivedAt, snapshot)
    return applied
  }

  /** A re-INVITE changed the m-lines, or who stands where. */
  setLines(lines: readonly AttributedLine[], at: Date): void {
    this.#lines = lines
    this.#settle(at, undefined)
  }

  /** Intervals that are new or have ended since this was last asked, in order. */
  takeChanged(): readonly AttributionInterval[] {
    const changed = this.#intervals.filter(({ ordinal }) => this.#changed.has(ordinal))
    this.#changed.clear()
    return changed
  }

  #settle(at: Date, snapshot: MetadataSnapshot | undefined): void {
    const heard = new Map(this.#lines.map(({ streamId, line }) => [streamId, this.#presentOn(line)]))
    for (const interval of this.#intervals) {
      if (interval.to !== undefined) continue
      const isStill = heard.get(interval.streamId)?.ids.has(interval.participantId) === true
      if (!isStill) this.#end(interval, snapshot, at)
    }
    const open = new Set(
      this.#intervals.filter(({ to }) => to === undefined).map((each) => keyOf(each.streamId, each.participantId)),
    )
    for (const [streamId, { basis, ids }] of heard) {
      for (const participantId of ids) {
        if (!open.has(keyOf(streamId, participantId))) this.#begin({ streamId, participantId, basis }, snapshot, at)
      }
    }
  }

  #presentOn(line: LabelledLine): { readonly basis: 'label' | 'order'; readonly ids: ReadonlySet<string> } {
    const { basis, participants }: Attribution = this.state.attributionFor(line)
    const present = participants.filter((participant) => participant.present)
    return {
      basis: basis === 'label' ? 'label' : 'order',
      ids: new Set(present.map(({ participantId }) => participantId)),
    }
  }

  #begin(
    begun: Pick<AttributionInterval, 'streamId' | 'participantId' | 'basis'>,
    snapshot: MetadataSnapshot | undefined,
    at: Date,
  ): void {
    const ordinal = this.#intervals.length
    if (ordinal >= ATTRIBUTION_INTERVALS_MAX) {
      this.#droppedCount += 1
      return
    }
    const said = associationTimes(snapshot, begun.participantId, 'associateTime')
    this.#intervals.push({ ordinal, ...begun, from: instantOf(said, at), to: undefined })
    this.#changed.add(ordinal)
  }

  #end(interval: AttributionInterval, snapshot: MetadataSnapshot | undefined, at: Date): void {
    const said = associationTimes(snapshot, interval.participantId, 'disassociateTime')
    const to = instantOf(said, at)
    // An end before the beginning is none that a clock has shown.
    const isBackwards = Date.parse(to.at) < Date.parse(interval.from.at)
    const end = isBackwards ? { at: laterOf(interval.from.at, at), clock: 'recorder' as const } : to
    this.#intervals[interval.ordinal] = { ...interval, to: end }
    this.#changed.add(interval.ordinal)
  }
}

/** When the snapshot says that the participant came or went: of its stream first, then of its communication session. */
function associationTimes(
  snapshot: MetadataSnapshot | undefined,
  participantId: string,
  which: 'associateTime' | 'disassociateTime',
): readonly MetadataTime[] {
  if (snapshot === undefined) return []
  return [...snapshot.associations, ...snapshot.participantSessions]
    .filter((association) => association.participantId === participantId)
    .flatMap((association) => association[which] ?? [])
}

/** The first time that can be true, else that of the recorder. */
function instantOf(said: readonly MetadataTime[], receivedAt: Date): AttributedInstant {
  for (const time of said) {
    const instant = plausibleInstant(time, receivedAt)
    if (instant !== undefined) return { at: instant.toISOString(), clock: 'src' }
  }
  return { at: receivedAt.toISOString(), clock: 'recorder' }
}

/** Undefined for a time that cannot be meant: in 1970, in the future, or without a zone and hours away from now. */
export function plausibleInstant(time: MetadataTime, receivedAt: Date): Date | undefined {
  if (time.at === undefined || Number.isNaN(time.at.getTime())) return undefined
  const behindMs = receivedAt.getTime() - time.at.getTime()
  const behindMaxMs = time.zoneAssumed ? SRC_AHEAD_MAX_MS : SRC_BEHIND_MAX_MS
  return behindMs < -SRC_AHEAD_MAX_MS || behindMs > behindMaxMs ? undefined : time.at
}

function laterOf(text: string, at: Date): string {
  return Date.parse(text) > at.getTime() ? text : at.toISOString()
}

function keyOf(streamId: string, participantId: string): string {
  return `${streamId} ${participantId}`
}
