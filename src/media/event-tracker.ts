import { digitOf, type DtmfDigit, type TelephoneEvent } from '../protocol/rtp/telephone-event.ts'

/** A press of which nothing was heard for this long is over: its end was lost, ten times in a row. RFC 4733 2.5.2.2 */
export const EVENT_TIMEOUT_US = 500_000
/** Presses remembered to recognise their further packets, the repeated ends among them. RFC 4733 2.5.1.4 */
export const PRESSES_REMEMBERED = 8
/** Without a marker, packets this close behind a press that has not ended are more of it: some senders move the timestamp along. */
const FOLLOW_MS = 30
/** Likewise when its duration was near the end of its 16 bits: the next segment. RFC 4733 2.5.1.3 */
const SEGMENT_FOLLOW_MS = 250
const SEGMENT_DURATION_MIN = 0xe000

/** One press of a key, as its telephone-event packets have told so far. */
export interface EventPress {
  readonly digit: DtmfDigit
  /** RTP timestamp of its beginning, 32 bits. */
  readonly timestamp: number
  /** Units of the event's clock, all segments together. */
  readonly duration: number
  /** When its first packet came, less what had passed of it by then: monotonic microseconds. */
  readonly fromUs: number
  /** Its end was told, or it has not been heard of for {@link EVENT_TIMEOUT_US}, or another one began. */
  readonly isOver: boolean
}

interface TrackedPress extends EventPress {
  duration: number
  fromUs: number
  isOver: boolean
  lastArrivalUs: number
}

/**
 * Makes one press of a key of however many telephone-event packets told of it, or were lost. Takes them in order of arrival.
 *
 * A press is known by its timestamp (RFC 4733 2.5.1.2). Understood besides: a lost marker, a lost end, the end sent three times, more than 0xffff
 * units in segments, several events in one packet, and senders that move the timestamp along with the duration.
 *
 * `changed` is called with each change of a press: when it begins, lasts longer, is over. The object is the same one for the same press.
 */
export class EventTracker {
  readonly #clockRate: number
  readonly #changed: (press: EventPress) => void
  /** Newest last. */
  #presses: TrackedPress[] = []

  constructor(clockRate: number, changed: (press: EventPress) => void) {
    this.#clockRate = clockRate
    this.#changed = changed
  }

  /** @param arrivalUs monotonic microseconds */
  handle(
    packet: { readonly timestamp: number; readonly marker: boolean },
    events: readonly TelephoneEvent[],
    arrivalUs: number,
  ): void {
    this.expire(arrivalUs)
    for (const event of events) {
      const digit = digitOf(event.code)
      if (digit === undefined) continue
      const report = {
        digit,
        timestamp: (packet.timestamp + event.offset) >>> 0,
        duration: event.duration,
        // What is packed before another event has ended, whether its bit says so or not.
        isEnd: event.isEnd || event !== events.at(-1),
        marker: packet.marker,
      }
      const press = this.#presses.findLast((known) => this.#isOf(known, report))
      if (press === undefined) this.#begin(report, arrivalUs)
      else this.#prolong(press, report, arrivalUs)
    }
  }

  /** Ends what has not been heard of for long; everything, with `Infinity`. */
  expire(nowUs: number): void {
    for (const press of this.#presses) {
      if (!press.isOver && nowUs - press.lastArrivalUs >= EVENT_TIMEOUT_US) this.#end(press)
    }
  }

  /** The next packet comes from another source: its timestamps say nothing about those before. */
  restart(): void {
    this.expire(Infinity)
    this.#presses = []
  }

  #isOf(press: TrackedPress, report: Report): boolean {
    if (press.digit !== report.digit) return false
    const since = (report.timestamp - press.timestamp) | 0
    if (since === 0) return true
    if (since < 0 || report.marker) return false
    if (since <= press.duration) return true
    const followMs = (press.duration & 0xffff) >= SEGMENT_DURATION_MIN ? SEGMENT_FOLLOW_MS : FOLLOW_MS
    return !press.isOver && since - press.duration <= (followMs * this.#clockRate) / 1_000
  }

  #begin(report: Report, arrivalUs: number): void {
    // Only one key is pressed at a time: what began before this one is over, although its end was not heard.
    for (const press of this.#presses) {
      if (!press.isOver && ((report.timestamp - press.timestamp) | 0) > 0) this.#end(press)
    }
    const { digit, timestamp, duration, isEnd } = report
    const press: TrackedPress = {
      ...{ digit, timestamp, duration },
      fromUs: arrivalUs - (duration * 1_000_000) / this.#clockRate,
      isOver: isEnd,
      lastArrivalUs: arrivalUs,
    }
    this.#presses.push(press)
    const forgotten = this.#presses.length > PRESSES_REMEMBERED ? this.#presses.shift() : undefined
    if (forgotten?.isOver === false) this.#end(forgotten)
    this.#changed(press)
  }

  #prolong(press: TrackedPress, report: Report, arrivalUs: number): void {
    const duration = Math.max(press.duration, ((report.timestamp - press.timestamp) | 0) + report.duration)
    const isOver = press.isOver || report.isEnd
    const isChanged = duration !== press.duration || isOver !== press.isOver
    press.duration = duration
    press.isOver = isOver
    press.lastArrivalUs = arrivalUs
    // The fastest of its packets tells best when it began.
    press.fromUs = Math.min(press.fromUs, arrivalUs - (duration * 1_000_000) / this.#clockRate)
    if (isChanged) this.#changed(press)
  }

  #end(press: TrackedPress): void {
    press.isOver = true
    this.#changed(press)
  }
}

interface Report {
  readonly digit: DtmfDigit
  readonly timestamp: number
  readonly duration: number
  readonly isEnd: boolean
  readonly marker: boolean
}
