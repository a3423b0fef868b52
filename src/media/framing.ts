/**
 * How packets of a codec become a file that a decoder reads (FFmpeg's demuxers are meant), and how many samples each packet is.
 *
 * A decoder gets one run of packets: what `join` makes of all that `split` gave. It must put out exactly the samples that were promised.
 */
export interface PayloadFraming {
  /** FFmpeg's options that say what the bytes are. */
  readonly inputOptions: readonly string[]
  /** Samples per second that the decoder puts out by itself. */
  readonly sampleRate: number
  /** Undefined for a payload that is not of this framing. Never throws. */
  split(payload: Uint8Array): FramedPayload | undefined
  join(frames: readonly Uint8Array[]): Uint8Array
}

/** One packet on its way to a decoder; lengths in samples at the framing's rate. */
export interface FramedPayload {
  /** For the decoder; empty when it gets nothing of this packet. */
  readonly frames: Uint8Array
  readonly decodedSamples: number
  /** Silence after it: comfort noise and frames that were not transmitted, which decoders do not read. */
  readonly silentSamples: number
}

/** A codec as the manifest describes it. */
export interface KeptCodec {
  readonly encoding: string
  readonly clockRate: number
  readonly channels: number
  readonly fmtp?: string
}

/** Longest audio in one packet: more is not audio of a call, but a malformed payload. */
export const PAYLOAD_SECONDS_MAX = 2

/** The value of a format parameter, in lower case; undefined when it is not given. RFC 4855 3 */
export function formatParameter(fmtp: string | undefined, name: string): string | undefined {
  for (const parameter of (fmtp ?? '').split(';')) {
    const at = parameter.indexOf('=')
    if (at > 0 && parameter.slice(0, at).trim().toLowerCase() === name)
      return parameter
        .slice(at + 1)
        .trim()
        .toLowerCase()
  }
  return undefined
}

/** One after the other, behind `head`. */
export function concatenate(frames: readonly Uint8Array[], head = ''): Uint8Array {
  const whole = new Uint8Array(frames.reduce((sum, { length }) => sum + length, head.length))
  for (let at = 0; at < head.length; at += 1) whole[at] = head.charCodeAt(at)
  let at = head.length
  for (const frame of frames) {
    whole.set(frame, at)
    at += frame.length
  }
  return whole
}
