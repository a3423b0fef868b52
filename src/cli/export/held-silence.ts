import type { HeldEntry } from '../../evidence/held-entry.ts'
import { LINK_START_COMMENT, linkStart } from '../../media/flatten-links.ts'
import type { OggOpusLink } from '../../media/ogg-opus.ts'

const SAMPLES_PER_SECOND = 48_000

/**
 * Puts an empty link at the beginning of the timeline where the first one begins later, since what was before cannot be opened: so silence of the right length
 * stands there, and all that follows is in its place.
 */
export function withSilenceBefore(links: readonly OggOpusLink[]): readonly OggOpusLink[] {
  const [first] = links
  if (first === undefined || (linkStart(first) ?? 0) === 0) return links
  const comments = first.comments.map(
    ([name, value]) => [name, name.toUpperCase() === LINK_START_COMMENT ? '0' : value] as const,
  )
  return [{ ...first, comments, packets: [], granulePosition: first.preSkip }, ...links]
}

/** What is to be said of held parts that are not in an export. */
export function heldWarnings(closed: readonly HeldEntry[]): readonly string[] {
  return closed
    .filter(({ fromSample, toSample }) => toSample > fromSample)
    .map(({ fromSample, toSample, outcome }) => {
      const why =
        outcome === 'destroyed'
          ? 'and its key was destroyed: nobody can open it'
          : 'and its key is not there: nobody had decided about it when the manifest was signed'
      return `warning: audio from ${seconds(fromSample)} to ${seconds(toSample)} s was held until consent, ${why}; it is silent here.`
    })
}

function seconds(samples: number): string {
  return (samples / SAMPLES_PER_SECOND).toFixed(2)
}
