import { afterAll, beforeAll, expect, test } from 'vitest'

import { seededRandom } from '../../src/cli/simulate/random.ts'
import { crashAndRecover } from '../support/crash.ts'
import { makeDataDir, removeDataDir, startDaemon, type RunningDaemon } from '../support/daemon.ts'

/** `kill -9` at random instants under live recording sessions; `npm run crash-matrix` does it two hundred times. */
const SEED = process.env['EARWITNESS_TEST_SEED'] ?? String(Date.now())
const INSTANTS = 3
const SESSIONS = 4
const FIRST_MS = 1_300
const LAST_MS = 4_500
/** What a killed process may cost. */
const MISSING_MS_MAX = 1_000
/** Shorter than the wait: some instants have chunks before them, some none. */
const ENVIRONMENT = { EARWITNESS_RECORDING_CHUNK_SECONDS: '3' }

let dataDir: string
let daemon: RunningDaemon

beforeAll(async () => {
  dataDir = await makeDataDir()
  daemon = await startDaemon(dataDir, ENVIRONMENT)
})

afterAll(async () => {
  await daemon.stop()
  await removeDataDir(dataDir)
})

test(`a killed recorder loses a second at most, and nothing is there twice (seed ${SEED})`, async () => {
  const random = seededRandom(Number(SEED), 'instants')
  for (let instant = 0; instant < INSTANTS; instant += 1) {
    const killAfterMs = FIRST_MS + random() * (LAST_MS - FIRST_MS)
    const crash = await crashAndRecover(daemon, { sessions: SESSIONS, killAfterMs, environment: ENVIRONMENT })
    daemon = crash.daemon
    expect(crash.survivors).toHaveLength(SESSIONS)
    for (const { manifest, verified, missingMs, packets, expectedPackets } of crash.survivors) {
      expect(manifest.state).toBe('interrupted')
      expect(verified).toBe(0)
      // A machine that was busy with other things may have kept both sides waiting.
      expect(missingMs).toBeLessThanOrEqual(MISSING_MS_MAX + crash.stallMs + crash.waitedMs)
      expect(packets).toBeGreaterThanOrEqual(expectedPackets)
      expect(packets).toBeLessThanOrEqual(expectedPackets + 1)
    }
  }
})
