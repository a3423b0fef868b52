/**
 * What storing costs: sealing, uploads to a real S3 server, and how long after it was spoken the audio of live recording sessions is in the bucket.
 *
 * `npm run bench:storage`, or with `-- --quick` (a minute or two), `--sessions 300 --seconds 45`, `--only sealing|throughput|lag`, `--json FILE`. The server
 * is Ceph's gateway with one OSD in memory, started for this on the same machine, so what it takes of the processors is missing elsewhere. Everything
 * stays on loopback. It measures, it judges nothing.
 */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'

import { sealToRecipients } from '../../src/evidence/age-seal.ts'
import { pooledRandomBytes } from '../../src/server/random-pool.ts'
import { S3Store } from '../../src/server/storage/s3/s3-store.ts'
import { UploadGate } from '../../src/server/storage/upload-gate.ts'
import { commandOptions } from '../support/command-options.ts'
import { vault } from '../support/recording-rig.ts'
import { claimPorts } from '../support/rtp-port-range.ts'
import { startCluster } from '../support/s3/cluster.ts'
import { s3Config } from '../support/s3/s3-config.ts'
import { makeBucket, s3Client, type S3Server } from '../support/s3/s3-server.ts'
import { startEarwitness } from './lib/earwitness-contestant.ts'
import { storedObjects, uploadLags } from './lib/stored-objects.ts'
import { FRAMES_PER_SECOND } from './lib/frames.ts'
import { buildSender, sendRtp, writeMaterial } from './lib/rtp-sender.ts'

/** As the recorder makes them: two streams of 24 kbit/s, and Ogg around them. */
const CHUNK_SECONDS = 15
const BYTES_PER_SECOND = 6_400
const CHUNK_BYTES = CHUNK_SECONDS * BYTES_PER_SECOND
const ROUNDS = 5
const PARALLEL = [1, 8, 32]
const PORTS_PER_SESSION = 4

const values = commandOptions('bench:storage', {
  sessions: { type: 'string' },
  seconds: { type: 'string' },
  only: { type: 'string', default: '' },
  quick: { type: 'boolean', default: false },
  json: { type: 'string' },
})
const sessions = Number(values.sessions ?? (values.quick ? 50 : 300))
const seconds = Number(values.seconds ?? (values.quick ? 20 : 45))
const isWanted = (name: string): boolean => name.includes(values.only)

const bench = await mkdtemp(join(tmpdir(), 'earwitness-bench-'))
const report = {
  takenAt: new Date().toISOString(),
  machine: {
    processors: cpus().length,
    model: cpus()[0]?.model,
    load: loadavg().map((load) => Math.round(load * 10) / 10),
  },
  sealing: isWanted('sealing') ? sealing() : [],
  throughput: [] as Awaited<ReturnType<typeof throughput>>[],
  lag: undefined as Awaited<ReturnType<typeof lag>> | undefined,
}
if (report.sealing.length > 0) console.table(report.sealing)
const cluster = isWanted('throughput') || isWanted('lag') ? await startCluster(join(bench, 's3')) : undefined
try {
  if (cluster !== undefined && isWanted('throughput')) {
    for (const parallel of PARALLEL) report.throughput.push(await throughput(cluster.server, parallel))
    console.table(report.throughput)
  }
  if (cluster !== undefined && isWanted('lag')) {
    report.lag = await lag(cluster.server)
    console.table([report.lag])
  }
  if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(report, undefined, 2)}\n`)
} finally {
  await cluster?.stop()
  await rm(bench, { recursive: true, force: true })
}

/** CPU milliseconds of sealing for a second of a recording session: its share of a chunk, and with the frames of the spool. The least of some rounds. */
function sealing(): readonly { readonly what: string; readonly cpuMsPerSessionSecond: number }[] {
  const chunkMs = sealMs(CHUNK_BYTES)
  const frameMs = sealMs(BYTES_PER_SECOND / FRAMES_PER_SECOND)
  return [
    { what: `chunk of ${CHUNK_SECONDS} s`, cpuMsPerSessionSecond: rounded(chunkMs / CHUNK_SECONDS) },
    {
      what: `${FRAMES_PER_SECOND.toFixed(1)} frames a second for the spool`,
      cpuMsPerSessionSecond: rounded(frameMs * FRAMES_PER_SECOND),
    },
  ]
}

function sealMs(bytes: number): number {
  const [clear, random] = [randomBytes(Math.round(bytes)), pooledRandomBytes()]
  const count = values.quick ? 200 : 1_000
  let least = Number.POSITIVE_INFINITY
  for (let round = 0; round < ROUNDS; round += 1) {
    const before = process.cpuUsage()
    for (let index = 0; index < count; index += 1) sealToRecipients(clear, [vault.recipient], random)
    const { user, system } = process.cpuUsage(before)
    least = Math.min(least, (user + system) / 1_000 / count)
  }
  return least
}

/** Chunks a second that the server takes through the gate, so many at once, each created under its condition and compared by digest. */
async function throughput(server: S3Server, parallel: number) {
  const bucket = await makeBucket(server)
  const store = new S3Store(s3Config(server, bucket, { uploadsMax: parallel }))
  await store.check()
  const gate = new UploadGate({ store, uploadsMax: parallel, bytesPerSecondMax: 0 })
  const chunk = randomBytes(CHUNK_BYTES)
  const count = values.quick ? 200 : 1_000
  const tookMs: number[] = []
  const [before, startMs] = [process.cpuUsage(), performance.now()]
  await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      await gate.put(`default/2026/11/29/${index}/chunk-000000.age`, chunk)
      tookMs.push(performance.now() - startMs)
    }),
  )
  const elapsedSeconds = (performance.now() - startMs) / 1_000
  const { user, system } = process.cpuUsage(before)
  store.close()
  return {
    parallel,
    chunks: count,
    chunksPerSecond: rounded(count / elapsedSeconds),
    mbPerSecond: rounded((count * CHUNK_BYTES) / elapsedSeconds / 1e6),
    cpuMsPerChunk: rounded((user + system) / 1_000 / count),
    /** At a chunk in fifteen seconds each. */
    sessionsCarried: Math.floor((count / elapsedSeconds) * CHUNK_SECONDS),
  }
}

/** How long after a chunk's first sample was spoken the server had it, over all chunks of sessions that were live together. */
async function lag(server: S3Server) {
  const bucket = await makeBucket(server)
  const ports = await claimPorts(PORTS_PER_SESSION * sessions)
  const { portMin: localPort } = await claimPorts(PORTS_PER_SESSION * sessions)
  const sender = await buildSender(bench)
  const material = await writeMaterial(bench, { pattern: 'turns', seconds })
  const recorder = await startEarwitness({
    name: 'earwitness',
    ports,
    environment: {
      EARWITNESS_RECORDING_CHUNK_SECONDS: String(CHUNK_SECONDS),
      EARWITNESS_STORAGE_KIND: 's3',
      EARWITNESS_STORAGE_S3_ENDPOINT: server.endpoint,
      EARWITNESS_STORAGE_S3_BUCKET: bucket,
      EARWITNESS_STORAGE_S3_ACCESS_KEY_ID: server.accessKeyId,
      EARWITNESS_STORAGE_S3_SECRET_ACCESS_KEY: server.secretAccessKey,
    },
  })
  try {
    const opened = await recorder.open(sessions, localPort)
    const { sent, lateUs, fromUnixMs } = await sendRtp(sender, material, { ports: opened, localPort })
    const lost = await recorder.countLost(sent)
    await recorder.endWithGaps?.()
    const client = s3Client(server)
    const recordings = await storedObjects(client, bucket)
    const lagsMs = uploadLags(recordings, fromUnixMs)
    client.destroy()
    const { running } = lagsMs
    const at = (share: number): number => rounded((running[Math.floor(running.length * share)] ?? Number.NaN) / 1_000)
    return {
      ...{
        sessions,
        seconds,
        chunks: running.length + lagsMs.last.length,
        packetsSent: sent,
        packetsLost: lost,
        senderLateMs: rounded(lateUs / 1_000),
      },
      ...{
        medianSeconds: at(0.5),
        of99In100Seconds: at(0.99),
        mostSeconds: rounded((running.at(-1) ?? Number.NaN) / 1_000),
        /** Of the last chunks: here all recording sessions end at the same instant. */
        lastMostSeconds: rounded((lagsMs.last.at(-1) ?? Number.NaN) / 1_000),
      },
      promisedSeconds: CHUNK_SECONDS + 5,
      // Packets that the machine had no time for, and recordings without a manifest: then it is about the machine, not about the store.
      verdict: lost === 0 && recordings.length === sessions ? 'counts' : 'OVERLOADED, does not count',
    }
  } finally {
    await recorder.close()
  }
}

function rounded(value: number): number {
  return Math.round(value * 1_000) / 1_000
}
