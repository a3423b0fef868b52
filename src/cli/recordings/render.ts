import type { RecordingState } from '../../server/database/list-filters.ts'
import type { ListedRecording, RecordingDetails } from '../../server/database/queries.ts'
import { formatBytes, formatDuration, formatInstant, formatTable, type Column, type Paint } from '../output.ts'
import { shortName } from './names.ts'
import {
  ATTRIBUTION_COLUMNS,
  attributionRows,
  EXTENSION_COLUMNS,
  extensionRows,
  ID_COLUMNS,
  idRows,
  relatedColumns,
  storyRows,
} from './render-story.ts'
import { CONSENT_COLUMNS, consentRows } from './render-consent.ts'

/** Positions on the recording timeline. */
const SAMPLES_PER_MS = 48
const NONE = '-'
const CUSTODY_TEXT = {
  held: 'HELD: a legal hold keeps it from being destroyed',
  shredding: 'its destruction was begun and not reported as done: run "earwitness shred" again',
  shredded: 'SHREDDED: its key was destroyed on purpose; nobody can open it any more',
} as const
const KEPT_AUDIO = 'some was kept as it came (gap "undecoded"): export decodes what the FFmpeg of that machine can'

const STATE_STYLES = { open: 'cyan', complete: 'green', interrupted: 'yellow' } as const satisfies Record<
  RecordingState,
  string
>

/** What was decided later, in the place of how it ended. */
function custodyWord({ state, custodyState }: Pick<ListedRecording, 'state' | 'custodyState'>): string | undefined {
  if (custodyState === 'free') return undefined
  return custodyState === 'held' ? `${state}, held` : custodyState
}

/** Recordings as an aligned table, in the order given. What the audio is like is told where one of them was not decoded live. */
export function recordingTable(
  recordings: readonly ListedRecording[],
  paint: Paint,
  columnsMax: number | undefined,
): readonly string[] {
  const showsAudio = recordings.some(({ hasKeptAudio }) => hasKeptAudio)
  const columns: readonly Column[] = [
    { title: 'id' },
    { title: 'started' },
    { title: 'duration', align: 'right' },
    { title: 'state', paint: (cell) => paint(STATE_STYLES[cell as RecordingState] ?? 'bold', cell) },
    ...(showsAudio ? [{ title: 'audio' }] : []),
    { title: 'source', shrinks: true },
    { title: 'participants', shrinks: true },
  ]
  const rows = recordings.map((recording) => [
    recording.recordingId,
    formatInstant(new Date(recording.startedAt)),
    recording.durationMs === null ? NONE : formatDuration(recording.durationMs),
    custodyWord(recording) ?? recording.state,
    ...(showsAudio ? [recording.hasKeptAudio ? 'kept' : 'decoded'] : []),
    recording.src,
    recording.participants.map(shortName).join(', ') || NONE,
  ])
  return formatTable(columns, rows, { columnsMax, heading: (text) => paint('bold', text) })
}

/** All that is known about one recording, as blocks with a heading each; blocks without content are left out. */
export function describeRecording(
  details: RecordingDetails,
  paint: Paint,
  columnsMax: number | undefined,
): readonly string[] {
  const table = (columns: readonly Column[], rows: readonly (readonly string[])[]): readonly string[] =>
    formatTable(columns, rows, { columnsMax, heading: (text) => paint('dim', text) })
  const blocks: readonly (readonly [heading: string, lines: readonly string[]])[] = [
    ['participants', table(PARTICIPANT_COLUMNS, participantRows(details))],
    ['media streams', table(STREAM_COLUMNS, streamRows(details))],
    ['on the channels', table(ATTRIBUTION_COLUMNS, attributionRows(details))],
    ['the whole story', table(relatedColumns(paint), storyRows(details))],
    ['communication sessions', table(CS_COLUMNS, communicationSessionRows(details))],
    ['identifiers', table(ID_COLUMNS, idRows(details))],
    ['vendor data', table(EXTENSION_COLUMNS, extensionRows(details))],
    ['metadata snapshots', table(SNAPSHOT_COLUMNS, snapshotRows(details))],
    ['consent', table(CONSENT_COLUMNS, consentRows(details))],
    ['incidents', table(INCIDENT_COLUMNS, incidentRows(details))],
    ['custody', table(CUSTODY_COLUMNS, custodyRows(details))],
  ]
  const facts = formatTable(
    [
      { title: '', paint: (cell) => paint('cyan', cell) },
      { title: '', shrinks: true },
    ],
    factRows(details),
    { columnsMax },
  )
  return [
    ...facts,
    // A block of one line has its heading only.
    ...blocks.flatMap(([heading, lines]) => (lines.length > 1 ? ['', paint('bold', heading), ...lines] : [])),
  ]
}

function factRows(details: RecordingDetails): readonly (readonly string[])[] {
  const { state, endCause, endedAt, durationMs, chunks } = details
  const sizeBytes = chunks.reduce((sum, chunk) => sum + chunk.sizeBytes, 0)
  return [
    ['recording', details.recordingId],
    ['state', endCause === null ? state : `${state} (${endCause})`],
    ...(details.custodyState === 'free' ? [] : [['custody', CUSTODY_TEXT[details.custodyState]]]),
    ['started', formatInstant(new Date(details.startedAt))],
    ['ended', endedAt === null ? NONE : formatInstant(new Date(endedAt))],
    ['duration', durationMs === null ? NONE : formatDuration(durationMs)],
    ['source', `${details.src}, tenant ${details.tenant}`],
    ['dialect', details.dialect],
    ['layout', details.layout],
    ...(details.hasKeptAudio ? [['audio', KEPT_AUDIO]] : []),
    ['metadata', details.metadataState],
    ['consent', details.consentState],
    ['chunks', `${chunks.length}, ${formatBytes(sizeBytes)} sealed`],
    ['objects', details.objectPrefix],
    ['manifest', details.manifestSha256 === null ? NONE : `SHA-256 ${details.manifestSha256}`],
    ['SIP Call-ID', details.sipCallId],
    ['recording session', details.rsId],
  ]
}

const PARTICIPANT_COLUMNS: readonly Column[] = [
  { title: 'id', shrinks: true },
  { title: 'name', shrinks: true },
  { title: 'address of record', shrinks: true },
]

function participantRows({ participants }: RecordingDetails): readonly (readonly string[])[] {
  return participants.flatMap(({ participantId, aors }) =>
    aors.length === 0
      ? [[participantId, NONE, NONE]]
      : aors.map(({ aor, name }, index) => [index === 0 ? participantId : '', name ?? NONE, aor]),
  )
}

const STREAM_COLUMNS: readonly Column[] = [
  { title: 'channel', align: 'right' },
  { title: 'label' },
  { title: 'codec' },
  { title: 'who', shrinks: true },
  { title: 'expected', align: 'right' },
  { title: 'received', align: 'right' },
  { title: 'lost', align: 'right' },
  { title: 'late', align: 'right' },
  { title: 'duplicate', align: 'right' },
  { title: 'audio', align: 'right' },
  { title: 'silent', align: 'right' },
  { title: 'gaps', shrinks: true },
]

function streamRows(details: RecordingDetails): readonly (readonly string[])[] {
  const names = new Map(details.participants.map((participant) => [participant.participantId, shortName(participant)]))
  return details.mediaStreams.map((stream) => [
    String(stream.channel),
    stream.streamLabel,
    stream.codec,
    stream.participantIds.map((id) => names.get(id) ?? id).join(', ') || NONE,
    String(stream.packets.expected),
    String(stream.packets.received),
    String(stream.packets.lost),
    String(stream.packets.late),
    String(stream.packets.duplicate),
    formatDuration(stream.audioSamples / SAMPLES_PER_MS),
    stream.silentSamples === null ? NONE : formatDuration(stream.silentSamples / SAMPLES_PER_MS),
    gapsOf(details, stream),
  ])
}

/** `lost 1.24 s (1.10 s filled), held 30.00 s`: each cause with its sum, and what of it was concealed. */
function gapsOf({ gaps }: RecordingDetails, stream: RecordingDetails['mediaStreams'][number]): string {
  const samples = new Map<string, number>()
  for (const gap of gaps) {
    if (gap.streamId === stream.streamId)
      samples.set(gap.cause, (samples.get(gap.cause) ?? 0) + gap.toSample - gap.fromSample)
  }
  const concealed = stream.concealedSamples ?? 0
  const texts = [...samples].map(([cause, count]) => {
    const filled = cause === 'lost' && concealed > 0 ? ` (${seconds(concealed)} filled)` : ''
    return `${cause} ${seconds(count)}${filled}`
  })
  return texts.join(', ') || NONE
}

function seconds(samples: number): string {
  return `${(samples / SAMPLES_PER_MS / 1000).toFixed(2)} s`
}

const CUSTODY_COLUMNS: readonly Column[] = [
  { title: 'decided' },
  { title: 'what' },
  { title: 'hold' },
  { title: 'by', shrinks: true },
  { title: 'reason', shrinks: true },
]

function custodyRows({ custodyRecords }: RecordingDetails): readonly (readonly string[])[] {
  return custodyRecords.map(({ decidedAt, decision, scope, holdId, decidedBy, reason }) => [
    formatInstant(new Date(decidedAt)),
    scope === 'objects' ? `${decision} (all objects)` : decision,
    holdId ?? NONE,
    decidedBy ?? NONE,
    reason ?? NONE,
  ])
}

const CS_COLUMNS: readonly Column[] = [
  { title: 'id', shrinks: true },
  { title: 'group', shrinks: true },
  { title: 'began', shrinks: true },
  { title: 'ended', shrinks: true },
  { title: 'Session-ID', shrinks: true },
]

function communicationSessionRows({ communicationSessions }: RecordingDetails): readonly (readonly string[])[] {
  return communicationSessions.map((cs) => [
    cs.csId,
    cs.csGroupId ?? NONE,
    cs.startTime ?? NONE,
    cs.stopTime ?? NONE,
    cs.sipSessionIds.join(', ') || NONE,
  ])
}

const SNAPSHOT_COLUMNS: readonly Column[] = [
  { title: 'no.', align: 'right' },
  { title: 'received' },
  { title: 'mode' },
  { title: 'valid' },
  { title: 'size', align: 'right' },
]

function snapshotRows({ snapshots }: RecordingDetails): readonly (readonly string[])[] {
  return snapshots.map((snapshot) => [
    String(snapshot.seq),
    formatInstant(new Date(snapshot.receivedAt)),
    snapshot.dataMode ?? NONE,
    snapshot.valid ? 'yes' : `no: ${snapshot.reason ?? 'unknown'}`,
    formatBytes(snapshot.sizeBytes),
  ])
}

const INCIDENT_COLUMNS: readonly Column[] = [
  { title: 'at' },
  { title: 'position', align: 'right' },
  { title: 'code' },
  { title: 'detail', shrinks: true },
]

function incidentRows({ incidents }: RecordingDetails): readonly (readonly string[])[] {
  return incidents.map((incident) => [
    formatInstant(new Date(incident.at)),
    incident.atSample === null ? NONE : formatDuration(incident.atSample / SAMPLES_PER_MS),
    incident.code,
    incident.detail,
  ])
}
