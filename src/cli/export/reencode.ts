import { audioSamples, linkStart } from '../../media/flatten-links.ts'
import type { OggOpusLink } from '../../media/ogg-opus.ts'
import { joinMultistreamPacket, opusPacketSamples, splitMultistreamPacket } from '../../media/opus-packet.ts'
import { createOpusEngine, type OpusSettings } from '../../server/media/opus-engine.ts'

const OPUS_RATE = 48_000
/** What the recorder's encoders make: 20 ms. */
const FRAME_48K = 960
const BITS_PER_SECOND = 32_000
const COMPLEXITY = 10

/**
 * The links with some channels encoded anew from `channels`; the packets of all other channels stay as they are, bit for bit. Undefined when a
 * link is not of packets of 20 ms, and so cannot be put together again.
 *
 * @param indexOf gives the channel of a link's stream
 */
export async function reencodeChannels(
  links: readonly OggOpusLink[],
  audio: { readonly sampleRate: OpusSettings['sampleRate']; readonly channels: readonly Int16Array[] },
  options: { readonly changed: ReadonlySet<number>; readonly channelsOf: (link: OggOpusLink) => readonly number[] },
): Promise<readonly OggOpusLink[] | undefined> {
  const changedLinks: OggOpusLink[] = []
  for (const link of links) {
    const indexes = options.channelsOf(link)
    if (!indexes.some((index) => options.changed.has(index))) {
      changedLinks.push(link)
      continue
    }
    const split = splitPackets(link)
    if (split === undefined) return undefined
    for (const [stream, index] of indexes.entries()) {
      const samples = audio.channels[index]
      if (samples === undefined || !options.changed.has(index)) continue
      const encoded = await encodeLike(link, samples, audio.sampleRate)
      for (const [at, packets] of split.entries()) packets[stream] = encoded[at] ?? packets[stream] ?? new Uint8Array(0)
    }
    changedLinks.push({ ...link, packets: split.map((packets) => ({ data: joinMultistreamPacket(packets) })) })
  }
  return changedLinks
}

/** The packets of every stream, by packet of the link. */
function splitPackets(link: OggOpusLink): Uint8Array[][] | undefined {
  const split: Uint8Array[][] = []
  for (const { data } of link.packets) {
    const packets = splitMultistreamPacket(data, link.streamCount)
    if (!packets.ok || packets.value.some((packet) => opusPacketSamples(packet) !== FRAME_48K)) return undefined
    split.push([...packets.value])
  }
  return split
}

/** As many packets as the link has, whose audio comes as late behind its packets as that of the link. */
async function encodeLike(
  link: OggOpusLink,
  samples: Int16Array,
  sampleRate: OpusSettings['sampleRate'],
): Promise<readonly Uint8Array[]> {
  const factor = sampleRate / OPUS_RATE
  const engine = createOpusEngine('libopus-wasm', {
    sampleRate,
    bitsPerSecond: BITS_PER_SECOND,
    complexity: COMPLEXITY,
  })
  const encoder = await engine.createEncoder()
  const start = Math.round((linkStart(link) ?? 0) * factor)
  const end = start + Math.round(audioSamples(link) * factor)
  const shift = Math.round((link.preSkip - encoder.preSkip) * factor)
  const frameLength = FRAME_48K * factor
  const encoded = link.packets.map((_, at) => {
    const frame = new Int16Array(frameLength)
    const from = start + at * frameLength - shift
    for (let i = 0; i < frameLength; i += 1) {
      const position = from + i
      if (position >= start && position < end) frame[i] = samples[position] ?? 0
    }
    return encoder.encode(frame)
  })
  encoder.free()
  return encoded
}
