import type { RandomBytes } from '../../evidence/age-seal.ts'
import type { RecordingId, StreamId } from '../../ids.ts'
import type { MediaStreamPlan, RecordingSink, SpoolFrame } from '../../recorder/recording-types.ts'
import { RecordingSession } from '../../recorder/recording-session.ts'
import { decoderRates, initialRates } from '../../recorder/stream-rates.ts'
import type { OpusEncoder } from '../../recorder/opus-encoder.ts'
import type { ThreadLoad } from '../admission.ts'
import { DecoderStock } from './decoder-stock.ts'
import { freeStock, takeFrom } from './encoder-stock.ts'
import {
  closeSockets,
  measureRecordings,
  openingFailure,
  readSocketsOut,
  type HostedRecording,
} from './hosted-recording.ts'
import type { SegmentLog } from '../spool/segment-log.ts'
import type { OpusEngine } from './opus-engine.ts'
import type { PacketHandler, PacketReceiver } from './packet-receiver.ts'
import { bindStreamSockets, type StreamSockets } from './stream-sockets.ts'
import { TimedEncoders } from './timed-encoders.ts'
import { WorkerHearing } from './worker-hearing.ts'
import { StreamTotals } from './worker-totals.ts'
import type {
  BoundStream,
  FromWorker,
  OpenOutcome,
  RecordingMessage,
  RecordingState,
  ToWorker,
  WorkerReport,
  WorkerSettings,
} from './worker-messages.ts'

/** While the disk takes no frames, chunks are so long: what a crash may cost is then what the store does not have. */
const UNSPOOLED_CHUNK_US = 2_000_000
const IDLE: ThreadLoad = { busyShare: 0, lagMs: 0 }

/**
 * The recording sessions of one worker thread with their sockets. Whatever goes wrong in one of them ends that one
 * with an incident, keeps what is sealed, and never touches its neighbours.
 */
export class RecordingHost {
  readonly #settings: WorkerSettings
  readonly #engine: OpusEngine
  readonly #randomBytes: RandomBytes
  readonly #nowUs: () => number
  readonly #receiver: PacketReceiver
  readonly #post: (message: FromWorker) => void
  readonly #spool: Pick<SegmentLog, 'append' | 'report' | 'isFailing'> | undefined
  readonly #recordings = new Map<RecordingId, HostedRecording>()
  /** Counters of recording sessions that have ended, so that the totals only grow. */
  readonly #ended = new StreamTotals()
  readonly #encoders: TimedEncoders
  readonly #hearing: WorkerHearing
  #opusUndecodedStreams = 0
  /** Messages about one recording are handled in the order they came, although binding sockets waits. */
  readonly #queues = new Map<RecordingId, Promise<void>>()

  constructor(options: {
    readonly settings: WorkerSettings
    readonly engine: OpusEngine
    readonly receiver: PacketReceiver
    readonly randomBytes: RandomBytes
    readonly nowUs: () => number
    readonly post: (message: FromWorker) => void
    readonly spool?: Pick<SegmentLog, 'append' | 'report' | 'isFailing'> | undefined
  }) {
    this.#settings = options.settings
    this.#engine = options.engine
    this.#hearing = new WorkerHearing(options.settings)
    this.#encoders = new TimedEncoders(options.engine, options.nowUs)
    this.#randomBytes = options.randomBytes
    this.#nowUs = options.nowUs
    this.#receiver = options.receiver
    this.#post = options.post
    this.#spool = options.spool
  }

  /** Resolves when the message has been dealt with; never rejects, as that would end the worker with all its recordings. */
  async handleMessage(message: RecordingMessage): Promise<void> {
    const recordingId = message.kind === 'open' ? message.facts.recordingId : message.recordingId
    await this.#inTurn(recordingId, () => this.#dispatch(message, recordingId))
  }

  async #inTurn(recordingId: RecordingId, work: () => Promise<void>): Promise<void> {
    const before = this.#queues.get(recordingId) ?? Promise.resolve()
    const done = before.then(work).catch((error: unknown) => this.#postFailure(recordingId, error))
    this.#queues.set(recordingId, done)
    await done
    if (this.#queues.get(recordingId) === done) this.#queues.delete(recordingId)
  }

  /** Takes what waits in the sockets, before {@link RecordingHost.handleTimeout} works on it. */
  receive(): void {
    this.#receiver.receive()
  }

  /** @param readUs what had come by then has been read from the sockets */
  handleTimeout(readUs: number, nowUs = readUs): void {
    const chunkUsMax = this.#spool?.isFailing === true ? UNSPOOLED_CHUNK_US : Infinity
    for (const [recordingId, recording] of this.#recordings) {
      if (readUs >= recording.recordingSession.nextTimeoutUs()) {
        recording.recordingSession.limitChunks(chunkUsMax)
        this.#guard(recordingId, recording, () => recording.recordingSession.handleTimeout(readUs, nowUs))
        if (recording.recordingSession.isWider)
          void this.#inTurn(recordingId, () => this.#raise(recordingId, recording))
      }
    }
  }

  /** How the media streams of all recordings are doing right now. */
  get states(): readonly RecordingState[] {
    return Array.from(this.#recordings, ([recordingId, { recordingSession }]) => ({
      recordingId,
      streams: recordingSession.monitor.states,
    }))
  }

  stop(): void {
    for (const recording of this.#recordings.values()) closeSockets(recording)
    this.#hearing.stop()
  }

  report(eventLoopLagSeconds: number, load: ThreadLoad = IDLE): WorkerReport {
    for (const [recordingId, recording] of this.#recordings) this.#noteOverflow(recordingId, recording)
    const { truncated, overflows } = this.#receiver.counters
    const { sums, ...live } = measureRecordings(this.#recordings, this.#ended, this.#nowUs())
    return {
      recordingSessions: this.#recordings.size,
      encodersInUse: this.#engine.inUse,
      eventLoopLagSeconds,
      load,
      ...live,
      ...sums,
      packetsDiscarded: { ...sums.packetsDiscarded, truncated },
      socketOverflows: overflows,
      opusUndecodedStreams: this.#opusUndecodedStreams,
      encodedFrames: this.#encoders.encodedFrames,
      encodeSeconds: this.#encoders.encodeSeconds,
      transcriptions: this.#hearing.transcriptions,
      ...(this.#spool === undefined ? {} : { spool: this.#spool.report() }),
    }
  }

  async #dispatch(message: RecordingMessage, recordingId: RecordingId): Promise<void> {
    const recording = this.#recordings.get(recordingId)
    switch (message.kind) {
      case 'open':
        this.#post({ kind: 'opened', requestId: message.requestId, outcome: await this.#open(message) })
        return
      case 'update':
        this.#post({ kind: 'opened', requestId: message.requestId, outcome: await this.#update(message, recording) })
        return
      case 'metadata':
        if (recording === undefined) return
        this.#guard(recordingId, recording, () =>
          recording.recordingSession.handleMetadata(message, message.receivedUs),
        )
        return
      case 'note':
        if (recording === undefined) return
        this.#guard(recordingId, recording, () =>
          recording.recordingSession.noteIncident(message.code, message.detail, message.atUs),
        )
        return
      case 'pause':
        if (recording === undefined) return
        this.#guard(recordingId, recording, () =>
          recording.recordingSession.setPaused(message.isPaused, message.by, message.atUs, message.via),
        )
        return
      case 'release':
        if (recording !== undefined) await this.#release(recordingId, recording, message.atUs)
        return
      case 'listen':
        this.#listen(message, recording)
        return
      case 'unlisten':
        recording?.recordingSession.listeners.remove(message.listenerId, message.atUs)
        return
      case 'end':
        if (recording !== undefined) await this.#end(recordingId, recording, message)
        return
      case 'abandon':
        if (recording === undefined) return
        this.#recordings.delete(recordingId)
        closeSockets(recording)
        recording.recordingSession.abandon()
        freeStock(recording.stock)
        recording.decoders.free()
    }
  }

  /** Told that it may, before the first page. */
  #listen(message: ToWorker & { kind: 'listen' }, recording: HostedRecording | undefined): void {
    const { listenerId, from, atUs } = message
    const early: Uint8Array[] = []
    let post = (pages: Uint8Array): void => void early.push(pages)
    const listener = { listenerId, from, write: (pages: Uint8Array): void => post(pages) }
    const added = this.#settings.liveListening ? recording?.recordingSession.listeners.add(listener, atUs) : undefined
    const refusal = added === undefined ? 'over' : added.ok ? undefined : added.reason
    this.#post({ kind: 'listening', listenerId, ...(refusal === undefined ? {} : { refusal }) })
    post = (pages) => this.#post({ kind: 'pages', listenerId, pages })
    for (const pages of early) post(pages)
  }

  async #open(message: ToWorker & { kind: 'open' }): Promise<OpenOutcome> {
    const { facts, streams } = message
    const sockets = new Map<StreamId, StreamSockets>()
    const stock: OpusEncoder[] = []
    const decoders = new DecoderStock(this.#engine, () => (this.#opusUndecodedStreams += 1))
    try {
      for (const stream of streams) sockets.set(stream.plan.streamId, await this.#bind(facts.recordingId, stream))
      const plans = streams.map(({ plan }) => plan)
      await this.#encoders.stockUp(stock, initialRates(facts.layout, plans))
      await decoders.stockUp(decoderRates(facts.layout, plans))
      const recordingSession = new RecordingSession({
        facts,
        streams: plans,
        randomBytes: this.#randomBytes,
        takeEncoder: (sampleRate) => takeFrom(stock, sampleRate),
        takeDecoder: (sampleRate) => decoders.take(sampleRate),
        sink: this.#sinkFor(facts.recordingId),
        hearing: this.#hearing.of(facts.consent),
        alerts: this.#settings.alerts,
      })
      this.#recordings.set(facts.recordingId, {
        recordingSession,
        sockets,
        stock,
        decoders,
        ...{ datagrams: 0, announced: new Set<StreamId>(), hasOverflow: false },
      })
      return { ok: true }
    } catch (error) {
      for (const pair of sockets.values()) pair.close()
      freeStock(stock)
      decoders.free()
      return openingFailure(error)
    }
  }

  async #update(message: ToWorker & { kind: 'update' }, recording: HostedRecording | undefined): Promise<OpenOutcome> {
    if (recording === undefined) return { ok: false, reason: 'failed', ports: [], detail: 'no such recording' }
    const plans: readonly MediaStreamPlan[] = message.streams.map(({ plan }) => plan)
    const added = message.streams.filter(({ plan }) => !recording.sockets.has(plan.streamId))
    const bound: StreamSockets[] = []
    try {
      for (const stream of added) bound.push(await this.#bind(message.recordingId, stream))
      await this.#stockUp(recording, plans)
      added.forEach((stream, index) => {
        const pair = bound[index]
        if (pair !== undefined) recording.sockets.set(stream.plan.streamId, pair)
      })
      this.#guard(message.recordingId, recording, () => recording.recordingSession.updateStreams(plans, message.atUs))
      return { ok: true }
    } catch (error) {
      for (const pair of bound) pair.close()
      return openingFailure(error)
    }
  }

  /** Better audio than a stream is recorded at has come: makes what that needs, and goes on with it. */
  async #raise(recordingId: RecordingId, recording: HostedRecording): Promise<void> {
    const { recordingSession } = recording
    if (this.#recordings.get(recordingId) !== recording || !recordingSession.isWider) return
    try {
      await this.#stockUp(recording, recordingSession.acceptWider())
      this.#guard(recordingId, recording, () => recordingSession.raiseRates())
    } catch {
      const detail =
        'Audio came that has more in it than its stream is recorded at, and no encoder could be made for it.'
      this.#guard(recordingId, recording, () => recordingSession.noteIncident('rate-not-raised', detail, this.#nowUs()))
    }
  }

  /** The link behind the cut has encoders of its own. */
  async #release(recordingId: RecordingId, recording: HostedRecording, atUs: number): Promise<void> {
    const { recordingSession } = recording
    const note = (detail: string): void => recordingSession.noteIncident('held-not-released', detail, this.#nowUs())
    try {
      await this.#encoders.stockUp(recording.stock, recordingSession.encodersForRelease())
      this.#guard(recordingId, recording, () => recordingSession.releaseHeld(atUs))
    } catch {
      this.#guard(recordingId, recording, () =>
        note('No encoder could be made for what follows: it is held like the rest.'),
      )
    }
  }

  /** The encoders last: what they are made for has to follow at once, as the recording session may take some at any time. */
  async #stockUp(
    { recordingSession, decoders, stock }: HostedRecording,
    plans: readonly MediaStreamPlan[],
  ): Promise<void> {
    await decoders.stockUp(recordingSession.decodersNeeded(plans))
    await this.#encoders.stockUp(stock, recordingSession.encodersNeeded(plans))
  }

  #bind(recordingId: RecordingId, { plan, port }: BoundStream): Promise<StreamSockets> {
    const { streamId } = plan
    return bindStreamSockets({
      receiver: this.#receiver,
      nowUs: this.#nowUs,
      address: this.#settings.bindAddress,
      port,
      receiveBufferBytes: this.#settings.receiveBufferBytes,
      isMuxed: plan.transport?.rtcpMux === true,
      onRtp: this.#handlerOf(recordingId, streamId, 'handleDatagram'),
      onRtcp: this.#handlerOf(recordingId, streamId, 'handleRtcp'),
    })
  }

  /** Makes no closure for each packet, as {@link #guard} asks for one: by the ten thousand a second they are a tenth of all garbage. */
  #handlerOf(recordingId: RecordingId, streamId: StreamId, take: 'handleDatagram' | 'handleRtcp'): PacketHandler {
    return (bytes, arrivalUs, from) => {
      const recording = this.#recordings.get(recordingId)
      if (recording === undefined || recording.recordingSession.hasFailed) return
      recording.datagrams += 1
      try {
        recording.recordingSession[take](streamId, bytes, arrivalUs, from)
      } catch (error) {
        this.#fail(recordingId, recording, error)
      }
      if (recording.announced.has(streamId) || !recording.recordingSession.hasReceivedOn(streamId)) return
      recording.announced.add(streamId)
      this.#post({ kind: 'firstPacket', recordingId, streamId })
    }
  }

  async #end(recordingId: RecordingId, recording: HostedRecording, message: ToWorker & { kind: 'end' }): Promise<void> {
    this.#guard(recordingId, recording, () => recording.recordingSession.sayGoodbye(this.#nowUs()))
    await readSocketsOut(recording, this.#receiver)
    for (const pair of recording.sockets.values()) pair.close()
    // Closing tells of packets that had no room behind the last one that was read.
    this.#noteOverflow(recordingId, recording)
    recording.sockets.clear()
    await this.#hearing.awaitAnswers((heard) => {
      this.#guard(recordingId, recording, () => recording.recordingSession.awaitAnswers(message.endedUs, heard))
      if (recording.recordingSession.hasFailed) heard()
    })
    const manifest = recording.recordingSession.end(message.endedUs, message.cause)
    // Only now, and both at once: the end counts what was still being waited for as lost, and a total that fell meanwhile would look like a new worker's.
    this.#recordings.delete(recordingId)
    this.#ended.add(recording.recordingSession)
    freeStock(recording.stock)
    recording.decoders.free()
    this.#post({ kind: 'ended', recordingId, manifest })
  }

  /** Loss by our own fault is told from loss on the way: the kernel had the packets, and this thread did not read in time. */
  #noteOverflow(recordingId: RecordingId, recording: HostedRecording): void {
    if (recording.hasOverflow) return
    recording.hasOverflow = [...recording.sockets.values()].some(({ overflows }) => overflows > 0)
    if (!recording.hasOverflow) return
    const detail = 'Packets that had reached this machine were lost because it did not read them in time.'
    this.#guard(recordingId, recording, () =>
      recording.recordingSession.noteIncident('socket-overflow', detail, this.#nowUs()),
    )
  }

  /** A broken invariant ends this recording's audio with an incident; its neighbours never notice. */
  #guard(recordingId: RecordingId, recording: HostedRecording, work: () => void): void {
    try {
      work()
    } catch (error) {
      this.#fail(recordingId, recording, error)
    }
  }

  #fail(recordingId: RecordingId, { recordingSession }: HostedRecording, error: unknown): void {
    recordingSession.fail(error, this.#nowUs())
    this.#post({ kind: 'failed', recordingId })
  }

  /** What no other place has caught: the main thread is told, and ends the recording session. */
  #postFailure(recordingId: RecordingId, error: unknown): void {
    const detail = `The recorder failed inside (${error instanceof Error ? error.name : 'unknown'}).`
    const at = new Date().toISOString()
    this.#post({ kind: 'incident', recordingId, incident: { code: 'recorder-failed', at, detail } })
    this.#post({ kind: 'failed', recordingId })
  }

  #sinkFor(recordingId: RecordingId): RecordingSink {
    const spool = this.#spool
    return {
      ...(spool === undefined ? {} : { handleFrame: (frame: SpoolFrame) => spool.append(recordingId, frame) }),
      handleSealed: (object) => this.#post({ kind: 'sealed', recordingId, object }),
      handleIncident: (incident) => this.#post({ kind: 'incident', recordingId, incident }),
      handleOrigin: (originAt) => this.#post({ kind: 'origin', recordingId, originAt }),
      handleConsent: (fact) => this.#post({ kind: 'consent', recordingId, fact }),
      handleFlag: (event) => this.#post({ kind: 'flag', recordingId, event }),
      handleRtcp: (outgoing) => this.#recordings.get(recordingId)?.sockets.get(outgoing.streamId)?.send(outgoing),
    }
  }
}
