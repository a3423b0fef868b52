import type { PauseRequester } from '../../evidence/words.ts'
import type { ConsentState } from '../../consent/words.ts'
import type { ManifestBody } from '../../evidence/manifest.ts'
import type { RecordingRequest, RefusalReason } from '../../recorder/recording-request.ts'
import { asStreamId } from '../../ids.ts'
import type { FlagEvent, RecordingIncident } from '../../recorder/recording-types.ts'
import type { PublishEvent } from '../http/event-schema.ts'
import type { StatementSink } from '../ledger/ledger.ts'
import type { OpusReport, WorkerReport } from '../media/worker-messages.ts'
import type { OfferRequest, SignallingHandler } from '../signalling/port.ts'
import { TotalFollower } from '../telemetry/bounded-metrics.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { LiveRecording, LiveState } from './live-recording.ts'
import type { SourceRefusal } from './source-table.ts'

const SAMPLES_PER_SECOND = 48_000
const SOURCE_LOG_INTERVAL_US = 1_000_000

export type SignallingCounter = Parameters<NonNullable<SignallingHandler['handleCounted']>>[0]

/** What happens to recording sessions, told to the log (state changes), to the metrics (counts), to those who read the event stream, and, where it is
 * evidence, to the ledger. */
export class RecordingEvents {
  readonly #log: Logger
  readonly #metrics: Metrics
  readonly #publish: PublishEvent
  readonly #ledger: StatementSink | undefined
  readonly #totals = new TotalFollower()
  #nextSourceLogUs = -Infinity

  constructor(options: {
    readonly log: Logger
    readonly metrics: Metrics
    readonly publish: PublishEvent
    /** Hears of pauses and of who listens; absent, nobody does. */
    readonly ledger?: StatementSink
  }) {
    this.#log = options.log
    this.#metrics = options.metrics
    this.#publish = options.publish
    this.#ledger = options.ledger
  }

  signallingCounted(counter: SignallingCounter): void {
    switch (counter.kind) {
      case 'request':
        this.#metrics.sipRequestsTotal.inc({ method: counter.method, code: String(counter.code) })
        return
      case 'rejected':
        this.#metrics.sipRejectedTotal.inc({ reason: counter.reason })
        return
      case 'retransmission':
        this.#metrics.sipRetransmissionsTotal.inc({ direction: counter.direction })
        return
      case 'dropped':
        this.#metrics.sipDroppedTotal.inc({ reason: counter.reason })
        return
      case 'authentication':
        this.#metrics.sipAuthenticationsTotal.inc({ outcome: counter.outcome })
    }
  }

  opened(recording: LiveRecording, offer: OfferRequest, nowUs: number): void {
    this.#metrics.inviteResponseSeconds.observe(Math.max(0, nowUs - offer.receivedUs) / 1e6)
    const { dialect } = recording.communication
    this.#log.info({ ...idsOf(recording), dialect }, 'recording session opened')
  }

  refused(offer: OfferRequest, reason: RefusalReason, src: string): void {
    this.#metrics.recordingSessionsTotal.inc({ src, outcome: reason })
    this.#log.warn({ sipCallId: offer.sipCallId, src, reason }, 'INVITE refused')
  }

  /** Lines of an offer that is taken which are not received. */
  linesRefused(reasons: RecordingRequest['refusedLines']): void {
    for (const reason of reasons) this.#metrics.mediaLinesRefusedTotal.inc({ reason })
  }

  /** No recording for this source. Strangers may try as often as they like, so one line a second is logged. */
  sourceRefused(refusal: SourceRefusal, src: string, nowUs: number): void {
    this.#metrics.recordingSessionsTotal.inc({ src, outcome: `source-${refusal}` })
    if (nowUs < this.#nextSourceLogUs) return
    this.#nextSourceLogUs = nowUs + SOURCE_LOG_INTERVAL_US
    this.#log.info({ src, reason: refusal }, 'INVITE of a source that is not recorded')
  }

  /** An INVITE was refused because of what the recorder has to do already. A line for each would be one more thing to do. */
  notAdmitted(reason: string): void {
    this.#metrics.admissionRefusalsTotal.inc({ reason })
  }

  abandoned(recording: LiveRecording, outcome: string): void {
    this.#metrics.recordingSessionsTotal.inc({ src: recording.facts.src, outcome })
    this.#metrics.recordingSessions.add({ src: recording.facts.src, state: recording.state }, -1)
    this.#publish('recording-session', { ...aboutOf(recording), state: 'closed', outcome })
    this.#log.warn({ ...idsOf(recording), reason: outcome }, 'INVITE came to nothing')
  }

  created(recording: LiveRecording): void {
    this.#metrics.recordingSessions.add({ src: recording.facts.src, state: recording.state }, 1)
    this.#publish('recording-session', { ...aboutOf(recording), state: recording.state })
  }

  stateChanged(recording: LiveRecording, before: LiveState): void {
    const { src } = recording.facts
    this.#metrics.recordingSessions.add({ src, state: before }, -1)
    this.#metrics.recordingSessions.add({ src, state: recording.state }, 1)
    this.#publish('recording-session', { ...aboutOf(recording), state: recording.state })
    this.#log.debug({ ...idsOf(recording), state: recording.state }, 'recording session state')
  }

  metadataRejected(recording: LiveRecording, reason: string): void {
    this.#metrics.metadataRejectedTotal.inc({ reason })
    this.#log.warn({ ...idsOf(recording), reason }, 'metadata could not be read; its bytes are kept')
  }

  /** A request of ours to an SRC. */
  asked(request: 'reoffer' | 'snapshot', outcome: string): void {
    this.#metrics.ownRequestsTotal.inc({ request, outcome })
  }

  pauseChanged(recording: LiveRecording, isPaused: boolean, by: PauseRequester): void {
    const { recordingId } = recording.facts
    this.#ledger?.append({ kind: isPaused ? 'recordingPaused' : 'recordingResumed', recordingId, by })
    this.#metrics.pauseRequestsTotal.inc({ by, action: isPaused ? 'pause' : 'resume' })
    this.#publish('pause', { ...aboutOf(recording), paused: isPaused, by })
    this.#log.info({ ...idsOf(recording), by }, isPaused ? 'recording paused' : 'recording resumed')
  }

  /** The policy of the source wants somebody to know that consent is not there. */
  consentWanted(recording: LiveRecording, state: ConsentState): void {
    this.#publish('consent', { ...aboutOf(recording), consent: state, wanted: true })
    this.#log.warn({ ...idsOf(recording), consent: state }, 'a recording is without the consent that it needs')
  }

  /** The recording is over, and this is what is known of consent. */
  consentOver(recording: LiveRecording, state: ConsentState): void {
    this.#publish('consent', { ...aboutOf(recording), consent: state, wanted: false })
    if (isWithoutConsent(state)) this.#metrics.recordingsWithoutConsentTotal.inc({ consent: state })
    this.#log.info({ ...idsOf(recording), consent: state }, 'consent of the recording')
  }

  incident(recording: LiveRecording, incident: RecordingIncident): void {
    this.#metrics.incidentsTotal.inc({ code: incident.code })
    if (incident.code === 'one-way') this.#countOneWay(recording)
    this.#publish('incident', { ...aboutOf(recording), ...incident })
    this.#log.warn({ ...idsOf(recording), code: incident.code }, 'incident')
  }

  /** A flag of a media stream was raised or cleared. A stream without packets is counted once. */
  flagged(recording: LiveRecording, event: FlagEvent): void {
    const { streamId, streamLabel, flag, isRaised, at, atSample } = event
    const place = atSample === undefined ? { at } : { at, atSample }
    this.#publish('stream-flag', { ...aboutOf(recording), streamId, streamLabel, flag, raised: isRaised, ...place })
    if (!isRaised || flag !== 'zeroPackets') return
    if (recording.withoutPackets.has(streamId)) return
    recording.withoutPackets.add(streamId)
    this.#metrics.zeroPacketStreamsTotal.inc()
  }

  /** Noted while it happens, once for each stream and perhaps again; or at the end of one that was too short for that. */
  #countOneWay(recording: LiveRecording): void {
    if (recording.isOneWay) return
    recording.isOneWay = true
    this.#metrics.oneWaySessionsTotal.inc()
  }

  /** Somebody listens to a recording while it is made. That it is in the manifest is the recorder's business. */
  listening(recording: LiveRecording, address: string): void {
    this.#sayAccess(recording, address, { action: 'listen' })
    this.#metrics.liveListeningTotal.inc({ outcome: 'accepted' })
    this.#log.info({ ...idsOf(recording), address }, 'somebody listens to the recording')
  }

  listeningEnded(recording: LiveRecording, address: string, durationUs: number): void {
    const durationMs = Math.round(durationUs / 1_000)
    this.#sayAccess(recording, address, { action: 'listenEnded', durationMs })
    this.#log.info({ ...idsOf(recording), address, durationMs }, 'nobody listens to the recording from there any more')
  }

  /** The address is not in the statement: what stands for it can be compared, and be made unreadable for ever. */
  #sayAccess(
    { facts }: LiveRecording,
    address: string,
    access: { readonly action: 'listen' | 'listenEnded'; readonly durationMs?: number },
  ): void {
    const byHash = this.#ledger?.saltedHash('byHash', address)
    const by = byHash === undefined ? {} : { byHash }
    this.#ledger?.append({ kind: 'access', recordingId: facts.recordingId, ...access, ...by })
  }

  listeningRefused(reason: string): void {
    this.#metrics.liveListeningTotal.inc({ outcome: reason })
  }

  /** Ports could not be bound, or the worker could not take it; the SRC was refused. */
  notOpened(recording: LiveRecording, detail: string): void {
    this.#log.error({ ...idsOf(recording), reason: detail }, 'media streams could not be opened')
  }

  failed(recording: LiveRecording, error: unknown): void {
    this.#log.error({ ...idsOf(recording), err: error }, 'the recorder failed inside this recording session')
  }

  workerLost(recording: LiveRecording): void {
    this.#log.error(idsOf(recording), 'the media worker of this recording died')
  }

  ended(recording: LiveRecording, manifest: ManifestBody): void {
    for (const stream of manifest.streams) {
      const isCounted = recording.withoutPackets.has(asStreamId(stream.streamId))
      if (stream.packets.received === 0 && !isCounted) this.#metrics.zeroPacketStreamsTotal.inc()
      for (const [cause, samples] of Object.entries(stream.ledger.gapSamples)) {
        if (samples > 0) this.#metrics.mediaGapSecondsTotal.inc({ cause }, samples / SAMPLES_PER_SECOND)
      }
    }
    this.#log.info(
      {
        ...idsOf(recording),
        cause: manifest.endCause,
        durationMs: Math.round(manifest.durationSamples / (SAMPLES_PER_SECOND / 1_000)),
      },
      'recording session ended',
    )
  }

  notClosed(recording: LiveRecording, error: unknown): void {
    this.closed(recording, 'manifestNotStored')
    this.#log.error({ ...idsOf(recording), err: error }, 'the manifest could not be stored')
  }

  /** The manifest is stored, or given up: the recording session leaves the table. */
  closed(recording: LiveRecording, outcome: string): void {
    this.#metrics.recordingSessions.add({ src: recording.facts.src, state: recording.state }, -1)
    this.#metrics.recordingSessionsTotal.inc({ src: recording.facts.src, outcome })
    this.#publish('recording-session', { ...aboutOf(recording), state: 'closed', outcome })
  }

  /** A worker near its limit encodes with less work rather than lose audio; each step is told. */
  #opusReport(worker: string, { engine, complexity, stepsDown, stepsUp }: OpusReport): void {
    const metrics = this.#metrics
    metrics.opusEngineInfo.set({ engine }, 1)
    metrics.opusComplexity.set({ worker }, complexity)
    const down = this.#totals.step(`${worker}/opusStepsDown`, stepsDown)
    const up = this.#totals.step(`${worker}/opusStepsUp`, stepsUp)
    metrics.opusComplexityStepsTotal.inc({ direction: 'down' }, down)
    metrics.opusComplexityStepsTotal.inc({ direction: 'up' }, up)
    if (down > 0)
      this.#log.warn({ worker, complexity }, 'a media worker is nearly at its limit and encodes with less work')
    else if (up > 0) this.#log.info({ worker, complexity }, 'a media worker has room and encodes with more work again')
  }

  /** What is not decoded live is not lost, but nobody hears it until it is exported. */
  #undecodedReport(worker: string, streams: number): void {
    if (streams === 0) return
    this.#metrics.opusUndecodedStreamsTotal.inc(streams)
    this.#log.warn(
      { worker, count: streams },
      'there is no Opus decoder for media streams: their packets are kept as they came',
    )
  }

  workerReport(workerId: number, report: WorkerReport): void {
    const worker = String(workerId)
    const step = (name: string, total: number): number => this.#totals.step(`${worker}/${name}`, total)
    const metrics = this.#metrics
    metrics.rtpPacketsReceivedTotal.inc(step('received', report.packetsReceived))
    metrics.rtpPacketsLostTotal.inc(step('lost', report.packetsLost))
    for (const [reason, total] of Object.entries(report.packetsDiscarded)) {
      metrics.rtpPacketsDiscardedTotal.inc({ reason }, step(`discarded/${reason}`, total))
    }
    for (const [reason, total] of Object.entries(report.srtpFailures)) {
      metrics.srtpFailuresTotal.inc({ reason }, step(`srtpFailures/${reason}`, total))
    }
    metrics.rtpSocketOverflowsTotal.inc(step('socketOverflows', report.socketOverflows))
    for (const [via, total] of Object.entries(report.dtmfDigits)) {
      metrics.dtmfDigitsTotal.inc({ via }, step(`dtmfDigits/${via}`, total))
    }
    for (const [type, total] of Object.entries(report.rtcpReceived)) {
      metrics.rtcpPacketsReceivedTotal.inc({ type }, step(`rtcpReceived/${type}`, total))
    }
    for (const [reason, total] of Object.entries(report.rtcpDiscarded)) {
      metrics.rtcpDiscardedTotal.inc({ reason }, step(`rtcpDiscarded/${reason}`, total))
    }
    metrics.rtcpSentTotal.inc(step('rtcpSent', report.rtcpSent))
    for (const [reason, total] of Object.entries(report.alignmentRefusals)) {
      metrics.rtcpAlignmentRefusalsTotal.inc({ reason }, step(`alignmentRefusals/${reason}`, total))
    }
    metrics.rtcpRoundTripSeconds.set({ worker }, report.roundTripSecondsMax)
    metrics.rtpInterarrivalJitterSeconds.set({ worker }, report.jitterSecondsMax)
    for (const [flag, count] of Object.entries(report.flaggedStreams))
      metrics.flaggedStreams.set({ worker, flag }, count)
    metrics.encoderFrameSeconds.add(
      step('encodeSeconds', report.encodeSeconds),
      step('encodedFrames', report.encodedFrames),
    )
    this.#undecodedReport(worker, step('opusUndecodedStreams', report.opusUndecodedStreams))
    if (report.opus !== undefined) this.#opusReport(worker, report.opus)
    for (const [outcome, total] of Object.entries(report.transcriptions))
      metrics.transcriptionsTotal.inc({ outcome }, step(`transcriptions/${outcome}`, total))
    metrics.encoderFramesGatedTotal.inc(step('gatedFrames', report.gatedFrames))
    metrics.eventLoopLagSeconds.set({ thread: `media-${worker}` }, report.eventLoopLagSeconds)
    metrics.threadBusyRatio.set({ thread: `media-${worker}` }, report.load.busyShare)
  }
}

function isWithoutConsent(state: ConsentState): boolean {
  return state === 'missing' || state === 'refused' || state === 'withdrawn'
}

function idsOf(recording: LiveRecording): Record<string, string> {
  const { recordingId, rsId, src } = recording.facts
  return { recordingId, rsId, src, sipCallId: recording.sipCallId }
}

function aboutOf(recording: LiveRecording): { rsId: string; recordingId: string; src: string; at: string } {
  const { recordingId, rsId, src } = recording.facts
  return { rsId, recordingId, src, at: new Date().toISOString() }
}
