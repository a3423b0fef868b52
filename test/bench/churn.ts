/**
 * Opens and ends recording sessions by the thousand and looks at what the recorder holds afterwards: descriptors, threads and ports must be no more than
 * they were in the first half (exit code 1 otherwise). Memory is shown as it breathes, nothing is collected for the purpose: by step, and the medians of the second and the
 * last third, which are the same when nothing is kept.
 *
 * `npm run bench:churn`, or `-- --sessions 10000 --cps 40 --steps 10 --json`. Sessions last half a second and have RTP.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'

import { commandOptions } from '../support/command-options.ts'
import { makeDataDir, removeDataDir, startDaemon, type RunningDaemon } from '../support/daemon.ts'
import { resourcesOf, type Resources } from '../support/resources.ts'
import { probedMemory, probeEnvironment, type ProbedMemory } from './lib/probed-memory.ts'
import { memoryKb } from './lib/process-usage.ts'

/** Recording sessions after which everything that is made once has been made. */
const WARM_UP = 200
const REST_MS = 3_000
const REST_TRIES_MAX = 20

const values = commandOptions('bench:churn', {
  sessions: { type: 'string', default: '10000' },
  cps: { type: 'string', default: '40' },
  steps: { type: 'string', default: '10' },
  engine: { type: 'string', default: 'libopus-wasm' },
  json: { type: 'boolean', default: false },
})

interface Step extends Resources, ProbedMemory {
  readonly sessions: number
  readonly completed: number
  readonly memoryKb: number
}

const dataDir = await makeDataDir()
const probeDir = await mkdtemp(`${tmpdir()}/earwitness-probe-`)
const daemon = await startDaemon(dataDir, {
  ...probeEnvironment(probeDir),
  EARWITNESS_LOG_LEVEL: 'error',
  EARWITNESS_MEDIA_OPUS_ENGINE: values.engine,
})
try {
  const sessions = Number(values.sessions)
  const steps: Step[] = [await churn(daemon, WARM_UP, WARM_UP)]
  const each = Math.ceil(sessions / Number(values.steps))
  for (let done = WARM_UP; done < WARM_UP + sessions; done += each) {
    const step = await churn(daemon, each, done + each)
    steps.push(step)
    console.error(describe(step))
  }
  if (values.json) console.log(JSON.stringify(steps, undefined, 2))
  else console.table(steps)
  const third = Math.ceil((steps.length - 1) / 3)
  const medians = [steps.slice(-2 * third, -third), steps.slice(-third)].map(medianKb)
  console.error(`median of the second third: ${medians[0]} kB, of the last: ${medians[1]} kB`)
  if (hasGrown(steps)) process.exitCode = 1
} finally {
  await daemon.stop()
  await removeDataDir(dataDir)
  await rm(probeDir, { recursive: true, force: true })
}

async function churn(recorder: RunningDaemon, count: number, total: number): Promise<Step> {
  const { stdout } = await recorder.command(
    'simulate',
    ...['--to', `sip:127.0.0.1:${recorder.sipUdpPort}`, '--calls', String(count), '--cps', values.cps],
    ...['--duration', '500ms', '--json'],
  )
  const { completed } = JSON.parse(stdout) as { completed: number }
  let held = await resourcesOf(recorder)
  for (let tried = 0; tried < REST_TRIES_MAX && held.rtpPorts + held.recordingSessions > 0; tried += 1) {
    await sleep(REST_MS)
    held = await resourcesOf(recorder)
  }
  // Connections to the database that nobody needs close after a while.
  await sleep(REST_MS)
  const pid = recorder.process.pid ?? 0
  return {
    sessions: total,
    completed,
    ...(await resourcesOf(recorder)),
    memoryKb: await memoryKb([pid]),
    ...(await probedMemory(probeDir, pid)),
  }
}

function describe({ sessions, completed, memoryKb: resident, heapKb, descriptors, threads }: Step): string {
  return `${sessions} recording sessions, ${completed} of this step completed: ${resident} kB (heap ${heapKb}), ${descriptors} descriptors, ${threads} threads`
}

function medianKb(steps: readonly Step[]): number | undefined {
  const sizes = steps.map((step) => step.memoryKb).toSorted((left, right) => left - right)
  return sizes[Math.floor(sizes.length / 2)]
}

/** More than it ever was at rest in the first half: connections and files of the moment come and go. */
function hasGrown(steps: readonly Step[]): boolean {
  const before = steps.slice(0, Math.ceil(steps.length / 2))
  const most = (of: (step: Step) => number): number => Math.max(...before.map(of))
  const last = steps.at(-1)
  if (last === undefined) return false
  return (
    last.descriptors > most((step) => step.descriptors) ||
    last.threads > most((step) => step.threads) ||
    last.rtpPorts > 0
  )
}
