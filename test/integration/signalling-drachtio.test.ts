import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { monotonicUs } from '../../src/server/monotonic.ts'
import {
  DrachtioSignalling,
  type DrachtioSignallingOptions,
} from '../../src/server/signalling/drachtio/drachtio-signalling.ts'
import { DrachtioPeer, type DrachtioPeerOptions } from '../support/drachtio-peer/drachtio-peer.ts'
import { freeTcpPort } from '../support/free-ports.ts'
import { bytesOf, parseRequest, parseResponse, SDP, tagOf } from '../unit/protocol/sip/wire.ts'
import { answerTo, RecordingHandler, Src } from './signalling-contract-parts.ts'
import { Inbox, UdpPeer } from './signalling-peer.ts'

const SECRET = 'test-secret'
const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

/** What is logged, to be awaited: its code or sentence. */
function makeLog() {
  const inbox = new Inbox()
  const put = (fields: object, sentence: string): void =>
    inbox.put('code' in fields && typeof fields.code === 'string' ? fields.code : sentence)
  return { inbox, debug: () => {}, info: put, warn: put }
}

async function openPeer(options: DrachtioPeerOptions = {}): Promise<DrachtioPeer> {
  const peer = await DrachtioPeer.open({ secret: SECRET, ...options })
  closers.push(() => peer.close())
  return peer
}

function makeSignalling(port: number, options: Partial<DrachtioSignallingOptions> = {}) {
  const log = makeLog()
  const handler = new RecordingHandler()
  const signalling = new DrachtioSignalling({
    meeting: { mode: 'connect', host: '127.0.0.1', port },
    secret: SECRET,
    log,
    randomToken: () => randomBytes(16).toString('hex'),
    nowUs: monotonicUs,
    ...options,
  })
  closers.push(() => signalling.stop())
  return { log: log.inbox, handler, signalling }
}

async function open(options: Partial<DrachtioSignallingOptions> = {}, peerOptions: DrachtioPeerOptions = {}) {
  const peer = await openPeer(peerOptions)
  const made = makeSignalling(peer.adminPort, options)
  const addresses = await made.signalling.run(made.handler)
  return { ...made, peer, addresses, src: await openSrc(peer) }
}

async function openSrc(peer: DrachtioPeer): Promise<Src> {
  const udp = await UdpPeer.open(peer.at('udp'))
  closers.push(() => udp.close())
  return new Src(udp)
}

describe('meeting drachtio-server', () => {
  test('it tells where it listens, and its version', async () => {
    const { addresses, signalling, log, peer } = await open()
    expect(addresses).toEqual([peer.at('udp'), peer.at('tcp')])
    expect(signalling.addresses).toEqual(addresses)
    expect(signalling.outage).toBeUndefined()
    await log.nextStarting('drachtio-server is connected')
  })

  test('one that is older than the protocol is warned of', async () => {
    const { log } = await open({}, { version: 'v0.8.26' })
    await log.nextStarting('drachtio-server is older')
  })

  test('a wrong secret is an error with its code and a hint, and nothing stays open', async () => {
    const peer = await openPeer()
    const { signalling, handler } = makeSignalling(peer.adminPort, { secret: 'wrong' })
    await expect(signalling.run(handler)).rejects.toMatchObject({
      code: 'drachtio-secret',
      hint: expect.stringContaining('sip.drachtio.secret') as string,
    })
    await signalling.stop()
  })

  test('one that is away is tried again until it is there', async () => {
    const port = await freeTcpPort()
    const { signalling, handler, log } = makeSignalling(port)
    expect(await signalling.run(handler)).toEqual([])
    expect(await log.next()).toBe('drachtio-unreachable')
    expect(signalling.outage).toMatchObject({ code: 'drachtio-unreachable' })
    const peer = await openPeer({ adminPort: port })
    await log.nextStarting('drachtio-server is connected')
    expect([signalling.outage, signalling.addresses]).toEqual([undefined, [peer.at('udp'), peer.at('tcp')]])
    await (await openSrc(peer)).establish()
    await handler.events.nextStarting('confirmed')
  })

  test('stop() while it is away ends the attempts', async () => {
    const { signalling, handler } = makeSignalling(await freeTcpPort())
    await signalling.run(handler)
    await signalling.stop()
    await signalling.stop()
  })

  test('the advertised address is what the Contact says, with the port drachtio-server has for that transport', async () => {
    const { src, peer, handler } = await open({ advertise: '192.0.2.10' })
    const ok = await src.ask('INVITE')
    expect(ok.headers.first('Contact')).toBe(`<sip:srs@192.0.2.10:${peer.at('udp').port}>;+sip.srs`)
    expect(handler.offers[0]!.localAddress, 'media still comes here').toBe('127.0.0.1')
    expect(() => makeSignalling(1, { advertise: 'a b' })).toThrow(
      expect.objectContaining({ code: 'sip-advertise-invalid' }),
    )
  })
})

test('who may open a dialog is asked of an authoriser: its challenge goes out, and who passed is named', async () => {
  const challenges = ['Digest realm="a", algorithm=SHA-256', 'Digest realm="a", algorithm=MD5']
  const { src, handler, peer } = await open({
    authoriser: {
      authorise: ({ headers }) =>
        headers.first('Authorization') === undefined
          ? {
              kind: 'denied',
              cause: 'challenged',
              status: 401,
              reason: 'Unauthorized',
              headers: challenges.map((value) => ({ name: 'WWW-Authenticate', value })),
            }
          : { kind: 'granted', user: 'sbc-1' },
    },
  })
  const asked = await src.ask('INVITE')
  expect([asked.status, asked.headers.all('WWW-Authenticate')]).toEqual([401, challenges])
  expect((await (await openSrc(peer)).ask('OPTIONS')).status).toBe(401)
  expect(handler.offers).toEqual([])
  const proven = await openSrc(peer)
  await proven.establish({ extra: ['Authorization: Digest username="sbc-1"'] })
  await proven.ask('INVITE')
  expect(handler.offers.map(({ source }) => source.user)).toEqual(['sbc-1', 'sbc-1'])
})

describe('when the connection is lost', () => {
  test('recordings go on; our BYE reaches the SRC by the next connection', async () => {
    const { src, peer, handler, signalling, log } = await open()
    await src.establish()
    await handler.events.nextStarting('confirmed')
    await log.nextStarting('drachtio-server is connected')
    peer.cutConnections()
    expect(await log.next()).toBe('drachtio-unreachable')
    expect(signalling.outage?.code).toBe('drachtio-unreachable')
    await log.nextStarting('drachtio-server is connected')
    expect(handler.ends).toEqual([])
    const done = signalling.bye(handler.offers[0]!.dialogId)
    src.peer.send(answerTo(await src.peer.inbox.nextStarting('BYE')))
    await done
    expect(handler.ends.map(({ cause }) => cause)).toEqual(['local'])
  })

  test('a BYE that comes meanwhile is answered by drachtio-server, and nobody tells us', async () => {
    const { src, peer, handler, log } = await open()
    await src.establish()
    await handler.events.nextStarting('confirmed')
    peer.cutConnections()
    await log.nextStarting('drachtio-unreachable')
    await log.nextStarting('drachtio-server is connected')
    expect((await src.ask('BYE')).status).toBe(481)
    expect(handler.ends, 'media time-out or session timer will end it').toEqual([])
  })

  test('an INVITE that waits for its answer is over, a request of ours was not sent, a BYE under way is done', async () => {
    const { src, peer, handler, signalling, log } = await open()
    await src.establish()
    await handler.events.nextStarting('confirmed')
    const other = await openSrc(peer)
    await other.establish()
    await handler.events.nextStarting('confirmed')
    const waiting = await openSrc(peer)
    handler.onOffer = () => {}
    waiting.send('INVITE')
    await handler.events.nextStarting('invite')
    const asked = signalling.request(handler.offers[0]!.dialogId, { method: 'INFO' })
    const said = signalling.bye(handler.offers[1]!.dialogId)
    await src.peer.inbox.nextStarting('INFO')
    peer.cutConnections()
    await log.nextStarting('drachtio-unreachable')
    expect(await asked).toEqual({ status: 0 })
    await said
    expect(handler.ends.map(({ cause }) => cause)).toEqual(['local', 'refused'])
    handler.offers[2]!.answer(bytesOf(SDP))
    await signalling.drain()
  })

  test('before the ACK: whether it came nobody can tell, so the recording goes on and can be ended', async () => {
    const { src, peer, handler, signalling, log } = await open()
    await src.ask('INVITE')
    peer.cutConnections()
    await log.nextStarting('drachtio-unreachable')
    await log.nextStarting('drachtio-server is connected')
    expect(handler.ends).toEqual([])
    const done = signalling.bye(handler.offers[0]!.dialogId)
    src.peer.send(answerTo(await src.peer.inbox.nextStarting('BYE')))
    await done
  })

  test('drachtio-server was started anew and knows no dialog: a request of ours finds that out', async () => {
    const { src, peer, handler, signalling } = await open()
    await src.establish()
    await handler.events.nextStarting('confirmed')
    peer.stack.forgetDialogs()
    expect(await signalling.request(handler.offers[0]!.dialogId, { method: 'INFO' })).toEqual({ status: 481 })
    await handler.events.nextStarting('ended sessionExpired')
    await signalling.drain()
  })
})

describe('what drachtio-server does by itself', () => {
  test('a session timer that ran out there ends the recording session', async () => {
    const { src, peer, handler } = await open()
    await src.establish({ extra: ['Supported: timer', 'Session-Expires: 90;refresher=uac'] })
    await handler.events.nextStarting('confirmed')
    peer.stack.expireSessions()
    expect(await src.peer.inbox.nextStarting('BYE')).toContain('Session timer expired')
    await handler.events.nextStarting('ended sessionExpired')
  })

  test('one that it does not watch runs out here', async () => {
    const { src, handler } = await open({ timers: { sessionSecondMs: 1 } })
    await src.establish({ extra: ['Supported: timer', 'Session-Expires: 90;refresher=uac'] })
    const bye = await src.peer.inbox.nextStarting('BYE')
    expect(parseRequest(bye).headers.first('Reason')).toContain('cause=408')
    await handler.events.nextStarting('ended sessionExpired')
  })

  test('a refresh starts it anew; a session of a hundred years does not run out at once', async () => {
    const { src, handler } = await open()
    await src.establish({ extra: ['Supported: timer', 'Session-Expires: 4000000000;refresher=uac'] })
    expect(
      (await src.ask('UPDATE', { extra: ['Supported: timer', 'Session-Expires: 4000000000;refresher=uac'] })).status,
    ).toBe(200)
    expect((await src.ask('BYE')).status).toBe(200)
    await handler.events.nextStarting('ended bye')
  })

  test('a CANCEL that comes after our 200: it hangs up', async () => {
    const { src, handler } = await open()
    await src.ask('INVITE')
    src.send('CANCEL')
    expect((await src.answer('CANCEL')).status).toBe(481)
    await handler.events.nextStarting('ended cancelled')
  })

  test('no ACK, and no word of it either: we hang up', async () => {
    const { src, handler } = await open({ timers: { ackMs: 20 } })
    await src.ask('INVITE')
    await src.peer.inbox.nextStarting('BYE')
    await handler.events.nextStarting('ended noAck')
  })

  test('no answer of the handler in time: 500', async () => {
    const { src, handler } = await open({ timers: { answerMs: 20 } })
    handler.onOffer = () => {}
    expect((await src.ask('INVITE')).status).toBe(500)
    await handler.events.nextStarting('ended refused')
  })
})

describe('what must not stop it', () => {
  const frame = (text: string): string => `${Buffer.byteLength(text)}#${text}`
  const LEADER = 'id|sip|network|9|udp|192.0.2.1|5060|00:00:00|txn||192.0.2.9|5060|\r\n'

  test('noise from drachtio-server: the connection is made anew, and the next INVITE is served', async () => {
    const { peer, handler, log } = await open()
    await log.nextStarting('drachtio-server is connected')
    peer.sendBytes(Uint8Array.from({ length: 60_000 }, (_, index) => index % 256))
    await log.nextStarting('drachtio-server is connected')
    expect(handler.counters).toContainEqual({ kind: 'dropped', reason: 'drachtioFraming' })
    await (await openSrc(peer)).establish()
  })

  test('frames of unknown kinds, broken messages, answers to nothing: dropped, and stderr is left alone', async () => {
    const printed = vi.spyOn(console, 'error').mockImplementation(() => {})
    closers.push(() => printed.mockRestore())
    const { peer, handler, src } = await open()
    for (const text of [
      'x',
      'id|teleport|x',
      'id|sip',
      LEADER,
      `${LEADER}nonsense +15550100`,
      `${LEADER}INVITE sip:x SIP/2.0\r\n\r\n`,
      `${LEADER}INVITE sip:x SIP/2.0\r\n\r\n--\r\n\r\n--`,
      `${LEADER}SIP/2.0 200 OK\r\n\r\n`,
      `${LEADER}CANCEL sip:x SIP/2.0\r\nCall-ID: constructor\r\n\r\n`,
      'id|response|nobody|OK|x',
      'id|response',
      'id|cdr:start|x',
      'id|sip|application|9|udp|192.0.2.1|5060|0|unsolicited|dialog|\r\nBYE sip:x SIP/2.0\r\nCall-ID: x\r\n\r\n',
    ]) {
      peer.sendBytes(frame(text))
    }
    await src.establish()
    await handler.events.nextStarting('confirmed')
    expect(handler.offers).toHaveLength(1)
    expect(handler.counters).toContainEqual({ kind: 'dropped', reason: 'drachtioMessage' })
    expect(printed).not.toHaveBeenCalled()
  })

  test('an INVITE that is too long is answered 413 and not shown', async () => {
    const { peer, handler, src } = await open()
    const udp = src.peer
    // The peer's own stack takes no more than a datagram, so what its TCP side would pass on is written by hand.
    const text = src.text('INVITE')
    const [head = ''] = text.split('\r\n\r\n')
    udp.send(text)
    await handler.events.nextStarting('invite')
    peer.sendBytes(frame(`${LEADER}${head}\r\n\r\n${'x'.repeat(100_000)}`))
    await src.ask('INFO').catch(() => {})
    expect(handler.counters).toContainEqual({ kind: 'request', method: 'INVITE', code: 413 })
    expect(handler.offers).toHaveLength(1)
  })

  test('an answer too long for drachtio-server to read ends the dialog instead of the connection', async () => {
    const { handler, src, peer } = await open()
    handler.onOffer = (offer) => offer.answer(new Uint8Array(20_000).fill(0x61))
    expect((await src.ask('INVITE')).text).toMatch(/^SIP\/2\.0 500 Answer Too Long\r\n/)
    await handler.events.nextStarting('ended noAck')
    expect(handler.counters).toContainEqual({ kind: 'dropped', reason: 'drachtioTooLong' })
    handler.onOffer = (offer) => offer.answer(bytesOf(SDP))
    await (await openSrc(peer)).establish()
  })
})

describe('when drachtio-server connects to us', () => {
  async function openListening(allow: readonly string[] = ['127.0.0.0/8']) {
    const made = makeSignalling(0, { meeting: { mode: 'listen', address: '127.0.0.1', port: 0, allow } })
    await made.signalling.run(made.handler)
    return { ...made, at: made.signalling.listensAt! }
  }

  test('each dialog has its connection, which is closed when the dialog is over; so has OPTIONS', async () => {
    const { handler, at } = await openListening()
    const peer = await openPeer({ routeTo: { host: '127.0.0.1', port: at.port } })
    const [one, two] = [await openSrc(peer), await openSrc(peer)]
    await one.establish()
    await two.establish()
    expect(peer.connectionCount).toBe(2)
    await one.ask('BYE')
    await handler.events.nextStarting('ended')
    await vi.waitFor(() => expect(peer.connectionCount).toBe(1))
    expect((await (await openSrc(peer)).ask('OPTIONS')).status).toBe(200)
    handler.onOffer = (offer) => offer.refuse(488, 'No')
    expect((await (await openSrc(peer)).ask('INVITE')).status).toBe(488)
    await vi.waitFor(() => expect(peer.connectionCount).toBe(1))
    expect((await two.ask('INFO')).status, 'the other one is untouched').toBe(200)
  })

  test('a stranger is turned away and does not learn the secret', async () => {
    const { handler, at } = await openListening(['192.0.2.1'])
    const socket = connect(at.port, '127.0.0.1')
    let heard = ''
    socket.on('data', (bytes) => {
      heard += bytes.toString()
    })
    await new Promise((resolve) => socket.once('close', resolve))
    expect(heard).toBe('')
    expect(handler.counters).toContainEqual({ kind: 'dropped', reason: 'drachtioForeign' })
  })

  test('a port that is taken is told clearly', async () => {
    const { at } = await openListening()
    const { signalling, handler } = makeSignalling(0, { meeting: { mode: 'listen', ...at, allow: ['127.0.0.1'] } })
    await expect(signalling.run(handler)).rejects.toMatchObject({
      code: 'drachtio-listen-failed',
      hint: expect.stringContaining('sip.drachtio.listen') as string,
    })
  })

  test('a lost connection takes no dialog along, but our BYE has no way left', async () => {
    const { handler, at, signalling } = await openListening()
    const peer = await openPeer({ routeTo: { host: '127.0.0.1', port: at.port } })
    const src = await openSrc(peer)
    const ok = await src.ask('INVITE')
    src.toTag = tagOf(parseResponse(bytesOf(ok.text)))
    src.send('ACK')
    await handler.events.nextStarting('confirmed')
    peer.cutConnections()
    await signalling.bye(handler.offers[0]!.dialogId)
    expect(handler.ends.map(({ cause }) => cause)).toEqual(['local'])
  })
})
