import { sumHeard, type HeardFacts, type HeardSums } from './heard-reports.ts'
import type { ImpairmentCounts } from './impairment.ts'

/**
 * How one recording session went. `completed`: answered, played to its end, hung up as planned. `cancelled`: the run was
 * interrupted. Everything else is a failure; `reason` is a status code, or a word of {@link FailureReason}.
 */
export interface RecordingSessionOutcome {
  readonly sequence: number
  readonly sipCallId: string
  readonly result: 'completed' | 'cancelled' | 'failed'
  readonly reason: FailureReason | undefined
  /** From the INVITE to its 200; undefined when there was none. */
  readonly inviteResponseMs: number | undefined
  readonly streams: readonly StreamOutcome[]
}

export type FailureReason =
  | `${number}`
  /** This machine has no socket left (`ulimit -n`). */
  | 'noSocket'
  /** No final answer to the INVITE. */
  | 'timeout'
  /** The recorder hung up before the end. */
  | 'recorderBye'
  /** No answer to our BYE. */
  | 'byeTimeout'
  | 'connectionLost'
  /** The answer has no usable SDP. */
  | 'badAnswer'
  /** The answer refuses a media stream with port 0. */
  | 'streamRefused'
  /** The answer takes a media stream without the SRTP that was offered. */
  | 'notProtected'
  /** The hold or its end was refused. */
  | 'reinviteRefused'

export interface StreamOutcome extends ImpairmentCounts {
  readonly streamLabel: string
  readonly ssrc: number
  /** As the recorder reports it; undefined when nobody listened. */
  readonly heard?: HeardFacts
}

export interface SimulationReport {
  readonly seed: number
  readonly to: string
  readonly placed: number
  readonly answered: number
  readonly completed: number
  readonly cancelled: number
  readonly failed: number
  /** Number of failures by reason, most frequent first. */
  readonly failures: Readonly<Record<string, number>>
  readonly packets: ImpairmentCounts
  /** What the recorder reports of all media streams; undefined when nobody listened. */
  readonly heard: HeardSums | undefined
  readonly inviteResponseMs: { readonly p50: number; readonly p99: number; readonly max: number } | undefined
  /** The longest a packet left behind its time: how well this machine kept up. */
  readonly latestPacketMs: number
  readonly elapsedMs: number
  /** The first {@link OUTCOMES_LISTED_MAX}. */
  readonly recordingSessions: readonly RecordingSessionOutcome[]
}

export const OUTCOMES_LISTED_MAX = 1_000

export function summarize(
  outcomes: readonly RecordingSessionOutcome[],
  run: { readonly seed: number; readonly to: string; readonly latestPacketMs: number; readonly elapsedMs: number },
): SimulationReport {
  const count = (result: RecordingSessionOutcome['result']): number =>
    outcomes.filter((outcome) => outcome.result === result).length
  const responses = outcomes.flatMap(({ inviteResponseMs }) =>
    inviteResponseMs === undefined ? [] : [inviteResponseMs],
  )
  responses.sort((left, right) => left - right)
  const packets = { sent: 0, lost: 0, duplicated: 0, reordered: 0 }
  for (const stream of outcomes.flatMap(({ streams }) => streams)) {
    packets.sent += stream.sent
    packets.lost += stream.lost
    packets.duplicated += stream.duplicated
    packets.reordered += stream.reordered
  }
  return {
    seed: run.seed,
    to: run.to,
    placed: outcomes.length,
    answered: responses.length,
    completed: count('completed'),
    cancelled: count('cancelled'),
    failed: count('failed'),
    failures: failuresByReason(outcomes),
    packets,
    heard: sumHeard(outcomes.flatMap(({ streams }) => streams.map(({ heard }) => heard))),
    inviteResponseMs:
      responses.length === 0
        ? undefined
        : { p50: percentile(responses, 0.5), p99: percentile(responses, 0.99), max: percentile(responses, 1) },
    latestPacketMs: run.latestPacketMs,
    elapsedMs: run.elapsedMs,
    recordingSessions: outcomes.slice(0, OUTCOMES_LISTED_MAX),
  }
}

function failuresByReason(outcomes: readonly RecordingSessionOutcome[]): Record<string, number> {
  const counts = new Map<string, number>()
  for (const { result, reason } of outcomes) {
    if (result === 'failed' && reason !== undefined) counts.set(reason, (counts.get(reason) ?? 0) + 1)
  }
  return Object.fromEntries([...counts].sort(([, left], [, right]) => right - left))
}

/** Nearest rank: the smallest value that at least this share of all is not above. `sorted` ascending, not empty. */
export function percentile(sorted: readonly number[], share: number): number {
  const rank = Math.max(1, Math.ceil(share * sorted.length))
  return sorted[rank - 1] ?? Number.NaN
}
