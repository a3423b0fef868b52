import type { KeptFormat } from '../evidence/manifest.ts'
import { TEXT_LENGTH_MAX } from '../evidence/shape-checks.ts'
import { RTPDUMP_HEAD_LENGTH, RTPDUMP_RECORD_HEADER_LENGTH, rtpdumpHead, writeRtpdumpRecord } from '../media/rtpdump.ts'
import type { PayloadFormat } from '../protocol/rtp/payload-format.ts'
import type { KeptRun } from './recording-types.ts'

/** Clear bytes held for one object; what would pass it has the object sealed first. 15 s of G.726 at 32 kbit/s are 75 kB. */
export const KEPT_BYTES_MAX = 1024 * 1024
/** Meanings of payload types named in one object; an offer that brings more has it sealed first. */
export const KEPT_FORMATS_MAX = 64

const INITIAL_BYTES = 4_096
const SAMPLES_PER_MS = 48

/** A packet that has its place on the recording timeline; positions at 48 kHz. */
export interface KeptPacket {
  readonly streamId: string
  readonly channel: number
  /** The whole RTP packet in clear; copied. At most `RTPDUMP_PACKET_LENGTH_MAX`, as UDP brings no longer one. */
  readonly bytes: Uint8Array
  readonly payloadType: number
  readonly sequenceNumber: number
  readonly format: PayloadFormat & { readonly kind: 'kept' }
  /** Where its audio begins; `fromSample` is later where its beginning found its time taken. */
  readonly startSample: number
  readonly fromSample: number
  readonly toSample: number
}

/** A run of packets of one stream, as the plaintext of an RTP object and what the manifest says of it. */
export class KeptRunWriter {
  readonly #streamId: string
  readonly #channel: number
  readonly #fromSample: number
  readonly #firstSequence: number
  readonly #formats: KeptFormat[] = []
  /** The meaning that each payload type had last in this run. */
  readonly #latest = new Map<number, KeptPacket['format']>()
  #bytes = new Uint8Array(INITIAL_BYTES)
  #length = RTPDUMP_HEAD_LENGTH
  #packets = 0
  #toSample: number
  #lastSequence: number
  #hasUndecoded = false

  /** Begins with a packet, which is still to be appended. */
  constructor(first: KeptPacket) {
    this.#streamId = first.streamId
    this.#channel = first.channel
    this.#fromSample = first.fromSample
    this.#toSample = first.toSample
    this.#firstSequence = first.sequenceNumber
    this.#lastSequence = first.sequenceNumber
  }

  /** This packet needs a run of its own. */
  isFullFor(packet: KeptPacket): boolean {
    const isNew = !isSame(this.#latest.get(packet.payloadType), packet.format)
    const length = this.#length + RTPDUMP_RECORD_HEADER_LENGTH + packet.bytes.length
    return length > KEPT_BYTES_MAX || (isNew && this.#formats.length >= KEPT_FORMATS_MAX)
  }

  append(packet: KeptPacket): void {
    const length = this.#length + RTPDUMP_RECORD_HEADER_LENGTH + packet.bytes.length
    while (length > this.#bytes.length) this.#grow()
    const offsetMs = packet.startSample / SAMPLES_PER_MS
    this.#length = writeRtpdumpRecord(this.#bytes, this.#length, packet.bytes, offsetMs)
    this.#packets += 1
    this.#toSample = packet.toSample
    this.#lastSequence = packet.sequenceNumber
    if (packet.format.isDecoded !== true) this.#hasUndecoded = true
    this.#noteFormat(packet)
  }

  /** Where its first packet stands, 48 kHz samples. */
  get fromSample(): number {
    return this.#fromSample
  }

  /** It holds audio that is nowhere else. */
  get hasUndecoded(): boolean {
    return this.#hasUndecoded
  }

  /** How much of the timeline it covers, 48 kHz samples. */
  get samples(): number {
    return this.#toSample - this.#fromSample
  }

  /** @param originUnixMs wall clock at sample 0 */
  plaintext(originUnixMs: number): Uint8Array {
    this.#bytes.set(rtpdumpHead(originUnixMs))
    return this.#bytes.subarray(0, this.#length)
  }

  /** Clear audio is not left behind in memory. */
  wipe(): void {
    this.#bytes.fill(0)
  }

  get run(): KeptRun {
    return {
      ...{ streamId: this.#streamId, channel: this.#channel, fromSample: this.#fromSample, toSample: this.#toSample },
      ...{ packets: this.#packets, firstSequence: this.#firstSequence, lastSequence: this.#lastSequence },
      formats: this.#formats,
    }
  }

  #grow(): void {
    const old = this.#bytes
    this.#bytes = new Uint8Array(old.length * 2)
    this.#bytes.set(old.subarray(0, this.#length))
    old.fill(0)
  }

  #noteFormat({ payloadType, format, fromSample }: KeptPacket): void {
    if (isSame(this.#latest.get(payloadType), format)) return
    this.#latest.set(payloadType, format)
    const { name, clockRate, channels, fmtp, isDecoded } = format
    this.#formats.push({
      ...{ fromSample, payloadType, encoding: name, clockRate, channels },
      ...(fmtp === undefined ? {} : { fmtp: fmtp.slice(0, TEXT_LENGTH_MAX).toWellFormed() }),
      ...(isDecoded === undefined ? {} : { decoded: isDecoded }),
    })
  }
}

function isSame(one: KeptPacket['format'] | undefined, other: KeptPacket['format']): boolean {
  if (one === other) return true
  return (
    one?.name === other.name &&
    one.clockRate === other.clockRate &&
    one.channels === other.channels &&
    one.fmtp === other.fmtp &&
    one.isDecoded === other.isDecoded
  )
}
