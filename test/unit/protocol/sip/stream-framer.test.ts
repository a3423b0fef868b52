import { describe, expect, test } from 'vitest'
import { MESSAGE_BYTES_MAX } from '../../../../src/protocol/sip/message.ts'
import { StreamFramer, type StreamItem } from '../../../../src/protocol/sip/stream-framer.ts'
import { bytesOf, head, request, SDP, textOf } from './wire.ts'

function readable(items: readonly StreamItem[]): readonly string[] {
  return items.map((item) =>
    item.kind === 'message' ? textOf(item.bytes) : item.kind === 'ping' ? 'ping' : item.reason,
  )
}

/** What a framer makes of a text cut into pieces of the given size. */
function frame(text: string, pieceBytes: number): readonly string[] {
  const framer = new StreamFramer()
  const bytes = bytesOf(text)
  const items: StreamItem[] = []
  for (let start = 0; start < bytes.length; start += pieceBytes) {
    items.push(...framer.push(bytes.subarray(start, start + pieceBytes)))
  }
  return readable(items)
}

const INVITE = request({ body: SDP })
const BYE = request({ method: 'BYE', cseq: '2 BYE' })

describe('a stream of SIP messages', () => {
  test.each([1, 2, 3, 7, 64, 1000, 100_000])('is cut into the same messages in pieces of %i bytes', (pieceBytes) => {
    expect(frame(INVITE + BYE + INVITE, pieceBytes)).toEqual([INVITE, BYE, INVITE])
  })

  test.each([1, 2, 3, 100])('answers a double CRLF between messages, in pieces of %i bytes', (pieceBytes) => {
    expect(frame(`\r\n\r\n${INVITE}\r\n\r\n\r\n\r\n${BYE}\r\n`, pieceBytes)).toEqual([
      'ping',
      INVITE,
      'ping',
      'ping',
      BYE,
    ])
  })

  test('may use bare LF', () => {
    const text = INVITE.replaceAll('\r\n', '\n')
    const message = text.replace(/Content-Length: \d+/, `Content-Length: ${SDP.replaceAll('\r\n', '\n').length}`)
    expect(frame(message + message, 5)).toEqual([message, message])
  })

  test('may leave out Content-Length where there is no body', () => {
    const options = head('OPTIONS sip:a SIP/2.0', 'Call-ID: 1')
    expect(frame(options + BYE, 4)).toEqual([options, BYE])
  })

  test('may carry a body that looks like messages', () => {
    const nested = request({ body: `${BYE}\r\n\r\n${BYE}` })
    expect(frame(nested + BYE, 11)).toEqual([nested, BYE])
  })
})

describe('a stream that cannot be followed', () => {
  test('has a body without Content-Length: the head is delivered, to be refused, and the stream ends', () => {
    const invite = head('INVITE sip:a SIP/2.0', 'Content-Type: application/sdp')
    expect(frame(`${invite}v=0\r\n`, 3)).toEqual([invite, 'contentLength'])
  })

  test('has a negative Content-Length', () => {
    const invite = head('INVITE sip:a SIP/2.0', 'Content-Length: -5')
    expect(frame(`${invite}${BYE}`, 1000)).toEqual([invite, 'contentLength'])
  })

  test('announces more than a message may have', () => {
    const invite = head('INVITE sip:a SIP/2.0', `Content-Length: ${MESSAGE_BYTES_MAX}`)
    expect(frame(`${invite}abc`, 1000)).toEqual([invite, 'tooLarge'])
  })

  test('never ends its head', () => {
    const items = frame(`OPTIONS sip:a SIP/2.0\r\n${'X: y\r\n'.repeat(20_000)}`, 1000)
    expect(items).toEqual(['tooLarge'])
  })

  test.each([
    ['HTTP', 'GET / HTTP/1.1\r\nHost: a\r\n'],
    ['a TLS hello', '\x16\x03\x01\x02\x00\x01'],
    ['one endless line', 'a'.repeat(20_000)],
  ])('is %s, and is given up before it fills the buffer', (_, text) => {
    expect(frame(text, 10)).toEqual(['notSip'])
  })

  test('says nothing more once it is broken', () => {
    const framer = new StreamFramer()
    framer.push(bytesOf('GET / HTTP/1.1\r\n'))
    expect([framer.isBroken, framer.push(bytesOf(INVITE))]).toEqual([true, []])
  })
})

test('60 kB byte by byte, and thousands of tiny messages at once, are looked at once', () => {
  const big = request({ body: 'x'.repeat(60_000) })
  expect(frame(big, 1)).toEqual([big])
  const tiny = 'A b SIP/2.0\n\n'
  expect(frame(tiny.repeat(5000), 65_536)).toHaveLength(5000)
})
