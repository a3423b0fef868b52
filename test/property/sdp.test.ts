import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { buildAnswer, isHeld, selectPayloadTypes } from '../../src/protocol/sdp/answer.ts'
import { parseSdp, SDP_BYTES_MAX } from '../../src/protocol/sdp/parse.ts'

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

/** Lines that are nearly right, so that the parser gets further than with noise. */
const line = fc.oneof(
  fc.constantFrom('v=0', 'o=- 1 2 IN IP4 192.0.2.1', 'c=IN IP4 0.0.0.0', 'c=', 'm=', 'a=', 'a=rtcp-mux', 'a=inactive'),
  fc.constantFrom(
    'a=label:1',
    'a=label:__proto__',
    'a=rtpmap:0',
    'a=rtpmap:101 telephone-event/8000',
    'a=fmtp:101 0-15',
  ),
  fc.tuple(fc.integer({ min: -5, max: 200 }), fc.string()).map(([type, name]) => `a=rtpmap:${type} ${name}`),
  fc
    .tuple(fc.constantFrom('audio', 'video', 'message', ''), fc.integer(), fc.array(fc.integer({ min: 0, max: 130 })))
    .map(([type, port, formats]) => `m=${type} ${port} RTP/AVP ${formats.join(' ')}`),
  fc.string(),
)
const description = fc.tuple(fc.array(line), fc.constantFrom('\r\n', '\n', '\r')).map(([lines, end]) => lines.join(end))

describe('the SDP parser', () => {
  test('never throws, whatever the bytes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 2_000 }), (bytes) => void parseSdp(bytes)))
  })

  test('whatever it accepts is answered with the same lines in the same order, and the answer parses back', () => {
    const property = fc.property(description, fc.array(fc.integer({ min: 0, max: 127 })), (text, wanted) => {
      const offer = parseSdp(bytesOf(text))
      if (!offer.ok) return
      const lines = offer.value.media.map((media, index) => ({
        port: isHeld(media) && index % 2 === 0 ? 0 : 20_000 + index,
        payloadTypes: [...wanted, ...selectPayloadTypes(media)],
        direction: 'recvonly' as const,
      }))
      const answer = parseSdp(
        buildAnswer({ offer: offer.value, lines, address: '::1', sessionId: '1', sessionVersion: 1 }),
      )
      if (!answer.ok) throw new Error(answer.reason)
      expect(answer.value.media).toHaveLength(offer.value.media.length)
      for (const [index, media] of answer.value.media.entries()) {
        const offered = offer.value.media[index]!
        expect(media.label).toBe(offered.label)
        expect(media.direction === 'recvonly' || media.direction === 'inactive').toBe(true)
        if (media.port !== 0)
          for (const format of media.formats) expect(offered.formats.map(Number)).toContain(Number(format))
      }
    })
    fc.assert(property)
  })

  test('answers the largest hostile descriptions; anything but linear time would not come to an end', () => {
    const shapes = ['a', ' ', '=', 'a=', 'a=rtpmap:0 ', 'm=audio 1 RTP/AVP ', '0 ', '\r', '\n', 'a= \r\n']
    for (const shape of shapes) {
      const filled = shape.repeat(Math.floor((SDP_BYTES_MAX - 30) / shape.length))
      void parseSdp(bytesOf(filled))
      void parseSdp(bytesOf(`v=0\r\nm=audio 1 RTP/AVP 0\r\na=${filled}`))
    }
  })
})
