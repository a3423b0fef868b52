/** A codec that a payload type means without any rtpmap. */
export interface StaticCodec {
  readonly name: string
  readonly clockRate: number
  readonly channels: number
}

const audio = (name: string, clockRate = 8000, channels = 1): StaticCodec => ({ name, clockRate, channels })
const video = (name: string): StaticCodec => ({ name, clockRate: 90_000, channels: 1 })

/**
 * RFC 3551 6, tables 4 and 5. Payload type 2 is reserved there, but RFC 1890 gave it to G.726-32 and clients in the
 * field still use it so.
 */
export const STATIC_PAYLOAD_TYPES: ReadonlyMap<number, StaticCodec> = new Map([
  [0, audio('PCMU')],
  [2, audio('G726-32')],
  [3, audio('GSM')],
  [4, audio('G723')],
  [5, audio('DVI4')],
  [6, audio('DVI4', 16_000)],
  [7, audio('LPC')],
  [8, audio('PCMA')],
  [9, audio('G722')],
  [10, audio('L16', 44_100, 2)],
  [11, audio('L16', 44_100)],
  [12, audio('QCELP')],
  [13, audio('CN')],
  [14, audio('MPA', 90_000)],
  [15, audio('G728')],
  [16, audio('DVI4', 11_025)],
  [17, audio('DVI4', 22_050)],
  [18, audio('G729')],
  [25, video('CELB')],
  [26, video('JPEG')],
  [28, video('NV')],
  [31, video('H261')],
  [32, video('MPV')],
  [33, video('MP2T')],
  [34, video('H263')],
])
