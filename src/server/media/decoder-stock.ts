import type { OpusDecoder } from '../../recorder/opus-decoder.ts'
import { asOpusRate, type OpusEngine } from './opus-engine.ts'

/**
 * The Opus decoders of one recording session, made before it needs them, as it must not wait for one; at most one for each media stream at a time. One that
 * cannot be made is missing: the packets of its stream are then kept as they came.
 */
export class DecoderStock {
  readonly #engine: Pick<OpusEngine, 'createDecoder'>
  readonly #made = new Set<OpusDecoder>()
  #spare: OpusDecoder[] = []
  readonly #handleMissing: () => void
  #isFree = false

  /** @param handleMissing one was asked for and could not be had */
  constructor(engine: Pick<OpusEngine, 'createDecoder'>, handleMissing: () => void = () => {}) {
    this.#engine = engine
    this.#handleMissing = handleMissing
  }

  /**
   * Makes what is missing for these sample rates, and gives back what nobody will ask for any more: an offer lists more than its answer takes. Never
   * rejects. Until it resolves, what was there before can be taken.
   */
  async stockUp(rates: readonly number[]): Promise<void> {
    const surplus = [...this.#spare]
    for (const rate of rates) {
      const at = surplus.findIndex(({ sampleRate }) => sampleRate === rate)
      if (at >= 0) surplus.splice(at, 1)
      else await this.#make(rate)
    }
    const isSpare = new Set(this.#spare)
    for (const decoder of surplus) if (isSpare.has(decoder)) decoder.free()
    this.#spare = this.#spare.filter((decoder) => this.#made.has(decoder))
  }

  take(rate: number): OpusDecoder | undefined {
    const at = this.#spare.findIndex(({ sampleRate }) => sampleRate === rate)
    if (at < 0) this.#handleMissing()
    return at < 0 ? undefined : this.#spare.splice(at, 1)[0]
  }

  /** All of them, those in use too. */
  free(): void {
    this.#isFree = true
    this.#spare = []
    for (const decoder of this.#made) decoder.free()
  }

  async #make(rate: number): Promise<void> {
    const created = await this.#engine.createDecoder(asOpusRate(rate)).catch(() => undefined)
    if (created === undefined) return
    if (this.#isFree) {
      created.free()
      return
    }
    const decoder: OpusDecoder = {
      ...created,
      free: () => {
        if (this.#made.delete(decoder)) created.free()
      },
    }
    this.#made.add(decoder)
    this.#spare.push(decoder)
  }
}
