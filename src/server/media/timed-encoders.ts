import type { OpusEncoder } from '../../recorder/opus-encoder.ts'
import { freeStock } from './encoder-stock.ts'
import { asOpusRate, type OpusEngine } from './opus-engine.ts'

/** Makes the encoders of a worker, and measures how long they work. */
export class TimedEncoders {
  readonly #engine: Pick<OpusEngine, 'createEncoder'>
  readonly #nowUs: () => number
  #encodedFrames = 0
  #encodeUs = 0

  constructor(engine: Pick<OpusEngine, 'createEncoder'>, nowUs: () => number) {
    this.#engine = engine
    this.#nowUs = nowUs
  }

  get encodedFrames(): number {
    return this.#encodedFrames
  }

  get encodeSeconds(): number {
    return this.#encodeUs / 1e6
  }

  /**
   * Makes what is missing of encoders at these rates; what is left over from before, at others, goes back, at the very end: until it resolves, what was
   * there before can be taken, and what is taken is made again.
   */
  async stockUp(stock: OpusEncoder[], rates: readonly number[]): Promise<void> {
    if (rates.length === 0) return
    for (;;) {
      const { missing, surplus } = compare(stock, rates)
      const [rate] = missing
      if (rate === undefined) {
        for (const encoder of surplus) stock.splice(stock.indexOf(encoder), 1)
        freeStock(surplus)
        return
      }
      stock.push(this.#timed(await this.#engine.createEncoder(asOpusRate(rate))))
    }
  }

  #timed(encoder: OpusEncoder): OpusEncoder {
    return {
      sampleRate: encoder.sampleRate,
      preSkip: encoder.preSkip,
      encode: (samples) => {
        const startUs = this.#nowUs()
        const packet = encoder.encode(samples)
        this.#encodeUs += this.#nowUs() - startUs
        this.#encodedFrames += 1
        return packet
      },
      free: () => encoder.free(),
    }
  }
}

function compare(
  stock: readonly OpusEncoder[],
  rates: readonly number[],
): { readonly missing: readonly number[]; readonly surplus: OpusEncoder[] } {
  const surplus = [...stock]
  const missing = rates.filter((rate) => {
    const at = surplus.findIndex(({ sampleRate }) => sampleRate === rate)
    if (at >= 0) surplus.splice(at, 1)
    return at < 0
  })
  return { missing, surplus }
}
