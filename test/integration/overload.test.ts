import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'

import { ADMISSION_REASONS } from '../../src/server/admission.ts'
import { eventually, makeDataDir, removeDataDir, startDaemon, type RunningDaemon } from '../support/daemon.ts'
import { metric, readiness, recordingsUnderWay } from '../support/probes.ts'
import { manifestOf } from '../support/recorded.ts'
import { simulate } from '../support/simulated.ts'
import { runSipp } from '../support/sipp.ts'

const SCENARIO = fileURLToPath(new URL('../../sipp-scenarios/load/overload.xml', import.meta.url))
/** Far more than one worker opens on any machine, and for longer than bursts are evened out. */
const PER_SECOND = 500
const INVITES = 2_500

let dataDir = ''
let folder = ''
let daemon: RunningDaemon

beforeAll(async () => {
  dataDir = await makeDataDir()
  folder = await mkdtemp(join(tmpdir(), 'earwitness-overload-'))
  // The limits that a recorder has by default, which the other tests lift.
  daemon = await startDaemon(dataDir, {
    EARWITNESS_LOG_LEVEL: 'error',
    EARWITNESS_LIMITS_WORKER_BUSY_PERCENT: '85',
    EARWITNESS_LIMITS_EVENT_LOOP_LAG: '150ms',
    EARWITNESS_LIMITS_OPENING_WAIT: '80ms',
  })
})
afterAll(async () => {
  await daemon.stop()
  await removeDataDir(dataDir)
  await rm(folder, { recursive: true, force: true })
})

test('more INVITEs than can be opened: each gets a final answer, and who is being recorded loses no packet', async () => {
  const placed = simulate(daemon, '--duration', '12s')
  const [recordingId = ''] = await recordingsUnderWay(daemon, 1)
  await writeFile(join(folder, 'none.csv'), 'SEQUENTIAL\nnothing\n')
  let isRunning = true
  const flood = runSipp({
    scenario: SCENARIO,
    fields: join(folder, 'none.csv'),
    folder,
    target: { transport: 'udp', address: '127.0.0.1', port: daemon.sipUdpPort },
    pauseMs: 200,
    count: INVITES,
    perSecond: PER_SECOND,
    keepMessages: false,
    patienceMs: 90_000,
  }).finally(() => (isRunning = false))
  const failing = new Set<string>()
  while (isRunning) {
    const { checks } = await readiness(daemon)
    for (const { name, ok, weight } of checks) if (!ok && weight === 'required') failing.add(name)
  }

  const { errors, ...outcome } = await flood
  // The scenario accepts 200, or 503 with Retry-After.
  expect(outcome, errors).toMatchObject({ successful: INVITES, failed: 0 })
  const refused = await metric(daemon, 'earwitness_admission_refusals_total{')
  const answered = await metric(daemon, 'earwitness_sip_requests_total{method="INVITE",code="200"}')
  expect(refused).toBeGreaterThan(0)
  expect(answered + refused, 'one INVITE is that of the recording under way').toBe(INVITES + 1)
  expect(failing.size, '/readyz said so, too').toBeGreaterThan(0)
  expect(ADMISSION_REASONS).toEqual(expect.arrayContaining([...failing]))

  expect((await placed).code).toBe(0)
  const manifest = await eventually('the manifest', async () => manifestOf(daemon, recordingId).catch(() => undefined))
  expect(manifest.endCause).toBe('bye')
  for (const { packets } of manifest.streams) expect(packets).toMatchObject({ lost: 0, discarded: 0 })
  await eventually('ready again', async () => ((await readiness(daemon)).ready ? true : undefined))
  expect(await metric(daemon, 'earwitness_rtp_packets_lost_total')).toBe(0)
}, 180_000)
