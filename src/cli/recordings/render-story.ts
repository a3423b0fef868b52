import type { RecordingDetails, RelatedRecording } from '../../server/database/queries.ts'
import { formatDuration, formatInstant, type Column, type Paint } from '../output.ts'
import { shortName } from './names.ts'

const NONE = '-'
/** Rows of vendor data on a terminal; `--json` has more. */
export const EXTENSION_LINES_MAX = 50

export const ATTRIBUTION_COLUMNS: readonly Column[] = [
  { title: 'channel', align: 'right' },
  { title: 'label' },
  { title: 'who', shrinks: true },
  { title: 'from' },
  { title: 'to' },
  { title: 'clock' },
  { title: 'known by' },
]

/** Who was on which channel from when to when. A stream has its channel once the recording is closed. */
export function attributionRows(details: RecordingDetails): readonly (readonly string[])[] {
  const names = new Map(details.participants.map((participant) => [participant.participantId, shortName(participant)]))
  const streams = new Map(details.mediaStreams.map((stream) => [stream.streamId, stream]))
  return details.attributions.map((interval) => {
    const stream = streams.get(interval.streamId)
    const end = interval.to ?? details.endedAt
    return [
      stream === undefined ? NONE : String(stream.channel),
      stream?.streamLabel ?? `m-line ${interval.streamId}`,
      names.get(interval.participantId) ?? interval.participantId,
      formatInstant(new Date(interval.from)),
      end === null ? NONE : formatInstant(new Date(end)),
      [interval.fromClock, interval.toClock].includes('src') ? 'source' : 'recorder',
      interval.basis,
    ]
  })
}

export const relatedColumns = (paint: Paint): readonly Column[] => [
  { title: 'id' },
  { title: 'started' },
  { title: 'duration', align: 'right' },
  { title: 'relation', paint: (cell) => (cell.trim() === 'duplicate' ? paint('yellow', cell) : cell) },
  { title: 'source', shrinks: true },
  { title: 'participants', shrinks: true },
  { title: 'linked by', shrinks: true },
]

/** The recordings of the story, oldest first, the one that is shown among them in its place. */
export function storyRows(details: RecordingDetails): readonly (readonly string[])[] {
  if (details.related.length === 0) return []
  const own = { ...details, relation: 'this one', link: '' }
  const others = details.related.map((related) => ({ ...related, link: linkOf(related) }))
  return [own, ...others]
    .toSorted((one, other) => compareText(one.startedAt + one.recordingId, other.startedAt + other.recordingId))
    .map(({ recordingId, startedAt, durationMs, relation, src, participants, link }) => [
      recordingId,
      formatInstant(new Date(startedAt)),
      durationMs === null ? NONE : formatDuration(durationMs),
      relation,
      src,
      participants.map(shortName).join(', ') || NONE,
      link,
    ])
}

function linkOf({ sharedIds, through }: RelatedRecording): string {
  if (through !== null) return `through ${through}`
  return [...new Set(sharedIds.map(({ kind }) => kind))].join(', ')
}

function compareText(one: string, other: string): number {
  if (one === other) return 0
  return one < other ? -1 : 1
}

export const ID_COLUMNS: readonly Column[] = [{ title: 'kind' }, { title: 'value', shrinks: true }]

export function idRows({ correlationIds }: RecordingDetails): readonly (readonly string[])[] {
  return correlationIds.map(({ kind, value }) => [kind, value])
}

export const EXTENSION_COLUMNS: readonly Column[] = [
  { title: 'element', shrinks: true },
  { title: 'text', shrinks: true },
  { title: 'attributes', shrinks: true },
]

export function extensionRows({ extensions }: RecordingDetails): readonly (readonly string[])[] {
  const rows = extensions
    .slice(0, EXTENSION_LINES_MAX)
    .map(({ path, text, attributes }) => [
      path,
      text || NONE,
      attributes.map(([name, value]) => `${name}=${value}`).join(' ') || NONE,
    ])
  const left = extensions.length - rows.length
  return left > 0 ? [...rows, [`… ${left} more`, '', '']] : rows
}
