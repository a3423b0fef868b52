import { DtmfDetector, type DtmfTone } from '../media/dtmf-detector.ts'
import { EventTracker, PRESSES_REMEMBERED, type EventPress } from '../media/event-tracker.ts'
import type { StreamTimeline } from '../media/stream-timeline.ts'
import type { RtpPacket } from '../protocol/rtp/packet.ts'
import { parseTelephoneEvents, type DtmfDigit } from '../protocol/rtp/telephone-event.ts'
import type { DtmfCounts, DtmfPolicy } from './recording-types.ts'

/** Silenced before and after a tone that was heard, besides it. */
export const TONE_GUARD_MS = 25
/** Likewise of a telephone-event: a gateway hears some of the tone before it takes it out of the audio. */
export const EVENT_GUARD_MS = 60
/** An event and a tone of the same key this near to each other are one press of it. */
export const SAME_PRESS_MS = 150
/** Presses that wait to be taken, or to be recognised as the same; the oldest goes first. */
export const WAITING_PRESSES_MAX = 256

/** A key that was pressed, on the timeline of its stream. */
export interface KeyPress {
  readonly digit: DtmfDigit
  readonly fromSample: number
  readonly toSample: number
  readonly via: keyof DtmfCounts
}

interface Noted {
  readonly digit: DtmfDigit
  via: keyof DtmfCounts
  /** Extended RTP time. */
  from: number
  to: number
  isOver: boolean
  /** {@link DtmfWatch} has told of it, or it is not to be told. */
  isTold: boolean
  /** Position minus extended RTP time, once it is known for good. */
  mapping: number | undefined
}

/**
 * Watches one media stream for keys of a telephone, told by telephone-events or heard as tones, and does with them what the
 * policy says: counts them, lets them be taken with their places, or masks them on the timeline. A key that is both told and heard is one.
 *
 * Nothing of it leaves this object but by {@link takePresses}, and by that only under the policy `store`; and by `pressed`, whatever the policy, where
 * somebody listens for an answer.
 */
export class DtmfWatch {
  readonly #policy: DtmfPolicy
  readonly #timeline: StreamTimeline
  readonly #pressed: ((press: KeyPress) => void) | undefined
  #sampleRate: number
  readonly #detector: DtmfDetector
  #tracker: EventTracker | undefined
  #eventClockRate = 0
  readonly #counts = { event: 0, tone: 0 }
  readonly #noted: Noted[] = []
  /** By their objects: the tracker gives the same one for the same press. Undefined: not to be known of. */
  readonly #events = new Map<EventPress, Noted | undefined>()
  #tone: Noted | undefined

  /** @param options.pressed is told of each press once, soon after its end; of none in a pause */
  constructor(options: {
    readonly policy: DtmfPolicy
    readonly timeline: StreamTimeline
    readonly pressed?: ((press: KeyPress) => void) | undefined
  }) {
    const { policy, timeline } = options
    this.#policy = policy
    this.#timeline = timeline
    this.#pressed = options.pressed
    this.#sampleRate = timeline.sampleRate
    this.#detector = new DtmfDetector({ sampleRate: timeline.sampleRate, heard: (tone) => this.#handleTone(tone) })
  }

  get policy(): DtmfPolicy {
    return this.#policy
  }

  get counts(): DtmfCounts {
    return this.#counts
  }

  /** A telephone-event packet of the active source came, in whatever order. RFC 4733 */
  handleEvent(packet: RtpPacket, clockRate: number, arrivalUs: number): void {
    const events = parseTelephoneEvents(packet.payload)
    if (!events.ok) return
    if (clockRate !== this.#eventClockRate) {
      this.#tracker?.restart()
      this.#tracker = new EventTracker(clockRate, (press) => this.#handlePress(press))
      this.#eventClockRate = clockRate
    }
    this.#tracker?.handle(packet, events.value, arrivalUs)
  }

  /** Audio in sequence, as it was written to the timeline. @param at extended RTP time of its first sample */
  hear(samples: Int16Array, at: number): void {
    this.#detector.write(samples, at)
  }

  /** Before the timeline is read: ends what is over by now (everything, with `Infinity`), and masks what has found its place. */
  update(nowUs: number): void {
    this.#tracker?.expire(nowUs)
    if (nowUs === Infinity) this.#detector.end()
    for (const [press, noted] of this.#events) {
      if (noted !== undefined && !this.#isRead(noted)) this.#place(press, noted)
    }
    this.#settle(this.#timeline.times.mapping ?? (nowUs === Infinity ? 0 : undefined))
    this.#tell()
    if (this.#policy === 'store') return
    while (this.#noted[0] !== undefined && this.#isRead(this.#noted[0])) this.#noted.shift()
  }

  /** The timeline has `factor` times as many samples a second from now on. */
  rescale(factor: number): void {
    this.#sampleRate *= factor
    this.#detector.rescale(factor)
    const known = new Set([...this.#noted, ...this.#events.values(), this.#tone])
    for (const noted of known) {
      if (noted === undefined) continue
      noted.from *= factor
      noted.to *= factor
      if (noted.mapping !== undefined) noted.mapping *= factor
    }
  }

  /** The next packet comes from another source. */
  restart(): void {
    this.#tracker?.restart()
    this.#detector.end()
    this.#settle(this.#timeline.times.mapping ?? 0)
    this.#events.clear()
  }

  /**
   * Presses that were over when the timeline was read up to here, each once. What was pressed in a pause is not among them.
   *
   * @param isLast nothing more will be read: all that is left, cut to what was read
   */
  takePresses(isLast = false): KeyPress[] {
    this.#tell(isLast)
    if (this.#policy !== 'store' || this.#noted.length === 0) return []
    const { readPosition, gaps } = this.#timeline
    const taken = this.#noted.filter(
      ({ isOver, to, mapping = Infinity }) => isLast || (isOver && to + mapping <= readPosition),
    )
    for (const noted of taken) this.#noted.splice(this.#noted.indexOf(noted), 1)
    return taken.flatMap(({ digit, via, from, to, mapping = 0 }) => {
      const toSample = Math.min(Math.max(0, to + mapping), readPosition)
      const fromSample = Math.min(Math.max(0, from + mapping), toSample)
      return liesInPause(gaps, fromSample, toSample) ? [] : [{ digit, via, fromSample, toSample }]
    })
  }

  /** Tells of what is over, has found its place and been read, so that it is known what lies in a pause; at the end, of all that is left. */
  #tell(isLast = false): void {
    if (this.#pressed === undefined) return
    const { readPosition, gaps } = this.#timeline
    for (const noted of this.#noted) {
      const { digit, via, from, to, mapping, isTold, isOver } = noted
      const isRead = isOver && mapping !== undefined && to + mapping <= readPosition
      if (isTold || (!isRead && !isLast)) continue
      noted.isTold = true
      const toSample = Math.min(Math.max(0, to + (mapping ?? 0)), readPosition)
      const press = { digit, via, fromSample: Math.min(Math.max(0, from + (mapping ?? 0)), toSample), toSample }
      if (!liesInPause(gaps, press.fromSample, press.toSample)) this.#pressed(press)
    }
  }

  #handlePress(press: EventPress): void {
    if (!this.#events.has(press)) {
      // Its beginning lies in a pause: nothing of what was pressed then is known afterwards.
      const isPaused = this.#timeline.isPausedAt(press.fromUs)
      this.#events.set(press, isPaused ? undefined : this.#note('event', press.digit, this.#spanOf(press)))
      const [oldest] = this.#events.keys()
      if (this.#events.size > 2 * PRESSES_REMEMBERED && oldest !== undefined) this.#events.delete(oldest)
    }
    const noted = this.#events.get(press)
    if (noted === undefined) return
    noted.isOver = press.isOver
    this.#place(press, noted)
  }

  /** Says where a press stands as far as it is known by now, and masks it there. */
  #place(press: EventPress, noted: Noted): void {
    const { from, to } = this.#spanOf(press)
    noted.from = from
    noted.to = to
    const guard = this.#inSamples(EVENT_GUARD_MS)
    if (this.#policy === 'mask') this.#timeline.masks.add(from - guard, to + guard)
  }

  #handleTone(tone: DtmfTone): void {
    const noted = (this.#tone ??= this.#note('tone', tone.digit, tone))
    if (noted.via === 'tone') {
      noted.to = tone.to
      noted.isOver = tone.isOver
    }
    if (tone.isOver) this.#tone = undefined
    if (this.#policy !== 'mask') return
    const guard = this.#inSamples(TONE_GUARD_MS)
    this.#timeline.masks.add(tone.from - guard, tone.to + guard)
  }

  /** A press that is new, or the one that it is another sign of. */
  #note(via: keyof DtmfCounts, digit: DtmfDigit, span: { readonly from: number; readonly to: number }): Noted {
    const near = this.#inSamples(SAME_PRESS_MS)
    const same = this.#noted.find(
      (noted) =>
        noted.via !== via && noted.digit === digit && noted.from <= span.to + near && span.from <= noted.to + near,
    )
    if (same !== undefined) {
      // What was told is surer than what was heard.
      same.via = 'event'
      return same
    }
    const noted: Noted = { digit, via, from: span.from, to: span.to, isOver: false, isTold: false, mapping: undefined }
    this.#noted.push(noted)
    if (this.#noted.length > WAITING_PRESSES_MAX) this.#noted.shift()
    this.#counts[via] += 1
    return noted
  }

  /** What is over keeps the place that it has, whatever becomes of the clock. */
  #settle(mapping: number | undefined): void {
    for (const noted of this.#noted) if (noted.isOver) noted.mapping ??= mapping
  }

  /** All of it has been read, and nothing else will be taken for the same press. */
  #isRead({ to, isOver, mapping }: Noted): boolean {
    return (
      isOver && mapping !== undefined && to + mapping + this.#inSamples(SAME_PRESS_MS) < this.#timeline.readPosition
    )
  }

  /** Where a press stands in extended RTP time. */
  #spanOf(press: EventPress): { readonly from: number; readonly to: number } {
    const length = (press.duration * this.#sampleRate) / this.#eventClockRate
    const timestamp = this.#timeline.times.ofTimestamp(press.timestamp)
    const isOneClock = this.#eventClockRate === this.#timeline.times.clockRate && timestamp !== undefined
    // A clock of its own says nothing about the audio; then the fastest of its packets does.
    const from = isOneClock ? timestamp : this.#timeline.times.ofInstant(press.fromUs)
    return { from, to: from + length }
  }

  #inSamples(ms: number): number {
    return (ms * this.#sampleRate) / 1_000
  }
}

function liesInPause(gaps: StreamTimeline['gaps'], fromSample: number, toSample: number): boolean {
  return gaps.some(
    ({ cause, fromSample: from, toSample: to }) =>
      (cause === 'paused' || cause === 'held') && from < toSample && fromSample < to,
  )
}
