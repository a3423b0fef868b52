import type { FuzzTarget } from './target.ts'

/** Longer for one input is a hang: the signalling of everybody waits for it. */
export const HANG_MS = 50
/** A slow input is run again this often: only the quickest run counts, the machine may have been busy. */
const HANG_RUNS = 6

export interface Execution {
  readonly ms: number
  /** Why the input fails, `hang` included; undefined when it does not. */
  readonly failure: string | undefined
}

/** Runs one input, and again when it was slow. */
export function execute(target: FuzzTarget, input: Uint8Array): Execution {
  let execution = runOnce(target, input)
  for (let run = 1; run < HANG_RUNS && execution.failure === undefined && execution.ms > HANG_MS; run++) {
    const again = runOnce(target, input)
    if (again.failure !== undefined || again.ms < execution.ms) execution = again
  }
  if (execution.failure !== undefined || execution.ms <= HANG_MS) return execution
  return { ms: execution.ms, failure: 'hang' }
}

/** A slow run counts the thread's own CPU time, without what others took from it; that is too coarse for quick ones. */
function runOnce(target: FuzzTarget, input: Uint8Array): Execution {
  // A copy of its own, so that views into it can be told from copies.
  const own = Uint8Array.from(input)
  const before = process.threadCpuUsage()
  const started = performance.now()
  let failure: string | undefined
  try {
    target.run(own)
  } catch (error) {
    failure = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  }
  const ms = performance.now() - started
  if (ms <= HANG_MS) return { ms, failure }
  const { user, system } = process.threadCpuUsage(before)
  return { ms: Math.min(ms, (user + system) / 1_000), failure }
}
