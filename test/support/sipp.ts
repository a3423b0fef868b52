import type { Buffer } from 'node:buffer'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freeSipPort, freeUdpPortRange } from './free-ports.ts'

export interface SippOptions {
  /** Scenario file; pcap files are found beside it. */
  readonly scenario: string
  /** Injection file, `-inf`. */
  readonly fields: string
  /** Written to: logs and statistics. */
  readonly folder: string
  readonly target: { readonly transport: 'udp' | 'tcp'; readonly address: string; readonly port: number }
  /** Length of every `<pause/>` without one of its own. */
  readonly pauseMs: number
  /** Recording sessions, one after the other unless `perSecond` says otherwise. */
  readonly count?: number
  readonly perSecond?: number
  /** Where SIPp's SIP and RTP come from. Default 127.0.0.1. */
  readonly localAddress?: string
  /** Whether {@link SippResult.messages} is wanted; true unless said otherwise. */
  readonly keepMessages?: boolean
  /** SIPp is killed after this. */
  readonly patienceMs: number
  readonly signal?: AbortSignal
}

export interface SippResult {
  /** 0: every recording session went as the scenario says. 1: at least one did not. Others: SIPp could not work. */
  readonly exitCode: number
  readonly successful: number
  readonly failed: number
  readonly retransmissions: number
  /** What SIPp complained about; empty when all was well. */
  readonly errors: string
  /** Every SIP message, both ways. */
  readonly messages: string
}

/** Where media streams beyond the first come from: keys of the scenarios, and how far each port is from `[media_port]`. */
const STREAM_PORTS = [
  ['second_port', 2],
  ['third_port', 4],
  ['fourth_port', 6],
] as const
const MEDIA_PORTS = 8
const OUTPUT_KEPT_BYTES = 64 * 1024

/** Runs one scenario to its end against a recorder. Needs root: SIPp plays pcap files through a raw socket. */
export async function runSipp(options: SippOptions): Promise<SippResult> {
  const { folder, target } = options
  const localPort = await freeSipPort()
  const mediaPort = await freeUdpPortRange(MEDIA_PORTS)
  const { localAddress = '127.0.0.1' } = options
  const file = (name: string): string => join(folder, name)
  const args = [
    `${target.address}:${target.port}`,
    ...['-sf', options.scenario, '-inf', options.fields, '-t', target.transport === 'tcp' ? 't1' : 'u1'],
    ...STREAM_PORTS.flatMap(([key, offset]) => ['-key', key, String(mediaPort + offset)]),
    ...['-i', localAddress, '-p', String(localPort), '-mi', localAddress, '-mp', String(mediaPort)],
    ...['-m', String(options.count ?? 1), '-l', String(options.count ?? 1), '-r', String(options.perSecond ?? 1)],
    ...['-d', String(options.pauseMs), '-timeout', `${Math.ceil(options.patienceMs / 1_000)}s`, '-timeout_error'],
    ...['-nostdin', '-trace_stat', '-stf', file('stat.csv'), '-fd', '1'],
    ...['-trace_err', '-error_file', file('errors.log')],
    ...(options.keepMessages === false ? [] : ['-trace_msg', '-message_file', file('messages.log')]),
  ]
  const { exitCode, output } = await runBounded(args, options)
  const text = async (name: string): Promise<string> => await readFile(file(name), 'utf8').catch(() => '')
  const statistics = parseSippStatistics(await text('stat.csv'))
  const errors = await text('errors.log')
  return {
    exitCode,
    successful: Number(statistics.get('SuccessfulCall(C)') ?? 0),
    failed: Number(statistics.get('FailedCall(C)') ?? 0),
    retransmissions: Number(statistics.get('Retransmissions(C)') ?? 0),
    errors: exitCode === 0 || errors !== '' ? errors : output,
    messages: await text('messages.log'),
  }
}

async function runBounded(
  args: readonly string[],
  options: SippOptions,
): Promise<{ readonly exitCode: number; readonly output: string }> {
  const sipp = spawn('sipp', args, {
    cwd: options.folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, TERM: 'dumb' },
    timeout: options.patienceMs + 5_000,
    killSignal: 'SIGKILL',
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  })
  let output = ''
  const keep = (bytes: Buffer): void => {
    output = (output + bytes.toString('latin1')).slice(-OUTPUT_KEPT_BYTES)
  }
  sipp.stdout.on('data', keep)
  sipp.stderr.on('data', keep)
  const [code] = (await once(sipp, 'close')) as [number | null]
  return { exitCode: code ?? 255, output }
}

/** The last line of SIPp's statistics file, by column name. */
export function parseSippStatistics(csv: string): ReadonlyMap<string, string> {
  const lines = csv.split('\n').filter((line) => line.includes(';'))
  const names = lines[0]?.split(';') ?? []
  const values = lines.length > 1 ? (lines.at(-1)?.split(';') ?? []) : []
  return new Map(names.map((name, index) => [name, values[index] ?? '']))
}
