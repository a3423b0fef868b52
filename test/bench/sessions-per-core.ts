/**
 * How many recording sessions one core carries: real SIP, real RTP, the whole daemon with one media worker.
 *
 * `npm run bench` or `npm run bench -- --sessions 20,50,100 --seconds 20`. Prints, for each step, the CPU milliseconds that the
 * daemon spends on one recorded second of one recording session (two PCMU streams, sealed two-channel Opus), and the
 * packets that were lost; `--srtp SUITE` does it with protected packets. It measures, it judges nothing. The client that sends
 * shares the machine.
 *
 * `npm run bench -- --profile` shows instead where that time goes, stage by stage, in microseconds (`--seconds` of `--pattern turns|both`,
 * `--rounds` of which the best counts).
 */
import { setTimeout as sleep } from 'node:timers/promises'

import { cpuSeconds, memoryKb } from './lib/process-usage.ts'
import { profile } from './lib/profile.ts'
import { commandOptions } from '../support/command-options.ts'
import { makeDataDir, removeDataDir, startDaemon, type RunningDaemon } from '../support/daemon.ts'

interface Measurement {
  readonly sessions: number
  readonly answered: number
  readonly cpuMsPerSessionSecond: number
  readonly coresUsed: number
  readonly packetsSent: number
  readonly packetsReceived: number
  readonly packetsLost: number
  readonly residentMiB: number
}

const values = commandOptions('bench', {
  sessions: { type: 'string', default: '10,25,50,100' },
  seconds: { type: 'string', default: '15' },
  engine: { type: 'string', default: 'libopus-wasm' },
  complexity: { type: 'string' },
  srtp: { type: 'string' },
  json: { type: 'boolean', default: false },
  profile: { type: 'boolean', default: false },
  pattern: { type: 'string', default: 'turns' },
  rounds: { type: 'string', default: '5' },
  bitrate: { type: 'string', default: '16000' },
})

if (values.profile) {
  const stages = await profile({
    engine: values.engine === 'opusscript' ? 'opusscript' : 'libopus-wasm',
    complexity: Number(values.complexity ?? 5),
    bitsPerSecond: Number(values.bitrate),
    seconds: Number(values.seconds),
    rounds: Number(values.rounds),
    pattern: values.pattern === 'both' ? 'both' : 'turns',
  })
  if (values.json) console.log(JSON.stringify(stages, undefined, 2))
  else
    console.table(
      stages.map(({ stage, usPerSessionSecond }) => ({ stage, usPerSessionSecond: round(usPerSessionSecond) })),
    )
  process.exit(0)
}

const measurements: Measurement[] = []
for (const step of values.sessions.split(',')) {
  measurements.push(await measure(Number(step), Number(values.seconds)))
}
if (values.json) console.log(JSON.stringify(measurements, undefined, 2))
else console.table(measurements)

async function measure(sessions: number, seconds: number): Promise<Measurement> {
  const dataDir = await makeDataDir()
  const daemon = await startDaemon(dataDir, {
    EARWITNESS_MEDIA_OPUS_ENGINE: values.engine,
    EARWITNESS_LOG_LEVEL: 'error',
    ...(values.complexity === undefined ? {} : { EARWITNESS_RECORDING_OPUS_COMPLEXITY: values.complexity }),
  })
  try {
    // The daemon with all its threads; its database is a process of its own and not in it.
    const pids = [daemon.process.pid ?? 0]
    const cpuBefore = await cpuSeconds(pids)
    const startedMs = performance.now()
    const simulated = await daemon.command(
      'simulate',
      ...['--to', `sip:127.0.0.1:${daemon.sipUdpPort}`, '--calls', String(sessions), '--cps', '20'],
      ...['--duration', `${seconds}s`, '--json'],
      ...(values.srtp === undefined ? [] : ['--srtp', values.srtp]),
    )
    const elapsedSeconds = (performance.now() - startedMs) / 1_000
    const cpu = (await cpuSeconds(pids)) - cpuBefore
    const summary = JSON.parse(simulated.stdout) as { answered: number; packets: { sent: number } }
    return {
      sessions,
      answered: summary.answered,
      cpuMsPerSessionSecond: round((cpu * 1_000) / (sessions * seconds)),
      coresUsed: round(cpu / elapsedSeconds),
      packetsSent: summary.packets.sent,
      packetsReceived: await settledMetric(daemon, 'earwitness_rtp_packets_received_total', summary.packets.sent),
      packetsLost: await metric(daemon, 'earwitness_rtp_packets_lost_total'),
      residentMiB: Math.round((await memoryKb(pids)) / 1_024),
    }
  } finally {
    await daemon.stop()
    await removeDataDir(dataDir)
  }
}

async function metric(daemon: RunningDaemon, name: string): Promise<number> {
  const text = await (await fetch(daemon.metrics)).text()
  return Number(
    text
      .split('\n')
      .find((line) => line.startsWith(`${name} `))
      ?.split(' ')[1],
  )
}

/** Workers report once a second: waits until a counter has come to `expected`, or has stopped growing. */
async function settledMetric(daemon: RunningDaemon, name: string, expected: number): Promise<number> {
  let before = -1
  let now = await metric(daemon, name)
  while (now < expected && now !== before) {
    await sleep(2_500)
    before = now
    now = await metric(daemon, name)
  }
  return now
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}
