/**
 * The recorder beside FFmpeg, GStreamer and rtpengine on the same audio: CPU seconds for an hour of one recorded session (two PCMU streams to Opus at 16 kbit/s
 * each), memory of a session, and how many sessions one core carries without a lost packet.
 *
 * `npm run bench:media`, or with `-- --quick` (a fast look), `--sessions 25 --seconds 30`, `--only WORD` (rows whose name has it), `--json FILE`. As root it
 * installs what is missing of the programs to compare with; a C compiler is needed for the sender. A row with lost packets does not count, and says
 * so. Everything stays on loopback. It measures, it judges nothing.
 */
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { cpus, loadavg, tmpdir } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'

import type { SrtpKeys } from '../../src/protocol/srtp/srtp-keys.ts'
import { loadNativeAddon } from '../../src/server/media/native-addon.ts'
import { cryptoLineOf, keysOf } from '../support/srtp.ts'
import { freeUdpPortRange } from '../support/free-ports.ts'
import type { Contestant } from './lib/contestant.ts'
import type { TalkPattern } from './lib/conversation.ts'
import { startEarwitness } from './lib/earwitness-contestant.ts'
import { ffmpeg, gstreamer, rtpengineDump } from './lib/peers.ts'
import { cpuSeconds, memoryKb, processTree } from './lib/process-usage.ts'
import { buildSender, sendRtp, writeMaterial } from './lib/rtp-sender.ts'

/** Before anything is measured: anchors are found, code is compiled. */
const SETTLE_SECONDS = 4
/** The first session sends for so long. */
const FIRST_SECONDS = 3
const FIRST_PACKETS = 2 * 50 * FIRST_SECONDS
const SECONDS_PER_HOUR = 3_600
const SUITE = 'AES_CM_128_HMAC_SHA1_80'
/** Debian's packages of what is compared. */
const PROGRAMS = [
  { program: 'ffmpeg', packages: ['ffmpeg'] },
  {
    program: 'gst-launch-1.0',
    packages: ['gstreamer1.0-tools', 'gstreamer1.0-plugins-base', 'gstreamer1.0-plugins-good'],
  },
  { program: 'rtpengine', packages: ['rtpengine-daemon'] },
] as const

interface Row {
  readonly name: string
  readonly start: () => Promise<Contestant>
  readonly pattern: TalkPattern
  readonly isSecure?: boolean
  readonly needs?: string
  readonly inQuick?: boolean
}

interface Result {
  readonly name: string
  readonly pattern: TalkPattern
  readonly sessions: number
  readonly cpuSecondsPerSessionHour: number
  readonly coresUsed: number
  readonly memoryKbPerSession: number
  readonly packetsSent: number
  readonly packetsLost: number
  readonly senderLateMs: number
}

const { values } = parseArgs({
  options: {
    sessions: { type: 'string' },
    seconds: { type: 'string' },
    only: { type: 'string', default: '' },
    quick: { type: 'boolean', default: false },
    json: { type: 'string' },
  },
})
const sessions = Number(values.sessions ?? (values.quick ? 10 : 25))
const seconds = Number(values.seconds ?? (values.quick ? 8 : 20))

const bench = await mkdtemp(`${tmpdir()}/earwitness-bench-`)
try {
  installMissing()
  const sender = await buildSender(bench)
  const results: Result[] = []
  for (const row of rows()) {
    if (!isWanted(row)) continue
    const result = await measure(row, sender, sessions).catch((error: unknown) => {
      console.error(`${row.name}: ${error instanceof Error ? error.message : 'failed'}; left out`)
    })
    if (result === undefined) continue
    console.error(describe(result))
    results.push(result)
  }
  const capacity = values.quick ? [] : await searchCapacity(sender)
  const report = { takenAt: new Date().toISOString(), machine: machine(), results, capacity }
  if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(report, undefined, 2)}\n`)
  console.table(
    results.map(({ name, packetsLost, ...rest }) => ({
      name: packetsLost > 0 ? `${name} (LOST, does not count)` : name,
      ...rest,
      packetsLost,
    })),
  )
  if (capacity.length > 0) console.table(capacity)
} finally {
  await rm(bench, { recursive: true, force: true })
}

function rows(): readonly Row[] {
  const ours = (name: string, environment: Readonly<Record<string, string>>, secure = false) => ({
    name,
    isSecure: secure,
    start: () =>
      startEarwitness({
        name,
        environment: { ...settings(0), ...environment },
        ...(secure ? { crypto: cryptoLineOf(keysOf(SUITE)) } : {}),
      }),
  })
  const [wasm, script] = [
    { EARWITNESS_MEDIA_OPUS_ENGINE: 'libopus-wasm' },
    { EARWITNESS_MEDIA_OPUS_ENGINE: 'opusscript' },
  ]
  const [dgram, native] = [{ EARWITNESS_MEDIA_RECEIVER: 'dgram' }, { EARWITNESS_MEDIA_RECEIVER: 'native' }]
  const hasNative = loadNativeAddon().ok
  const inC = (row: Row): readonly Row[] => (hasNative ? [row] : [])
  return [
    { ...ours('Earwitness, opusscript, dgram', { ...script, ...dgram }), pattern: 'turns' },
    { ...ours('Earwitness, libopus-wasm, dgram', { ...wasm, ...dgram }), pattern: 'turns', inQuick: true },
    ...inC({ ...ours('Earwitness, libopus-wasm, native', { ...wasm, ...native }), pattern: 'turns', inQuick: true }),
    ...inC({ ...ours('Earwitness, libopus-wasm, native, SRTP', { ...wasm, ...native }, true), pattern: 'turns' }),
    { ...ours('Earwitness, libopus-wasm, dgram, SRTP', { ...wasm, ...dgram }, true), pattern: 'turns' },
    { ...ours('Earwitness, as configured by default', settings(5)), pattern: 'turns' },
    { ...ours('Earwitness, libopus-wasm, dgram', { ...wasm, ...dgram }), pattern: 'both' },
    ...inC({ ...ours('Earwitness, libopus-wasm, native', { ...wasm, ...native }), pattern: 'both' }),
    { ...peer(() => ffmpeg(10), 'ffmpeg'), pattern: 'turns', inQuick: true },
    { ...peer(() => ffmpeg(0), 'ffmpeg'), pattern: 'turns' },
    { ...peer(() => ffmpeg(10), 'ffmpeg'), pattern: 'both' },
    { ...peer(() => gstreamer(10), 'gst-launch-1.0'), pattern: 'turns' },
    { ...peer(() => gstreamer(0), 'gst-launch-1.0'), pattern: 'turns' },
    { ...peer(() => rtpengineDump(), 'rtpengine'), pattern: 'turns', inQuick: true },
  ]
}

function peer(make: () => Contestant, needs: string): Pick<Row, 'name' | 'start' | 'needs'> {
  return { name: make().name, start: () => Promise.resolve(make()), needs }
}

function settings(complexity: number): Readonly<Record<string, string>> {
  return {
    EARWITNESS_RECORDING_OPUS_COMPLEXITY: String(complexity),
    EARWITNESS_RECORDING_OPUS_BITRATE: '16000',
  }
}

function isWanted({ name, needs, inQuick = false }: Row): boolean {
  if (values.quick && !inQuick) return false
  if (!name.toLowerCase().includes(values.only.toLowerCase())) return false
  if (needs === undefined || isInstalled(needs)) return true
  console.error(`${name}: ${needs} is not installed, and cannot be without root and Debian's packages; left out`)
  return false
}

/** One session first, with which the program is as large as it is by itself; then the others beside it. */
async function measure(row: Row, sender: string, count: number, core?: number): Promise<Result> {
  const total = SETTLE_SECONDS + seconds + 2
  const keys = row.isSecure === true ? { keys: keysOf(SUITE) } : {}
  const material = await writeMaterial(bench, { pattern: row.pattern, seconds: total, ...keys })
  const localPort = await freeUdpPortRange(4 * (count + 1))
  const contestant = await row.start()
  try {
    const firstKb = await firstSession(contestant, sender, { localPort: localPort + 4 * count, ...keys })
    const ports = await contestant.open(count, localPort)
    const sending = sendRtp(sender, material, { ports, localPort })
    await sleep(SETTLE_SECONDS * 1_000)
    const pids = await tree(contestant)
    const [cpuBefore, beforeMs] = [await cpuSeconds(pids), performance.now()]
    await sleep(seconds * 1_000)
    const [cpu, elapsed] = [(await cpuSeconds(pids)) - cpuBefore, (performance.now() - beforeMs) / 1_000]
    const usedKb = await memoryKb(pids)
    const { sent, lateUs } = await sending
    return {
      name: core === undefined ? row.name : `${row.name}, one core`,
      pattern: row.pattern,
      sessions: count,
      cpuSecondsPerSessionHour: round((cpu / (count * elapsed)) * SECONDS_PER_HOUR),
      coresUsed: round(cpu / elapsed),
      memoryKbPerSession: Math.round((usedKb - firstKb) / count),
      packetsSent: sent,
      packetsLost: await contestant.countLost(sent + FIRST_PACKETS),
      senderLateMs: round(lateUs / 1_000),
    }
  } finally {
    await contestant.close()
  }
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

/** More and more sessions on one core until packets are lost; the last step without loss counts. */
async function searchCapacity(sender: string): Promise<readonly Result[]> {
  const found: Result[] = []
  const receivers = loadNativeAddon().ok ? ['dgram', 'native'] : ['dgram']
  for (const receiver of receivers) {
    const engine = receiver === 'native' ? 'libopus-wasm' : 'opusscript'
    const name = `Earwitness, ${engine}, ${receiver}`
    if (!name.toLowerCase().includes(values.only.toLowerCase())) continue
    let best: Result | undefined
    for (const count of [100, 150, 200, 250, 300, 400, 500, 600]) {
      const environment = { ...settings(0), EARWITNESS_MEDIA_OPUS_ENGINE: engine, EARWITNESS_MEDIA_RECEIVER: receiver }
      const row: Row = { name, pattern: 'turns', start: () => startEarwitness({ name, environment, core: 0 }) }
      const result = await measure(row, sender, count, 0)
      console.error(describe(result))
      if (result.packetsLost > 0) break
      best = result
    }
    if (best !== undefined) found.push(best)
  }
  return found
}

function describe({ name, pattern, sessions: count, cpuSecondsPerSessionHour, packetsLost }: Result): string {
  return `${name} (${pattern}), ${count} sessions: ${cpuSecondsPerSessionHour} CPU s per session-hour, ${packetsLost} packets lost`
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

function round(value: number): number {
  return Math.round(value * 100) / 100
}
