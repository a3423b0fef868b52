import type { RecordingSession } from '../../recorder/recording-session.ts'
import type { WorkerTotals } from './worker-messages.ts'

export type StreamSums = Omit<
  WorkerTotals,
  'encodedFrames' | 'encodeSeconds' | 'socketOverflows' | 'opusUndecodedStreams' | 'transcriptions'
>

const NOTHING: StreamSums = {
  packetsReceived: 0,
  packetsLost: 0,
  packetsDiscarded: {},
  srtpFailures: {},
  rtcpReceived: {},
  rtcpDiscarded: {},
  rtcpSent: 0,
  alignmentRefusals: { disagreed: 0, tooFar: 0 },
  gatedFrames: 0,
  dtmfDigits: {},
}

/** Counters summed over media streams; they only grow. */
export class StreamTotals {
  readonly #packets: { received: number; lost: number; rtcpSent: number; gatedFrames: number }
  readonly #discarded: Map<string, number>
  readonly #srtpFailures: Map<string, number>
  readonly #rtcpReceived: Map<string, number>
  readonly #rtcpDiscarded: Map<string, number>
  readonly #dtmfDigits: Map<string, number>
  readonly #alignmentRefusals: { disagreed: number; tooFar: number }

  /** @param from what to begin with; it stays as it is */
  constructor(from: StreamSums = NOTHING) {
    const { packetsReceived: received, packetsLost: lost, rtcpSent, gatedFrames } = from
    this.#packets = { received, lost, rtcpSent, gatedFrames }
    this.#discarded = new Map(Object.entries(from.packetsDiscarded))
    this.#srtpFailures = new Map(Object.entries(from.srtpFailures))
    this.#rtcpReceived = new Map(Object.entries(from.rtcpReceived))
    this.#rtcpDiscarded = new Map(Object.entries(from.rtcpDiscarded))
    this.#dtmfDigits = new Map(Object.entries(from.dtmfDigits))
    this.#alignmentRefusals = { ...from.alignmentRefusals }
  }

  /** Adds all streams of a recording session. */
  add(recordingSession: RecordingSession): void {
    this.#packets.gatedFrames += recordingSession.frameCounts.gated
    this.#alignmentRefusals.tooFar += recordingSession.alignmentRefusals
    for (const { counters, rtcp } of recordingSession.streamReceivers.values()) {
      this.#packets.received += counters.packetsReceived
      this.#packets.lost += counters.packetsLost
      this.#packets.rtcpSent += rtcp.counters.sent
      this.#alignmentRefusals.disagreed += rtcp.disagreements
      addCounts(this.#discarded, counters.packetsDiscarded)
      addCounts(this.#srtpFailures, counters.srtpFailures)
      addCounts(this.#rtcpReceived, rtcp.counters.received)
      addCounts(this.#rtcpDiscarded, rtcp.counters.discarded)
      addCounts(this.#dtmfDigits, { ...counters.dtmf })
    }
  }

  get sums(): StreamSums {
    return {
      packetsReceived: this.#packets.received,
      packetsLost: this.#packets.lost,
      packetsDiscarded: Object.fromEntries(this.#discarded),
      srtpFailures: Object.fromEntries(this.#srtpFailures),
      rtcpReceived: Object.fromEntries(this.#rtcpReceived),
      rtcpDiscarded: Object.fromEntries(this.#rtcpDiscarded),
      rtcpSent: this.#packets.rtcpSent,
      alignmentRefusals: { ...this.#alignmentRefusals },
      gatedFrames: this.#packets.gatedFrames,
      dtmfDigits: Object.fromEntries(this.#dtmfDigits),
    }
  }
}

function addCounts(sum: Map<string, number>, counts: Readonly<Record<string, number>>): void {
  for (const [reason, count] of Object.entries(counts)) {
    if (count > 0) sum.set(reason, (sum.get(reason) ?? 0) + count)
  }
}
