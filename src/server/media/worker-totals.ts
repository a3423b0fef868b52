import type { RecordingSession } from '../../recorder/recording-session.ts'

/** Counters of several recording sessions together. */
export interface Totals {
  received: number
  lost: number
  gatedFrames: number
  readonly discarded: Map<string, number>
  readonly srtpFailures: Map<string, number>
  readonly dtmfDigits: Map<string, number>
}

export function noTotals(): Totals {
  return {
    ...{ received: 0, lost: 0, gatedFrames: 0 },
    discarded: new Map(),
    srtpFailures: new Map(),
    dtmfDigits: new Map(),
  }
}

export function copyOf(totals: Totals): Totals {
  const { discarded, srtpFailures, dtmfDigits } = totals
  return {
    ...totals,
    discarded: new Map(discarded),
    srtpFailures: new Map(srtpFailures),
    dtmfDigits: new Map(dtmfDigits),
  }
}

/** Adds what all streams of a recording session have counted. */
export function addCounters(sum: Totals, recordingSession: RecordingSession): void {
  sum.gatedFrames += recordingSession.frameCounts.gated
  for (const { counters } of recordingSession.streamReceivers.values()) {
    sum.received += counters.packetsReceived
    sum.lost += counters.packetsLost
    addCounts(sum.discarded, counters.packetsDiscarded)
    addCounts(sum.srtpFailures, counters.srtpFailures)
    addCounts(sum.dtmfDigits, { ...counters.dtmf })
  }
}

function addCounts(sum: Map<string, number>, counts: Readonly<Record<string, number>>): void {
  for (const [reason, count] of Object.entries(counts)) {
    if (count > 0) sum.set(reason, (sum.get(reason) ?? 0) + count)
  }
}
