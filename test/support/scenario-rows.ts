import { describe, expect, test } from 'vitest'

import {
  findPieces,
  gapMsByLabel,
  peopleByLabel,
  type PlayedRecording,
  type PlayedScenario,
} from './played-scenarios.ts'
import type { ScenarioName } from './scenario-catalogue.ts'

/** What must be on one channel of a recording. */
export interface ExpectedStream {
  readonly label: string
  /** Addresses of everyone who was ever heard there. */
  readonly people: readonly string[]
  /** Which voice in which captures. */
  readonly voice: number
  readonly captures: readonly number[]
  /** How long it was on hold, in milliseconds, at least; nothing: never. */
  readonly heldMs?: number
}

export interface ExpectedRecording {
  /** In the order of the channels. */
  readonly streams: readonly ExpectedStream[]
  readonly snapshots: number
  /** Incidents that belong to it. */
  readonly incidents?: readonly string[]
  readonly also?: (recording: PlayedRecording) => void
}

export interface ScenarioRow {
  readonly name: ScenarioName
  readonly title: string
  readonly recordings: readonly ExpectedRecording[]
}

/** What the distance of two pieces may differ from that of the captures: SIPp takes a moment between its steps. */
const DISTANCE_TOLERANCE_MS = 400
const HOLD_EXCESS_MAX_MS = 1_500

/** The tests of one scenario that was played. */
export function describeRow(row: ScenarioRow, played: () => PlayedScenario): void {
  describe(row.title, () => {
    test('SIPp saw what it expects, and every dialog left one whole recording', () => {
      const { sipp, recordings, problem } = played()
      expect(sipp.exitCode === 0 ? '' : sipp.errors).toBe('')
      expect(sipp.failed).toBe(0)
      expect(problem).toBeUndefined()
      expect(recordings.map(({ details }) => details.state)).toEqual(row.recordings.map(() => 'complete'))
      expect(recordings.map(({ details }) => details.endCause)).toEqual(row.recordings.map(() => 'bye'))
    })

    row.recordings.forEach((expected, index) => {
      const suffix = row.recordings.length === 1 ? '' : ` (recording ${index + 1})`
      const recording = (): PlayedRecording => {
        const found = played().recordings[index]
        if (found === undefined) throw new Error(`${row.name} left ${played().recordings.length} recordings`)
        return found
      }

      test(`each voice is on its channel, whole and in its place${suffix}`, () => {
        const found = findPieces(played().prepared, recording().channels)
        const wanted = expected.streams.flatMap(({ voice, captures }, channel) =>
          captures.map((capture) => ({ capture, voice, channel })),
        )
        expect(found.map(({ capture, voice, channel }) => ({ capture, voice, channel }))).toEqual(wanted)
        expectDistances(played(), found)
      })

      test(`the record names the right people on the right channel${suffix}`, () => {
        const { details, verified } = recording()
        expect(details.mediaStreams.map(({ channel, streamLabel }) => [channel, streamLabel])).toEqual(
          expected.streams.map(({ label }, channel) => [channel, label]),
        )
        expect(peopleByLabel(recording())).toEqual(
          Object.fromEntries(expected.streams.map(({ label, people }) => [label, people.toSorted()])),
        )
        expect(details.snapshots.map(({ valid }) => valid)).toEqual(
          Array.from({ length: expected.snapshots }, () => true),
        )
        expect(details.incidents.map(({ code }) => code)).toEqual(expected.incidents ?? [])
        expect(verified).toMatchObject({ code: 0 })
        expected.also?.(recording())
      })

      test(`what was on hold is in the record as held, and nothing else${suffix}`, () => {
        const held = gapMsByLabel(recording(), 'held')
        for (const { label, heldMs = 0 } of expected.streams) {
          expect(held[label], label).toBeGreaterThanOrEqual(heldMs)
          expect(held[label], label).toBeLessThanOrEqual(heldMs === 0 ? 0 : heldMs + HOLD_EXCESS_MAX_MS)
        }
      })
    })
  })
}

/** Pieces are as far from each other as they were sent. */
function expectDistances(played: PlayedScenario, found: ReturnType<typeof findPieces>): void {
  const sentAtMs = (capture: number): number => {
    const piece = played.prepared.streams.flatMap(({ pieces }) => pieces).find((each) => each.capture === capture)
    return (piece?.fromSample ?? 0) / 8
  }
  const [first] = found
  for (const piece of found) {
    const wantedMs = sentAtMs(piece.capture) - sentAtMs(first?.capture ?? 0)
    expect(Math.abs(piece.atMs - (first?.atMs ?? 0) - wantedMs)).toBeLessThanOrEqual(DISTANCE_TOLERANCE_MS)
  }
}
