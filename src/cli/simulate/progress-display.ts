import { isTerminal } from '../output.ts'
import type { SimulationProgress } from './load.ts'
import type { SimulateOptions } from './options.ts'

const BAR_CELLS = 24
const REDRAW_MS = 200
const PLAIN_LINE_MS = 10_000
const ERASE_LINE = '\r\u001b[2K'

/** How far the run is: a bar that redraws itself on a terminal, a plain line now and then elsewhere. */
export class ProgressDisplay {
  readonly #stream: NodeJS.WritableStream
  readonly #total: number
  readonly #expectedMs: number
  readonly #startedMs = performance.now()
  readonly #terminal: boolean
  readonly #timer: NodeJS.Timeout
  #progress: SimulationProgress = { placed: 0, answered: 0, ended: 0, failed: 0 }

  constructor(stream: NodeJS.WritableStream, options: SimulateOptions) {
    this.#stream = stream
    this.#total = options.recordingSessions
    this.#expectedMs = ((options.recordingSessions - 1) * 1_000) / options.perSecond + options.durationMs
    this.#terminal = isTerminal(stream)
    this.#timer = setInterval(() => this.#draw(), this.#terminal ? REDRAW_MS : PLAIN_LINE_MS)
  }

  update(progress: SimulationProgress): void {
    this.#progress = { ...progress }
  }

  close(): void {
    clearInterval(this.#timer)
    if (this.#terminal) this.#stream.write(ERASE_LINE)
  }

  #draw(): void {
    const share = Math.min(1, (performance.now() - this.#startedMs) / Math.max(1, this.#expectedMs))
    const line = progressLine(this.#progress, this.#total, share)
    this.#stream.write(this.#terminal ? `${ERASE_LINE}${progressBar(share)} ${line}` : `${line}\n`)
  }
}

export function progressBar(share: number): string {
  const filled = Math.round(share * BAR_CELLS)
  return `${'█'.repeat(filled)}${'░'.repeat(BAR_CELLS - filled)}`
}

export function progressLine(progress: SimulationProgress, total: number, share: number): string {
  const { placed, ended, failed } = progress
  const failedText = failed === 0 ? '' : ` · ${failed} failed`
  return `${String(Math.floor(share * 100)).padStart(3)} % · ${placed} of ${total} placed · ${placed - ended} going on${failedText}`
}
