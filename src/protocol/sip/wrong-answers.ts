/** Wrong passwords in a row from one address within {@link WRONG_ANSWERS_WINDOW_US} that are asked again; then 403. */
export const WRONG_ANSWERS_MAX = 8
export const WRONG_ANSWERS_WINDOW_US = 60_000_000
/** Addresses whose wrong answers are counted; the one counted longest ago is forgotten first. */
export const WRONG_ANSWERS_ADDRESSES_MAX = 4096

/**
 * Counts wrong passwords by address, to tell a client that goes on guessing from one that a person mistyped.
 *
 * A right password is taken whatever was counted: on UDP anyone can answer wrongly in somebody else's name, and must not lock out an SRC.
 */
export class WrongAnswers {
  readonly #counts = new Map<string, { readonly sinceUs: number; count: number }>()

  get addressCount(): number {
    return this.#counts.size
  }

  /** Counts one; true when that is more than the bound. */
  add(address: string, nowUs: number): boolean {
    const known = this.#counts.get(address)
    if (known !== undefined && nowUs - known.sinceUs < WRONG_ANSWERS_WINDOW_US) {
      known.count += 1
      return known.count > WRONG_ANSWERS_MAX
    }
    this.#counts.delete(address)
    const oldest = this.#counts.keys().next()
    if (this.#counts.size >= WRONG_ANSWERS_ADDRESSES_MAX && oldest.done !== true) this.#counts.delete(oldest.value)
    this.#counts.set(address, { sinceUs: nowUs, count: 1 })
    return false
  }

  forgive(address: string): void {
    this.#counts.delete(address)
  }
}
