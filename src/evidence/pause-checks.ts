import type { FindingList } from './findings.ts'
import type { GapEntry, ManifestBody, StreamEntry } from './manifest.ts'
import type { PauseEntry } from './stream-facts.ts'

/**
 * How far a pause and the silence that it made may lie apart: 1 s. A request holds from when it was received, audio from when it was spoken; between them are
 * the way of the packets, and the time in which the recorder hears of it.
 */
const SLACK_SAMPLES = 48_000

interface Range {
  readonly fromSample: number
  readonly toSample: number
}

/** Checks that pauses are intervals of this recording, that nothing was recorded in them, and that nothing else is called one. FORMAT.md 5 */
export function checkPauses(body: ManifestBody, findings: FindingList): void {
  const { pauses, durationSamples, streams } = body
  if (pauses === undefined) return
  const known = new Set(streams.map(({ streamId }) => streamId))
  for (const [index, pause] of pauses.entries()) {
    const { from, to, fromSample, toSample, streamId } = pause
    const isClosed = to !== undefined && toSample !== undefined
    const endsBefore = isClosed && (toSample < fromSample || Date.parse(to) < Date.parse(from))
    if (endsBefore || (to === undefined) !== (toSample === undefined) || endOf(pause, body) > durationSamples) {
      findings.add('pause-wrong', `Pause ${index} has no right end, or reaches past that of the recording.`)
    }
    if (fromSample < (pauses[index - 1]?.fromSample ?? 0)) {
      findings.add('pause-wrong', `Pause ${index} began before the one that is listed before it.`)
    }
    if (body.state === 'complete' && streamId !== undefined && !known.has(streamId)) {
      findings.add('pause-wrong', `Pause ${index} is of a media stream that the manifest does not know.`, streamId)
    }
  }
  for (const stream of streams) checkStream(stream, body, findings)
}

function checkStream(stream: StreamEntry, body: ManifestBody, findings: FindingList): void {
  const { streamId, gaps, ledger } = stream
  const { pauses = [], unlistedPauses = 0 } = body
  const own = pauses.filter((pause) => pause.streamId === undefined || pause.streamId === streamId)
  const paused = joined(own.map((pause) => ({ fromSample: pause.fromSample, toSample: endOf(pause, body) })))
  if (ledger.unlistedGapSamples === 0) {
    const silent = joined(gaps)
    for (const range of paused) {
      const [fromSample, toSample] = [range.fromSample + SLACK_SAMPLES, range.toSample - SLACK_SAMPLES]
      if (fromSample >= toSample || isWithin({ fromSample, toSample }, silent)) continue
      const sentence = `Media stream ${streamId} has audio in the pause that began at ${seconds(range.fromSample)}.`
      findings.add('pause-wrong', sentence, streamId)
    }
  }
  if (unlistedPauses > 0) return
  const widened = joined(
    paused.map((range) => ({ fromSample: range.fromSample - SLACK_SAMPLES, toSample: range.toSample + SLACK_SAMPLES })),
  )
  const stray = gaps.find((gap: GapEntry) => gap.cause === 'paused' && !isWithin(gap, widened))
  if (stray === undefined) return
  const sentence = `Media stream ${streamId} is said to be paused at ${seconds(stray.fromSample)}, but nobody asked for that.`
  findings.add('pause-wrong', sentence, streamId)
}

/** One that was not taken back lasts until the end of the recording. */
function endOf({ toSample }: PauseEntry, { durationSamples }: ManifestBody): number {
  return toSample ?? durationSamples
}

/** In ascending order, with no two that touch. */
function joined(ranges: readonly Range[]): readonly Range[] {
  const joint: Range[] = []
  for (const range of ranges.toSorted((one, other) => one.fromSample - other.fromSample)) {
    const last = joint.at(-1)
    if (last === undefined || range.fromSample > last.toSample) joint.push(range)
    else joint[joint.length - 1] = { ...last, toSample: Math.max(last.toSample, range.toSample) }
  }
  return joint
}

function isWithin({ fromSample, toSample }: Range, ranges: readonly Range[]): boolean {
  return ranges.some((range) => range.fromSample <= fromSample && toSample <= range.toSample)
}

function seconds(samples: number): string {
  return `${(samples / 48_000).toFixed(3)} s`
}
