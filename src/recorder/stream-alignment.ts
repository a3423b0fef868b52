import type { AlignmentBasisName } from '../evidence/manifest-shape.ts'
import type { StreamId } from '../ids.ts'
import type { StreamReceiver } from './stream-receiver.ts'

/** Most that a media stream is moved by what reports say. Whoever lies can do no more than this. */
export const ALIGNMENT_MAX_US = 200_000
/** Less is left alone: reports are often made to the packet, half of one early or late. */
export const ALIGNMENT_MIN_US = 10_000
/** One that is applied already is followed down to this. */
const ALIGNMENT_KEPT_US = 5_000
/** How often the streams are compared. */
export const ALIGNMENT_INTERVAL_US = 1_000_000
/** Packets that differ more in their time are not compared: what instant of a packet a report means is not the same for all senders. */
const PACKET_TOLERANCE_US = 1_000

/** What became of the sender reports of one media stream. */
export interface AlignmentFacts {
  /** By how much earlier its audio is placed now than its packets' arrival says, microseconds. */
  readonly aheadUs: number
  /** How often its reports, or those beside it, told of so different a time that arrival alone was believed. */
  readonly refusals: number
  /** By what its place beside the others is known now. */
  readonly basis: AlignmentBasisName
}

const NOT_COMPARED: AlignmentFacts = { aheadUs: 0, refusals: 0, basis: 'arrival' }

interface Alignment {
  aheadUs: number
  refusals: number
  isRefused: boolean
  basis: AlignmentBasisName
}

/** What is looked at of a media stream. */
type AlignedStream = Pick<StreamReceiver, 'plan' | 'rtcp' | 'sources' | 'timeline'>

/**
 * Aligns the media streams of one recording by what their sender reports say, where these share a clock. RFC 3550 6.4.1
 *
 * Least transit takes jitter out of each stream, and leaves what each of its packets is delayed by. Of streams with one clock the one with the least delay is the
 * reference; the others are moved ahead by what theirs is longer, {@link ALIGNMENT_MAX_US} at most. Streams share a clock that have the same CNAME
 * (RFC 3550 6.5.1) or, where one of them has not said it, that come from the same address. Two CNAMEs at one address are two clocks: an SRC may pass on the
 * reports of those who speak (RFC 7866 8.2.1).
 *
 * When reports tell of times that cannot be one clock's, arrival alone is believed. While those of a stream are in doubt, everything stays as it is.
 */
export class StreamAlignment {
  /** Of streams whose reports have been believed once: from then on the others wait for them. */
  readonly #alignments = new Map<StreamId, Alignment>()
  #nextUs = Number.NEGATIVE_INFINITY
  #aheadMaxUs = 0

  /** The most that any stream is ahead of its packets: so much longer have they to be awaited. */
  get aheadMaxUs(): number {
    return this.#aheadMaxUs
  }

  /** Of all streams. */
  get refusals(): number {
    return [...this.#alignments.values()].reduce((sum, { refusals }) => sum + refusals, 0)
  }

  factsOf(streamId: StreamId): AlignmentFacts {
    return this.#alignments.get(streamId) ?? NOT_COMPARED
  }

  /** Compares the streams, once in {@link ALIGNMENT_INTERVAL_US}, and tells their timelines. */
  update(streams: readonly AlignedStream[], nowUs: number): void {
    if (nowUs < this.#nextUs) return
    this.#nextUs = nowUs + ALIGNMENT_INTERVAL_US
    const left = new Set(streams.filter((stream) => this.#isMember(stream, nowUs)))
    for (const stream of left) {
      const group = [...left].filter((other) => other === stream || shareClock(stream, other))
      for (const member of group) left.delete(member)
      if (group.length > 1 && areComparable(group, nowUs)) this.#compare(group)
    }
  }

  #isMember(stream: AlignedStream, nowUs: number): boolean {
    const isKnown = stream.rtcp.senderClock?.isKnown(nowUs) === true
    if (isKnown) this.#alignmentOf(stream)
    return this.#alignments.has(stream.plan.streamId)
  }

  #compare(group: readonly AlignedStream[]): void {
    const offsets = group.map(({ rtcp }) => rtcp.senderClock?.offsetUs ?? 0)
    const least = Math.min(...offsets)
    const isRefused = Math.max(...offsets) - least > ALIGNMENT_MAX_US
    for (const [index, stream] of group.entries()) {
      const alignment = this.#alignmentOf(stream)
      if (isRefused && !alignment.isRefused) alignment.refusals += 1
      alignment.isRefused = isRefused
      alignment.basis = isRefused ? 'arrival' : 'reports'
      const extraUs = (offsets[index] ?? least) - least
      const fromUs = alignment.aheadUs > 0 ? ALIGNMENT_KEPT_US : ALIGNMENT_MIN_US
      alignment.aheadUs = isRefused || extraUs < fromUs ? 0 : extraUs
      stream.timeline.times.setAhead(alignment.aheadUs)
    }
    this.#aheadMaxUs = Math.max(0, ...[...this.#alignments.values()].map(({ aheadUs }) => aheadUs))
  }

  #alignmentOf({ plan }: AlignedStream): Alignment {
    let alignment = this.#alignments.get(plan.streamId)
    if (alignment === undefined) {
      alignment = { aheadUs: 0, refusals: 0, isRefused: false, basis: 'arrival' }
      this.#alignments.set(plan.streamId, alignment)
    }
    return alignment
  }
}

function shareClock(one: AlignedStream, other: AlignedStream): boolean {
  if (Math.abs(packetUsOf(one) - packetUsOf(other)) > PACKET_TOLERANCE_US) return false
  if (one.rtcp.cname !== undefined && other.rtcp.cname !== undefined) return one.rtcp.cname === other.rtcp.cname
  const { active } = one.sources
  return active !== undefined && active.address === other.sources.active?.address
}

/** All are known now, and each has reported since the reports of the last of them agree: a clock that was set is set for all. */
function areComparable(group: readonly AlignedStream[], nowUs: number): boolean {
  const startUs = Math.max(...group.map(({ rtcp }) => rtcp.senderClock?.runStartUs ?? Infinity))
  return group.every(({ rtcp: { senderClock } }) => {
    return senderClock !== undefined && senderClock.isKnown(nowUs) && senderClock.lastReportUs >= startUs
  })
}

function packetUsOf({ rtcp: { reception } }: AlignedStream): number {
  return reception === undefined ? Infinity : (reception.packetUnits * 1_000_000) / reception.clockRate
}
