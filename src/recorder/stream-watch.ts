/**
 * What can be wrong with a media stream while it is recorded. `zeroPackets`: none of its packets has ever come. `oneWay`: none has come since it is awaited, and
 * another stream of the recording session sends. `stopped`: packets came and do not any more. `silent`: packets come, and there is
 * nothing in them.
 */
export const STREAM_FLAGS = ['zeroPackets', 'oneWay', 'stopped', 'silent'] as const
export type StreamFlag = (typeof STREAM_FLAGS)[number]

/** After how much time each flag is raised; 0: never. */
export interface AlertThresholds {
  readonly zeroPacketsUs: number
  readonly oneWayUs: number
  readonly stoppedUs: number
  readonly silentUs: number
  /** What is not above this is silence: dBov. */
  readonly silentLevelDbov: number
}

/** A pause between packets up to this long is none: a stream goes on sending. */
export const SENDING_PAUSE_US = 1_000_000

/** A media stream at one instant. */
export interface StreamSight {
  /** Neither held, nor paused, nor refused: packets should come. */
  readonly isAwaited: boolean
  readonly lastArrivalUs: number | undefined
  /** Up to when its audio has been measured; undefined for one whose audio is not decoded. */
  readonly measuredUs: number | undefined
  /** The end of its last audio that was more than silence; undefined when there was none. */
  readonly loudUs: number | undefined
}

/**
 * Watches one media stream; pure, with time as an argument.
 *
 * A flag is raised when its condition has held for its threshold, and cleared at once when it no longer does. What is not awaited (held, paused)
 * has no flags, and is watched afresh when it is awaited again.
 */
export class StreamWatch {
  readonly #thresholds: AlertThresholds
  readonly #changed: (flag: StreamFlag, isRaised: boolean) => void
  readonly #raised = new Set<StreamFlag>()
  #awaitedSinceUs: number | undefined
  #lastArrivalUs: number | undefined
  /** Since when it sends without a pause. */
  #sendsSinceUs: number | undefined

  constructor(thresholds: AlertThresholds, changed: (flag: StreamFlag, isRaised: boolean) => void) {
    this.#thresholds = thresholds
    this.#changed = changed
  }

  get raised(): ReadonlySet<StreamFlag> {
    return this.#raised
  }

  /** Since when it sends without a pause; undefined while it does not. */
  get sendsSinceUs(): number | undefined {
    return this.#sendsSinceUs
  }

  /** Takes note of the stream as it is now. Call it for every stream of a recording session before {@link judge}. */
  see(sight: StreamSight, nowUs: number): void {
    if (!sight.isAwaited) this.#awaitedSinceUs = undefined
    else this.#awaitedSinceUs ??= nowUs
    this.#lastArrivalUs = sight.lastArrivalUs
    const isSending = sight.lastArrivalUs !== undefined && nowUs - sight.lastArrivalUs <= SENDING_PAUSE_US
    if (!isSending) this.#sendsSinceUs = undefined
    else this.#sendsSinceUs ??= sight.lastArrivalUs
  }

  /** Raises and clears flags; `otherSendsSinceUs` is since when another stream has been sending, the longest. */
  judge(sight: StreamSight, nowUs: number, otherSendsSinceUs: number | undefined): void {
    const awaitedUs = this.#awaitedSinceUs
    if (awaitedUs === undefined) {
      for (const flag of STREAM_FLAGS) this.#set(flag, false)
      return
    }
    const { zeroPacketsUs, oneWayUs, stoppedUs } = this.#thresholds
    const lastUs = this.#lastArrivalUs
    this.#set('zeroPackets', lastUs === undefined && isOver(nowUs - awaitedUs, zeroPacketsUs))
    this.#set('stopped', lastUs !== undefined && isOver(nowUs - Math.max(lastUs, awaitedUs), stoppedUs))
    const hasNone = lastUs === undefined || lastUs < awaitedUs
    const isOneWay = otherSendsSinceUs !== undefined && isOver(nowUs - Math.max(awaitedUs, otherSendsSinceUs), oneWayUs)
    // Once raised it stays so while the other side is quiet for a moment: nothing has come to make it better.
    this.#set('oneWay', hasNone && (isOneWay || this.#raised.has('oneWay')))
    this.#set('silent', this.#isSilent(sight, awaitedUs))
  }

  #isSilent({ measuredUs, loudUs = Number.NEGATIVE_INFINITY }: StreamSight, awaitedUs: number): boolean {
    if (this.#sendsSinceUs === undefined || measuredUs === undefined) return false
    return isOver(measuredUs - Math.max(loudUs, this.#sendsSinceUs, awaitedUs), this.#thresholds.silentUs)
  }

  #set(flag: StreamFlag, isRaised: boolean): void {
    if (this.#raised.has(flag) === isRaised) return
    if (isRaised) this.#raised.add(flag)
    else this.#raised.delete(flag)
    this.#changed(flag, isRaised)
  }
}

function isOver(elapsedUs: number, thresholdUs: number): boolean {
  return thresholdUs > 0 && elapsedUs >= thresholdUs
}
