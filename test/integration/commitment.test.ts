import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'

import {
  closedRecordings,
  eventually,
  makeDataDir,
  removeDataDir,
  startDaemon,
  type RunningDaemon,
} from '../support/daemon.ts'
import { allClosed, liveRecordingSessions, metric } from '../support/probes.ts'
import { RawRecordingSession, RawSrc } from '../support/raw-src.ts'
import { manifestOf, shippedSpeech } from '../support/recorded.ts'

/** SRCs that never acknowledge our 200, and a recorder that dies before they could. The daemon gives up after 64*T1: 32 s. */
const NO_ACK = 'earwitness_recording_sessions_total{src="other",outcome="noAck"}'
const SECOND = 8_000

let dataDir: string
let daemon: RunningDaemon
let src: RawSrc

beforeAll(async () => {
  dataDir = await makeDataDir()
  daemon = await startDaemon(dataDir)
  src = await RawSrc.open(daemon.sipUdpPort)
})

afterAll(async () => {
  src.close()
  await daemon.stop()
  await removeDataDir(dataDir)
})

/** Every file of the store and of the journal of open recordings. */
async function files(): Promise<readonly string[]> {
  const folders = [join(dataDir, 'recordings'), join(dataDir, 'open')]
  const found = await Promise.all(
    folders.map(async (folder) => readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])),
  )
  // The ledger says that the node started, whatever came of it.
  const ofRecordings = found
    .flat()
    .filter(({ parentPath }) => !parentPath.startsWith(join(dataDir, 'recordings', 'ledger')))
  return ofRecordings.flatMap((entry) => (entry.isFile() ? [entry.name] : []))
}

async function listed(): Promise<number> {
  const { stdout } = await daemon.command('recordings', 'list', '--json')
  return (JSON.parse(stdout) as { recordings: unknown[] }).recordings.length
}

test('a recorder that is killed between its 200 and the ACK finds nothing to do at its next start', async () => {
  await RawRecordingSession.place(src, 2, { acknowledge: 'never' })
  expect(await liveRecordingSessions(daemon)).toMatchObject([{ state: 'answered' }])
  expect(await files()).toEqual([])
  await daemon.stop('SIGKILL')
  src.close()
  daemon = await startDaemon(dataDir)
  src = await RawSrc.open(daemon.sipUdpPort)
  expect(daemon.log()).not.toContain('interrupted')
  expect([await files(), await listed()]).toEqual([[], 0])
})

test('an SRC without ACK and without RTP leaves a count and a line in the log; one with RTP leaves a recording', async () => {
  const [caller] = await shippedSpeech()
  const ghost = await RawRecordingSession.place(src, 2, { acknowledge: 'never' })
  const speaker = await RawRecordingSession.place(src, 2, { acknowledge: 'never' })
  await speaker.speak(0, caller.subarray(0, 2 * SECOND))
  const recordingId = await eventually('the recording of the one that sends', async () => {
    const live = await liveRecordingSessions(daemon)
    return live.find(({ state }) => state === 'recording')?.recordingId
  })
  await eventually('the end of those without ACK', async () =>
    (await liveRecordingSessions(daemon)).length === 0 ? true : undefined,
  )
  await allClosed(daemon)
  ghost.fallSilent()
  speaker.fallSilent()
  expect(await closedRecordings(daemon, 1)).toMatchObject([{ recordingId, state: 'complete' }])
  expect(await listed()).toBe(1)
  expect(await manifestOf(daemon, recordingId)).toMatchObject({
    endCause: 'noAck',
    streams: [{ packets: { received: 100 } }, {}],
  })
  expect(await daemon.command('verify', recordingId)).toMatchObject({ code: 0 })
  expect((await files()).filter((name) => name === 'key.age')).toHaveLength(1)
  expect(await metric(daemon, NO_ACK)).toBe(2)
  expect(daemon.log()).toContain('INVITE came to nothing')
})
