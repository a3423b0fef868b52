import { afterAll, beforeAll, expect, test } from 'vitest'

import { seededRandom } from '../../src/cli/simulate/random.ts'
import { ConsentCrashes } from '../support/consent-crash.ts'
import { makeDataDir, removeDataDir } from '../support/daemon.ts'

/** One kill under calls of every outcome; `npm run crash-matrix -- --consent` does it as often as is asked for. */
const SEED = process.env['EARWITNESS_TEST_SEED'] ?? String(Date.now())
const CALLS = 7

let dataDir: string
let crashes: ConsentCrashes

beforeAll(async () => {
  dataDir = await makeDataDir()
  crashes = await ConsentCrashes.start(dataDir)
})

afterAll(async () => {
  await crashes.stop()
  await removeDataDir(dataDir)
})

test(`a killed recorder lets nobody hear what nobody agreed to, brings no key back, and loses no word about consent (seed ${SEED})`, async () => {
  const crash = await crashes.crash(seededRandom(Number(SEED), 'consent 1'), CALLS)
  expect(crash).toMatchObject({ faults: [] })
  expect(Object.values(crash.ended).reduce((sum, count) => sum + count, 0)).toBeGreaterThan(0)
})
