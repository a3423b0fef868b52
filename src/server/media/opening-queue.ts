/** INVITEs that may wait for their turn at a time; more are refused at once. */
export const OPENINGS_WAITING_MAX = 1_024

interface WaitingOpening {
  readonly deadlineUs: number
  readonly settle: (isGranted: boolean) => void
}

/**
 * Lets a bounded number of recording sessions be opened at a time. The others wait for their turn, first come first served, and only
 * so long that an SRC can still be told in time to go elsewhere.
 */
export class OpeningQueue {
  readonly #waitUs: number
  readonly #nowUs: () => number
  readonly #waiting: WaitingOpening[] = []
  #active = 0
  #isLate = false
  #timer: NodeJS.Timeout | undefined

  constructor(options: { readonly waitUs: number; readonly nowUs: () => number }) {
    this.#waitUs = options.waitUs
    this.#nowUs = options.nowUs
  }

  /** Some waited too long, and there has been somebody waiting ever since: who comes now would wait as long. */
  get isLate(): boolean {
    return this.#isLate
  }

  /**
   * Resolves to true when it is this opening's turn; {@link leave} then, whatever comes of it. To false when it would come too late.
   *
   * @param receivedUs when the INVITE came: what it waited elsewhere counts
   * @param activeMax openings at a time
   */
  enter(receivedUs: number, activeMax: number): Promise<boolean> {
    if (this.#active < activeMax && this.#waiting.length === 0) {
      this.#active += 1
      return Promise.resolve(true)
    }
    const deadlineUs = receivedUs + this.#waitUs
    if (this.#waiting.length >= OPENINGS_WAITING_MAX || this.#nowUs() >= deadlineUs) {
      this.#isLate = this.#waiting.length > 0
      return Promise.resolve(false)
    }
    return new Promise((settle) => {
      this.#waiting.push({ deadlineUs, settle })
      this.#arm()
    })
  }

  /** An opening that had its turn is done with: the next one's turn, unless it has waited too long. */
  leave(): void {
    this.#active -= 1
    this.#expire()
    const next = this.#waiting.shift()
    if (this.#waiting.length === 0) this.#isLate = false
    if (next === undefined) return
    this.#active += 1
    next.settle(true)
  }

  stop(): void {
    clearTimeout(this.#timer)
    for (const { settle } of this.#waiting.splice(0)) settle(false)
  }

  #expire(): void {
    const nowUs = this.#nowUs()
    while (this.#waiting[0] !== undefined && this.#waiting[0].deadlineUs <= nowUs) {
      this.#waiting.shift()?.settle(false)
      this.#isLate = this.#waiting.length > 0
    }
  }

  /** They came in the order of their deadlines, or nearly so: one timer, for the first. */
  #arm(): void {
    const first = this.#waiting[0]
    if (this.#timer !== undefined || first === undefined) return
    const delayMs = Math.max(0, Math.ceil((first.deadlineUs - this.#nowUs()) / 1_000))
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#expire()
      this.#arm()
    }, delayMs)
  }
}
