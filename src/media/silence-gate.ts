/** Level below which a frame counts as silence unless configured otherwise: dBov, RFC 6464 3. Two of the least steps of G.711. */
export const SILENCE_GATE_DBOV = -66
/** The gate that lets everything through but digital silence. RFC 6464 3 */
export const SILENCE_GATE_DBOV_MIN = -127
/** Frames below the level before the gate closes, so that a word which dies away is kept to its end: 100 ms. */
export const HANGOVER_FRAMES = 5
/** No sample may be louder than the level by more than this: a click is not silence, however short. 12 dB. */
const CREST_MAX = 4
const FULL_SCALE = 32_768

/**
 * Decides frame by frame whether a channel has nothing on it that could be heard: digital silence (a gap, the idle code of a codec) at once, anything
 * else only after {@link HANGOVER_FRAMES} whose RMS is below the level and whose peak is not more than 12 dB above it. Noise of a room,
 * breath and whispers are far louder than the default.
 */
export class SilenceGate {
  readonly #meanSquareMax: number
  readonly #peakMax: number
  #quietFrames = 0

  /** @param levelDbov {@link SILENCE_GATE_DBOV_MIN} to 0 */
  constructor(levelDbov: number) {
    const rms = levelDbov <= SILENCE_GATE_DBOV_MIN ? 0 : FULL_SCALE * 10 ** (levelDbov / 20)
    this.#meanSquareMax = rms * rms
    this.#peakMax = rms * CREST_MAX
  }

  /** True when silence may stand for this frame. Call it once for every frame, in order. */
  isClosed(samples: Int16Array): boolean {
    const meanSquare = this.#meanSquare(samples)
    if (meanSquare > this.#meanSquareMax) {
      this.#quietFrames = 0
      return false
    }
    this.#quietFrames = Math.min(this.#quietFrames + 1, HANGOVER_FRAMES + 1)
    return meanSquare === 0 || this.#quietFrames > HANGOVER_FRAMES
  }

  /** Infinity at the first sample that is no silence, which in speech is one of the first: looking costs nothing there. */
  #meanSquare(samples: Int16Array): number {
    const peakMax = this.#peakMax
    let squares = 0
    for (let index = 0; index < samples.length; index++) {
      const sample = samples[index] ?? 0
      if (sample > peakMax || sample < -peakMax) return Infinity
      squares += sample * sample
    }
    return samples.length === 0 ? 0 : squares / samples.length
  }
}
