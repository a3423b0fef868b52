import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { openSealed } from '../../src/evidence/age-open.ts'
import type { ManifestBody } from '../../src/evidence/manifest.ts'
import { sha256Hex } from '../../src/evidence/sha256.ts'
import { readOggOpus } from '../../src/media/ogg-opus.ts'
import { startDaemon, type DaemonEnvironment, type RunningDaemon } from './daemon.ts'
import { recordingsUnderWay } from './probes.ts'
import { RawRecordingSession, RawSrc } from './raw-src.ts'
import { manifestOf, objectFolder, shippedSpeech } from './recorded.ts'

const PACKET_MS = 20
const SAMPLES_PER_MS = 48
const FRAME_SAMPLES = 960
/** Of one stream: longer than any instant at which a daemon is killed. */
const SPEECH_REPEATS = 4
const STALL_PROBE_MS = 10

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

export interface Crash {
  readonly survivors: readonly Survivor[]
  /** The daemon that took over. */
  readonly daemon: RunningDaemon
  /** By how much this process was late at most, in the second before: so much may be the machine's fault. */
  readonly stallMs: number
}

/** Places recording sessions, kills the daemon in the middle of them, starts it again and looks at what it has made of them. */
export async function crashAndRecover(
  first: RunningDaemon,
  options: { readonly sessions: number; readonly killAfterMs: number; readonly environment: DaemonEnvironment },
): Promise<Crash> {
  const src = await RawSrc.open(first.sipUdpPort)
  const speech = (await shippedSpeech()).map((samples) => repeated(samples, SPEECH_REPEATS))
  const sessions: RawRecordingSession[] = []
  for (let count = 0; count < options.sessions; count += 1) sessions.push(await RawRecordingSession.place(src))
  const spoken = sessions.flatMap((session) => speech.map((samples, stream) => session.speak(stream, samples)))
  await recordingsUnderWay(first, options.sessions)
  const stall = watchStalls()
  await sleep(options.killAfterMs)
  const sent = sessions.map((session) => Math.max(...session.packetsSent) * PACKET_MS)
  first.process.kill('SIGKILL')
  const stallMs = stall()
  await first.ended
  for (const session of sessions) session.fallSilent()
  await Promise.all(spoken)
  src.close()
  const left = (await readdir(join(first.dataDir, 'open'))).map((name) => name.replace('.jsonl', ''))
  const daemon = await startDaemon(first.dataDir, options.environment)
  while ((await readdir(join(first.dataDir, 'open'))).length > 0) await sleep(50)
  const bySipCallId = new Map(sessions.map(({ sipCallId }, index) => [sha256Hex(sipCallId), sent[index] ?? 0]))
  const survivors: Survivor[] = []
  for (const recordingId of left) survivors.push(await lookAt(daemon, recordingId, bySipCallId))
  return { survivors, daemon, stallMs }
}

async function lookAt(
  daemon: RunningDaemon,
  recordingId: string,
  sentMs: ReadonlyMap<string, number>,
): Promise<Survivor> {
  const manifest = await manifestOf(daemon, recordingId)
  const sent = sentMs.get(manifest.sipCallIdSha256) ?? 0
  const verified = await daemon.commandHere('verify', recordingId, '--identity', vaultFile(daemon))
  return {
    ...{ recordingId, manifest, sentMs: sent, verified: verified.code },
    missingMs: sent - manifest.durationSamples / SAMPLES_PER_MS,
    packets: await packetsOf(daemon, manifest),
    // The encoder's delay is a part of the last packet.
    expectedPackets: Math.ceil(manifest.durationSamples / FRAME_SAMPLES),
  }
}

async function packetsOf(daemon: RunningDaemon, manifest: ManifestBody): Promise<number | undefined> {
  const folder = objectFolder(daemon, manifest.recordingId)
  const vault = identityIn(await readFile(vaultFile(daemon), 'utf8'))
  const key = await openSealed(await readFile(join(folder, manifest.wrappedKey.name)), [vault])
  if (!key.ok) return undefined
  const identity = identityIn(new TextDecoder().decode(key.value))
  const parts: Uint8Array[] = []
  for (const { name } of manifest.chunks) {
    const opened = await openSealed(await readFile(join(folder, name)), [identity])
    if (!opened.ok) return undefined
    parts.push(opened.value)
  }
  const links = readOggOpus(Buffer.concat(parts))
  return links.ok ? links.value.reduce((sum, { packets }) => sum + packets.length, 0) : undefined
}

function vaultFile(daemon: RunningDaemon): string {
  return join(daemon.dataDir, 'keys', 'vault.agekey')
}

function identityIn(file: string): string {
  return file.split('\n').find((line) => line.startsWith('AGE-SECRET-KEY-')) ?? ''
}

function repeated(samples: Int16Array, times: number): Int16Array {
  const all = new Int16Array(samples.length * times)
  for (let time = 0; time < times; time += 1) all.set(samples, time * samples.length)
  return all
}

/** Gives, when called, by how much a timer of this process was late at most. */
function watchStalls(): () => number {
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
