import type { OpusEncoder } from '../../recorder/opus-encoder.ts'

/** Takes an encoder of this sample rate out of those that were made beforehand. */
export function takeFrom(stock: OpusEncoder[], rate: number): OpusEncoder {
  const at = stock.findIndex(({ sampleRate }) => sampleRate === rate)
  const [encoder] = at < 0 ? [] : stock.splice(at, 1)
  if (encoder === undefined) throw new RangeError('an encoder was taken that had not been made')
  return encoder
}

export function freeStock(stock: OpusEncoder[]): void {
  for (const encoder of stock.splice(0)) encoder.free()
}
