import { accepted, rejected, type Result } from '../result.ts'

/** Longest packet: 120 ms. RFC 6716 3.2.5 */
export const OPUS_PACKET_SAMPLES_MAX = 5_760
/** Longest frame. RFC 6716 3.2.1 */
export const OPUS_FRAME_LENGTH_MAX = 1_275
/** RFC 6716 3.2.1, B */
const SELF_DELIMITER_LENGTH_MAX = 2
/** Bits of the table of contents that are 0 in a packet of one frame. RFC 6716 3.2.2 */
const MANY_FRAMES = 3
/**
 * `empty`: no TOC byte. `truncated`: a length or count is cut off. `frameLength`: a frame beyond its limit, or lengths that do
 * not fit the packet. `duration`: no frame, or more than 120 ms.
 */
export type OpusRejectReason = 'empty' | 'truncated' | 'frameLength' | 'duration'

/** RFC 6716 3.1: frame sizes in 48 kHz samples of the 32 configurations. */
const FRAME_SAMPLES: readonly number[] = [
  ...Array.from({ length: 3 }, () => [480, 960, 1920, 2880]),
  ...Array.from({ length: 2 }, () => [480, 960]),
  ...Array.from({ length: 4 }, () => [120, 240, 480, 960]),
].flat()

export interface OpusPacketInfo {
  /** 0..31. RFC 6716 table 2 */
  readonly configuration: number
  /** Coded as stereo. */
  readonly stereo: boolean
  readonly frameCount: number
  /** Of the whole packet, at 48 kHz. */
  readonly samples: number
}

/** Reads the table-of-contents byte and, for code 3, the frame count; says nothing about the rest. RFC 6716 3.1, 3.2 */
export function inspectOpusPacket(packet: Uint8Array): Result<OpusPacketInfo, OpusRejectReason> {
  const toc = packet[0]
  if (toc === undefined) return rejected('empty')
  const code = toc & 3
  const counted = packet[1]
  if (code === 3 && counted === undefined) return rejected('truncated')
  const frameCount = code === 0 ? 1 : code === 3 ? (counted ?? 0) & 0x3f : 2
  const samples = frameCount * (FRAME_SAMPLES[toc >> 3] ?? 0)
  if (frameCount === 0 || samples > OPUS_PACKET_SAMPLES_MAX) return rejected('duration')
  return accepted({ configuration: toc >> 3, stereo: (toc & 4) !== 0, frameCount, samples })
}

/** A SILK or hybrid packet; those above are CELT. RFC 6716 table 2 */
const CELT_FIRST = 16
const SILK_FRAME_SAMPLES = 960

/**
 * 48 kHz samples directly before a packet of which it holds a second copy of less quality; 0 for none. RFC 6716 4.2.3, 4.2.4: an LBRR flag of
 * the first frame behind its VAD flags, a bit each, of one or two channels.
 */
export function opusRedundantSamples(packet: Uint8Array): number {
  const info = inspectOpusPacket(packet)
  if (!info.ok || info.value.configuration >= CELT_FIRST) return 0
  const layout = layOut(packet, false)
  if (!layout.ok) return 0
  const flags = packet[layout.value.framesAt]
  if (flags === undefined) return 0
  const frame = info.value.samples / info.value.frameCount
  const vadBits = Math.max(1, frame / SILK_FRAME_SAMPLES)
  const isFirst = ((flags >> (7 - vadBits)) & 1) !== 0
  const isSecond = info.value.stereo && ((flags >> (6 - 2 * vadBits)) & 1) !== 0
  return isFirst || isSecond ? frame : 0
}

/** A packet that says only that nothing is sent: a frame of at most one octet. RFC 6716 2.1.9, RFC 7587 3.1.3 */
export function isOpusDtx(packet: Uint8Array): boolean {
  return packet.length <= 2 && ((packet[0] ?? 0) & 3) !== 3
}

/** A packet of one empty frame like those of a packet that begins with `toc`: a decoder takes it for a lost one, and conceals it. RFC 6716 3.2.1, 4.4 */
export function opusMissingFrame(toc: number): Uint8Array {
  return Uint8Array.of(toc & ~3)
}

/** 48 kHz samples of a packet, plain, self-delimited or multistream (then of its first stream); 0 when it is malformed. */
export function opusPacketSamples(packet: Uint8Array): number {
  const info = inspectOpusPacket(packet)
  return info.ok ? info.value.samples : 0
}

/** Configuration 31: CELT, fullband, 20 ms frames; each configuration before it has half the frame. RFC 6716 table 2 */
const CELT_FULLBAND_20_MS = 31
const CELT_FRAME_SAMPLES = 960
/** A coded frame of silence. */
const SILENT_FRAME = [0xff, 0xfe]

/**
 * A mono packet that decodes to silence of this many 48 kHz samples: 120, 240, 480 or a multiple of 960 up to 5760, as every
 * packet length that Opus knows can be made of these. Other lengths throw a RangeError.
 */
export function silentOpusPacket(samples: number): Uint8Array {
  for (let halvings = 1; halvings <= 3; halvings++) {
    if (samples === CELT_FRAME_SAMPLES >> halvings) {
      return Uint8Array.of((CELT_FULLBAND_20_MS - halvings) << 3, ...SILENT_FRAME)
    }
  }
  const frames = samples / CELT_FRAME_SAMPLES
  if (!Number.isInteger(frames) || frames < 1 || samples > OPUS_PACKET_SAMPLES_MAX) {
    throw new RangeError(`no silent Opus packet has ${samples} samples`)
  }
  if (frames === 1) return Uint8Array.of(CELT_FULLBAND_20_MS << 3, ...SILENT_FRAME)
  // Code 3, constant bit rate, no padding. RFC 6716 3.2.5
  const toc = (CELT_FULLBAND_20_MS << 3) | 3
  return Uint8Array.of(toc, frames, ...Array.from({ length: frames }, () => SILENT_FRAME).flat())
}

/** How a packet is put together. Offsets from its start. */
interface PacketLayout {
  readonly frameCount: number
  /** Where the lengths of all frames but the last stand; undefined when all are equal. RFC 6716 3.2.4, 3.2.5 */
  readonly lengthsAt: number | undefined
  /** Where the length of the last frame stands, or would stand, in self-delimited framing. RFC 6716 B */
  readonly lengthAt: number
  /** Where frames begin. */
  readonly framesAt: number
  /** Length of the last frame, and of every frame when all are equal. */
  readonly lastLength: number
  /** End of the packet with its padding. */
  readonly end: number
}

/**
 * Packs one Opus packet of each stream into one Opus multistream packet: all but the last in self-delimited framing.
 * All have to have the same duration, and to be well formed (see {@link inspectOpusPacket}); a malformed one is a
 * mistake of the caller and throws a RangeError. RFC 7845 3, RFC 6716 B
 */
export function joinMultistreamPacket(packets: readonly Uint8Array[]): Uint8Array {
  const room = new Uint8Array(multistreamRoom(packets))
  return room.slice(0, writeMultistreamPacket(packets, room, 0))
}

/** Octets that {@link writeMultistreamPacket} needs at most. */
export function multistreamRoom(packets: readonly Uint8Array[]): number {
  let room = 0
  for (const { length } of packets) room += length + SELF_DELIMITER_LENGTH_MAX
  return room
}

/** Like {@link joinMultistreamPacket}, into `target` from `at` on; gives where the packet ends. For packets of one frame nothing is allocated: it runs with every frame. */
export function writeMultistreamPacket(packets: readonly Uint8Array[], target: Uint8Array, at: number): number {
  const last = packets.at(-1)
  if (last === undefined) throw new RangeError('a multistream packet needs at least one stream')
  let end = at
  for (let index = 0; index < packets.length - 1; index += 1)
    end = writeSelfDelimited(packets[index] ?? last, target, end)
  target.set(last, end)
  return end + last.length
}

function writeSelfDelimited(packet: Uint8Array, target: Uint8Array, at: number): number {
  let lengthAt = 1
  let lastLength = packet.length - 1
  if (((packet[0] ?? MANY_FRAMES) & MANY_FRAMES) !== 0 || lastLength > OPUS_FRAME_LENGTH_MAX) {
    const layout = layOut(packet, false)
    if (!layout.ok) throw new RangeError(`malformed Opus packet: ${layout.reason}`)
    lengthAt = layout.value.lengthAt
    lastLength = layout.value.lastLength
  }
  const inserted = writeLength(target, at + lengthAt, lastLength) - (at + lengthAt)
  // One by one: a packet of speech is some forty bytes, and two views of it would be more to make and to collect.
  for (let from = 0; from < packet.length; from += 1) {
    target[at + from + (from < lengthAt ? 0 : inserted)] = packet[from] ?? 0
  }
  return at + packet.length + inserted
}

/**
 * Takes a multistream packet apart into plain Opus packets, one for each stream: the inverse of
 * {@link joinMultistreamPacket}. Never throws. The last packet is a view, the others are copies. RFC 7845 3, RFC 6716 B
 */
export function splitMultistreamPacket(
  packet: Uint8Array,
  streamCount: number,
): Result<readonly Uint8Array[], OpusRejectReason> {
  const packets: Uint8Array[] = []
  let rest = packet
  for (let stream = 1; stream < streamCount; stream++) {
    const layout = layOut(rest, true)
    if (!layout.ok) return layout
    const { lengthAt, framesAt, end } = layout.value
    const plain = new Uint8Array(lengthAt + end - framesAt)
    plain.set(rest.subarray(0, lengthAt))
    plain.set(rest.subarray(framesAt, end), lengthAt)
    packets.push(plain)
    rest = rest.subarray(end)
  }
  const layout = layOut(rest, false)
  if (!layout.ok) return layout
  packets.push(rest)
  return accepted(packets)
}

/**
 * The frames of a packet, each as a packet of its own: for a decoder that has no room for all of them at once. Decoded one after the other
 * they give what the whole packet gives. Never throws; padding is left out. RFC 6716 3.2
 */
export function splitOpusFrames(packet: Uint8Array): Result<readonly Uint8Array[], OpusRejectReason> {
  const layout = layOut(packet, false)
  if (!layout.ok) return layout
  const { frameCount, lengthsAt, framesAt, lastLength } = layout.value
  const frames: Uint8Array[] = []
  let lengthAt = lengthsAt ?? 0
  let at = framesAt
  for (let index = 0; index < frameCount; index++) {
    const isCoded = lengthsAt !== undefined && index < frameCount - 1
    const length = (isCoded ? readLength(packet, lengthAt) : undefined) ?? lastLength
    lengthAt += length < 252 ? 1 : 2
    const frame = new Uint8Array(1 + length)
    frame[0] = (packet[0] ?? 0) & ~3
    frame.set(packet.subarray(at, at + length), 1)
    frames.push(frame)
    at += length
  }
  return accepted(frames)
}

function layOut(packet: Uint8Array, selfDelimited: boolean): Result<PacketLayout, OpusRejectReason> {
  const info = inspectOpusPacket(packet)
  if (!info.ok) return info
  const code = (packet[0] ?? 0) & 3
  const { frameCount } = info.value
  const constant = code === 1 || (code === 3 && ((packet[1] ?? 0) & 0x80) === 0)
  let at = code === 3 ? 2 : 1
  let padding = 0
  if (code === 3 && ((packet[1] ?? 0) & 0x40) !== 0) {
    const read = readPadding(packet, at)
    if (read === undefined) return rejected('truncated')
    at = read.next
    padding = read.padding
  }
  // Lengths of all frames but the last stand in the packet when they differ. RFC 6716 3.2.4, 3.2.5
  const lengthsAt = constant ? undefined : at
  let coded = 0
  for (let frame = 1; frame < frameCount && !constant; frame++) {
    const length = readLength(packet, at)
    if (length === undefined) return rejected('truncated')
    at += length < 252 ? 1 : 2
    coded += length
  }
  const lengthAt = at
  let lastLength: number
  if (selfDelimited) {
    const length = readLength(packet, at)
    if (length === undefined) return rejected('truncated')
    at += length < 252 ? 1 : 2
    lastLength = length
  } else {
    const left = packet.length - at - coded - padding
    lastLength = constant ? left / frameCount : left
  }
  if (lastLength < 0 || lastLength > OPUS_FRAME_LENGTH_MAX || !Number.isInteger(lastLength)) {
    return rejected('frameLength')
  }
  const end = at + coded + (constant ? lastLength * frameCount : lastLength) + padding
  if (end > packet.length) return rejected('frameLength')
  return accepted({ frameCount, lengthsAt, lengthAt, framesAt: at, lastLength, end })
}

/** RFC 6716 3.2.5: each 255 stands for 254 bytes of padding and says that another count follows. */
function readPadding(
  packet: Uint8Array,
  start: number,
): { readonly next: number; readonly padding: number } | undefined {
  let padding = 0
  for (let at = start; at < packet.length; at++) {
    const count = packet[at] ?? 0
    if (count < 255) return { next: at + 1, padding: padding + count }
    padding += 254
  }
  return undefined
}

/** RFC 6716 3.2.1: one byte up to 251, else two. */
function readLength(packet: Uint8Array, at: number): number | undefined {
  const first = packet[at]
  if (first === undefined || first < 252) return first
  const second = packet[at + 1]
  return second === undefined ? undefined : second * 4 + first
}

function writeLength(target: Uint8Array, at: number, length: number): number {
  if (length < 252) {
    target[at] = length
    return at + 1
  }
  target[at] = 252 + (length & 3)
  target[at + 1] = (length - (252 + (length & 3))) >> 2
  return at + 2
}
