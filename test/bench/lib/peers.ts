/**
 * The programs with which the recorder is compared, each doing as much of its work as it can on the same audio. What they write is not encrypted,
 * signed, indexed or uploaded: that is not taken off from the recorder's cost.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { freeUdpPort } from '../../support/free-ports.ts'
import type { RtpPortRange } from '../../support/rtp-port-range.ts'
import type { Contestant } from './contestant.ts'
import { boundUdpPorts, udpDrops } from './process-usage.ts'

/** How long a program may take to have its sockets open. */
const START_MS = 60_000
/** FFmpeg ends only when its sockets have been silent for ten seconds. */
const STOP_MS = 30_000
const BITS_PER_SECOND = 16_000

/** The ports of a session: its first stream's and its second's. */
const portOf = (ports: RtpPortRange, session: number, stream: number): number =>
  ports.portMin + 4 * session + 2 * stream

/** FFmpeg: two inputs described by SDP, each to an Opus stream of one Ogg file. */
export function ffmpeg(complexity: number, ports: RtpPortRange): Contestant {
  return perSession(`FFmpeg, complexity ${complexity}`, ports, {
    command: 'ffmpeg',
    write: async (folder, session) => {
      for (const stream of [0, 1]) {
        await writeFile(join(folder, `${session}-${stream}.sdp`), sdpOf(portOf(ports, session, stream)))
      }
    },
    parameters: (folder, session) => [
      ...['-nostdin', '-loglevel', 'error'],
      ...[0, 1].flatMap((stream) => [
        ...['-protocol_whitelist', 'file,udp,rtp', '-i', join(folder, `${session}-${stream}.sdp`)],
      ]),
      ...['-map', '0:a', '-map', '1:a', '-c:a', 'libopus', '-b:a', String(BITS_PER_SECOND)],
      ...['-compression_level', String(complexity), '-y', join(folder, `${session}.ogg`)],
    ],
  })
}

/** GStreamer: two udpsrc, each through opusenc, into one oggmux. */
export function gstreamer(complexity: number, ports: RtpPortRange): Contestant {
  const caps = 'application/x-rtp,media=audio,clock-rate=8000,encoding-name=PCMU,payload=0'
  return perSession(`GStreamer, complexity ${complexity}`, ports, {
    command: 'gst-launch-1.0',
    write: async () => {},
    parameters: (folder, session) => [
      ...['-q', '-e'],
      ...[0, 1].flatMap((stream) => [
        ...[
          'udpsrc',
          `port=${portOf(ports, session, stream)}`,
          `caps=${caps}`,
          '!',
          'rtppcmudepay',
          '!',
          'mulawdec',
          '!',
        ],
        ...['opusenc', `bitrate=${BITS_PER_SECOND}`, `complexity=${complexity}`, '!', 'queue', '!', 'mux.'],
      ]),
      ...['oggmux', 'name=mux', '!', 'filesink', `location=${join(folder, `${session}.ogg`)}`],
    ],
  })
}

/** rtpengine, which passes the packets on and writes them to a pcap file as they came: no decoding, no encoding. */
export function rtpengineDump(range: RtpPortRange): Contestant {
  let folder = ''
  let ngPort = 0
  let child: ChildProcess | undefined
  const ports: number[] = []
  const pids: number[] = []
  const start = async (): Promise<void> => {
    folder = await mkdtemp(join(tmpdir(), 'earwitness-bench-'))
    ngPort = await freeUdpPort()
    child = spawn(
      'rtpengine',
      [
        ...['--foreground', '--table=-1', '--interface=127.0.0.1', `--listen-ng=127.0.0.1:${ngPort}`],
        ...[`--port-min=${range.portMin}`, `--port-max=${range.portMax}`, '--log-stderr', '--log-level=2'],
        ...[`--recording-dir=${folder}`, '--recording-method=pcap', '--recording-format=raw'],
      ],
      { stdio: 'ignore', cwd: folder },
    )
    pids.push(child.pid ?? 0)
    await listening([ngPort])
  }
  return {
    name: 'rtpengine, pcap only',
    pids,
    open: async (sessions, localPort) => {
      if (child === undefined) await start()
      const opened: number[] = []
      for (let session = 0; session < sessions; session += 1) {
        opened.push(...(await openDump(ngPort, ports.length + opened.length, localPort + 4 * session)))
      }
      ports.push(...opened)
      return opened
    },
    countLost: async () => {
      // Debian's 10.5 receives nothing any more from some 110 sessions on, whether it ends or hangs.
      if (child?.signalCode !== null || child.exitCode !== null) throw new Error('it ended by itself')
      return udpDrops(new Set(ports))
    },
    close: async () => {
      if (child !== undefined) await stopped(child)
      await rm(folder, { recursive: true, force: true })
    },
  }
}

interface PerSession {
  readonly command: string
  readonly write: (folder: string, session: number) => Promise<void>
  readonly parameters: (folder: string, session: number) => readonly string[]
}

/** A process for each session. */
function perSession(name: string, range: RtpPortRange, { command, write, parameters }: PerSession): Contestant {
  let folder = ''
  const children: ChildProcess[] = []
  const pids: number[] = []
  const ports: number[] = []
  return {
    name,
    pids,
    open: async (sessions) => {
      if (folder === '') folder = await mkdtemp(join(tmpdir(), 'earwitness-bench-'))
      const opened: number[] = []
      for (let session = children.length, end = session + sessions; session < end; session += 1) {
        await write(folder, session)
        const child = spawn(command, parameters(folder, session), { stdio: 'ignore', cwd: folder })
        children.push(child)
        pids.push(child.pid ?? 0)
        opened.push(portOf(range, session, 0), portOf(range, session, 1))
      }
      ports.push(...opened)
      // Those only: FFmpeg ends by itself when nothing is sent to it for ten seconds.
      await listening(opened.filter((_, index) => index % 2 === 0))
      return opened
    },
    countLost: async () => {
      const drops = await udpDrops(new Set(ports))
      await Promise.all(children.map(stopped))
      const files = (await readdir(folder)).filter((file) => file.endsWith('.ogg'))
      const sizes = await Promise.all(files.map(async (file) => (await stat(join(folder, file))).size))
      if (sizes.length < children.length || sizes.some((size) => size < 1_000)) return Infinity
      return drops
    },
    close: async () => {
      await Promise.all(children.map(stopped))
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Waits until sockets are bound to these ports. */
async function listening(ports: readonly number[]): Promise<void> {
  const until = performance.now() + START_MS
  for (let bound = await boundUdpPorts(); !ports.every((port) => bound.has(port)); bound = await boundUdpPorts()) {
    if (performance.now() > until) throw new Error('a program does not listen at its ports')
    await sleep(100)
  }
}

/** As Ctrl-C ends it, so that its file is complete; then for good. */
async function stopped(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
  const ended = once(child, 'exit')
  child.kill('SIGINT')
  const patience = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
  await ended
  clearTimeout(patience)
}

function sdpOf(port: number): string {
  const lines = ['v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 'c=IN IP4 127.0.0.1', 't=0 0', `m=audio ${port} RTP/AVP 0`]
  return [...lines, 'a=rtpmap:0 PCMU/8000', ''].join('\r\n')
}

/** Offer and answer between two invented parties; gives the ports to which each of them sends. */
async function openDump(ngPort: number, session: number, localPort: number): Promise<readonly number[]> {
  const call = { 'call-id': `bench-${session}`, 'from-tag': 'a' }
  const toCallee = await ask(ngPort, { command: 'offer', ...call, sdp: sdpOf(localPort), 'record call': 'yes' })
  const toCaller = await ask(ngPort, { command: 'answer', ...call, 'to-tag': 'b', sdp: sdpOf(localPort + 2) })
  const ports = [toCaller, toCallee].map((sdp) => Number(/m=audio (\d+) /u.exec(sdp)?.[1] ?? 0))
  if (ports.includes(0)) throw new Error('rtpengine gave no port')
  return ports
}

/** One question of rtpengine's control protocol: bencoded dictionaries over UDP. The answer as it came. */
async function ask(ngPort: number, question: Readonly<Record<string, string>>): Promise<string> {
  const socket = createSocket('udp4')
  const bencoded = (value: string): string => `${Buffer.byteLength(value)}:${value}`
  const entries = Object.entries(question).toSorted(([left], [right]) => (left < right ? -1 : 1))
  const answered = once(socket, 'message', { signal: AbortSignal.timeout(START_MS) }) as Promise<[Buffer]>
  socket.send(`1 d${entries.map(([key, value]) => bencoded(key) + bencoded(value)).join('')}e`, ngPort, '127.0.0.1')
  const [answer] = await answered
  socket.close()
  return answer.toString('latin1')
}
