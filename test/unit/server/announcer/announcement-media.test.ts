import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { afterEach, expect, it, vi } from 'vitest'

import { parseRtp, serializeRtp } from '../../../../src/protocol/rtp/packet.ts'
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
  const socket = createSocket('udp4')
  socket.bind(0, address)
  await once(socket, 'listening')
  sockets.push(socket)
  return socket
}

async function mediaTowards(peer: Socket, symmetricWith: string | undefined) {
  const [rtp, rtcp] = [await socketAt('127.0.0.1'), await socketAt('127.0.0.1')]
  const line: ConversationLine<PromptCodec> = {
    ...{ index: 0, codec: 'PCMU', payloadType: 0, events: undefined, crypto: undefined, address: '127.0.0.1' },
    ...{ port: peer.address().port, rtcpPort: peer.address().port, isMuxed: true, isListening: true },
  }
  const discarded: PacketDiscard[] = []
  const finished: number[] = []
  const unsent: string[] = []
  const closed: true[] = []
  const media: AnnouncementMedia = new AnnouncementMedia({
    ...{ line, symmetricWith, protection: undefined, cname: 'c', isIpv6: false },
    sockets: { port: rtp.address().port, rtp, rtcp, close: () => void closed.push(true) },
    start: { ssrc: 1, sequenceNumber: 7, timestamp: 9 },
    pressed: () => {},
    finished: () => void finished.push(media.playedMs),
    discarded: (reason) => void discarded.push(reason),
    reported: () => {},
    unsent: () => void unsent.push('packet'),
    broken: () => void unsent.push('broken'),
    nowUs: () => 0,
    nowUnixMs: () => 0,
  })
  return { media, line, discarded, finished, unsent, closed, port: rtp.address().port }
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
  expect([finished, media.lastRange]).toEqual([[40], { firstSequence: 7, lastSequence: 8, endUs: 0, destination: 1 }])
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
    expect(media.lastRange).toEqual({ firstSequence: 7, lastSequence: 8, endUs: 0, destination })
    media.play([Uint8Array.of(1)])
    for (let tick = 0; tick <= LEAD_IN_TICKS; tick += 1) media.tick()
    expect(media.lastRange).toMatchObject({ firstSequence: 9, destination: places })
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
})

it('closes its sockets also when the last report cannot be sent', async () => {
  const peer = await socketAt('127.0.0.1')
  const { media, line, closed } = await mediaTowards(peer, undefined)
  media.play([Uint8Array.of(1)])
  for (let tick = 0; tick <= LEAD_IN_TICKS; tick += 1) media.tick()
  media.setLine({ ...line, isMuxed: false, rtcpPort: 65_536 })
  expect(() => media.close()).toThrow(RangeError)
  expect(closed).toEqual([true])
})
