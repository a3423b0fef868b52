import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import type { SimulationReport } from '../../src/cli/simulate/outcome.ts'
import type { ManifestBody, StreamEntry } from '../../src/evidence/manifest.ts'
import { serializeRtp } from '../../src/protocol/rtp/packet.ts'
import { parseRtcp, type ReceiverReport, type RtcpPacket } from '../../src/protocol/rtp/rtcp.ts'
import { serializeCname, serializeGoodbye, serializeSenderReport } from '../../src/protocol/rtp/rtcp-writer.ts'
import { srtpKeysOf } from '../../src/protocol/sdp/crypto-attribute.ts'
import { parseSdp } from '../../src/protocol/sdp/parse.ts'
import { SrtpReceiver } from '../../src/protocol/srtp/srtp-receiver.ts'
import { SrtpSender } from '../../src/protocol/srtp/srtp-sender.ts'
import { monotonicUs } from '../../src/server/monotonic.ts'
import {
  closedRecordings,
  eventually,
  makeDataDir,
  removeDataDir,
  startDaemon,
  type RunningDaemon,
} from '../support/daemon.ts'
import { freeUdpPortRange } from '../support/free-ports.ts'
import { metric } from '../support/probes.ts'
import { RawSrc } from '../support/raw-src.ts'
import { manifestOf } from '../support/recorded.ts'
import { cryptoLineOf, keysOf } from '../support/srtp.ts'

/**
 * RTCP on the wire: an SRC with three lines, one with a port for RTCP, one with `rtcp-mux`, one with SRTCP. Every fifth packet is lost; the recorder says so to each
 * of them, believes what they say, and nobody else.
 */
const LOOPBACK = '127.0.0.1'
const STRANGER = '127.0.0.2'
const LOST_EVERY = 5
const keys = keysOf('AES_CM_128_HMAC_SHA1_80', { seed: 3 })

interface Line {
  readonly rtp: Socket
  /** The same where both go by one port. */
  readonly rtcp: Socket
  readonly ssrc: number
  readonly heard: RtcpPacket[][]
  readonly sender?: SrtpSender
  receiver?: SrtpReceiver
  port: number
  rtcpPort: number
  /** Packets sent or lost. */
  count: number
}

let dataDir: string
let daemon: RunningDaemon
let lines: Line[]
let manifest: ManifestBody
let discarded: number

async function bound(port: number, address = LOOPBACK): Promise<Socket> {
  const socket = createSocket('udp4')
  socket.bind(port, address)
  await once(socket, 'listening')
  return socket
}

async function openLine(
  ssrc: number,
  options: { readonly isMuxed?: boolean; readonly isSecure?: boolean },
): Promise<Line> {
  const first = await freeUdpPortRange(2)
  const rtp = await bound(first)
  const rtcp = options.isMuxed === true ? rtp : await bound(first + 1)
  const line: Line = {
    ...{ rtp, rtcp, ssrc, heard: [], port: 0, rtcpPort: 0, count: 0 },
    ...(options.isSecure === true ? { sender: new SrtpSender(keys) } : {}),
  }
  rtcp.on('message', (datagram) => {
    const opened = line.receiver?.unprotectRtcp(datagram, monotonicUs())
    const parsed = parseRtcp(opened === undefined ? datagram : opened.ok ? opened.value : new Uint8Array(0))
    if (parsed.ok) line.heard.push([...parsed.value])
  })
  return line
}

function offerOf([plain, muxed, secure]: readonly Line[]): string {
  const media = (line: Line | undefined, protocol: string, ...attributes: readonly string[]): string[] => [
    `m=audio ${line?.rtp.address().port ?? 0} ${protocol} 0`,
    ...attributes,
    'a=sendonly',
  ]
  return [
    ...['v=0', `o=- 1 1 IN IP4 ${LOOPBACK}`, 's=-', `c=IN IP4 ${LOOPBACK}`, 't=0 0'],
    ...media(plain, 'RTP/AVP', 'a=label:1'),
    ...media(muxed, 'RTP/AVP', 'a=label:2', 'a=rtcp-mux'),
    ...media(secure, 'RTP/SAVP', 'a=label:3', `a=crypto:${cryptoLineOf(keys)}`),
    '',
  ].join('\r\n')
}

/** Learns from the answer where the recorder wants everything, and under which keys it speaks. */
function readAnswer(body: Uint8Array): void {
  const sdp = parseSdp(body)
  if (!sdp.ok) throw new Error('the answer cannot be read')
  for (const [index, { port, rtcpMux, crypto }] of sdp.value.media.entries()) {
    const line = lines[index]
    if (line === undefined) continue
    line.port = port
    expect(rtcpMux).toBe(line.rtp === line.rtcp)
    line.rtcpPort = rtcpMux ? port : port + 1
    const [own] = crypto.usable
    if (line.sender !== undefined && own !== undefined) line.receiver = new SrtpReceiver(srtpKeysOf(own))
  }
}

function sendPacket(line: Line): void {
  const { ssrc, count, sender } = line
  const payload = new Uint8Array(160).fill(0xff)
  const packet = serializeRtp({
    ...{ payloadType: 0, marker: false, ssrc, payload },
    ...{ sequenceNumber: 1_000 + count, timestamp: count * 160 },
  })
  // Protected all the same: the numbers of what is lost are spent.
  const sealed = sender?.protectRtp(packet) ?? packet
  if (count % LOST_EVERY !== LOST_EVERY - 1) line.rtp.send(sealed, line.port, LOOPBACK)
  line.count += 1
}

function sendReport(line: Line, ...more: readonly Uint8Array[]): void {
  const { ssrc, count, sender } = line
  const report = serializeSenderReport({
    ...{ type: 'senderReport', ssrc, ntpAtUnixMs: Date.now(), rtpTimestamp: count * 160, reports: [] },
    ...{ packetCount: count, octetCount: count * 160 },
  })
  const compound = Buffer.concat([report, serializeCname(ssrc, 'src@example.com'), ...more])
  line.rtcp.send(sender?.protectRtcp(compound) ?? compound, line.rtcpPort, LOOPBACK)
}

const reportsTo = (line: Line): ReceiverReport[] =>
  line.heard.flatMap((packets) =>
    packets.filter((packet): packet is ReceiverReport => packet.type === 'receiverReport'),
  )

async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  await eventually(what, async () => ((await isSo()) ? true : undefined))
}

beforeAll(async () => {
  dataDir = await makeDataDir()
  daemon = await startDaemon(dataDir)
  lines = [await openLine(101, {}), await openLine(102, { isMuxed: true }), await openLine(103, { isSecure: true })]
  const src = await RawSrc.open(daemon.sipUdpPort)
  const sipCallId = 'rtcp@example.com'
  const answer = await src.ask('INVITE', { sipCallId, contentType: 'application/sdp', body: offerOf(lines) })
  readAnswer(answer.body)
  const sending = setInterval(() => {
    for (const line of lines) {
      sendPacket(line)
      if (line.count === 10) sendReport(line)
    }
  }, 20)
  await until('a report to each line', () => lines.every((line) => reportsTo(line).length > 0))
  const stranger = await bound(0, STRANGER)
  stranger.send(serializeGoodbye([101]), lines[0]?.rtcpPort ?? 0, LOOPBACK)
  const ofStranger = 'earwitness_rtcp_discarded_total{reason="source"}'
  await until('RTCP of the stranger', async () => (await metric(daemon, ofStranger)) > 0)
  clearInterval(sending)
  discarded = await metric(daemon, ofStranger)
  for (const line of lines) sendReport(line, serializeGoodbye([line.ssrc]))
  const goodbyes = 'earwitness_rtcp_packets_received_total{type="goodbye"}'
  await until('the goodbyes', async () => (await metric(daemon, goodbyes)) >= lines.length)
  const toTag = answer.headers.first('To')?.split(';tag=')[1] ?? ''
  await src.ask('BYE', { sipCallId, toTag, sequenceNumber: 2 })
  await until('our goodbyes', () => lines.every((line) => line.heard.at(-1)?.at(-1)?.type === 'goodbye'))
  const [closed] = await closedRecordings(daemon, 1)
  manifest = await manifestOf(daemon, closed?.recordingId ?? '')
  src.close()
  stranger.close()
})

afterAll(async () => {
  for (const { rtp, rtcp } of lines) {
    rtp.close()
    if (rtcp !== rtp) rtcp.close()
  }
  await daemon.stop()
  await removeDataDir(dataDir)
})

describe.each([
  [0, 'with a port of its own'],
  [1, 'with rtcp-mux'],
  [2, 'as SRTCP, under our own keys'],
])('line %i: RTCP %s', (index) => {
  const line = (): Line => lines[index] as Line
  const stream = (): StreamEntry => manifest.streams[index] as StreamEntry

  test('tells the SRC how much of it is lost, quotes its report, and says goodbye', () => {
    const [first] = reportsTo(line())
    const [block] = first?.reports ?? []
    expect(block?.ssrc).toBe(line().ssrc)
    expect(block?.fractionLost).toBeGreaterThan(0.1)
    expect(block?.fractionLost).toBeLessThan(0.3)
    const last = reportsTo(line()).at(-1)?.reports[0]
    expect(last?.lastSenderReport).not.toBe(0)
    expect(last?.cumulativeLost).toBe(stream().packets.lost)
    expect(line().heard[0]?.map(({ type }) => type)).toContain('extendedReport')
  })

  test('is believed, and is in the manifest', () => {
    const { count } = line()
    const arrived = count - Math.floor(count / LOST_EVERY)
    expect(stream().packets.received).toBe(arrived)
    expect(stream().rtcp).toEqual({
      ...{ senderReports: 2, goodbyes: 1, discarded: index === 0 ? 1 : 0 },
      ...{ packetsSent: count, packetsArrived: arrived },
      ...{ octetsSent: expect.any(Number), octetsArrived: arrived * 160 },
      ...{ disagreements: expect.any(Number), refusals: 0, alignedSamples: expect.any(Number) },
      alignedBy: expect.any(String),
    })
    expect(stream().sources).toEqual({ kinds: ['sdp'], dropped: 0, moves: 0 })
  })
})

test('is what simulate reads of it, in clear and as SRTCP', async () => {
  const simulate = async (...options: readonly string[]): Promise<SimulationReport> => {
    const to = `sip:127.0.0.1:${daemon.sipUdpPort}`
    const habits = ['--duration', '6s', '--loss', '20%', '--seed', '7', '--rtcp']
    const { stdout } = await daemon.command('simulate', '--to', to, ...habits, ...options, '--json')
    return JSON.parse(stdout) as SimulationReport
  }
  const reports = await Promise.all([simulate(), simulate('--srtp', 'AES_CM_128_HMAC_SHA1_80')])
  for (const { completed, packets, heard } of reports) {
    expect(completed).toBe(1)
    expect(heard).toMatchObject({ unreadable: 0, roundTripMsMax: expect.any(Number) })
    // Its last one is of all that came; what never left at either end no sequence number tells of.
    expect(Math.abs((heard?.cumulativeLost ?? 0) - packets.lost)).toBeLessThan(20)
  }
})

test('of a stranger is dropped, counted, and cuts nobody short', () => {
  expect(discarded).toBe(1)
  expect(manifest.streams[0]?.rtcp?.goodbyes).toBe(1)
})

test('is told of by verify', async () => {
  const { stdout } = await daemon.command('verify', manifest.recordingId)
  expect(stdout).toMatch(/By its sender's own count \d+ of \d+ packets arrived\./)
})
