import type { ChunkEntry, DtmfEntry, KeptEntry } from './manifest.ts'

/**
 * Characters of `manifest.jws` that the sealed objects of a recording session may take before the recorder ends it. The rest of its 32 MiB is for what has bounds
 * of its own: media streams with their gaps, pauses, snapshots, incidents, consent events. FORMAT.md 5
 */
export const SEALED_LENGTH_MAX = 24 * 1024 * 1024

/** The same of a recording that nobody ended: frames left in the spool become objects too, and no gaps are listed. */
export const RECOVERED_LENGTH_MAX = 28 * 1024 * 1024

/** How much of a manifest the objects of a recording take. */
export class ManifestRoom {
  readonly #lengthMax: number
  #bytes = 0

  constructor(lengthMax: number = SEALED_LENGTH_MAX) {
    this.#lengthMax = lengthMax
  }

  /** Characters of the JWS: Base64url has four for three bytes. RFC 4648 5 */
  get length(): number {
    return Math.ceil((this.#bytes * 4) / 3)
  }

  get isFull(): boolean {
    return this.length >= this.#lengthMax
  }

  take(entry: ChunkEntry | KeptEntry | DtmfEntry): void {
    // Members in another order than RFC 8785 has them take as much; with the comma.
    this.#bytes += Buffer.byteLength(JSON.stringify(entry)) + 1
  }
}
