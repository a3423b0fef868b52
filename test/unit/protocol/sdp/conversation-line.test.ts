import { describe, expect, it } from 'vitest'

import { buildAnswer } from '../../../../src/protocol/sdp/answer.ts'
import { conversationLine } from '../../../../src/protocol/sdp/conversation-line.ts'
import { parseSdp } from '../../../../src/protocol/sdp/parse.ts'
import type { MediaDirection, SessionDescription } from '../../../../src/protocol/sdp/session-description.ts'

const CODECS = new Set(['PCMU', 'PCMA', 'G722', 'OPUS'] as const)

function offerOf(...lines: readonly string[]): SessionDescription {
  const sdp = parseSdp(
    new TextEncoder().encode(
      ['v=0', 'o=- 1 1 IN IP4 192.0.2.1', 's=-', 'c=IN IP4 192.0.2.1', 't=0 0', ...lines, ''].join('\r\n'),
    ),
  )
  if (!sdp.ok) throw new Error(sdp.reason)
  return sdp.value
}

describe('the line on which we speak', () => {
  it('is the first audio line with a codec of ours, in the order of the offer', () => {
    const line = conversationLine(
      offerOf(
        'm=video 4 RTP/AVP 96',
        'm=audio 0 RTP/AVP 0',
        'm=audio 4000 RTP/AVP 18 8 0 101',
        'a=rtpmap:101 telephone-event/8000',
        'a=rtcp-mux',
      ),
      CODECS,
    )
    expect(line).toMatchObject({
      index: 2,
      codec: 'PCMA',
      payloadType: 8,
      address: '192.0.2.1',
      port: 4000,
      rtcpPort: 4000,
      isMuxed: true,
      isListening: true,
    })
    expect(line?.events?.payloadType).toBe(101)
  })

  it('takes the events at the clock of the codec, RTCP where it is said, and any spelling of an address', () => {
    const line = conversationLine(
      offerOf(
        'm=audio 4000 RTP/AVP 96 97 98',
        'c=IN IP6 2001:DB8:0::1',
        'a=rtpmap:96 opus/48000/2',
        'a=rtpmap:97 telephone-event/8000',
        'a=rtpmap:98 telephone-event/48000',
        'a=rtcp:5000',
      ),
      CODECS,
    )
    expect(line).toMatchObject({ codec: 'OPUS', rtcpPort: 5000, isMuxed: false, address: '2001:db8:0:0:0:0:0:1' })
    expect(line?.events?.payloadType).toBe(98)
  })

  it.each([
    ['a held line without an address', 'c=IN IP4 0.0.0.0', false],
    ['an inactive one', 'a=inactive', false],
    ['one that only sends', 'a=sendonly', false],
    ['one that only receives', 'a=recvonly', true],
  ])('%s', (_, attribute, isListening) => {
    expect(conversationLine(offerOf('m=audio 4000 RTP/AVP 0', attribute), CODECS)?.isListening).toBe(isListening)
  })

  it.each([
    ['no codec of ours', ['m=audio 4000 RTP/AVP 18']],
    ['another clock', ['m=audio 4000 RTP/AVP 96', 'a=rtpmap:96 PCMU/16000']],
    ['a name for an address', ['m=audio 4000 RTP/AVP 0', 'c=IN IP4 media.example.com']],
    ['many hosts', ['m=audio 4000 RTP/AVP 0', 'c=IN IP4 239.1.1.1']],
    ['no port left for RTCP', ['m=audio 65535 RTP/AVP 0']],
    ['keys by DTLS', ['m=audio 4000 UDP/TLS/RTP/SAVP 0']],
  ])('none: %s', (_, lines) => {
    expect(conversationLine(offerOf(...lines), CODECS)).toBeUndefined()
  })
})

it('needs no port for RTCP where it shares that of RTP', () => {
  expect(conversationLine(offerOf('m=audio 65535 RTP/AVP 0', 'a=rtcp-mux'), CODECS)?.rtcpPort).toBe(65_535)
})

describe('directions of an answer', () => {
  it.each<[MediaDirection, MediaDirection, MediaDirection]>([
    ['sendrecv', 'sendrecv', 'sendrecv'],
    ['sendonly', 'sendrecv', 'recvonly'],
    ['recvonly', 'sendrecv', 'sendonly'],
    ['inactive', 'sendrecv', 'inactive'],
    ['sendrecv', 'recvonly', 'recvonly'],
    ['recvonly', 'recvonly', 'inactive'],
    ['sendrecv', 'sendonly', 'sendonly'],
    ['sendonly', 'sendonly', 'inactive'],
  ])('offered %s, ours %s: %s', (offered, ours, expected) => {
    const offer = offerOf('m=audio 4000 RTP/AVP 0', `a=${offered}`)
    const lines = [{ port: 5000, payloadTypes: [0], direction: ours }]
    const answer = new TextDecoder().decode(
      buildAnswer({ offer, lines, address: '198.51.100.1', sessionId: '1', sessionVersion: 1 }),
    )
    expect(answer).toContain(`a=${expected}\r\n`)
  })
})
