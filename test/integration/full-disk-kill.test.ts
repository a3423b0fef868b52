import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'

import { afterAll, beforeAll, expect, test } from 'vitest'

import {
  closedRecordings,
  eventually,
  makeDataDir,
  removeDataDir,
  startDaemon,
  type RunningDaemon,
} from '../support/daemon.ts'
import { liveRecordingSessions, metric, recordingsUnderWay } from '../support/probes.ts'
import { RawRecordingSession, RawSrc } from '../support/raw-src.ts'
import { shippedSpeech } from '../support/recorded.ts'
import { fillDisk, mountSmallDisk, unmount } from '../support/small-disk.ts'

/** The disk of the data folder is full, the store is not, and the recorder is killed: what went to the store meanwhile is in the manifest. */
const CHUNKS = 3
const SPEECH_REPEATS = 30
const PAUSES = 30

let dataDir: string
let store: string
let whyNoSmallDisk: string | undefined
let daemon: RunningDaemon | undefined

beforeAll(async () => {
  dataDir = await makeDataDir()
  store = await mkdtemp(join(tmpdir(), 'earwitness-store-'))
  whyNoSmallDisk = await mountSmallDisk(dataDir, '320m')
})

afterAll(async () => {
  await daemon?.stop()
  await unmount(dataDir)
  await removeDataDir(dataDir)
  await rm(store, { recursive: true, force: true })
})

async function chunks(): Promise<readonly string[]> {
  const names = await readdir(store, { recursive: true })
  return names.map((name) => basename(name)).filter((name) => name.startsWith('chunk-'))
}

function repeated(samples: Int16Array): Int16Array {
  const all = new Int16Array(samples.length * SPEECH_REPEATS)
  for (let time = 0; time < SPEECH_REPEATS; time += 1) all.set(samples, time * samples.length)
  return all
}

/** Until the last block of its journal is full: that is room, too. */
async function pauseOften({ http }: Pick<RunningDaemon, 'http'>): Promise<void> {
  const [live] = await liveRecordingSessions({ http })
  for (let time = 0; time < PAUSES; time += 1) {
    for (const action of ['pause', 'resume'])
      await fetch(new URL(`/api/v1/recording-sessions/${live?.rsId ?? ''}/${action}`, http), { method: 'POST' })
  }
}

test('nothing that was stored while the disk was full is missing in the manifest', async ({ skip }) => {
  skip(whyNoSmallDisk !== undefined, `no small disk could be mounted: ${whyNoSmallDisk}`)
  const environment = {
    EARWITNESS_STORAGE_FOLDER_PATH: store,
    EARWITNESS_RECORDING_CHUNK_SECONDS: '300',
    EARWITNESS_SPOOL_MIN_FREE: '64MiB',
  }
  const ballast = join(dataDir, 'ballast')
  const first = await startDaemon(dataDir, environment)
  const src = await RawSrc.open(first.sipUdpPort)
  const session = await RawRecordingSession.place(src)
  const spoken = (await shippedSpeech()).map((samples, stream) => session.speak(stream, repeated(samples)))
  const [recordingId = ''] = await recordingsUnderWay(first, 1)
  await fillDisk(ballast)
  const killed = new AbortController()
  // Whatever else is freed, somebody fills.
  const filling = (async () => {
    while (!killed.signal.aborted) await fillDisk(ballast)
  })()
  await pauseOften(first)
  const before = (await chunks()).length
  await eventually('chunks that go up early', async () =>
    (await chunks()).length >= before + CHUNKS ? true : undefined,
  )
  expect(await metric(first, 'earwitness_journal_reserve_bytes')).toBeGreaterThan(0)
  await first.stop('SIGKILL')
  killed.abort()
  await filling
  session.fallSilent()
  await Promise.all(spoken)
  src.close()
  await rm(ballast)
  daemon = await startDaemon(dataDir, environment)
  await closedRecordings(daemon, 1)
  const { code, stdout } = await daemon.commandHere('verify', recordingId, '--json')
  expect({ code, findings: (JSON.parse(stdout) as { findings: unknown }).findings }).toEqual({ code: 0, findings: [] })
})
