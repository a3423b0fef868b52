import { mulberry32 } from '../support/random.ts'

/** Choices out of one seed. */
export class Random {
  readonly #next: () => number

  constructor(seed: number) {
    this.#next = mulberry32(seed)
  }

  /** An integer from 0 to `bound` - 1. */
  below(bound: number): number {
    return Math.floor(this.#next() * bound)
  }

  chance(fraction: number): boolean {
    return this.#next() < fraction
  }

  pick<Value>(values: readonly Value[]): Value {
    const value = values[this.below(values.length)]
    if (value === undefined) throw new RangeError('nothing to pick from')
    return value
  }

  /** Mostly small, now and then as large as `max`: sizes as they are interesting. */
  size(max: number): number {
    return Math.floor(max ** this.#next())
  }
}

/** Mixes a seed with a count, so that every execution has a seed of its own. */
export function seedOf(seed: number, execution: number): number {
  let mixed = Math.imul(seed ^ Math.imul(execution + 1, 0x9e37_79b1), 0x85eb_ca6b)
  mixed ^= mixed >>> 13
  mixed = Math.imul(mixed, 0xc2b2_ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}
