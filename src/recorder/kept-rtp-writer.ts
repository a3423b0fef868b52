import { sealToRecipients, type RandomBytes } from '../evidence/age-seal.ts'
import type { KeptEntry, KeptFormat } from '../evidence/manifest.ts'
import { TEXT_LENGTH_MAX } from '../evidence/shape-checks.ts'
import { keptName } from '../evidence/object-names.ts'
import { nextRunningHash, RUNNING_HASH_START } from '../evidence/running-hash.ts'
import { sha256Hex } from '../evidence/sha256.ts'
import { RTPDUMP_HEAD_LENGTH, RTPDUMP_RECORD_HEADER_LENGTH, rtpdumpHead, writeRtpdumpRecord } from '../media/rtpdump.ts'
import type { PayloadFormat } from '../protocol/rtp/payload-format.ts'
import type { RecordingSink } from './recording-types.ts'

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

/** What waits for its object, of one stream. */
interface Pending {
  bytes: Uint8Array
  length: number
  channel: number
  packets: number
  fromSample: number
  toSample: number
  firstSequence: number
  lastSequence: number
  formats: KeptFormat[]
  /** The meaning that each payload type had last in this object. */
  latest: Map<number, KeptPacket['format']>
}

/**
 * Gathers packets of codecs that are not decoded, by stream, and seals them as RTP objects of one recording. FORMAT.md 3.1
 *
 * Holds at most {@link KEPT_BYTES_MAX} for each stream; what a crash can cost is what came since the last {@link seal}.
 */
export class KeptRtpWriter {
  readonly entries: KeptEntry[] = []
  readonly #recipient: string
  readonly #randomBytes: RandomBytes
  readonly #sink: RecordingSink
  readonly #originUnixMs: () => number
  readonly #pending = new Map<string, Pending>()
  #runningHash = RUNNING_HASH_START

  constructor(options: {
    readonly recipient: string
    readonly randomBytes: RandomBytes
    readonly sink: RecordingSink
    /** Wall clock at sample 0; asked for when an object is sealed. */
    readonly originUnixMs: () => number
  }) {
    this.#recipient = options.recipient
    this.#randomBytes = options.randomBytes
    this.#sink = options.sink
    this.#originUnixMs = options.originUnixMs
  }

  /** Takes the next packet of a stream, in the order of its timeline. */
  append(packet: KeptPacket): void {
    const recordLength = RTPDUMP_RECORD_HEADER_LENGTH + packet.bytes.length
    const before = this.#pending.get(packet.streamId)
    if (before !== undefined && isFull(before, packet, recordLength)) this.#sealOne(packet.streamId, before)
    const pending = this.#pending.get(packet.streamId) ?? this.#begin(packet)
    while (pending.length + recordLength > pending.bytes.length) grow(pending)
    const offsetMs = packet.startSample / SAMPLES_PER_MS
    pending.length = writeRtpdumpRecord(pending.bytes, pending.length, packet.bytes, offsetMs)
    pending.packets += 1
    pending.toSample = packet.toSample
    pending.lastSequence = packet.sequenceNumber
    noteFormat(pending, packet)
  }

  /** Seals what there is of every stream. */
  seal(): void {
    for (const [streamId, pending] of this.#pending) this.#sealOne(streamId, pending)
  }

  #begin(packet: KeptPacket): Pending {
    const pending: Pending = {
      bytes: new Uint8Array(INITIAL_BYTES),
      length: RTPDUMP_HEAD_LENGTH,
      channel: packet.channel,
      packets: 0,
      fromSample: packet.fromSample,
      toSample: packet.toSample,
      firstSequence: packet.sequenceNumber,
      lastSequence: packet.sequenceNumber,
      formats: [],
      latest: new Map(),
    }
    this.#pending.set(packet.streamId, pending)
    return pending
  }

  #sealOne(streamId: string, pending: Pending): void {
    this.#pending.delete(streamId)
    pending.bytes.set(rtpdumpHead(this.#originUnixMs()))
    const sealed = sealToRecipients(pending.bytes.subarray(0, pending.length), [this.#recipient], this.#randomBytes)
    pending.bytes.fill(0)
    const sha256 = sha256Hex(sealed)
    this.#runningHash = nextRunningHash('rtp', this.#runningHash, sha256)
    const keptSeq = this.entries.length
    const { channel, fromSample, toSample, packets, firstSequence, lastSequence, formats } = pending
    const kept: KeptEntry = {
      ...{ keptSeq, name: keptName(keptSeq), sha256, sizeBytes: sealed.length, streamId, channel },
      ...{ fromSample, toSample, packets, firstSequence, lastSequence, formats },
      runningHash: this.#runningHash,
    }
    this.entries.push(kept)
    this.#sink.handleSealed({ kind: 'kept', name: kept.name, bytes: sealed, kept })
  }
}

function isFull(pending: Pending, packet: KeptPacket, recordLength: number): boolean {
  const isNew = !isSame(pending.latest.get(packet.payloadType), packet.format)
  return pending.length + recordLength > KEPT_BYTES_MAX || (isNew && pending.formats.length >= KEPT_FORMATS_MAX)
}

function grow(pending: Pending): void {
  const old = pending.bytes
  pending.bytes = new Uint8Array(old.length * 2)
  pending.bytes.set(old.subarray(0, pending.length))
  old.fill(0)
}

function noteFormat(pending: Pending, { payloadType, format, fromSample }: KeptPacket): void {
  if (isSame(pending.latest.get(payloadType), format)) return
  pending.latest.set(payloadType, format)
  const { name, clockRate, channels, fmtp, isDecoded } = format
  pending.formats.push({
    ...{ fromSample, payloadType, encoding: name, clockRate, channels },
    ...(fmtp === undefined ? {} : { fmtp: fmtp.slice(0, TEXT_LENGTH_MAX).toWellFormed() }),
    ...(isDecoded === undefined ? {} : { decoded: isDecoded }),
  })
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
