import { writeWav } from '../../media/wav.ts'
import { clip, mixInto } from '../../media/mix.ts'
import { audioSamples, flattenLinks, linkLabels, linkStart } from '../../media/flatten-links.ts'
import type { OggOpusLink } from '../../media/ogg-opus.ts'
import { splitMultistreamPacket } from '../../media/opus-packet.ts'
import { OggLink } from '../../recorder/audio-writer.ts'
import { reencodeChannels } from './reencode.ts'
import { createOpusEngine, OPUS_RATES, type OpusRate } from '../../server/media/opus-engine.ts'

/** Audio that is added to what the links hold, into the channels as they are decoded. */
export interface AddedAudio {
  /** Samples per second below which something of it would be left out; 0: there is none. */
  readonly sampleRate: number
  /** Channels that it changes. */
  readonly channels: ReadonlySet<number>
  addTo(audio: DecodedAudio): Promise<void>
}

const OPUS_RATE = 48_000
const FRAMES_PER_SECOND = 50
/** A mix has more in it than one voice. */
const MIXED_BITS_PER_SECOND = 32_000
const MIXED_COMPLEXITY = 10

/** Decoded audio: one array of 16-bit samples for each channel, all of one length. */
export interface DecodedAudio {
  readonly sampleRate: OpusRate
  readonly channels: readonly Int16Array[]
}

export async function toWav(
  links: readonly OggOpusLink[],
  layout: 'separate' | 'mixed',
  added?: AddedAudio,
): Promise<Uint8Array> {
  const decoded = await decode(links, added)
  const channels = layout === 'mixed' ? [mixDown(decoded.channels)] : decoded.channels
  return writeWav({ sampleRate: decoded.sampleRate, channels })
}

/** One mono Opus stream of all participants; the only export that has to encode again. */
export async function mixedOgg(links: readonly OggOpusLink[], added?: AddedAudio): Promise<Uint8Array> {
  const { sampleRate, channels } = await decode(links, added)
  const samples = mixDown(channels)
  const engine = createOpusEngine('libopus-wasm', {
    sampleRate,
    bitsPerSecond: MIXED_BITS_PER_SECOND,
    complexity: MIXED_COMPLEXITY,
  })
  const encoder = await engine.createEncoder()
  const link = new OggLink({
    layout: 'mixed',
    labels: ['mixed'],
    rates: [sampleRate],
    serialNumber: 1,
    startSample: 0,
    takeEncoder: () => encoder,
  })
  const pages = [link.headers()]
  const frameLength = sampleRate / FRAMES_PER_SECOND
  for (let from = 0; from < samples.length; from += frameLength) {
    const frame = new Int16Array(frameLength)
    const valid = samples.subarray(from, from + frameLength)
    frame.set(valid)
    const page = link.write([frame], (valid.length * OPUS_RATE) / sampleRate)
    if (page !== undefined) pages.push(page)
  }
  pages.push(link.end())
  return Buffer.concat(pages)
}

/**
 * One Ogg file with a channel for each participant. Nothing is encoded again but the channels to which something is added; undefined when these cannot be.
 */
export async function separateOgg(links: readonly OggOpusLink[], added?: AddedAudio): Promise<Uint8Array | undefined> {
  if (added === undefined || added.channels.size === 0) return flattenLinks(links, { serialNumber: 1 })
  const names = namesOf(links)
  const changed = await reencodeChannels(links, await decode(links, added), {
    changed: added.channels,
    channelsOf: (link) => channelNames(link).map((name) => names.indexOf(name)),
  })
  return changed === undefined ? undefined : flattenLinks(changed, { serialNumber: 1 })
}

/**
 * Decodes every link into its place on the recording timeline; channels are matched by label across links, and by their order
 * where one link has a label twice.
 */
async function decode(links: readonly OggOpusLink[], added?: AddedAudio): Promise<DecodedAudio> {
  // Of the best stream in any link: the others are the same at a higher rate.
  const highest = links.reduce((most, { inputSampleRate }) => Math.max(most, inputSampleRate), added?.sampleRate ?? 0)
  const sampleRate = OPUS_RATES.find((rate) => rate >= highest) ?? OPUS_RATE
  const factor = OPUS_RATE / sampleRate
  const names = namesOf(links)
  const length = links.reduce((end, link) => Math.max(end, (linkStart(link) ?? 0) + audioSamples(link)), 0) / factor
  const channels = names.map(() => new Int16Array(Math.round(length)))
  for (const link of links) {
    const decoded = await decodeLink(link, sampleRate)
    const start = Math.round((linkStart(link) ?? 0) / factor)
    channelNames(link).forEach((name, index) => {
      const samples = decoded[index]
      if (samples !== undefined) place(channels[names.indexOf(name)], samples, start)
    })
  }
  await added?.addTo({ sampleRate, channels })
  return { sampleRate, channels }
}

/** The channels of a recording, over all its links. */
function namesOf(links: readonly OggOpusLink[]): readonly string[] {
  return [...new Set(links.flatMap(channelNames))]
}

/** The labels of a link, told apart where two are the same. */
function channelNames(link: OggOpusLink): readonly string[] {
  const seen = new Map<string, number>()
  return linkLabels(link).map((label) => {
    const count = seen.get(label) ?? 0
    seen.set(label, count + 1)
    return `${count} ${label}`
  })
}

async function decodeLink(link: OggOpusLink, sampleRate: OpusRate): Promise<Int16Array[]> {
  const engine = createOpusEngine('libopus-wasm', { sampleRate, bitsPerSecond: 16_000, complexity: 0 })
  const factor = OPUS_RATE / sampleRate
  const skip = Math.round(link.preSkip / factor)
  const length = Math.round(audioSamples(link) / factor)
  const decoders = await Promise.all(Array.from({ length: link.streamCount }, () => engine.createDecoder(sampleRate)))
  const channels = decoders.map(() => new Int16Array(length))
  let position = -skip
  for (const { data } of link.packets) {
    const split = splitMultistreamPacket(data, link.streamCount)
    let frameLength = sampleRate / FRAMES_PER_SECOND
    decoders.forEach((decoder, index) => {
      const packet = split.ok ? split.value[index] : undefined
      if (packet === undefined) return
      const samples = decoder.decode(packet)
      frameLength = samples.length
      place(channels[index], samples, position)
    })
    position += frameLength
  }
  for (const decoder of decoders) decoder.free()
  return channels
}

function place(channel: Int16Array | undefined, samples: Int16Array, position: number): void {
  if (channel === undefined || position + samples.length <= 0 || position >= channel.length) return
  const from = Math.max(0, -position)
  const to = Math.min(samples.length, channel.length - position)
  channel.set(samples.subarray(from, to), position + from)
}

function mixDown(channels: readonly Int16Array[]): Int16Array {
  const sum = new Int32Array(channels[0]?.length ?? 0)
  for (const channel of channels) mixInto(sum, channel)
  return clip(sum)
}
