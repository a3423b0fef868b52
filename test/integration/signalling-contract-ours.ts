import { describe, expect, test } from 'vitest'
import { bytesOf, parseRequest, parseResponse, SDP, tagOf, textOf } from '../unit/protocol/sip/wire.ts'
import { answerTo, type EngineUnderTest, useEngine } from './signalling-contract-parts.ts'

/** What every signalling port sends of its own accord, beyond the answer and the BYE. */
export function describeOursOfContract({ name, start }: EngineUnderTest): void {
  const { open } = useEngine(start)

  describe(`${name}: provisional responses`, () => {
    test('to a client that requires 100rel they are reliable; PRACK is answered', async () => {
      const { handler, src } = await open()
      handler.onOffer = (offer) => offer.progress(183, bytesOf(SDP))
      src.send('INVITE', { extra: ['Require: 100rel'] })
      const progress = parseResponse(bytesOf(await src.peer.inbox.nextStarting('SIP/2.0 183')))
      expect([progress.headers.first('Require'), textOf(progress.body)]).toEqual(['100rel', SDP])
      expect(progress.headers.first('Contact')).toContain('+sip.srs')
      src.toTag = tagOf(progress)
      const prack = await src.ask('PRACK', { extra: [`RAck: ${progress.headers.first('RSeq')} 1 INVITE`] })
      expect(prack.status).toBe(200)
      handler.offers[0]!.answer(bytesOf(SDP))
      expect((await src.answer('INVITE')).status).toBe(200)
      src.send('ACK', { cseq: '1 ACK' })
      await handler.events.nextStarting('confirmed')
    })

    test('with SDP they are reliable also to one that merely knows how; the 200 waits for the PRACK', async () => {
      const { handler, src } = await open()
      handler.onOffer = (offer) => {
        offer.progress(180)
        offer.progress(183, bytesOf(SDP))
        offer.answer(bytesOf(SDP))
        offer.refuse(488, 'Too Late')
      }
      src.send('INVITE', { extra: ['Supported: 100rel'] })
      const ringing = parseResponse(bytesOf(await src.peer.inbox.nextStarting('SIP/2.0 180')))
      expect([ringing.headers.first('Require'), ringing.headers.first('RSeq')]).toEqual([undefined, undefined])
      const progress = parseResponse(bytesOf(await src.peer.inbox.nextStarting('SIP/2.0 183')))
      src.toTag = tagOf(progress)
      expect((await src.ask('PRACK', { extra: ['RAck: 999 1 INVITE'] })).status, 'of nothing we sent').toBe(481)
      src.send('PRACK', { extra: [`RAck: ${progress.headers.first('RSeq')} 1 INVITE`] })
      const finals = [await src.peer.inbox.nextStarting('SIP/2.0 2'), await src.peer.inbox.nextStarting('SIP/2.0 2')]
      expect(finals.map((text) => parseResponse(bytesOf(text)).headers.first('CSeq'))).toEqual(['3 PRACK', '1 INVITE'])
    })

    test('to one that does not know it they are plain, and none comes after the answer', async () => {
      const { handler, src } = await open()
      handler.onOffer = (offer) => {
        offer.progress(180)
        offer.answer(bytesOf(SDP))
        offer.progress(183)
      }
      src.send('INVITE')
      const ringing = parseResponse(bytesOf(await src.peer.inbox.nextStarting('SIP/2.0 180')))
      expect([ringing.headers.first('Require'), ringing.headers.first('RSeq'), ringing.body.length]).toEqual([
        undefined,
        undefined,
        0,
      ])
      expect(await src.peer.inbox.next()).toMatch(/^SIP\/2\.0 200 /)
    })

    test('to an INVITE without an offer they have no SDP', async () => {
      const { handler, src } = await open()
      handler.onOffer = (offer) => offer.progress(183, bytesOf(SDP))
      src.send('INVITE', { body: '' })
      expect(parseResponse(bytesOf(await src.peer.inbox.nextStarting('SIP/2.0 183'))).body).toHaveLength(0)
    })

    test('a PRACK that never comes costs the INVITE', async () => {
      const { handler, src } = await open({ t1Ms: 5 })
      handler.onOffer = (offer) => {
        offer.progress(183, bytesOf(SDP))
        offer.answer(bytesOf(SDP))
      }
      expect((await src.ask('INVITE', { extra: ['Require: 100rel'] })).status).toBe(504)
      await handler.events.nextStarting('ended refused')
    })

    test('metadata before the answer has nowhere to go: 500 with Retry-After', async () => {
      const { handler, src } = await open()
      handler.onOffer = (offer) => offer.progress(180)
      src.send('INVITE')
      src.toTag = tagOf(parseResponse(bytesOf(await src.peer.inbox.nextStarting('SIP/2.0 180'))))
      const early = await src.ask('INFO', { body: '<recording/>' })
      expect([early.status, early.headers.first('Retry-After')]).toEqual([500, '1'])
      expect((await src.ask('UPDATE', { body: SDP })).status, 'two offers at once').toBe(491)
      expect(handler.inDialog).toEqual([])
    })
  })

  describe(`${name}: requests of our own`, () => {
    test('INFO, UPDATE and a re-INVITE with an offer, whose answer comes back and is acknowledged', async () => {
      const { handler, port, src } = await open()
      await src.establish()
      await handler.events.nextStarting('confirmed')
      const { dialogId } = handler.offers[0]!
      const body = bytesOf('<requestMetadata name="Zoë"/>')
      const informed = port.request(dialogId, {
        method: 'INFO',
        contentType: 'application/rs-metadata-request',
        body,
        headers: [['X-A', '1']],
      })
      const info = await src.peer.inbox.nextStarting('INFO')
      const { headers, body: sent } = parseRequest(info)
      expect([headers.first('Content-Type'), headers.first('X-A'), textOf(sent)]).toEqual([
        'application/rs-metadata-request',
        '1',
        textOf(body),
      ])
      src.peer.send(answerTo(info))
      expect(await informed).toEqual({ status: 200 })

      const changed = port.request(dialogId, { method: 'INVITE', contentType: 'application/sdp', body: bytesOf(SDP) })
      const invite = await src.peer.inbox.nextStarting('INVITE')
      expect(parseRequest(invite).headers.first('Contact')).toContain('+sip.srs')
      const contact = `Contact: <sip:src@127.0.0.1:${src.peer.port}>`
      src.peer.send(answerTo(invite, '200 OK', [contact, 'Content-Type: application/sdp'], 'v=0\r\ns=theirs\r\n'))
      const outcome = await changed
      expect([outcome.status, outcome.contentType, textOf(outcome.body!)]).toEqual([
        200,
        'application/sdp',
        'v=0\r\ns=theirs\r\n',
      ])
      const ack = parseRequest(await src.peer.inbox.nextStarting('ACK'))
      expect(ack.headers.first('CSeq')).toBe(`${Number.parseInt(parseRequest(invite).headers.first('CSeq')!, 10)} ACK`)
      await port.drain()
    })

    test('a method that the SRC does not take, and a re-INVITE without an offer, are not sent', async () => {
      const { handler, port, src } = await open()
      await src.establish({ extra: ['Allow: INVITE, ACK, BYE, CANCEL, INFO'] })
      await handler.events.nextStarting('confirmed')
      const { dialogId } = handler.offers[0]!
      expect(await port.request(dialogId, { method: 'UPDATE' })).toEqual({ status: 405 })
      expect(await port.request(dialogId, { method: 'INVITE' })).toEqual({ status: 0 })
      const asked = port.request(dialogId, { method: 'INFO' })
      src.peer.send(answerTo(await src.peer.inbox.nextStarting('INFO'), '415 Unsupported Media Type'))
      expect(await asked).toEqual({ status: 415 })
    })

    test('one that refreshes keeps the session timer', async () => {
      const { handler, port, src } = await open()
      await src.establish({ extra: ['Supported: timer', 'Session-Expires: 1800;refresher=uac'] })
      await handler.events.nextStarting('confirmed')
      const asked = port.request(handler.offers[0]!.dialogId, { method: 'UPDATE' })
      const update = await src.peer.inbox.nextStarting('UPDATE')
      expect(parseRequest(update).headers.first('Session-Expires')).toBe('1800;refresher=uas')
      src.peer.send(answerTo(update, '200 OK', ['Session-Expires: 1800;refresher=uas']))
      expect((await asked).status).toBe(200)
    })

    test('one at a time, not before the ACK, and not in a dialog that is over', async () => {
      const { handler, port, src } = await open()
      const ok = await src.ask('INVITE')
      const { dialogId } = handler.offers[0]!
      expect(await port.request(dialogId, { method: 'INFO' })).toEqual({ status: 0 })
      src.toTag = tagOf(parseResponse(bytesOf(ok.text)))
      src.send('ACK')
      await handler.events.nextStarting('confirmed')
      const first = port.request(dialogId, { method: 'INVITE', contentType: 'application/sdp', body: bytesOf(SDP) })
      const invite = await src.peer.inbox.nextStarting('INVITE')
      expect(
        await port.request(dialogId, { method: 'INVITE', contentType: 'application/sdp', body: bytesOf(SDP) }),
      ).toEqual({ status: 0 })
      expect((await src.ask('INVITE')).status, 'glare').toBe(491)
      src.peer.send(answerTo(invite, '491 Request Pending'))
      expect(await first).toEqual({ status: 491 })
      await src.ask('BYE')
      expect(await port.request(dialogId, { method: 'INFO' })).toEqual({ status: 0 })
    })

    test('an SRC that does not know the dialog any more ends it', async () => {
      const { handler, port, src } = await open()
      await src.establish()
      await handler.events.nextStarting('confirmed')
      const asked = port.request(handler.offers[0]!.dialogId, { method: 'UPDATE' })
      src.peer.send(answerTo(await src.peer.inbox.nextStarting('UPDATE'), '481 Call/Transaction Does Not Exist'))
      expect((await asked).status).toBe(481)
      await handler.events.nextStarting('ended sessionExpired')
    })

    test('no answer at all is 408', async () => {
      const { handler, port, src } = await open({ t1Ms: 5 })
      await src.establish()
      await handler.events.nextStarting('confirmed')
      expect((await port.request(handler.offers[0]!.dialogId, { method: 'INFO' })).status).toBe(408)
    })
  })
}
