import { sealToRecipients, type RandomBytes } from '../evidence/age-seal.ts'
import type { HeldEntry, MaybeHeld } from '../evidence/held-entry.ts'
import { heldRange } from '../evidence/held-entry.ts'
import type { ChunkEntry, PeaksEntry } from '../evidence/manifest.ts'
import { FRAME_SAMPLES } from './audio-writer.ts'
import type { Sealing } from './live-monitor.ts'
import { createHeldKey, type RecordingKey } from './recording-key.ts'
import type { RecordingFacts } from './recording-types.ts'

/**
 * How much longer than to the instant of consent audio is held: resamplers and decoders take up to 30 ms of what was said before along, and the
 * in-band FEC of an Opus packet repeats up to 60 ms of it (RFC 6716 2.1.7). 48 kHz samples.
 */
export const HELD_TAIL_SAMPLES = 2_880

/** The only held part that a recording has so far. */
const HELD_SEQ = 0

/**
 * The time of a recording, from its beginning on, that is held until consent: which places of the timeline are sealed to the held key. It holds on until
 * {@link release} says where it ends; that is at the border of a frame, and nothing that was sealed before lies behind it.
 */
export class HeldSpan {
  readonly key: RecordingKey
  /** Of the held time; the writer sets it when it seals them. */
  peaks: PeaksEntry | undefined
  /** Since when there is consent, monotonic microseconds; the first says so. Where on the timeline that is may not be known yet. */
  releasedUs: number | undefined
  #endSample = Infinity

  constructor(key: RecordingKey) {
    this.key = key
  }

  /** Where the recording's own key begins, 48 kHz samples; infinite before the release. */
  get endSample(): number {
    return this.#endSample
  }

  /** What begins here is held. */
  holds(sample: number): boolean {
    return sample < this.#endSample
  }

  /**
   * It ends here. Gives the place: that of the frame which no longer has anything of before. Told again, it ends there if that is later, and nothing of what comes
   * behind it has been given away.
   *
   * @param consentSample where what was said at the instant of consent stands on the timeline
   * @param takenSample up to where audio has been given to the held key already
   */
  release(consentSample: number, takenSample: number): number {
    if (takenSample >= this.#endSample) return this.#endSample
    const said = consentSample <= 0 ? 0 : consentSample + HELD_TAIL_SAMPLES
    const end = Math.ceil(Math.max(said, takenSample) / FRAME_SAMPLES) * FRAME_SAMPLES
    this.#endSample = this.#endSample === Infinity ? end : Math.max(this.#endSample, end)
    return this.#endSample
  }

  /** What the manifest says of it; what becomes of the key is decided elsewhere. */
  entry(chunks: readonly ChunkEntry[]): HeldEntry {
    const { recipient, name, sha256, sizeBytes } = this.key
    return {
      heldSeq: HELD_SEQ,
      ...{ recipient, wrappedKey: { name, sha256, sizeBytes }, ...heldRange(chunks, HELD_SEQ), outcome: 'pending' },
      ...(this.peaks === undefined ? {} : { peaks: this.peaks }),
    }
  }
}

/** The span of a recording that begins without consent; undefined when nothing is to be held. */
export function holdUntilConsent(
  facts: Pick<RecordingFacts, 'heldUntilConsent' | 'vaultRecipients'>,
  randomBytes: RandomBytes,
): HeldSpan | undefined {
  if (facts.heldUntilConsent !== true) return undefined
  return new HeldSpan(createHeldKey(facts.vaultRecipients, randomBytes))
}

/** What an entry of the manifest says of the key to which something is sealed that begins here. */
export function heldMember({ held }: Pick<Sealing, 'held'>, sample: number): MaybeHeld {
  return held?.holds(sample) === true ? { heldSeq: HELD_SEQ } : {}
}

/** Seals something that begins at this place of the timeline, to the key of that place. */
export function sealFor({ recipient, randomBytes, held }: Sealing, sample: number, clear: Uint8Array): Uint8Array {
  return sealToRecipients(clear, [held?.holds(sample) === true ? held.key.recipient : recipient], randomBytes)
}
