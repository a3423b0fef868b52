import { BitReader } from './bit-reader.ts'
import { concatenate, formatParameter, PAYLOAD_SECONDS_MAX, type KeptCodec, type PayloadFraming } from './framing.ts'

/** Bits of the speech frames by frame type; comfort noise follows. RFC 4867 3.1, 3GPP TS 26.101, 26.201 */
const AMR = {
  head: '#!AMR\n',
  sampleRate: 8_000,
  speechBits: [95, 103, 118, 134, 148, 159, 204, 244],
  noiseBits: 39,
}
const AMR_WB = {
  head: '#!AMR-WB\n',
  sampleRate: 16_000,
  speechBits: [132, 177, 253, 285, 317, 365, 397, 461, 477],
  noiseBits: 40,
}
/** Nothing but the entry in the table of contents: speech lost (AMR-WB), no data. */
const FRAME_TYPE_LOST = 14
const FRAME_TYPE_NO_DATA = 15
const FRAMES_PER_SECOND = 50
const FRAMES_MAX = PAYLOAD_SECONDS_MAX * FRAMES_PER_SECOND

interface Frame {
  readonly type: number
  readonly quality: number
}

/**
 * AMR and AMR-WB in both forms of the payload, octet-aligned and bandwidth-efficient (RFC 4867 4.3, 4.4), as a file of that RFC's section 5.
 *
 * Not read: CRCs, robust sorting, interleaving and more than one channel (RFC 4867 4.4.1). FFmpeg does not decode comfort noise: it is
 * silence, as are frames that were lost before the sender.
 */
export function amrFraming({ encoding, clockRate, channels, fmtp }: KeptCodec): readonly PayloadFraming[] {
  const variant = encoding === 'AMR' ? AMR : AMR_WB
  const isSpecial =
    formatParameter(fmtp, 'crc') === '1' ||
    formatParameter(fmtp, 'robust-sorting') === '1' ||
    formatParameter(fmtp, 'interleaving') !== undefined
  if (clockRate !== variant.sampleRate || channels !== 1 || isSpecial) return []
  const isAligned = formatParameter(fmtp, 'octet-align') === '1'
  const frameSamples = variant.sampleRate / FRAMES_PER_SECOND
  return [
    {
      inputOptions: ['-f', 'amr'],
      sampleRate: variant.sampleRate,
      split(payload) {
        const frames = splitPayload(payload, variant, isAligned)
        if (frames === undefined) return undefined
        const spoken = frames.filter(({ bytes }) => bytes !== undefined)
        // Where silence stands among speech in one packet, it goes to the packet's end: 20 ms at most move by as much.
        return {
          frames: concatenate(spoken.flatMap(({ bytes }) => (bytes === undefined ? [] : [bytes]))),
          decodedSamples: spoken.length * frameSamples,
          silentSamples: (frames.length - spoken.length) * frameSamples,
        }
      },
      join: (frames) => concatenate(frames, variant.head),
    },
  ]
}

/** The frames of a payload as a file holds them, those without speech undefined; undefined when it is malformed. */
function splitPayload(
  payload: Uint8Array,
  variant: typeof AMR,
  isAligned: boolean,
): readonly { readonly bytes: Uint8Array | undefined }[] | undefined {
  const reader = new BitReader(payload)
  // The codec mode request is about the other direction. RFC 4867 4.3.1
  reader.read(isAligned ? 8 : 4)
  const contents: Frame[] = []
  for (let isFollowed = true; isFollowed;) {
    isFollowed = reader.read(1) === 1
    contents.push({ type: reader.read(4), quality: reader.read(1) })
    if (isAligned) reader.read(2)
    if (reader.isPastEnd || contents.length > FRAMES_MAX) return undefined
  }
  const frames: { readonly bytes: Uint8Array | undefined }[] = []
  for (const { type, quality } of contents) {
    const bits = bitsOf(type, variant)
    if (bits === undefined) return undefined
    const isSpeech = type < variant.speechBits.length
    const bytes = new Uint8Array(1 + Math.ceil(bits / 8))
    bytes[0] = (type << 3) | (quality << 2)
    reader.copy(bits, bytes.subarray(1))
    if (isAligned) reader.align()
    if (reader.isPastEnd) return undefined
    frames.push({ bytes: isSpeech ? bytes : undefined })
  }
  return frames
}

function bitsOf(type: number, { speechBits, noiseBits }: typeof AMR): number | undefined {
  if (type === speechBits.length) return noiseBits
  if (type === FRAME_TYPE_NO_DATA || type === FRAME_TYPE_LOST) return 0
  return speechBits[type]
}
