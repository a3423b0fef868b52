import type { FindingList } from './findings.ts'
import type { ManifestBody, StreamEntry } from './manifest.ts'

interface Range {
  readonly fromSample: number
  readonly toSample: number
}

/**
 * Checks that RTP which was kept as it came has its place: inside the recording, one object after the other in each
 * stream, and wherever a stream's ledger says that its audio is kept and not decoded. FORMAT.md 5
 */
export function checkKept(body: ManifestBody, findings: FindingList): void {
  const ranges = new Map<string, Range[]>()
  const known = new Set(body.streams.map(({ streamId }) => streamId))
  for (const { name, streamId, fromSample, toSample } of body.kept ?? []) {
    // Of an interrupted recording the streams are not known, and the last chunk may be missing that goes with an object.
    const isComplete = body.state === 'complete'
    if (isComplete && !known.has(streamId)) {
      findings.add('kept-stream-unknown', 'The manifest does not know the media stream that was kept here.', name)
    }
    if (toSample <= fromSample || (isComplete && toSample > body.durationSamples)) {
      findings.add('kept-outside', 'Kept RTP is said to last no time, or past the end of the recording.', name)
    }
    const before = ranges.get(streamId) ?? []
    if (fromSample < (before.at(-1)?.toSample ?? 0)) {
      findings.add('kept-overlap', 'Kept RTP begins before the object of the same stream before it ends.', name)
    }
    before.push({ fromSample, toSample })
    ranges.set(streamId, before)
  }
  for (const stream of body.streams) checkUndecoded(stream, ranges.get(stream.streamId) ?? [], findings)
}

/** Time that is said to be kept must be within what is kept: else it would pass for neither lost nor there. */
function checkUndecoded({ streamId, gaps }: StreamEntry, kept: readonly Range[], findings: FindingList): void {
  let next = 0
  for (const { cause, fromSample, toSample } of gaps) {
    if (cause !== 'undecoded') continue
    while (next < kept.length && (kept[next]?.toSample ?? 0) <= fromSample) next += 1
    let covered = fromSample
    for (let index = next; covered < toSample; index += 1) {
      const range = kept[index]
      if (range === undefined || range.fromSample > covered) break
      covered = range.toSample
    }
    if (covered >= toSample) continue
    const where = `${(covered / 48_000).toFixed(3)} s`
    findings.add('undecoded-not-kept', `Media stream ${streamId} has no kept RTP for its time at ${where}.`, streamId)
  }
}
