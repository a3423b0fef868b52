import { serializeRtp } from '../../protocol/rtp/packet.ts'
import { monotonicUs } from '../../server/monotonic.ts'
import type { RtpSource } from './rtp-source.ts'

/** Packets leave in batches this far apart: one timer for all media streams, whatever their number. */
const TICK_MS = 5

interface PacedStream {
  readonly source: RtpSource
  readonly send: (datagram: Uint8Array) => void
  readonly handleDrained: () => void
}

/** Drives the RTP of all media streams by the monotonic clock. A late turn sends what has become due: nothing is skipped. */
export class MediaPacer {
  readonly #streams = new Set<PacedStream>()
  #timer: NodeJS.Timeout | undefined
  #latestDelayUs = 0

  /** The longest time by which a packet left later than it should have: above some 20 ms, this machine is overloaded. */
  get latestDelayUs(): number {
    return this.#latestDelayUs
  }

  /** Plays `source` to its end; resolves when the last packet has left. */
  async play(source: RtpSource, send: (datagram: Uint8Array) => void): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#streams.add({ source, send, handleDrained: resolve })
      this.#timer ??= setInterval(() => this.#tick(), TICK_MS)
    })
  }

  #tick(): void {
    for (const stream of this.#streams) {
      const nowUs = monotonicUs()
      this.#latestDelayUs = Math.max(this.#latestDelayUs, nowUs - stream.source.nextDueUs)
      for (const packet of stream.source.takeDue(nowUs)) stream.send(serializeRtp(packet))
      if (!stream.source.isDrained) continue
      this.#streams.delete(stream)
      stream.handleDrained()
    }
    if (this.#streams.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}
