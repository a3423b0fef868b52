/** The thread that runs inputs. The input under way stands in shared memory, so that one which never ends can be saved. */
import { parentPort, workerData } from 'node:worker_threads'
import { execute } from './execute.ts'
import { minimise } from './minimise.ts'
import { makeInput } from './mutate.ts'
import { Random, seedOf } from './random.ts'
import { TARGETS } from './targets.ts'
import type { WorkerSettings } from './protocol.ts'

/** How long one target is fuzzed before the next has its turn. */
const TURN_MS = 250

const { seed, names, deadlineMs, shared } = workerData as WorkerSettings
const header = new Int32Array(shared, 0, 4)
const underWay = new Uint8Array(shared, 16)
const targets = TARGETS.filter(({ name }) => names.includes(name))

function work(): void {
  const executions = new Map(targets.map(({ name }) => [name, 0]))
  const started = performance.now()
  while (performance.now() - started < deadlineMs) {
    for (const target of targets) {
      const batchStarted = performance.now()
      const first = executions.get(target.name) ?? 0
      let slowestMs = 0
      let slowest = 0
      let execution = first
      for (; performance.now() - batchStarted < TURN_MS; execution++) {
        const input = makeInput(target, new Random(seedOf(seed, execution)))
        underWay.set(input.subarray(0, underWay.length))
        Atomics.store(header, 1, input.length)
        Atomics.store(header, 2, TARGETS.indexOf(target))
        Atomics.add(header, 0, 1)
        const { ms, failure } = execute(target, input)
        if (failure !== undefined) {
          const small = minimise(target, input, (smaller) => {
            Atomics.add(header, 0, 1)
            return execute(target, smaller).failure === failure
          })
          parentPort?.postMessage({ kind: 'finding', target: target.name, execution, failure, input, small })
          return
        }
        if (ms > slowestMs) [slowestMs, slowest] = [ms, execution]
      }
      executions.set(target.name, execution)
      const elapsedMs = performance.now() - batchStarted
      parentPort?.postMessage({
        kind: 'batch',
        target: target.name,
        executions: execution - first,
        elapsedMs,
        slowestMs,
        slowest,
      })
    }
  }
  parentPort?.postMessage({ kind: 'done' })
}

work()
