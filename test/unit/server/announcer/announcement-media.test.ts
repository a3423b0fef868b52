import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { afterEach, expect, it } from 'vitest'

import { parseRtp, serializeRtp } from '../../../../src/protocol/rtp/packet.ts'
import type { ConversationLine } from '../../../../src/protocol/sdp/conversation-line.ts'
import type { PromptCodec } from '../../../../src/media/prompt-audio.ts'
import {
  AnnouncementMedia,
  LEAD_IN_TICKS,
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
  const media: AnnouncementMedia = new AnnouncementMedia({
    ...{ line, symmetricWith, protection: undefined, cname: 'c' },
    sockets: { port: rtp.address().port, rtp, rtcp, close: () => {} },
    start: { ssrc: 1, sequenceNumber: 7, timestamp: 9 },
    pressed: () => {},
    finished: () => void finished.push(media.playedMs),
    discarded: (reason) => void discarded.push(reason),
    nowUs: () => 0,
    nowUnixMs: () => 0,
  })
  return { media, discarded, finished, port: rtp.address().port }
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
  expect([finished, media.lastRange]).toEqual([[40], { firstSequence: 7, lastSequence: 8, endUs: 0 }])
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
