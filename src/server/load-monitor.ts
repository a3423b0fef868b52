import { monitorEventLoopDelay, performance } from 'node:perf_hooks'

import type { ThreadLoad } from './admission.ts'

/** How often the event loop is probed; what the histogram shows of it is the wait, not lateness. */
const RESOLUTION_MS = 20

/** Measures the thread it is made in. */
export class ThreadLoadMeter {
  readonly #delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  #since = performance.eventLoopUtilization()

  run(): void {
    this.#delay.enable()
  }

  stop(): void {
    this.#delay.disable()
  }

  /** Of the time since the last call: the load, and the longest stall. */
  take(): ThreadLoad & { readonly lagMsMax: number } {
    const busyShare = performance.eventLoopUtilization(this.#since).utilization
    this.#since = performance.eventLoopUtilization()
    const { mean, max, count } = this.#delay
    this.#delay.reset()
    if (count === 0) return { busyShare, lagMs: 0, lagMsMax: 0 }
    return {
      busyShare,
      lagMs: Math.max(0, mean / 1e6 - RESOLUTION_MS),
      lagMsMax: Math.max(0, max / 1e6 - RESOLUTION_MS),
    }
  }
}
