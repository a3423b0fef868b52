import type { ChunkEntry } from '../evidence/manifest.ts'
import { chunkName } from '../evidence/object-names.ts'
import { nextRunningHash, RUNNING_HASH_START } from '../evidence/running-hash.ts'
import { sha256Hex } from '../evidence/sha256.ts'
import type { OggLink } from './audio-writer.ts'
import { heldMember, sealFor } from './held-span.ts'
import type { Sealing } from './live-monitor.ts'

/**
 * Upper bound of the clear bytes held for one chunk. At 20 ms frames of at most 1,275 bytes and eight streams a chunk
 * of the longest configurable length stays below it; past it the chunk is sealed early, never cut.
 */
export const CHUNK_BYTES_MAX = 8 * 1024 * 1024

/** Gathers whole Ogg pages and seals them as chunks of one recording, in order. */
export class ChunkWriter {
  readonly entries: ChunkEntry[] = []
  readonly #sealing: Sealing
  readonly #taken: (pages: Uint8Array) => void
  readonly #pages: Uint8Array[] = []
  #bytes = 0
  #fromSample = 0
  /** How many of the pages are in a frame of the spool already, and up to where they reach. */
  #framedPages = 0
  #framedSample = 0
  #runningHash = RUNNING_HASH_START

  /** @param taken sees the pages as they are appended, in clear, unless they are held until consent */
  constructor(sealing: Sealing, taken: (pages: Uint8Array) => void) {
    this.#sealing = sealing
    this.#taken = taken
  }

  get isFull(): boolean {
    return this.#bytes >= CHUNK_BYTES_MAX
  }

  /** Takes whole pages over: they are wiped once they are sealed. */
  append(pages: Uint8Array): void {
    this.#pages.push(pages)
    this.#bytes += pages.length
    if (this.#sealing.held?.holds(this.#fromSample) !== true) this.#taken(pages)
  }

  /** Seals what was appended since the last time as a frame for the spool, which ends at `toSample` (48 kHz); does nothing without a spool. */
  sealFrame(toSample: number): void {
    const pages = this.#pages.slice(this.#framedPages)
    if (this.#sealing.sink.handleFrame === undefined || pages.length === 0) return
    const clear = joinBytes(pages)
    const fromSample = this.#framedSample
    const bytes = sealFor(this.#sealing, fromSample, clear)
    clear.fill(0)
    this.#framedPages = this.#pages.length
    this.#framedSample = toSample
    const member = heldMember(this.#sealing, fromSample)
    this.#sealing.sink.handleFrame({ kind: 'chunk', fromSample, toSample, bytes, ...member })
  }

  /** Seals what was appended as the next chunk, which ends at `toSample` (48 kHz); does nothing when there is nothing. */
  seal(toSample: number): void {
    if (this.#bytes === 0) return
    this.sealFrame(toSample)
    const clear = joinBytes(this.#pages)
    for (const pages of this.#pages.splice(0)) pages.fill(0)
    this.#bytes = 0
    this.#framedPages = 0
    const sealed = sealFor(this.#sealing, this.#fromSample, clear)
    clear.fill(0)
    const sha256 = sha256Hex(sealed)
    this.#runningHash = nextRunningHash('chunk', this.#runningHash, sha256)
    const chunkSeq = this.entries.length
    const chunk: ChunkEntry = {
      chunkSeq,
      name: chunkName(chunkSeq),
      sha256,
      sizeBytes: sealed.length,
      fromSample: this.#fromSample,
      toSample,
      runningHash: this.#runningHash,
      ...heldMember(this.#sealing, this.#fromSample),
    }
    this.#fromSample = toSample
    this.entries.push(chunk)
    this.#sealing.sink.handleSealed({ kind: 'chunk', name: chunk.name, bytes: sealed, chunk })
  }
}

function joinBytes(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let offset = 0
  for (const part of parts) {
    whole.set(part, offset)
    offset += part.length
  }
  return whole
}

/** After a failure: brings the frames that were encoded to the sink, if that still works. The link is over. */
export function sealWholeFrames(link: OggLink, chunks: ChunkWriter): void {
  try {
    const page = link.flushPage()
    if (page !== undefined) chunks.append(page)
    chunks.seal(link.playableSample)
  } catch {
    // The incident is noted; what was sealed before is safe, and this is the last that can be tried.
  } finally {
    link.free()
  }
}
