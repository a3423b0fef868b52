import { randomBytes } from 'node:crypto'
import { createServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import { afterEach, describe, expect, test } from 'vitest'
import type { DialogId } from '../../src/ids.ts'
import { monotonicUs } from '../../src/server/monotonic.ts'
import { EmbeddedSignalling, type EmbeddedSignallingOptions } from '../../src/server/signalling/embedded.ts'
import type {
  BoundAddress,
  DialogEnd,
  InDialogRequest,
  OfferRequest,
  SignallingCounter,
  SignallingHandler,
} from '../../src/server/signalling/port.ts'
import { bytesOf, parseRequest, parseResponse, request, SDP, tagOf, textOf } from '../unit/protocol/sip/wire.ts'
import { Inbox, TcpPeer, UdpPeer } from './signalling-peer.ts'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

const hasIpv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === '::1'))

class Recorder implements SignallingHandler {
  readonly events = new Inbox()
  readonly offers: OfferRequest[] = []
  readonly ends: DialogEnd[] = []
  readonly inDialog: InDialogRequest[] = []
  readonly counters: SignallingCounter[] = []
  onOffer: (offer: OfferRequest) => void = (offer) => offer.answer(bytesOf(SDP))
  status: ReturnType<SignallingHandler['optionsStatus']> = { status: 200 }

  handleInvite(offer: OfferRequest): void {
    this.offers.push(offer)
    this.events.put('invite')
    this.onOffer(offer)
  }
  handleReinvite(offer: OfferRequest): void {
    this.offers.push(offer)
    this.events.put('reinvite')
    this.onOffer(offer)
  }
  handleInDialog(_: DialogId, inDialog: InDialogRequest): void {
    this.inDialog.push(inDialog)
    this.events.put(inDialog.method)
    if (inDialog.header('X-Fail') !== undefined) throw new Error('as the test asks')
  }
  handleConfirmed(dialogId: DialogId): void {
    this.events.put(`confirmed ${dialogId}`)
  }
  handleEnded(_: DialogId, end: DialogEnd): void {
    this.ends.push(end)
    this.events.put(`ended ${end.cause}`)
  }
  optionsStatus() {
    return this.status
  }
  handleCounted(counter: SignallingCounter): void {
    this.counters.push(counter)
  }
}

const warnings: object[] = []
const log = { debug: () => {}, info: () => {}, warn: (fields: object) => void warnings.push(fields) }

async function start(options: Partial<EmbeddedSignallingOptions> = {}) {
  const recorder = new Recorder()
  const signalling = new EmbeddedSignalling({
    listen: [
      { transport: 'udp', address: '127.0.0.1', port: 0 },
      { transport: 'tcp', address: '127.0.0.1', port: 0 },
    ],
    log,
    randomToken: () => randomBytes(12).toString('hex'),
    nowUs: monotonicUs,
    ...options,
  })
  const bound = await signalling.run(recorder)
  closers.push(() => signalling.stop())
  const at = (transport: string): BoundAddress => bound.find((address) => address.transport === transport)!
  return { recorder, signalling, bound, at }
}

async function udpPeer(to: BoundAddress): Promise<UdpPeer> {
  const peer = await UdpPeer.open(to)
  closers.push(() => peer.close())
  return peer
}

async function tcpPeer(to: BoundAddress): Promise<TcpPeer> {
  const peer = await TcpPeer.open(to)
  closers.push(() => peer.close())
  return peer
}

function udpInvite(peer: UdpPeer, shape: Parameters<typeof request>[0] = {}): string {
  const via = `SIP/2.0/UDP 127.0.0.1:${peer.port};rport;branch=${shape.branch ?? 'z9hG4bK-1'}`
  return request({ via, contact: `<sip:src@127.0.0.1:${peer.port}>;+sip.src`, body: SDP, ...shape })
}

function tcpInvite(shape: Parameters<typeof request>[0] = {}): string {
  const via = `SIP/2.0/TCP src.invalid;branch=${shape.branch ?? 'z9hG4bK-1'}`
  return request({ via, contact: '<sip:src@src.invalid;transport=tcp>;+sip.src', body: SDP, ...shape })
}

/** 200 to a request of the recorder. */
function okTo(text: string): string {
  const { headers } = parseRequest(text)
  const copied = ['Via', 'From', 'To', 'Call-ID', 'CSeq'].map((name) => `${name}: ${headers.first(name)}\r\n`)
  return `SIP/2.0 200 OK\r\n${copied.join('')}Content-Length: 0\r\n\r\n`
}

describe('a recording session over UDP', () => {
  test('a BYE over 1300 bytes tries TCP first, and goes by UDP where nobody takes TCP', async () => {
    const { recorder, signalling, at } = await start()
    const peer = await udpPeer(at('udp'))
    const extra = [`Record-Route: <sip:127.0.0.1:${peer.port};lr;x=${'p'.repeat(1400)}>`]
    peer.send(udpInvite(peer, { extra }))
    const toTag = tagOf(parseResponse(bytesOf(await peer.inbox.nextStarting('SIP/2.0 200'))))
    peer.send(udpInvite(peer, { method: 'ACK', branch: 'z9hG4bK-a', cseq: '1 ACK', toTag, body: '' }))
    expect([await recorder.events.next(), await recorder.events.next()][0]).toBe('invite')
    const done = signalling.bye(recorder.offers[0]!.dialogId)
    const bye = await peer.inbox.nextStarting('BYE ')
    expect(recorder.counters).toContainEqual({ kind: 'dropped', reason: 'connectionFailed' })
    peer.send(okTo(bye))
    await done
  })

  test('UPDATE with an offer is answered as a re-INVITE is, UPDATE and INFO with metadata are passed on', async () => {
    const { recorder, at } = await start()
    const peer = await udpPeer(at('udp'))
    peer.send(udpInvite(peer))
    const toTag = tagOf(parseResponse(bytesOf(await peer.inbox.nextStarting('SIP/2.0 200'))))
    const inDialog = (shape: Parameters<typeof request>[0]) => udpInvite(peer, { toTag, body: '', ...shape })
    peer.send(inDialog({ method: 'ACK', branch: 'z9hG4bK-a', cseq: '1 ACK' }))
    peer.send(inDialog({ method: 'UPDATE', branch: 'z9hG4bK-2', cseq: '2 UPDATE', body: SDP }))
    const updated = parseResponse(bytesOf(await peer.inbox.nextStarting('SIP/2.0 200')))
    expect([updated.headers.first('cseq'), textOf(updated.body)]).toEqual(['2 UPDATE', SDP])
    peer.send(inDialog({ method: 'INFO', branch: 'z9hG4bK-3', cseq: '3 INFO', extra: ['X-Fail: yes'] }))
    expect(await peer.inbox.nextStarting('SIP/2.0 200'), 'a handler that throws changes nothing').toContain('3 INFO')
    peer.send(inDialog({ method: 'UPDATE', branch: 'z9hG4bK-4', cseq: '4 UPDATE' }))
    expect(await peer.inbox.nextStarting('SIP/2.0 200')).toContain('4 UPDATE')
    expect(recorder.offers).toHaveLength(2)
    expect(recorder.inDialog.map(({ method }) => method)).toEqual(['INFO', 'UPDATE'])
  })

  test('INVITE, 200, ACK, re-INVITE, BYE with metadata', async () => {
    const { recorder, at } = await start()
    const peer = await udpPeer(at('udp'))
    peer.send(udpInvite(peer))
    const ok = parseResponse(bytesOf(await peer.inbox.next()))
    expect([ok.status, textOf(ok.body)]).toEqual([200, SDP])
    const offer = recorder.offers[0]!
    expect(offer.source).toEqual({
      transport: 'udp',
      address: '127.0.0.1',
      port: peer.port,
      tlsNames: [],
      user: undefined,
    })
    expect([offer.localAddress, offer.header('content-type'), textOf(offer.body)]).toEqual([
      '127.0.0.1',
      'application/sdp',
      SDP,
    ])
    expect(ok.headers.first('contact')).toBe(`<sip:srs@127.0.0.1:${at('udp').port}>;+sip.srs`)
    const toTag = tagOf(ok)
    peer.send(udpInvite(peer, { method: 'ACK', branch: 'z9hG4bK-a', toTag, body: '' }))
    expect([await recorder.events.next(), await recorder.events.next()]).toEqual([
      'invite',
      `confirmed ${offer.dialogId}`,
    ])
    peer.send(udpInvite(peer, { branch: 'z9hG4bK-re', cseq: '2 INVITE', toTag }))
    await peer.inbox.nextStarting('SIP/2.0 200')
    peer.send(udpInvite(peer, { method: 'ACK', branch: 'z9hG4bK-a2', cseq: '2 ACK', toTag, body: '' }))
    peer.send(
      udpInvite(peer, {
        method: 'BYE',
        branch: 'z9hG4bK-b',
        cseq: '3 BYE',
        toTag,
        body: '<recording/>',
        extra: ['Reason: Q.850;cause=16'],
      }),
    )
    expect(parseResponse(bytesOf(await peer.inbox.nextStarting('SIP/2.0 200'))).headers.first('cseq')).toBe('3 BYE')
    expect([await recorder.events.next(), await recorder.events.next()]).toEqual(['reinvite', 'ended bye'])
    expect(recorder.offers[1]!.dialogId).toBe(offer.dialogId)
    expect(recorder.ends[0]).toMatchObject({ cause: 'bye', contentType: 'application/sdp', reason: { cause: 16 } })
    expect(textOf(recorder.ends[0]!.body!)).toBe('<recording/>')
  })

  test('a datagram of 60 kB, fragmented on its way, arrives whole', async () => {
    const { recorder, at } = await start()
    const peer = await udpPeer(at('udp'))
    const body = 'x'.repeat(60_000)
    peer.send(udpInvite(peer, { body }))
    await peer.inbox.nextStarting('SIP/2.0 200')
    expect(recorder.offers[0]!.body).toHaveLength(60_000)
  })

  test('the recorder hangs up with BYE and Reason; bye() resolves with the answer', async () => {
    const { recorder, signalling, at } = await start()
    const peer = await udpPeer(at('udp'))
    peer.send(udpInvite(peer))
    const toTag = tagOf(parseResponse(bytesOf(await peer.inbox.nextStarting('SIP/2.0 200'))))
    const done = signalling.bye(recorder.offers[0]!.dialogId, { cause: 200, text: 'Recorder is shutting down' })
    peer.send(udpInvite(peer, { method: 'ACK', branch: 'z9hG4bK-a', toTag, body: '' }))
    const bye = await peer.inbox.nextStarting('BYE')
    expect(bye).toContain('Reason: SIP;cause=200;text="Recorder is shutting down"')
    peer.send(okTo(bye))
    await done
    await signalling.drain()
    expect(recorder.ends.map(({ cause }) => cause)).toEqual(['local'])
    await signalling.bye('nobody' as DialogId)
  })

  test('with a Contact whose host cannot be found, BYE goes to the source of the INVITE', async () => {
    const { recorder, signalling, at } = await start()
    const peer = await udpPeer(at('udp'))
    const contact = '<sip:src@no-such-host.invalid>'
    peer.send(udpInvite(peer, { contact }))
    const toTag = tagOf(parseResponse(bytesOf(await peer.inbox.nextStarting('SIP/2.0 200'))))
    peer.send(udpInvite(peer, { contact, method: 'ACK', branch: 'z9hG4bK-a', toTag, body: '' }))
    await recorder.events.nextStarting('confirmed')
    void signalling.bye(recorder.offers[0]!.dialogId)
    expect(await peer.inbox.nextStarting('BYE')).toMatch(/^BYE sip:src@no-such-host\.invalid SIP/)
  })

  test('an unacknowledged 200 is sent again, then BYE, and drain() waits for all of it', async () => {
    const { recorder, signalling, at } = await start({ timers: { t1Us: 5000, t2Us: 40_000, t4Us: 10_000 } })
    const peer = await udpPeer(at('udp'))
    peer.send(udpInvite(peer))
    await peer.inbox.nextStarting('SIP/2.0 200')
    const drained = signalling.drain()
    await peer.inbox.nextStarting('SIP/2.0 200')
    await peer.inbox.nextStarting('SIP/2.0 200')
    await peer.inbox.nextStarting('BYE')
    expect(recorder.ends.map(({ cause }) => cause)).toEqual(['noAck'])
    await drained // the BYE is not answered either, and given up
  })

  test('CANCEL before the answer', async () => {
    const { recorder, at } = await start()
    recorder.onOffer = () => {}
    const peer = await udpPeer(at('udp'))
    peer.send(udpInvite(peer))
    await peer.inbox.nextStarting('SIP/2.0 100')
    peer.send(udpInvite(peer, { method: 'CANCEL', cseq: '1 CANCEL', body: '' }))
    await peer.inbox.nextStarting('SIP/2.0 200')
    await peer.inbox.nextStarting('SIP/2.0 487')
    recorder.offers[0]!.answer(bytesOf(SDP))
    recorder.offers[0]!.refuse(488, 'Too Late')
    expect(recorder.ends.map(({ cause }) => cause)).toEqual(['cancelled'])
  })

  test('refused by the recorder with its own headers', async () => {
    const { recorder, at } = await start()
    recorder.onOffer = (offer) => offer.refuse(488, 'No Audio', [['Warning', '304 srs "no audio"']])
    const peer = await udpPeer(at('udp'))
    peer.send(udpInvite(peer))
    expect(await peer.inbox.nextStarting('SIP/2.0 488 No Audio')).toContain('Warning: 304 srs "no audio"')
  })
})

describe('over TCP', () => {
  test('an INVITE split into segments, two messages in one, and a keep-alive between', async () => {
    const { recorder, at } = await start()
    const peer = await tcpPeer(at('tcp'))
    const invite = tcpInvite()
    for (let offset = 0; offset < invite.length; offset += 97) await peer.write(invite.slice(offset, offset + 97))
    const toTag = tagOf(parseResponse(bytesOf(await peer.inbox.nextStarting('SIP/2.0 200'))))
    await peer.write('\r\n\r\n')
    expect(await peer.inbox.next()).toBe('pong')
    const ack = tcpInvite({ method: 'ACK', branch: 'z9hG4bK-a', toTag, body: '' })
    const bye = tcpInvite({ method: 'BYE', branch: 'z9hG4bK-b', cseq: '2 BYE', toTag, body: '' })
    await peer.write(ack + bye)
    expect(await peer.inbox.next()).toMatch(/^SIP\/2\.0 200 OK\r\n[^]*CSeq: 2 BYE/)
    expect([await recorder.events.next(), await recorder.events.nextStarting('ended')]).toEqual(['invite', 'ended bye'])
  })

  test('our BYE uses the open connection again, whatever the Contact says', async () => {
    const { recorder, signalling, at } = await start()
    const peer = await tcpPeer(at('tcp'))
    await peer.write(tcpInvite())
    const toTag = tagOf(parseResponse(bytesOf(await peer.inbox.nextStarting('SIP/2.0 200'))))
    await peer.write(tcpInvite({ method: 'ACK', branch: 'z9hG4bK-a', toTag, body: '' }))
    await recorder.events.nextStarting('confirmed')
    const done = signalling.bye(recorder.offers[0]!.dialogId)
    await peer.write(okTo(await peer.inbox.nextStarting('BYE')))
    await done
  })

  test('our BYE opens a connection to the Contact when the old one is gone', async () => {
    const { recorder, signalling, at } = await start()
    const called = new Inbox()
    const server = createServer((socket) => {
      const peer = new TcpPeer(socket)
      void peer.inbox.nextStarting('BYE').then(async (bye) => {
        called.put(bye)
        await peer.write(okTo(bye))
      })
      closers.push(() => peer.close())
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    closers.push(() => server.close())
    const { port } = server.address() as { port: number }
    const contact = `<sip:src@127.0.0.1:${port};transport=tcp>`
    const peer = await tcpPeer(at('tcp'))
    await peer.write(tcpInvite({ contact }))
    const toTag = tagOf(parseResponse(bytesOf(await peer.inbox.nextStarting('SIP/2.0 200'))))
    await peer.write(tcpInvite({ contact, method: 'ACK', branch: 'z9hG4bK-a', toTag, body: '' }))
    await recorder.events.nextStarting('confirmed')
    // The recorder closes a connection on which nonsense arrives: then it is surely gone.
    await peer.write('nonsense\r\n')
    await peer.inbox.nextStarting('closed')
    await signalling.bye(recorder.offers[0]!.dialogId)
    expect(await called.next()).toMatch(/^BYE sip:src@127/)
  })

  test('a body without Content-Length gets 400 and the connection is closed; others stay', async () => {
    const { recorder, at } = await start()
    const [bad, good] = [await tcpPeer(at('tcp')), await tcpPeer(at('tcp'))]
    await bad.write(tcpInvite().replace(/Content-Length: \d+\r\n/, ''))
    await bad.inbox.nextStarting('SIP/2.0 400 Bad Content-Length')
    await bad.inbox.nextStarting('closed')
    await good.write(tcpInvite({ sipCallId: 'good' }))
    await good.inbox.nextStarting('SIP/2.0 200')
    expect(recorder.offers).toHaveLength(1)
  })
})

describe('what must not stop it', () => {
  test('a handler that throws costs a 500, and the next INVITE is served', async () => {
    const { recorder, at } = await start()
    recorder.onOffer = () => {
      throw new Error('broken recorder')
    }
    const peer = await udpPeer(at('udp'))
    peer.send(udpInvite(peer))
    await peer.inbox.nextStarting('SIP/2.0 500')
    expect(recorder.ends.map(({ cause }) => cause)).toEqual(['refused'])
    expect(recorder.counters).toContainEqual({ kind: 'dropped', reason: 'exception' })
    expect(warnings.length).toBeGreaterThan(0)
    recorder.onOffer = (offer) => offer.answer(bytesOf(SDP))
    peer.send(udpInvite(peer, { branch: 'z9hG4bK-2', sipCallId: 'next' }))
    await peer.inbox.nextStarting('SIP/2.0 200')
  })

  test('noise, an INVITE without Content-Type, and the packet with __proto__ in Via', async () => {
    const { recorder, at } = await start()
    const peer = await udpPeer(at('udp'))
    peer.send(Uint8Array.from({ length: 60_000 }, (_, index) => index % 256))
    peer.send('')
    peer.send('\r\n\r\n')
    peer.send(`INVITE sip:x SIP/2.0\r\nX:${' '.repeat(60_000)}\r\n\r\n`)
    peer.send(udpInvite(peer, { via: 'SIP/2.0/UDP x;__proto__;branch=z9hG4bK__proto__', sipCallId: '__proto__' }))
    peer.send(udpInvite(peer, { branch: 'z9hG4bK-2' }).replace('Content-Type: application/sdp\r\n', ''))
    await peer.inbox.nextStarting('SIP/2.0 200')
    expect(recorder.offers.map((offer) => offer.sipCallId)).toEqual(['__proto__', 'abc@192.0.2.1'])
    expect(recorder.offers[1]!.header('content-type')).toBeUndefined()
  })

  test('OPTIONS tells the truth of the recorder, a throwing one included', async () => {
    const { recorder, at } = await start()
    const peer = await udpPeer(at('udp'))
    peer.send(udpInvite(peer, { method: 'OPTIONS', body: '' }))
    await peer.inbox.nextStarting('SIP/2.0 200')
    recorder.status = { status: 503, retryAfterSeconds: 7 }
    peer.send(udpInvite(peer, { method: 'OPTIONS', branch: 'z9hG4bK-2', cseq: '2 OPTIONS', body: '' }))
    expect(await peer.inbox.nextStarting('SIP/2.0 503')).toContain('Retry-After: 7')
    recorder.optionsStatus = () => {
      throw new Error('broken recorder')
    }
    peer.send(udpInvite(peer, { method: 'OPTIONS', branch: 'z9hG4bK-3', cseq: '3 OPTIONS', body: '' }))
    await peer.inbox.nextStarting('SIP/2.0 503')
  })
})

describe('where it listens', () => {
  test('at all addresses: the Contact has the one by which the SRC came', async () => {
    const { recorder, at } = await start({ listen: [{ transport: 'udp', address: '0.0.0.0', port: 0 }] })
    const peer = await udpPeer({ ...at('udp'), address: '127.0.0.1' })
    peer.send(udpInvite(peer))
    const ok = parseResponse(bytesOf(await peer.inbox.nextStarting('SIP/2.0 200')))
    expect(ok.headers.first('contact')).toBe(`<sip:srs@127.0.0.1:${at('udp').port}>;+sip.srs`)
    expect(recorder.offers[0]!.localAddress).toBe('127.0.0.1')
  })

  test('behind an advertised address', async () => {
    const { recorder, at } = await start({ advertise: 'recorder.example.com:5090' })
    const peer = await udpPeer(at('udp'))
    peer.send(udpInvite(peer))
    const ok = parseResponse(bytesOf(await peer.inbox.nextStarting('SIP/2.0 200')))
    expect(ok.headers.first('contact')).toBe('<sip:srs@recorder.example.com:5090>;+sip.srs')
    expect(recorder.offers[0]!.localAddress).toBe('recorder.example.com')
  })

  test('on IPv6, or it is told clearly that this machine has none', async () => {
    if (!hasIpv6) {
      const listen = [{ transport: 'udp', address: '::1', port: 0 }] as const
      await expect(start({ listen })).rejects.toMatchObject({ code: 'sip-address-unknown' })
      return
    }
    const { recorder, at } = await start({ listen: [{ transport: 'udp', address: '::1', port: 0 }] })
    const peer = await UdpPeer.open(at('udp'), '::1')
    closers.push(() => peer.close())
    peer.send(udpInvite(peer, { via: `SIP/2.0/UDP [::1]:${peer.port};branch=z9hG4bK-1` }))
    await peer.inbox.nextStarting('SIP/2.0 200')
    expect([recorder.offers[0]!.source.address, recorder.offers[0]!.localAddress]).toEqual(['::1', '::1'])
  })

  test.each(['udp', 'tcp'] as const)('a taken %s port is told clearly, and nothing stays open', async (transport) => {
    const first = await start()
    const taken = first.at(transport)
    await expect(start({ listen: [{ transport: 'udp', address: '127.0.0.1', port: 0 }, taken] })).rejects.toMatchObject(
      {
        code: 'sip-port-in-use',
        hint: expect.stringContaining('sip.listen') as string,
      },
    )
  })

  test('an address of another machine, TLS, and a nonsense advertise are told clearly', async () => {
    await expect(start({ listen: [{ transport: 'udp', address: '192.0.2.1', port: 0 }] })).rejects.toMatchObject({
      code: 'sip-address-unknown',
    })
    await expect(start({ listen: [{ transport: 'tls', address: '127.0.0.1', port: 0 }] })).rejects.toMatchObject({
      code: 'sip-tls-files',
    })
    await expect(start({ advertise: 'a b' })).rejects.toMatchObject({ code: 'sip-advertise-invalid' })
  })
})

test('stop() ends everything that waits, and may be called with nothing open', async () => {
  const { recorder, signalling, at } = await start()
  const peer = await udpPeer(at('udp'))
  peer.send(udpInvite(peer))
  await peer.inbox.nextStarting('SIP/2.0 200')
  const waiting = [signalling.bye(recorder.offers[0]!.dialogId), signalling.drain()]
  await signalling.stop()
  await Promise.all(waiting)
  recorder.offers[0]!.answer(bytesOf(SDP))
  await signalling.stop()
})
