import type { ReleasedPacket } from '../media/reorder-buffer.ts'
import { StreamTimeline } from '../media/stream-timeline.ts'
import { InterarrivalJitter } from '../protocol/rtp/jitter.ts'
import type { RtpPacket } from '../protocol/rtp/packet.ts'
import type { PayloadFormat } from '../protocol/rtp/payload-format.ts'
import { DtmfWatch } from './dtmf-watch.ts'
import { G722Clock } from './g722-clock.ts'
import { KeptStream } from './kept-stream.ts'
import { isOpus, OpusStream } from './opus-stream.ts'
import type { ReceiverSettings } from './receiver-settings.ts'
import { StreamDecoder, type LiveFormat } from './stream-decoder.ts'

/**
 * The audio of one media stream from the packet to the timeline: decodes packets in sequence, or keeps them as they came, watches them for keys, and
 * measures their clock. Which packets are taken at all is the receiver's business.
 */
export class StreamAudio {
  #timeline: StreamTimeline
  readonly #decoder: StreamDecoder
  #kept: KeptStream
  #opus: OpusStream
  #dtmf: DtmfWatch
  readonly #g722 = new G722Clock()
  readonly #options: ReceiverSettings
  /** Rate of the RTP clock of the packets that came last; from then on the sample rate only rises. */
  #clockRate: number | undefined
  /** Of packets that wait for their place in the sequence and will not be decoded: all their bytes. */
  readonly #keptBytes = new WeakMap<RtpPacket, Uint8Array>()
  #jitter: InterarrivalJitter | undefined
  #packetsKept = 0
  #packetsComfortNoise = 0

  /** @param sampleRate samples per second on the timeline */
  constructor(sampleRate: number, options: ReceiverSettings) {
    this.#options = options
    this.#timeline = this.#createTimeline(sampleRate)
    this.#decoder = new StreamDecoder(sampleRate)
    this.#kept = this.#createKept()
    this.#opus = this.#createOpus()
    this.#dtmf = this.#createDtmf()
  }

  get timeline(): StreamTimeline {
    return this.#timeline
  }

  get dtmf(): DtmfWatch {
    return this.#dtmf
  }

  /** True from the first audio packet on: the sample rate only rises. */
  get hasBegun(): boolean {
    return this.#clockRate !== undefined
  }

  get packetsKept(): number {
    return this.#packetsKept + this.#opus.packetsUndecoded
  }

  get packetsComfortNoise(): number {
    return this.#packetsComfortNoise
  }

  /** RFC 3550 A.8 */
  get jitterSeconds(): number {
    return this.#jitter?.seconds ?? 0
  }

  /** The timeline goes on at another rate. Once it has begun this is a multiple of the one before: see `raisedRate`. */
  changeRate(sampleRate: number): void {
    if (sampleRate === this.#timeline.sampleRate) return
    this.#decoder.changeRate(sampleRate)
    this.#opus.free()
    if (this.hasBegun) {
      const factor = sampleRate / this.#timeline.sampleRate
      this.#kept.rescale(factor)
      this.#timeline.rescale(factor)
      this.#dtmf.rescale(factor)
      this.#packetsKept += this.#opus.packetsUndecoded
      this.#opus = this.#createOpus()
      return
    }
    this.#timeline = this.#createTimeline(sampleRate, this.#timeline)
    this.#kept = this.#createKept()
    this.#opus = this.#createOpus()
    this.#dtmf = this.#createDtmf()
  }

  /** What comes from now on is of another source. */
  restart(): void {
    this.#jitter = undefined
    this.#kept.flush()
    this.#opus.interrupt()
    this.#dtmf.restart()
    this.timeline.restart()
  }

  get lacksOpusDecoder(): boolean {
    return this.#opus.lacksDecoder
  }

  get hasOpusDecoder(): boolean {
    return this.#opus.hasDecoder
  }

  /** What a packet of this format is to be taken as: Opus that there is no decoder for is kept, and G.722 has the clock that it was seen to have. */
  treated(format: PayloadFormat | undefined): PayloadFormat | undefined {
    if (format?.kind === 'audio' && format.codec === 'G722') return this.#g722.treated(format)
    return format === undefined || !isOpus(format) ? format : this.#opus.treated(format)
  }

  /** The whole packet, of a format that is kept; copied. To be called before {@link write}. */
  keepBytes(packet: RtpPacket, bytes: Uint8Array, format: PayloadFormat): void {
    if (format.kind === 'kept' || isOpus(format)) this.#keptBytes.set(packet, bytes.slice())
  }

  /** An audio packet was accepted: what its arrival says of its clock. */
  observe(packet: RtpPacket, format: PayloadFormat, arrivalUs: number): void {
    if (format.kind === 'audio' && format.codec === 'G722') this.#g722.note(packet, format)
    const isKept = format.kind === 'kept'
    const clockRate = isKept ? this.timeline.sampleRate : format.clockRate
    const timestamp = isKept ? this.#kept.timestampOf(packet, format.clockRate) : packet.timestamp
    // RFC 7160: jitter and transit are those of one clock.
    if (clockRate !== this.#clockRate || this.#jitter === undefined) this.#jitter = new InterarrivalJitter(clockRate)
    this.#clockRate = clockRate
    this.timeline.setObservedClock(clockRate)
    this.timeline.observe(timestamp, arrivalUs)
    this.#jitter.update(timestamp, arrivalUs)
  }

  /** The next packet in sequence. @param format undefined for one that is not to be recorded */
  write(next: ReleasedPacket, format: PayloadFormat | undefined): void {
    const bytes = this.#keptBytes.get(next.packet)
    if (format?.kind === 'kept' && bytes !== undefined) {
      this.#packetsKept += 1
      this.#kept.take(next, bytes, format)
      return
    }
    this.#kept.flush()
    if (format !== undefined && bytes !== undefined && isOpus(format)) {
      this.#opus.write(next, bytes, format)
      return
    }
    this.#opus.interrupt()
    const samples = format?.kind === 'audio' ? this.#decode(next.packet, format) : undefined
    if (samples !== undefined) {
      const at = this.timeline.write(samples, next.packet.timestamp, next.arrivalUs, next.lostBefore)
      if (at !== undefined) this.#dtmf.hear(samples, at)
    } else {
      if (format?.kind === 'comfortNoise') this.#packetsComfortNoise += 1
      this.timeline.noteLost(next.lostBefore, format?.kind === 'comfortNoise')
    }
  }

  /** To be called whenever time has passed: see `KeptStream`. */
  flushDue(nowUs: number): void {
    this.#kept.flushDue(nowUs)
  }

  #decode({ payload, timestamp }: RtpPacket, format: LiveFormat): Int16Array {
    this.timeline.setWrittenClock(format.clockRate)
    const samples = this.#decoder.decode(format, payload, timestamp)
    this.timeline.setWrittenSpread(this.#decoder.spreadSamples)
    return samples
  }

  #createTimeline(sampleRate: number, before?: StreamTimeline): StreamTimeline {
    return new StreamTimeline({
      clockRate: sampleRate,
      conceals: this.#options.conceals === true,
      onUndecoded: (startSample, fromSample, toSample) => this.#kept.handlePlace(startSample, fromSample, toSample),
      ...(before === undefined ? {} : { before }),
    })
  }

  #createKept(): KeptStream {
    const { timeline } = this
    return new KeptStream({ timeline, clockRate: timeline.sampleRate, onPlaced: this.#options.onKept ?? (() => {}) })
  }

  #createDtmf(): DtmfWatch {
    const { dtmf = 'discard', onKey } = this.#options
    return new DtmfWatch({ policy: dtmf, timeline: this.#timeline, pressed: onKey })
  }

  #createOpus(): OpusStream {
    const { takeDecoder, keepsOpus = false, conceals = false, dtmf } = this.#options
    const [timeline, kept] = [this.timeline, this.#kept]
    const hear = (samples: Int16Array, at: number): void => this.#dtmf.hear(samples, at)
    return new OpusStream({
      timeline,
      kept,
      hear,
      takeDecoder,
      isKept: keepsOpus,
      conceals,
      masksKeys: dtmf === 'mask',
    })
  }
}
