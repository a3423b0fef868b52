/**
 * Fuzzes the parsers and the transaction layer.
 *
 * `npm run fuzz`, or `npm run fuzz -- --minutes 5 --seed 7 --targets sip,sdp`. Stops at the first input that makes something throw,
 * takes more than 50 ms, or breaks an invariant, and writes it, as small as it gets, to `test/fuzz/findings`.
 * `npm run fuzz -- --replay FILE` runs one such file again; `--corpus` only the examples, unbent.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { commandOptions } from '../support/command-options.ts'
import { execute } from './execute.ts'
import { INPUT_BYTES_MAX, makeInput } from './mutate.ts'
import type { WorkerMessage } from './protocol.ts'
import { Random, seedOf } from './random.ts'
import { TARGETS } from './targets.ts'

/** No new execution for this long: the input never ends. */
const STUCK_MS = 20_000
const REPORT_MS = 15_000

interface Totals {
  executions: number
  elapsedMs: number
  slowestMs: number
  slowest: number
}

const values = commandOptions('fuzz', {
  minutes: { type: 'string', default: '10' },
  seed: { type: 'string', default: String(Math.floor(Math.random() * 0x7fff_ffff)) },
  targets: { type: 'string', default: TARGETS.map(({ name }) => name).join(',') },
  replay: { type: 'string' },
  corpus: { type: 'boolean', default: false },
})
const seed = Number(values.seed)
const names = values.targets.split(',')

process.exitCode = values.replay === undefined ? await fuzz() : await replay(values.replay)

async function fuzz(): Promise<number> {
  for (const target of TARGETS.filter(({ name }) => names.includes(name))) {
    for (const input of target.corpus) {
      const { failure } = execute(target, input)
      if (failure !== undefined) return report({ target: target.name, execution: -1, failure, input, small: input })
    }
  }
  if (values.corpus) return 0
  console.log(`seed ${seed}, ${values.minutes} minutes: ${names.join(', ')}`)
  const shared = new SharedArrayBuffer(16 + INPUT_BYTES_MAX)
  const deadlineMs = Number(values.minutes) * 60_000
  const worker = new Worker(new URL('worker.ts', import.meta.url), { workerData: { seed, names, deadlineMs, shared } })
  const totals = new Map<string, Totals>()
  const finding = await new Promise<Finding | undefined>((resolve, reject) => {
    const stopWatching = watch(shared, resolve)
    const reporter = setInterval(() => printTotals(totals), REPORT_MS)
    worker.on('error', reject)
    worker.on('exit', () => {
      stopWatching()
      clearInterval(reporter)
    })
    worker.on('message', (message: WorkerMessage) => {
      if (message.kind === 'batch') add(totals, message)
      else resolve(message.kind === 'done' ? undefined : message)
    })
  })
  await worker.terminate()
  printTotals(totals, true)
  return finding === undefined ? 0 : report(finding)
}

interface Finding {
  readonly target: string
  readonly execution: number
  readonly failure: string
  readonly input: Uint8Array
  readonly small: Uint8Array
}

/** Looks whether the worker still goes from one input to the next. */
function watch(shared: SharedArrayBuffer, stuck: (finding: Finding) => void): () => void {
  const header = new Int32Array(shared, 0, 4)
  let before = -1
  const timer = setInterval(() => {
    const now = Atomics.load(header, 0)
    if (now === before && now > 0) {
      const input = Uint8Array.from(new Uint8Array(shared, 16, Math.min(INPUT_BYTES_MAX, Atomics.load(header, 1))))
      const target = TARGETS[Atomics.load(header, 2)]?.name ?? ''
      stuck({ target, execution: now, failure: 'hang without end', input, small: input })
    }
    before = now
  }, STUCK_MS)
  return () => clearInterval(timer)
}

function add(totals: Map<string, Totals>, batch: WorkerMessage & { readonly kind: 'batch' }): void {
  const total = totals.get(batch.target) ?? { executions: 0, elapsedMs: 0, slowestMs: 0, slowest: 0 }
  totals.set(batch.target, total)
  total.executions += batch.executions
  total.elapsedMs += batch.elapsedMs
  if (batch.slowestMs > total.slowestMs) {
    total.slowestMs = batch.slowestMs
    total.slowest = batch.slowest
  }
}

/** `again`: the slowest input once more, the quickest of several runs: without what else the machine did. */
function printTotals(totals: ReadonlyMap<string, Totals>, again = false): void {
  const rows = [...totals].map(([name, { executions, elapsedMs, slowestMs, slowest }]) => ({
    target: name,
    executions,
    'per second': Math.round((executions * 1_000) / elapsedMs),
    'slowest, ms': Math.round(slowestMs * 10) / 10,
    'its number': slowest,
    ...(again ? { 'again, ms': measureAgain(name, slowest) } : {}),
  }))
  console.table(rows)
}

function measureAgain(name: string, execution: number): number {
  const target = TARGETS.find((each) => each.name === name)
  if (target === undefined) return 0
  const input = makeInput(target, new Random(seedOf(seed, execution)))
  const runs = Array.from({ length: 20 }, () => execute(target, input).ms)
  return Math.round(Math.min(...runs) * 10) / 10
}

async function report(finding: Finding): Promise<number> {
  const { target, execution, failure, input, small } = finding
  const folder = join(import.meta.dirname, 'findings')
  await mkdir(folder, { recursive: true })
  const file = join(folder, `${target}-${seed}-${execution}.bin`)
  await writeFile(file, small)
  await writeFile(file.replace('.bin', '.whole.bin'), input)
  console.error(`${target}: ${failure}`)
  console.error(`seed ${seed}, execution ${execution}: ${input.length} bytes, as small as ${small.length}:`)
  console.error(JSON.stringify(Buffer.from(small.subarray(0, 2_000)).toString('latin1')))
  console.error(`npm run fuzz -- --replay ${file}`)
  return 1
}

async function replay(file: string): Promise<number> {
  const target = TARGETS.find(({ name }) => basename(file).startsWith(`${name}-`))
  if (target === undefined) throw new Error('The name of the file begins with none of the targets.')
  const { ms, failure } = execute(target, await readFile(file))
  console.log(`${target.name}: ${failure ?? 'nothing fails'}, ${Math.round(ms * 10) / 10} ms`)
  if (failure !== undefined && failure !== 'hang') target.run(Uint8Array.from(await readFile(file)))
  return failure === undefined ? 0 : 1
}
