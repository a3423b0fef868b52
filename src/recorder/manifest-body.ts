import {
  MANIFEST_FORMAT,
  type ChunkEntry,
  type DtmfEntry,
  type GapEntry,
  type KeptEntry,
  type ManifestBody,
  type PeaksEntry,
  type SnapshotEntry,
  type StreamEntry,
} from '../evidence/manifest.ts'
import type { HeldEntry } from '../evidence/held-entry.ts'
import { TEXT_LENGTH_MAX } from '../evidence/shape-checks.ts'
import type { PauseEntry, ReceptionFacts, RtcpFacts, SourceFacts } from '../evidence/stream-facts.ts'
import type { StreamTimeline } from '../media/stream-timeline.ts'
import type { MetadataState } from '../protocol/siprec/metadata-state.ts'
import { POSITIONS_PER_SECOND, positionsPerSample } from './receiver-set.ts'
import type { RecordingKey } from './recording-key.ts'
import type { SenderTally } from './sender-ledger.ts'
import type { AlignmentFacts, StreamAlignment } from './stream-alignment.ts'
import type { StreamReceiver } from './stream-receiver.ts'
import { withListedGaps } from './listed-gaps.ts'
import type { EndCause, MediaStreamPlan, RecordingFacts, RecordingIncident, StreamCounters } from './recording-types.ts'

/** A snapshot as the recording session kept it. */
export interface SnapshotRecord {
  readonly seq: number
  readonly name: string
  readonly sealedSha256: string
  readonly sealedSizeBytes: number
  readonly rawSha256: string
  readonly dataMode: 'complete' | 'partial' | undefined
  readonly receivedAt: string
  readonly mediaType?: string
}

export interface StreamReport {
  readonly plan: MediaStreamPlan
  readonly channel: number
  readonly participantIds: readonly string[]
  readonly codecs: readonly string[]
  readonly protection: readonly string[]
  readonly sources: SourceFacts
  readonly rtcp: RtcpFacts | undefined
  readonly reception: ReceptionFacts | undefined
  readonly counters: StreamCounters
  readonly timeline: StreamTimeline
}

export interface RecordingReport {
  readonly facts: RecordingFacts
  readonly key: RecordingKey
  /** Absent when nothing was held until consent. */
  readonly held?: HeldEntry
  readonly endedAt: string
  readonly originAt: string | undefined
  readonly state: ManifestBody['state']
  readonly endCause: EndCause
  readonly durationSamples: number
  readonly chunks: readonly ChunkEntry[]
  readonly kept: readonly KeptEntry[]
  readonly dtmf: readonly DtmfEntry[]
  readonly peaks: PeaksEntry | undefined
  readonly streams: readonly StreamReport[]
  readonly participantIds: readonly string[]
  readonly snapshots: readonly SnapshotRecord[]
  readonly pauses: readonly PauseEntry[]
  readonly unlistedPauses: number
  readonly incidents: readonly RecordingIncident[]
}

/** Each media stream with who was heard on it, in the order of their channels. */
export function reportStreams(
  receivers: readonly StreamReceiver[],
  metadata: MetadataState,
  settings: { readonly layout: RecordingFacts['layout']; readonly alignment: StreamAlignment },
): StreamReport[] {
  return receivers.map((receiver, channel) => ({
    plan: receiver.plan,
    channel: settings.layout === 'mixed' ? 0 : channel,
    participantIds: metadata
      .everyParticipantFor(receiver.plan.line)
      .participants.map(({ participantId }) => participantId),
    codecs: receiver.codecs,
    protection: receiver.protection,
    sources: { kinds: receiver.sources.kinds, dropped: receiver.sources.dropped, moves: receiver.sources.moves },
    rtcp: describeRtcp(receiver, settings.alignment.factsOf(receiver.plan.streamId)),
    reception: describeReception(receiver),
    counters: receiver.counters,
    timeline: receiver.timeline,
  }))
}

/** Undefined when no RTCP came. */
function describeRtcp({ rtcp }: StreamReceiver, { aheadUs, refusals, basis }: AlignmentFacts): RtcpFacts | undefined {
  const { counters, tally, goodbyes, disagreements } = rtcp
  const discarded = Object.values(counters.discarded).reduce((sum, count) => sum + count, 0)
  if (discarded === 0 && Object.values(counters.received).every((count) => count === 0)) return undefined
  return {
    senderReports: tally?.senderReports ?? 0,
    ...{ goodbyes, discarded, disagreements, refusals },
    ...(tally === undefined ? {} : describeTally(tally)),
    alignedSamples: Math.round((aheadUs * POSITIONS_PER_SECOND) / 1_000_000),
    alignedBy: basis,
  }
}

function describeTally({ sent, received, octetsSent, octetsReceived }: SenderTally) {
  return { packetsSent: sent, packetsArrived: received, octetsSent, octetsArrived: octetsReceived }
}

/** Undefined when no packet was taken. */
function describeReception({ rtcp }: StreamReceiver): ReceptionFacts | undefined {
  const { reception, counters, ssrcs, roundTripMs } = rtcp
  if (reception === undefined) return undefined
  const { packetsExpected, packetsReceived } = reception.statistics
  const metrics = reception.voipMetrics({ roundTripMs, delayMs: 0, delayMaxMs: 0 })
  return {
    ...{ ssrcs, reportsSent: counters.sent, packetsExpected, packetsReceived },
    jitterUs: Math.round(reception.jitterSeconds * 1_000_000),
    ...(roundTripMs === 0 ? {} : { roundTripUs: Math.round(roundTripMs * 1_000) }),
    lossRate: fractionOf256(metrics.lossRate),
    discardRate: fractionOf256(metrics.discardRate),
    burstDensity: fractionOf256(metrics.burstDensity),
    gapDensity: fractionOf256(metrics.gapDensity),
    burstMs: Math.round(metrics.burstMs),
    gapMs: Math.round(metrics.gapMs),
  }
}

/** As RFC 3611 4.7.1 has it: the integer part, in one octet. */
function fractionOf256(share: number): number {
  return Math.min(255, Math.floor(share * 256))
}

/** Writes down what the recorder knows as the body of the manifest; names and numbers stay in the sealed snapshots. */
export function describeRecording(report: RecordingReport): ManifestBody {
  const { facts, key } = report
  return {
    format: MANIFEST_FORMAT,
    recordingId: facts.recordingId,
    rsId: facts.rsId,
    tenant: facts.tenant,
    src: facts.src,
    sipCallIdSha256: facts.sipCallIdSha256,
    startedAt: new Date(facts.openedAtUnixMs).toISOString(),
    endedAt: report.endedAt,
    ...(report.originAt === undefined ? {} : { originAt: report.originAt }),
    state: report.state,
    endCause: report.endCause,
    layout: facts.layout,
    durationSamples: report.durationSamples,
    recipient: key.recipient,
    wrappedKey: { name: key.name, sha256: key.sha256, sizeBytes: key.sizeBytes },
    ...(report.held === undefined ? {} : { held: [report.held] }),
    chunks: report.chunks,
    ...(report.kept.length === 0 ? {} : { kept: report.kept }),
    ...(report.dtmf.length === 0 ? {} : { dtmf: report.dtmf }),
    ...(report.peaks === undefined ? {} : { peaks: report.peaks }),
    streams: withListedGaps(describeStreams(report)),
    participants: report.participantIds.map((participantId) => ({ participantId })),
    snapshots: report.snapshots.map(describeSnapshot),
    pauses: report.pauses,
    ...(report.unlistedPauses === 0 ? {} : { unlistedPauses: report.unlistedPauses }),
    incidents: report.incidents,
    consentEvents: [],
    software: facts.software,
    clock: { status: 'unknown' },
  }
}

/** After a failure inside nothing may throw any more: where facts of the streams cannot be had, none are told. */
export function whatIsKnown<Fact>(tell: () => readonly Fact[]): readonly Fact[] {
  try {
    return tell()
  } catch {
    return []
  }
}

function describeStreams({ state, streams, durationSamples }: RecordingReport): readonly StreamEntry[] {
  if (state === 'complete') return streams.map(describeStream)
  return whatIsKnown(() => streams.flatMap((stream) => writtenPart(stream, durationSamples) ?? []))
}

/**
 * Of a recording that failed inside: what was read of a stream reaches beyond what was written of it. How much of what was concealed or silent lies
 * in that is not known, and not told. Undefined when the gaps in it are not, as there were too many to list.
 */
function writtenPart(stream: StreamReport, durationSamples: number): StreamEntry | undefined {
  const entry = describeStream(stream)
  const isRead = stream.timeline.readPosition * positionsPerSample(stream) >= durationSamples
  if (!isRead || entry.ledger.unlistedGapSamples > 0) return undefined
  const gaps = entry.gaps
    .filter(({ fromSample }) => fromSample < durationSamples)
    .map((gap) => ({ ...gap, toSample: Math.min(gap.toSample, durationSamples) }))
  const gapSamples = { lost: 0, silence: 0, held: 0, noMedia: 0, paused: 0, masked: 0, undecoded: 0 }
  for (const { cause, fromSample, toSample } of gaps) gapSamples[cause] += toSample - fromSample
  const { lost, silence, held, noMedia, ...others } = gapSamples
  const audioSamples = durationSamples - Object.values(gapSamples).reduce((sum, samples) => sum + samples, 0)
  const told = Object.fromEntries(Object.entries(others).filter(([, samples]) => samples > 0))
  const ledger = { audioSamples, gapSamples: { lost, silence, held, noMedia, ...told }, unlistedGapSamples: 0 }
  return { ...entry, ledger, gaps }
}

function describeStream(stream: StreamReport): StreamEntry {
  const sampleFactor = positionsPerSample(stream)
  const { counters, timeline, sources, rtcp, reception } = stream
  const { audioSamples, gapSamples, unlistedGapSamples, concealedSamples, silentSamples } = timeline.ledger
  const { packetsComfortNoise, packetsDiscarded } = counters
  return {
    streamId: stream.plan.streamId,
    streamLabel: bounded(stream.plan.streamLabel),
    channel: stream.channel,
    participantIds: stream.participantIds,
    codecs: stream.codecs,
    sampleRate: timeline.sampleRate,
    protection: stream.protection,
    ...(sources.kinds.length === 0 && sources.dropped === 0 ? {} : { sources }),
    ...(rtcp === undefined ? {} : { rtcp }),
    ...(reception === undefined ? {} : { reception }),
    packets: {
      expected: counters.packetsExpected,
      received: counters.packetsReceived,
      lost: counters.packetsLost,
      late: counters.packetsLate,
      duplicate: counters.packetsDuplicate,
      discarded: discardedOtherwise(counters),
      ...(packetsDiscarded.paused === 0 ? {} : { paused: packetsDiscarded.paused }),
      ...(packetsComfortNoise === 0 ? {} : { comfortNoise: packetsComfortNoise }),
    },
    ledger: {
      audioSamples: audioSamples * sampleFactor,
      gapSamples: {
        lost: gapSamples.lost * sampleFactor,
        silence: gapSamples.silence * sampleFactor,
        held: gapSamples.held * sampleFactor,
        noMedia: gapSamples.noMedia * sampleFactor,
        ...(gapSamples.paused === 0 ? {} : { paused: gapSamples.paused * sampleFactor }),
        ...(gapSamples.masked === 0 ? {} : { masked: gapSamples.masked * sampleFactor }),
        ...(gapSamples.undecoded === 0 ? {} : { undecoded: gapSamples.undecoded * sampleFactor }),
      },
      unlistedGapSamples: unlistedGapSamples * sampleFactor,
      concealedSamples: concealedSamples * sampleFactor,
      silentSamples: silentSamples * sampleFactor,
    },
    gaps: timeline.gaps.map((gap): GapEntry => ({
      fromSample: gap.fromSample * sampleFactor,
      toSample: gap.toSample * sampleFactor,
      cause: gap.cause,
    })),
  }
}

/** A label as a manifest can hold it; SDP does not bound it. */
function bounded(text: string): string {
  return text.length <= TEXT_LENGTH_MAX ? text : text.slice(0, TEXT_LENGTH_MAX).toWellFormed()
}

/** Late packets and duplicates have members of their own: nothing is counted twice. */
function discardedOtherwise({ packetsDiscarded: { late, duplicate, ...others } }: StreamCounters): number {
  return Object.values(others).reduce((sum, count) => sum + count, 0)
}

function describeSnapshot(snapshot: SnapshotRecord): SnapshotEntry {
  return {
    seq: snapshot.seq,
    name: snapshot.name,
    sha256: snapshot.rawSha256,
    sealedSha256: snapshot.sealedSha256,
    sizeBytes: snapshot.sealedSizeBytes,
    receivedAt: snapshot.receivedAt,
    ...(snapshot.mediaType === undefined ? {} : { mediaType: snapshot.mediaType }),
    ...(snapshot.dataMode === undefined ? {} : { dataMode: snapshot.dataMode }),
    valid: snapshot.dataMode !== undefined,
  }
}
