import { mkdir, readdir, readFile, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { openSealed } from '../../src/evidence/age-open.ts'
import type { ManifestBody } from '../../src/evidence/manifest.ts'
import { sha256Hex } from '../../src/evidence/sha256.ts'
import { readOggOpus } from '../../src/media/ogg-opus.ts'
import { eventually, makeDataDir, startDaemon, type DaemonEnvironment, type RunningDaemon } from './daemon.ts'
import { allClosed, recordingsUnderWay } from './probes.ts'
import { RawRecordingSession, RawSrc } from './raw-src.ts'
import { manifestOf, objectFolder, shippedSpeech } from './recorded.ts'

const PACKET_MS = 20
const SAMPLES_PER_MS = 48
const FRAME_SAMPLES = 960
/** Of one stream: longer than any instant at which a daemon is killed. */
const SPEECH_REPEATS = 4
const STALL_PROBE_MS = 10
/** Before the kill: what happens to the machine then decides how much is missing. Longer than the recorder waits after a stall until it goes on. */
const WATCHED_MS = 3_000

/** What became of one recording session whose recorder was killed. */
export interface Survivor {
  readonly recordingId: string
  readonly manifest: ManifestBody
  /** Audio that had been sent when the recorder was killed, of the stream that was furthest. */
  readonly sentMs: number
  /** What of it is not in the recording. */
  readonly missingMs: number
  /** Opus packets in the chunks, decrypted and read as one Ogg file with every page number in its place; undefined when that could not be. */
  readonly packets: number | undefined
  readonly expectedPackets: number
  /** Exit code of `verify`. */
  readonly verified: number
}

/** What became of a recording session of another recorder, that went on meanwhile. */
export interface Bystander {
  readonly manifest: ManifestBody
  readonly sentPackets: number
  /** Exit code of `verify`. */
  readonly verified: number
}

export interface Crash {
  readonly survivors: readonly Survivor[]
  readonly bystanders: readonly Bystander[]
  /** The daemon that took over. */
  readonly daemon: RunningDaemon
  /** In the seconds before, by how much this process was late at most: so much may be the machine's fault. */
  readonly stallMs: number
  /** In the seconds before, how long that thread of the daemon had to wait for a processor that had to wait longest. */
  readonly waitedMs: number
  /** The same from the first INVITE on until all was looked at: beyond some seconds this process was stopped, and nothing of it counts. */
  readonly stoppedMs: number
  /** From the start of the next daemon to its line `ready`, and until all that was left open had its manifest. */
  readonly readyMs: number
  readonly recoveredMs: number
}

export interface CrashOptions {
  readonly sessions: number
  readonly killAfterMs: number
  readonly environment: DaemonEnvironment
  /** It is taken away; absent, the daemon is killed. */
  readonly power?: Power
  /** Another recorder, with the same object store, and how many recording sessions it has at that time. */
  readonly fleet?: { readonly neighbour: RunningDaemon; readonly sessions: number }
}

/** Places recording sessions, kills the daemon in the middle of them, starts it again and looks at what it has made of them. */
export async function crashAndRecover(first: RunningDaemon, options: CrashOptions): Promise<Crash> {
  const { fleet } = options
  const stopped = watchStalls()
  const beside = fleet === undefined ? undefined : await speakingSessions(fleet.neighbour, fleet.sessions)
  const { sessions, silence } = await speakingSessions(first, options.sessions)
  const watchedMs = Math.min(WATCHED_MS, options.killAfterMs)
  await sleep(options.killAfterMs - watchedMs)
  const stall = watchStalls()
  let stallMs = 0
  const waitedBefore = await waitedMsByThread(first)
  await sleep(watchedMs)
  const waited = await waitedMsByThread(first)
  const sentMs = (): readonly number[] => sessions.map((session) => Math.max(...session.packetsSent) * PACKET_MS)
  let sent = sentMs()
  const { left, daemon, readyMs, recoveredMs } = await killAndRestart(first, {
    ...options,
    killed: async () => {
      stallMs = stall()
      // To cut the power takes some milliseconds.
      if (options.power !== undefined) sent = sentMs()
      await silence()
    },
  })
  const waitedMs = Math.max(0, ...Array.from(waited, ([thread, ms]) => ms - (waitedBefore.get(thread) ?? ms)))
  const bystanders = fleet === undefined || beside === undefined ? [] : await hangUpAndLook(fleet.neighbour, beside)
  const bySipCallId = new Map(sessions.map(({ sipCallId }, index) => [sha256Hex(sipCallId), sent[index] ?? 0]))
  const survivors: Survivor[] = []
  for (const recordingId of left) survivors.push(await lookAt(daemon, recordingId, bySipCallId))
  return { survivors, bystanders, daemon, stallMs, waitedMs, stoppedMs: stopped(), readyMs, recoveredMs }
}

/** What the power of a machine is, where that is a disk of a test. */
export interface Power {
  /** What was not synced is lost, and the disk takes nothing more. */
  cut(): Promise<void>
  /** Nothing of the machine runs any more: the disk is there again, as it was when the power went. */
  restore(): Promise<void>
}

/** Kills the daemon, or takes the power from it, and starts it again; resolves when all that was left open has its manifest. */
export async function killAndRestart(
  first: RunningDaemon,
  options: {
    readonly environment: DaemonEnvironment
    readonly power?: Power | undefined
    /** The recorder that takes over is killed as well, so long after it was ready; one more takes over from it. */
    readonly againAfterMs?: number | undefined
    /** Is called at that instant. */
    readonly killed: () => Promise<void> | void
  },
): Promise<Pick<Crash, 'daemon' | 'readyMs' | 'recoveredMs'> & { readonly left: readonly string[] }> {
  const { environment, power, againAfterMs, killed } = options
  await power?.cut()
  first.process.kill('SIGKILL')
  await killed()
  await first.ended
  await power?.restore()
  const open = join(first.dataDir, 'open')
  const left = (await readdir(open)).map((name) => name.replace('.jsonl', ''))
  const startedMs = performance.now()
  let daemon = await startDaemon(first.dataDir, environment)
  if (againAfterMs !== undefined) {
    await sleep(againAfterMs)
    await daemon.stop('SIGKILL')
    daemon = await startDaemon(first.dataDir, environment)
  }
  const readyMs = performance.now() - startedMs
  while ((await readdir(open)).length > 0) await sleep(50)
  return { left, daemon, readyMs, recoveredMs: performance.now() - startedMs }
}

/** A second recorder beside `first`, whose recordings go to the same object store. */
export async function startNeighbour(first: RunningDaemon, environment: DaemonEnvironment): Promise<RunningDaemon> {
  const dataDir = await makeDataDir()
  await mkdir(join(first.dataDir, 'recordings'), { recursive: true })
  await symlink(join(first.dataDir, 'recordings'), join(dataDir, 'recordings'))
  return startDaemon(dataDir, environment)
}

interface SpeakingSessions {
  readonly recordingIds: readonly string[]
  readonly sessions: readonly RawRecordingSession[]
  /** Nothing more is sent; resolves when nothing is under way any more. */
  readonly silence: () => Promise<void>
}

async function speakingSessions(daemon: RunningDaemon, count: number): Promise<SpeakingSessions> {
  const src = await RawSrc.open(daemon.sipUdpPort)
  const speech = (await shippedSpeech()).map((samples) => repeated(samples, SPEECH_REPEATS))
  const sessions: RawRecordingSession[] = []
  const spoken: Promise<unknown>[] = []
  while (sessions.length < count) {
    const session = await placed(src)
    sessions.push(session)
    spoken.push(...speech.map((samples, stream) => session.speak(stream, samples)))
  }
  const recordingIds = await recordingsUnderWay(daemon, count)
  const silence = async (): Promise<void> => {
    for (const session of sessions) session.fallSilent()
    await Promise.all(spoken)
    src.close()
  }
  return { recordingIds, sessions, silence }
}

/** A recorder that has much to do refuses an INVITE for now: a good SRC tries again. */
export async function placed(src: RawSrc): Promise<RawRecordingSession> {
  return eventually('an INVITE that is taken', async () => {
    try {
      return await RawRecordingSession.place(src)
    } catch (error) {
      if (error instanceof Error && error.message.includes(' 503 ')) return undefined
      throw error
    }
  })
}

async function hangUpAndLook(
  neighbour: RunningDaemon,
  { sessions, recordingIds, silence }: SpeakingSessions,
): Promise<readonly Bystander[]> {
  const sent = new Map<string, number>()
  for (const session of sessions) {
    session.fallSilent()
    sent.set(
      sha256Hex(session.sipCallId),
      session.packetsSent.reduce((sum, packets) => sum + packets, 0),
    )
    await session.send('BYE')
  }
  await silence()
  await allClosed(neighbour)
  return Promise.all(
    recordingIds.map(async (recordingId) => {
      const manifest = await manifestOf(neighbour, recordingId)
      const { code } = await neighbour.commandHere('verify', recordingId)
      return { manifest, sentPackets: sent.get(manifest.sipCallIdSha256) ?? 0, verified: code }
    }),
  )
}

async function lookAt(
  daemon: RunningDaemon,
  recordingId: string,
  sentMs: ReadonlyMap<string, number>,
): Promise<Survivor> {
  const manifest = await manifestOf(daemon, recordingId)
  const sent = sentMs.get(manifest.sipCallIdSha256) ?? 0
  // Without the vault key: that every chunk opens is seen below.
  const verified = await daemon.commandHere('verify', recordingId)
  return {
    ...{ recordingId, manifest, sentMs: sent, verified: verified.code },
    missingMs: sent - manifest.durationSamples / SAMPLES_PER_MS,
    packets: await packetsOf(daemon, manifest),
    // The encoder's delay is a part of the last packet.
    expectedPackets: Math.ceil(manifest.durationSamples / FRAME_SAMPLES),
  }
}

async function packetsOf(daemon: RunningDaemon, manifest: ManifestBody): Promise<number | undefined> {
  if (manifest.chunks.length === 0) return 0
  const parts = await openedObjects(daemon, manifest, manifest.chunks)
  const links = parts === undefined ? undefined : readOggOpus(Buffer.concat(parts))
  return links?.ok === true ? links.value.reduce((sum, { packets }) => sum + packets.length, 0) : undefined
}

/** What is in these objects of a recording; undefined when one does not open. */
export async function openedObjects(
  daemon: RunningDaemon,
  manifest: ManifestBody,
  objects: readonly { readonly name: string }[],
): Promise<readonly Uint8Array[] | undefined> {
  const folder = objectFolder(daemon, manifest.recordingId)
  const vault = await vaultIdentity(daemon)
  const key = await openSealed(await readFile(join(folder, manifest.wrappedKey.name)), [vault])
  if (!key.ok) return undefined
  const identity = identityIn(new TextDecoder().decode(key.value))
  const parts: Uint8Array[] = []
  for (const { name } of objects) {
    const opened = await openSealed(await readFile(join(folder, name)), [identity])
    if (!opened.ok) return undefined
    parts.push(opened.value)
  }
  return parts
}

/** What opens the keys of all recordings. */
export async function vaultIdentity(daemon: Pick<RunningDaemon, 'dataDir'>): Promise<string> {
  return identityIn(await readFile(join(daemon.dataDir, 'keys', 'vault.agekey'), 'utf8'))
}

/** Out of an age key file. */
export function identityIn(file: string): string {
  return file.split('\n').find((line) => line.startsWith('AGE-SECRET-KEY-')) ?? ''
}

function repeated(samples: Int16Array, times: number): Int16Array {
  const all = new Int16Array(samples.length * times)
  for (let time = 0; time < times; time += 1) all.set(samples, time * samples.length)
  return all
}

/** How long each thread of a process was ready to run and did not, so far. Linux has it in nanoseconds; where there is none, nothing is known. */
async function waitedMsByThread({ process: { pid } }: RunningDaemon): Promise<ReadonlyMap<string, number>> {
  const folder = `/proc/${pid}/task`
  const threads = await readdir(folder).catch(() => [])
  const waited = new Map<string, number>()
  for (const thread of threads) {
    const schedstat = await readFile(join(folder, thread, 'schedstat'), 'utf8').catch(() => '')
    waited.set(thread, Number(schedstat.split(' ')[1] ?? 0) / 1e6)
  }
  return waited
}

/** Gives, when called, by how much a timer of this process was late at most. */
export function watchStalls(): () => number {
  let last = performance.now()
  let worst = 0
  const look = (): void => {
    const now = performance.now()
    worst = Math.max(worst, now - last - STALL_PROBE_MS)
    last = now
  }
  const timer = setInterval(look, STALL_PROBE_MS)
  return () => {
    look()
    clearInterval(timer)
    return worst
  }
}
