import { GapCauses, type GapFound } from './gap-causes.ts'
import { GapList, type Gap, type GapCause } from './gap-list.ts'
import { LossFiller } from './loss-filler.ts'
import { MaskList } from './mask-list.ts'
import { PacketIntake } from './packet-intake.ts'
import { PacketPlacer } from './packet-placer.ts'
import { PacketQueue, QUEUE_SECONDS_MAX, type QueuedPacket, type UndecodedFound } from './packet-queue.ts'
import { READ_TURNS, ReadBuffer } from './read-buffer.ts'
import { RtpClock } from './rtp-clock.ts'
import { isSilent } from './silence.ts'
import { Silencer } from './silencer.ts'
import { splice } from './splice.ts'
import { StreamTimes } from './stream-times.ts'
import type { TimelineLedger } from './timeline-ledger.ts'
import { upsampled } from './upsample.ts'

export type { Gap, GapCause } from './gap-list.ts'

/** What is to be known of a packet besides its samples. */
export interface PacketMark {
  /**
   * Its time is a gap of this cause, and silent; undefined: its samples are audio. `lost`: they were made up of what other packets know of a
   * missing one, so they are heard as long as no pause or mask touches them, and counted as concealed.
   */
  readonly cause: Extract<GapCause, 'undecoded' | 'silence' | 'lost'> | undefined
  /** `onUndecoded` is to hear of its place. */
  readonly isKept: boolean
  /** Samples before it of which it holds anything: a copy, or what its encoder looks ahead. */
  readonly reachesBack: number
}

/**
 * Places one media stream on the recording timeline: decoded packets in sequence go in, an unbroken row of samples comes out,
 * and every sample that is not audio belongs to a gap with a cause. Positions are samples at the stream's clock rate since
 * the recording's origin.
 *
 * 1. Inside a run of the RTP clock, position = timestamp + mapping. Packets are never placed by their arrival.
 * 2. The mapping is that of the packet with the least transit (arrival minus the timestamp of the packet's end, since it
 *    leaves when its last sample was spoken), over all packets known when the first of the run is due to be read. So jitter
 *    and packet times move nothing, and two streams that met the same network agree.
 * 3. A packet more than RESYNC_THRESHOLD_MS away from where its clock puts it begins a new run, unless packets after it are
 *    within the threshold again: then it was only delayed. An unbroken clock whose packets come up to QUEUE_GONE_MAX_MS
 *    sooner than before does not begin one either: a queue on the way has gone, and rule 5 takes care.
 * 4. A timestamp that falls back by less than the threshold while the sequence goes on is a clock set back: the audio
 *    follows without a gap.
 * 5. Drift: when the least transit over the last 16 s leaves the mapping by more than DRIFT_TOLERANCE_MS, the mapping follows: in
 *    a silence before a packet; else by up to CORRECTION_MAX_MS in a packet that is quiet; else, beyond
 *    FORCED_DRIFT_MS, by 1 ms inside the audio, cross-faded, at most ten times a second.
 * 6. Time never runs backwards. Audio whose time has been read is dropped as late (its gap is `lost`), audio whose time
 *    is taken is dropped as overlap; but a run that begins up to SHIFT_MAX_MS too early is moved back instead, and rule 5 brings it home.
 *    So does one of another codec, with no packet missing before it, that begins up to SHIFT_MAX_MS too late.
 * 7. A gap is `lost` for exactly the missing packets' time, or for the whole jump of the timestamp when that is
 *    between the shortest and the longest the packets can have been. The rest is `held` where the SDP said so, else `silence` if
 *    the RTP clock counted it, else `noMedia`. Until the next packet is placed, the present gap is counted as `held` or
 *    `noMedia`. A pause takes its own time out of all this: what lies in it is `paused` to the sample, packets or not. Audio in a
 *    mask is `masked`. A packet of `writeUndecoded` is a gap of cause `undecoded`; one that a pause or a mask touches is that as a whole. So is
 *    made-up audio, a gap of cause `lost`.
 *
 * Limits: QUEUE_SECONDS_MAX of audio and QUEUE_PACKETS_MAX packets between `write` and `read` (then `overflowSamples`),
 * GAPS_MAX gaps by name (then `unlistedGapSamples`). Reads should stay behind now by more than the reorder window.
 */
export class StreamTimeline {
  #clockRate: number
  readonly #clock: RtpClock
  readonly #queue: PacketQueue
  readonly #intake: PacketIntake
  readonly #gaps = new GapList()
  readonly #addGap: GapFound = (from, to, cause) => this.#gaps.add(from, to, cause)
  readonly #causes: GapCauses
  /** What lies in it, in extended RTP time, is read as silence: a gap of cause `masked`. What has been read cannot be taken back. */
  readonly masks = new MaskList()
  readonly times: StreamTimes
  readonly #silencer: Silencer
  #originUs: number | undefined
  #readPosition = 0
  /** End of the last audio read. */
  #readEnd = 0
  readonly #placer: PacketPlacer
  readonly #output: ReadBuffer
  readonly #filler: LossFiller | undefined
  #spliced: Int16Array = new Int16Array(0)
  readonly #onUndecoded: UndecodedFound
  readonly #counts = {
    audioSamples: 0,
    concealedSamples: 0,
    silentSamples: 0,
  }

  /**
   * @param options.clockRate samples per second, and of the RTP clock as long as {@link setWrittenClock} says nothing else
   * @param options.conceals short losses are filled with a signal made up from what stands beside them; they stay gaps. Default: silence
   * @param options.onUndecoded hears of each packet that is kept once, in their order, when its time is read
   * @param options.before the timeline of another rate in whose place this one stands; it must not have seen a packet
   */
  constructor(options: {
    readonly clockRate: number
    readonly conceals?: boolean
    readonly onUndecoded?: UndecodedFound
    readonly before?: StreamTimeline
  }) {
    const { clockRate, before } = options
    this.#clockRate = clockRate
    this.#onUndecoded = options.onUndecoded ?? (() => {})
    this.#clock = new RtpClock(clockRate, clockRate * QUEUE_SECONDS_MAX)
    this.#queue = new PacketQueue(clockRate)
    this.#intake = new PacketIntake({ queue: this.#queue, masks: this.masks, sampleRate: clockRate })
    this.#placer = new PacketPlacer({ queue: this.#queue, clock: this.#clock, sampleRate: clockRate })
    this.#causes = new GapCauses(clockRate, before === undefined ? undefined : before.#causes)
    const times = { intake: this.#intake, clock: this.#clock, causes: this.#causes, placer: this.#placer }
    this.times = new StreamTimes(times)
    this.#silencer = new Silencer({ causes: this.#causes, clock: this.#clock, masks: this.masks, gaps: this.#gaps })
    this.#output = new ReadBuffer(options.conceals === true ? READ_TURNS : 1)
    if (options.conceals === true) {
      const parts = { causes: this.#causes, silencer: this.#silencer, masks: this.masks }
      this.#filler = new LossFiller({ ...parts, sampleRate: clockRate, queue: this.#queue, read: this.#output })
    }
    if (before === undefined) return
    if (before.#originUs !== undefined) this.setOrigin(before.#originUs)
    this.#readPosition = Math.round((before.#readPosition * clockRate) / before.#clockRate)
  }

  /** Samples per second of everything here; see {@link rescale}. */
  get sampleRate(): number {
    return this.#clockRate
  }

  /**
   * Everything here has `factor` times as many samples a second from now on, to the sample: positions, gaps, counts, and the audio that waits to be
   * read. Samples that `read` gave before are not touched.
   *
   * @param factor a whole number: with any other, places would have to be rounded
   */
  rescale(factor: number): void {
    // Interpolated, the samples beside a pause would tell of those in it.
    const isStepped = this.#causes.hasPause
    const upsample = (samples: Int16Array): Int16Array => upsampled(samples, factor, isStepped)
    this.#clockRate *= factor
    this.#queue.rescale(this.#clockRate, factor, upsample)
    this.#spliced = upsample(this.#spliced)
    this.#output.rescale(upsample)
    this.#filler?.rescale(factor, upsample)
    const { masks } = this
    for (const part of [this.#clock, this.#intake, this.#placer, this.#gaps, this.#causes, masks]) part.rescale(factor)
    this.#readPosition *= factor
    this.#readEnd *= factor
    this.#counts.audioSamples *= factor
    this.#counts.concealedSamples *= factor
    this.#counts.silentSamples *= factor
  }

  /** Rate of the RTP clock of the packets observed from now on. */
  setObservedClock(clockRate: number): void {
    this.#clock.changeClock(this.#clockRate / clockRate)
  }

  /** The same of the packets written from now on. It changes with the codec, not with the source: RFC 7160. */
  setWrittenClock(clockRate: number): void {
    this.#intake.setClock(clockRate)
  }

  /** Each sample of what is written from now on holds something of so many before it: of a filter, or of a codec. Nothing of a pause gets out by that. */
  setWrittenSpread(samples: number): void {
    this.#intake.spread = Math.ceil(samples)
  }

  /** Notes the arrival of every accepted audio packet at once, in any order: it feeds the least transit. */
  observe(timestamp: number, arrivalUs: number): void {
    this.#clock.observe(timestamp, arrivalUs)
  }

  /** Fixes position 0, once, in monotonic microseconds. Until then nothing can be read. */
  setOrigin(originUs: number): void {
    if (this.#originUs !== undefined) return
    this.#originUs = originUs
    this.#clock.setOrigin(originUs)
    this.#causes.setOrigin(originUs)
    this.#place(Number.NEGATIVE_INFINITY)
  }

  /** When this stream's first sample was, by the least transit observed so far; undefined before any packet. */
  get firstSampleUs(): number | undefined {
    return this.#clock.firstSampleUs(this.#queue.at(0)?.length ?? 0)
  }

  /** The next packet comes from another source (SSRC change) or a restarted one: do not expect its clock to go on. */
  restart(): void {
    this.#clock.restart()
    this.#intake.restart()
  }

  /**
   * Adds the samples of the next packet in sequence; they are copied.
   *
   * @param timestamp RTP timestamp, 32 bits @param arrivalUs monotonic microseconds @param lostBefore packets missing directly before
   * @returns where it begins in extended RTP time; undefined for nothing
   */
  write(samples: Int16Array, timestamp: number, arrivalUs: number, lostBefore: number): number | undefined {
    const entry = this.#intake.push(samples, timestamp, arrivalUs, lostBefore)
    if (entry !== undefined) this.#place(Number.NEGATIVE_INFINITY)
    return entry?.timestamp
  }

  /**
   * Like `write` for a packet that is kept and not decoded, with as much silence as it lasts: its time is a gap of cause `undecoded`. False
   * when the queue was full, and `onUndecoded` will not hear of it.
   */
  writeUndecoded(silence: Int16Array, timestamp: number, arrivalUs: number, lostBefore: number): boolean {
    const mark = { cause: 'undecoded', isKept: true, reachesBack: this.#intake.spread } as const
    return this.writeMarked(silence, { timestamp, arrivalUs, lostBefore }, mark) !== undefined
  }

  /** Like `write` for a packet that is more than audio, or none: see {@link PacketMark}. */
  writeMarked(
    samples: Int16Array,
    packet: { readonly timestamp: number; readonly arrivalUs: number; readonly lostBefore: number },
    mark: PacketMark,
  ): number | undefined {
    const entry = this.#intake.push(samples, packet.timestamp, packet.arrivalUs, packet.lostBefore)
    if (entry === undefined) return undefined
    entry.gapCause = mark.cause
    entry.isKept = mark.isKept
    entry.reachesBack = mark.reachesBack
    this.#place(Number.NEGATIVE_INFINITY)
    return entry.timestamp
  }

  /** False while so much waits to be read that more would soon be dropped: leave packets in the reorder buffer. */
  get hasRoom(): boolean {
    return !this.#queue.isNearlyFull
  }

  /** A packet without audio came after missing ones, whose time is lost in the gap that follows; the rest is `silence` if it said so (RFC 3389). */
  noteLost(packets: number, silenceBegins = false): void {
    this.#intake.noteLost(packets, silenceBegins)
  }

  /**
   * The SDP changed direction: gaps from `atUs` on are `held`, or no longer.
   *
   * @param isObeyed what is spoken from then on, and comes all the same, is `held` too, as in a pause
   */
  setHeld(held: boolean, atUs: number, isObeyed = false): void {
    this.#causes.setHeld(held, atUs, isObeyed)
  }

  /**
   * The recording is paused or goes on: what was spoken in between is never read, whenever it arrives and whether it has been written
   * already. Only what has been read by now cannot be taken back.
   */
  setPaused(paused: boolean, atUs: number): void {
    this.#causes.setPaused(paused, atUs)
  }

  /** True when all of the packet observed last was spoken during a pause, as far as can be told before it is placed. */
  get isLastPaused(): boolean {
    if (!this.#causes.hasPause) return false
    const { fromUs, toUs } = this.#clock.lastSpoken
    return this.#causes.isPaused(fromUs, toUs)
  }

  /** True when the recording is, or was, paused at this time. */
  isPausedAt(us: number): boolean {
    return this.#causes.isPaused(us, us)
  }

  /**
   * Takes the samples [readPosition, toSample), with silence where there is none. Empty before the origin is set.
   *
   * The array is reused: it is valid until the next `read` of this timeline. What is silenced in it is not used for concealment either.
   */
  read(toSample: number): Int16Array {
    const length = this.#originUs === undefined ? 0 : Math.max(0, toSample - this.#readPosition)
    const output = this.#output.next(length)
    const audioBefore = this.#counts.audioSamples
    this.#advance(toSample, output)
    const audio = this.#counts.audioSamples - audioBefore
    if (audio > 0 && isSilent(output)) this.#counts.silentSamples += audio
    return output
  }

  /** Like `read` without making the samples: for a stream that joins a recording which has been running for long. */
  skip(toSample: number): void {
    this.#advance(toSample, undefined)
  }

  get readPosition(): number {
    return this.#readPosition
  }

  /** End of the last audio written, as far as its place is known by now; 0 before the origin is set. */
  get writePosition(): number {
    return this.#originUs === undefined ? 0 : this.#placer.endOfAll(this.#readPosition)
  }

  /** All gaps up to the read position, in order; the last may still change its cause. */
  get gaps(): readonly Gap[] {
    const gaps = [...this.#gaps.gaps]
    this.#openGap((fromSample, toSample, cause) => {
      const last = gaps.at(-1)
      const goesOn = last?.toSample === fromSample && last.cause === cause
      if (goesOn) gaps[gaps.length - 1] = { ...last, toSample }
      else gaps.push({ fromSample, toSample, cause })
    })
    return gaps
  }

  get ledger(): TimelineLedger {
    const gapSamples = { ...this.#gaps.samples }
    this.#openGap((fromSample, toSample, cause) => {
      gapSamples[cause] += toSample - fromSample
    })
    const pendingSamples = this.#queue.pendingSamples(this.#placer.placed)
    const counts = { ...this.#counts, ...this.#intake.counts, ...this.#placer.counts }
    return { ...counts, gapSamples, unlistedGapSamples: this.#gaps.unlistedSamples, pendingSamples }
  }

  #place(limit: number): void {
    if (this.#originUs !== undefined) this.#placer.place(limit, this.#readPosition)
  }

  #advance(toSample: number, output: Int16Array | undefined): void {
    if (this.#originUs === undefined || toSample <= this.#readPosition) return
    const from = this.#readPosition
    this.#place(toSample)
    while (this.#placer.placed > 0) {
      const entry = this.#queue.at(0)
      if (entry === undefined) break
      if (output !== undefined) this.#conceal(entry, output)
      if (entry.outLength > 0 && entry.position >= toSample) break
      if (entry.outLength > 0) this.#take(entry, from, toSample, output)
      else this.#tellPlace(entry)
      if (entry.readOffset < entry.outLength) break
      this.masks.forgetBefore(entry.timestamp - this.#clockRate, entry.epoch)
      this.#placer.shift()
    }
    this.#readPosition = toSample
    this.#causes.forgetBefore(this.#readEnd)
  }

  #conceal(entry: QueuedPacket, output: Int16Array): void {
    if (this.#filler === undefined || entry.gapLost === 0) return
    const read = { readPosition: this.#readPosition, gapFrom: this.#readEnd, output }
    this.#counts.concealedSamples += this.#filler.fill(entry, read)
  }

  #take(entry: QueuedPacket, from: number, toSample: number, output: Int16Array | undefined): void {
    if (entry.readOffset === 0) {
      if (entry.position > this.#readEnd) {
        const known = { lost: entry.gapLost, silence: entry.gapSilence }
        this.#causes.describe({ from: this.#readEnd, to: entry.position }, known, this.#addGap)
      }
      if (entry.correction !== 0) this.#splice(entry)
      this.#tellPlace(entry)
    }
    const start = entry.position + entry.readOffset
    const count = Math.min(entry.outLength - entry.readOffset, toSample - start)
    if (output !== undefined) {
      if (entry.correction === 0) this.#queue.copy(entry, entry.skip + entry.readOffset, output, start - from)
      else output.set(this.#spliced.subarray(entry.readOffset, entry.readOffset + count), start - from)
    }
    entry.readOffset += count
    this.#readEnd = start + count
    if (entry.gapCause !== undefined) {
      this.#gaps.add(start, start + count, entry.gapCause)
      if (entry.gapCause === 'lost') this.#counts.concealedSamples += count
      else output?.fill(0, start - from, start - from + count)
    } else {
      const silencer = this.#silencer.isIdle ? undefined : this.#silencer
      const silenced = silencer?.silence(entry, start, start + count, output?.subarray(start - from)) ?? 0
      this.#counts.audioSamples += count - silenced
    }
  }

  /** Of a packet that is kept; nothing is kept of one that a pause or a mask touches, and no made-up audio of it is heard. */
  #tellPlace(entry: QueuedPacket): void {
    if (entry.gapCause === undefined && !entry.isKept) return
    const { position, outLength, skip } = entry
    const cause = this.#silencer.causeWithin(entry)
    if (entry.gapCause !== undefined) entry.gapCause = cause ?? entry.gapCause
    if (!entry.isKept) return
    this.#onUndecoded(position - skip, position, position + (cause === undefined ? Math.max(0, outLength) : 0))
  }

  #splice(entry: QueuedPacket): void {
    const samples = new Int16Array(entry.length)
    this.#queue.copy(entry, 0, samples, 0)
    this.#spliced = new Int16Array(entry.outLength)
    splice(samples, entry.correction, this.#spliced)
  }

  /** The part of the present gap that has been read. */
  #openGap(found: GapFound): void {
    const { placed, gapLost, gapSilence } = this.#placer
    const head = placed > 0 ? this.#queue.at(0) : undefined
    const silence = this.#intake.isSilent && placed === this.#queue.length ? Infinity : gapSilence
    const known = { lost: head?.gapLost ?? gapLost, silence: head?.gapSilence ?? silence }
    this.#causes.describe({ from: this.#readEnd, to: this.#readPosition }, known, found)
  }
}
