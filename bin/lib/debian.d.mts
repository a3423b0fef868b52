/** The speech that benchmarks listen to, unpacked from packages of Debian; needs no root. */
export function ensureUnpackedSpeech(): Promise<void>
