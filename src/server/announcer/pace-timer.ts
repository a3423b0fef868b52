import { FRAME_MS } from '../../media/prompt-audio.ts'

const TICK_US = FRAME_MS * 1_000
/** Ticks made up for at once after a stall of the thread; what is beyond is not: a burst of a second would only be thrown away. */
export const CAUGHT_UP_TICKS_MAX = 5

/** Something that sends a packet at every tick. */
export interface Paced {
  tick(): void
}

/**
 * One timer for all announcements: a tick every 20 ms by the monotonic clock, so that no error of a timer adds up. It sleeps while nobody is paced.
 */
export class PaceTimer {
  readonly #nowUs: () => number
  readonly #late: (ticks: number) => void
  readonly #paced = new Set<Paced>()
  #timer: NodeJS.Timeout | undefined
  #nextUs = 0

  /** @param options.late called with how many ticks were left out after a stall */
  constructor(options: { readonly nowUs: () => number; readonly late: (ticks: number) => void }) {
    this.#nowUs = options.nowUs
    this.#late = options.late
  }

  add(paced: Paced): void {
    this.#paced.add(paced)
    if (this.#timer !== undefined) return
    this.#nextUs = this.#nowUs() + TICK_US
    this.#arm()
  }

  remove(paced: Paced): void {
    this.#paced.delete(paced)
    if (this.#paced.size > 0) return
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #arm(): void {
    const delayMs = Math.max(1, Math.ceil((this.#nextUs - this.#nowUs()) / 1_000))
    this.#timer = setTimeout(() => this.#run(), delayMs)
  }

  #run(): void {
    const behind = Math.floor((this.#nowUs() - this.#nextUs) / TICK_US)
    if (behind >= CAUGHT_UP_TICKS_MAX) {
      const left = behind - CAUGHT_UP_TICKS_MAX + 1
      this.#nextUs += left * TICK_US
      this.#late(left)
    }
    while (this.#nextUs <= this.#nowUs() && this.#paced.size > 0) {
      this.#nextUs += TICK_US
      for (const paced of this.#paced) paced.tick()
    }
    if (this.#paced.size > 0) this.#arm()
  }
}
