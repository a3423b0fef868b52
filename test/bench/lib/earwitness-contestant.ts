import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

import { buildOffer } from '../../../src/cli/simulate/offer.ts'
import { parseSdp } from '../../../src/protocol/sdp/parse.ts'
import {
  makeDataDir,
  removeDataDir,
  startDaemon,
  type DaemonEnvironment,
  type RunningDaemon,
} from '../../support/daemon.ts'
import { RawSrc, tagOf } from '../../support/raw-src.ts'
import type { RtpPortRange } from '../../support/rtp-port-range.ts'
import type { Contestant } from './contestant.ts'
import { processTree } from './process-usage.ts'

/** Opened side by side. */
const OPENINGS = 8
const REPORT_MS = 1_500
/** A worker reports once a second, and later where there is no processor for it: a loss is believed once it has been the same for so many looks. */
const LOSS_LOOKS = 8
/** For all recordings to be closed. */
const CLOSE_MS = 60_000
/** Of a recording, as by default. */
export const CHUNK_SECONDS = 15

export interface EarwitnessOptions {
  readonly name: string
  readonly environment: DaemonEnvironment
  /** Where it receives. */
  readonly ports: RtpPortRange
  /** What the offer says behind `a=crypto:`. */
  readonly crypto?: string
  /** The processor core that it may use; every one when undefined. */
  readonly core?: number
}

/** The whole recorder as anybody runs it: SIP in, sealed chunks in a folder, its database beside it. */
export async function startEarwitness(options: EarwitnessOptions): Promise<Contestant> {
  const dataDir = await makeDataDir()
  const daemon = await startDaemon(dataDir, {
    EARWITNESS_LOG_LEVEL: 'error',
    EARWITNESS_RTP_PORT_MIN: String(options.ports.portMin),
    EARWITNESS_RTP_PORT_MAX: String(options.ports.portMax),
    EARWITNESS_RECORDING_CHUNK_SECONDS: String(CHUNK_SECONDS),
    EARWITNESS_LIMITS_RECORDING_SESSIONS_MAX: '2000',
    ...options.environment,
  })
  const src = await ready(daemon, options.core).catch(async (error: unknown) => {
    await daemon.stop()
    await removeDataDir(dataDir)
    throw error
  })
  const dialogs: Dialog[] = []
  return {
    name: options.name,
    pids: [daemon.process.pid ?? 0],
    open: async (sessions, localPort) => {
      const opened = await sideBySide(sessions, (session) => place(src, localPort + 4 * session, options.crypto))
      dialogs.push(...opened.map(({ dialog }) => dialog))
      return opened.flatMap(({ ports }) => ports)
    },
    countLost: (sent) => countLost(daemon, sent),
    endWithGaps: async () => {
      await sideBySide(dialogs.length, (index) => src.ask('BYE', { ...dialogs[index], sequenceNumber: 2 }))
      return countGaps(daemon, dialogs.length)
    },
    close: async () => {
      src.close()
      await daemon.stop()
      await removeDataDir(dataDir)
    },
  }
}

/** So many pieces of work, {@link OPENINGS} at a time; their results in order. */
async function sideBySide<T>(count: number, work: (index: number) => Promise<T>): Promise<readonly T[]> {
  const results: T[] = []
  let next = 0
  const some = async (): Promise<void> => {
    for (let index = next++; index < count; index = next++) results[index] = await work(index)
  }
  await Promise.all(Array.from({ length: OPENINGS }, some))
  return results
}

async function ready(daemon: RunningDaemon, core: number | undefined): Promise<RawSrc> {
  if (core !== undefined) for (const pid of await processTree(daemon.process.pid ?? 0)) await pin(pid, core)
  return RawSrc.open(daemon.sipUdpPort)
}

interface Dialog {
  readonly sipCallId: string
  readonly toTag: string
}

interface Placed {
  readonly dialog: Dialog
  /** Of the answer, a port for each stream. */
  readonly ports: readonly number[]
}

async function place(src: RawSrc, localPort: number, crypto: string | undefined): Promise<Placed> {
  const sipCallId = `${randomUUID()}@example.com`
  const body = buildOffer({
    address: '127.0.0.1',
    sdpSessionId: '1',
    sdpSessionVersion: 1,
    codec: 'PCMU',
    streams: [0, 1].map((index) => ({
      streamLabel: String(index + 1),
      port: localPort + 2 * index,
      direction: 'sendonly',
      crypto,
    })),
  })
  const answer = await src.ask('INVITE', { sipCallId, contentType: 'application/sdp', body })
  const sdp = parseSdp(answer.body)
  if (answer.status !== 200 || !sdp.ok) throw new Error(`the recorder answered ${answer.status} ${answer.reason}`)
  return { dialog: { sipCallId, toTag: tagOf(answer) }, ports: sdp.value.media.map(({ port }) => port) }
}

/** What did not come, or came and was not taken, or was called lost; of nothing lost it is sure at the second look. */
async function countLost(daemon: RunningDaemon, sent: number): Promise<number> {
  const look = async (): Promise<number> => {
    const [received, lost] = await Promise.all([
      metric(daemon, 'earwitness_rtp_packets_received_total'),
      metric(daemon, 'earwitness_rtp_packets_lost_total'),
    ])
    return Math.max(lost, sent - received)
  }
  return settled(look, LOSS_LOOKS)
}

/** The ledgers of the streams, once all recordings are closed; Infinity when not all of them come to an end. */
async function countGaps(daemon: RunningDaemon, sessions: number): Promise<number> {
  const until = performance.now() + CLOSE_MS
  while ((await metric(daemon, 'earwitness_recording_sessions_total')) < sessions) {
    if (performance.now() > until) return Infinity
    await sleep(REPORT_MS)
  }
  return settled(() => metric(daemon, 'earwitness_media_gap_seconds_total{cause="lost"}'))
}

/** Looks until nothing changes: twice the same, or so many times in a row as anything but 0. */
async function settled(look: () => Promise<number>, looks = 2): Promise<number> {
  let now = await look()
  for (let same = 1; same < (now === 0 ? 2 : looks);) {
    await sleep(REPORT_MS)
    const before = now
    now = await look()
    same = now === before ? same + 1 : 1
  }
  return now
}

/** All its series together. */
async function metric(daemon: RunningDaemon, name: string): Promise<number> {
  const text = await (await fetch(daemon.metrics)).text()
  return text
    .split('\n')
    .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0)
}

/** All threads of a process, those that run already included. */
async function pin(pid: number, core: number): Promise<void> {
  await promisify(execFile)('taskset', ['-a', '-p', '-c', String(core), String(pid)])
}
