/** How far behind now the audio is committed; longer than the reorder window and a wake, so that nothing in time is ever late. */
export const HORIZON_US = 500_000
/** The same of audio that no stream misses anything of: nothing that comes later changes it. What was read cannot be taken back, and so long has a pause to get here, and audio that an RTP clock displaced out of it. */
export const UNBROKEN_HORIZON_US = 300_000
/** How often at most audio is committed, and sealed for the spool: sealing costs more than all else. Three wakes, and longer where what is committed was committed sooner than it had to be. */
export const COMMIT_INTERVAL_US = 250_000
/** When what came in longer than this is read at once, packets may still wait in the sockets: each turn of the event loop reads some 32 datagrams of a socket, 0.64 s, and those behind them are what tells of the stall. */
export const STALL_US = 880_000
/** After a stall nothing is committed for this long. */
export const SETTLE_US = 1_000_000
/** So many stalls in a row are waited for: a thread that is always late would commit nothing until there is no room. From then on it commits what had come at the wake before. */
export const STALLS_MAX = 4

/**
 * How far a recording may be committed, and when: a little behind now, so that what is late has time to come. Where nothing is missing nothing can be late: less is left, and the next
 * time may be later. What a crash may cost is the same, {@link HORIZON_US} and {@link COMMIT_INTERVAL_US} and a wake.
 *
 * After a stall of the whole thread (a busy machine) the packets of seconds are read at once. What they show of their
 * sender's clock is only right when the last of them is known: until then they look as if the SRC had paused.
 */
export class Horizon {
  #us = Number.NEGATIVE_INFINITY
  #nextUs: number
  #lastReadUs: number
  #readBeforeUs: number
  #settledUs = Number.NEGATIVE_INFINITY
  /** Since something was committed. */
  #stalls = 0

  constructor(openedUs: number) {
    this.#nextUs = openedUs
    this.#lastReadUs = openedUs
    this.#readBeforeUs = openedUs
  }

  /**
   * Call it once at each wake. True when more is to be committed.
   *
   * @param readUs a time before the sockets were read, as `nowUs` is one behind that: what was read had gathered for as long as from the last `readUs` to now, or less
   */
  wake(readUs: number, nowUs = readUs): boolean {
    if (nowUs - this.#lastReadUs > STALL_US) {
      this.#stalls += 1
      this.#settledUs = this.#stalls > STALLS_MAX ? readUs : nowUs + SETTLE_US
    }
    this.#readBeforeUs = this.#lastReadUs
    this.#lastReadUs = readUs
    return readUs >= this.#nextUs
  }

  /**
   * Monotonic microseconds up to which the recording may be committed; it never goes back.
   *
   * @param readUs as it was given to {@link wake}
   * @param aheadUs by how much earlier the audio of any stream stands than its packets' arrival says
   * @param unbrokenUs up to when every stream has its audio without a hole; monotonic microseconds
   */
  advance(readUs: number, aheadUs = 0, unbrokenUs = Number.NEGATIVE_INFINITY): number {
    if (!this.isSettling(readUs)) {
      const arrivedUs = (this.#stalls > STALLS_MAX ? this.#readBeforeUs : readUs) - aheadUs
      this.#stalls = 0
      this.#us = Math.max(this.#us, arrivedUs - HORIZON_US, Math.min(unbrokenUs, arrivedUs - UNBROKEN_HORIZON_US))
    }
    this.#nextUs = readUs + COMMIT_INTERVAL_US + Math.max(0, this.#us - (readUs - HORIZON_US))
    return this.#us
  }

  /** True while it waits for what a stall left in the sockets. */
  isSettling(readUs: number): boolean {
    return readUs < this.#settledUs
  }
}
