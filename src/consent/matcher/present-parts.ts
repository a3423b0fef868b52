import { type Alignment, NOT_LOUD } from './fine-alignment.ts'
import { BANDS, LEVELS_PER_DB } from './fingerprinter.ts'
import { type HeardParts, hopGain } from './heard-parts.ts'
import { segment } from './segmentation.ts'

/** So far below its level in what was heard, the energy of a loud band is missing: 6 dB. What sounds with a prompt adds energy, it takes none away. */
const MISSING_LEVELS = 6 * LEVELS_PER_DB
/** So far above it, what else sounds hides whether the prompt is there: 5 dB. */
const HIDDEN_LEVELS = 5 * LEVELS_PER_DB
/** The level of a band in what was heard, among those of its loud hops: below the median, as noise raises some. */
const LEVEL_QUANTILE = 0.4
/** Part of the loud bands that miss energy where the prompt is there, and in other speech in noise as loud as it; in less noise it is more. Measured: 0.01 to 0.04, 0.33 and more. */
const MISSING_IF_PRESENT = 0.05
const MISSING_IF_ABSENT = 0.4
/** What one band says is in part what its neighbours and the hops before said: windows overlap by three quarters. */
const INDEPENDENCE = 0.15
/** Nats of a band whose energy is there, and of one where it is missing. */
const THERE_GAIN = INDEPENDENCE * Math.log((1 - MISSING_IF_PRESENT) / (1 - MISSING_IF_ABSENT))
const MISSING_GAIN = INDEPENDENCE * Math.log(MISSING_IF_PRESENT / MISSING_IF_ABSENT)

/** What is found not to have been there is left out of the levels, and all is looked at again. */
const ROUNDS = 2

/** Parts of a prompt's hops outside of pauses. */
export interface PresentParts {
  /** Those where it was there, heard or under something else that sounded. */
  readonly share: number
  /** Those of them that were heard. */
  readonly heardShare: number
}

/**
 * Tells where a prompt was there though it cannot be heard by its bits, as somebody spoke, and where it was not though the bits are right by chance:
 * by the energy of the bands in which it is loud.
 */
export function findPresent(alignment: Alignment, { heard, errorRate }: HeardParts): PresentParts {
  const { bits, errors, rises } = alignment
  const present = new Uint8Array(bits.length).fill(1)
  for (let round = 0; round < ROUNDS; round++) {
    const levels = levelsOf(
      alignment,
      heard.map((isHeard, hop) => isHeard & (present[hop] ?? 0)),
    )
    const gains = Float64Array.from(bits, (count, hop) => {
      if (count === 0) return 0
      // heard or covered, either as likely
      const ofBits = Math.log((1 + Math.exp(hopGain(count, errors[hop] ?? 0, errorRate))) / 2)
      return ofBits + energyGain(rises.subarray(hop * BANDS, (hop + 1) * BANDS), levels)
    })
    segment(gains, present)
  }
  let active = 0
  let there = 0
  let thereHeard = 0
  for (let hop = 0; hop < bits.length; hop++) {
    if (bits[hop] === 0) continue
    active += 1
    there += present[hop] ?? 0
    thereHeard += (present[hop] ?? 0) & (heard[hop] ?? 0)
  }
  return { share: there / Math.max(1, active), heardShare: thereHeard / Math.max(1, active) }
}

/** For each band: by how much the channel is above the prompt where that was heard; {@link NOT_LOUD} if nowhere. */
function levelsOf({ bits, rises }: Alignment, heard: Uint8Array): Int16Array {
  const hops = Array.from(bits.keys()).filter((hop) => (bits[hop] ?? 0) > 0 && heard[hop] === 1)
  return Int16Array.from({ length: BANDS }, (_, band) => {
    const loud = hops.map((hop) => rises[hop * BANDS + band] ?? NOT_LOUD).filter((rise) => rise !== NOT_LOUD)
    return loud.toSorted((a, b) => a - b)[Math.floor(LEVEL_QUANTILE * loud.length)] ?? NOT_LOUD
  })
}

/** Nats by which the bands of a hop speak for a prompt that is there. */
function energyGain(rises: Int16Array, levels: Int16Array): number {
  let gain = 0
  for (let band = 0; band < BANDS; band++) {
    const rise = rises[band] ?? NOT_LOUD
    const level = levels[band] ?? NOT_LOUD
    if (rise === NOT_LOUD || level === NOT_LOUD || rise > level + HIDDEN_LEVELS) continue
    gain += rise < level - MISSING_LEVELS ? MISSING_GAIN : THERE_GAIN
  }
  return gain
}
