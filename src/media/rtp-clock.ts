import type { PacketQueue, QueuedPacket } from './packet-queue.ts'
import { ArrivalTransit, nearestWrap, TransitWindow } from './transit.ts'

/** A packet this far from where its RTP timestamp puts it means that the RTP clock was restarted or stood still. */
export const RESYNC_THRESHOLD_MS = 250
/** A queue on the way that has gone was no longer: what comes sooner than that has an RTP clock that leapt, or runs ahead of time. */
export const QUEUE_GONE_MAX_MS = 2_000
/** Up to this much, audio is moved back rather than cut when a newly anchored stream begins a little too early. */
export const SHIFT_MAX_MS = 20
/** Drift and anchor errors below this are left alone; two streams are then at most twice this apart. */
export const DRIFT_TOLERANCE_MS = 5
/** What has begun to be corrected is corrected down to this. */
const DRIFT_LEFT_MS = 1

/** The relation of a stream's RTP clock to the timeline, after some packet. */
export interface ClockState {
  /** Position minus extended timestamp, samples; undefined before the first packet is placed. */
  mapping: number | undefined
  /** Extended timestamp that follows the last packet without a pause. */
  nextTimestamp: number
  /** Samples in the last packet. */
  lastLength: number
}

/**
 * Relates one stream's RTP clock to the recording timeline: decides where packets belong and how far the clocks have drifted.
 * The rules are in the docstring of `StreamTimeline`.
 */
export class RtpClock {
  readonly state: ClockState = { mapping: undefined, nextTimestamp: 0, lastLength: 0 }
  #samplesPerUs: number
  #threshold: number
  #queueGoneMax: number
  #shiftMax: number
  #driftTolerance: number
  #driftLeft: number
  #isFollowing = false
  #queueSamples: number
  readonly #arrivals: ArrivalTransit
  readonly #window = new TransitWindow()
  #originSamples = 0
  #samplesPerTick = 1
  #ahead = 0

  constructor(clockRate: number, queueSamples: number) {
    this.#samplesPerUs = clockRate / 1_000_000
    this.#threshold = (clockRate * RESYNC_THRESHOLD_MS) / 1_000
    this.#queueGoneMax = (clockRate * QUEUE_GONE_MAX_MS) / 1_000
    this.#shiftMax = (clockRate * SHIFT_MAX_MS) / 1_000
    this.#driftTolerance = (clockRate * DRIFT_TOLERANCE_MS) / 1_000
    this.#driftLeft = (clockRate * DRIFT_LEFT_MS) / 1_000
    this.#queueSamples = queueSamples
    this.#arrivals = new ArrivalTransit(clockRate, this.#threshold)
  }

  /** @param packetSamples samples of the stream's packets, as far as known */
  firstSampleUs(packetSamples: number): number | undefined {
    const sentUs = this.#arrivals.firstSentUs
    return sentUs === undefined ? undefined : sentUs - packetSamples / this.#samplesPerUs
  }

  /**
   * What of the packet observed last must have been spoken in a pause for nothing of it to be recorded, by the least transit of now: monotonic microseconds. All of
   * it, as a place is to the sample. Where audio is moved ahead only its end, or its beginning would slip before the pause that cuts it. And only its
   * beginning where a queue is so long that it may come to stand as late as it came: behind the pause.
   */
  get lastSpoken(): { readonly fromUs: number; readonly toUs: number } {
    const { lastSentUs, lastArrivalUs } = this.#arrivals
    const lengthUs = this.state.lastLength / this.#samplesPerUs
    const fromUs = lastSentUs - lengthUs
    if ((lastArrivalUs - lastSentUs) * this.#samplesPerUs > this.#threshold) return { fromUs, toUs: fromUs }
    return { fromUs: this.isAhead ? lastSentUs : fromUs, toUs: lastSentUs }
  }

  setOrigin(originUs: number): void {
    this.#originSamples = originUs * this.#samplesPerUs
  }

  observe(timestamp: number, arrivalUs: number): void {
    this.#arrivals.note(timestamp, arrivalUs)
  }

  restart(): void {
    this.#arrivals.restart()
  }

  /** All packets are longer on their way than those of other streams, by so many microseconds: audio belongs so much earlier. */
  setAhead(us: number): void {
    this.#ahead = us * this.#samplesPerUs
  }

  /** Position minus extended RTP time by when packets come, wherever their audio stands; undefined before any was placed. */
  get arrivalMapping(): number | undefined {
    const { mapping } = this.state
    if (mapping === undefined) return undefined
    // Audio is moved ahead, and back, little by little. A window that has just begun knows less than the anchor did.
    return this.#window.mature ? this.#window.least : Math.min(this.#window.least, mapping + this.#ahead)
  }

  /** The audio stands, or is about to stand, earlier than its arrival says. */
  get isAhead(): boolean {
    return this.#ahead > 0
  }

  /** The next packet observed counts its time by another clock. */
  changeClock(samplesPerTick: number): void {
    this.#samplesPerTick = samplesPerTick
    this.#arrivals.changeClock(samplesPerTick)
  }

  /** Everything here, samples of the timeline, is `factor` times as many from now on; a whole number. */
  rescale(factor: number): void {
    this.#samplesPerUs *= factor
    this.#threshold *= factor
    this.#queueGoneMax *= factor
    this.#shiftMax *= factor
    this.#driftTolerance *= factor
    this.#driftLeft *= factor
    this.#queueSamples *= factor
    this.#originSamples *= factor
    this.#samplesPerTick *= factor
    this.#ahead *= factor
    this.#arrivals.rescale(factor)
    this.#window.rescale(factor)
    const { state } = this
    if (state.mapping !== undefined) state.mapping *= factor
    state.nextTimestamp *= factor
    state.lastLength *= factor
  }

  /**
   * The mapping by which packet `index` is to be placed after `state`. Undefined when that cannot be told yet: its clock has to
   * be anchored anew, and its audio is not due before `limit`, so that more packets may still show a lesser transit.
   */
  mappingFor(queue: PacketQueue, index: number, state: ClockState, limit: number): number | undefined {
    const entry = queue.at(index)
    if (entry === undefined) return undefined
    const known = this.#knownMapping(entry, state)
    if (known !== undefined) return known
    const isNew = state.mapping === undefined || entry.restarted
    const least = this.#leastTransit(queue, index, entry, isNew) - this.#ahead
    if (state.mapping !== undefined && entry.timestamp >= state.nextTimestamp) {
      // It only came late, as others behind it did less so; or a new source goes on with the same clock.
      const tolerance = entry.restarted ? this.#shiftMax : this.#threshold
      if (Math.abs(least - state.mapping) <= tolerance) return state.mapping
    }
    const mapping = Math.round(least)
    return entry.timestamp + mapping < limit ? mapping : undefined
  }

  /** Enters a placed packet. `mapping` differs from the state's when the clock was anchored anew. */
  advance(entry: QueuedPacket, mapping: number): void {
    if (mapping !== this.state.mapping) this.#window.clear()
    follow(this.state, entry, mapping)
    this.#window.note(this.#transit(entry), entry.arrivalUs)
    const error = Math.abs(this.#error)
    this.#isFollowing = error > (this.#isFollowing ? this.#driftLeft : this.#driftTolerance)
  }

  /** Samples by which audio belongs later (positive) or earlier than it is placed; 0 while that is small or unproved. */
  get drift(): number {
    const drift = this.#error
    if (!Number.isFinite(drift) || Math.abs(drift) <= (this.#isFollowing ? this.#driftLeft : this.#driftTolerance))
      return 0
    // Nothing arrives before it was sent, so one packet proves "earlier"; "later" takes seconds without a faster packet.
    return drift < 0 || this.#window.mature ? Math.round(drift) : 0
  }

  /**
   * By how many samples later than where it stands (earlier, when negative) a placed packet was spoken, by when it and those behind it came. Where
   * audio belongs this does not say, as it forgets what was known before; but an RTP clock that stood still or leapt shows in it at once.
   */
  displacement(entry: QueuedPacket): number {
    const transit = this.#transit(entry)
    const placed = entry.position - entry.skip - entry.timestamp
    const behind = this.#arrivals.leastBehind(entry.arrivalUs) - this.#originSamples - entry.length
    // Nothing arrives before it was spoken.
    if (!Number.isFinite(behind)) return Math.min(0, transit - placed)
    return Math.min(transit, nearestWrap(behind, transit, this.#samplesPerTick)) - placed
  }

  /**
   * By how many samples later than it was spoken audio may stand that is placed now, as far as packets that were less delayed have shown it, of late or before; at most
   * as much as a queue may be that has gone. 0 before there was any.
   */
  get lateness(): number {
    const { mapping, lastLength } = this.state
    const noted = this.#arrivals.least - this.#originSamples - lastLength
    if (mapping === undefined || noted === Infinity) return 0
    const seen = nearestWrap(noted, mapping, this.#samplesPerTick)
    const least = Math.min(this.#window.least, seen) - this.#ahead
    return Math.min(this.#queueGoneMax, Math.max(0, Math.round(mapping - least)))
  }

  /** By how much too early a newly anchored packet may be for its audio to be moved instead of cut. */
  get shiftMax(): number {
    return this.#shiftMax
  }

  get #error(): number {
    return this.#window.least - this.#ahead - (this.state.mapping ?? 0)
  }

  #knownMapping(entry: QueuedPacket, state: ClockState): number | undefined {
    if (state.mapping === undefined || entry.restarted) return undefined
    const jump = entry.timestamp - state.nextTimestamp
    const delay = this.#transit(entry) - this.#ahead - state.mapping
    if (jump >= 0 && Math.abs(delay) <= this.#threshold) return state.mapping
    // The sequence went on but the timestamp fell back a little: the clock was set back. The audio follows without a gap.
    if (jump < 0 && Math.abs(jump) <= this.#threshold && Math.abs(delay + jump) <= this.#threshold) {
      return state.mapping - jump
    }
    // An unbroken clock that now arrives sooner: a queue on the way has gone. Cutting here would cut speech.
    const isUnbroken = jump === entry.lostBefore * state.lastLength + entry.overflowBefore
    return isUnbroken && delay < 0 && -delay <= this.#queueGoneMax ? state.mapping : undefined
  }

  /**
   * Least transit of this packet, of those behind it on the same run of the clock, and of what has only been observed: of all since the clock is `isNew`, else
   * of what came behind. What came before says nothing of a way that has become longer, in however small steps.
   */
  #leastTransit(queue: PacketQueue, index: number, first: QueuedPacket, isNew: boolean): number {
    const transit = this.#transit(first)
    const { arrivalUs } = first
    const noted = isNew ? this.#arrivals.leastSince(arrivalUs) : this.#arrivals.leastBehind(arrivalUs)
    const observed = noted - this.#originSamples - first.length
    const nearest = observed === Infinity ? Infinity : nearestWrap(observed, transit, this.#samplesPerTick)
    let least = nearest < transit && transit - nearest < this.#queueSamples ? nearest : transit
    let previous = transit
    let nextTimestamp = first.timestamp + first.length
    for (let at = index + 1; at < queue.length; at++) {
      const entry = queue.at(at)
      if (entry === undefined || entry.restarted) break
      const jump = entry.timestamp - nextTimestamp
      const next = this.#transit(entry)
      if ((jump < 0 || jump > this.#threshold) && Math.abs(next - previous) > this.#threshold) break
      least = Math.min(least, next)
      previous = next
      nextTimestamp = entry.timestamp + entry.length
    }
    return least
  }

  /**
   * Arrival on the timeline minus RTP time of the packet's end, samples. The end, because a packet leaves when its last
   * sample has been spoken: so streams with short and with long packets agree.
   */
  #transit(entry: QueuedPacket): number {
    return entry.arrivalUs * this.#samplesPerUs - this.#originSamples - entry.timestamp - entry.length
  }
}

/** Moves `state` past a packet. */
export function follow(state: ClockState, entry: QueuedPacket, mapping: number): void {
  state.mapping = mapping
  state.nextTimestamp = entry.timestamp + entry.length
  state.lastLength = entry.length
}
