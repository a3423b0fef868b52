import { MAX_DROPOUT, MAX_MISORDER, sequenceDistance } from '../protocol/rtp/sequence.ts'
import type { RtpPacket } from '../protocol/rtp/packet.ts'
import { REORDER_MEMORY, SequenceRun } from './sequence-run.ts'

/**
 * How long a missing packet is waited for. Jitter of a bad network is below 100 ms and rarely reaches 200; the recorder
 * commits audio 500 ms or more behind now, which leaves the rest for the jitter of the waiting packets themselves.
 */
export const REORDER_WINDOW_US = 300_000
/** How long the very first packet is held, so that a predecessor it overtook is not late. */
export const REORDER_SETTLE_US = 100_000
/** Queued packets: 20 s at 20 ms each, so that a stalled machine which reads its sockets late loses nothing. */
export const REORDER_PACKETS_MAX = 1_024
/**
 * How long after a restart packets near the end of the sequence before are taken for its stragglers. More jitter than this
 * nobody could talk through; a source that goes back to its old sequence sooner loses that much.
 */
export const STRAGGLERS_US = 500_000

/** How far the RTP clock and our own may disagree on how long nothing came: a queue that has come or gone meanwhile, and 100 ppm of five hours. */
export const OUTAGE_TOLERANCE_US = 2_000_000

const INITIAL_CAPACITY = 32
/** Storage of payloads grows in steps of this many bytes. */
const STORAGE_STEP = 32
const NO_BYTES = new Uint8Array(0)

/**
 * `queued`: will be released by `pop` (or is on probation after a jump of the sequence number). `duplicate`: a second copy.
 * `late`: its time is over, it has been counted as lost. `restarted`: queued, and the sequence began anew with it or the
 * packet before. `overflow`: dropped because {@link REORDER_PACKETS_MAX} packets wait already.
 */
export type PushResult = 'queued' | 'duplicate' | 'late' | 'restarted' | 'overflow'

export interface ReorderCounters {
  readonly queued: number
  readonly duplicate: number
  readonly late: number
  readonly restarted: number
  readonly overflow: number
  /** Packets that jumped and were never followed up; dropped. */
  readonly stray: number
  readonly released: number
  readonly lost: number
  /** Of what has been released, by its numbers alone: last minus first plus one, over all runs of the sequence. RFC 3550 A.3 */
  readonly expected: number
}

interface Waiting {
  readonly packet: RtpPacket
  readonly arrivalUs: number
}

export interface ReleasedPacket {
  readonly packet: RtpPacket
  readonly arrivalUs: number
  /** Packets missing directly before this one. */
  readonly lostBefore: number
}

/**
 * Puts the RTP packets of one SSRC in sequence: push in order of arrival, pop in order of sequence number.
 *
 * Each missing packet is waited for until the packet that has waited longest was here for {@link REORDER_WINDOW_US}; then
 * it is counted as lost, once. `pop(Infinity)` waits for nothing. A jump of the sequence number (RFC 3550 A.1) is believed
 * when a second packet of the new sequence comes; both are released, after all of the old sequence, and nothing is counted
 * as lost between the two, unless the RTP clock counted just as many packets in that time: then these were sent, and lost. Packets that the new sequence overtook are still of the old one, for {@link STRAGGLERS_US}: what has
 * begun anew is released no sooner than a missing packet would be given up, so that they find their place. Number and payload of the
 * first packet of a jump that is not followed up are dropped (`stray`).
 *
 * What is queued is copied, and only that: a packet may look into a datagram whose memory is used again after `push`. Its `payload` is
 * replaced by a view of memory that the buffer keeps for the purpose and uses again for later packets, so that nothing is allocated
 * for a packet like those before. The caller must not change a packet until it is released; once released, its payload is
 * valid until the next `push`.
 *
 * @see RFC 3550 A.1, A.3
 */
export class ReorderBuffer {
  // A ring of parallel arrays, sorted by epoch and extended sequence number; grows by doubling to REORDER_PACKETS_MAX.
  #packets: (RtpPacket | undefined)[] = Array.from({ length: INITIAL_CAPACITY }, () => undefined)
  /** Views of the memory that payloads of this ring are copied to; as long as the payload that each had last. */
  #payloads: Uint8Array[] = Array.from({ length: INITIAL_CAPACITY }, () => NO_BYTES)
  #arrivals = new Float64Array(INITIAL_CAPACITY)
  #numbers = new Float64Array(INITIAL_CAPACITY)
  #epochs = new Int32Array(INITIAL_CAPACITY)
  #head = 0
  #count = 0

  /** The present run of the sequence, and the one before, whose stragglers are awaited until a time. */
  #run = new SequenceRun()
  #former = new SequenceRun()
  #formerUntilUs = -Infinity
  #next = 0
  /** The epoch that `#next` counts in; another one at the head of the queue means: not begun yet. */
  #releasedEpoch = -1
  /** Number of the first packet released of that epoch, and what was expected of all epochs before. */
  #base = 0
  #expectedBefore = 0
  #probation: Waiting | undefined
  readonly #counters = {
    queued: 0,
    duplicate: 0,
    late: 0,
    restarted: 0,
    overflow: 0,
    stray: 0,
    released: 0,
    lost: 0,
    expected: 0,
  }
  readonly #released = { packet: undefined as unknown as RtpPacket, arrivalUs: 0, lostBefore: 0 }

  get counters(): ReorderCounters {
    return this.#counters
  }

  /** Packets waiting. */
  get length(): number {
    return this.#count
  }

  /** True when this number of the present run of the sequence was pushed before, not more than REORDER_MEMORY numbers ago. */
  hasSeen(sequenceNumber: number): boolean {
    const { highest } = this.#run
    if (highest === undefined) return false
    const distance = sequenceDistance(highest, sequenceNumber)
    return distance <= 0 && distance > -REORDER_MEMORY && this.#run.has(highest + distance)
  }

  /**
   * @param arrivalUs monotonic microseconds, must not run backwards
   * @param clockRate of the packet's timestamp, Hz; unknown: a jump is never loss
   */
  push(packet: RtpPacket, arrivalUs: number, clockRate = 0): PushResult {
    const result = this.#admit(packet, arrivalUs, clockRate)
    this.#counters[result] += 1
    return result
  }

  /**
   * The next packet in sequence, or undefined when there is none or it is still waited for. The object returned is reused by
   * the next call.
   */
  pop(nowUs: number): ReleasedPacket | undefined {
    const packet = this.#packets[this.#head]
    if (this.#count === 0 || packet === undefined) {
      if (nowUs === Infinity) this.#dropProbation()
      return undefined
    }
    const number = this.#numbers[this.#head] ?? 0
    const epoch = this.#epochs[this.#head] ?? 0
    const begins = epoch !== this.#releasedEpoch
    const missing = begins ? 0 : number - this.#next
    const isFirst = begins && this.#releasedEpoch < 0
    if ((begins || missing > 0) && this.#mustWait(nowUs, isFirst ? REORDER_SETTLE_US : REORDER_WINDOW_US)) {
      return undefined
    }
    this.#released.packet = packet
    this.#released.arrivalUs = this.#arrivals[this.#head] ?? 0
    this.#released.lostBefore = missing
    this.#packets[this.#head] = undefined
    this.#head = (this.#head + 1) & (this.#packets.length - 1)
    this.#count -= 1
    if (begins) {
      this.#expectedBefore = this.#counters.expected
      this.#base = number
    }
    this.#next = number + 1
    this.#releasedEpoch = epoch
    this.#counters.expected = this.#expectedBefore + number - this.#base + 1
    this.#counters.released += 1
    this.#counters.lost += missing
    if (this.#count === 0) this.#beginAnew()
    return this.#released
  }

  /** The ring is empty. From its first place on, it needs memory for as many payloads as ever waited at a time, not for as many as it has places. */
  #beginAnew(): void {
    this.#head = 0
    // What a stall brought has been worked off: its memory goes with it.
    if (this.#packets.length > INITIAL_CAPACITY) this.#resize(INITIAL_CAPACITY)
  }

  /** Nothing more comes that could confirm the jump. */
  #dropProbation(): void {
    if (this.#probation === undefined) return
    this.#probation = undefined
    this.#counters.stray += 1
  }

  #mustWait(nowUs: number, windowUs: number): boolean {
    if (this.#count >= REORDER_PACKETS_MAX) return false
    let oldestUs = Infinity
    for (let index = 0; index < this.#count; index++) {
      oldestUs = Math.min(oldestUs, this.#arrivals[this.#slot(index)] ?? 0)
    }
    return nowUs - oldestUs < windowUs
  }

  #admit(packet: RtpPacket, arrivalUs: number, clockRate: number): PushResult {
    const { highest } = this.#run
    if (highest === undefined) {
      this.#run.begin(0, packet.sequenceNumber, packet.timestamp, arrivalUs)
      return this.#insert(packet, arrivalUs, this.#run, packet.sequenceNumber)
    }
    const distance = sequenceDistance(highest, packet.sequenceNumber)
    const isJump = distance >= MAX_DROPOUT || distance < -MAX_MISORDER
    const fromFormer = this.#distanceFromFormer(packet.sequenceNumber, arrivalUs)
    if (Math.abs(fromFormer) < Math.abs(distance)) {
      return this.#admitTo(this.#former, packet, arrivalUs, (this.#former.highest ?? 0) + fromFormer)
    }
    if (isJump) return this.#admitJump(packet, arrivalUs, clockRate)
    return this.#admitTo(this.#run, packet, arrivalUs, highest + distance)
  }

  /** How far a number is from the end of the sequence before; Infinity when that is no longer awaited or too far. */
  #distanceFromFormer(sequenceNumber: number, arrivalUs: number): number {
    if (arrivalUs > this.#formerUntilUs || this.#former.highest === undefined) return Infinity
    const distance = sequenceDistance(this.#former.highest, sequenceNumber)
    return Math.abs(distance) <= MAX_MISORDER ? distance : Infinity
  }

  #admitTo(run: SequenceRun, packet: RtpPacket, arrivalUs: number, number: number): PushResult {
    if (!run.note(number, packet.timestamp, arrivalUs)) return 'duplicate'
    const isOver = run.epoch < this.#releasedEpoch || (run.epoch === this.#releasedEpoch && number < this.#next)
    return isOver ? 'late' : this.#insert(packet, arrivalUs, run, number)
  }

  #admitJump(packet: RtpPacket, arrivalUs: number, clockRate: number): PushResult {
    const first = this.#probation
    const distance =
      first === undefined ? Infinity : sequenceDistance(first.packet.sequenceNumber, packet.sequenceNumber)
    if (distance === 0) return 'duplicate'
    if (first === undefined || Math.abs(distance) > MAX_MISORDER) {
      if (first !== undefined) this.#counters.stray += 1
      packet.payload = packet.payload.slice()
      this.#probation = { packet, arrivalUs }
      return 'queued'
    }
    this.#probation = undefined
    const run = this.#former
    this.#former = this.#run
    this.#formerUntilUs = arrivalUs + STRAGGLERS_US
    this.#run = run
    const ahead = countedAhead(this.#former, first, packet, clockRate)
    const firstNumber = ahead === undefined ? first.packet.sequenceNumber : (this.#former.highest ?? 0) + ahead
    run.begin(this.#former.epoch + (ahead === undefined ? 1 : 0), firstNumber, first.packet.timestamp, first.arrivalUs)
    // Its own push is over and was `queued`: that it is dropped all the same must be counted where others look for it.
    if (this.#insert(first.packet, first.arrivalUs, run, firstNumber) === 'overflow') this.#counters.stray += 1
    const inserted = this.#admitTo(run, packet, arrivalUs, firstNumber + distance)
    return inserted === 'queued' && ahead === undefined ? 'restarted' : inserted
  }

  #insert(packet: RtpPacket, arrivalUs: number, { epoch }: SequenceRun, number: number): PushResult {
    if (this.#count >= REORDER_PACKETS_MAX) return 'overflow'
    if (this.#count === this.#packets.length) this.#grow()
    packet.payload = copied(packet.payload, this.#payloads[this.#slot(this.#count)] ?? NO_BYTES)
    let index = this.#count
    for (; index > 0; index--) {
      const before = this.#slot(index - 1)
      const epochBefore = this.#epochs[before] ?? 0
      if (epochBefore < epoch || (epochBefore === epoch && (this.#numbers[before] ?? 0) < number)) break
      this.#move(before, this.#slot(index))
    }
    const slot = this.#slot(index)
    this.#packets[slot] = packet
    this.#payloads[slot] = packet.payload
    this.#arrivals[slot] = arrivalUs
    this.#numbers[slot] = number
    this.#epochs[slot] = epoch
    this.#count += 1
    return 'queued'
  }

  #move(from: number, to: number): void {
    this.#packets[to] = this.#packets[from]
    this.#payloads[to] = this.#payloads[from] ?? NO_BYTES
    this.#arrivals[to] = this.#arrivals[from] ?? 0
    this.#numbers[to] = this.#numbers[from] ?? 0
    this.#epochs[to] = this.#epochs[from] ?? 0
  }

  #grow(): void {
    this.#resize(this.#packets.length * 2)
  }

  #resize(capacity: number): void {
    const order = Array.from({ length: this.#count }, (_, index) => this.#slot(index))
    const [packets, arrivals, numbers, epochs] = [this.#packets, this.#arrivals, this.#numbers, this.#epochs]
    const payloads = this.#payloads
    this.#packets = Array.from({ length: capacity }, (_, index) => packets[order[index] ?? -1])
    this.#payloads = Array.from({ length: capacity }, (_, index) => payloads[order[index] ?? -1] ?? NO_BYTES)
    this.#arrivals = Float64Array.from({ length: capacity }, (_, index) => arrivals[order[index] ?? -1] ?? 0)
    this.#numbers = Float64Array.from({ length: capacity }, (_, index) => numbers[order[index] ?? -1] ?? 0)
    this.#epochs = Int32Array.from({ length: capacity }, (_, index) => epochs[order[index] ?? -1] ?? 0)
    this.#head = 0
  }

  #slot(index: number): number {
    return (this.#head + index) & (this.#packets.length - 1)
  }
}

/**
 * How many packets `first` is ahead of the end of `run` by sequence number and RTP clock alike, which took as long to come; undefined when they disagree, as they do
 * where something began anew, or leapt. RFC 3550 A.1 tells a restart by the size of the step alone; but as long as nothing comes the clock counts on, and more than 16 bits.
 *
 * @param next another packet of the same sequence, by which it is known how much of the clock a packet takes
 */
function countedAhead(run: SequenceRun, first: Waiting, next: RtpPacket, clockRate: number): number | undefined {
  const { packet, arrivalUs } = first
  const step = clockDistance(packet, next) / sequenceDistance(packet.sequenceNumber, next.sequenceNumber)
  const distance = clockDistance(run, packet)
  const ahead = distance / step
  const isCounted = step > 0 && ahead > 0 && Number.isInteger(ahead)
  const matches = sequenceDistance((run.highest ?? 0) + ahead, packet.sequenceNumber) === 0
  const lateUs = arrivalUs - run.arrivalUs - (distance * 1_000_000) / clockRate
  return isCounted && matches && Math.abs(lateUs) <= OUTAGE_TOLERANCE_US ? ahead : undefined
}

/** Signed, in 32 bits. */
function clockDistance(from: { readonly timestamp: number }, to: { readonly timestamp: number }): number {
  return (to.timestamp - from.timestamp) | 0
}

/** Copies `payload` to the memory behind `view`, or to new memory when that is too small; gives a view of the copy. */
function copied(payload: Uint8Array, view: Uint8Array): Uint8Array {
  const { length } = payload
  let target = view
  if (view.length !== length) {
    const capacity = Math.ceil(length / STORAGE_STEP) * STORAGE_STEP
    const memory = view.buffer.byteLength < length ? new ArrayBuffer(capacity) : view.buffer
    target = new Uint8Array(memory, 0, length)
  }
  target.set(payload)
  return target
}
