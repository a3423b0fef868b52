import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'

import type { Config } from '../config/config.ts'
import { AdmissionController } from './admission.ts'
import { admissionStateOf } from './admission-state.ts'
import { acquireDataLock, type DataLock } from './data-lock.ts'
import { MonthPartitions } from './database/month-partitions.ts'
import { openDatabase } from './database/open-database.ts'
import { Outbox } from './database/outbox.ts'
import { EventHub } from './http/event-hub.ts'
import { httpUrl, type BoundHttpAddress } from './http/listen.ts'
import { startHttpServices } from './http-services.ts'
import type { Ledger } from './ledger/ledger.ts'
import { startLedger } from './ledger/start-ledger.ts'
import { MediaPlane } from './media/media-plane.ts'
import { alertThresholds } from './media/alert-thresholds.ts'
import { chooseReceiver } from './media/receiver-choice.ts'
import { monotonicUs } from './monotonic.ts'
import { registerReadiness } from './readiness.ts'
import { Custody } from './recording/custody.ts'
import { LiveListening } from './recording/live-listening.ts'
import { OpenJournal } from './recording/open-journal.ts'
import { recoverWithSpool } from './recording/recovery.ts'
import { RecordingControl } from './recording/recording-control.ts'
import { RecordingEvents } from './recording/recording-events.ts'
import { SourceTable } from './recording/source-table.ts'
import { Authentication } from './signalling/authentication.ts'
import { createSignalling, type Signalling } from './signalling/create-signalling.ts'
import type { BoundAddress } from './signalling/port.ts'
import { randomToken } from './signalling/random-token.ts'
import { SpoolWatch } from './spool/spool-watch.ts'
import { openSpool, type Spool } from './spool/spool.ts'
import { StatusBoard } from './status-board.ts'
import { startStorage, type Storage } from './storage/start-storage.ts'
import { loadSignerAtStart, vaultRecipientsAtStart, type DaemonNotice } from './keys-at-start.ts'
import { Health } from './telemetry/health.ts'
import type { Logger } from './telemetry/logger.ts'
import { collectProcessMetrics, createMetrics, createRegistry, type Metrics } from './telemetry/metrics.ts'

/** After the last BYE: how long manifests, the store and the database get before the daemon gives up waiting for them. */
const CUSTODY_DRAIN_MS = 30_000
/** What the replica has not got by then, it gets after the next start. */
const REPLICA_DRAIN_MS = 10_000
const SIGNALLING_DRAIN_MS = 5_000
const LEDGER_CLOSE_MS = 5_000

export interface DaemonAddresses {
  /** `embedded`, or another engine and where it is met. */
  readonly engine: string
  readonly sip: readonly BoundAddress[]
  readonly http: BoundHttpAddress
  readonly telemetry: BoundHttpAddress
}

export interface DaemonOptions {
  readonly config: Config
  readonly log: Logger
  readonly version: string
}

/** What takes recordings into custody. */
interface Keeping extends Pick<Storage, 'store' | 'uploads'> {
  readonly storage: Storage
  readonly outbox: Outbox
  readonly custody: Custody
  readonly ledger: Ledger
  readonly vaultRecipients: readonly string[]
  readonly spool: Spool
  /** Closes what an earlier run left open; resolves to how many. */
  readonly recover: () => Promise<number>
}

/** What makes recordings. */
interface Joined {
  readonly media: MediaPlane
  readonly control: RecordingControl
  readonly signalling: Signalling
  readonly listening: LiveListening
}

/**
 * The composition root: makes every service, joins them, and takes them down in the order that loses nothing.
 *
 * `run` → `drain` (nothing new is taken, what lasts may go on, then BYE, last chunks, manifests) → `stop`.
 */
export class Daemon {
  readonly #config: Config
  readonly #log: Logger
  readonly #version: string
  readonly #health = new Health()
  readonly #admission: AdmissionController
  readonly #eventHub = new EventHub({ run: randomBytes(4).toString('hex'), nowUnixMs: Date.now })
  readonly #notices: DaemonNotice[] = []
  /** Undone in reverse when a later step of the start fails. */
  readonly #undo: (() => Promise<unknown> | void)[] = []
  #services: (Keeping & Joined) | undefined

  constructor(options: DaemonOptions) {
    this.#config = options.config
    this.#log = options.log
    this.#version = options.version
    const { recordingSessionsMax, workerBusyPercent, eventLoopLagMs } = options.config.limits
    this.#admission = new AdmissionController({
      recordingSessionsMax,
      busyShareMax: workerBusyPercent / 100,
      lagMsMax: eventLoopLagMs,
    })
  }

  get notices(): readonly DaemonNotice[] {
    return this.#notices
  }

  /** Starts everything; on an error nothing is left running. */
  async run(): Promise<DaemonAddresses> {
    try {
      return await this.#start()
    } catch (error) {
      await this.#undoStart()
      throw error
    }
  }

  /**
   * Takes no new recording session, waits for those that last until `timeoutMs` or `hurry`, ends the others with BYE,
   * and brings every manifest to the store. Resolves to false when sealed audio had to be left; database records that are left
   * wait on disk for the next start.
   */
  async drain(timeoutMs: number, hurry: AbortSignal): Promise<boolean> {
    const services = this.#services
    if (services === undefined) return true
    const { control, spool, outbox, signalling, ledger, storage } = services
    this.#health.drain()
    this.#log.info({ count: control.live.length }, 'draining')
    await Promise.race([control.whenIdle(), patience(timeoutMs, hurry)])
    const closed = control.endAll('drain').then(() => ledger.close(LEDGER_CLOSE_MS))
    const ended = closed.then(() => spool.uploads.drain(CUSTODY_DRAIN_MS))
    const stored = await Promise.race([ended, patience(CUSTODY_DRAIN_MS).then(() => false)])
    const written = await outbox.drain(CUSTODY_DRAIN_MS)
    await storage.replica?.drain(REPLICA_DRAIN_MS)
    await Promise.race([signalling.port.drain(), patience(SIGNALLING_DRAIN_MS)])
    if (!stored) this.#log.error({ count: control.live.length }, 'sealed objects could not be stored before the end')
    if (!written)
      this.#log.warn({ backlogBytes: outbox.backlogBytes }, 'database records wait on disk for the next start')
    return stored
  }

  /** Reads the TLS certificates again, which were renewed on disk, and takes the credentials of the store from `config`. */
  reload(config: Config): void {
    if (this.#config.sip.tls !== undefined) this.#services?.signalling.reloadCertificates()
    this.#services?.storage.reload(config)
  }

  /** Closes everything; what is not drained by now stays interrupted and is recovered at the next start. */
  async stop(): Promise<void> {
    this.#services = undefined
    await this.#undoStart()
  }

  async #start(): Promise<DaemonAddresses> {
    const config = this.#config
    const lock = await acquireDataLock({ dataDir: config.dataDir, purpose: 'serve' })
    this.#undo.push(() => lock.release())
    const registry = createRegistry()
    collectProcessMetrics(registry)
    const metrics = createMetrics(registry, { sources: config.sources.map(({ name }) => name), version: this.#version })
    const keeping = await this.#startKeeping(lock, metrics)
    const joined = this.#join({ metrics, ...keeping })
    await joined.media.run(config.media.workers)
    this.#undo.push(() => joined.media.stop())
    registerReadiness(this.#health, {
      ...keeping,
      admission: this.#admission,
      admissionState: () => admissionStateOf({ ...keeping, ...joined }),
      outage: () => joined.signalling.outage(),
    })
    const { engine, port } = joined.signalling
    const sip = await port.run(joined.control)
    this.#undo.push(() => port.stop())
    const board = this.#startBoard({ metrics, ...keeping, ...joined })
    const http = await startHttpServices(config, {
      ...{ ...keeping, ...joined, board, metrics, registry },
      ...{ eventHub: this.#eventHub, health: this.#health, log: this.#log },
      started: (stop) => this.#undo.push(stop),
    })
    const addresses = { engine, sip, ...http }
    board.setAddresses({
      engine,
      sip: () => joined.signalling.addresses().map(({ transport, address, port }) => `${transport}:${address}:${port}`),
      http: httpUrl(addresses.http),
      telemetry: httpUrl(addresses.telemetry),
    })
    this.#services = { ...keeping, ...joined }
    this.#recoverInBackground(keeping)
    return addresses
  }

  /** New recording sessions do not wait for old ones: a store in trouble would keep the SIP port closed. */
  #recoverInBackground({ recover, storage }: Keeping): void {
    const recovering = storage.ready
      .then((isReady) => (isReady ? recover() : 0))
      .then((count) => {
        if (count > 0) this.#log.warn({ count }, 'recordings of an earlier run were closed as interrupted')
      })
      .catch((error: unknown) => this.#log.error({ err: error }, 'recordings of an earlier run could not be closed'))
    this.#undo.push(async () => {
      await storage.stop()
      await recovering
    })
  }

  /** Everything that keeps what is recorded: keys, store, database, custody. */
  async #startKeeping(lock: DataLock, metrics: Metrics): Promise<Keeping> {
    const config = this.#config
    const signer = await loadSignerAtStart(config, this.#notices)
    const vaultRecipients = await vaultRecipientsAtStart(config, this.#notices)
    const storage = await startStorage(config, { log: this.#log, metrics })
    this.#undo.push(() => storage.stop())
    const { store, uploads } = storage
    const database = await openDatabase({
      url: config.database.url,
      dataDir: config.dataDir,
      log: this.#log,
      lock,
      whenUnreachable: 'continue',
    })
    this.#undo.push(() => database.stop())
    const months = new MonthPartitions({
      ...{ database, log: this.#log, nowUnixMs: Date.now },
      onMisplaced: (rows) => metrics.databaseMisplacedRows.set(rows),
    })
    months.run()
    this.#undo.push(() => months.stop())
    const outbox = new Outbox({ database, dataDir: config.dataDir, log: this.#log })
    await outbox.run()
    this.#undo.push(() => outbox.stop())
    const journal = new OpenJournal({
      dataDir: config.dataDir,
      onError: (error) => this.#log.error({ err: error }, 'the journal of open recordings cannot be written'),
      nowUnixMs: Date.now,
    })
    await journal.run()
    const { dataDir } = config
    const ledger = startLedger({
      ...{ dataDir, signer, store, uploads, metrics },
      software: this.#software,
      timestampUrl: config.ledger.timestampUrl,
      log: this.#log,
    })
    this.#undo.push(() => ledger.close(LEDGER_CLOSE_MS))
    const spool = await openSpool({ dataDir, limits: config.spool, queue: uploads, log: this.#log })
    this.#undo.push(() => spool.stop())
    const custody = new Custody({
      ...{
        uploads: spool.uploads,
        outbox,
        journal,
        ledger,
        spool: spool.keeper,
        signer: signer.signingKey,
        nowUnixMs: Date.now,
      },
    })
    const leftOpen = await journal.leftOpen()
    const recover = (): Promise<number> =>
      recoverWithSpool(spool, {
        ...{ journal, leftOpen, store, custody },
        signer: signer.verifyKey,
        reportError: (recordingId, error) =>
          this.#log.error({ recordingId, err: error }, 'a recording of an earlier run could not be closed'),
      })
    return { storage, store, uploads, outbox, custody, ledger, spool, vaultRecipients, recover }
  }

  #startBoard(parts: Keeping & Joined & { readonly metrics: Metrics }): StatusBoard {
    const { rtp, media } = this.#config
    const board = new StatusBoard({
      ...parts,
      version: this.#version,
      health: this.#health,
      eventHub: this.#eventHub,
      admission: this.#admission,
      admissionState: () => admissionStateOf(parts),
      rtp,
      opusEngine: media.opusEngine,
    })
    board.run()
    this.#undo.push(() => board.stop())
    return board
  }

  get #software(): { readonly name: string; readonly version: string } {
    return { name: 'earwitness', version: this.#version }
  }

  #join(parts: Keeping & { readonly metrics: Metrics }): Joined {
    const config = this.#config
    const sources = new SourceTable(config.sources, { unknownSources: config.unknownSources })
    const signalling = createSignalling(config.sip, {
      log: this.#log,
      randomToken,
      authoriser: new Authentication({
        sources,
        realm: config.sip.realm,
        includeOptions: config.sip.authenticateOptions,
        secret: randomBytes(32),
        log: this.#log,
      }),
      nowUs: monotonicUs,
      queueWaitUs: config.limits.openingWaitMs * 1_000,
    })
    const media = new MediaPlane({
      settings: {
        bindAddress: config.rtp.address,
        opusEngine: config.media.opusEngine,
        opusBitsPerSecond: config.recording.opusBitrate,
        opusComplexity: config.recording.opusComplexity,
        busyShareMax: config.limits.workerBusyPercent / 100,
        receiveBufferBytes: config.rtp.receiveBufferBytes,
        alerts: alertThresholds(config.alerts),
        receiver: chooseReceiver(config.media.receiver),
        liveListening: config.liveListening,
        spoolFolder: parts.spool.runFolder,
      },
      portMin: config.rtp.portMin,
      portMax: config.rtp.portMax,
      openingWaitUs: config.limits.openingWaitMs * 1_000,
    })
    const events = new RecordingEvents({ ...parts, log: this.#log, publish: this.#eventHub.publish })
    const control = new RecordingControl({
      signalling: signalling.port,
      media,
      ...{ custody: parts.custody, spool: parts.spool, spoolWatch: this.#watchSpool(parts) },
      sources,
      events,
      settings: {
        ...{ layout: config.recording.layout, dtmf: config.recording.dtmf },
        chunkUs: config.recording.chunkSeconds * 1_000_000,
        silenceGateDbov: config.recording.silenceGate,
        conceals: config.recording.concealment,
        mediaTimeoutMs: config.recording.mediaTimeoutMs,
        // With another engine, sip.advertise is its address, and media comes here.
        mediaAddress: config.rtp.advertise ?? (config.sip.drachtio === undefined ? config.sip.advertise : undefined),
        vaultRecipients: parts.vaultRecipients,
        software: this.#software,
        sendsRtcp: config.rtp.sendRtcp,
      },
      refusal: (method) => {
        const refusal = this.#health.refusal()
        if (refusal === undefined && method === 'INVITE') this.#admission.take(monotonicUs())
        return refusal
      },
      isOverfull: () => parts.uploads.isOverfull,
      nowUs: monotonicUs,
      nowUnixMs: Date.now,
      sleep: async (ms) => sleep(ms, undefined, { ref: false }),
      randomBytes: (length) => randomBytes(length),
    })
    media.setHandler(control)
    const listening = new LiveListening({
      ...{ isOn: config.liveListening, audio: media.audio, events, nowUs: monotonicUs },
      live: () => control.live,
    })
    return { control, media, signalling, listening }
  }

  #watchSpool(parts: Pick<Keeping, 'spool' | 'custody'> & { readonly metrics: Metrics }): SpoolWatch {
    const watch = new SpoolWatch({ ...parts, log: this.#log })
    watch.run()
    this.#undo.push(() => watch.stop())
    return watch
  }

  async #undoStart(): Promise<void> {
    for (let undo = this.#undo.pop(); undo !== undefined; undo = this.#undo.pop()) {
      try {
        await undo()
      } catch (error) {
        this.#log.error({ err: error }, 'a service did not stop as it should')
      }
    }
  }
}

/** Resolves after `ms`, or when `hurry` is aborted; keeps no process alive. */
async function patience(ms: number, hurry?: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { ref: false, ...(hurry === undefined ? {} : { signal: hurry }) }).catch(() => {})
}
