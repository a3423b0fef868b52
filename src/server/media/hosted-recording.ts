import { setImmediate, setTimeout as sleep } from 'node:timers/promises'

import type { RecordingId, StreamId } from '../../ids.ts'
import type { OpusEncoder } from '../../recorder/opus-encoder.ts'
import type { RecordingSession } from '../../recorder/recording-session.ts'
import type { StreamFlag } from '../../recorder/stream-watch.ts'
import type { DecoderStock } from './decoder-stock.ts'
import type { StreamSockets } from './stream-sockets.ts'
import { PortBusyError, type PacketReceiver } from './packet-receiver.ts'
import type { OpenOutcome, WorkerReport } from './worker-messages.ts'
import { StreamTotals, type StreamSums } from './worker-totals.ts'

/** How long the sockets stay open after the end of a recording session. */
const END_GRACE_MS = 100
/** Rounds of the event loop in which the sockets of one that has ended may still bring something; each reads some 32 datagrams of every socket. */
const POLL_ROUNDS_MAX = 100

/** A recording session with what its worker holds for it. */
export interface HostedRecording {
  readonly recordingSession: RecordingSession
  readonly sockets: Map<StreamId, StreamSockets>
  /** Encoders made and not yet taken by the recording session, which must not wait for one. */
  readonly stock: OpusEncoder[]
  /** Those in use too: all are freed at the end. */
  readonly decoders: DecoderStock
  /** Received on its ports, whatever they were. */
  datagrams: number
  /** Media streams of whose first RTP the main thread was told. */
  readonly announced: Set<StreamId>
  /** The kernel had to drop packets, and an incident says so. */
  hasOverflow: boolean
}

export function closeSockets(recording: HostedRecording): void {
  for (const pair of recording.sockets.values()) pair.close()
  recording.sockets.clear()
}

/** At the end: waits for a moment, then receives, and lets the event loop poll, until a round brings nothing more: after a stall its timers run before its sockets are read, and a burst takes several rounds. */
export async function readSocketsOut(recording: HostedRecording, receiver: PacketReceiver): Promise<void> {
  // The BYE overtakes RTP that waits in the sockets or is still on its way.
  await sleep(END_GRACE_MS)
  let before = -1
  for (let round = 0; round < POLL_ROUNDS_MAX && recording.datagrams !== before; round += 1) {
    before = recording.datagrams
    receiver.receive()
    await setImmediate()
    await setImmediate()
  }
}

type LiveFigures = Pick<WorkerReport, 'jitterSecondsMax' | 'roundTripSecondsMax' | 'quiet' | 'flaggedStreams'>

/** What a worker reports of its recording sessions; `ended` are the counters of those that are over. */
export function measureRecordings(
  recordings: ReadonlyMap<RecordingId, HostedRecording>,
  ended: StreamTotals,
  nowUs: number,
): LiveFigures & { readonly sums: StreamSums } {
  const totals = new StreamTotals(ended.sums)
  const flaggedStreams: Record<StreamFlag, number> = { zeroPackets: 0, oneWay: 0, stopped: 0, silent: 0 }
  const quiet: { recordingId: RecordingId; quietMs: number; held: boolean }[] = []
  let jitterSecondsMax = 0
  let roundTripSecondsMax = 0
  for (const [recordingId, { recordingSession }] of recordings) {
    totals.add(recordingSession)
    for (const receiver of recordingSession.streamReceivers.values()) {
      jitterSecondsMax = Math.max(jitterSecondsMax, receiver.counters.jitterSeconds)
      roundTripSecondsMax = Math.max(roundTripSecondsMax, receiver.rtcp.roundTripMs / 1_000)
    }
    for (const { flags } of recordingSession.monitor.states) for (const flag of flags) flaggedStreams[flag] += 1
    const quietMs = Math.round((nowUs - recordingSession.quietSinceUs) / 1_000)
    if (quietMs >= 1_000) quiet.push({ recordingId, quietMs, held: recordingSession.allHeld })
  }
  return { jitterSecondsMax, roundTripSecondsMax, quiet, flaggedStreams, sums: totals.sums }
}

/** Why media streams could not be opened, for who asked. */
export function openingFailure(error: unknown): OpenOutcome {
  if (error instanceof PortBusyError)
    return { ok: false, reason: 'portBusy', ports: [error.port], detail: error.message }
  return { ok: false, reason: 'failed', ports: [], detail: error instanceof Error ? error.message : 'unknown' }
}
