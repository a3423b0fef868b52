import { setTimeout as sleep } from 'node:timers/promises'

import { commandOptions } from '../../support/command-options.ts'
import type { RunningDaemon } from '../../support/daemon.ts'
import { allClosed, recordingsUnderWay } from '../../support/probes.ts'
import { simulate } from '../../support/simulated.ts'
import { memoryKb } from './process-usage.ts'

const SAMPLE_MS = 500
const SHORT_SECONDS = 5
/** How long the long ones go on after the outage. */
const BEHIND_SECONDS = 8

/** Begins an outage and gives what ends it. */
export type Outage = () => Promise<() => Promise<void>>

/** What a recorder has to do while something is away. */
export interface OutageLoad {
  /** How long it is away, and how many recording sessions of five seconds begin in each of them. */
  readonly seconds: number
  readonly cps: number
  /** Of each kind: from before the outage into its middle, from its middle to behind its end, over all of it. */
  readonly long: number
}

/** What is typed behind `npm run NAME --`. */
export function outageOptions(name: string): { readonly load: OutageLoad; readonly only: string | undefined } {
  const { seconds, cps, long, only } = commandOptions(name, {
    seconds: { type: 'string', default: '60' },
    cps: { type: 'string', default: '2' },
    long: { type: 'string', default: '2' },
    only: { type: 'string' },
  })
  return { load: { seconds: Number(seconds), cps: Number(cps), long: Number(long) }, only }
}

/** What was seen of one outage. */
export interface OutageSeen {
  readonly awaySeconds: number
  readonly sessions: number
  readonly completed: number
  /** Of the recorder's process, at most. */
  readonly memoryMb: number
  /** From the end of the outage until nothing waited any more. */
  readonly recoveredMs: number
}

export function sessionsOf({ seconds, cps, long }: OutageLoad): number {
  return Math.round(seconds * cps) + 3 * long
}

/** Keeps an outage up under load; resolves when all recording sessions are over and nothing waits any more. */
export async function keepUp(
  daemon: RunningDaemon,
  load: OutageLoad,
  outage: {
    readonly name: string
    readonly begin: Outage
    /** Is asked again and again while it lasts. */
    readonly look: () => Promise<void>
    readonly isRecovered: () => Promise<boolean>
  },
): Promise<OutageSeen> {
  const { seconds, cps, long } = load
  const { name, isRecovered } = outage
  const placed = (count: number, durationSeconds: number): Promise<number> =>
    placeSessions(daemon, { count, cps, durationSeconds })
  // They are under way before it begins.
  const longOnes = [placed(long, seconds + BEHIND_SECONDS), placed(long, seconds / 2)]
  await recordingsUnderWay(daemon, 2 * long)
  const short = placed(Math.round(seconds * cps), SHORT_SECONDS)
  let isOver = false
  void short.then(() => {
    isOver = true
  })
  const end = await outage.begin()
  const startedMs = performance.now()
  console.log(`${name}: begun, with ${2 * long} recording sessions under way`)
  let memory = 0
  while (!isOver) {
    if (longOnes.length === 2 && performance.now() - startedMs > seconds * 500) {
      longOnes.push(placed(long, seconds / 2 + BEHIND_SECONDS))
    }
    await outage.look()
    memory = Math.max(memory, await memoryKb([daemon.process.pid ?? 0]))
    await sleep(SAMPLE_MS)
  }
  const awayMs = performance.now() - startedMs
  console.log(`${name}: ends after ${Math.round(awayMs / 1_000)} s`)
  await end()
  const recoveredMs = await timeUntil(isRecovered)
  console.log(`${name}: nothing waits any more after ${recoveredMs} ms`)
  const completed = (await Promise.all([short, ...longOnes])).reduce((sum, count) => sum + count, 0)
  await allClosed(daemon)
  await timeUntil(isRecovered)
  return {
    ...{ awaySeconds: Math.round(awayMs / 1_000), sessions: sessionsOf(load), completed },
    ...{ memoryMb: Math.round(memory / 1_024), recoveredMs },
  }
}

/** Resolves to how many ended well. */
async function placeSessions(
  daemon: RunningDaemon,
  options: { readonly count: number; readonly cps: number; readonly durationSeconds: number },
): Promise<number> {
  const { count, cps, durationSeconds } = options
  const duration = `${Math.max(1, Math.round(durationSeconds))}s`
  const asked = ['--calls', String(count), '--cps', String(cps), '--duration', duration, '--json']
  const { stdout } = await simulate(daemon, ...asked)
  return (JSON.parse(stdout) as { readonly completed: number }).completed
}

async function timeUntil(isTrue: () => Promise<boolean>): Promise<number> {
  const startedMs = performance.now()
  while (!(await isTrue())) await sleep(100)
  return Math.round(performance.now() - startedMs)
}

/** How many of these recordings do not verify. */
export async function countUnverified(daemon: RunningDaemon, recordingIds: readonly string[]): Promise<number> {
  let count = 0
  for (const recordingId of recordingIds) {
    if ((await daemon.commandHere('verify', recordingId)).code !== 0) count += 1
  }
  return count
}
