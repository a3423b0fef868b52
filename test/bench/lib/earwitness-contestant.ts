import { execFile } from 'node:child_process'
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
import { RawSrc } from '../../support/raw-src.ts'
import type { RtpPortRange } from '../../support/rtp-port-range.ts'
import type { Contestant } from './contestant.ts'
import { processTree } from './process-usage.ts'

/** Opened side by side. */
const OPENINGS = 8
const REPORT_MS = 1_500

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
    EARWITNESS_RECORDING_CHUNK_SECONDS: '15',
    EARWITNESS_LIMITS_RECORDING_SESSIONS_MAX: '2000',
    ...options.environment,
  })
  const src = await ready(daemon, options.core).catch(async (error: unknown) => {
    await daemon.stop()
    await removeDataDir(dataDir)
    throw error
  })
  return {
    name: options.name,
    pids: [daemon.process.pid ?? 0],
    open: async (sessions, localPort) => {
      const ports: number[] = []
      let next = 0
      const openSome = async (): Promise<void> => {
        for (let session = next++; session < sessions; session = next++) {
          const [first = 0, second = 0] = await place(src, localPort + 4 * session, options.crypto)
          ports[2 * session] = first
          ports[2 * session + 1] = second
        }
      }
      await Promise.all(Array.from({ length: OPENINGS }, openSome))
      return ports
    },
    countLost: (sent) => countLost(daemon, sent),
    close: async () => {
      src.close()
      await daemon.stop()
      await removeDataDir(dataDir)
    },
  }
}

async function ready(daemon: RunningDaemon, core: number | undefined): Promise<RawSrc> {
  if (core !== undefined) for (const pid of await processTree(daemon.process.pid ?? 0)) await pin(pid, core)
  return RawSrc.open(daemon.sipUdpPort)
}

/** The ports of the answer. */
async function place(src: RawSrc, localPort: number, crypto: string | undefined): Promise<readonly number[]> {
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
  const answer = await src.ask('INVITE', { contentType: 'application/sdp', body })
  const sdp = parseSdp(answer.body)
  if (answer.status !== 200 || !sdp.ok) throw new Error(`the recorder answered ${answer.status} ${answer.reason}`)
  return sdp.value.media.map(({ port }) => port)
}

/** What did not come, or came and was not taken, or was called lost; a worker reports once a second, so it is asked until nothing changes. */
async function countLost(daemon: RunningDaemon, sent: number): Promise<number> {
  const look = async (): Promise<number> => {
    const [received, lost] = await Promise.all([
      metric(daemon, 'earwitness_rtp_packets_received_total'),
      metric(daemon, 'earwitness_rtp_packets_lost_total'),
    ])
    return Math.max(lost, sent - received)
  }
  let before = Infinity
  let now = await look()
  while (now !== before) {
    await sleep(REPORT_MS)
    before = now
    now = await look()
  }
  return now
}

async function metric(daemon: RunningDaemon, name: string): Promise<number> {
  const text = await (await fetch(daemon.metrics)).text()
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${name} `))
  return Number(line?.split(' ')[1] ?? 0)
}

/** All threads of a process, those that run already included. */
async function pin(pid: number, core: number): Promise<void> {
  await promisify(execFile)('taskset', ['-a', '-p', '-c', String(core), String(pid)])
}
