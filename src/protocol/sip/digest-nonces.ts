import { equalsInConstantTime } from './digest.ts'

/** How long a nonce is good. Long enough for a client that keeps one for a burst of INVITEs, short for who has stolen one. */
export const NONCE_LIFETIME_US = 300_000_000
/** Nonces whose uses are remembered; beyond, the oldest are called stale, and the client gets a new one. */
export const NONCES_USED_MAX = 65_536
/** How far behind the highest count of a nonce an unused one may come: requests overtake each other on UDP. */
export const NONCE_COUNTS_BEHIND_MAX = 31

const MAC_LENGTH = 32
const NONCE_LENGTH_MAX = 64

interface Uses {
  readonly issuedUs: number
  highest: number
  /** Bit n: the count `highest - n` was used. */
  seen: number
}

export interface NoncesOptions {
  /** Keyed with a secret of this process: at least 32 characters that nobody else can compute. */
  readonly mac: (text: string) => string
  readonly usedMax?: number
}

/**
 * The nonces of a server: made without remembering them, recognised by a MAC over their time, and each count of each taken once.
 *
 * Only what a right password came with is remembered, so strangers fill nothing. Time is monotonic microseconds.
 *
 * @see RFC 7616 3.3 (nonce), 5.4, 5.5; RFC 3261 22.4
 */
export class Nonces {
  readonly #mac: (text: string) => string
  readonly #usedMax: number
  readonly #used = new Map<string, Uses>()
  #serial = 0
  /** Nonces made at or before this time are stale: their uses are forgotten. */
  #forgottenUs = -Infinity

  constructor(options: NoncesOptions) {
    this.#mac = options.mac
    this.#usedMax = options.usedMax ?? NONCES_USED_MAX
  }

  get usedCount(): number {
    return this.#used.size
  }

  /** A new nonce, good for this peer only. */
  create(peer: string, nowUs: number): string {
    this.#serial = (this.#serial + 1) % 0x1_0000_0000
    const facts = `${Math.floor(nowUs).toString(36)}.${this.#serial.toString(36)}`
    return `${facts}.${this.#seal(facts, peer)}`
  }

  /**
   * Takes one use of a nonce.
   *
   * @param count its nc; undefined for a client that counts nothing and so may use it once
   * @returns `stale`: not ours, another peer's, or too old · `replayed`: this count was used
   */
  use(nonce: string, count: number | undefined, peer: string, nowUs: number): 'fresh' | 'stale' | 'replayed' {
    const issuedUs = this.#issued(nonce, peer)
    if (issuedUs === undefined || issuedUs > nowUs || nowUs - issuedUs >= NONCE_LIFETIME_US) return 'stale'
    if (issuedUs <= this.#forgottenUs) return 'stale'
    const uses = this.#used.get(nonce)
    if (uses !== undefined) return count !== undefined && takeCount(uses, count) ? 'fresh' : 'replayed'
    this.#makeRoom(nowUs)
    this.#used.set(nonce, { issuedUs, highest: count ?? Infinity, seen: 1 })
    return 'fresh'
  }

  #makeRoom(nowUs: number): void {
    for (const [nonce, { issuedUs }] of this.#used) {
      const isOver = nowUs - issuedUs >= NONCE_LIFETIME_US || issuedUs <= this.#forgottenUs
      if (!isOver && this.#used.size < this.#usedMax) return
      // What is forgotten must not pass as new, nor may anything made before it.
      if (!isOver) this.#forgottenUs = Math.max(this.#forgottenUs, issuedUs)
      this.#used.delete(nonce)
    }
  }

  #issued(nonce: string, peer: string): number | undefined {
    if (nonce.length > NONCE_LENGTH_MAX) return undefined
    const dot = nonce.lastIndexOf('.')
    const facts = nonce.slice(0, Math.max(dot, 0))
    if (!equalsInConstantTime(this.#seal(facts, peer), nonce.slice(dot + 1))) return undefined
    return Number.parseInt(facts, 36)
  }

  #seal(facts: string, peer: string): string {
    return this.#mac(`nonce\n${facts}\n${peer}`).slice(0, MAC_LENGTH)
  }
}

function takeCount(uses: Uses, count: number): boolean {
  const behind = uses.highest - count
  if (behind < 0) {
    uses.seen = -behind > NONCE_COUNTS_BEHIND_MAX ? 1 : ((uses.seen << -behind) | 1) >>> 0
    uses.highest = count
    return true
  }
  if (behind > NONCE_COUNTS_BEHIND_MAX || ((uses.seen >>> behind) & 1) === 1) return false
  uses.seen = (uses.seen | (1 << behind)) >>> 0
  return true
}
