/** Adds `samples` to the start of `accumulator`; what does not fit is ignored. 65,536 full-scale streams fit 32 bits. */
export function mixInto(accumulator: Int32Array, samples: Int16Array): void {
  const count = Math.min(accumulator.length, samples.length)
  for (let i = 0; i < count; i++) accumulator[i] = (accumulator[i] ?? 0) + (samples[i] ?? 0)
}

/** The sum as 16-bit samples; louder than full scale saturates instead of wrapping round. */
export function clip(accumulator: Int32Array, out: Int16Array = new Int16Array(accumulator.length)): Int16Array {
  const count = Math.min(accumulator.length, out.length)
  for (let i = 0; i < count; i++) out[i] = Math.max(-32_768, Math.min(32_767, accumulator[i] ?? 0))
  return out
}
