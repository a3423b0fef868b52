import { writeFileSync } from 'node:fs'

import { seededRandom } from '../../../src/cli/simulate/random.ts'
import { ConsentCrashes, type ConsentCrash } from '../../support/consent-crash.ts'
import { makeDataDir, removeDataDir } from '../../support/daemon.ts'

/**
 * Kills a recorder again and again under calls whose parties agree, refuse, withdraw and are silent, on one data folder; prints each run, and at the end what there was of each
 * outcome. Gives whether all was right.
 */
export async function runConsentMatrix(options: {
  readonly seed: number
  readonly runs: number
  /** The first one: what went wrong in a run is tried again alone. */
  readonly from: number
  readonly calls: number
  readonly json: string | undefined
}): Promise<boolean> {
  const { seed, runs, from, calls, json } = options
  const dataDir = await makeDataDir()
  const crashes = await ConsentCrashes.start(dataDir)
  const done: ConsentCrash[] = []
  const save = (): void => {
    if (json !== undefined) writeFileSync(json, `${JSON.stringify({ seed, calls, from, runs: done }, undefined, 2)}\n`)
  }
  try {
    for (let number = from; number <= runs; number += 1) {
      const crash = await crashes.crash(seededRandom(seed, `consent ${number}`), calls)
      done.push(crash)
      save()
      print(number, crash)
    }
  } catch (error) {
    console.log(`run ${from + done.length} of seed ${seed} came to no end`)
    throw error
  } finally {
    await crashes.stop()
    await removeDataDir(dataDir)
  }
  const ended: Record<string, number> = {}
  for (const crash of done) {
    for (const [name, count] of Object.entries(crash.ended)) ended[name] = (ended[name] ?? 0) + count
  }
  const bad = done.flatMap(({ faults }, index) => (faults.length > 0 ? [from + index] : []))
  const killedTwice = done.filter(({ isKilledTwice }) => isKilledTwice).length
  const recordings = Object.values(ended).reduce((sum, count) => sum + count, 0)
  console.log(
    JSON.stringify({ seed, runs: done.length, killedTwice, recordings, ended, runsWithFaults: bad }, undefined, 2),
  )
  for (const run of bad) console.log(`again: --consent --seed ${seed} --from ${run} --runs ${run} --sessions ${calls}`)
  return bad.length === 0
}

function print(number: number, { moment, killedAfterMs, isKilledTwice, ended, faults }: ConsentCrash): void {
  const outcomes = Object.entries(ended).map(([name, count]) => `${count} ${name}`)
  const twice = isKilledTwice ? ', and once more while it recovered' : ''
  const figures = `killed after ${killedAfterMs.toFixed(0)} ms (${moment})${twice}; ${outcomes.join(', ')}`
  console.log(`run ${number}: ${[figures, ...faults].join('; ')}`)
}
