import { afterEach, expect, test } from 'vitest'
import { serializeMessage } from '../../src/protocol/sip/serialize-message.ts'
import { TcpListener, type TcpDropReason, type TcpListenerOptions } from '../../src/server/signalling/tcp-listener.ts'
import { textOf } from '../unit/protocol/sip/wire.ts'
import { Inbox, TcpPeer } from './signalling-peer.ts'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

const OPTIONS = 'OPTIONS sip:a SIP/2.0\r\nCall-ID: 1\r\nContent-Length: 0\r\n\r\n'

async function listen(options: Partial<TcpListenerOptions> = {}) {
  const drops: TcpDropReason[] = []
  const received = new Inbox()
  let connections = 0
  const listener = new TcpListener({
    address: '127.0.0.1',
    port: 0,
    nextConnectionId: () => ++connections,
    receive: (message, peer) => {
      if (!message.ok) return false
      const bytes = serializeMessage(message.value)
      received.put(textOf(bytes))
      return listener.send(bytes, peer.connectionId)
    },
    drop: (reason) => drops.push(reason),
    fail: () => {},
    ...options,
  })
  const bound = await listener.open()
  closers.push(() => listener.close())
  const connect = async (): Promise<TcpPeer> => {
    const peer = await TcpPeer.open(bound)
    closers.push(() => peer.close())
    return peer
  }
  return { listener, drops, received, connect, bound }
}

test('a full listener lets the connection go that was silent longest', async () => {
  const { drops, connect, listener } = await listen({ connectionsMax: 2 })
  const [first, second] = [await connect(), await connect()]
  await first.write(OPTIONS)
  await first.inbox.next()
  const third = await connect()
  expect(await second.inbox.next()).toBe('closed')
  await third.write(OPTIONS)
  await third.inbox.next()
  expect([drops, listener.connectionCount]).toEqual([['connectionsFull'], 2])
})

test('a connection that never finishes a message is closed, however busily it drips', async () => {
  const { drops, connect } = await listen({ messageMs: 50 })
  const peer = await connect()
  const drip = setInterval(() => peer.socket.write('X'), 5)
  closers.push(() => clearInterval(drip))
  expect(await peer.inbox.next()).toBe('closed')
  expect(drops).toEqual(['connectionIdle'])
})

test('a connection silent between messages is closed after the idle time', async () => {
  const { drops, connect } = await listen({ idleMs: 50 })
  const peer = await connect()
  await peer.write(OPTIONS)
  expect([await peer.inbox.next(), await peer.inbox.next()]).toEqual([OPTIONS, 'closed'])
  expect(drops).toEqual(['connectionIdle'])
})

test('a peer that does not read is closed before its answers fill the memory', async () => {
  const { drops, connect, listener, received } = await listen()
  const peer = await connect()
  await peer.write(OPTIONS)
  await received.next()
  peer.socket.pause()
  const answer = new Uint8Array(256 * 1024)
  for (let count = 0; count < 200 && listener.send(answer, 1); count++)
    await new Promise((resolve) => setImmediate(resolve))
  expect(drops).toEqual(['connectionUnread'])
})

test('bytes that are not SIP close the connection', async () => {
  const { drops, connect } = await listen()
  const peer = await connect()
  await peer.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  expect(await peer.inbox.next()).toBe('closed')
  expect(drops).toEqual(['notSip'])
})

test('a peer that cannot be reached is counted', async () => {
  const { listener: other, bound } = await listen()
  await other.close()
  closers.pop()
  const dropped = new Inbox()
  const { listener } = await listen({ drop: (reason) => dropped.put(reason) })
  listener.connectAndSend(new Uint8Array(1), bound.port, '127.0.0.1')
  expect(await dropped.next()).toBe('connectionFailed')
})
