import type { OpusEncoder } from '../../recorder/opus-encoder.ts'
import { freeStock } from './encoder-stock.ts'
import { asOpusRate, type OpusEngine } from './opus-engine.ts'

/** Makes the encoders of a worker, and measures how long they work. */
export class TimedEncoders {
  readonly #engine: OpusEngine
  readonly #nowUs: () => number
  #encodedFrames = 0
  #encodeUs = 0

  constructor(engine: OpusEngine, nowUs: () => number) {
    this.#engine = engine
    this.#nowUs = nowUs
  }

  get encodedFrames(): number {
    return this.#encodedFrames
  }

  get encodeSeconds(): number {
    return this.#encodeUs / 1e6
  }

  /** Makes what is missing of encoders at these rates; what is left over from before, at others, goes back. */
  async stockUp(stock: OpusEncoder[], rates: readonly number[]): Promise<void> {
    if (rates.length === 0) return
    const spare = stock.splice(0)
    for (const rate of rates) {
      const at = spare.findIndex(({ sampleRate }) => sampleRate === rate)
      const [found] = at < 0 ? [] : spare.splice(at, 1)
      stock.push(found ?? this.#timed(await this.#engine.createEncoder(asOpusRate(rate))))
    }
    freeStock(spare)
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
