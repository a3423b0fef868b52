import { randomBytes } from 'node:crypto'
import { copyFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ImpairmentProfile } from '../../src/cli/simulate/impairment.ts'
import { seededRandom, randomUint32 } from '../../src/cli/simulate/random.ts'
import { buildPcap } from './pcap.ts'
import type { Pcap, PcapStreamReport } from './pcap.ts'
import { runSipp } from './sipp.ts'
import type { SippResult } from './sipp.ts'

/** The scenarios of sipp-scenarios/rfc8068, and how the RTP of each is cut into pcap files. */
export const RFC8068_SCENARIOS = {
  'basic-two-streams': { parts: 1, pauseBetweenMs: 0 },
  'bye-with-metadata': { parts: 1, pauseBetweenMs: 0 },
  'hold-resume': { parts: 2, pauseBetweenMs: 3_000 },
  'participant-change': { parts: 2, pauseBetweenMs: 0 },
} as const
export type Rfc8068Scenario = keyof typeof RFC8068_SCENARIOS

export interface ScenarioOptions {
  readonly scenario: Rfc8068Scenario
  readonly target: { readonly transport: 'udp' | 'tcp'; readonly address: string; readonly port: number }
  /** What the caller (label 1) and the callee (label 2) say, at 8 kHz. */
  readonly speech: readonly [Int16Array, Int16Array]
  readonly codec?: 'PCMU' | 'PCMA'
  readonly impairment?: ImpairmentProfile
  readonly seed: number
  readonly count?: number
  /** An empty folder: scenario, pcap files, logs. */
  readonly folder: string
  readonly signal?: AbortSignal
}

export interface ScenarioStream {
  readonly streamLabel: '1' | '2'
  readonly ssrc: number
  /** What a perfect receiver hears, gaps as silence, from the first packet to the end of the last. 8 kHz. */
  readonly heard: Int16Array
  /** Positions of lost packets in `heard`, in samples. */
  readonly lostAt: readonly number[]
  readonly parts: readonly PcapStreamReport[]
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

/** Writes what a scenario plays into `folder`: the scenario itself, its pcap files and its identifiers. */
export async function prepareScenario(options: Omit<ScenarioOptions, 'target'>): Promise<PreparedScenario> {
  const { parts, pauseBetweenMs } = RFC8068_SCENARIOS[options.scenario]
  const scenarioFile = fileURLToPath(new URL(`../../sipp-scenarios/rfc8068/${options.scenario}.xml`, import.meta.url))
  await copyFile(scenarioFile, join(options.folder, 'scenario.xml'))
  await writeFile(join(options.folder, 'identifiers.csv'), identifierLines(options.count ?? FIELD_LINES, new Date()))
  const random = seededRandom(options.seed, 'RTP identifiers')
  const starts = options.speech.map(() => ({
    ssrc: randomUint32(random),
    sequenceNumber: randomUint32(random) & 0xffff,
    timestamp: randomUint32(random),
  }))
  const longest = Math.max(...options.speech.map(({ length }) => length))
  const partSamples = Math.ceil(longest / parts / PACKET_SAMPLES) * PACKET_SAMPLES
  const jitterMs = Math.ceil((options.impairment?.jitterUs ?? 0) / 1_000)
  const pauseMs = partSamples / SAMPLES_PER_MS + TAIL_MS + jitterMs
  const strideSamples = (pauseMs + pauseBetweenMs) * SAMPLES_PER_MS
  const pcaps: Pcap[] = []
  for (let part = 0; part < parts; part++) {
    const previous = pcaps.at(-1)
    const pcap = buildPcap({
      ...options,
      seed: options.seed + part,
      streams: options.speech.map((samples, index) => ({
        samples: samples.subarray(part * partSamples, (part + 1) * partSamples),
        portOffset: 2 * index,
        ssrc: starts[index]?.ssrc ?? 0,
        sequenceNumber: previous?.streams[index]?.nextSequenceNumber ?? starts[index]?.sequenceNumber ?? 0,
        timestamp: ((starts[index]?.timestamp ?? 0) + part * strideSamples) >>> 0,
      })),
    })
    await writeFile(join(options.folder, parts === 1 ? 'media.pcap' : `media-${part + 1}.pcap`), pcap.bytes)
    pcaps.push(pcap)
  }
  const streams = (['1', '2'] as const).map((streamLabel, index) => joinParts(streamLabel, index, pcaps, strideSamples))
  return { streams, pauseMs, totalMs: parts * pauseMs + (parts - 1) * pauseBetweenMs }
}

function joinParts(
  streamLabel: '1' | '2',
  index: number,
  pcaps: readonly Pcap[],
  strideSamples: number,
): ScenarioStream {
  const parts = pcaps.flatMap(({ streams }) => streams[index] ?? [])
  const heard = new Int16Array((parts.length - 1) * strideSamples + (parts.at(-1)?.heard.length ?? 0))
  parts.forEach((part, number) => heard.set(part.heard, number * strideSamples))
  const lostAt = parts.flatMap(({ lost }, number) =>
    lost.map((packet) => number * strideSamples + packet.index * PACKET_SAMPLES),
  )
  return { streamLabel, ssrc: parts[0]?.ssrc ?? 0, heard, lostAt, parts }
}

/** Prepares a scenario and runs it against a recorder. */
export async function runScenario(
  options: ScenarioOptions,
): Promise<{ readonly prepared: PreparedScenario; readonly sipp: SippResult }> {
  const prepared = await prepareScenario(options)
  const sipp = await runSipp({
    scenario: join(options.folder, 'scenario.xml'),
    fields: join(options.folder, 'identifiers.csv'),
    folder: options.folder,
    target: options.target,
    pauseMs: prepared.pauseMs,
    count: options.count ?? 1,
    patienceMs: prepared.totalMs + PATIENCE_MS,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  })
  return { prepared, sipp }
}

/**
 * SIPp injection file: one line per recording session with the fields that rfc8068/README names. Identifiers are base64 of
 * 16 octets (RFC 7865 6.10), fresh each time: two runs must not look like one.
 */
export function identifierLines(count: number, startedAt: Date): string {
  const line = (): string => {
    const identifiers = Array.from({ length: 7 }, () => randomBytes(16).toString('base64'))
    const times = [0, 5_000, 10_000].map((offsetMs) => new Date(startedAt.getTime() + offsetMs).toISOString())
    return [...identifiers, ...times].join(';')
  }
  return ['SEQUENTIAL', ...Array.from({ length: count }, line), ''].join('\n')
}
