import { BitReader } from './bit-reader.ts'
import { PAYLOAD_SECONDS_MAX, type KeptCodec, type PayloadFraming } from './framing.ts'
import { OggPageWriter } from './ogg.ts'

/** Bits of a narrowband frame by its mode, and of the wider layers on top, each with its header. The Speex manual, 9.3 and 10.4 */
const NARROWBAND_BITS = [5, 43, 119, 160, 220, 300, 364, 492, 79]
const LAYER_BITS = [4, 36, 112, 192, 352]
const TERMINATOR = 15
/** A frame's first bits: no layer, and its mode. */
const FRAME_HEAD_BITS = 5
const LAYER_HEAD_BITS = 4

/** Band, by clock rate. */
const MODES: ReadonlyMap<number, number> = new Map([
  [8_000, 0],
  [16_000, 1],
  [32_000, 2],
])
const FRAMES_PER_SECOND = 50
const FRAMES_MAX = PAYLOAD_SECONDS_MAX * FRAMES_PER_SECOND
const HEADER_LENGTH = 80
const BITSTREAM_VERSION = 4

/**
 * Speex of one channel (RFC 5574) as Ogg. A file has the same number of frames in each of its packets: hence one framing for each
 * number, and of each packet the first one that fits.
 */
export function speexFramings({ clockRate, channels }: KeptCodec): readonly PayloadFraming[] {
  const mode = MODES.get(clockRate)
  if (mode === undefined || channels !== 1) return []
  return Array.from({ length: 6 }, (_, index) => speexFraming(clockRate, mode, index + 1))
}

function speexFraming(clockRate: number, mode: number, frames: number): PayloadFraming {
  const samples = (frames * clockRate) / FRAMES_PER_SECOND
  return {
    inputOptions: ['-f', 'ogg'],
    sampleRate: clockRate,
    split(payload) {
      return countFrames(payload) === frames
        ? { frames: payload, decodedSamples: samples, silentSamples: 0 }
        : undefined
    },
    join(payloads) {
      const pages = new OggPageWriter(1)
      const head = [
        ...pages.write([{ data: speexHeader(clockRate, mode, frames), granulePosition: 0 }], { beginOfStream: true }),
        // A vendor of no name, and no comments.
        ...pages.write([{ data: new Uint8Array(8), granulePosition: 0 }]),
      ]
      const packets = payloads.map((data, index) => ({ data, granulePosition: (index + 1) * samples }))
      const body = pages.write(packets, { endOfStream: true })
      const whole = new Uint8Array(head.length + body.length)
      whole.set(head)
      whole.set(body, head.length)
      return whole
    },
  }
}

/** How many frames of 20 ms a payload has; undefined when it is none of Speex. */
function countFrames(payload: Uint8Array): number | undefined {
  const reader = new BitReader(payload)
  let frames = 0
  while (reader.bitsLeft >= FRAME_HEAD_BITS) {
    const isLayer = reader.read(1) === 1
    const mode = reader.read(isLayer ? 3 : 4)
    if (!isLayer && mode === TERMINATOR) break
    const bits = (isLayer ? LAYER_BITS : NARROWBAND_BITS)[mode]
    if (bits === undefined || (isLayer && frames === 0)) return undefined
    reader.skip(bits - (isLayer ? LAYER_HEAD_BITS : FRAME_HEAD_BITS))
    if (reader.isPastEnd || frames > FRAMES_MAX) return undefined
    if (!isLayer) frames += 1
  }
  return frames
}

/** The first packet of the file. The Speex manual, 6.2 */
function speexHeader(clockRate: number, mode: number, frames: number): Uint8Array {
  const header = new Uint8Array(HEADER_LENGTH)
  const magic = 'Speex   1.2'
  for (let at = 0; at < magic.length; at += 1) header[at] = magic.charCodeAt(at)
  const view = new DataView(header.buffer)
  const samples = clockRate / FRAMES_PER_SECOND
  // Version, header size, rate, mode, bitstream, channels, bit rate (unknown), frame size, VBR, frames in a packet.
  const fields = [1, HEADER_LENGTH, clockRate, mode, BITSTREAM_VERSION, 1, -1, samples, 0, frames]
  for (const [index, value] of fields.entries()) view.setInt32(28 + index * 4, value, true)
  return header
}
