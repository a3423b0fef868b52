import type { ChunkEntry, ManifestBody, PeaksEntry, WrappedKeyEntry } from './manifest.ts'

/**
 * `kept`: the held key is among the objects, and what it opens is part of the recording. `destroyed`: the key is gone for good. `pending`:
 * nobody had decided when the manifest was signed; whoever decides later stores the key or destroys it.
 */
export const HELD_OUTCOMES = ['kept', 'destroyed', 'pending'] as const
export type HeldOutcomeName = (typeof HELD_OUTCOMES)[number]

/** Audio of the time before consent, sealed to a key pair of its own. FORMAT.md 2.2, 5 */
export interface HeldEntry {
  /** Counts from 0 without a hole. */
  readonly heldSeq: number
  /** age recipient of the held key pair. */
  readonly recipient: string
  /** `held-key-000.age`: its private half, sealed to the vault. */
  readonly wrappedKey: WrappedKeyEntry
  readonly fromSample: number
  readonly toSample: number
  readonly outcome: HeldOutcomeName
  /** Absent while it is `pending`, as is the next. */
  readonly decidedAt?: string
  /** Why: a word, as `agreed` or `refused`. */
  readonly cause?: string
  /** Of the held time alone, sealed to the held key. */
  readonly peaks?: PeaksEntry
}

/** An object that may be of the held part. */
export interface MaybeHeld {
  /** Sealed to the key of this entry of `held`. Absent: to the recording's own. */
  readonly heldSeq?: number
}

/** From where to where the chunks of one held part reach. It is empty when there are none. */
export function heldRange(
  chunks: readonly Pick<ChunkEntry, 'heldSeq' | 'fromSample' | 'toSample'>[],
  heldSeq: number,
): { readonly fromSample: number; readonly toSample: number } {
  const own = chunks.filter((chunk) => chunk.heldSeq === heldSeq)
  const fromSample = own[0]?.fromSample ?? 0
  return { fromSample, toSample: own.at(-1)?.toSample ?? fromSample }
}

/** The held entry that an object belongs to; undefined for one of the recording's own key. */
export function heldEntryOf(body: Pick<ManifestBody, 'held'>, { heldSeq }: MaybeHeld): HeldEntry | undefined {
  return heldSeq === undefined ? undefined : body.held?.[heldSeq]
}

/** The held keys and their peaks, as a manifest names them. */
export function heldObjects({ held = [] }: Pick<ManifestBody, 'held'>): readonly WrappedKeyEntry[] {
  return held.flatMap(({ wrappedKey, peaks }) => (peaks === undefined ? [wrappedKey] : [wrappedKey, peaks]))
}
