/** Indices below the highest that are still told apart: 2.5 s of packets of 20 ms. At least 64: RFC 3711 3.3.2 */
export const REPLAY_WINDOW = 128

/** Which indices of one SSRC have been seen. RFC 3711 3.3.2 */
export class ReplayWindow {
  /** One octet for each index of the window, by its remainder. */
  readonly #seen = new Uint8Array(REPLAY_WINDOW)
  #highest = -1

  /** -1 before the first. */
  get highest(): number {
    return this.#highest
  }

  /** `old`: below the window, so that nobody knows. */
  check(index: number): 'fresh' | 'replay' | 'old' {
    if (index > this.#highest) return 'fresh'
    if (index <= this.#highest - REPLAY_WINDOW) return 'old'
    return this.#seen[index % REPLAY_WINDOW] === 1 ? 'replay' : 'fresh'
  }

  /** Of an authentic packet only: one forged index would shut out all true ones below it. */
  add(index: number): void {
    const passed = Math.min(index - this.#highest, REPLAY_WINDOW)
    for (let step = 0; step < passed; step++) this.#seen[(index - step) % REPLAY_WINDOW] = 0
    if (index > this.#highest) this.#highest = index
    this.#seen[index % REPLAY_WINDOW] = 1
  }
}
