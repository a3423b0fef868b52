import { mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'

import type { RecordingDetails, RecordingPage } from '../../src/server/database/queries.ts'
import { matchAudio } from './audio.ts'
import { eventually, type CommandResult, type RunningDaemon } from './daemon.ts'
import { exportedChannels, shippedSpeech } from './recorded.ts'
import { SCENARIOS, type Scenario, type ScenarioName } from './scenario-catalogue.ts'
import { runScenario, type Piece, type PreparedScenario, type ScenarioOptions } from './sipp-scenario.ts'
import type { SippResult } from './sipp.ts'
import { scenarioVoices } from './voices.ts'

/** One recording of a scenario, as somebody sees it who has only the command line. */
export interface PlayedRecording {
  readonly details: RecordingDetails
  readonly verified: CommandResult
  /** 8 kHz, by the number of the channel in the recording. */
  readonly channels: readonly Int16Array[]
}

export interface PlayedScenario {
  readonly prepared: PreparedScenario
  readonly sipp: SippResult
  /** In the order of their INVITEs. */
  readonly recordings: readonly PlayedRecording[]
  /** Why there are not as many as there were INVITEs. */
  readonly problem?: unknown
}

export interface PlayOptions {
  /** A folder for captures, logs and exports. */
  readonly folder: string
  /** A TCP port that leads to the recorder's TLS: for clients that come in by nothing else. */
  readonly tlsTunnelPort: number
}

const SAMPLES_PER_MS = 8
const SIDE_BY_SIDE = 4
const SHORTEST_TOTAL_MS = 4_000
const CAPTURE_MS = 2_000
const SEED = 20_261_124

/**
 * Plays scenarios against one daemon, a few at a time, and looks at what was recorded while the others go on. Those that add media
 * streams come first and alone: their captures need neighbouring ports.
 */
export async function playScenarios(
  daemon: RunningDaemon,
  names: readonly ScenarioName[],
  options: PlayOptions,
): Promise<ReadonlyMap<ScenarioName, PlayedScenario>> {
  const played = new Map<ScenarioName, PlayedScenario>()
  const play = async (name: ScenarioName): Promise<void> => {
    played.set(name, await playScenario(daemon, name, options))
  }
  const grows = (name: ScenarioName): boolean => {
    const scenario: Scenario = SCENARIOS[name]
    return scenario.grows === true
  }
  for (const name of names.filter(grows)) await play(name)
  const waiting = names.filter((name) => !grows(name))
  const lane = async (): Promise<void> => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) await play(name)
  }
  await Promise.all(Array.from({ length: SIDE_BY_SIDE }, lane))
  return played
}

async function playScenario(daemon: RunningDaemon, name: ScenarioName, options: PlayOptions): Promise<PlayedScenario> {
  const scenario: Scenario = SCENARIOS[name]
  const folder = await mkdtemp(join(options.folder, `${name}-`))
  const [caller, callee] = await shippedSpeech()
  const speechMs = Math.max(SHORTEST_TOTAL_MS, CAPTURE_MS * scenario.captures.length)
  const { prepared, sipp } = await runScenario({
    scenario: name,
    target: scenarioTarget(daemon, scenario, options),
    speech: scenarioVoices(caller, callee).map((voice) => voice.subarray(0, speechMs * SAMPLES_PER_MS)),
    seed: SEED,
    folder,
    ...(scenario.sides === 2 ? { localAddress: FORCED_ADDRESS } : {}),
  })
  // Of a scenario that failed there is nothing to wait for.
  if (sipp.exitCode !== 0) return { prepared, sipp, recordings: [] }
  const recordings: PlayedRecording[] = []
  try {
    // From the last: the Call-ID of a second dialog ends with that of the first.
    for (const sipCallId of invitedSipCallIds(sipp.messages).toReversed()) {
      const known = new Set(recordings.map(({ details }) => details.recordingId))
      recordings.unshift(await look(daemon, { sipCallId, known, folder }))
    }
    return { prepared, sipp, recordings }
  } catch (problem) {
    return { prepared, sipp, recordings, problem }
  }
}

function scenarioTarget(daemon: RunningDaemon, scenario: Scenario, options: PlayOptions): ScenarioOptions['target'] {
  const address = '127.0.0.1'
  if (scenario.secure === true) return { transport: 'tcp', address, port: options.tlsTunnelPort }
  if (scenario.transport === 'tcp') return { transport: 'tcp', address, port: daemon.sipTcpPort }
  return { transport: 'udp', address, port: daemon.sipUdpPort }
}

/** Clients without any sign of SIPREC call from here; the daemon of the tests has a source with `forceSiprec` for it. */
export const FORCED_ADDRESS = '127.0.0.2'

/** Call-IDs of the dialogs that SIPp opened, in their order. */
function invitedSipCallIds(messages: string): readonly string[] {
  const requests = messages.split(/^INVITE /m).slice(1)
  const ids = requests.map((text) => /^Call-ID: *(.*?)\r?$/m.exec(text)?.[1] ?? '')
  return [...new Set(ids)].filter((id) => id !== '')
}

async function look(
  daemon: RunningDaemon,
  at: { readonly sipCallId: string; readonly known: ReadonlySet<string>; readonly folder: string },
): Promise<PlayedRecording> {
  const recordingId = await eventually(`the end of the recording of ${at.sipCallId}`, async () => {
    const { stdout } = await daemon.commandHere('recordings', 'list', '--json', '--text', at.sipCallId)
    const { recordings } = JSON.parse(stdout) as RecordingPage
    return recordings.find(({ state, recordingId: id }) => state !== 'open' && !at.known.has(id))?.recordingId
  })
  const shown = await daemon.commandHere('recordings', 'show', recordingId, '--json')
  const details = JSON.parse(shown.stdout) as RecordingDetails
  const verified = await daemon.commandHere('verify', recordingId)
  const decoded = await exportedChannels({ command: async (...args) => daemon.commandHere(...args) }, recordingId, {
    folder: at.folder,
  })
  return { details, verified, channels: inOggOrder(decoded) }
}

/** FFmpeg gives three channels as left, right, centre; in the file the centre stands between the two. RFC 7845 5.1.1.2 */
function inOggOrder(decoded: readonly Int16Array[]): readonly Int16Array[] {
  const [left, right, centre] = decoded
  if (decoded.length !== 3 || left === undefined || right === undefined || centre === undefined) return decoded
  return [left, centre, right]
}

/** The newest address of everyone on each media stream, by the label of the stream, in alphabetical order. */
export function peopleByLabel({ details }: PlayedRecording): Readonly<Record<string, readonly string[]>> {
  const aors = new Map(
    details.participants.map((each) => [each.participantId, each.aors[0]?.aor ?? each.participantId]),
  )
  return Object.fromEntries(
    details.mediaStreams.map(({ streamLabel, participantIds }) => [
      streamLabel,
      participantIds.map((id) => aors.get(id) ?? id).toSorted(),
    ]),
  )
}

/** A piece of speech that was found on a channel, in its place. */
export interface FoundPiece {
  readonly capture: number
  readonly voice: number
  readonly channel: number
}

const LIKENESS_MIN = 0.8
const WINDOW_SAMPLES = 500 * SAMPLES_PER_MS
/** SIPp takes a moment between its steps, and under load the recorder learns the true place of a stream in its first seconds. */
const PLACE_TOLERANCE_SAMPLES = 400 * SAMPLES_PER_MS
const WINDOWS_ALIKE_MIN = 0.75

/**
 * Looks for every piece of speech on every channel of a recording, as far from its beginning as it was sent.
 *
 * @param captures those that were played into this recording; its timeline begins with the first packet of the first
 */
export function findPieces(
  prepared: PreparedScenario,
  channels: readonly Int16Array[],
  captures: readonly number[],
): readonly FoundPiece[] {
  const pieces = prepared.streams.flatMap((stream) => stream.pieces)
  const origin = pieces.find(({ capture }) => capture === Math.min(...captures))?.fromSample ?? 0
  return channels.flatMap((samples, channel) =>
    pieces
      .filter((piece) =>
        captures.includes(piece.capture) ? isInPlace(piece, samples, origin) : isAnywhere(piece, samples),
      )
      .map(({ capture, voice }) => ({ capture, voice, channel })),
  )
}

/** Window by window, because the recorder moves a stream by some milliseconds in a pause of the speaker. */
function isInPlace({ heard, fromSample }: Piece, samples: Int16Array, origin: number): boolean {
  const likeness: number[] = []
  for (let at = 0; at + WINDOW_SAMPLES <= heard.length; at += WINDOW_SAMPLES) {
    const window = heard.subarray(at, at + WINDOW_SAMPLES)
    const place = Math.max(0, fromSample - origin + at - PLACE_TOLERANCE_SAMPLES)
    const around = samples.subarray(place, place + WINDOW_SAMPLES + 2 * PLACE_TOLERANCE_SAMPLES)
    const { correlation } = matchAudio(window, around, { lagMax: around.length, overlapMin: WINDOW_SAMPLES * 0.9 })
    likeness.push(correlation)
  }
  return likeness.filter((each) => each >= LIKENESS_MIN).length >= likeness.length * WINDOWS_ALIKE_MIN
}

function isAnywhere({ heard }: Piece, samples: Int16Array): boolean {
  const overlapMin = Math.floor(Math.min(heard.length, samples.length) * 0.9)
  return matchAudio(heard, samples, { lagMax: samples.length, overlapMin }).correlation >= LIKENESS_MIN
}

/** Milliseconds of gaps of one cause, by the label of the stream. */
export function gapMsByLabel({ details }: PlayedRecording, cause: string): Readonly<Record<string, number>> {
  const samplesPerMs = 48
  return Object.fromEntries(
    details.mediaStreams.map(({ streamId, streamLabel }) => [
      streamLabel,
      details.gaps
        .filter((gap) => gap.streamId === streamId && gap.cause === cause)
        .reduce((sum, gap) => sum + Math.round((gap.toSample - gap.fromSample) / samplesPerMs), 0),
    ]),
  )
}
