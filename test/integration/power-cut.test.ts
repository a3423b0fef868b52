import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'

import { seededRandom } from '../../src/cli/simulate/random.ts'
import { crashAndRecover } from '../support/crash.ts'
import { closedRecordings, startDaemon, type RunningDaemon } from '../support/daemon.ts'
import { makePowerDisk, type PowerDisk } from '../support/power-cut.ts'
import { manifestOf } from '../support/recorded.ts'
import { simulatedRecording } from '../support/simulated.ts'

/** The power goes at a random instant under live recording sessions: everything that was not synced is lost, of spool, journal, objects, ledger and database. */
const SEED = process.env['EARWITNESS_TEST_SEED'] ?? String(Date.now())
const SESSIONS = 4
/** Longer than what may be lost: without its syncs the spool would have nothing. */
const FIRST_MS = 7_000
const LAST_MS = 9_000
/** What a power cut may cost. */
const MISSING_MS_MAX = 5_000
/** Nothing is in an object before: it is the spool alone that has the audio. */
const ENVIRONMENT = { EARWITNESS_RECORDING_CHUNK_SECONDS: '60' }

let disk: PowerDisk | string
let daemon: RunningDaemon | undefined

beforeAll(async () => {
  disk = await makePowerDisk()
  if (typeof disk !== 'string') daemon = await startDaemon(disk.dataDir, ENVIRONMENT)
})

afterAll(async () => {
  try {
    await daemon?.stop()
  } finally {
    if (typeof disk !== 'string') await disk.remove()
  }
})

test(`a power cut loses five seconds at most, and everything verifies (seed ${SEED})`, async ({ skip }) => {
  if (typeof disk === 'string') skip(`no disk of its own could be made: ${disk}`)
  if (typeof disk === 'string' || daemon === undefined) return
  const random = seededRandom(Number(SEED), 'power cuts')
  const finished = await simulatedRecording(daemon, '--duration', '1s')
  const crash = await crashAndRecover(daemon, {
    ...{ sessions: SESSIONS, environment: ENVIRONMENT, power: disk },
    killAfterMs: FIRST_MS + random() * (LAST_MS - FIRST_MS),
  })
  daemon = crash.daemon
  expect(crash.survivors).toHaveLength(SESSIONS)
  for (const { manifest, verified, missingMs, packets, expectedPackets } of crash.survivors) {
    expect(manifest.state).toBe('interrupted')
    expect(verified).toBe(0)
    expect(missingMs).toBeLessThanOrEqual(MISSING_MS_MAX + crash.stallMs + crash.waitedMs)
    expect(packets).toBeGreaterThanOrEqual(expectedPackets)
    expect(packets).toBeLessThanOrEqual(expectedPackets + 1)
  }
  // What was over before is what it was, and the database knows of everything.
  expect(await manifestOf(daemon, finished)).toMatchObject({ state: 'complete' })
  expect(await daemon.commandHere('verify', finished)).toMatchObject({ code: 0 })
  const closed = await closedRecordings(daemon, SESSIONS + 1)
  expect(closed.map(({ recordingId }) => recordingId)).toContain(finished)
  expect(await daemon.commandHere('ledger', 'verify')).toMatchObject({ code: 0 })
  expect(await readdir(join(disk.dataDir, 'open'))).toEqual([])
}, 300_000)
