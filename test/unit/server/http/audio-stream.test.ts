import { once } from 'node:events'
import { createServer, type Server, type ServerResponse } from 'node:http'
import { connect, type Socket } from 'node:net'

import { afterEach, beforeEach, expect, test } from 'vitest'

import { AUDIO_BUFFER_BYTES_MAX, AudioStream } from '../../../../src/server/http/audio-stream.ts'

let server: Server
let socket: Socket
let response: ServerResponse
let stream: AudioStream
let cut: number

beforeEach(async () => {
  cut = 0
  server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  socket = connect((server.address() as { port: number }).port, '127.0.0.1')
  socket.write('GET / HTTP/1.1\r\nhost: recorder\r\n\r\n')
  response = ((await once(server, 'request')) as [unknown, ServerResponse])[1]
  stream = new AudioStream(response, { headers: {}, onCut: () => (cut += 1) })
})

afterEach(() => {
  socket.destroy()
  server.close()
  server.closeAllConnections()
})

const isWiped = (pages: Uint8Array): boolean => pages.every((byte) => byte === 0)

test('pages are wiped when the kernel has them, and arrive as they were', async () => {
  const pages = new Uint8Array(5_000).fill(7)
  stream.write(pages)
  const received: Buffer[] = []
  socket.on('data', (bytes: Buffer) => received.push(bytes))
  stream.end()
  await once(socket, 'end')
  expect(Buffer.concat(received).filter((byte) => byte === 7)).toHaveLength(5_000)
  expect(isWiped(pages)).toBe(true)
})

test('a listener that does not read is cut off; what waited for it is wiped, and nothing more is taken', async () => {
  socket.pause()
  const waiting: Uint8Array[] = []
  const closed = once(response, 'close')
  while (cut === 0) {
    const pages = new Uint8Array(AUDIO_BUFFER_BYTES_MAX).fill(7)
    waiting.push(pages)
    stream.write(pages)
    await new Promise(setImmediate)
  }
  await closed
  expect(waiting.every(isWiped)).toBe(true)
  const late = new Uint8Array(10).fill(7)
  stream.write(late)
  expect([isWiped(late), cut]).toEqual([true, 1])
})
