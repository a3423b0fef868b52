/** RFC 6464 3: the level of digital silence. */
export const SILENCE_DBOV = -127
/** How much audio one level is measured over: short enough to follow speech, long enough not to flicker. */
export const LEVEL_WINDOW_FRAMES = 10
/** Peaks are taken over 50 ms, which are five halves of a frame of 20 ms. */
export const PEAKS_PER_SECOND = 20
const HALVES_PER_PEAK = 5
const FULL_SCALE = 32_768
const PEAK_MAX = 255

/** RMS level relative to overload, dBov: 0 is a square wave at full scale, a sine at full scale has -3. RFC 6464 3 */
export function levelDbov(meanSquare: number): number {
  if (meanSquare <= 0) return SILENCE_DBOV
  return Math.max(SILENCE_DBOV, 10 * Math.log10(meanSquare / (FULL_SCALE * FULL_SCALE)))
}

/** The mean square of a level, the other way round. */
export function meanSquareOf(dbov: number): number {
  return FULL_SCALE * FULL_SCALE * 10 ** (dbov / 10)
}

/** A magnitude of 0 to 32,768 as 8 bits, rounded up: only digital silence is 0, only full scale need be 255. */
export function peakByte(magnitude: number): number {
  return Math.min(PEAK_MAX, Math.ceil((magnitude * PEAK_MAX) / FULL_SCALE))
}

/** The number, counted from the start of the recording, of the first peak that a channel takes part in. */
export function firstPeakOf(startFrame: number): number {
  return Math.floor((startFrame * 2) / HALVES_PER_PEAK)
}

/**
 * Measures one channel as it is recorded, in one pass over its samples: a level every 200 ms, a peak every 50 ms, and when it was
 * last louder than a threshold. Frames are 20 ms at any rate, an even number of samples; nothing is allocated.
 */
export class LevelMeter {
  readonly #loudMeanSquare: number
  readonly #onPeak: (peak: number) => void
  #frames: number
  #loudFrames = 0
  #windowFrames = 0
  #windowMeanSquares = 0
  #levelDbov = SILENCE_DBOV
  #halves: number
  #peak = 0
  // Of the half that was measured last.
  #halfSquares = 0

  /**
   * @param options.startFrame frames of the recording that were before the first one of this channel
   * @param options.loudDbov what counts as more than silence
   * @param options.onPeak takes each peak as it is complete, see {@link peakByte}; the first is number {@link firstPeakOf}
   */
  constructor(options: {
    readonly startFrame: number
    readonly loudDbov: number
    readonly onPeak: (peak: number) => void
  }) {
    this.#frames = options.startFrame
    this.#halves = (options.startFrame * 2) % HALVES_PER_PEAK
    this.#loudMeanSquare = meanSquareOf(options.loudDbov)
    this.#onPeak = options.onPeak
  }

  /** Of the last whole window of {@link LEVEL_WINDOW_FRAMES}; before the first, of digital silence. */
  get levelDbov(): number {
    return this.#levelDbov
  }

  /** Frames of the recording up to the last one measured. */
  get frames(): number {
    return this.#frames
  }

  /** The same up to the last loud one; 0 when there was none. */
  get loudFrames(): number {
    return this.#loudFrames
  }

  add(frame: Int16Array): void {
    const middle = frame.length >> 1
    this.#takeHalf(frame, 0, middle)
    const firstSquares = this.#halfSquares
    this.#takeHalf(frame, middle, frame.length)
    const meanSquare = frame.length === 0 ? 0 : (firstSquares + this.#halfSquares) / frame.length
    this.#frames += 1
    if (meanSquare > this.#loudMeanSquare) this.#loudFrames = this.#frames
    this.#windowMeanSquares += meanSquare
    this.#windowFrames += 1
    if (this.#windowFrames < LEVEL_WINDOW_FRAMES) return
    this.#levelDbov = levelDbov(this.#windowMeanSquares / LEVEL_WINDOW_FRAMES)
    this.#windowFrames = 0
    this.#windowMeanSquares = 0
  }

  /** What the peak that is being measured has come to, which then begins anew in its place; undefined between two. */
  takeBegunPeak(): number | undefined {
    if (this.#halves === 0) return undefined
    const peak = peakByte(this.#peak)
    this.#peak = 0
    return peak
  }

  /** Completes the last peak, at the end of the recording. */
  flush(): void {
    if (this.#halves > 0) this.#emitPeak()
  }

  #takeHalf(frame: Int16Array, from: number, to: number): void {
    let squares = 0
    let peak = this.#peak
    for (let index = from; index < to; index++) {
      const sample = frame[index] ?? 0
      squares += sample * sample
      const magnitude = sample < 0 ? -sample : sample
      if (magnitude > peak) peak = magnitude
    }
    this.#halfSquares = squares
    this.#peak = peak
    this.#halves += 1
    if (this.#halves === HALVES_PER_PEAK) this.#emitPeak()
  }

  #emitPeak(): void {
    this.#onPeak(peakByte(this.#peak))
    this.#halves = 0
    this.#peak = 0
  }
}
