import { ReplayWindow } from './replay-window.ts'

/** SSRCs remembered under one set of keys. A media stream has one at a time, a new one after a transfer or a restart. */
export const SOURCES_MAX = 16

interface Source {
  readonly window: ReplayWindow
  usedAt: number
}

/**
 * What has been received from each SSRC: the highest index, which holds the ROC, and the indices below it. RFC 3711 3.2.1
 *
 * An entry is made by an authentic packet only, so a stranger cannot push one out; the one unused for longest makes room.
 */
export class SourceTable {
  readonly #sources = new Map<number, Source>()
  #uses = 0
  #forgotten = 0

  get size(): number {
    return this.#sources.size
  }

  /** SSRCs that had to make room. */
  get forgotten(): number {
    return this.#forgotten
  }

  find(ssrc: number): ReplayWindow | undefined {
    return this.#sources.get(ssrc)?.window
  }

  /** Notes an authentic packet. */
  add(ssrc: number, index: number): void {
    let source = this.#sources.get(ssrc)
    if (source === undefined) {
      if (this.#sources.size >= SOURCES_MAX) this.#forgetOldest()
      source = { window: new ReplayWindow(), usedAt: 0 }
      this.#sources.set(ssrc, source)
    }
    this.#uses += 1
    source.usedAt = this.#uses
    source.window.add(index)
  }

  #forgetOldest(): void {
    let oldest: number | undefined
    let usedAt = Infinity
    for (const [ssrc, source] of this.#sources) {
      if (source.usedAt >= usedAt) continue
      oldest = ssrc
      usedAt = source.usedAt
    }
    if (oldest === undefined) return
    this.#sources.delete(oldest)
    this.#forgotten += 1
  }
}
