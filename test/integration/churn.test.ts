import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { eventually, makeDataDir, removeDataDir, startDaemon, type RunningDaemon } from '../support/daemon.ts'
import { resourcesOf, type Resources } from '../support/resources.ts'

/** Recording sessions after which everything that is made once has been made. */
const WARM_UP = 40
const SESSIONS = 300

let dataDir: string
let daemon: RunningDaemon

beforeEach(async () => {
  dataDir = await makeDataDir()
  daemon = await startDaemon(dataDir, { EARWITNESS_LOG_LEVEL: 'error' })
})

afterEach(async () => {
  await daemon.stop()
  await removeDataDir(dataDir)
})

/**
 * Opens and ends so many, each with half a second of RTP. Each that was accepted has to come to its end; a busy machine may refuse some, and those
 * must leave nothing behind either. `npm run bench:churn` does ten thousand.
 */
async function churn(count: number): Promise<void> {
  const { stdout } = await daemon.command(
    'simulate',
    ...['--to', `sip:127.0.0.1:${daemon.sipUdpPort}`, '--calls', String(count), '--cps', '30', '--duration', '500ms'],
    '--json',
  )
  const { answered, completed } = JSON.parse(stdout) as { answered: number; completed: number }
  expect(completed).toBe(answered)
  expect(answered).toBeGreaterThan(count / 2)
}

/** What is held once nothing is going on any more and no more than `limit` of it. */
async function rested(limit: Resources | undefined): Promise<Resources> {
  return eventually('the recorder gives back what it took', async () => {
    const held = await resourcesOf(daemon)
    if (held.rtpPorts > 0 || held.recordingSessions > 0) return undefined
    const isMore = limit !== undefined && (held.descriptors > limit.descriptors || held.threads > limit.threads)
    return isMore ? undefined : held
  })
}

describe('opening and ending recording sessions again and again', () => {
  it('leaves no descriptor, thread or port behind', async () => {
    await churn(WARM_UP)
    const before = await rested(undefined)
    await churn(SESSIONS)
    const after = await rested(before)
    expect(after.descriptors).toBeLessThanOrEqual(before.descriptors)
    expect(after.threads).toBeLessThanOrEqual(before.threads)
    expect(after.rtpPorts).toBe(0)
  })
})
