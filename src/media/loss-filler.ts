import { Concealer } from './concealment.ts'
import type { GapCauses } from './gap-causes.ts'
import type { MaskList } from './mask-list.ts'
import type { QueuedPacket, PacketQueue } from './packet-queue.ts'
import type { ReadBuffer } from './read-buffer.ts'
import type { Silencer } from './silencer.ts'

interface Filling {
  readonly concealer: Concealer
  readonly before: Int16Array
  readonly after: Int16Array
}

/** One read of a timeline, from `readPosition` on, that has come to the gap between `gapFrom` and a packet. */
export interface GapRead {
  readonly readPosition: number
  readonly gapFrom: number
  readonly output: Int16Array
}

/**
 * Fills the gaps of lost packets on a timeline while they are read. A gap is filled when its end is known as its first sample is
 * read; what turns out to be lost later was read as silence by then. What lies in a pause is neither filled nor listened to, and what is masked
 * is not listened to.
 */
export class LossFiller {
  #sampleRate: number
  readonly #causes: GapCauses
  readonly #silencer: Silencer
  readonly #masks: MaskList
  readonly #queue: PacketQueue
  readonly #read: ReadBuffer
  /** Made on the first loss: streams without one pay nothing. */
  #filling: Filling | undefined
  /** What was made up last, and where on the timeline it belongs. */
  #samples: Int16Array = new Int16Array(0)
  #from = Number.NEGATIVE_INFINITY

  constructor(options: {
    readonly sampleRate: number
    readonly causes: GapCauses
    readonly silencer: Silencer
    readonly masks: MaskList
    readonly queue: PacketQueue
    readonly read: ReadBuffer
  }) {
    this.#sampleRate = options.sampleRate
    this.#causes = options.causes
    this.#silencer = options.silencer
    this.#masks = options.masks
    this.#queue = options.queue
    this.#read = options.read
  }

  /** Fills what is lost of the gap before `entry`, the head of the queue, as far as it is being read; how many samples. */
  fill(entry: QueuedPacket, { readPosition, gapFrom, output }: GapRead): number {
    if (entry.outLength === 0 || entry.readOffset > 0 || entry.position <= gapFrom) return 0
    // There is nothing to make a signal of, and silence is not one.
    if (entry.gapCause === 'undecoded') return 0
    if (gapFrom >= readPosition) this.#begin(entry, gapFrom, gapFrom - readPosition)
    if (gapFrom !== this.#from) return 0
    const first = Math.max(gapFrom, readPosition)
    const end = Math.min(gapFrom + this.#samples.length, readPosition + output.length)
    for (let at = first; at < end; at++) output[at - readPosition] = this.#samples[at - gapFrom] ?? 0
    return Math.max(0, end - first)
  }

  /** There are `factor` times as many samples a second from now on. @param upsample makes so many of some */
  rescale(factor: number, upsample: (samples: Int16Array) => Int16Array): void {
    this.#sampleRate *= factor
    this.#filling = undefined
    this.#samples = upsample(this.#samples)
    this.#from *= factor
  }

  #begin(entry: QueuedPacket, from: number, readOffset: number): void {
    const known = { lost: entry.gapLost, silence: entry.gapSilence }
    const to = this.#causes.lostUntil({ from, to: entry.position }, known)
    if (to === from) return
    let isJoined = to === entry.position
    const begins = entry.timestamp + entry.skip
    const heard = Math.max(entry.outLength, this.#sampleRate / 10)
    this.#silencer.pausedWithin(entry, { from: to, to: to + heard, back: entry.spread }, () => {
      isJoined = false
    })
    this.#masks.within({ from: begins, to: begins + heard, epoch: entry.epoch }, () => {
      isJoined = false
    })
    const { concealer, before, after } = (this.#filling ??= startFilling(this.#sampleRate))
    this.#read.copyBefore(readOffset, before)
    if (isJoined) copyAhead(this.#queue, after)
    this.#samples = concealer.conceal({ before, after: isJoined ? after : undefined, samples: to - from })
    this.#from = from
  }
}

function startFilling(sampleRate: number): Filling {
  const concealer = new Concealer(sampleRate)
  const { contextSamples } = concealer
  return { concealer, before: new Int16Array(contextSamples), after: new Int16Array(contextSamples) }
}

/** The audio at the head of the queue, over as many packets as follow each other; zeros behind it. */
function copyAhead(queue: PacketQueue, target: Int16Array): void {
  let filled = 0
  let before: QueuedPacket | undefined
  for (let index = 0; filled < target.length; index++) {
    const entry = queue.at(index)
    if (entry === undefined) break
    if (before !== undefined && (entry.restarted || entry.timestamp !== before.timestamp + before.length)) break
    const offset = before === undefined ? entry.skip : 0
    queue.copy(entry, offset, target, filled)
    filled += entry.length - offset
    before = entry
  }
  target.fill(0, Math.min(filled, target.length))
}
