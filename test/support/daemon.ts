import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'

import { NODE_FLAGS } from '../../bin/lib/paths.mjs'
import { runCommandLine } from '../../src/cli/run-command-line.ts'
import { claimRtpPortRange } from './rtp-port-range.ts'

const ROOT = join(import.meta.dirname, '..', '..')

export interface CommandResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface RunningDaemon {
  readonly dataDir: string
  readonly process: ChildProcess
  readonly sipUdpPort: number
  readonly sipTcpPort: number
  /** NaN unless `tls:` is listened at. */
  readonly sipTlsPort: number
  readonly http: string
  readonly metrics: string
  /** Everything the daemon has logged so far. */
  log(): string
  /** Runs `earwitness <args>` with the daemon's configuration. */
  command(...args: readonly string[]): Promise<CommandResult>
  /** The same in this process: what a test does a hundred times should not start a hundred processes. */
  commandHere(...args: readonly string[]): Promise<CommandResult>
  /** The exit code, once it has ended. */
  readonly ended: Promise<number | null>
  /** Sends a signal and waits for the end; the exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>
}

export type DaemonEnvironment = Readonly<Record<string, string>>

/** Loopback, free ports, little workers: what every daemon of the tests starts from. */
async function environmentFor(dataDir: string, extra: DaemonEnvironment): Promise<NodeJS.ProcessEnv> {
  const { portMin, portMax } = await claimRtpPortRange()
  const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('EARWITNESS_')))
  return {
    ...clean,
    EARWITNESS_DATA_DIR: dataDir,
    EARWITNESS_SIP_LISTEN_0: 'udp:127.0.0.1:0',
    EARWITNESS_SIP_LISTEN_1: 'tcp:127.0.0.1:0',
    EARWITNESS_RTP_ADDRESS: '127.0.0.1',
    EARWITNESS_RTP_PORT_MIN: String(portMin),
    EARWITNESS_RTP_PORT_MAX: String(portMax),
    EARWITNESS_HTTP_LISTEN: '127.0.0.1:0',
    EARWITNESS_TELEMETRY_LISTEN: '127.0.0.1:0',
    EARWITNESS_MEDIA_WORKERS: '1',
    EARWITNESS_RECORDING_CHUNK_SECONDS: '5',
    EARWITNESS_DRAIN_TIMEOUT: '1s',
    // A machine that runs tests is as busy as it likes; only the tests of overload are refused for it.
    EARWITNESS_LIMITS_WORKER_BUSY_PERCENT: '100',
    EARWITNESS_LIMITS_EVENT_LOOP_LAG: '10s',
    EARWITNESS_LIMITS_OPENING_WAIT: '5s',
    // Nor is a stream flagged because the test that sends it was not given the processor; see `DEFAULT_ALERTS`.
    EARWITNESS_ALERTS_ZERO_PACKETS: '0s',
    EARWITNESS_ALERTS_ONE_WAY: '0s',
    EARWITNESS_ALERTS_STOPPED: '0s',
    EARWITNESS_ALERTS_SILENT: '0s',
    ...extra,
  }
}

/** For the tests of flags: as they are when nobody configures them. */
export const DEFAULT_ALERTS: DaemonEnvironment = {
  EARWITNESS_ALERTS_ZERO_PACKETS: '4s',
  EARWITNESS_ALERTS_ONE_WAY: '3s',
  EARWITNESS_ALERTS_STOPPED: '5s',
  EARWITNESS_ALERTS_SILENT: '30s',
}

/** A data folder in the system's temporary folder; the caller removes it with {@link removeDataDir}. */
export async function makeDataDir(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'earwitness-test-'))
}

export async function removeDataDir(dataDir: string): Promise<void> {
  await rm(dataDir, { recursive: true, force: true, maxRetries: 5 })
}

/** Starts the real daemon as a child process, as `bin/` does, and waits for its line `ready`. */
export async function startDaemon(
  dataDir: string,
  extra: DaemonEnvironment = {},
  nodeFlags = NODE_FLAGS,
): Promise<RunningDaemon> {
  const env = await environmentFor(dataDir, extra)
  const child = spawn(process.execPath, [...nodeFlags, 'src/main.ts', 'serve', '--json'], {
    cwd: ROOT,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let logged = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    logged += text
  })
  const exited = once(child, 'exit') as Promise<[number | null]>
  const ready = await firstLine(child, exited, () => logged)
  const addresses = JSON.parse(ready) as { sip: string[]; http: string; metrics: string }
  const commandEnv = { ...env, EARWITNESS_HTTP_LISTEN: addresses.http.replace('http://', '') }
  const command = async (...args: readonly string[]): Promise<CommandResult> => runCommand(args, commandEnv)
  return {
    dataDir,
    process: child,
    sipUdpPort: portOf(addresses.sip, 'udp'),
    sipTcpPort: portOf(addresses.sip, 'tcp'),
    sipTlsPort: portOf(addresses.sip, 'tls'),
    http: addresses.http,
    metrics: addresses.metrics,
    log: () => logged,
    command,
    commandHere: async (...args) => runCommandHere(args, commandEnv),
    ended: exited.then(([code]) => code),
    stop: async (signal = 'SIGTERM') => {
      child.kill(signal)
      return (await exited)[0]
    },
  }
}

/** Runs one command of the CLI with `env` and gives what it printed. */
export async function runCommand(args: readonly string[], env: NodeJS.ProcessEnv): Promise<CommandResult> {
  const child = spawn(process.execPath, ['src/main.ts', ...args], { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const [code] = (await once(child, 'close')) as [number]
  return { code, stdout, stderr }
}

/** Runs one command in this process, with `env`. */
export async function runCommandHere(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<CommandResult> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const printed = Promise.all([text(stdout), text(stderr)])
  const { signal } = new AbortController()
  const code = await runCommandLine({ argv, env, cwd: ROOT, stdout, stderr, abortOnSignal: () => signal })
  stdout.end()
  stderr.end()
  const [out, talk] = await printed
  return { code, stdout: out, stderr: talk }
}

/** Asks `probe` again and again until it gives something; the machine may be slow, so the bound is wide. */
export async function eventually<Value>(what: string, probe: () => Promise<Value | undefined>): Promise<Value> {
  const deadline = Date.now() + 60_000
  for (;;) {
    const value = await probe()
    if (value !== undefined) return value
    if (Date.now() > deadline) throw new Error(`never came: ${what}`)
    await new Promise((resolve) => {
      setTimeout(resolve, 50)
    })
  }
}

export interface ListedRecording {
  readonly recordingId: string
  readonly state: string
  readonly durationMs?: number
}

/** Waits until `count` recordings are closed in the database and gives them. */
export async function closedRecordings(daemon: RunningDaemon, count: number): Promise<readonly ListedRecording[]> {
  return eventually(`${count} closed recordings`, async () => {
    const { stdout } = await daemon.command('recordings', 'list', '--json')
    const { recordings } = JSON.parse(stdout) as { recordings: ListedRecording[] }
    const closed = recordings.filter((recording) => recording.state !== 'open')
    return closed.length >= count ? closed : undefined
  })
}

async function firstLine(child: ChildProcess, exited: Promise<[number | null]>, logged: () => string): Promise<string> {
  if (child.stdout === null) throw new Error('the daemon has no stdout')
  const lines = createInterface({ input: child.stdout })
  const line = once(lines, 'line').then(([text]) => String(text))
  return Promise.race([
    line,
    exited.then(([code]) => {
      throw new Error(`the daemon ended with ${String(code)} before it was ready:\n${logged()}`)
    }),
  ])
}

function portOf(addresses: readonly string[], transport: string): number {
  const found = addresses.find((address) => address.startsWith(`${transport}:`))
  return Number(found?.slice(found.lastIndexOf(':') + 1))
}
