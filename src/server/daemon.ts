import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Config } from '../config/config.ts'
import { AnnouncementRouter } from './announcer/announcement-router.ts'
import type { Announcer } from './announcer/announcer.ts'
import { startAnnouncer } from './announcer/start-announcer.ts'
import { rejected } from '../result.ts'
import { AdmissionController } from './admission.ts'
import { admissionStateOf } from './admission-state.ts'
import { acquireDataLock } from './data-lock.ts'
import { EventHub } from './http/event-hub.ts'
import { httpUrl, type BoundHttpAddress } from './http/listen.ts'
import { startHttpServices } from './http-services.ts'
import { startKeeping, type Keeping, type Undo } from './keeping.ts'
import { joinServices, type Joined } from './joining.ts'
import { registerReadiness } from './readiness.ts'
import type { BoundAddress } from './signalling/port.ts'
import { StatusBoard } from './status-board.ts'
import { storeAfterEnd } from './store-after-end.ts'
import { type DaemonNotice } from './keys-at-start.ts'
import { warnOfNodeFlags } from './node-flags.ts'
import { Health } from './telemetry/health.ts'
import type { Logger } from './telemetry/logger.ts'
import { collectProcessMetrics, createMetrics, createRegistry, type Metrics } from './telemetry/metrics.ts'

/** After the last BYE: longer than the end of a recording waits for what was said last to be made words of. A second signal takes it back. */
const END_MS = 25_000
/** Then: how long the store and the database get before the daemon gives up waiting for them. */
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
  readonly #undo: Undo = []
  #services: (Keeping & Joined & { readonly announcer: Announcer | undefined }) | undefined

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
    const { control, shredder, spool, outbox, signalling, ledger, storage, announcer } = services
    this.#health.drain()
    this.#log.info({ count: control.live.length }, 'draining')
    await Promise.race([Promise.all([control.whenIdle(), announcer?.drain()]), patience(timeoutMs, hurry)])
    announcer?.hangUpAll()
    const stored = await storeAfterEnd({
      ended: control.endAll('drain'),
      store: async () => {
        await shredder.whenIdle()
        await ledger.close(LEDGER_CLOSE_MS)
        return spool.uploads.drain(CUSTODY_DRAIN_MS)
      },
      endPatience: patience(END_MS, hurry),
      storePatience: () => patience(CUSTODY_DRAIN_MS),
    })
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
    warnOfNodeFlags(process.execArgv, this.#log)
    const registry = createRegistry()
    collectProcessMetrics(registry)
    const metrics = createMetrics(registry, { sources: config.sources.map(({ name }) => name), version: this.#version })
    const software = { name: 'earwitness', version: this.#version }
    const parts = { config, metrics, software, log: this.#log, undo: this.#undo }
    const keeping = await startKeeping({ ...parts, lock, notices: this.#notices })
    const joined = await joinServices({
      ...{ ...parts, ...keeping },
      ...{ health: this.#health, admission: this.#admission, eventHub: this.#eventHub },
    })
    await joined.media.run(config.media.workers)
    this.#undo.push(() => joined.media.stop())
    registerReadiness(this.#health, {
      ...keeping,
      admission: this.#admission,
      admissionState: () => admissionStateOf({ ...keeping, ...joined }),
      outage: () => joined.signalling.outage(),
    })
    const { engine, port } = joined.signalling
    const announcing = await startAnnouncer({ ...parts, ...keeping, ...joined, signalling: port })
    const announcer = announcing?.announcer
    const sip = await port.run(
      announcer === undefined ? joined.control : new AnnouncementRouter(joined.control, announcer),
    )
    this.#undo.push(() => port.stop())
    const board = this.#startBoard({ metrics, ...keeping, ...joined })
    const http = await startHttpServices(config, {
      ...{ ...keeping, ...joined, board, metrics, registry },
      announce: async (request) => (await announcing?.mediaPath.announce(request)) ?? rejected('off'),
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
    this.#services = { ...keeping, ...joined, announcer }
    this.#recoverInBackground(keeping, joined, metrics)
    return addresses
  }

  /** New recording sessions do not wait for old ones: a store in trouble would keep the SIP port closed. */
  #recoverInBackground({ recovery, storage }: Keeping, { shredder }: Joined, metrics: Metrics): void {
    const shredWanted = (recordingId: string, prefix: string): Promise<void> => shredder.want(recordingId, prefix)
    const recovering = storage.ready.then(async (isReady) => {
      if (!isReady) return
      await recovery.run(shredWanted, async ({ recovered, left, error }) => {
        metrics.recordingsLeftOpen.set(left)
        if (recovered > 0)
          this.#log.warn({ count: recovered }, 'recordings of an earlier run were closed as interrupted')
        if (recovery.isFailing)
          this.#log.error(
            { count: left, ...(error === undefined ? {} : { err: error }) },
            'not all that an earlier run left could be closed; it is tried again',
          )
        await shredder.resume()
      })
    })
    this.#undo.push(async () => {
      recovery.stop()
      await storage.stop()
      await recovering
    })
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
