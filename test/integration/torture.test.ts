import { createSocket, type Socket } from 'node:dgram'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { HeaderList } from '../../src/protocol/sip/header-list.ts'
import { parseMessage } from '../../src/protocol/sip/parse-message.ts'
import { firstListItem } from '../../src/protocol/sip/text.ts'
import { parseVia } from '../../src/protocol/sip/via.ts'
import { monotonicUs } from '../../src/server/monotonic.ts'
import { EmbeddedSignalling } from '../../src/server/signalling/embedded.ts'
import type { SignallingCounter } from '../../src/server/signalling/port.ts'
import { closedRecordings, makeDataDir, removeDataDir, startDaemon, type RunningDaemon } from '../support/daemon.ts'
import { manifestOf } from '../support/recorded.ts'
import { simulate } from '../support/simulated.ts'
import { bytesOf, parseResponse, request, SDP } from '../unit/protocol/sip/wire.ts'
import { readSipVectors, type SipVector, type Verdict } from '../vectors/sip/read-vectors.ts'
import { Inbox, TcpPeer } from './signalling-peer.ts'

const vectors = readSipVectors()
const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

/** Vectors without `rport` are answered at the port of their Via, so each is sent from there, at an address nobody else has. */
const SOURCE = `127.${77 + (process.pid % 100)}.${process.pid % 251}.1`

function viaPortOf(bytes: Uint8Array): number {
  const parsed = parseMessage(bytes)
  const line = parsed.ok ? parsed.value.headers.first('Via') : undefined
  const via = line === undefined ? undefined : parseVia(firstListItem(line).item)
  return via?.ok === true && !via.value.params.has('rport') ? (via.value.port ?? 5060) : 5060
}

/** A UDP source with one socket for each port that a Via names. */
class TortureSource {
  readonly inbox = new Inbox()
  readonly #sockets = new Map<number, Socket>()
  readonly #to: number

  constructor(to: number) {
    this.#to = to
  }

  async send(bytes: Uint8Array): Promise<void> {
    const port = viaPortOf(bytes)
    let socket = this.#sockets.get(port)
    if (socket === undefined) {
      socket = createSocket('udp4')
      socket.on('message', (message) => this.inbox.put(message.toString('latin1')))
      socket.bind(port, SOURCE)
      await once(socket, 'listening')
      this.#sockets.set(port, socket)
    }
    socket.send(bytes, this.#to, '127.0.0.1')
  }

  close(): void {
    for (const socket of this.#sockets.values()) socket.close()
  }
}

let probes = 0

/** An OPTIONS that is answered after whatever was sent before it by the same way. */
function probe(viaPort: number): { readonly text: string; readonly sipCallId: string } {
  const sipCallId = `probe-${++probes}`
  const via = `SIP/2.0/UDP probe.example.com:${viaPort};branch=z9hG4bK-${sipCallId}`
  return { sipCallId, text: request({ method: 'OPTIONS', via, sipCallId }) }
}

interface Seen {
  /** Final statuses that answer the message, not the probe. */
  readonly statuses: readonly number[]
  readonly answers: readonly string[]
  readonly closed: boolean
  readonly ms: number
}

/** Answers to the vector until that to the probe: what refusals before it are sent again for lack of an ACK is not its own. */
async function collect(inbox: Inbox, bytes: Uint8Array, sipCallId: string, started: number): Promise<Seen> {
  const parsed = parseMessage(bytes)
  const nameOf = (headers: HeaderList | undefined) => `${headers?.first('Call-ID')} ${headers?.first('CSeq')}`
  const own = nameOf(parsed.ok ? parsed.value.headers : undefined)
  const answers: string[] = []
  let firstMs: number | undefined
  for (;;) {
    const message = await inbox.next()
    if (message !== 'pong') firstMs ??= performance.now() - started
    const closed = message === 'closed'
    if (closed || message.includes(`Call-ID: ${sipCallId}\r\n`)) {
      const responses = answers.map((answer) => parseResponse(Buffer.from(answer, 'latin1')))
      const final = responses.filter(({ status, headers }) => status >= 200 && nameOf(headers) === own)
      return { statuses: final.map(({ status }) => status), answers, closed, ms: firstMs ?? 0 }
    }
    if (message !== 'pong') answers.push(message)
  }
}

async function overUdp(source: TortureSource, { bytes }: SipVector): Promise<Seen> {
  const { text, sipCallId } = probe(viaPortOf(bytes))
  const started = performance.now()
  await source.send(bytes)
  await source.send(bytesOf(text))
  return collect(source.inbox, bytes, sipCallId, started)
}

async function overTcp(port: number, { bytes, verdicts }: SipVector): Promise<Seen> {
  const peer = await TcpPeer.open({ address: '127.0.0.1', port })
  closers.push(() => peer.close())
  const { text, sipCallId } = probe(5060)
  const started = performance.now()
  await peer.write(bytes)
  if (verdicts.tcp.kind === 'waits') {
    // Its end never comes: only the peer's going does.
    peer.socket.end()
    return collect(peer.inbox, bytes, sipCallId, started)
  }
  if (!('closed' in verdicts.tcp) || !verdicts.tcp.closed) await peer.write(text)
  return collect(peer.inbox, bytes, sipCallId, started)
}

function expectVerdict(seen: Seen, verdict: Verdict, name: string): void {
  const wanted = verdict.kind === 'accepted' ? 200 : verdict.kind === 'refused' ? verdict.status : undefined
  expect(seen.statuses[0], name).toBe(wanted)
  if ('closed' in verdict && verdict.closed) expect(seen.closed, name).toBe(true)
}

/** Some vectors have the branch of another, and count as that one sent again. */
function isRetransmission({ bytes }: SipVector, transactions: Set<string>): boolean {
  const parsed = parseMessage(bytes)
  const headers = parsed.ok ? parsed.value.headers : undefined
  const via = firstListItem(headers?.first('Via') ?? '').item
  const key = `${via.slice(via.indexOf('/', 4))} ${headers?.first('CSeq')?.split(' ').at(-1)}`
  const isKnown = transactions.has(key)
  transactions.add(key)
  return isKnown
}

function printSlowest(what: string, times: ReadonlyMap<string, number>): void {
  const slowest = [...times].toSorted(([, left], [, right]) => right - left).slice(0, 3)
  console.log(`${what}, slowest: ${slowest.map(([name, ms]) => `${name} ${ms.toFixed(1)} ms`).join(', ')}`)
}

describe('the embedded stack', () => {
  const counters: SignallingCounter[] = []
  const warnings: object[] = []

  async function start() {
    const signalling = new EmbeddedSignalling({
      listen: [
        { transport: 'udp', address: '127.0.0.1', port: 0 },
        { transport: 'tcp', address: '127.0.0.1', port: 0 },
      ],
      log: { debug: () => {}, info: () => {}, warn: (fields) => void warnings.push(fields) },
      randomToken: () => randomBytes(12).toString('hex'),
      nowUs: monotonicUs,
    })
    const [udp, tcp] = await signalling.run({
      handleInvite: (offer) => offer.answer(bytesOf(SDP)),
      handleReinvite: (offer) => offer.answer(bytesOf(SDP)),
      handleConfirmed: () => {},
      handleEnded: () => {},
      optionsStatus: () => ({ status: 200 }),
      handleCounted: (counter) => void counters.push(counter),
    })
    closers.push(() => signalling.stop())
    if (udp === undefined || tcp === undefined) throw new Error('two addresses were asked for')
    return { udp, tcp }
  }

  test('gives every message its verdict over UDP, and answers the next request', async () => {
    const times = new Map<string, number>()
    for (const vector of vectors) {
      // Some vectors are retransmissions of each other: each gets a stack of its own.
      const { udp } = await start()
      const source = new TortureSource(udp.port)
      closers.push(() => source.close())
      counters.length = 0
      const seen = await overUdp(source, vector)
      expectVerdict(seen, vector.verdicts.udp, vector.name)
      const { udp: verdict } = vector.verdicts
      if (verdict.kind === 'dropped') {
        expect(counters, vector.name).toContainEqual(expect.objectContaining({ reason: verdict.reason }))
      }
      times.set(vector.name, seen.ms)
      for (const close of closers.splice(0).toReversed()) await close()
    }
    expect(warnings).toEqual([])
    printSlowest('UDP', times)
  })

  test('gives every message its verdict over TCP', async () => {
    const times = new Map<string, number>()
    for (const vector of vectors) {
      const { tcp } = await start()
      const seen = await overTcp(tcp.port, vector)
      expectVerdict(seen, vector.verdicts.tcp, vector.name)
      if (vector.tcpAlso !== undefined) {
        const [number, method, status] = vector.tcpAlso.split(' ')
        const also = seen.answers.filter((answer) => answer.includes(`CSeq: ${number} ${method}\r\n`))
        expect(also.some((answer) => answer.startsWith(`SIP/2.0 ${status} `))).toBe(true)
      }
      times.set(vector.name, seen.ms)
      for (const close of closers.splice(0).toReversed()) await close()
    }
    expect(warnings).toEqual([])
    printSlowest('TCP', times)
  })
})

describe('the daemon', () => {
  let dataDir: string
  let daemon: RunningDaemon

  beforeAll(async () => {
    dataDir = await makeDataDir()
    daemon = await startDaemon(dataDir)
  })
  afterAll(async () => {
    await daemon.stop()
    await removeDataDir(dataDir)
  })

  test('takes them all while it records, and the recording beside them loses nothing', async () => {
    const recording = simulate(daemon, '--calls', '1', '--duration', '12s', '--json')
    const times = new Map<string, number>()
    const transactions = new Set<string>()
    const source = new TortureSource(daemon.sipUdpPort)
    closers.push(() => source.close())
    let isOver = false
    void recording.finally(() => {
      isOver = true
    })
    for (let round = 0; round < 50 && !isOver; round++) {
      for (const vector of vectors) {
        const overTheWire = await overUdp(source, vector)
        const { udp } = vector.verdicts
        const wanted =
          vector.recorderStatus ?? (udp.kind === 'refused' ? udp.status : udp.kind === 'accepted' ? 200 : undefined)
        if (round === 0 && !isRetransmission(vector, transactions))
          expect(overTheWire.statuses[0], vector.name).toBe(wanted)
        times.set(vector.name, Math.max(times.get(vector.name) ?? 0, overTheWire.ms))
        if (round === 0) await overTcp(daemon.sipTcpPort, vector)
      }
    }
    const { code, stderr } = await recording
    expect(code, stderr).toBe(0)
    printSlowest('daemon', times)
    const [closed] = await closedRecordings(daemon, 1)
    const { streams } = await manifestOf(daemon, closed?.recordingId ?? '')
    expect(streams.map(({ packets }) => packets.lost)).toEqual([0, 0])
    expect(await daemon.command('verify', closed?.recordingId ?? '')).toMatchObject({ code: 0 })
  })
})
