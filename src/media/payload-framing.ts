import { amrFraming } from './amr-framing.ts'
import { concatenate, PAYLOAD_SECONDS_MAX, type FramedPayload, type KeptCodec, type PayloadFraming } from './framing.ts'
import { OggOpusWriter } from './ogg-opus.ts'
import { concat } from './opus-headers.ts'
import { opusPacketSamples } from './opus-packet.ts'
import { speexFramings } from './speex-framing.ts'

/**
 * The framings of a codec, of which each packet has the first that takes it; none when no decoder is known.
 *
 * @see RFC 3551 4.5 (G.723, G.726, G.729, GSM, PCM), RFC 3952 (iLBC), RFC 4867 (AMR), RFC 5574 (Speex), RFC 7587 (Opus)
 */
export function framingsOf(codec: KeptCodec): readonly PayloadFraming[] {
  const { encoding, channels } = codec
  switch (encoding) {
    case 'G729':
      return channels === 1 ? [G729] : []
    case 'G723':
      return channels === 1 ? [G723] : []
    case 'GSM':
      return channels === 1 ? [GSM] : []
    case 'ILBC':
      return channels === 1 ? [ILBC_30, ILBC_20] : []
    case 'AMR':
    case 'AMR-WB':
      return amrFraming(codec)
    case 'SPEEX':
      return speexFramings(codec)
    case 'OPUS':
      return codec.clockRate === OPUS_RATE ? [OPUS] : []
    default:
      return bitFraming(codec)
  }
}

const NARROWBAND = 8_000

const G729_FRAME = 10
const G729_SID = 2
const G729_SAMPLES = 80
/** Speech frames, and at the end at most one of comfort noise. RFC 3551 4.5.6 */
const G729: PayloadFraming = {
  inputOptions: ['-f', 'g729'],
  sampleRate: NARROWBAND,
  split(payload) {
    const count = Math.floor(payload.length / G729_FRAME)
    const rest = payload.length % G729_FRAME
    if (payload.length === 0 || (rest !== 0 && rest !== G729_SID)) return undefined
    const silentSamples = rest === 0 ? 0 : G729_SAMPLES
    return bounded(payload.subarray(0, count * G729_FRAME), count * G729_SAMPLES, silentSamples, NARROWBAND)
  },
  join: (frames) => concatenate(frames),
}

/** Bytes of a frame by the two low bits of its first: 6.3 and 5.3 kbit/s, comfort noise, nothing sent. RFC 3551 4.5.3 */
const G723_BYTES = [24, 20, 4, 1]
const G723_SAMPLES = 240
const G723: PayloadFraming = {
  inputOptions: ['-f', 'g723_1'],
  sampleRate: NARROWBAND,
  split(payload) {
    let samples = 0
    let at = 0
    while (at < payload.length) {
      at += G723_BYTES[(payload[at] ?? 0) & 3] ?? 0
      samples += G723_SAMPLES
    }
    return at === payload.length && at > 0 ? bounded(payload, samples, 0, NARROWBAND) : undefined
  },
  join: (frames) => concatenate(frames),
}

const GSM_FRAME = 33
const GSM_SAMPLES = 160
const GSM_SIGNATURE = 0xd
/** RFC 3551 4.5.8 */
const GSM: PayloadFraming = {
  inputOptions: ['-f', 'gsm'],
  sampleRate: NARROWBAND,
  split(payload) {
    if (payload.length === 0 || payload.length % GSM_FRAME !== 0) return undefined
    for (let at = 0; at < payload.length; at += GSM_FRAME) {
      if ((payload[at] ?? 0) >> 4 !== GSM_SIGNATURE) return undefined
    }
    return bounded(payload, (payload.length / GSM_FRAME) * GSM_SAMPLES, 0, NARROWBAND)
  },
  join: (frames) => concatenate(frames),
}

/** By the length alone: only the lengths of a common multiple could be both, and no packet is as long. RFC 3952 3 */
const ILBC_30 = ilbc(30, 50)
const ILBC_20 = ilbc(20, 38)

function ilbc(mode: number, frameLength: number): PayloadFraming {
  return {
    inputOptions: ['-f', 'ilbc'],
    sampleRate: NARROWBAND,
    split(payload) {
      if (payload.length === 0 || payload.length % frameLength !== 0) return undefined
      return bounded(payload, (payload.length / frameLength) * mode * 8, 0, NARROWBAND)
    },
    join: (frames) => concatenate(frames, `#!iLBC${mode}\n`),
  }
}

const OPUS_RATE = 48_000
/** Packets on an Ogg page. */
const OPUS_PAGE_PACKETS = 50
/** A packet is a packet of Ogg Opus too: not an octet is changed. Stereo is decoded to its mean, as the stream is one channel. RFC 7587 4.2, RFC 7845 */
const OPUS: PayloadFraming = {
  inputOptions: ['-f', 'ogg'],
  sampleRate: OPUS_RATE,
  split(payload) {
    const samples = opusPacketSamples(payload)
    return samples === 0 ? undefined : { frames: payload, decodedSamples: samples, silentSamples: 0 }
  },
  join(frames) {
    const head = { serialNumber: 1, streamCount: 1, inputSampleRate: OPUS_RATE, preSkip: 0, comments: [] }
    const writer = new OggOpusWriter(head)
    const pages = [writer.headers()]
    let samples = 0
    for (let from = 0; from < frames.length; from += OPUS_PAGE_PACKETS) {
      const page = frames.slice(from, from + OPUS_PAGE_PACKETS)
      for (const frame of page) samples += opusPacketSamples(frame)
      pages.push(writer.page(page, samples, { endOfStream: from + OPUS_PAGE_PACKETS >= frames.length }))
    }
    return concat(pages)
  },
}

/** Codecs of a fixed number of bits for each sample: options for FFmpeg, bits. RFC 3551 4.5.4, 4.5.10 to 4.5.14; RFC 3190 */
const BIT_CODECS: ReadonlyMap<string, { readonly format: string; readonly bits: number }> = new Map([
  ['G726-16', { format: 'g726le', bits: 2 }],
  ['G726-24', { format: 'g726le', bits: 3 }],
  ['G726-32', { format: 'g726le', bits: 4 }],
  ['G726-40', { format: 'g726le', bits: 5 }],
  // The same with the bits in the order of ATM. RFC 3551 4.5.4
  ['AAL2-G726-16', { format: 'g726', bits: 2 }],
  ['AAL2-G726-24', { format: 'g726', bits: 3 }],
  ['AAL2-G726-32', { format: 'g726', bits: 4 }],
  ['AAL2-G726-40', { format: 'g726', bits: 5 }],
  ['PCMU', { format: 'mulaw', bits: 8 }],
  ['PCMA', { format: 'alaw', bits: 8 }],
  ['L8', { format: 'u8', bits: 8 }],
  ['L16', { format: 's16be', bits: 16 }],
  ['L24', { format: 's24be', bits: 24 }],
])
const CLOCK_RATE_MAX = 192_000

function bitFraming({ encoding, clockRate, channels }: KeptCodec): readonly PayloadFraming[] {
  const codec = BIT_CODECS.get(encoding)
  if (codec === undefined || clockRate < 1 || clockRate > CLOCK_RATE_MAX || channels < 1 || channels > 8) return []
  const isAdpcm = codec.bits < 8
  if (isAdpcm && (clockRate !== NARROWBAND || channels !== 1)) return []
  const bits = codec.bits * channels
  const options = isAdpcm ? ['-code_size', String(codec.bits)] : ['-ar', String(clockRate), '-ac', String(channels)]
  return [
    {
      inputOptions: ['-f', codec.format, ...options],
      sampleRate: clockRate,
      split(payload) {
        if (payload.length === 0 || (payload.length * 8) % bits !== 0) return undefined
        return bounded(payload, (payload.length * 8) / bits, 0, clockRate)
      },
      join: (frames) => concatenate(frames),
    },
  ]
}

function bounded(
  frames: Uint8Array,
  decodedSamples: number,
  silentSamples: number,
  sampleRate: number,
): FramedPayload | undefined {
  if (decodedSamples + silentSamples > sampleRate * PAYLOAD_SECONDS_MAX) return undefined
  return { frames, decodedSamples, silentSamples }
}
