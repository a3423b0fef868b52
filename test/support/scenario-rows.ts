import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { makeDataDir, removeDataDir, startDaemon, type RunningDaemon } from './daemon.ts'
import {
  findPieces,
  FORCED_ADDRESS,
  gapMsByLabel,
  peopleByLabel,
  playScenarios,
  type PlayedRecording,
  type PlayedScenario,
} from './played-scenarios.ts'
import type { ScenarioName } from './scenario-catalogue.ts'
import { openTlsTunnel, tlsEnvironment, type TlsTunnel } from './tls-tunnel.ts'

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

const HOLD_EXCESS_MAX_MS = 1_500

const PLAYING_MAX_MS = 300_000

/** Plays all rows against one daemon, and makes the tests of each. */
export function describeScenarios(rows: readonly ScenarioRow[]): void {
  let dataDir: string
  let folder: string
  let daemon: RunningDaemon
  let tunnel: TlsTunnel
  let played: ReadonlyMap<ScenarioName, PlayedScenario> = new Map()

  beforeAll(async () => {
    dataDir = await makeDataDir()
    folder = await mkdtemp(join(tmpdir(), 'earwitness-scenarios-'))
    daemon = await startDaemon(dataDir, {
      ...tlsEnvironment(folder),
      EARWITNESS_SOURCES_0_NAME: 'phones',
      EARWITNESS_SOURCES_0_ADDRESS: FORCED_ADDRESS,
      EARWITNESS_SOURCES_0_FORCE_SIPREC: 'true',
    })
    tunnel = await openTlsTunnel(daemon.sipTlsPort)
    const names = rows.map(({ name }) => name)
    played = await playScenarios(daemon, names, { folder, tlsTunnelPort: tunnel.port })
  }, PLAYING_MAX_MS)

  afterAll(async () => {
    await tunnel.close()
    await daemon.stop()
    await removeDataDir(dataDir)
    await rm(folder, { recursive: true, force: true })
  })

  for (const row of rows) {
    describeRow(row, () => {
      const scenario = played.get(row.name)
      if (scenario === undefined) throw new Error(`${row.name} was not played`)
      return scenario
    })
  }
}

/** The tests of one scenario that was played. */
function describeRow(row: ScenarioRow, played: () => PlayedScenario): void {
  describe(`${row.name}: ${row.title}`, () => {
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
        const wanted = expected.streams.flatMap(({ voice, captures }, channel) =>
          captures.map((capture) => ({ capture, voice, channel })),
        )
        const captures = wanted.map(({ capture }) => capture)
        expect(findPieces(played().prepared, recording().channels, captures)).toEqual(wanted)
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
