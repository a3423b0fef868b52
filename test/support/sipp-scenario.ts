import { copyFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ImpairmentProfile } from '../../src/cli/simulate/impairment.ts'
import { seededRandom, randomUint32 } from '../../src/cli/simulate/random.ts'
import { buildPcap } from './pcap.ts'
import type { Pcap, PcapStreamReport } from './pcap.ts'
import { captureFile, SCENARIOS, scenarioUrl, type Scenario, type ScenarioName } from './scenario-catalogue.ts'
import { freshSrtpSecrets, identifierLines, srtpSender } from './scenario-identifiers.ts'
import { runSipp } from './sipp.ts'
import type { SippResult } from './sipp.ts'

export interface ScenarioOptions {
  readonly scenario: ScenarioName
  readonly target: { readonly transport: 'udp' | 'tcp'; readonly address: string; readonly port: number }
  /** What the voices say, at 8 kHz: the caller (first m-line), the callee, and so on, as many as the scenario has. */
  readonly speech: readonly Int16Array[]
  readonly codec?: 'PCMU' | 'PCMA'
  readonly impairment?: ImpairmentProfile
  readonly seed: number
  readonly count?: number
  /** SIPp's own address. Default 127.0.0.1. */
  readonly localAddress?: string
  /** An empty folder: scenario, pcap files, logs. */
  readonly folder: string
  readonly signal?: AbortSignal
}

/** What a perfect receiver hears of one voice in one capture. */
export interface Piece {
  readonly capture: number
  readonly voice: number
  /** From the first packet of the scenario, gaps included. 8 kHz. */
  readonly fromSample: number
  readonly heard: Int16Array
}

/** One voice: it stays on its media stream through all captures. */
export interface ScenarioStream {
  readonly ssrc: number
  /** What a perfect receiver hears, gaps as silence, from the first packet to the end of the last. 8 kHz. */
  readonly heard: Int16Array
  /** Positions of lost packets in `heard`, in samples. */
  readonly lostAt: readonly number[]
  readonly parts: readonly PcapStreamReport[]
  readonly pieces: readonly Piece[]
}

export interface PreparedScenario {
  readonly streams: readonly ScenarioStream[]
  /** For SIPp's `-d`. */
  readonly pauseMs: number
  readonly totalMs: number
}

const SAMPLES_PER_MS = 8
const PACKET_SAMPLES = 160
/** SIPp waits this much longer than a pcap lasts, so that its last packets leave before what comes next. */
const TAIL_MS = 200
const PATIENCE_MS = 30_000
const FIELD_LINES = 1_000
const DEFAULT_VOICES = [0, 1]

/** Where a voice is in its RTP stream when the next capture begins. */
interface VoiceState {
  readonly ssrc: number
  sequenceNumber: number
  readonly timestamp: number
  readonly protect?: (packet: Uint8Array) => Uint8Array
}

/** Writes what a scenario plays into `folder`: the scenario itself, its pcap files and its identifiers. */
export async function prepareScenario(options: Omit<ScenarioOptions, 'target'>): Promise<PreparedScenario> {
  const scenario: Scenario = SCENARIOS[options.scenario]
  await copyFile(scenarioUrl(options.scenario), join(options.folder, 'scenario.xml'))
  const secrets = freshSrtpSecrets()
  const lines = identifierLines(options.count ?? FIELD_LINES, new Date(), secrets)
  await writeFile(join(options.folder, 'identifiers.csv'), lines)
  const { captures } = scenario
  const longest = Math.max(...options.speech.map(({ length }) => length))
  const partSamples = Math.ceil(longest / captures.length / PACKET_SAMPLES) * PACKET_SAMPLES
  const jitterMs = Math.ceil((options.impairment?.jitterUs ?? 0) / 1_000)
  const pauseMs = partSamples / SAMPLES_PER_MS + TAIL_MS + jitterMs
  const voices = startVoices(options, scenario.secure === true ? secrets : [])
  const built: BuiltCapture[] = []
  let offsetMs = 0
  for (const [index, capture] of captures.entries()) {
    const pcap = buildCapture(options, { index, voices, partSamples, offsetMs })
    await writeFile(join(options.folder, captureFile(scenario, index)), pcap.bytes)
    built.push({ pcap, voices: capture.voices ?? DEFAULT_VOICES, fromSample: offsetMs * SAMPLES_PER_MS })
    offsetMs += pauseMs + (capture.pauseAfterMs ?? 0)
  }
  return { streams: voices.map((_, voice) => joinCaptures(voice, built)), pauseMs, totalMs: offsetMs }
}

interface BuiltCapture {
  readonly pcap: Pcap
  readonly voices: readonly number[]
  readonly fromSample: number
}

function startVoices(
  options: Pick<ScenarioOptions, 'scenario' | 'speech' | 'seed'>,
  secrets: readonly string[],
): readonly VoiceState[] {
  const random = seededRandom(options.seed, 'RTP identifiers')
  const { captures }: Scenario = SCENARIOS[options.scenario]
  const used = captures.flatMap(({ voices }) => voices ?? DEFAULT_VOICES)
  return Array.from({ length: Math.max(...used) + 1 }, (_, voice) => {
    if (options.speech[voice] === undefined) throw new Error(`${options.scenario} needs speech for voice ${voice}`)
    const secret = secrets[voice]
    const sender = secret === undefined ? undefined : srtpSender(secret)
    return {
      ssrc: randomUint32(random),
      sequenceNumber: randomUint32(random) & 0xffff,
      timestamp: randomUint32(random),
      ...(sender === undefined ? {} : { protect: (packet) => sender.protectRtp(packet) }),
    }
  })
}

function buildCapture(
  options: Omit<ScenarioOptions, 'target'>,
  at: {
    readonly index: number
    readonly voices: readonly VoiceState[]
    readonly partSamples: number
    readonly offsetMs: number
  },
): Pcap {
  const { captures }: Scenario = SCENARIOS[options.scenario]
  const capture = captures[at.index]
  const speaking = capture?.voices ?? DEFAULT_VOICES
  const codec = options.codec ?? capture?.codec
  const pcap = buildPcap({
    seed: options.seed + at.index,
    ...(codec === undefined ? {} : { codec }),
    ...(options.impairment === undefined ? {} : { impairment: options.impairment }),
    streams: speaking.map((voice) => ({
      ...protection(at.voices[voice]),
      samples: (options.speech[voice] ?? new Int16Array(0)).subarray(
        at.index * at.partSamples,
        (at.index + 1) * at.partSamples,
      ),
      // A voice has the m-line of its number, except where a dialog has one m-line only.
      portOffset: speaking.length === 1 ? 0 : 2 * voice,
      ssrc: at.voices[voice]?.ssrc ?? 0,
      sequenceNumber: at.voices[voice]?.sequenceNumber ?? 0,
      timestamp: ((at.voices[voice]?.timestamp ?? 0) + at.offsetMs * SAMPLES_PER_MS) >>> 0,
    })),
  })
  speaking.forEach((voice, index) => {
    const state = at.voices[voice]
    const next = pcap.streams[index]?.nextSequenceNumber
    if (state !== undefined && next !== undefined) state.sequenceNumber = next
  })
  return pcap
}

function protection(voice: VoiceState | undefined): Pick<VoiceState, 'protect'> {
  return voice?.protect === undefined ? {} : { protect: voice.protect }
}

function joinCaptures(voice: number, built: readonly BuiltCapture[]): ScenarioStream {
  const spoken = built.flatMap(({ pcap, voices, fromSample }, capture) => {
    const report = pcap.streams[voices.indexOf(voice)]
    return report === undefined ? [] : [{ report, fromSample, capture }]
  })
  const last = spoken.at(-1)
  const heard = new Int16Array((last?.fromSample ?? 0) + (last?.report.heard.length ?? 0))
  for (const { report, fromSample } of spoken) heard.set(report.heard, fromSample)
  return {
    ssrc: spoken[0]?.report.ssrc ?? 0,
    heard,
    lostAt: spoken.flatMap(({ report, fromSample }) =>
      report.lost.map((packet) => fromSample + packet.index * PACKET_SAMPLES),
    ),
    parts: spoken.map(({ report }) => report),
    pieces: spoken.map(({ report, fromSample, capture }) => ({ capture, voice, fromSample, heard: report.heard })),
  }
}

/** Prepares a scenario and runs it against a recorder. */
export async function runScenario(
  options: ScenarioOptions,
): Promise<{ readonly prepared: PreparedScenario; readonly sipp: SippResult }> {
  const { sides = 1 }: Scenario = SCENARIOS[options.scenario]
  const count = (options.count ?? 1) * sides
  const prepared = await prepareScenario({ ...options, count })
  const sipp = await runSipp({
    scenario: join(options.folder, 'scenario.xml'),
    fields: join(options.folder, 'identifiers.csv'),
    folder: options.folder,
    target: options.target,
    pauseMs: prepared.pauseMs,
    count,
    perSecond: sides,
    patienceMs: prepared.totalMs + PATIENCE_MS,
    ...(options.localAddress === undefined ? {} : { localAddress: options.localAddress }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  })
  return { prepared, sipp }
}
