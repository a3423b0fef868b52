import type { SpoolRefusal } from './spool/spool.ts'
import { AdmissionPace } from './admission-pace.ts'

/** How much of a thread is in use, over the last second. */
export interface ThreadLoad {
  /** Share of the time in which its event loop was not idle, 0 to 1. */
  readonly busyShare: number
  /** How late its timers were, on average. */
  readonly lagMs: number
}

/** Thread loads, as they are measured once a second. */
export interface SystemLoad {
  readonly main: ThreadLoad
  /** The media workers that run. */
  readonly workers: readonly ThreadLoad[]
}

/** What there is at the moment of the question. */
export interface AdmissionState {
  /** Monotonic microseconds. */
  readonly nowUs: number
  /** Recording sessions that are being opened or last. */
  readonly recordingSessions: number
  /** Opened since the start. */
  readonly openedTotal: number
  /** Those that are over and whose last objects are on their way to the store. */
  readonly closing: number
  /** SIP messages wait too long before they are read. */
  readonly isSignallingBehind: boolean
  /** INVITEs waited too long for their turn to be opened, and some wait still. */
  readonly areOpeningsLate: boolean
  readonly portPairsFree: number
  readonly isStorageFull: boolean
  /** Why the spool should not have more to do. */
  readonly spoolRefusal?: SpoolRefusal | undefined
}

export interface AdmissionLimits {
  readonly recordingSessionsMax: number
  readonly busyShareMax: number
  readonly lagMsMax: number
}

/** Why no recording session is taken; also the names of the checks of `/readyz` and a metric label. */
export const ADMISSION_REASONS = [
  'capacity',
  'custody',
  'storage',
  'spool',
  'rtp-ports',
  'main-thread',
  'media-workers',
  'sip-queue',
  'openings',
  'pace',
] as const
export type AdmissionReason = (typeof ADMISSION_REASONS)[number]

/** Recording sessions that may wait for the store after their end. Each holds a few kilobytes and no port. */
export const CLOSING_MAX = 4_096
/** What one recording session of two media streams needs. */
export const PORT_PAIRS_LEAST = 2
/**
 * How long a thread must be over its limit before that counts: a stall, a burst or a start is no overload, and a slower pace has had its
 * time to mend it.
 */
export const OVERLOADED_US = 5_000_000
/** How long it must be clearly under it before new work is taken again. */
export const RECOVERED_US = 2_000_000
const IDLE: ThreadLoad = { busyShare: 0, lagMs: 0 }
/** Clearly under: this share of the limit. */
const RECOVERED_SHARE = 0.9

/**
 * Decides from what is measured whether one more recording session is taken.
 *
 * Counts (sessions, ports, storage) and queues decide at once. Thread load decides only when it lasts, and stays decided until it is clearly
 * over; and never on a recorder that has nothing to do, whatever it measures. What is taken a second follows from all of them, see
 * {@link AdmissionPace}. Time is monotonic microseconds.
 */
export class AdmissionController {
  readonly #limits: AdmissionLimits
  readonly #main: LoadGate
  readonly #workers: LoadGate
  readonly #pace = new AdmissionPace()
  readonly #tests: Readonly<Record<AdmissionReason, (state: AdmissionState) => boolean>> = {
    capacity: (state) => state.recordingSessions >= this.#limits.recordingSessionsMax,
    custody: (state) => state.closing >= CLOSING_MAX,
    storage: (state) => state.isStorageFull,
    spool: (state) => state.spoolRefusal !== undefined,
    'rtp-ports': (state) => state.portPairsFree < PORT_PAIRS_LEAST,
    'main-thread': (state) => this.#main.isOverloaded && !isIdle(state),
    'media-workers': (state) => this.#workers.isOverloaded && !isIdle(state),
    'sip-queue': (state) => state.isSignallingBehind && !isIdle(state),
    openings: (state) => state.areOpeningsLate,
    pace: (state) => !this.#pace.hasRoom(state.nowUs),
  }

  constructor(limits: AdmissionLimits) {
    this.#limits = limits
    this.#main = new LoadGate(limits)
    this.#workers = new LoadGate(limits)
  }

  /** Recording sessions a second that are taken at most; Infinity without limit. */
  get pacePerSecond(): number {
    return this.#pace.perSecond
  }

  /** A recording session is taken. */
  take(nowUs: number): void {
    this.#pace.take(nowUs)
  }

  /** To be called every 100 ms or so. @see AdmissionPace.look */
  observeQueues({ isSignallingBehind, areOpeningsLate, openedTotal, nowUs }: AdmissionState): void {
    this.#pace.look(isSignallingBehind || areOpeningsLate, openedTotal, nowUs)
  }

  /** Takes a measurement. New recording sessions go to one worker, so the workers are as busy as the least busy of them. */
  observe(load: SystemLoad, nowUs: number): void {
    // How busy the main thread is says little: as long as nothing is late in it, it may be busy.
    const main = { ...load.main, busyShare: 0 }
    this.#main.observe(main, nowUs)
    // Without any worker opening fails by itself, and says so.
    const [first = IDLE, ...others] = load.workers
    const leastBusy = others.reduce(lesser, first)
    this.#workers.observe(leastBusy, nowUs)
  }

  /** Whether this is a reason to refuse now. */
  isRefusing(reason: AdmissionReason, state: AdmissionState): boolean {
    return this.#tests[reason](state)
  }
}

function isIdle({ recordingSessions, closing }: AdmissionState): boolean {
  return recordingSessions === 0 && closing === 0
}

function lesser(one: ThreadLoad, other: ThreadLoad): ThreadLoad {
  return { busyShare: Math.min(one.busyShare, other.busyShare), lagMs: Math.min(one.lagMs, other.lagMs) }
}

/** Whether a thread is overloaded, with a memory: in after {@link OVERLOADED_US}, out after {@link RECOVERED_US}. */
class LoadGate {
  readonly #limits: Pick<AdmissionLimits, 'busyShareMax' | 'lagMsMax'>
  #isOverloaded = false
  #overSinceUs: number | undefined
  #underSinceUs: number | undefined

  constructor(limits: Pick<AdmissionLimits, 'busyShareMax' | 'lagMsMax'>) {
    this.#limits = limits
  }

  get isOverloaded(): boolean {
    return this.#isOverloaded
  }

  observe({ busyShare, lagMs }: ThreadLoad, nowUs: number): void {
    const { busyShareMax, lagMsMax } = this.#limits
    const isOver = busyShare > busyShareMax || lagMs > lagMsMax
    const isUnder = busyShare <= busyShareMax * RECOVERED_SHARE && lagMs <= lagMsMax * RECOVERED_SHARE
    this.#overSinceUs = isOver ? (this.#overSinceUs ?? nowUs) : undefined
    this.#underSinceUs = isUnder ? (this.#underSinceUs ?? nowUs) : undefined
    if (this.#overSinceUs !== undefined && nowUs - this.#overSinceUs >= OVERLOADED_US) this.#isOverloaded = true
    if (this.#underSinceUs !== undefined && nowUs - this.#underSinceUs >= RECOVERED_US) this.#isOverloaded = false
  }
}
