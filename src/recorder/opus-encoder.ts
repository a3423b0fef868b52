/**
 * One mono Opus encoder with its state, 20 ms frames. The recorder takes it as an argument because an encoder is a
 * native or WebAssembly resource that only a shell can load.
 */
export interface OpusEncoder {
  /** Samples per second of the input: 8000, 12000, 16000, 24000 or 48000. */
  readonly sampleRate: number
  /** Encoder delay in samples at 48 kHz, the `pre-skip` of RFC 7845 4.2. */
  readonly preSkip: number
  /** Encodes exactly 20 ms of 16-bit samples; the result is the caller's to keep, and not to change. */
  encode(samples: Int16Array): Uint8Array
  /** Gives the resource back; the encoder must not be used afterwards. */
  free(): void
}

/** Hands out a fresh encoder for this sample rate. The shell has to have made enough of them beforehand: this never waits. */
export type TakeOpusEncoder = (sampleRate: number) => OpusEncoder
