import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import {
  closedRecordings,
  eventually,
  makeDataDir,
  removeDataDir,
  startDaemon,
  type RunningDaemon,
} from '../support/daemon.ts'
import { startKamailio, type RunningKamailio } from '../support/kamailio.ts'
import { allClosed, liveRecordingSessions, metric } from '../support/probes.ts'
import { shippedSpeech } from '../support/recorded.ts'
import { runScenario } from '../support/sipp-scenario.ts'

const SAMPLES_PER_SECOND = 8_000

/** The configuration of config/kamailio, in front of two recorders. */
describe('Kamailio in front of two recorders', () => {
  let folder: string
  let dataDirs: readonly string[]
  let recorders: readonly RunningDaemon[]
  let kamailio: RunningKamailio

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'earwitness-kamailio-test-'))
    dataDirs = [await makeDataDir(), await makeDataDir()]
    recorders = await Promise.all(
      dataDirs.map(async (dataDir, index) =>
        startDaemon(dataDir, {
          EARWITNESS_RTP_PORT_MIN: String(40_000 + 200 * index),
          EARWITNESS_RTP_PORT_MAX: String(40_199 + 200 * index),
          EARWITNESS_DRAIN_TIMEOUT: '60s',
        }),
      ),
    )
    kamailio = await startKamailio(recorders.map(({ sipTcpPort }) => sipTcpPort))
    await Promise.all(recorders.map(async (recorder) => hasBeenAsked(recorder, '200')))
  })

  afterAll(async () => {
    await kamailio.stop()
    for (const recorder of recorders) await recorder.stop()
    for (const dataDir of dataDirs) await removeDataDir(dataDir)
    await rm(folder, { recursive: true, force: true })
  })

  /** Recording sessions of SIPp through Kamailio, one a second. */
  async function play(count: number, transport: 'udp' | 'tcp', speechSeconds = 2): Promise<void> {
    const speech = await shippedSpeech()
    const { sipp } = await runScenario({
      scenario: 'hold-resume',
      target: { transport, address: '127.0.0.1', port: kamailio.port },
      speech: speech.map((samples) => samples.subarray(0, speechSeconds * SAMPLES_PER_SECOND)),
      seed: 1,
      count,
      folder: await mkdtemp(join(folder, 'run-')),
    })
    expect(sipp.exitCode === 0 ? '' : sipp.errors + kamailio.log()).toBe('')
    expect(sipp.successful).toBe(count)
  }

  async function recordedBy(recorder: RunningDaemon): Promise<number> {
    await allClosed(recorder)
    const closed = await closedRecordings(recorder, 0)
    for (const { recordingId } of closed) {
      expect(await recorder.command('verify', recordingId)).toMatchObject({ code: 0 })
    }
    return closed.length
  }

  test('each gets its share, and keeps what it has: INVITE, re-INVITEs and BYE', async () => {
    await Promise.all([play(2, 'udp'), play(2, 'tcp')])
    expect(await Promise.all(recorders.map(recordedBy))).toEqual([2, 2])
  })

  test('one that is draining finishes what it has, and gets nothing new', async () => {
    const [first, second] = recorders
    if (first === undefined || second === undefined) throw new Error('two recorders were started')
    const underWay = play(2, 'tcp', 10)
    await eventually('a recording session on each recorder', async () =>
      (await Promise.all(recorders.map(liveRecordingSessions))).every(({ length }) => length === 1) ? true : undefined,
    )
    first.process.kill('SIGTERM')
    await hasBeenAsked(first, '503')
    const fresh = play(2, 'udp')
    await eventually('the new ones on the other recorder', async () =>
      (await liveRecordingSessions(second)).length === 3 ? true : undefined,
    )
    // It was not even tried.
    expect(await invites(first, '503')).toBe(0)
    await Promise.all([fresh, underWay])
    expect(await first.ended).toBe(0)
    expect(await recordedBy(second)).toBe(5)
  })
})

/** Waits until the dispatcher's OPTIONS was answered so. */
async function hasBeenAsked(recorder: RunningDaemon, code: string): Promise<void> {
  await eventually(`OPTIONS answered ${code}`, async () =>
    (await metric(recorder, `earwitness_sip_requests_total{method="OPTIONS",code="${code}"`)) > 0 ? true : undefined,
  )
}

async function invites(recorder: RunningDaemon, code: string): Promise<number> {
  return metric(recorder, `earwitness_sip_requests_total{method="INVITE",code="${code}"`)
}
