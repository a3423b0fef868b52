import type { ReleasedPacket } from '../media/reorder-buffer.ts'
import type { StreamTimeline } from '../media/stream-timeline.ts'
import { encodingNameOf, type PayloadFormat } from '../protocol/rtp/payload-format.ts'
import { parseRtp, serializeRtp, type RtpPacket } from '../protocol/rtp/packet.ts'
import type { SrtpRejectReason } from '../protocol/srtp/srtp-receiver.ts'
import { noDiscards } from './discard-counts.ts'
import type { DtmfWatch } from './dtmf-watch.ts'
import type { HeldPacket } from './packet-challengers.ts'
import { PacketSources, type PacketOrigin } from './packet-sources.ts'
import type { ReceiverSettings } from './receiver-settings.ts'
import { StreamAudio } from './stream-audio.ts'
import { SsrcBuffers } from './ssrc-buffers.ts'
import { SsrcCandidates, SSRC_SILENCE_US } from './ssrc-candidates.ts'
import type { MediaStreamPlan, StreamCounters } from './recording-types.ts'
import { unwrapRedundant } from './redundant-packets.ts'
import { StreamProtection } from './stream-protection.ts'
import { LOWEST_RATE, preferredRate, raisedRate, rateOf } from './stream-rates.ts'
import { StreamRtcp } from './stream-rtcp.ts'

/** Names of codecs in the manifest; a stream that changes more often is not described by more of them. */
export const CODECS_MAX = 32
/** Some seconds of them in a hold are no stragglers: the SRC means something else than its SDP says. */
export const SENT_WHILE_HELD_PACKETS = 100

/**
 * Receives the RTP of one media stream: unprotects, parses, counts, reorders, decodes, and puts the audio on its timeline.
 *
 * One SSRC is active at a time. Another takes over after `SSRC_PROBATION_PACKETS` packets when the active one has been
 * silent for `SSRC_SILENCE_US`; what it sent meanwhile is kept, so that a restarted SRC costs nothing. Two that send at once do not: the second is
 * discarded, counted, and {@link hasSecondSource} says so. One that has said goodbye need not have been silent (RFC 3550 6.6).
 */
export class StreamReceiver {
  readonly #audio: StreamAudio
  readonly #options: ReceiverSettings
  #plan: MediaStreamPlan
  /** Of the plan before: its packets are still on their way when a new offer is answered (RFC 3264 8.3.2). */
  #formerPayloadTypes: MediaStreamPlan['payloadTypes'] = new Map()
  #wasAwaited: boolean
  #isRefused = false
  readonly #buffers = new SsrcBuffers()
  readonly #candidates = new SsrcCandidates()
  #packetsReceived = 0
  readonly #protection: StreamProtection
  readonly sources: PacketSources
  readonly rtcp: StreamRtcp
  readonly #protectionsSeen = new Set<string>()
  readonly #discarded = noDiscards()
  /** The audio that came last is not decoded. */
  isKeptNow = false
  #firstArrivalUs: number | undefined
  #lastArrivalUs: number | undefined
  /** The whole recording is paused, whatever the plan says. */
  #isRecordingPaused = false
  /** Packets that wait for their place in the sequence only: they are never decoded. */
  readonly #pausedPackets = new WeakSet<RtpPacket>()
  readonly #codecsSeen = new Set<string>()
  #isUndecodedTold = false
  /** Packets since the SDP said that nothing would be sent. */
  #discardedHeld = 0
  /** Samples per second of the best audio that has come. */
  #arrivedRate = LOWEST_RATE
  /** What of it the rate of the timeline answers for: see {@link acceptWider}. */
  #acceptedRate = LOWEST_RATE

  constructor(plan: MediaStreamPlan, nowUs: number, options: ReceiverSettings = {}) {
    this.#options = options
    this.#plan = plan
    this.#audio = new StreamAudio(options.commonRate?.() ?? preferredRate(plan), options)
    this.#protection = new StreamProtection(plan.keys)
    this.sources = new PacketSources(plan, options.reception)
    this.rtcp = new StreamRtcp(plan, this.sources, this.#protection, options.identity)
    this.#wasAwaited = !plan.held && !plan.paused
    this.timeline.setHeld(plan.held, nowUs)
    this.timeline.setPaused(plan.paused, nowUs)
  }

  /** True once, when Opus has come that there is no decoder for. */
  takeOpusUndecoded(): boolean {
    if (this.#isUndecodedTold || !this.#audio.lacksOpusDecoder) return false
    this.#isUndecodedTold = true
    return true
  }

  /** True once for each hold in which packets came for as long as {@link SENT_WHILE_HELD_PACKETS}, and were discarded. */
  takeSentWhileHeld(): boolean {
    if (this.#discardedHeld < SENT_WHILE_HELD_PACKETS) return false
    this.#discardedHeld = Number.NEGATIVE_INFINITY
    return true
  }

  get hasOpusDecoder(): boolean {
    return this.#audio.hasOpusDecoder
  }

  get dtmf(): DtmfWatch {
    return this.#audio.dtmf
  }

  get timeline(): StreamTimeline {
    return this.#audio.timeline
  }

  /** Samples per second of this stream on its timeline, if this were its plan: it only rises, whatever arrives meanwhile. */
  rateFor(plan: MediaStreamPlan): number {
    const wanted = this.#options.commonRate?.() ?? Math.max(preferredRate(plan), this.#acceptedRate)
    return raisedRate(this.timeline.sampleRate, wanted)
  }

  /** Audio has come that has more in it than the timeline holds: see {@link acceptWider}. */
  get isWider(): boolean {
    return this.#arrivedRate > this.#acceptedRate && this.#arrivedRate > this.timeline.sampleRate
  }

  /** What has come by now counts for {@link rateFor}; not before, so that what was made for it beforehand fits. */
  acceptWider(): void {
    this.#acceptedRate = this.#arrivedRate
  }

  get acceptedRate(): number {
    return this.#acceptedRate
  }

  get plan(): MediaStreamPlan {
    return this.#plan
  }

  /** Monotonic microseconds at which the first packet came, whatever its place in the sequence. */
  get firstArrivalUs(): number | undefined {
    return this.#firstArrivalUs
  }

  get lastArrivalUs(): number | undefined {
    return this.#lastArrivalUs
  }

  /** False while every offer so far said that nothing would be sent. */
  get wasAwaited(): boolean {
    return this.#wasAwaited
  }

  /** True while nothing of this stream is recorded, on request. */
  get isPaused(): boolean {
    return this.#plan.paused || this.#isRecordingPaused
  }

  /** The codecs that actually came, for the manifest. */
  get codecs(): readonly string[] {
    return [...this.#codecsSeen]
  }

  /** How the packets were protected that came, in the words of SDP, or `none`; for the manifest. RFC 4568 6.2, 6.3 */
  get protection(): readonly string[] {
    return [...this.#protectionsSeen]
  }

  get counters(): StreamCounters {
    const [{ stray }, ssrc, source] = [this.#buffers, this.#candidates.dropped, this.sources.dropped]
    return {
      packetsReceived: this.#packetsReceived,
      packetsKept: this.#audio.packetsKept,
      packetsLost: this.#buffers.lost,
      packetsExpected: this.#buffers.expected,
      packetsComfortNoise: this.#audio.packetsComfortNoise,
      packetsLate: this.#discarded.late,
      packetsDuplicate: this.#discarded.duplicate,
      packetsDiscarded: { ...this.#discarded, sequence: this.#discarded.sequence + stray, ssrc, source },
      srtpFailures: this.#protection.failures,
      jitterSeconds: this.#audio.jitterSeconds,
      dtmf: this.dtmf.counts,
    }
  }

  /** A new offer changed payload types, direction or keys. */
  replan(plan: MediaStreamPlan, nowUs: number): void {
    this.#protection.replan(plan.keys, nowUs)
    this.sources.replan(plan.transport?.address, plan.held, nowUs)
    this.rtcp.replan(plan)
    // RFC 7866 7.1.1.2: so an SRC discontinues recording. What was never wanted before, or what we asked for ourselves, is no such wish.
    if (plan.held !== this.#plan.held) this.timeline.setHeld(plan.held, nowUs, plan.isAnswer !== true)
    if (!plan.held) this.#discardedHeld = 0
    this.#wasAwaited ||= !plan.held && !plan.paused
    this.#formerPayloadTypes = this.#plan.payloadTypes
    this.#plan = plan
    this.timeline.setPaused(this.isPaused, nowUs)
    this.changeRate()
    this.#isRefused = false
  }

  /** Goes over to what {@link rateFor} says by now. */
  changeRate(): void {
    this.#audio.changeRate(this.rateFor(this.#plan))
  }

  /** The whole recording is paused, or goes on; a pause that the SDP asked for stays what it is. */
  pause(isPaused: boolean, atUs: number): void {
    this.#isRecordingPaused = isPaused
    this.timeline.setPaused(this.isPaused, atUs)
  }

  /** The offer has only formats that are not recorded: nothing is awaited until the next one. True when that is new. */
  refuse(nowUs: number): boolean {
    if (this.#isRefused) return false
    this.#isRefused = true
    if (!this.#plan.held) this.timeline.setHeld(true, nowUs)
    this.#plan = { ...this.#plan, held: true }
    return true
  }

  /** The memory of `datagram` is the caller's, and used again when this returns: what is kept of it is copied. Without `origin` that is not asked. */
  handleDatagram(datagram: Uint8Array, arrivalUs: number, origin?: PacketOrigin): void {
    if (this.sources.isExcluded(origin, arrivalUs)) return
    const opened = this.#protection.open(datagram, arrivalUs)
    if (!opened.ok) {
      if (opened.reason === 'rtcp') this.rtcp.handleDatagram(datagram, arrivalUs, origin)
      else this.#discardProtected(opened.reason)
      return
    }
    const parsed = parseRtp(opened.value)
    if (!parsed.ok) {
      // RTCP on the RTP port is legitimate (RFC 5761) and not a discarded packet.
      if (parsed.reason === 'rtcp') this.rtcp.handleDatagram(datagram, arrivalUs, origin)
      else this.#discarded.notRtp += 1
      return
    }
    if (this.#plan.redundant?.has(parsed.value.payloadType) === true) {
      this.#handleRedundant(parsed.value, arrivalUs, origin)
    } else {
      this.#handlePacket(parsed.value, opened.value, { arrivalUs, origin })
    }
  }

  /** The primary is the packet; what else is in it stands for those before, if they are lost. RFC 2198 */
  #handleRedundant(packet: RtpPacket, arrivalUs: number, origin: PacketOrigin | undefined): void {
    const unwrapped = unwrapRedundant(packet)
    if (unwrapped === undefined) {
      this.#discarded.payloadType += 1
      return
    }
    const receivedBefore = this.#packetsReceived
    this.#handlePacket(unwrapped.primary, serializeRtp(unwrapped.primary), { arrivalUs, origin })
    // Not of what was dropped, or said in a pause; and by when a copy came nothing is told.
    if (this.#packetsReceived > receivedBefore) for (const copy of unwrapped.copies) this.#acceptCopy(copy, arrivalUs)
  }

  #acceptCopy(copy: RtpPacket, arrivalUs: number): void {
    const format = this.#audio.treated(this.#formatOf(copy))
    if (this.#buffers.ssrc !== copy.ssrc || (format?.kind !== 'audio' && format?.kind !== 'kept')) return
    this.#audio.keepBytes(copy, serializeRtp(copy), format)
    if (this.#buffers.active.push(copy, arrivalUs, format.clockRate) === 'queued') this.#packetsReceived += 1
  }

  #handlePacket(
    packet: RtpPacket,
    bytes: Uint8Array,
    { arrivalUs, origin }: { readonly arrivalUs: number; readonly origin: PacketOrigin | undefined },
  ): void {
    const format = this.#audio.treated(this.#formatOf(packet))
    if (format === undefined) {
      this.#discarded.payloadType += 1
      return
    }
    this.#audio.keepBytes(packet, bytes, format)
    this.#protectionsSeen.add(this.#protection.lastOpened)
    if (this.#protection.isAuthentic) this.sources.noteAuthentic(packet, origin, arrivalUs)
    else {
      const verdict = this.sources.admit(packet, origin, arrivalUs)
      if (verdict === 'moved') this.#acceptHeld(this.sources.takeHeld())
      if (verdict !== 'taken') return
    }
    if (this.#admitSsrc(packet, format, arrivalUs)) this.#accept(packet, format, arrivalUs)
  }

  /** At the end: takes what waits to be believed, when nothing else ever came; an SSRC that waits still is given up. */
  takeRest(): void {
    this.#acceptHeld(this.sources.takeRest())
    this.#candidates.giveUp()
  }

  /** Instead, after a failure inside: what waits is counted, and never decoded. */
  countRest(): void {
    this.#candidates.giveUp()
    this.#buffers.countRest()
  }

  #acceptHeld(held: readonly HeldPacket[]): void {
    for (const { packet, arrivalUs } of held) {
      const format = this.#audio.treated(this.#formatOf(packet))
      if (format !== undefined && this.#admitSsrc(packet, format, arrivalUs)) this.#accept(packet, format, arrivalUs)
    }
  }

  /** True once, when packets come and nothing of them is authentic: audio is being lost. */
  takeSrtpFailing(atEnd = false): boolean {
    return this.#protection.takeFailing(atEnd)
  }

  /** True once two sources were seen sending at the same time; only one is recorded. */
  get hasSecondSource(): boolean {
    return this.#candidates.hasSecondSource
  }

  /**
   * Decodes what is in sequence by now, and with `Infinity` everything there is. False when the timeline had no room for
   * all of it: read from it, then drain again.
   */
  drain(nowUs: number): boolean {
    for (;;) {
      if (!this.timeline.hasRoom) return this.#buffers.active.length === 0
      const next = this.#buffers.active.pop(nowUs)
      if (next === undefined) {
        this.#audio.flushDue(nowUs)
        return true
      }
      this.#write(next)
    }
  }

  /** The replay window sees duplicates and stragglers before the reorder buffer does; they count as what they are. */
  #discardProtected(reason: SrtpRejectReason): void {
    if (reason === 'replay') this.#discarded.duplicate += 1
    else if (reason === 'old') this.#discarded.late += 1
    else this.#discarded.srtp += 1
  }

  #admitSsrc(packet: RtpPacket, { clockRate }: PayloadFormat, arrivalUs: number): boolean {
    if (this.#buffers.ssrc === undefined) this.#begin(packet.ssrc, clockRate, arrivalUs)
    if (this.#buffers.ssrc === packet.ssrc) return true
    if (this.#buffers.isCopy(packet, arrivalUs)) {
      this.#discarded.duplicate += 1
      return false
    }
    const isSilent = this.rtcp.hasLeft || arrivalUs - (this.#lastArrivalUs ?? arrivalUs) >= SSRC_SILENCE_US
    const outcome = this.#candidates.note(packet, arrivalUs, isSilent)
    if (outcome === 'takesOver') this.#switchSource(packet.ssrc, clockRate, arrivalUs)
    if (outcome === 'duplicate') this.#discarded.duplicate += 1
    return false
  }

  #begin(ssrc: number, clockRate: number, arrivalUs: number): void {
    this.#buffers.begin(ssrc, arrivalUs)
    this.rtcp.begin(ssrc, clockRate)
  }

  #switchSource(ssrc: number, clockRate: number, arrivalUs: number): void {
    // Nobody can be asked to read now: what finds no room is counted as overflow.
    while (!this.drain(Infinity)) {
      const next = this.#buffers.active.pop(Infinity)
      if (next !== undefined) this.#write(next)
    }
    this.#begin(ssrc, clockRate, arrivalUs)
    this.#audio.restart()
    this.#acceptHeld(this.#candidates.take(ssrc))
  }

  #write(next: ReleasedPacket): void {
    this.rtcp.reception?.noteReleased(next.lostBefore)
    const format = this.#pausedPackets.has(next.packet) ? undefined : this.#audio.treated(this.#formatOf(next.packet))
    this.#audio.write(next, format)
  }

  #accept(packet: RtpPacket, format: PayloadFormat, arrivalUs: number): void {
    const queuedBefore = this.#buffers.active.length
    const outcome = this.#buffers.active.push(packet, arrivalUs, format.clockRate)
    // None for a packet whose number jumped, and two for the one that confirms the jump.
    const taken = this.#buffers.active.length - queuedBefore
    this.rtcp.noteArrival(packet, outcome, arrivalUs)
    if (outcome === 'duplicate' || outcome === 'late' || outcome === 'overflow') {
      this.#discarded[outcome] += 1
      return
    }
    this.#firstArrivalUs ??= arrivalUs
    this.#lastArrivalUs = arrivalUs
    this.#noteCodec(format)
    // Telephone-events repeat one timestamp for the whole tone (RFC 4733 2.2.2), comfort noise leaves before its time has passed (RFC 3389 4): they would spoil both estimates.
    const isTimed = format.kind === 'audio' || format.kind === 'kept'
    if (isTimed) {
      if (format.kind === 'audio' && format.sampleRate > this.#arrivedRate) this.#arrivedRate = rateOf(format)
      this.#audio.observe(packet, format, arrivalUs)
      this.rtcp.noteTiming(packet, format.clockRate, arrivalUs)
    }
    // By when it was spoken: what comes late over a pause does not slip out of it. The timeline does the edges, to the sample.
    const isPaused = isTimed ? this.timeline.isLastPaused : this.timeline.isPausedAt(arrivalUs)
    if (isPaused) this.#pausedPackets.add(packet)
    if (format.kind === 'event' && !isPaused) this.dtmf.handleEvent(packet, format.clockRate, arrivalUs)
    if (isPaused) this.#discarded.paused += taken
    if (isPaused && this.#plan.held && !this.isPaused) this.#discardedHeld += taken
    if (!isPaused) this.#packetsReceived += taken
  }

  #noteCodec(format: PayloadFormat): void {
    const name = encodingNameOf(format)
    if (name === undefined) return
    this.isKeptNow = format.kind === 'kept'
    if (this.#codecsSeen.size < CODECS_MAX) this.#codecsSeen.add(name)
  }

  #formatOf({ payloadType }: RtpPacket): PayloadFormat | undefined {
    return this.#plan.payloadTypes.get(payloadType) ?? this.#formerPayloadTypes.get(payloadType)
  }
}
