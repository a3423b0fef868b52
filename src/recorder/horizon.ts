/** How far behind now the audio is committed; longer than the reorder window and a wake, so that nothing in time is ever late. */
export const HORIZON_US = 500_000
/** Woken later than this, packets may still wait in the sockets. */
export const STALL_US = 1_000_000
/** After a stall nothing is committed for this long: each turn of the event loop reads some 32 datagrams of a socket. */
export const SETTLE_US = 1_000_000

/**
 * How far a recording may be committed: a little behind now, so that what is late has time to come.
 *
 * After a stall of the whole thread (a busy machine) the packets of seconds are read at once. What they show of their
 * sender's clock is only right when the last of them is known: until then they look as if the SRC had paused.
 */
export class Horizon {
  #us = Number.NEGATIVE_INFINITY
  #lastWakeUs: number
  #settledUs = Number.NEGATIVE_INFINITY

  constructor(openedUs: number) {
    this.#lastWakeUs = openedUs
  }

  /**
   * Call it once at each wake. Monotonic microseconds up to which the recording may be committed; it never goes back.
   *
   * @param aheadUs by how much earlier the audio of any stream stands than its packets' arrival says
   */
  wake(nowUs: number, aheadUs = 0): number {
    if (nowUs - this.#lastWakeUs > STALL_US) this.#settledUs = nowUs + SETTLE_US
    this.#lastWakeUs = nowUs
    if (nowUs >= this.#settledUs) this.#us = Math.max(this.#us, nowUs - HORIZON_US - aheadUs)
    return this.#us
  }

  /** True while it waits for what a stall left in the sockets. */
  isSettling(nowUs: number): boolean {
    return nowUs < this.#settledUs
  }
}
