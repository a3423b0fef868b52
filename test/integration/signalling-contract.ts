import { describe, expect, test } from 'vitest'
import type { DialogId } from '../../src/ids.ts'
import { bytesOf, parseRequest, parseResponse, request, SDP, tagOf, textOf } from '../unit/protocol/sip/wire.ts'
import {
  answerTo,
  type EngineUnderTest,
  LATIN1_METADATA,
  multipart,
  useEngine,
  withBody,
} from './signalling-contract-parts.ts'
import { TcpPeer } from './signalling-peer.ts'

/** What every signalling port does, whichever engine is behind it. */
export function describeSignallingContract({ name, start }: EngineUnderTest): void {
  const { open, another, closeLater } = useEngine(start)

  describe(`${name}: a dialog`, () => {
    test('INVITE, 200, ACK, BYE with a body and a Reason', async () => {
      const { handler, src } = await open()
      const ok = await src.ask('INVITE')
      expect([ok.status, textOf(ok.body)]).toEqual([200, SDP])
      expect(ok.headers.first('Content-Type')).toBe('application/sdp')
      src.toTag = tagOf(parseResponse(bytesOf(ok.text)))
      const offer = handler.offers[0]!
      expect(handler.events.size, 'not confirmed before the ACK').toBe(1)
      src.send('ACK')
      expect([await handler.events.next(), await handler.events.next()]).toEqual([
        'invite',
        `confirmed ${offer.dialogId}`,
      ])
      expect(offer.source).toMatchObject({ transport: 'udp', address: '127.0.0.1', port: src.peer.port, tlsNames: [] })
      expect([offer.sipCallId, offer.localAddress, textOf(offer.body)]).toEqual([src.sipCallId, '127.0.0.1', SDP])
      expect([offer.from, offer.to]).toEqual(['"Client" <sip:src@example.com>;tag=src1', '<sip:srs@example.com>'])
      const bye = await src.ask('BYE', { body: '<recording/>', extra: ['Reason: Q.850;cause=16;text="Terminated"'] })
      expect(bye.status).toBe(200)
      expect(await handler.events.next()).toBe('ended bye')
      expect(handler.ends[0]).toMatchObject({
        cause: 'bye',
        contentType: 'application/sdp',
        reason: { protocol: 'Q.850', cause: 16 },
      })
      expect(textOf(handler.ends[0]!.body!)).toBe('<recording/>')
      expect((await src.ask('INFO')).status, 'the dialog is no more').toBe(481)
    })

    test('what the 200 says of us: a recording server, its address, what it takes', async () => {
      const { engine, src } = await open()
      const { headers } = await src.ask('INVITE')
      expect(headers.first('Contact')).toBe(`<sip:srs@127.0.0.1:${engine.at('udp').port}>;+sip.srs`)
      for (const method of ['INVITE', 'ACK', 'BYE', 'CANCEL', 'UPDATE', 'INFO', 'OPTIONS', 'PRACK']) {
        expect(headers.first('Allow')).toContain(method)
      }
      expect(headers.first('Accept')).toContain('application/rs-metadata+xml')
      expect(headers.first('Supported')).toContain('siprec')
    })

    test('Record-Route comes back, and our BYE takes that way', async () => {
      const { handler, port, src } = await open()
      const route = `<sip:127.0.0.1:${src.peer.port};lr>`
      const ok = await src.ask('INVITE', { extra: [`Record-Route: ${route}`] })
      expect(ok.headers.all('Record-Route')).toEqual([route])
      src.toTag = tagOf(parseResponse(bytesOf(ok.text)))
      src.send('ACK')
      await handler.events.nextStarting('confirmed')
      const done = port.bye(handler.offers[0]!.dialogId)
      const bye = await src.peer.inbox.nextStarting('BYE')
      expect(parseRequest(bye).headers.all('Route')).toEqual([route])
      src.peer.send(answerTo(bye))
      await done
    })

    test('a re-INVITE is shown in the same dialog, answered, and acknowledged', async () => {
      const { handler, src } = await open()
      await src.establish()
      const again = await src.ask('INVITE')
      expect([again.status, textOf(again.body)]).toEqual([200, SDP])
      src.send('ACK')
      expect((await src.ask('BYE')).status).toBe(200)
      expect(handler.offers.map(({ dialogId }) => dialogId)).toEqual([
        handler.offers[0]!.dialogId,
        handler.offers[0]!.dialogId,
      ])
      await handler.events.nextStarting('ended bye')
    })

    test('a refused re-INVITE leaves the dialog as it was', async () => {
      const { handler, src } = await open()
      await src.establish()
      handler.onOffer = (offer) => offer.refuse(488, 'Not Acceptable Here', [['Warning', '305 srs "no codec"']])
      const refused = await src.ask('INVITE')
      expect([refused.status, refused.headers.first('Warning')]).toEqual([488, '305 srs "no codec"'])
      expect((await src.ask('INFO')).status).toBe(200)
      expect(handler.ends).toEqual([])
    })

    test('a second offer while the first waits is glare: 491', async () => {
      const { handler, src } = await open()
      await src.establish()
      handler.onOffer = () => {}
      src.send('INVITE')
      await handler.events.nextStarting('reinvite')
      expect((await src.ask('UPDATE', { body: SDP })).status).toBe(491)
      handler.offers[1]!.answer(bytesOf(SDP))
      expect((await src.answer('INVITE')).status).toBe(200)
    })

    test('UPDATE with an offer is answered like a re-INVITE; without one it is answered at once and passed on', async () => {
      const { handler, src } = await open()
      await src.establish()
      const updated = await src.ask('UPDATE', { body: SDP })
      expect([updated.status, textOf(updated.body)]).toEqual([200, SDP])
      expect(handler.offers).toHaveLength(2)
      const refreshed = await src.ask('UPDATE')
      expect([refreshed.status, refreshed.body.length]).toEqual([200, 0])
      expect(await handler.events.nextStarting('UPDATE')).toBe('UPDATE')
      expect(handler.inDialog[0]!.body).toHaveLength(0)
    })

    test('INFO with metadata is passed on; with a package that is not ours it is refused', async () => {
      const { handler, src } = await open()
      await src.establish()
      const text = src.text('INFO')
      src.peer.send(withBody(text, 'application/rs-metadata+xml', LATIN1_METADATA))
      expect((await src.answer('INFO')).status).toBe(200)
      await handler.events.nextStarting('INFO')
      expect(handler.inDialog[0]!.header('content-type')).toBe('application/rs-metadata+xml')
      expect(Buffer.from(handler.inDialog[0]!.body)).toEqual(Buffer.from(LATIN1_METADATA))
      const foreign = await src.ask('INFO', { extra: ['Info-Package: g.3gpp.mid-call'] })
      expect([foreign.status, foreign.headers.first('Recv-Info')]).toEqual([469, ''])
      expect(handler.inDialog).toHaveLength(1)
    })

    test('a session timer is agreed on; one that is too short is not', async () => {
      const { src, engine } = await open()
      const ok = await src.ask('INVITE', { extra: ['Supported: timer', 'Session-Expires: 1800;refresher=uac'] })
      expect([ok.headers.first('Session-Expires'), ok.headers.first('Require')]).toEqual([
        '1800;refresher=uac',
        'timer',
      ])
      const hasty = await another(engine)
      const refused = await hasty.ask('INVITE', { extra: ['Supported: timer', 'Session-Expires: 30'] })
      expect([refused.status, refused.headers.first('Min-SE')]).toEqual([422, '90'])
    })

    test('a Session-ID is answered with ours', async () => {
      const { src } = await open()
      const theirs = '0123456789abcdef0123456789abcdef'
      const { headers } = await src.ask('INVITE', { extra: [`Session-ID: ${theirs};remote=${'0'.repeat(32)}`] })
      expect(headers.first('Session-ID')).toMatch(new RegExp(`^[0-9a-f]{32};remote=${theirs}$`))
    })
  })

  describe(`${name}: what a message says`, () => {
    test('a multipart body keeps every byte, and its Content-Type every parameter', async () => {
      const { handler, src } = await open()
      const { contentType, body } = multipart(LATIN1_METADATA)
      src.peer.send(withBody(src.text('INVITE'), contentType, body))
      expect((await src.answer('INVITE')).status).toBe(200)
      expect(handler.offers[0]!.header('Content-Type')).toBe(contentType)
      expect(Buffer.from(handler.offers[0]!.body)).toEqual(Buffer.from(body))
    })

    test('a body of 20 kB over TCP arrives whole', async () => {
      const { handler, engine } = await open()
      const peer = await TcpPeer.open(engine.at('tcp'))
      closeLater(() => peer.close())
      const metadata = Buffer.alloc(20_000, LATIN1_METADATA)
      const { contentType, body } = multipart(metadata)
      const text = request({
        via: 'SIP/2.0/TCP src.invalid;branch=z9hG4bK-tcp',
        contact: '<sip:src@src.invalid;transport=tcp>',
        sipCallId: 'contract-tcp',
      })
      await peer.write(withBody(text, contentType, body))
      const ok = parseResponse(bytesOf(await peer.inbox.nextStarting('SIP/2.0 200')))
      expect(ok.headers.first('Contact')).toBe(`<sip:srs@127.0.0.1:${engine.at('tcp').port};transport=tcp>;+sip.srs`)
      expect(handler.offers[0]!.source.transport).toBe('tcp')
      expect(Buffer.from(handler.offers[0]!.body)).toEqual(Buffer.from(body))
    })

    test('headers are found in any case, in compact form, and line by line', async () => {
      const { handler, src } = await open()
      const extra = ['x-ucid: 1', 'X-UCID: 2', 'Call-Info: <sip:a@example.com>', 'k: timer, 100rel', 'X-Name: Zoë, a']
      await src.ask('INVITE', { extra })
      const offer = handler.offers[0]!
      expect([offer.header('X-Ucid'), offer.headers('x-uCID')]).toEqual(['1', ['1', '2']])
      expect([offer.header('supported'), offer.header('K'), offer.header('m')]).toEqual([
        'timer, 100rel',
        'timer, 100rel',
        `<sip:src@127.0.0.1:${src.peer.port}>;+sip.src`,
      ])
      expect([offer.header('x-name'), offer.header('x-none'), offer.headers('x-none')]).toEqual([
        'Zoë, a',
        undefined,
        [],
      ])
      expect(offer.header('__proto__')).toBeUndefined()
    })

    test('an INVITE without Content-Type and one called __proto__ are ordinary', async () => {
      const { handler, engine, src } = await open()
      src.peer.send(src.text('INVITE').replace('Content-Type: application/sdp\r\n', ''))
      expect((await src.answer('INVITE')).status).toBe(200)
      expect(handler.offers[0]!.header('content-type')).toBeUndefined()
      const odd = await another(engine)
      expect(
        (await odd.ask('INVITE', { sipCallId: '__proto__', fromTag: '__proto__', extra: ['__proto__: x'] })).status,
      ).toBe(200)
      expect([handler.offers[1]!.sipCallId, handler.offers[1]!.header('__proto__')]).toEqual(['__proto__', 'x'])
    })
  })

  describe(`${name}: what is refused`, () => {
    test('by the handler, with headers of its own; then there is no dialog', async () => {
      const { handler, src } = await open()
      handler.onOffer = (offer) => {
        offer.refuse(488, 'No Audio', [
          ['Warning', '304 srs "no audio"'],
          ['WWW-Authenticate', 'Digest realm="a", algorithm=SHA-256'],
          ['WWW-Authenticate', 'Digest realm="a", algorithm=MD5'],
        ])
        offer.refuse(500, 'Too Late')
        offer.answer(bytesOf(SDP))
      }
      const refused = await src.ask('INVITE')
      expect(refused.text).toMatch(/^SIP\/2\.0 488 No Audio\r\n/)
      expect(refused.headers.first('Warning')).toBe('304 srs "no audio"')
      expect(refused.headers.all('WWW-Authenticate')).toHaveLength(2)
      src.send('ACK')
      expect([handler.ends, handler.offers.length]).toEqual([[], 1])
    })

    test('415 says what is taken', async () => {
      const { handler, src } = await open()
      handler.onOffer = (offer) => offer.refuse(415, 'Unsupported Media Type')
      expect((await src.ask('INVITE')).headers.first('Accept')).toContain('application/sdp')
    })

    test('Require of something unknown: 420 with Unsupported', async () => {
      const { handler, src } = await open()
      const refused = await src.ask('INVITE', { extra: ['Require: siprec, teleport'] })
      expect([refused.status, refused.headers.first('Unsupported')]).toEqual([420, 'teleport'])
      expect(handler.offers).toEqual([])
    })

    test('an INVITE and OPTIONS while the recorder takes nothing: 503 with Retry-After', async () => {
      const { handler, src, engine } = await open()
      const able = await src.ask('OPTIONS')
      expect([able.status, able.headers.first('Contact')]).toEqual([
        200,
        `<sip:srs@127.0.0.1:${engine.at('udp').port}>;+sip.srs`,
      ])
      expect(able.headers.first('Accept')).toContain('application/sdp')
      handler.status = { status: 503, retryAfterSeconds: 7 }
      const busy = await another(engine)
      const options = await busy.ask('OPTIONS')
      expect([options.status, options.headers.first('Retry-After')]).toEqual([503, '7'])
      const invite = await (await another(engine)).ask('INVITE')
      expect([invite.status, invite.headers.first('Retry-After')]).toEqual([503, '7'])
      expect(handler.offers).toEqual([])
      expect(handler.counters).toContainEqual({ kind: 'request', method: 'INVITE', code: 503 })
    })

    test('a handler that throws costs a 500, and the next INVITE is served', async () => {
      const { handler, src, engine } = await open()
      handler.onOffer = () => {
        throw new Error('broken recorder')
      }
      expect((await src.ask('INVITE')).status).toBe(500)
      await handler.events.nextStarting('ended refused')
      expect(handler.counters).toContainEqual({ kind: 'dropped', reason: 'exception' })
      handler.onOffer = (offer) => offer.answer(bytesOf(SDP))
      const next = await another(engine)
      await next.establish()
      expect((await next.ask('INFO', { extra: ['X-Fail: yes'] })).status, 'answered before it is passed on').toBe(200)
      handler.optionsStatus = () => {
        throw new Error('broken recorder')
      }
      expect((await (await another(engine)).ask('OPTIONS')).status).toBe(503)
    })

    test('a request in a dialog that nobody knows: 481', async () => {
      const { src } = await open()
      src.toTag = 'nobody'
      expect((await src.ask('BYE')).status).toBe(481)
      expect((await src.ask('INFO')).status).toBe(481)
    })
  })

  describe(`${name}: how a dialog ends`, () => {
    test('CANCEL before the answer; what the handler says later is ignored', async () => {
      const { handler, src } = await open()
      handler.onOffer = () => {}
      src.send('INVITE')
      await handler.events.nextStarting('invite')
      src.send('CANCEL', { extra: ['Reason: SIP;cause=200;text="Call completed elsewhere"'] })
      expect((await src.answer('CANCEL')).status).toBe(200)
      expect((await src.answer('INVITE')).status).toBe(487)
      await handler.events.nextStarting('ended cancelled')
      handler.offers[0]!.answer(bytesOf(SDP))
      handler.offers[0]!.refuse(488, 'Too Late')
      expect(handler.ends).toMatchObject([{ cause: 'cancelled', reason: { cause: 200 } }])
    })

    test('a 200 that is never acknowledged ends it with BYE', async () => {
      const { handler, port, src } = await open({ t1Ms: 5 })
      await src.ask('INVITE')
      const drained = port.drain()
      const bye = await src.peer.inbox.nextStarting('BYE')
      src.peer.send(answerTo(bye))
      await handler.events.nextStarting('ended noAck')
      await drained
      expect(handler.ends).toHaveLength(1)
    })

    test('bye() waits for the ACK, carries the Reason, and resolves with the answer', async () => {
      const { handler, port, src } = await open()
      const ok = await src.ask('INVITE')
      src.toTag = tagOf(parseResponse(bytesOf(ok.text)))
      const { dialogId } = handler.offers[0]!
      const done = port.bye(dialogId, { cause: 200, text: 'Recorder is shutting "down"' })
      const drained = port.drain()
      src.send('ACK')
      const bye = await src.peer.inbox.nextStarting('BYE')
      expect(parseRequest(bye).headers.first('Reason')).toBe('SIP;cause=200;text="Recorder is shutting \\"down\\""')
      expect(bye).toContain(`sip:src@127.0.0.1:${src.peer.port}`)
      await handler.events.nextStarting('ended local')
      let isDone = false
      void done.then(() => {
        isDone = true
      })
      await Promise.resolve()
      expect(isDone, 'not before the SRC has answered').toBe(false)
      src.peer.send(answerTo(bye))
      await done
      await drained
      expect(handler.ends).toHaveLength(1)
      await port.bye(dialogId)
      await port.bye('nobody' as DialogId)
    })

    test('bye() before the answer refuses the INVITE', async () => {
      const { handler, port, src } = await open()
      handler.onOffer = () => {}
      src.send('INVITE')
      await handler.events.nextStarting('invite')
      await port.bye(handler.offers[0]!.dialogId)
      expect((await src.answer('INVITE')).status).toBe(480)
      expect(handler.ends.map(({ cause }) => cause)).toEqual(['local'])
    })

    test('BYE while a re-INVITE waits: the re-INVITE gets 487', async () => {
      const { handler, src } = await open()
      await src.establish()
      handler.onOffer = () => {}
      src.send('INVITE')
      await handler.events.nextStarting('reinvite')
      src.send('BYE')
      const finals = new Set<string>()
      while (finals.size < 2) {
        const { status, headers } = parseResponse(bytesOf(await src.peer.inbox.nextStarting('SIP/2.0')))
        if (status >= 200) finals.add(`${headers.first('CSeq')} ${status}`)
      }
      expect([...finals].sort()).toEqual(['2 INVITE 487', '3 BYE 200'])
      await handler.events.nextStarting('ended bye')
    })

    test('stop() ends everything that waits, twice over', async () => {
      const { handler, port, src } = await open()
      await src.ask('INVITE')
      const waiting = [port.bye(handler.offers[0]!.dialogId), port.drain()]
      await port.stop()
      await Promise.all(waiting)
      handler.offers[0]!.answer(bytesOf(SDP))
      expect(await port.request(handler.offers[0]!.dialogId, { method: 'INFO' })).toEqual({ status: 0 })
      await port.stop()
    })

    test('drain() with nothing open resolves', async () => {
      const { port, src } = await open()
      await port.drain()
      await src.establish()
      await src.ask('INFO')
      await port.drain()
    })
  })

  describe(`${name}: an INVITE without an offer`, () => {
    test('our 200 has the offer, the ACK brings the answer', async () => {
      const { handler, src } = await open()
      const ok = await src.ask('INVITE', { body: '' })
      expect([handler.offers[0]!.body.length, textOf(ok.body)]).toEqual([0, SDP])
      src.toTag = tagOf(parseResponse(bytesOf(ok.text)))
      src.send('ACK', { body: 'v=0\r\ns=answer\r\n' })
      await handler.events.nextStarting('confirmed')
      expect(handler.inDialog.map(({ method, body }) => [method, textOf(body)])).toEqual([
        ['ACK', 'v=0\r\ns=answer\r\n'],
      ])
    })
  })
}
