import type { HeldEntry } from '../evidence/held-entry.ts'
import type { ChunkEntry, DtmfEntry, KeptEntry, PeaksEntry } from '../evidence/manifest.ts'
import { FRAME_SAMPLES, OggLink, serialNumberOf } from './audio-writer.ts'
import { ChunkWriter, sealWholeFrames } from './chunk-writer.ts'
import { DtmfKeeper } from './dtmf-keeper.ts'
import type { FrameCounts } from './gated-encoder.ts'
import type { Incident } from './incident-notes.ts'
import { KeptRtpWriter } from './kept-rtp-writer.ts'
import type { KeptPacket } from './kept-run.ts'
import type { LiveListeners } from './live-listeners.ts'
import type { LiveMonitor, Sealing } from './live-monitor.ts'
import type { TakeOpusEncoder } from './opus-encoder.ts'
import { POSITIONS_PER_SECOND, type ReceiverSet } from './receiver-set.ts'
import type { RecordingClock } from './recording-clock.ts'
import type { RecordingFacts } from './recording-types.ts'
import type { StreamReceiver } from './stream-receiver.ts'
import { wholePosition } from './stream-rates.ts'

/** A BYE this soon after the last sample is the normal end of the audio, not a gap; below `HORIZON_US`. */
export const TRAILING_TOLERANCE_US = 450_000

/** Hears the frames of all streams, in their order, from a 48 kHz position on, before they are encoded. */
export interface FrameHearer {
  addFrame(streams: readonly StreamReceiver[], frames: readonly Int16Array[], position: number): void
}

/**
 * Writes the audio of all streams of one recording as far as it is told to: reads them in step, encodes whole frames into Ogg links, and seals chunks, with
 * what is kept beside them. Clear audio exists only in here and in the timelines.
 */
export class RecordingWriter {
  readonly #facts: Pick<RecordingFacts, 'layout' | 'chunkUs' | 'firstChunkUs' | 'silenceGateDbov'>
  readonly #receivers: ReceiverSet
  readonly #hearers: readonly FrameHearer[]
  readonly #monitor: Pick<LiveMonitor, 'sealPeaks' | 'sealHeldPeaks'>
  readonly #clock: RecordingClock
  readonly #sealing: Sealing
  readonly #takeEncoder: TakeOpusEncoder
  readonly #chunks: ChunkWriter
  readonly #kept: KeptRtpWriter
  readonly #dtmf: DtmfKeeper
  readonly #hasSpool: boolean
  #chunkUs: number
  #link: OggLink | undefined
  #chunkStartSample = 0
  /** Frames of every channel, and how many of them were silence that cost no encoding. */
  readonly frameCounts: FrameCounts = { encoded: 0, gated: 0 }

  constructor(options: {
    readonly facts: Pick<RecordingFacts, 'layout' | 'chunkUs' | 'firstChunkUs' | 'silenceGateDbov'>
    readonly clock: RecordingClock
    readonly receivers: ReceiverSet
    readonly hearers: readonly FrameHearer[]
    readonly monitor: Pick<LiveMonitor, 'sealPeaks' | 'sealHeldPeaks'>
    readonly listeners: LiveListeners
    readonly sealing: Sealing
    readonly takeEncoder: TakeOpusEncoder
  }) {
    const { clock, listeners, sealing } = options
    this.#facts = options.facts
    this.#receivers = options.receivers
    this.#hearers = options.hearers
    this.#clock = clock
    this.#monitor = options.monitor
    this.#sealing = sealing
    this.#hasSpool = sealing.sink.handleFrame !== undefined
    this.#chunkUs = options.facts.chunkUs
    this.#takeEncoder = options.takeEncoder
    this.#chunks = new ChunkWriter(sealing, (pages) => listeners.take(pages))
    this.#kept = new KeptRtpWriter(sealing, () => clock.originUnixMs)
    this.#dtmf = new DtmfKeeper(sealing)
  }

  /** What was sealed, for the manifest. */
  get entries(): {
    readonly chunks: readonly ChunkEntry[]
    readonly kept: readonly KeptEntry[]
    readonly dtmf: readonly DtmfEntry[]
    readonly held?: HeldEntry
  } {
    const { entries: chunks } = this.#chunks
    const { held } = this.#sealing
    const sealed = { chunks, kept: this.#kept.entries, dtmf: this.#dtmf.entries }
    return held === undefined ? sealed : { ...sealed, held: held.entry(chunks) }
  }

  /** From now on chunks are at most so long; never longer than configured. */
  limitChunks(chunkUs: number): void {
    this.#chunkUs = Math.min(this.#facts.chunkUs, chunkUs)
  }

  /** Takes a packet of a codec that is not decoded live, in the order of its stream's timeline. */
  keep(packet: KeptPacket): void {
    this.#kept.append(packet)
  }

  /** Writes whole frames up to a 48 kHz position; true when there was one to write. */
  commit(toSample: number): boolean {
    const from = this.#receivers.readPosition
    if (this.isCutAhead) this.placeRelease()
    while (this.#receivers.readPosition + FRAME_SAMPLES <= toSample) this.#writeFrame(FRAME_SAMPLES)
    if (this.#hasSpool) this.#sealFrames()
    return this.#receivers.readPosition > from
  }

  /** Nobody has said yet from when on audio need not be held. */
  get isHolding(): boolean {
    return this.#sealing.held !== undefined && this.#sealing.held.releasedUs === undefined
  }

  /** A link has begun, with its encoders. */
  get hasLink(): boolean {
    return this.#link !== undefined
  }

  /** The frame with which the recording's own key begins is still to be written: it opens a link. */
  get isCutAhead(): boolean {
    const { held } = this.#sealing
    return held?.releasedUs !== undefined && this.#receivers.readPosition <= held.endSample
  }

  /** What is said from `atUs` on is under the recording's own key; the first time counts. */
  release(atUs: number): void {
    const { held } = this.#sealing
    if (held === undefined) return
    held.releasedUs ??= atUs
    this.placeRelease()
  }

  /**
   * Finds the place of the release, as soon as the timeline has an origin, and looks again until it is reached: what was said before may stand later than it was
   * said, and that packets were delayed is known when others come sooner. The frame at which that begins opens a new link, whose encoders know nothing of
   * what was before.
   */
  placeRelease(): void {
    const { held } = this.#sealing
    if (held?.releasedUs === undefined || this.#clock.originUs === undefined) return
    const taken = Math.max(this.#receivers.readPosition, this.#kept.endSample)
    held.release(this.#clock.samplesSinceOrigin(held.releasedUs) + this.#receivers.lateness, taken)
  }

  /** At the end. Those of the held time first, if the cut has not come to it: they must not get into the others. */
  sealPeaks(): PeaksEntry | undefined {
    const { held } = this.#sealing
    if (held?.peaks === undefined && held?.endSample !== 0) this.#monitor.sealHeldPeaks(this.#sealing)
    return this.#monitor.sealPeaks(this.#sealing)
  }

  /** Writes what is left and ends the link. @param elapsedSamples of the recording session at its end, 48 kHz */
  writeRest(elapsedSamples: number): void {
    const { audioEnd } = this.#receivers
    const tolerance = (TRAILING_TOLERANCE_US * POSITIONS_PER_SECOND) / 1_000_000
    const end = wholePosition(elapsedSamples - audioEnd > tolerance ? elapsedSamples : audioEnd)
    for (let left = end - this.#receivers.readPosition; left > 0; left = end - this.#receivers.readPosition) {
      this.#writeFrame(Math.min(left, FRAME_SAMPLES))
    }
    this.endLink()
  }

  /** Nothing more will be read: seals the last keys. The incident to note, when there were more than are kept. */
  endKeys(): Incident | undefined {
    return this.#dtmf.end(this.#receivers.all)
  }

  /** Ends the present link, and the chunk with it; the next frame begins another. */
  endLink(): void {
    if (this.#link === undefined) return
    this.#chunks.append(this.#link.end())
    this.#sealChunk(this.#link.endSample)
    this.#link = undefined
  }

  /** After a failure: brings the frames that were encoded to the sink, if that still works. */
  sealWholeFrames(): void {
    if (this.#link !== undefined) sealWholeFrames(this.#link, this.#chunks)
    this.#link = undefined
    try {
      this.#kept.seal()
    } catch {
      // As there: it is the last that can be tried.
    }
  }

  /** Gives encoders back without writing anything more. */
  free(): void {
    this.#link?.free()
    this.#link = undefined
  }

  #writeFrame(validSamples: number): void {
    const position = this.#receivers.readPosition
    if (position === this.#sealing.held?.endSample) this.#endHeld()
    const link = this.#openLink()
    const read = this.#receivers.read(position + validSamples)
    for (const hearer of this.#hearers) hearer.addFrame(this.#receivers.all, read, position)
    const page = link.write(read, validSamples)
    if (page !== undefined) this.#chunks.append(page)
    const { firstChunkUs = Infinity } = this.#facts
    const chunkUs = this.#chunks.entries.length > 0 ? this.#chunkUs : Math.min(this.#chunkUs, firstChunkUs)
    const chunkSamples = (chunkUs * POSITIONS_PER_SECOND) / 1_000_000
    if (link.playableSample - this.#chunkStartSample < chunkSamples - FRAME_SAMPLES && !this.#chunks.isFull) return
    // The end of a link belongs to its last chunk: behind it everything is of the other key.
    if (link.playableSample === this.#sealing.held?.endSample) return
    const rest = link.flushPage()
    if (rest !== undefined) this.#chunks.append(rest)
    this.#sealChunk(link.playableSample)
  }

  /** The last held frame is written. */
  #endHeld(): void {
    this.endLink()
    this.#monitor.sealHeldPeaks(this.#sealing)
  }

  /** What is new goes to the spool: whole pages, and packets that are kept. */
  #sealFrames(): void {
    const page = this.#link?.flushPage()
    if (page !== undefined) this.#chunks.append(page)
    if (this.#link !== undefined) this.#chunks.sealFrame(this.#link.playableSample)
    this.#kept.sealFrames()
  }

  #sealChunk(toSample: number): void {
    this.#chunks.seal(toSample)
    this.#kept.seal()
    this.#dtmf.seal(this.#receivers.all)
    this.#chunkStartSample = toSample
  }

  #openLink(): OggLink {
    if (this.#link !== undefined) return this.#link
    this.#link = new OggLink({
      layout: this.#facts.layout,
      labels: this.#receivers.all.map((receiver) => receiver.plan.streamLabel),
      rates: this.#receivers.rates,
      serialNumber: serialNumberOf(this.#sealing.randomBytes(4)),
      startSample: this.#receivers.readPosition,
      takeEncoder: this.#takeEncoder,
      gate: { gateDbov: this.#facts.silenceGateDbov, counts: this.frameCounts },
    })
    this.#chunks.append(this.#link.headers())
    return this.#link
  }
}
