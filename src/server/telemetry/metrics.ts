import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'

import { CONSENT_EVENT_TYPES } from '../../evidence/consent-event-shape.ts'
import { STREAM_FLAGS } from '../../recorder/stream-watch.ts'
import { announcementMetrics } from './announcement-metrics.ts'
import { BoundedCounter, BoundedGauge, BoundedHistogram } from './bounded-metrics.ts'
import { firstSeen, type LabelRule, oneOf, SIP_METHODS, sipStatusCode } from './labels.ts'
import { spoolMetrics } from './spool-metrics.ts'
import { SumAndCount } from './sum-and-count.ts'

const PREFIX = 'earwitness_'

/** From a local answer to the point where an SRC retransmits (T1 is 0.5 s) and beyond. RFC 3261 17.1.1.2 */
const INVITE_SECONDS = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]
const UPLOAD_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

export interface MetricsOptions {
  /** Names of the configured SRCs; every other becomes `other`. */
  readonly sources: readonly string[]
  readonly version: string
}

export type Metrics = ReturnType<typeof createMetrics>

/**
 * Every metric of the recorder, in `registry`.
 *
 * Base units, prefix `earwitness_`, labels bounded: a stranger who invents SIP methods or source names grows nothing. Nothing
 * here is about a single recording session.
 */
export function createMetrics(registry: Registry, options: MetricsOptions) {
  const make = factoryFor(registry)
  const src = oneOf(options.sources)
  const buildInfo = make.gauge('build_info', 'Always 1; the labels say what runs.', {
    version: firstSeen(1),
    node: firstSeen(1),
  })
  buildInfo.set({ version: options.version, node: process.versions.node }, 1)
  return {
    ...sessionMetrics(make, src),
    ...sipMetrics(make),
    ...mediaMetrics(make),
    ...workerMetrics(make),
    ...custodyMetrics(make),
    ...replicaMetrics(make),
    ...spoolMetrics(make),
    ...announcementMetrics(make),
  }
}

/** CPU, memory, handles, garbage collection and event loop of the process, by their customary names. */
export function collectProcessMetrics(registry: Registry): void {
  collectDefaultMetrics({ register: registry })
}

/** A registry of its own, so that two recorders in one process (as in tests) never meet. */
export function createRegistry(): Registry {
  return new Registry()
}

export type Factory = ReturnType<typeof factoryFor>

function factoryFor(registry: Registry) {
  const named = (name: string, help: string) => ({ registry, name: PREFIX + name, help })
  const plain = (name: string, help: string) => ({ name: PREFIX + name, help, registers: [registry] })
  return {
    counter: <Label extends string>(name: string, help: string, labels: Record<Label, LabelRule>) =>
      new BoundedCounter({ ...named(name, help), labels }),
    gauge: <Label extends string>(name: string, help: string, labels: Record<Label, LabelRule>) =>
      new BoundedGauge({ ...named(name, help), labels }),
    histogram: <Label extends string>(
      name: string,
      help: string,
      buckets: number[],
      labels: Record<Label, LabelRule>,
    ) => new BoundedHistogram({ ...named(name, help), buckets, labels }),
    sumAndCount: (name: string, help: string) => new SumAndCount(named(name, help)),
    plainCounter: (name: string, help: string) => new Counter(plain(name, help)),
    plainGauge: (name: string, help: string) => new Gauge(plain(name, help)),
    plainHistogram: (name: string, help: string, buckets: number[]) => new Histogram({ ...plain(name, help), buckets }),
  }
}

function sessionMetrics(make: Factory, src: LabelRule) {
  return {
    recordingSessions: make.gauge('recording_sessions', 'Recording sessions right now.', { src, state: firstSeen() }),
    recordingSessionsTotal: make.counter('recording_sessions_total', 'Recording sessions that ended, by outcome.', {
      src,
      outcome: firstSeen(),
    }),
    admissionRefusalsTotal: make.counter(
      'admission_refusals_total',
      'First INVITEs refused with 503, by what was full.',
      { reason: firstSeen() },
    ),
    admissionPacePerSecond: make.plainGauge(
      'admission_pace_per_second',
      'Recording sessions a second that are taken at most; +Inf while nothing is late.',
    ),
    metadataRejectedTotal: make.counter('metadata_rejected_total', 'Metadata snapshots kept but not understood.', {
      reason: firstSeen(),
    }),
    mediaLinesRefusedTotal: make.counter(
      'media_lines_refused_total',
      'Lines of accepted offers that are not received, by why: video, keys by DTLS, no usable keys, and the like.',
      { reason: firstSeen() },
    ),
    ownRequestsTotal: make.counter(
      'own_requests_total',
      'Requests to SRCs inside their dialogs: a new description, or a complete metadata snapshot.',
      { request: oneOf(['reoffer', 'snapshot']), outcome: oneOf(['accepted', 'refused', 'notSent']) },
    ),
    pauseRequestsTotal: make.counter('pause_requests_total', 'Requests to pause or resume a recording.', {
      by: oneOf(['src', 'api', 'consent']),
      action: oneOf(['pause', 'resume']),
    }),
    consentEventsTotal: make.counter(
      'consent_events_total',
      'Signed consent events; those of commands once the ledger has them.',
      { type: oneOf(CONSENT_EVENT_TYPES) },
    ),
    recordingsWithoutConsentTotal: make.counter(
      'recordings_without_consent_total',
      'Recordings that ended without the consent that the rule for them asks for, by what became of it.',
      { consent: oneOf(['missing', 'refused', 'withdrawn']) },
    ),
    oneWaySessionsTotal: make.plainCounter(
      'one_way_sessions_total',
      'Recording sessions in which one media stream had packets and another, awaited one had none; counted when it is flagged, or at the end.',
    ),
    zeroPacketStreamsTotal: make.plainCounter(
      'zero_packet_streams_total',
      'Media streams without one RTP packet, counted when they are flagged, or at their end.',
    ),
    flaggedStreams: make.gauge('flagged_streams', 'Live media streams that have a flag right now.', {
      worker: firstSeen(),
      flag: oneOf(STREAM_FLAGS),
    }),
    liveListeners: make.plainGauge('live_listeners', 'Who listens to recordings while they are made, right now.'),
    liveListeningTotal: make.counter(
      'live_listening_total',
      'Requests to listen to a recording while it is made: accepted, or why not; cut: did not read, and was cut off.',
      { outcome: firstSeen() },
    ),
    eventSubscribers: make.plainGauge('event_subscribers', 'Readers of the event stream right now.'),
    eventSubscribersCutTotal: make.plainCounter(
      'event_subscribers_cut_total',
      'Readers of the event stream that were cut off, because they did not read.',
    ),
    incidentsTotal: make.counter('incidents_total', 'Incidents noted in recordings.', { code: firstSeen() }),
  }
}

function sipMetrics(make: Factory) {
  return {
    sipRequestsTotal: make.counter('sip_requests_total', 'SIP requests by method and the status they got.', {
      method: oneOf(SIP_METHODS),
      code: sipStatusCode,
    }),
    sipRejectedTotal: make.counter('sip_rejected_total', 'Datagrams and messages that were not acceptable SIP.', {
      reason: firstSeen(),
    }),
    sipRetransmissionsTotal: make.counter('sip_retransmissions_total', 'SIP messages seen or sent again.', {
      direction: oneOf(['in', 'out']),
    }),
    sipDroppedTotal: make.counter('sip_dropped_total', 'SIP messages dropped because a bound was reached.', {
      reason: firstSeen(),
    }),
    sipAuthenticationsTotal: make.counter(
      'sip_authentications_total',
      'Requests of sources with users: challenged, accepted, or why they were not.',
      { outcome: firstSeen() },
    ),
    inviteResponseSeconds: make.plainHistogram(
      'invite_response_seconds',
      'From the arrival of an INVITE to its final response.',
      INVITE_SECONDS,
    ),
  }
}

function mediaMetrics(make: Factory) {
  return {
    rtpPacketsReceivedTotal: make.plainCounter('rtp_packets_received_total', 'RTP packets received.'),
    rtpPacketsLostTotal: make.plainCounter('rtp_packets_lost_total', 'RTP packets that never came. RFC 3550 A.3'),
    rtpPacketsDiscardedTotal: make.counter('rtp_packets_discarded_total', 'Datagrams on media ports not recorded.', {
      reason: firstSeen(),
    }),
    srtpFailuresTotal: make.counter('srtp_failures_total', 'SRTP packets not taken, by reason. RFC 3711', {
      reason: firstSeen(),
    }),
    rtpSocketOverflowsTotal: make.plainCounter(
      'rtp_socket_overflows_total',
      'Datagrams the kernel dropped because their socket was not read in time; always 0 with the receiver dgram, which cannot tell.',
    ),
    mediaReceiverInfo: make.gauge('media_receiver_info', 'Always 1; the label says what receives RTP.', {
      receiver: oneOf(['dgram', 'native']),
    }),
    dtmfDigitsTotal: make.counter(
      'dtmf_digits_total',
      'Keys pressed by participants, told by telephone-events (RFC 4733) or heard as tones; one that was both counts once.',
      { via: oneOf(['event', 'tone']) },
    ),
    ...rtcpMetrics(make),
    rtpInterarrivalJitterSeconds: make.gauge(
      'rtp_interarrival_jitter_seconds',
      'Greatest interarrival jitter of the live media streams of a worker. RFC 3550 A.8',
      { worker: firstSeen() },
    ),
    mediaGapSecondsTotal: make.counter('media_gap_seconds_total', 'Seconds of media streams without audio.', {
      cause: firstSeen(),
    }),
    rtpPortsUsed: make.plainGauge('rtp_ports_used', 'UDP ports of the RTP range in use, RTCP included.'),
  }
}

function workerMetrics(make: Factory) {
  return {
    encoderFrameSeconds: make.sumAndCount('encoder_frame_seconds', 'CPU time spent to encode audio frames.'),
    opusEngineInfo: make.gauge('opus_engine_info', 'Always 1; the label is the Opus encoder in use.', {
      engine: firstSeen(),
    }),
    opusUndecodedStreamsTotal: make.plainCounter(
      'opus_undecoded_streams_total',
      'Media streams that brought Opus and found no decoder for it: it is kept as it came, and decoded on export only.',
    ),
    opusComplexity: make.gauge('opus_complexity', 'Complexity with which a media worker encodes now, 0 to 10.', {
      worker: firstSeen(),
    }),
    opusComplexityStepsTotal: make.counter(
      'opus_complexity_steps_total',
      'Steps of the complexity of the encoder, down for load and up again.',
      { direction: firstSeen() },
    ),
    encoderFramesGatedTotal: make.plainCounter(
      'encoder_frames_gated_total',
      'Silent audio frames for which no encoder had to work.',
    ),
    workerQueueDepth: make.gauge('worker_queue_depth', 'Messages to a media worker without an answer yet.', {
      worker: firstSeen(),
    }),
    eventLoopLagSeconds: make.gauge('event_loop_lag_seconds', 'How late the event loop of a thread runs its timers.', {
      thread: firstSeen(),
    }),
    threadBusyRatio: make.gauge('thread_busy_ratio', 'Share of the last second in which a thread was not idle.', {
      thread: firstSeen(),
    }),
  }
}

function rtcpMetrics(make: Factory) {
  return {
    rtcpPacketsReceivedTotal: make.counter('rtcp_packets_received_total', 'RTCP packets of SRCs, by type.', {
      type: firstSeen(),
    }),
    rtcpDiscardedTotal: make.counter('rtcp_discarded_total', 'RTCP datagrams not believed, by reason.', {
      reason: firstSeen(),
    }),
    rtcpSentTotal: make.plainCounter('rtcp_sent_total', 'RTCP datagrams sent to SRCs.'),
    rtcpAlignmentRefusalsTotal: make.counter(
      'rtcp_alignment_refusals_total',
      'Sender reports not aligned by: disagreed with the one before on the time, or told of streams too far apart. RFC 3550 6.4.1',
      { reason: oneOf(['disagreed', 'tooFar']) },
    ),
    transcriptionsTotal: make.counter(
      'transcriptions_total',
      'Spoken answers given to consent.transcriber, by what came of it; when it failed, was too late or one of too many, an answer may be missing.',
      { outcome: oneOf(['told', 'failed', 'tooLate', 'tooMany', 'takenBack']) },
    ),
    rtcpRoundTripSeconds: make.gauge(
      'rtcp_round_trip_seconds',
      'Longest round trip to an SRC of a worker, of those that quote our RTCP. RFC 3611 4.5',
      { worker: firstSeen() },
    ),
  }
}

function replicaMetrics(make: Factory) {
  return {
    replicaUploadSeconds: make.histogram(
      'replica_upload_seconds',
      'Time to bring one sealed object to the replica.',
      UPLOAD_SECONDS,
      { outcome: firstSeen() },
    ),
    replicaMissingObjects: make.plainGauge(
      'replica_missing_objects',
      'Objects that are not known to be in both the store and its replica.',
    ),
    replicaOldestMissingTimestampSeconds: make.plainGauge(
      'replica_oldest_missing_timestamp_seconds',
      'Unix time since which the oldest of them is not; 0 when both have all.',
    ),
    replicaHeldBytes: make.plainGauge('replica_held_bytes', 'Sealed bytes that wait in memory for the replica.'),
    replicaUnnotedTotal: make.plainCounter(
      'replica_unnoted_total',
      'Objects that the replica may lack without being on the list of what it lacks.',
    ),
    replicaConflictsTotal: make.plainCounter(
      'replica_conflicts_total',
      'Objects that the replica has with other bytes than the store.',
    ),
    destroyedObjectsRefusedTotal: make.plainCounter(
      'destroyed_objects_refused_total',
      'Objects that were destroyed, by `shred` or `keys rotate`, were about to be stored again, and were not.',
    ),
    storageFallbackReadsTotal: make.counter(
      'storage_fallback_reads_total',
      'Reads that went to the replica, or would have had to, by why.',
      { kind: oneOf(['lacked', 'down', 'unasked']) },
    ),
  }
}

function custodyMetrics(make: Factory) {
  return {
    chunkUploadSeconds: make.histogram('chunk_upload_seconds', 'Time to store one sealed object.', UPLOAD_SECONDS, {
      outcome: firstSeen(),
    }),
    uploadBacklogBytes: make.plainGauge('upload_backlog_bytes', 'Sealed bytes not stored yet.'),
    oldestUnuploadedChunkTimestampSeconds: make.plainGauge(
      'oldest_unuploaded_chunk_timestamp_seconds',
      'Unix time at which the oldest sealed object not stored yet was made; 0 when all are stored.',
    ),
    recordingsLeftOpen: make.plainGauge(
      'recordings_left_open',
      'Recordings that an earlier run left open and that could not be closed yet.',
    ),
    databaseOutboxBytes: make.plainGauge('database_outbox_bytes', 'Facts waiting to be written to the database.'),
    databaseMisplacedRows: make.plainGauge(
      'database_misplaced_rows',
      'Rows of the database in no partition of a month, up to 10000.',
    ),
    ledgerEntriesTotal: make.plainCounter('ledger_entries_total', 'Signed statements written to the ledger.'),
    ledgerCheckpointAgeSeconds: make.plainGauge(
      'ledger_checkpoint_age_seconds',
      'How long the oldest statement of the ledger has waited for a checkpoint; 0 when one covers all.',
    ),
    ledgerWitnessAgeSeconds: make.plainGauge(
      'ledger_witness_age_seconds',
      'How long a witness of the ledger has been asked in vain to sign under it; 0 when all have signed.',
    ),
    ledgerRefused: make.plainGauge(
      'ledger_refused',
      '1 after the ledger was found damaged, rolled back or forked, until the next start.',
    ),
    ledgerWriteFailuresTotal: make.counter(
      'ledger_write_failures_total',
      'Attempts to write the ledger that failed, statements lost, and ledgers refused, by why.',
      { reason: firstSeen() },
    ),
    databaseOutboxRefusedTotal: make.plainCounter(
      'database_outbox_refused_total',
      'Facts not kept for the database, because the outbox was full or one was too large; `reindex` brings them back from the store.',
    ),
    databaseOutboxRejectedTotal: make.plainCounter(
      'database_outbox_rejected_total',
      'Facts the database refused for good; their recordings are complete in the store.',
    ),
  }
}
