/** Samples over which two takes of the audio are blended when some are inserted or left out; 4 ms at 8 kHz. */
const FADE_SAMPLES = 32

/**
 * The audio of one packet made longer or shorter by |change| samples (at most a quarter of it), with a cross-fade in its
 * middle, so that following the sender's clock is not heard. `out` holds `samples.length + change`.
 */
export function splice(samples: Int16Array, change: number, out: Int16Array): void {
  const fade = Math.min(FADE_SAMPLES, samples.length >> 2)
  const start = (samples.length - fade - Math.abs(change)) >> 1
  for (let i = 0; i < out.length; i++) {
    // Before the fade as it was; after it, shifted by `change`; inside, from the one to the other.
    const weight = Math.max(0, Math.min(1, (i - start + 1) / (fade + 1)))
    const before = samples[i] ?? 0
    const after = samples[i - change] ?? 0
    if (weight === 0) out[i] = before
    else if (weight === 1) out[i] = after
    else out[i] = Math.round(before * (1 - weight) + after * weight)
  }
}
