/**
 * What signalling costs: SIPp opens and ends recording sessions (2.7 kB multipart INVITE, 200, ACK, BYE) at fixed rates.
 *
 * `npm run bench:sip`, or `npm run bench:sip -- --rates 500,1000 --recorder-rates 50 --seconds 8`. First the embedded stack with a
 * recorder that records nothing, at 500 a second and at rising rates until SIPp or the stack has to retransmit; then the whole
 * recorder, with media ports, database and signed manifest. It measures, it judges nothing. SIPp shares the machine.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'

import { commandOptions } from '../support/command-options.ts'
import { makeDataDir, removeDataDir, startDaemon, type RunningDaemon } from '../support/daemon.ts'
import { freeSipPort } from '../support/free-ports.ts'
import { parseSippStatistics } from '../support/sipp.ts'

/** Clock ticks of /proc/PID/stat in a second; 100 on every Linux that Node supports. */
const TICKS_PER_SECOND = 100
const SCENARIO = join(import.meta.dirname, '..', '..', 'sipp-scenarios', 'load', 'invite-bye.xml')
/** Ports rest after use, so that at 100 a second a small range would be what is measured. */
const RTP_PORTS = { EARWITNESS_RTP_PORT_MIN: '20000', EARWITNESS_RTP_PORT_MAX: '39999' }
/** From the ACK to the BYE. */
const HOLD_MS = 200
/** Until everything that was ended is closed and its manifest signed. */
const CLOSING_MS = 45_000

const values = commandOptions('bench:sip', {
  rates: { type: 'string', default: '500,1000,1500,2000,2500' },
  'recorder-rates': { type: 'string', default: '25,50,100' },
  seconds: { type: 'string', default: '8' },
  json: { type: 'boolean', default: false },
})
const seconds = Number(values.seconds)
const folder = await mkdtemp(join(tmpdir(), 'earwitness-bench-'))
try {
  const stack = await measureStack(numbers(values.rates))
  if (stack.length > 0) print('The embedded stack with a recorder that records nothing', stack)
  const recorder = []
  for (const rate of numbers(values['recorder-rates'])) recorder.push(await measureRecorder(rate))
  if (recorder.length > 0) print('The whole recorder', recorder)
} finally {
  await rm(folder, { recursive: true, force: true })
}

/** Of a list with commas; an empty one leaves that part of the bench out. */
function numbers(list: string): readonly number[] {
  return list.split(',').filter(Boolean).map(Number)
}

interface Load {
  readonly dialogs: number
  readonly failed: number
  readonly sippRetransmissions: number
  /** Of dialogs, as they really were opened. */
  readonly perSecond: number
}

/** SIPp at one rate; it gives up what is not done half a minute after the last was opened. */
async function runLoad(port: number, rate: number): Promise<Load> {
  const statistics = join(folder, `load-${rate}-${Date.now()}.csv`)
  const args = [
    `127.0.0.1:${port}`,
    ...[
      '-sf',
      SCENARIO,
      '-key',
      'second_port',
      '26002',
      '-t',
      'u1',
      '-i',
      '127.0.0.1',
      '-p',
      String(await freeSipPort()),
    ],
    ...['-r', String(rate), '-m', String(rate * seconds), '-l', String(rate * 20), '-d', String(HOLD_MS)],
    ...['-nostdin', '-trace_stat', '-stf', statistics, '-fd', '1', '-buff_size', '4194304', '-recv_timeout', '20000'],
    ...['-timeout', `${seconds + 30}s`],
  ]
  const sipp = spawn('sipp', args, { cwd: folder, stdio: 'ignore', env: { ...process.env, TERM: 'dumb' } })
  const started = performance.now()
  await once(sipp, 'close')
  const elapsedSeconds = (performance.now() - started) / 1_000
  const read = parseSippStatistics(await readFile(statistics, 'utf8').catch(() => ''))
  const dialogs = Number(read.get('SuccessfulCall(C)') ?? 0)
  return {
    dialogs,
    failed: Number(read.get('FailedCall(C)') ?? 0),
    sippRetransmissions: Number(read.get('Retransmissions(C)') ?? 0),
    perSecond: Math.round(dialogs / Math.max(1, elapsedSeconds - HOLD_MS / 1_000)),
  }
}

async function measureStack(rates: readonly number[]): Promise<readonly object[]> {
  const rows = []
  for (const rate of rates) {
    const child = spawn(process.execPath, [join(import.meta.dirname, 'null-recorder.ts')], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    const next = async (): Promise<unknown> => JSON.parse(String((await lines.next()).value))
    const report = async () => {
      child.stdin.write('report\n')
      return (await next()) as { retransmissions: number; cpu: NodeJS.CpuUsage }
    }
    const { port } = (await next()) as { port: number }
    // The first dialogs pay for the compiler.
    await runWarmUp(port)
    const before = await report()
    const load = await runLoad(port, rate)
    const after = await report()
    child.stdin.end()
    await once(child, 'close')
    const cpuMs = (after.cpu.user + after.cpu.system - before.cpu.user - before.cpu.system) / 1_000
    const stackRetransmissions = after.retransmissions - before.retransmissions
    rows.push({ rate, ...load, stackRetransmissions, cpuMsPerDialog: round(cpuMs / Math.max(1, load.dialogs)) })
    if (load.sippRetransmissions + stackRetransmissions + load.failed > 0) break
  }
  return rows
}

async function runWarmUp(port: number): Promise<void> {
  const args = ['-sf', SCENARIO, '-key', 'second_port', '26002', '-t', 'u1', '-i', '127.0.0.1', '-nostdin']
  const local = ['-p', String(await freeSipPort()), '-r', '300', '-m', '600', '-d', '10', '-timeout', '20s']
  const sipp = spawn('sipp', [`127.0.0.1:${port}`, ...args, ...local], {
    cwd: folder,
    stdio: 'ignore',
    env: { ...process.env, TERM: 'dumb' },
  })
  await once(sipp, 'close')
}

async function measureRecorder(rate: number): Promise<object> {
  const dataDir = await makeDataDir()
  const daemon = await startDaemon(dataDir, { EARWITNESS_LOG_LEVEL: 'error', ...RTP_PORTS })
  try {
    const before = await cpuSeconds(daemon)
    const load = await runLoad(daemon.sipUdpPort, rate)
    const closed = await closedSessions(daemon, load.dialogs)
    const cpu = (await cpuSeconds(daemon)) - before
    const refused = sumOf(
      await (await fetch(daemon.metrics)).text(),
      'earwitness_sip_requests_total{method="INVITE",code="503"}',
    )
    return { rate, ...load, refused, ...closed, cpuMsPerDialog: round((cpu * 1_000) / Math.max(1, load.dialogs)) }
  } finally {
    await daemon.stop()
    await removeDataDir(dataDir)
  }
}

/** How many recordings are closed with their manifest, and how long after the last BYE the last of them was. */
async function closedSessions(
  daemon: RunningDaemon,
  wanted: number,
): Promise<{ closed: number; closedAfterMs: number }> {
  const started = performance.now()
  let closed = 0
  let changedMs = 0
  while (performance.now() - started < CLOSING_MS) {
    const text = await (await fetch(daemon.metrics)).text()
    const now = sumOf(text, 'earwitness_recording_sessions_total')
    if (now !== closed) [closed, changedMs] = [now, performance.now() - started]
    if (closed >= wanted || performance.now() - started - changedMs > 8_000) break
    await sleep(250)
  }
  return { closed, closedAfterMs: Math.round(changedMs) }
}

/** The sum over all labels of one counter in Prometheus text. */
function sumOf(text: string, name: string): number {
  const lines = text
    .split('\n')
    .filter((line) => line.startsWith(`${name} `) || line.startsWith(name.includes('{') ? name : `${name}{`))
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
}

/** User and system time of the daemon with all its threads; its database is a process of its own and not in it. */
async function cpuSeconds(daemon: RunningDaemon): Promise<number> {
  const stat = await readFile(`/proc/${daemon.process.pid}/stat`, 'utf8')
  // Fields after the command's name, which may hold blanks: utime is the 14th field, stime the 15th (proc(5)).
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}

function print(title: string, rows: readonly object[]): void {
  if (values.json) return console.log(JSON.stringify({ title, rows }, undefined, 2))
  console.log(title)
  console.table(rows)
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}
