/**
 * `npm run outage-matrix:store -- --seconds 60 --cps 2`: the whole recorder under recording sessions of five seconds, with a real S3 server (Ceph, one OSD in memory), while that is
 * down, slow, failing, wants less, cuts uploads off, loses its answers, refuses the credentials, has no such bucket, or has another clock, each for so long. Beside those there are a few
 * long ones: from before the outage into its middle, from its middle to behind its end, and over all of it. Asked of each: did the recorder say so (readiness, the metric's outcome), did
 * every session end well, how much waited in memory and on disk, how much memory did it take, and after the outage, without a hand: is every recording in the bucket, complete, with no
 * audio lost, and does it verify. Exit 1 otherwise. `--only down --seconds 300`: one of them, for minutes.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { makeDataDir, removeDataDir, startDaemon } from '../support/daemon.ts'
import { metric, readiness } from '../support/probes.ts'
import { startCluster } from '../support/s3/cluster.ts'
import { FaultProxy, type Fault } from '../support/s3/fault-proxy.ts'
import { makeBucket, s3Client } from '../support/s3/s3-server.ts'
import { countUnverified, keepUp, outageOptions, sessionsOf, type OutageSeen } from './lib/outage-load.ts'
import { storedObjects } from './lib/stored-objects.ts'

const CHUNK_SECONDS = 5
const REQUEST_TIMEOUT_SECONDS = 5
/** More than the proxy's five minutes, and less than the fifteen of the server behind it, whose clock is right. */
const CLOCK_AHEAD_MS = 10 * 60 * 1_000
const SAMPLES_PER_MS = 48

const { load, only } = outageOptions('outage-matrix:store')
const sessions = sessionsOf(load)

/** What goes wrong, and as what the recorder is to tell it; undefined where nothing has to be told. */
const OUTAGES: readonly (readonly [name: string, fault: Fault | undefined, told: string | undefined])[] = [
  ['none', undefined, undefined],
  ['down', { kind: 'down' }, 'storage-unreachable'],
  ['slow', { kind: 'slow', delayMs: 2_000 }, undefined],
  ['too slow', { kind: 'slow', delayMs: 1_000 * (REQUEST_TIMEOUT_SECONDS + 2) }, 'storage-timeout'],
  ['500', { kind: 'answer', status: 500, code: 'InternalError' }, 'storage-failing'],
  ['503', { kind: 'answer', status: 503, code: 'ServiceUnavailable' }, 'storage-busy'],
  ['slow down', { kind: 'answer', status: 503, code: 'SlowDown' }, 'storage-busy'],
  ['uploads cut off', { kind: 'resetUpload' }, 'storage-unreachable'],
  ['answers lost', { kind: 'answerLost' }, 'storage-unreachable'],
  ['wrong credentials', { kind: 'answer', status: 403, code: 'InvalidAccessKeyId' }, 'storage-credentials'],
  ['bucket gone', { kind: 'answer', status: 404, code: 'NoSuchBucket' }, 'storage-bucket-missing'],
  ['clock off', { kind: 'clock', aheadMs: CLOCK_AHEAD_MS }, 'storage-clock-skew'],
]

interface Seen extends OutageSeen {
  readonly outage: string
  /** Readiness did not say that all is well, and uploads were counted under the outcome that is expected. */
  readonly wasTold: boolean
  readonly waitedInMemoryKb: number
  readonly waitedOnDiskKb: number
  /** Recordings in the bucket with a manifest, and those of them that are not complete. */
  readonly stored: number
  readonly incomplete: number
  /** Of all media streams, by their ledgers: what did not arrive, and what could not be kept. */
  readonly lostMs: number
  readonly unverified: number
}

const bench = await mkdtemp(join(tmpdir(), 'earwitness-bench-'))
const cluster = await startCluster(join(bench, 's3'))
if (cluster === undefined) throw new Error('the S3 server does not start')
const { server } = cluster
const bucket = await makeBucket(server)
const client = s3Client(server)
const proxy = await FaultProxy.start(server.endpoint)
const dataDir = await makeDataDir()
const daemon = await startDaemon(dataDir, {
  EARWITNESS_RECORDING_CHUNK_SECONDS: String(CHUNK_SECONDS),
  EARWITNESS_STORAGE_KIND: 's3',
  EARWITNESS_STORAGE_S3_REQUEST_TIMEOUT: `${REQUEST_TIMEOUT_SECONDS}s`,
  EARWITNESS_STORAGE_S3_ENDPOINT: proxy.endpoint,
  EARWITNESS_STORAGE_S3_BUCKET: bucket,
  EARWITNESS_STORAGE_S3_ACCESS_KEY_ID: server.accessKeyId,
  EARWITNESS_STORAGE_S3_SECRET_ACCESS_KEY: server.secretAccessKey,
})
const looked = new Set<string>()
try {
  const seen: Seen[] = []
  const asked = OUTAGES.filter(([name]) => only === undefined || name === only)
  for (const [name, fault, told] of asked) seen.push(await observe(name, fault, told))
  console.table(seen)
  const faults = seen.filter(
    ({ completed, wasTold, stored, incomplete, lostMs, unverified }) =>
      Math.min(completed, stored) < sessions || !wasTold || incomplete + lostMs + unverified > 0,
  )
  if (asked.length === 0 || faults.length > 0) process.exitCode = 1
} finally {
  await daemon.stop()
  client.destroy()
  await proxy.stop()
  await cluster.stop()
  await removeDataDir(dataDir)
  await rm(bench, { recursive: true, force: true })
}

async function observe(outage: string, fault: Fault | undefined, told: string | undefined): Promise<Seen> {
  const countedBefore = await uploadsEnded(told)
  let [wasUnready, memoryBytes, diskBytes] = [false, 0, 0]
  const seen = await keepUp(daemon, load, {
    name: outage,
    begin: async () => {
      proxy.fault = fault
      return async () => {
        proxy.fault = undefined
      }
    },
    look: async () => {
      const { checks } = await readiness(daemon)
      wasUnready ||= checks.some(({ name, ok }) => name === 'storage-writes' && !ok)
      memoryBytes = Math.max(memoryBytes, await metric(daemon, 'earwitness_upload_backlog_bytes'))
      diskBytes = Math.max(diskBytes, await metric(daemon, 'earwitness_spool_bytes'))
    },
    isRecovered: async () => {
      const waiting = await metric(daemon, 'earwitness_oldest_unuploaded_chunk_timestamp_seconds')
      const { checks } = await readiness(daemon)
      return waiting === 0 && checks.every(({ name, ok }) => name !== 'storage-writes' || ok)
    },
  })
  const isCounted = (await uploadsEnded(told)) > countedBefore
  return {
    ...{ outage, ...seen },
    // By another clock a request is refused once, and signed anew: nothing waits.
    wasTold: told === undefined || (isCounted && (wasUnready || told === 'storage-clock-skew')),
    ...{ waitedInMemoryKb: Math.round(memoryBytes / 1_024), waitedOnDiskKb: Math.round(diskBytes / 1_024) },
    ...(await lookAtStored()),
  }
}

/** Uploads that have ended so. */
async function uploadsEnded(outcome: string | undefined): Promise<number> {
  return outcome === undefined ? 0 : metric(daemon, `earwitness_chunk_upload_seconds_count{outcome="${outcome}"}`)
}

/** What has come into the bucket since the last time. */
async function lookAtStored(): Promise<Pick<Seen, 'stored' | 'incomplete' | 'lostMs' | 'unverified'>> {
  const fresh = (await storedObjects(client, bucket)).filter(({ manifest }) => !looked.has(manifest.recordingId))
  for (const { manifest } of fresh) looked.add(manifest.recordingId)
  const streams = fresh.flatMap(({ manifest }) => manifest.streams)
  const lostSamples = streams.reduce((sum, { ledger }) => sum + (ledger.gapSamples.lost ?? 0), 0)
  return {
    stored: fresh.length,
    incomplete: fresh.filter(({ manifest }) => manifest.state !== 'complete').length,
    lostMs: Math.round(lostSamples / SAMPLES_PER_MS),
    unverified: await countUnverified(
      daemon,
      fresh.map(({ manifest }) => manifest.recordingId),
    ),
  }
}
