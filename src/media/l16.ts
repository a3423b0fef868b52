/**
 * Decodes L16: 16-bit samples in network byte order, channels interleaved. Several channels become their mean, as a media stream is one channel
 * of the recording. A trailing part of a sample is left out. RFC 3551 4.5.11
 */
export function decodeL16(payload: Uint8Array, channels: number): Int16Array {
  const frames = Math.floor(payload.length / (2 * channels))
  const samples = new Int16Array(frames)
  let at = 0
  for (let frame = 0; frame < frames; frame++) {
    let sum = 0
    for (let channel = 0; channel < channels; channel++, at += 2) {
      sum += (((payload[at] ?? 0) << 24) >> 16) | (payload[at + 1] ?? 0)
    }
    samples[frame] = channels === 1 ? sum : Math.round(sum / channels)
  }
  return samples
}
