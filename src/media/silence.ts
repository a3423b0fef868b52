/**
 * Largest sample, either way, of a stretch that counts as silent: -54 dB of full scale. The noise of a quiet line and comfort noise stay
 * below it (about -65 dB as a mean), a whisper does not. A fixed number and not a measured floor, so that anyone who
 * decodes a recording can count the same.
 */
export const SILENT_PEAK = 64

/** True when nothing in it is louder than {@link SILENT_PEAK}. Loud audio is told at its first loud sample. */
export function isSilent(samples: Int16Array): boolean {
  for (let i = 0; i < samples.length; i++) {
    const sample = samples[i] ?? 0
    if (sample > SILENT_PEAK || sample < -SILENT_PEAK) return false
  }
  return true
}
