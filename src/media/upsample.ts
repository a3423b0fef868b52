import { Resampler } from './resampler.ts'

/**
 * The same audio at `factor` times its rate, all of it at once and not a sample later.
 *
 * @param factor a whole number
 * @param isStepped each sample is only repeated: it says nothing about those beside it. Otherwise they are interpolated.
 */
export function upsampled(samples: Int16Array, factor: number, isStepped: boolean): Int16Array {
  const output = new Int16Array(samples.length * factor)
  if (isStepped) {
    for (let i = 0; i < output.length; i++) output[i] = samples[Math.floor(i / factor)] ?? 0
    return output
  }
  const resampler = new Resampler(1, factor)
  const delay = resampler.delaySamples
  const followed = new Int16Array(samples.length + delay)
  followed.set(samples)
  output.set(resampler.resample(followed, 0).subarray(delay * factor))
  return output
}
