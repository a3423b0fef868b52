import { parseArgs } from 'node:util'

import { seededRandom } from '../../src/cli/simulate/random.ts'
import { crashAndRecover, type Crash } from '../support/crash.ts'
import { makeDataDir, removeDataDir, startDaemon } from '../support/daemon.ts'

/**
 * `npm run crash-matrix -- --runs 200 --sessions 20`: kills a recorder at random instants under live recording sessions, starts it again, and asks of every
 * recording: does it verify and open, how much of what was sent is missing at its end, is anything there twice. Exit 1 when an answer is wrong.
 */
const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '200' },
    sessions: { type: 'string', default: '20' },
    seed: { type: 'string', default: String(Date.now()) },
    chunkSeconds: { type: 'string', default: '5' },
  },
})
const MISSING_MS_MAX = 1_000
const FIRST_MS = 1_200
const LAST_MS = 9_000
const sessions = Number(values.sessions)
const environment = { EARWITNESS_RECORDING_CHUNK_SECONDS: values.chunkSeconds }

function faultsOf({ survivors, stallMs }: Crash): readonly string[] {
  const faults = survivors.length === sessions ? [] : [`${survivors.length} of ${sessions} recordings`]
  for (const { recordingId, manifest, verified, missingMs, packets, expectedPackets } of survivors) {
    if (manifest.state !== 'interrupted' || verified !== 0) faults.push(`${recordingId}: does not verify`)
    if (packets === undefined || packets < expectedPackets || packets > expectedPackets + 1) {
      faults.push(`${recordingId}: ${packets} packets instead of ${expectedPackets}`)
    }
    if (missingMs > MISSING_MS_MAX + stallMs) faults.push(`${recordingId}: ${missingMs.toFixed(0)} ms are missing`)
  }
  return faults
}

const random = seededRandom(Number(values.seed), 'instants')
const missing: number[] = []
let faulty = 0
let worstStallMs = 0
let short = 0
console.log(`seed ${values.seed}`)
const dataDir = await makeDataDir()
let daemon = await startDaemon(dataDir, environment)
for (let run = 1; run <= Number(values.runs); run += 1) {
  const killAfterMs = FIRST_MS + random() * (LAST_MS - FIRST_MS)
  const crash = await crashAndRecover(daemon, { sessions, killAfterMs, environment })
  daemon = crash.daemon
  const faults = faultsOf(crash)
  const here = crash.survivors.map(({ missingMs }) => missingMs)
  missing.push(...here)
  worstStallMs = Math.max(worstStallMs, crash.stallMs)
  short += crash.survivors.reduce((sum, { manifest }) => sum + manifest.chunks.length, 0)
  if (faults.length > 0) faulty += 1
  console.log(
    `run ${run}: killed after ${killAfterMs.toFixed(0)} ms; at most ${Math.max(...here).toFixed(0)} ms missing; ` +
      `machine late by ${crash.stallMs.toFixed(0)} ms${faults.length === 0 ? '' : `; ${faults.join('; ')}`}`,
  )
}
await daemon.stop()
await removeDataDir(dataDir)
missing.sort((left, right) => left - right)
const at = (share: number): string => (missing[Math.floor(share * (missing.length - 1))] ?? 0).toFixed(0)
console.log(
  `${values.runs} runs, ${missing.length} recordings, ${short} chunks: missing ms p50 ${at(0.5)}, p95 ${at(0.95)}, p99 ${at(0.99)}, most ${at(1)}; ` +
    `beyond ${MISSING_MS_MAX} ms: ${missing.filter((ms) => ms > MISSING_MS_MAX).length}; machine late by ${worstStallMs.toFixed(0)} ms at most; ${faulty} runs with faults`,
)
process.exitCode = faulty === 0 ? 0 : 1
