import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'

import { seededRandom } from '../../src/cli/simulate/random.ts'
import { commandOptions } from '../support/command-options.ts'
import { crashAndRecover, startNeighbour, type Bystander, type Crash } from '../support/crash.ts'
import { makeDataDir, removeDataDir, startDaemon } from '../support/daemon.ts'
import { makePowerDisk } from '../support/power-cut.ts'
import { runConsentMatrix } from './lib/consent-crash-matrix.ts'

/**
 * `npm run crash-matrix -- --runs 200 --sessions 20 --fleet 2 --json FILE`: kills a recorder at random instants under live recording sessions, starts it again at
 * once on the same data folder, and asks of every recording: does it verify and open, how much of what was sent is missing at its end, is anything there
 * twice; and of the recording sessions that another recorder with the same object store has meanwhile: is anything missing at all. `FILE` is written after each
 * run; a matrix that was ended goes on from it. With `--power` the power is cut instead, on an ext4 of its own (as root). Exit 1 when an answer is wrong.
 *
 * With `--consent` the recording sessions are calls in which consent is given, refused, withdrawn and missing, and the questions are others: can anybody hear what nobody agreed to, is
 * a destroyed key back, is a word about consent lost that was acknowledged. Half of the recorders that take over are killed too. `--from N --runs N` with the same `--seed`: run N alone.
 */
const values = commandOptions('crash-matrix', {
  runs: { type: 'string', default: '200' },
  sessions: { type: 'string', default: '20' },
  fleet: { type: 'string', default: '2' },
  seed: { type: 'string' },
  chunkSeconds: { type: 'string', default: '5' },
  json: { type: 'string' },
  power: { type: 'boolean', default: false },
  consent: { type: 'boolean', default: false },
  from: { type: 'string', default: '1' },
})
const MISSING_MS_MAX = values.power ? 5_000 : 1_000
/**
 * This process, or before the kill a thread of the recorder, was not scheduled for so long: somebody stopped it, or the machine. How much is missing then says nothing of the recorder,
 * and the run is repeated, unless what is there is wrong.
 */
const STOPPED_MS_MIN = 3_000
const FIRST_MS = 1_200
const LAST_MS = 7_500
/** Of each media stream: what may still have been on its way when the BYE came. */
const UNDER_WAY_PACKETS_MAX = 2

interface Run {
  readonly killAfterMs: number
  /** This process was late by so much at most: the machine had other things to do. */
  readonly stallMs: number
  /** A thread of the recorder waited so long for a processor in the seconds before the kill. */
  readonly waitedMs: number
  readonly readyMs: number
  readonly recoveredMs: number
  /** Of each recording. */
  readonly missingMs: readonly number[]
  readonly chunks: number
  readonly bystanders: number
  readonly faults: readonly string[]
}

interface Matrix {
  readonly seed: string
  readonly sessions: number
  readonly fleet: number
  readonly chunkSeconds: number
  /** The power was cut, instead of a process killed. */
  readonly power: boolean
  readonly runs: readonly Run[]
}

function survivorFaults({ survivors }: Crash, sessions: number): readonly string[] {
  const faults = survivors.length === sessions ? [] : [`${survivors.length} of ${sessions} recordings`]
  for (const { recordingId, manifest, verified, packets, expectedPackets } of survivors) {
    if (manifest.state !== 'interrupted' || verified !== 0) faults.push(`${recordingId}: does not verify`)
    if (packets === undefined || packets < expectedPackets) {
      faults.push(`${recordingId}: ${packets} packets instead of ${expectedPackets}`)
    }
    // The encoder's delay may take one more.
    if (packets !== undefined && packets > expectedPackets + 1) {
      faults.push(`${recordingId}: ${packets - expectedPackets} packets are there twice`)
    }
  }
  return faults
}

/** More is missing than a kill may cost. */
function missingFaults({ survivors, stallMs, waitedMs }: Crash): readonly string[] {
  // A machine that was busy with other things may have kept both sides waiting.
  const late = survivors.filter(({ missingMs }) => missingMs > MISSING_MS_MAX + stallMs + waitedMs)
  return late.length === 0 ? [] : [`of ${late.length} recordings more than ${MISSING_MS_MAX} ms are missing`]
}

/** For how long whoever should have sent, received or written stood still; 0 where that explains nothing. */
function stoodStillMs({ stoppedMs, waitedMs }: Crash, killAfterMs: number): number {
  const waitedMsMin = Math.min(killAfterMs, STOPPED_MS_MIN)
  return Math.max(stoppedMs >= STOPPED_MS_MIN ? stoppedMs : 0, waitedMs >= waitedMsMin ? waitedMs : 0)
}

function bystanderFaults({ manifest, sentPackets, verified }: Bystander): readonly string[] {
  const { recordingId, state, streams } = manifest
  const sum = (count: (packets: (typeof streams)[number]['packets']) => number): number =>
    streams.reduce((total, { packets }) => total + count(packets), 0)
  const faults: string[] = []
  if (state !== 'complete' || verified !== 0)
    faults.push(`${recordingId}, of the neighbour: does not verify as complete`)
  const lost = sum((packets) => packets.lost)
  const unseen = sentPackets - sum((packets) => packets.received)
  if (lost > 0 || unseen > UNDER_WAY_PACKETS_MAX * streams.length) {
    faults.push(`${recordingId}, of the neighbour: ${lost} packets lost, ${unseen} not seen`)
  }
  return faults
}

function runOf(crash: Crash, killAfterMs: number, sessions: number): Run {
  const { survivors, bystanders, stallMs, waitedMs, readyMs, recoveredMs } = crash
  return {
    ...{ killAfterMs, stallMs, waitedMs, readyMs, recoveredMs, bystanders: bystanders.length },
    missingMs: survivors.map(({ missingMs }) => missingMs),
    chunks: survivors.reduce((sum, { manifest }) => sum + manifest.chunks.length, 0),
    faults: [...survivorFaults(crash, sessions), ...missingFaults(crash), ...bystanders.flatMap(bystanderFaults)],
  }
}

function begunMatrix(): Matrix {
  const asked = {
    seed: values.seed ?? String(Date.now()),
    ...{ sessions: Number(values.sessions), fleet: Number(values.fleet), chunkSeconds: Number(values.chunkSeconds) },
    ...{ power: values.power, runs: [] },
  }
  if (values.json === undefined || !existsSync(values.json)) return asked
  const begun = JSON.parse(readFileSync(values.json, 'utf8')) as Matrix
  const isTheSame = (['sessions', 'fleet', 'chunkSeconds', 'power'] as const).every(
    (name) => begun[name] === asked[name],
  )
  if (!isTheSame || (values.seed !== undefined && values.seed !== begun.seed)) {
    throw new Error(`${values.json} is of another matrix: give another file`)
  }
  // Its summary is made anew.
  return { ...asked, seed: begun.seed, runs: begun.runs }
}

function summaryOf({ runs, ...matrix }: Matrix): Readonly<Record<string, unknown>> {
  const missing = runs.flatMap(({ missingMs }) => missingMs).toSorted((left, right) => left - right)
  const at = (share: number): number => Math.round(missing[Math.floor(share * (missing.length - 1))] ?? 0)
  const most = (of: (run: Run) => number): number => Math.round(Math.max(0, ...runs.map(of)))
  return {
    ...matrix,
    ...{ runs: runs.length, recordings: missing.length, chunks: runs.reduce((sum, { chunks }) => sum + chunks, 0) },
    missingMs: { p50: at(0.5), p95: at(0.95), p99: at(0.99), most: at(1) },
    beyondLimit: missing.filter((ms) => ms > MISSING_MS_MAX).length,
    neighbourRecordings: runs.reduce((sum, { bystanders }) => sum + bystanders, 0),
    machineLateMsMost: most(({ stallMs }) => stallMs),
    threadWaitedMsMost: most(({ waitedMs }) => waitedMs),
    ...{ readyMsMost: most(({ readyMs }) => readyMs), recoveredMsMost: most(({ recoveredMs }) => recoveredMs) },
    runsWithFaults: runs.filter(({ faults }) => faults.length > 0).length,
  }
}

/** Written beside and renamed: a matrix that is ended in the middle leaves the file of the run before. */
function save(matrix: Matrix): void {
  if (values.json === undefined) return
  writeFileSync(`${values.json}.new`, `${JSON.stringify({ ...matrix, summary: summaryOf(matrix) }, undefined, 2)}\n`)
  renameSync(`${values.json}.new`, values.json)
}

function print(number: number, run: Run): void {
  const { killAfterMs, missingMs, stallMs, waitedMs, readyMs, recoveredMs, faults } = run
  const figures = [
    `killed after ${killAfterMs.toFixed(0)} ms`,
    `at most ${Math.max(...missingMs).toFixed(0)} ms missing`,
    `ready in ${readyMs.toFixed(0)} ms, all recovered in ${recoveredMs.toFixed(0)} ms`,
    `machine late by ${stallMs.toFixed(0)} ms, a thread waited ${waitedMs.toFixed(0)} ms`,
  ]
  console.log(`run ${number}: ${[...figures, ...faults].join('; ')}`)
}

/** Gives whether all was right. */
async function runMatrix(): Promise<boolean> {
  let matrix = begunMatrix()
  const environment = { EARWITNESS_RECORDING_CHUNK_SECONDS: String(matrix.chunkSeconds) }
  const random = seededRandom(Number(matrix.seed), 'instants')
  const instants = Array.from({ length: Number(values.runs) }, () => FIRST_MS + random() * (LAST_MS - FIRST_MS))
  console.log(`seed ${matrix.seed}${matrix.runs.length === 0 ? '' : `, goes on after run ${matrix.runs.length}`}`)
  const disk = values.power ? await makePowerDisk() : undefined
  if (typeof disk === 'string') throw new Error(`no disk of its own could be made: ${disk}`)
  const dataDir = disk?.dataDir ?? (await makeDataDir())
  let daemon = await startDaemon(dataDir, environment)
  // Its objects are in the folder of the first, whose disk would be gone under it.
  const neighbour = matrix.fleet > 0 && !matrix.power ? await startNeighbour(daemon, environment) : undefined
  try {
    while (matrix.runs.length < instants.length) {
      const { sessions } = matrix
      const killAfterMs = instants[matrix.runs.length] ?? FIRST_MS
      const fleet = neighbour === undefined ? {} : { fleet: { neighbour, sessions: matrix.fleet } }
      const power = disk === undefined ? {} : { power: disk }
      const crash = await crashAndRecover(daemon, { sessions, killAfterMs, environment, ...fleet, ...power })
      daemon = crash.daemon
      const stillMs = stoodStillMs(crash, killAfterMs)
      if (stillMs > 0 && survivorFaults(crash, sessions).length === 0) {
        console.log(`run ${matrix.runs.length + 1} is repeated: the machine stood still for ${stillMs.toFixed(0)} ms`)
        continue
      }
      const run = runOf(crash, killAfterMs, sessions)
      matrix = { ...matrix, runs: [...matrix.runs, run] }
      save(matrix)
      print(matrix.runs.length, run)
    }
  } finally {
    await daemon.stop()
    await neighbour?.stop()
    if (neighbour !== undefined) await removeDataDir(neighbour.dataDir)
    await (disk?.remove() ?? removeDataDir(dataDir))
  }
  console.log(JSON.stringify(summaryOf(matrix), undefined, 2))
  return matrix.runs.every(({ faults }) => faults.length === 0)
}

/** The same with calls about consent. */
async function runUnderConsent(): Promise<boolean> {
  const seed = Number(values.seed ?? Date.now())
  console.log(`seed ${seed}`)
  const [runs, from, calls] = [values.runs, values.from, values.sessions].map(Number) as [number, number, number]
  return runConsentMatrix({ seed, runs, from, calls, json: values.json })
}

process.exitCode = (await (values.consent ? runUnderConsent() : runMatrix())) ? 0 : 1
