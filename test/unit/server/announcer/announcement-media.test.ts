import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { afterEach, expect, it, vi } from 'vitest'

import { parseRtp, serializeRtp } from '../../../../src/protocol/rtp/packet.ts'
import { parseRtcp } from '../../../../src/protocol/rtp/rtcp.ts'
import { serializeReceiverReport } from '../../../../src/protocol/rtp/rtcp-writer.ts'
import type { ConversationLine } from '../../../../src/protocol/sdp/conversation-line.ts'
import type { PromptCodec } from '../../../../src/media/prompt-audio.ts'
import {
  AnnouncementMedia,
  LEAD_IN_TICKS,
  SEND_ERRORS_MAX,
  type PacketDiscard,
} from '../../../../src/server/announcer/announcement-media.ts'

const sockets: Socket[] = []
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.close()
})

async function socketAt(address: string): Promise<Socket> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
  socket.bind(0, address)
  await once(socket, 'listening')
  sockets.push(socket)
  return socket
}

async function mediaTowards(peer: Socket, symmetricWith: string | undefined, bindAddress = '127.0.0.1') {
  const [rtp, rtcp] = [await socketAt(bindAddress), await socketAt(bindAddress)]
  const line: ConversationLine<PromptCodec> = {
    ...{ index: 0, codec: 'PCMU', payloadType: 0, events: undefined, crypto: undefined, address: '127.0.0.1' },
    ...{ port: peer.address().port, rtcpPort: peer.address().port, isMuxed: true, isListening: true },
  }
  const discarded: PacketDiscard[] = []
  const finished: number[] = []
  const unsent: string[] = []
  const closed: true[] = []
  const reported = { count: 0 }
  const media: AnnouncementMedia = new AnnouncementMedia({
    ...{ line, symmetricWith, protection: undefined, cname: 'c', isIpv6: bindAddress === '::' },
    sockets: { port: rtp.address().port, rtp, rtcp, close: () => void closed.push(true) },
    start: { ssrc: 1, sequenceNumber: 7, timestamp: 9 },
    pressed: () => {},
    finished: () => void finished.push(media.playedMs),
    discarded: (reason) => void discarded.push(reason),
    reported: () => {
      reported.count += 1
    },
    unsent: () => void unsent.push('packet'),
    broken: () => void unsent.push('broken'),
    nowUs: () => 0,
    nowUnixMs: () => 0,
  })
  return { media, line, discarded, finished, unsent, closed, reported, rtcp, port: rtp.address().port }
}

const audio = (payloadType = 0) =>
  serializeRtp({
    payloadType,
    marker: false,
    sequenceNumber: 1,
    timestamp: 1,
    ssrc: 2,
    payload: new Uint8Array(160).fill(0xff),
  })

async function nextPacket(socket: Socket) {
  const [datagram] = (await once(socket, 'message')) as [Uint8Array]
  const packet = parseRtp(datagram)
  return packet.ok ? packet.value : packet.reason
}

it('sends after the lead-in to where the SDP says, wherever audio comes from', async () => {
  const [peer, other] = [await socketAt('127.0.0.1'), await socketAt('127.0.0.1')]
  const { media, finished, port } = await mediaTowards(peer, undefined)
  other.send(audio(), port, '127.0.0.1')
  await once(sockets[2]!, 'message')
  media.play([Uint8Array.of(1), Uint8Array.of(2)])
  for (let tick = 0; tick < LEAD_IN_TICKS; tick += 1) media.tick()
  const first = nextPacket(peer)
  media.tick()
  expect(await first).toMatchObject({ sequenceNumber: 7, timestamp: 9 + 160 * LEAD_IN_TICKS, marker: true })
  media.tick()
  media.tick()
  expect([finished, media.lastRange]).toEqual([
    [40],
    { firstSequence: 7, lastSequence: 8, endUs: 0, destination: 1, startSequence: 7 },
  ])
})

it('sends to where audio comes from, where that is wanted, and counts what is of no use', async () => {
  const [peer, natted, stranger] = [
    await socketAt('127.0.0.1'),
    await socketAt('127.0.0.2'),
    await socketAt('127.0.0.3'),
  ]
  const { media, discarded, port } = await mediaTowards(peer, '127.0.0.2')
  const ours = sockets[3]!
  for (const [socket, packet] of [
    [stranger, audio()],
    [natted, Uint8Array.of(1)],
    [natted, audio(99)],
    [natted, audio()],
  ] as const) {
    const came = once(ours, 'message')
    socket.send(packet, port, '127.0.0.1')
    await came
  }
  expect(discarded).toEqual(['source', 'rtp', 'payloadType'])
  media.play([Uint8Array.of(1)])
  const first = nextPacket(natted)
  for (let tick = 0; tick <= LEAD_IN_TICKS; tick += 1) media.tick()
  expect(await first).toMatchObject({ sequenceNumber: 7 })
})

it('follows whoever sends audio last, also after another offer', async () => {
  const [former, present] = [await socketAt('127.0.0.1'), await socketAt('127.0.0.1')]
  const { media, line, port } = await mediaTowards(former, '127.0.0.1')
  const ours = sockets[2]!
  media.setLine({ ...line, port: present.address().port })
  // A late packet from the former port, then the first from the new one.
  for (const socket of [former, present]) {
    const came = once(ours, 'message')
    socket.send(audio(), port, '127.0.0.1')
    await came
  }
  const first = nextPacket(present)
  media.play([Uint8Array.of(1)])
  for (let tick = 0; tick <= LEAD_IN_TICKS; tick += 1) media.tick()
  expect(await first).toMatchObject({ sequenceNumber: 7 })
})

it.each([
  ['another offer', undefined, 2, undefined],
  ['an offer that only refreshes the session', undefined, 1, 1],
  ['audio from another port', '127.0.0.1', 2, undefined],
])(
  'knows where a prompt went when there was %s in the middle of it',
  async (what, symmetricWith, places, destination) => {
    const [former, present] = [await socketAt('127.0.0.1'), await socketAt('127.0.0.1')]
    const { media, line, port } = await mediaTowards(former, symmetricWith)
    media.play([Uint8Array.of(1), Uint8Array.of(2)])
    for (let tick = 0; tick <= LEAD_IN_TICKS; tick += 1) media.tick()
    if (what === 'another offer') media.setLine({ ...line, port: present.address().port })
    else if (symmetricWith === undefined) media.setLine({ ...line, isListening: true })
    else {
      const came = once(sockets[2]!, 'message')
      present.send(audio(), port, '127.0.0.1')
      await came
    }
    media.tick()
    expect(media.lastRange).toEqual({ firstSequence: 7, lastSequence: 8, endUs: 0, destination, startSequence: 7 })
    media.play([Uint8Array.of(1)])
    for (let tick = 0; tick <= LEAD_IN_TICKS; tick += 1) media.tick()
    expect(media.lastRange).toMatchObject({ firstSequence: 9, destination: places, startSequence: 7 })
  },
)

it('sends where audio came from also after an offer that only refreshes the session', async () => {
  const [named, natted] = [await socketAt('127.0.0.1'), await socketAt('127.0.0.1')]
  const { media, line, port } = await mediaTowards(named, '127.0.0.1')
  const came = once(sockets[2]!, 'message')
  natted.send(audio(), port, '127.0.0.1')
  await came
  media.setLine({ ...line })
  const first = nextPacket(natted)
  media.play([Uint8Array.of(1)])
  for (let tick = 0; tick <= LEAD_IN_TICKS; tick += 1) media.tick()
  expect(await first).toMatchObject({ sequenceNumber: 7 })
})

it('tells that the system refuses its packets, and that nothing is heard of them', async () => {
  const { media, line, unsent } = await mediaTowards(await socketAt('127.0.0.1'), undefined)
  // No route from an IPv4 socket to there.
  media.setLine({ ...line, address: '2001:db8:0:0:0:0:0:1' })
  media.play(Array.from({ length: SEND_ERRORS_MAX + 1 }, () => Uint8Array.of(1)))
  for (let tick = 0; tick < LEAD_IN_TICKS + SEND_ERRORS_MAX + 1; tick += 1) media.tick()
  await vi.waitFor(() => expect(unsent).toHaveLength(SEND_ERRORS_MAX + 2), 30_000)
  expect(unsent.filter((each) => each === 'broken')).toHaveLength(1)
  expect(media.playedMs).toBe(0)
  media.setLine(line)
  media.play([Uint8Array.of(1)])
  for (let tick = 0; tick <= LEAD_IN_TICKS; tick += 1) media.tick()
  expect(media.playedMs, 'of the next prompt').toBe(20)
})

it('is not broken by packets that are refused now and then', async () => {
  const peer = await socketAt('127.0.0.1')
  const { media, line, unsent } = await mediaTowards(peer, undefined)
  media.play(Array.from({ length: 2 * SEND_ERRORS_MAX }, () => Uint8Array.of(1)))
  for (let tick = 0; tick < LEAD_IN_TICKS; tick += 1) media.tick()
  const refused = SEND_ERRORS_MAX - 1
  for (const sum of [refused, 2 * refused]) {
    media.setLine({ ...line, address: '2001:db8:0:0:0:0:0:1' })
    for (let tick = 0; tick < refused; tick += 1) media.tick()
    await vi.waitFor(() => expect(unsent).toHaveLength(sum), 30_000)
    media.setLine(line)
    const came = nextPacket(peer)
    media.tick()
    await came
  }
  expect(unsent).not.toContain('broken')
})

it('is not broken when nothing is sent any more', async () => {
  const { media, line, unsent } = await mediaTowards(await socketAt('127.0.0.1'), undefined)
  media.setLine({ ...line, address: '2001:db8:0:0:0:0:0:1' })
  media.play(Array.from({ length: SEND_ERRORS_MAX }, () => Uint8Array.of(1)))
  for (let tick = 0; tick < LEAD_IN_TICKS + SEND_ERRORS_MAX; tick += 1) media.tick()
  media.close()
  await vi.waitFor(() => expect(unsent.length).toBeGreaterThanOrEqual(SEND_ERRORS_MAX), 30_000)
  expect(unsent).not.toContain('broken')
})

it.each(['127.0.0.1', '::'])(
  'reports every five seconds, and takes reports, on a port of their own: from %s',
  async (bindAddress) => {
    const [peer, peerControl] = [await socketAt('127.0.0.1'), await socketAt('127.0.0.1')]
    const { media, line, reported, rtcp } = await mediaTowards(peer, undefined, bindAddress)
    media.setLine({ ...line, isMuxed: false, rtcpPort: peerControl.address().port })
    const came = once(peerControl, 'message')
    media.play([Uint8Array.of(1)])
    for (let tick = 0; tick < 250; tick += 1) media.tick()
    const [report, from] = (await came) as [Uint8Array, { readonly port: number }]
    const parsed = parseRtcp(report)
    expect(parsed.ok && parsed.value[0]).toMatchObject({ type: 'senderReport', ssrc: 1, rtpTimestamp: 9 + 160 * 249 })
    expect(from.port).toBe(rtcp.address().port)
    const block = {
      ...{ ssrc: 1, fractionLost: 0, cumulativeLost: 0, extendedHighestSequenceNumber: 7 },
      ...{ jitter: 0, lastSenderReport: 0, delaySinceLastSenderReport: 0 },
    }
    const arrived = once(rtcp, 'message')
    peerControl.send(
      serializeReceiverReport({ type: 'receiverReport', ssrc: 2, reports: [block] }),
      from.port,
      '127.0.0.1',
    )
    await arrived
    expect([reported.count, media.news]).toMatchObject([1, { highestSequence: 7, destination: 1 }])
    expect(media.lastRange?.before).toBeUndefined()
    media.play([Uint8Array.of(1)])
    for (let tick = 0; tick <= LEAD_IN_TICKS; tick += 1) media.tick()
    expect(media.lastRange).toMatchObject({ firstSequence: 8, startSequence: 7, before: { highestSequence: 7 } })
  },
)

it('closes its sockets also when the last report cannot be sent', async () => {
  const peer = await socketAt('127.0.0.1')
  const { media, line, closed } = await mediaTowards(peer, undefined)
  media.play([Uint8Array.of(1)])
  for (let tick = 0; tick <= LEAD_IN_TICKS; tick += 1) media.tick()
  media.setLine({ ...line, isMuxed: false, rtcpPort: 65_536 })
  expect(() => media.close()).toThrow(RangeError)
  expect(closed).toEqual([true])
})
