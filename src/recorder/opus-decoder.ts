/** One mono Opus decoder with its state; like an encoder, only a shell can load it. */
export interface OpusDecoder {
  /** Samples per second of the output. */
  readonly sampleRate: number
  /** Decodes one packet, stereo to its mean; the samples are the caller's to keep. Throws on a malformed one. */
  decode(packet: Uint8Array): Int16Array
  /**
   * What a packet knows of the time directly before it (RFC 6716 2.1.7), to be called before it is decoded itself. Undefined where the
   * engine cannot.
   */
  decodeRedundancy(packet: Uint8Array, samples: number): Int16Array | undefined
  free(): void
}

/** Hands out a decoder for this sample rate; undefined when none was made beforehand. What is in use at the end is freed by whoever made it. */
export type TakeOpusDecoder = (sampleRate: number) => OpusDecoder | undefined
