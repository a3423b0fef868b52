import type { KeptFormat } from '../../evidence/manifest.ts'
import type { Result } from '../../result.ts'
import type { FramedPayload, PayloadFraming } from '../../media/framing.ts'
import { framingsOf } from '../../media/payload-framing.ts'
import { printable } from '../output.ts'
import { decodeWithFfmpeg, type DecodeRequest, type FfmpegRejectReason } from './ffmpeg.ts'
import type { KeptPacket, KeptStreamPackets } from './kept-packets.ts'
import type { AddedAudio, DecodedAudio } from './render.ts'

const TIMELINE_RATE = 48_000
/** A packet this far from the end of the one before has a place of its own; nearer ones follow without a seam. */
const SEAM_MS = 5
/** By so much the length of what was decoded may be off before it is not believed: less than any frame lasts. */
const LENGTH_TOLERANCE_MS = 4
/** When something among packets cannot be decoded, they are decoded in parts, of this many at least ... */
const PART_MIN = 8
/** ... and in so many at most, for each decoder. */
const DECODINGS_MAX = 64

/**
 * Why packets were not decoded. `noDecoder`: no decoder is known for the codec. `payload`: packets are not as the codec's payload format has them.
 * The others are FFmpeg's.
 */
export type UndecodedReason = 'noDecoder' | 'payload' | FfmpegRejectReason

/** Packets of one stream that stay silent in the export. */
export interface UndecodedPackets {
  readonly channel: number
  readonly encoding: string
  readonly packets: number
  readonly reason: UndecodedReason
}

type Decode = (request: DecodeRequest) => Promise<Result<Int16Array, FfmpegRejectReason>>

interface FramedPacket {
  readonly packet: KeptPacket
  readonly framed: FramedPayload
}

/** Packets that one decoder gets, in order. */
interface Run {
  readonly framing: PayloadFraming
  readonly packets: FramedPacket[]
}

const REASONS: Record<UndecodedReason, string> = {
  noDecoder: 'no decoder is known for it',
  payload: 'they are not as the payload format of this codec has them',
  missing: 'there is no FFmpeg on this machine',
  failed: 'the FFmpeg of this machine could not decode them',
  tooLong: 'decoding them took more than may be',
}

/** What was kept as it came, decoded and put in its place: where the manifest says that a stream was not decoded, and nowhere else. */
export class KeptAudio implements AddedAudio {
  readonly sampleRate: number
  readonly channels: ReadonlySet<number>
  readonly #streams: readonly KeptStreamPackets[]
  readonly #decode: Decode
  readonly #left = new UndecodedCounts()

  constructor(streams: readonly KeptStreamPackets[], decode: Decode = decodeWithFfmpeg) {
    this.#streams = streams.map(withoutDecoded).filter(({ packets }) => packets.length > 0)
    this.#decode = decode
    const framings = this.#streams.flatMap(({ packets }) => distinctFormats(packets)).flatMap(framingsOf)
    this.sampleRate = Math.max(0, ...framings.map(({ sampleRate }) => sampleRate))
    this.channels = new Set(this.#streams.map(({ channel }) => channel))
  }

  /** What stays silent, and why; after {@link addTo}. */
  get undecoded(): readonly UndecodedPackets[] {
    return this.#left.list
  }

  /** The same for people. */
  get warnings(): readonly string[] {
    const warnings = this.undecoded.map(({ channel, encoding, packets, reason }) => {
      const what = `${packets} packets of ${printable(encoding)} on channel ${channel + 1}`
      return `warning: ${what} were kept as they came and are silent here: ${REASONS[reason]}.`
    })
    return warnings.length === 0 ? [] : [...warnings, 'hint: --format rtpdump writes them as they came.']
  }

  async addTo(audio: DecodedAudio): Promise<void> {
    const { sampleRate } = audio
    for (const stream of this.#streams) {
      const channel = audio.channels[stream.channel]
      if (channel === undefined) continue
      const place = placerOf(stream, channel, sampleRate)
      const giveUp: RunOptions['giveUp'] = (packets, reason) => this.#left.add(stream.channel, packets, reason)
      for (const run of runsOf(stream, giveUp)) {
        await decodeRun(run, { sampleRate, decode: this.#decode, place, giveUp, budget: { decodings: DECODINGS_MAX } })
      }
    }
  }
}

/** What was decoded while it came is in the chunks. */
function withoutDecoded(stream: KeptStreamPackets): KeptStreamPackets {
  return { ...stream, packets: stream.packets.filter(({ format }) => format.decoded !== true) }
}

function distinctFormats(packets: readonly KeptPacket[]): readonly KeptFormat[] {
  return [...new Map(packets.map(({ format }) => [keyOf(format), format])).values()]
}

function keyOf({ encoding, clockRate, channels, fmtp }: KeptFormat): string {
  return JSON.stringify([encoding, clockRate, channels, fmtp])
}

/** Packets by decoder. One that changes to another codec and back goes on with the decoder it had. */
function runsOf(stream: KeptStreamPackets, giveUp: RunOptions['giveUp']): readonly Run[] {
  const codecs = new Map<string, readonly Run[]>()
  for (const packet of stream.packets) {
    const key = keyOf(packet.format)
    let runs = codecs.get(key)
    if (runs === undefined) {
      runs = framingsOf(packet.format).map((framing) => ({ framing, packets: [] }))
      codecs.set(key, runs)
    }
    const framed = frame(runs, packet)
    if (framed === undefined) giveUp([packet], runs.length === 0 ? 'noDecoder' : 'payload')
  }
  return [...codecs.values()].flat().filter(({ packets }) => packets.length > 0)
}

/** Gives a packet to the first decoder that takes it. */
function frame(runs: readonly Run[], packet: KeptPacket): FramedPayload | undefined {
  for (const { framing, packets } of runs) {
    const framed = framing.split(packet.payload)
    if (framed === undefined) continue
    packets.push({ packet, framed })
    return framed
  }
  return undefined
}

/** Puts the samples of a packet into its place, and silence behind them. */
type Place = (packet: KeptPacket, samples: Int16Array, silence: number) => void

interface RunOptions {
  readonly sampleRate: number
  readonly decode: Decode
  readonly place: Place
  readonly giveUp: (packets: readonly KeptPacket[], reason: UndecodedReason) => void
  readonly budget: { decodings: number }
}

/**
 * Decodes a run. When as many samples do not come out as must, something among the packets was not decoded, and all behind it would be
 * in a wrong place: then each half is decoded by itself.
 */
async function decodeRun(run: Run, options: RunOptions): Promise<void> {
  const { framing, packets } = run
  if (options.budget.decodings === 0) {
    options.giveUp(
      packets.map(({ packet }) => packet),
      'failed',
    )
    return
  }
  options.budget.decodings -= 1
  const decoded = await options.decode({
    inputOptions: framing.inputOptions,
    bytes: framing.join(packets.flatMap(({ framed }) => (framed.frames.length === 0 ? [] : [framed.frames]))),
    sampleRate: options.sampleRate,
  })
  const factor = options.sampleRate / framing.sampleRate
  const expected = packets.reduce((sum, { framed }) => sum + framed.decodedSamples, 0) * factor
  const isWhole =
    decoded.ok && Math.abs(decoded.value.length - expected) <= (LENGTH_TOLERANCE_MS * options.sampleRate) / 1_000
  if (decoded.ok && isWhole) {
    let at = 0
    for (const { packet, framed } of packets) {
      const from = Math.round(at * factor)
      at += framed.decodedSamples
      const samples = decoded.value.subarray(from, Math.round(at * factor))
      options.place(packet, samples, Math.round(framed.silentSamples * factor))
    }
    decoded.value.fill(0)
    return
  }
  const isHopeless = !decoded.ok && decoded.reason === 'missing'
  if (isHopeless || packets.length < 2 * PART_MIN) {
    options.giveUp(
      packets.map(({ packet }) => packet),
      decoded.ok ? 'payload' : decoded.reason,
    )
    return
  }
  const half = packets.length >> 1
  await decodeRun({ framing, packets: packets.slice(0, half) }, options)
  await decodeRun({ framing, packets: packets.slice(half) }, options)
}

/** Packets that follow on each other are put together without a seam, although their times are rounded to the millisecond. */
function placerOf(stream: KeptStreamPackets, channel: Int16Array, sampleRate: number): Place {
  const factor = sampleRate / TIMELINE_RATE
  const places = stream.undecoded?.map(({ fromSample, toSample }) => ({
    from: Math.round(fromSample * factor),
    to: Math.round(toSample * factor),
  })) ?? [{ from: 0, to: channel.length }]
  let end = Number.NEGATIVE_INFINITY
  return ({ fromSample }, samples, silence) => {
    const own = Math.round(fromSample * factor)
    const at = Math.abs(own - end) <= (SEAM_MS * sampleRate) / 1_000 ? end : own
    end = at + samples.length + silence
    for (let index = firstEndingAfter(places, at); index < places.length; index += 1) {
      const place = places[index]
      if (place === undefined || place.from >= at + samples.length) return
      const from = Math.max(at, place.from)
      const to = Math.min(at + samples.length, place.to, channel.length)
      for (let position = from; position < to; position += 1) {
        const sum = (channel[position] ?? 0) + (samples[position - at] ?? 0)
        channel[position] = Math.max(-32_768, Math.min(32_767, sum))
      }
    }
  }
}

/** By halves: an hour of 20 ms packets meets thousands of gaps. */
function firstEndingAfter(places: readonly { readonly to: number }[], position: number): number {
  let low = 0
  let high = places.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((places[middle]?.to ?? Infinity) > position) high = middle
    else low = middle + 1
  }
  return low
}

/** Packets that were given up, summed up for people. */
class UndecodedCounts {
  readonly #counts = new Map<string, { channel: number; encoding: string; packets: number; reason: UndecodedReason }>()

  get list(): readonly UndecodedPackets[] {
    return [...this.#counts.values()]
  }

  add(channel: number, packets: readonly KeptPacket[], reason: UndecodedReason): void {
    for (const { format } of packets) {
      const key = JSON.stringify([channel, format.encoding, reason])
      const count = this.#counts.get(key) ?? { channel, encoding: format.encoding, packets: 0, reason }
      count.packets += 1
      this.#counts.set(key, count)
    }
  }
}
