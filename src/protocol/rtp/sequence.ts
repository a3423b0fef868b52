/** A forward step this large is a restart, not loss. RFC 3550 A.1 */
export const MAX_DROPOUT = 3_000
/** A backward step up to this is reordering, beyond it a restart. RFC 3550 A.1 */
export const MAX_MISORDER = 100

/** Signed distance from sequence number `from` to `to`, -32768..32767: the shorter way round. */
export function sequenceDistance(from: number, to: number): number {
  return ((to - from) << 16) >> 16
}

/**
 * `first`, `ahead` (the expected number or one after loss), `behind` (reordered or duplicate), `probation` (a large jump,
 * not believed yet), `restarted` (its successor came: counting begins anew).
 */
export type SequenceStep = 'first' | 'ahead' | 'behind' | 'probation' | 'restarted'

/** What a report block needs. RFC 3550 6.4.1 */
export interface ReceptionStatistics {
  readonly extendedHighestSequenceNumber: number
  readonly packetsExpected: number
  readonly packetsReceived: number
  /** Negative with duplicates, as RFC 3550 6.4.1 has it. */
  readonly cumulativeLost: number
}

/**
 * Extended sequence numbers and loss statistics of one SSRC, fed in order of arrival. It judges nothing but the number: telling
 * duplicates from reordered packets is the reorder buffer's work. RFC 3550 A.1, A.3
 *
 * A restart begins counting anew (`init_seq`), so that these are statistics of the last run, and the ledger of a recording, which sums all runs, has more. Stragglers of the run
 * before belong to neither: they are `behind`, uncounted, and do not begin that run again, which A.1 by itself would have them do as soon as two come in a row.
 */
export class SequenceTracker {
  #base = 0
  #highest: number | undefined
  #received = 0
  #probationNext: number | undefined
  /** End of the run before the present one, and for how many packets more its stragglers are known. */
  #formerHighest = 0
  #formerPackets = 0
  #priorExpected = 0
  #priorReceived = 0

  update(sequenceNumber: number): SequenceStep {
    if (this.#highest === undefined) {
      this.#begin(sequenceNumber)
      return 'first'
    }
    const distance = sequenceDistance(this.#highest, sequenceNumber)
    if (this.#isStraggler(sequenceNumber, distance)) return 'behind'
    if (distance >= MAX_DROPOUT || distance < -MAX_MISORDER) {
      if (sequenceNumber === this.#probationNext) {
        this.#formerHighest = this.#highest
        this.#formerPackets = MAX_MISORDER
        this.#begin(sequenceNumber)
        return 'restarted'
      }
      this.#probationNext = (sequenceNumber + 1) & 0xffff
      return 'probation'
    }
    this.#probationNext = undefined
    this.#received += 1
    if (distance <= 0) return 'behind'
    this.#highest += distance
    return 'ahead'
  }

  get statistics(): ReceptionStatistics {
    const expected = this.#highest === undefined ? 0 : this.#highest - this.#base + 1
    return {
      extendedHighestSequenceNumber: this.#highest ?? 0,
      packetsExpected: expected,
      packetsReceived: this.#received,
      cumulativeLost: expected - this.#received,
    }
  }

  /** Fraction lost since the last call, 0..1; never negative. RFC 3550 A.3 */
  takeFractionLost(): number {
    const { packetsExpected, packetsReceived } = this.statistics
    const expected = packetsExpected - this.#priorExpected
    const lost = expected - (packetsReceived - this.#priorReceived)
    this.#priorExpected = packetsExpected
    this.#priorReceived = packetsReceived
    return expected <= 0 || lost <= 0 ? 0 : lost / expected
  }

  /** Of the run before: nearer to its end than to that of the present one. Looked for while it may be on its way, no longer: the sender may go back for good. */
  #isStraggler(sequenceNumber: number, distance: number): boolean {
    if (this.#formerPackets === 0) return false
    this.#formerPackets -= 1
    const fromFormer = Math.abs(sequenceDistance(this.#formerHighest, sequenceNumber))
    return fromFormer <= MAX_MISORDER && fromFormer < Math.abs(distance)
  }

  #begin(sequenceNumber: number): void {
    this.#base = sequenceNumber
    this.#highest = sequenceNumber
    this.#received = 1
    this.#probationNext = undefined
    this.#priorExpected = 0
    this.#priorReceived = 0
  }
}
