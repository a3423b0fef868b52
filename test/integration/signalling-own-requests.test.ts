import { randomBytes } from 'node:crypto'
import { afterEach, describe, expect, test } from 'vitest'
import type { DialogId } from '../../src/ids.ts'
import { monotonicUs } from '../../src/server/monotonic.ts'
import { EmbeddedSignalling } from '../../src/server/signalling/embedded.ts'
import { type OfferRequest, type OwnRequest, PROGRESS_MAX } from '../../src/server/signalling/port.ts'
import { bytesOf, head, parseRequest, parseResponse, request, SDP, tagOf, textOf } from '../unit/protocol/sip/wire.ts'
import { Inbox, TcpPeer, UdpPeer } from './signalling-peer.ts'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

const OUR_OFFER = SDP.replace('o=- 1 1', 'o=- 1 2')
const INVITE: OwnRequest = { method: 'INVITE', contentType: 'application/sdp', body: bytesOf(OUR_OFFER) }

/** A running stack, a dialog, and the raw peer at its other end. */
async function open(
  transport: 'udp' | 'tcp',
  onInvite: (offer: OfferRequest) => void = (offer) => offer.answer(bytesOf(SDP)),
) {
  const events = new Inbox()
  const dialogIds: DialogId[] = []
  const signalling = new EmbeddedSignalling({
    listen: [{ transport, address: '127.0.0.1', port: 0 }],
    log: { debug: () => {}, info: () => {}, warn: () => {} },
    randomToken: () => randomBytes(16).toString('hex'),
    nowUs: monotonicUs,
  })
  const [bound] = await signalling.run({
    handleInvite: (offer) => {
      dialogIds.push(offer.dialogId)
      onInvite(offer)
    },
    handleReinvite: (offer) => offer.answer(bytesOf(SDP)),
    handleConfirmed: () => events.put('confirmed'),
    handleEnded: (_, end) => events.put(`ended ${end.cause}`),
    optionsStatus: () => ({ status: 200 }),
  })
  closers.push(() => signalling.stop())
  const peer = transport === 'udp' ? await UdpPeer.open(bound!) : await TcpPeer.open(bound!)
  closers.push(() => peer.close())
  const send = async (text: string): Promise<void> => {
    if (peer instanceof UdpPeer) peer.send(text)
    else await peer.write(text)
  }
  const make = (shape: Parameters<typeof request>[0] = {}): string =>
    request({
      via: `SIP/2.0/${transport.toUpperCase()} 127.0.0.1:${peer.port};rport;branch=${shape.branch ?? 'z9hG4bK-1'}`,
      contact: `<sip:src@127.0.0.1:${peer.port};transport=${transport}>;+sip.src`,
      ...shape,
    })
  /** Answers a request of the recorder. */
  const reply = async (asked: string, status: string, body = ''): Promise<void> => {
    const { headers } = parseRequest(asked)
    const copied = ['Via', 'From', 'To', 'Call-ID', 'CSeq'].map((name) => `${name}: ${headers.first(name)}`)
    const type = body === '' ? [] : ['Content-Type: application/sdp']
    await send(head(`SIP/2.0 ${status}`, ...copied, ...type, `Content-Length: ${body.length}`) + body)
  }
  const establish = async (): Promise<{ readonly dialogId: DialogId; readonly toTag: string }> => {
    await send(make({ body: SDP }))
    const toTag = tagOf(parseResponse(bytesOf(await peer.inbox.nextStarting('SIP/2.0 200'))))
    await send(make({ method: 'ACK', branch: 'z9hG4bK-a', toTag }))
    expect(await events.next()).toBe('confirmed')
    return { dialogId: dialogIds[0]!, toTag }
  }
  return { signalling, peer, events, send, make, reply, establish }
}

describe.each(['udp', 'tcp'] as const)('requests of ours over %s', (transport) => {
  test('a re-INVITE is answered, acknowledged and its answer handed back', async () => {
    const { signalling, peer, reply, establish } = await open(transport)
    const { dialogId } = await establish()
    const answer = signalling.request(dialogId, INVITE)
    const invite = await peer.inbox.nextStarting('INVITE ')
    expect(textOf(parseRequest(invite).body)).toBe(OUR_OFFER)
    await reply(invite, '100 Trying')
    await reply(invite, '200 OK', SDP)
    expect(await peer.inbox.nextStarting('ACK ')).toContain(`CSeq: 1 ACK`)
    const { status, contentType, body } = await answer
    expect([status, contentType, textOf(body!)]).toEqual([200, 'application/sdp', SDP])
  })

  test('a refused INFO is handed back, and one that the dialog is unknown to ends it', async () => {
    const { signalling, peer, events, reply, establish } = await open(transport)
    const { dialogId } = await establish()
    const refused = signalling.request(dialogId, { method: 'INFO', headers: [['X-Ours', 'yes']] })
    const info = await peer.inbox.nextStarting('INFO ')
    expect(info).toContain('X-Ours: yes')
    expect(await signalling.request(dialogId, INVITE), 'one at a time').toEqual({ status: 0 })
    await reply(info, '415 Unsupported Media Type')
    expect(await refused).toEqual({ status: 415 })
    const gone = signalling.request(dialogId, { method: 'INFO' })
    await reply(await peer.inbox.nextStarting('INFO '), '481 Call/Transaction Does Not Exist')
    expect(await gone).toEqual({ status: 481 })
    expect(await events.next()).toBe('ended sessionExpired')
    await reply(await peer.inbox.nextStarting('BYE '), '200 OK')
    expect(await signalling.request(dialogId, { method: 'INFO' })).toEqual({ status: 0 })
  })

  test('the peer re-INVITEs at the same time: both get 491', async () => {
    const { signalling, peer, send, make, reply, establish } = await open(transport)
    const { dialogId, toTag } = await establish()
    const answer = signalling.request(dialogId, INVITE)
    const invite = await peer.inbox.nextStarting('INVITE ')
    await send(make({ cseq: '2 INVITE', branch: 'z9hG4bK-2', toTag, body: SDP }))
    expect(await peer.inbox.nextStarting('SIP/2.0 491')).toContain('CSeq: 2 INVITE')
    await send(make({ method: 'ACK', cseq: '2 ACK', branch: 'z9hG4bK-2', toTag }))
    await reply(invite, '491 Request Pending')
    expect(await peer.inbox.nextStarting('ACK ')).toContain('CSeq: 1 ACK')
    expect(await answer).toEqual({ status: 491 })
  })
})

describe('provisional responses', () => {
  test('go out as often as they may, and none after the answer', async () => {
    const { peer, send, make } = await open('udp', (offer) => {
      for (let count = 0; count <= PROGRESS_MAX; count += 1) offer.progress(180)
      offer.answer(bytesOf(SDP))
      offer.progress(180)
    })
    await send(make({ body: SDP }))
    const statuses: number[] = []
    while (statuses.at(-1) !== 200) statuses.push(parseResponse(bytesOf(await peer.inbox.next())).status)
    expect(statuses).toEqual([100, ...Array.from({ length: PROGRESS_MAX }, () => 180), 200])
  })
})

describe('a request of ours that nobody answers', () => {
  test('is settled when the stack stops', async () => {
    const { signalling, peer, establish } = await open('tcp')
    const { dialogId } = await establish()
    const answer = signalling.request(dialogId, INVITE)
    await peer.inbox.nextStarting('INVITE ')
    await signalling.stop()
    expect(await answer).toEqual({ status: 0 })
  })
})
