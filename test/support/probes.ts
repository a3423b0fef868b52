import { readdir } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

import { MANIFEST_NAME } from '../../src/evidence/object-names.ts'
import type { LiveRecordingSession } from '../../src/server/http/status-report.ts'
import type { HealthVerdict } from '../../src/server/telemetry/health.ts'
import { eventually, type RunningDaemon } from './daemon.ts'
import { objectFolder } from './recorded.ts'

/** What `/readyz?verbose` says, with its HTTP status. */
export async function readiness(daemon: RunningDaemon): Promise<HealthVerdict & { readonly status: number }> {
  const response = await fetch(new URL('/readyz?verbose', daemon.metrics))
  return { ...((await response.json()) as HealthVerdict), status: response.status }
}

/** Sum of the samples of a metric whose line begins so: a name, or a name with its first labels. */
export async function metric(daemon: RunningDaemon, start: string): Promise<number> {
  const text = await (await fetch(daemon.metrics)).text()
  const lines = text.split('\n').filter((line) => line.startsWith(start))
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
}

export async function liveRecordingSessions(
  daemon: Pick<RunningDaemon, 'http'>,
): Promise<readonly LiveRecordingSession[]> {
  const response = await fetch(new URL('/api/v1/recording-sessions', daemon.http))
  return ((await response.json()) as { recordingSessions: LiveRecordingSession[] }).recordingSessions
}

/** Waits until so many recording sessions are live and have media or an ACK. */
export async function recordingsUnderWay(
  daemon: Pick<RunningDaemon, 'http'>,
  count: number,
): Promise<readonly string[]> {
  return eventually(`${count} live recording sessions`, async () => {
    const live = (await liveRecordingSessions(daemon)).filter(({ state }) => state === 'recording')
    return live.length === count ? live.map(({ recordingId }) => recordingId) : undefined
  })
}

/** Waits until no recording session is left: everything is stored, and all ports are free again. */
export async function allClosed(daemon: Pick<RunningDaemon, 'http'>): Promise<void> {
  await eventually('the end of all recording sessions', async () =>
    (await liveRecordingSessions(daemon)).length === 0 ? true : undefined,
  )
}

/** The recordings that have a manifest in the folder store. */
export async function storedRecordings({ dataDir }: Pick<RunningDaemon, 'dataDir'>): Promise<readonly string[]> {
  const names = await readdir(join(dataDir, 'recordings'), { recursive: true })
  return names.filter((name) => basename(name) === MANIFEST_NAME).map((name) => basename(dirname(name)))
}

/** Waits until a recording has so many chunks in the folder store; their names. */
export async function storedChunks(
  daemon: Pick<RunningDaemon, 'dataDir'>,
  recordingId: string,
  count: number,
): Promise<readonly string[]> {
  return eventually(`${count} chunks of ${recordingId}`, async () => {
    const names = await readdir(objectFolder(daemon, recordingId)).catch(() => [])
    const chunks = names.filter((name) => name.startsWith('chunk-'))
    return chunks.length >= count ? chunks.toSorted() : undefined
  })
}
