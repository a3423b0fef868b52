/**
 * The recorder beside FFmpeg, GStreamer and rtpengine on the same audio, with the same number of sessions: CPU seconds for an hour of one recorded session
 * (two PCMU streams to Opus at 16 kbit/s each), and the memory of a session beyond the first.
 *
 * `npm run bench:media`, or with `-- --quick` (short rows, a quarter of an hour), `--sessions 25 --seconds 30`, `--loaded 100` (the number of sessions
 * with which the recorder and rtpengine are measured once more; 0 leaves that out), `--only WORD` (rows whose name has it), `--json FILE`. With
 * `--sustained` it looks instead for how many sessions one core carries without a lost packet or a gap: the recorder with all that it starts on core
 * 0, the sender on core 1. As root it installs what is missing of the programs to compare with; a C compiler is needed for the sender. A row with lost
 * packets or gaps does not count, and says so; one whose sender came late is measured again. Everything stays on loopback. It measures, it judges nothing.
 */
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { cpus, loadavg, tmpdir } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'

import type { SrtpKeys } from '../../src/protocol/srtp/srtp-keys.ts'
import { commandOptions } from '../support/command-options.ts'
import { claimPorts } from '../support/rtp-port-range.ts'
import { keysOf } from '../support/srtp.ts'
import type { Contestant } from './lib/contestant.ts'
import { CHUNK_SECONDS } from './lib/earwitness-contestant.ts'
import { mediaRows, sustainedRows, SUITE, type Row } from './lib/media-rows.ts'
import { cpuSeconds, memoryKb, processTree } from './lib/process-usage.ts'
import { faultOf, ratiosOf, round, type Result } from './lib/ratios.ts'
import { buildSender, sendRtp, writeMaterial, type RtpMaterial, type SendReport } from './lib/rtp-sender.ts'

/** So many of the sessions begin before the others, and so long: a program that has just been started compiles what it runs, and no load comes within 20 ms. */
const [EARLY_SHARE, EARLY_SECONDS] = [0.25, 10]
/** Before anything is measured, with all sessions: anchors are found. */
const SETTLE_SECONDS = 4
/** The first session sends for so long. */
const FIRST_SECONDS = 3
const FIRST_PACKETS = 2 * 50 * FIRST_SECONDS
const SECONDS_PER_HOUR = 3_600
/** Memory breathes with the collector: a row says the middle of so many looks. */
const MEMORY_LOOKS = 5
/** Of a session: two streams, RTP and RTCP each. */
const PORTS_PER_SESSION = 4
const SUSTAINED_SESSIONS = [100, 200, 300, 400, 500, 600, 700, 800]
/** So close the number of sessions that one core sustains is looked for. */
const SUSTAINED_STEP = 25
/** A row whose sender had to wait for a processor is measured so often in all. */
const ATTEMPTS = 3
/** With `--sustained`, which is about nothing but the one core: the recorder's, and that of the sender. */
const [RECORDER_CORE, SENDER_CORE] = [0, 1]
/** Debian's packages of what is compared. */
const PROGRAMS = [
  { program: 'ffmpeg', packages: ['ffmpeg'] },
  {
    program: 'gst-launch-1.0',
    packages: ['gstreamer1.0-tools', 'gstreamer1.0-plugins-base', 'gstreamer1.0-plugins-good'],
  },
  { program: 'rtpengine', packages: ['rtpengine-daemon'] },
] as const

const values = commandOptions('bench:media', {
  sessions: { type: 'string' },
  seconds: { type: 'string' },
  loaded: { type: 'string', default: '100' },
  only: { type: 'string', default: '' },
  quick: { type: 'boolean', default: false },
  sustained: { type: 'boolean', default: false },
  json: { type: 'string' },
})
const sessions = Number(values.sessions ?? (values.quick ? 20 : 25))
const loadedSessions = Number(values.loaded)
/** Whole chunks: a row that ends before one would not see what it costs to store it. */
const seconds = Number(values.seconds ?? CHUNK_SECONDS * (values.quick ? 1 : 2))

const bench = await mkdtemp(`${tmpdir()}/earwitness-bench-`)
/** What runs now; stopped whatever happens. */
let running: Promise<Contestant> | undefined
let isStopping = false
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    isStopping = true
    void cleanUp().finally(() => process.exit(1))
  })
}
try {
  installMissing()
  const most =
    PORTS_PER_SESSION * (1 + Math.max(...(values.sustained ? SUSTAINED_SESSIONS : [sessions, loadedSessions])))
  const [ports, { portMin: localPort }] = [await claimPorts(most), await claimPorts(most)]
  const sender = await buildSender(bench)
  const setup = { sender, localPort }
  const results = values.sustained
    ? await searchSustained(sustainedRows(ports, RECORDER_CORE).filter(isWanted), setup)
    : await measureAll(mediaRows(ports).filter(isWanted), setup)
  const ratios = ratiosOf(results)
  const report = { takenAt: new Date().toISOString(), machine: machine(), results, ratios }
  if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(report, undefined, 2)}\n`)
  console.table(
    results.map(({ name, ...rest }) => {
      const fault = faultOf({ name, ...rest })
      return { name: fault === undefined ? name : `${name} (${fault}, does not count)`, ...rest }
    }),
  )
  if (ratios.length > 0) console.table(ratios)
} finally {
  await cleanUp()
}

async function cleanUp(): Promise<void> {
  const contestant = await running?.catch(() => undefined)
  running = undefined
  await contestant?.close()
  await rm(bench, { recursive: true, force: true })
}

interface Setup {
  readonly sender: string
  readonly localPort: number
}

async function measureAll(rows: readonly Row[], setup: Setup): Promise<readonly Result[]> {
  const results: Result[] = []
  const loaded = loadedSessions > 0 ? rows.filter(({ isLoaded }) => isLoaded) : []
  const planned = [
    ...rows.map((row) => ({ row, count: sessions })),
    ...loaded.map((row) => ({ row, count: loadedSessions })),
  ]
  for (const { row, count } of planned) {
    const result = await attempt(row, setup, { count })
    if (result !== undefined) results.push(result)
  }
  return results
}

/** More and more sessions on one core until packets are lost, then between the two; the most without a fault counts, the least with one is shown behind it. */
async function searchSustained(rows: readonly Row[], setup: Setup): Promise<readonly Result[]> {
  if (cpus().length < 2) throw new Error('--sustained needs two cores: one for the recorder, one for the sender')
  const found: Result[] = []
  console.error(`The recorder is held to core ${RECORDER_CORE}, the sender to core ${SENDER_CORE}.`)
  for (const row of rows) {
    let [best, worst]: (Result | undefined)[] = []
    let [most, least] = [0, Infinity]
    for (let count = nextCount(most, least); count !== undefined; count = nextCount(most, least)) {
      // Admission refuses before packets are lost: that is a limit too.
      const result = await attempt(row, setup, { count, core: SENDER_CORE })
      if (result !== undefined && faultOf(result) === undefined) [best, most] = [result, count]
      else [worst, least] = [result, count]
    }
    found.push(...[best, worst].filter((result) => result !== undefined))
  }
  return found
}

/** What to try when `most` sessions were carried and `least` were not; undefined when that is known closely enough. */
function nextCount(most: number, least: number): number | undefined {
  if (least === Infinity) return SUSTAINED_SESSIONS.find((count) => count > most)
  const between = most + Math.round((least - most) / 2 / SUSTAINED_STEP) * SUSTAINED_STEP
  return between > most && between < least ? between : undefined
}

/** A row measured, more than once when its sender comes late; undefined when it cannot be, which is told. */
async function attempt(
  row: Row,
  setup: Setup,
  options: { readonly count: number; readonly core?: number },
): Promise<Result | undefined> {
  let result: Result | undefined
  for (let round = 0; round < ATTEMPTS && !isStopping; round += 1) {
    result = await measure(row, setup, options).catch((error: unknown) => {
      const reason = error instanceof Error ? error.message : 'failed'
      console.error(`${row.name} (${row.pattern}), ${options.count} sessions: ${reason}; left out`)
      return undefined
    })
    if (result === undefined) return undefined
    console.error(describe(result))
    if (faultOf(result) !== 'SENDER LATE') return result
  }
  return result
}

function isWanted({ name, needs }: Row): boolean {
  if (!name.toLowerCase().includes(values.only.toLowerCase())) return false
  if (needs === undefined || isInstalled(needs)) return true
  console.error(`${name}: ${needs} is not installed, and cannot be without root and Debian's packages; left out`)
  return false
}

/** One session first, with which the program is as large as it is by itself; then some of the others beside it, and then all. */
async function measure(
  row: Row,
  setup: Setup,
  { count, core }: { readonly count: number; readonly core?: number },
): Promise<Result> {
  const total = SETTLE_SECONDS + seconds + 2
  const keys = row.isSecure === true ? { keys: keysOf(SUITE) } : {}
  const write = (length: number): Promise<RtpMaterial> =>
    writeMaterial(bench, { pattern: row.pattern, seconds: length, ...keys })
  const [earlyMaterial, material] = [await write(EARLY_SECONDS + total), await write(total)]
  const { sender, localPort } = setup
  running = row.start()
  const contestant = await running
  try {
    const firstKb = await firstSession(contestant, sender, {
      localPort: localPort + PORTS_PER_SESSION * count,
      ...keys,
    })
    const early = Math.floor(count * EARLY_SHARE)
    const by = { sender, ...(core === undefined ? {} : { core }) }
    const first = await begin(contestant, earlyMaterial, { ...by, count: early, localPort })
    await sleep(EARLY_SECONDS * 1_000)
    const restPort = localPort + PORTS_PER_SESSION * early
    const rest = { ...by, count: count - early, localPort: restPort }
    const others = await begin(contestant, material, rest)
    const used = await usageOf(contestant)
    const reports = await Promise.all([first.sending, others.sending])
    const sent = reports.reduce((sum, report) => sum + report.sent, 0)
    const lateUs = Math.max(...reports.map((report) => report.lateUs))
    return {
      name: row.name,
      pattern: row.pattern,
      sessions: count,
      cpuSecondsPerSessionHour: round((used.cpu / (count * used.elapsed)) * SECONDS_PER_HOUR),
      coresUsed: round(used.cpu / used.elapsed),
      memoryKbPerSession: Math.round((used.memoryKb - firstKb) / count),
      packetsSent: sent,
      packetsLost: await contestant.countLost(sent + FIRST_PACKETS),
      gapSeconds: await contestant.endWithGaps?.(),
      senderLateMs: round(lateUs / 1_000),
    }
  } finally {
    running = undefined
    await contestant.close()
  }
}

/** Opens sessions and begins to send to them. */
async function begin(
  contestant: Contestant,
  material: RtpMaterial,
  options: {
    readonly sender: string
    readonly count: number
    readonly localPort: number
    readonly core?: number
  },
): Promise<{ readonly sending: Promise<SendReport> }> {
  const { sender, count, localPort, ...where } = options
  const ports = await contestant.open(count, localPort)
  const sending = sendRtp(sender, material, { ports, localPort, ...where })
  // Whoever waits for it is told; until then other things may fail.
  sending.catch(() => {})
  return { sending }
}

/** Over `seconds`, once it has settled. */
async function usageOf(
  contestant: Contestant,
): Promise<{ readonly cpu: number; readonly elapsed: number; readonly memoryKb: number }> {
  await sleep(SETTLE_SECONDS * 1_000)
  const pids = await tree(contestant)
  const [cpuBefore, beforeMs] = [await cpuSeconds(pids), performance.now()]
  const memory: number[] = []
  for (let look = 0; look < MEMORY_LOOKS; look += 1) {
    await sleep((seconds * 1_000) / MEMORY_LOOKS)
    memory.push(await memoryKb(pids))
  }
  const [cpu, elapsed] = [(await cpuSeconds(pids)) - cpuBefore, (performance.now() - beforeMs) / 1_000]
  return { cpu, elapsed, memoryKb: memory.sort((a, b) => a - b)[Math.floor(MEMORY_LOOKS / 2)] ?? 0 }
}

/** The memory of the program with one session, in kB; it sends for a moment and stays open. */
async function firstSession(
  contestant: Contestant,
  sender: string,
  { localPort, ...keys }: { readonly localPort: number; readonly keys?: SrtpKeys },
): Promise<number> {
  const material = await writeMaterial(bench, { pattern: 'both', seconds: FIRST_SECONDS, ...keys })
  const ports = await contestant.open(1, localPort)
  await sendRtp(sender, material, { ports, localPort })
  return memoryKb(await tree(contestant))
}

async function tree({ pids }: Contestant): Promise<readonly number[]> {
  return (await Promise.all(pids.map(processTree))).flat()
}

function describe(result: Result): string {
  const { name, pattern, sessions: count, cpuSecondsPerSessionHour, packetsLost, senderLateMs } = result
  const late = faultOf(result) === 'SENDER LATE' ? `, sender ${senderLateMs} ms late` : ''
  return `${name} (${pattern}), ${count} sessions: ${cpuSecondsPerSessionHour} CPU s per session-hour, ${packetsLost} packets lost${late}`
}

function installMissing(): void {
  const missing = PROGRAMS.filter(({ program }) => !isInstalled(program)).flatMap(({ packages }) => packages)
  if (missing.length === 0 || process.getuid?.() !== 0 || !isInstalled('apt-get')) return
  const options = { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } }
  try {
    execFileSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...missing], options as object)
  } catch {
    console.error('not everything could be installed; what is missing is left out')
  }
}

function isInstalled(program: string): boolean {
  try {
    execFileSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

function machine(): object {
  return {
    processor: cpus()[0]?.model,
    cores: cpus().length,
    loadBefore: round(loadavg()[0] ?? 0),
    node: process.version,
  }
}
