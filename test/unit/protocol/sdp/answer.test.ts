import { describe, expect, test } from 'vitest'
import { sdpOf } from './sdp-text.ts'
import { buildAnswer, isHeld, selectPayloadTypes, type AnswerLine } from '../../../../src/protocol/sdp/answer.ts'

const HEAD = ['v=0', 'o=- 1 1 IN IP4 192.0.2.1', 's=-', 'c=IN IP4 192.0.2.1', 't=0 0']
const LINE: AnswerLine = { port: 20_000, payloadTypes: [0], direction: 'recvonly' }

function answer(offer: readonly string[], lines: readonly AnswerLine[], address = '198.51.100.1'): string[] {
  const bytes = buildAnswer({ offer: sdpOf([...HEAD, ...offer]), lines, address, sessionId: '42', sessionVersion: 2 })
  return new TextDecoder().decode(bytes).split('\r\n')
}

describe('the answer', () => {
  test('is a whole session description that ends its lines with CRLF', () => {
    expect(answer(['m=audio 4000 RTP/AVP 0 18', 'a=label:1', 'a=ptime:20', 'a=sendonly'], [LINE])).toEqual([
      'v=0',
      'o=- 42 2 IN IP4 198.51.100.1',
      's=-',
      'c=IN IP4 198.51.100.1',
      't=0 0',
      'm=audio 20000 RTP/AVP 0',
      'a=label:1',
      'a=rtpmap:0 PCMU/8000',
      'a=ptime:20',
      'a=recvonly',
      '',
    ])
  })

  test('names the address family by the address', () => {
    expect(answer(['m=audio 4000 RTP/AVP 0'], [LINE], '2001:db8::1')).toContain('c=IN IP6 2001:db8::1')
    expect(answer(['m=audio 4000 RTP/AVP 0'], [LINE], '[2001:db8::1]')).toContain('c=IN IP6 2001:db8::1')
  })

  test('echoes rtpmap and fmtp as they were written', () => {
    const lines = answer(
      ['m=audio 4000 RTP/AVP 0 96', 'a=rtpmap:0 pcmu/8000', 'a=rtpmap:96 telephone-event/8000', 'a=fmtp:96 0-15'],
      [{ ...LINE, payloadTypes: [0, 96] }],
    )
    expect(lines).toEqual(
      expect.arrayContaining([
        'm=audio 20000 RTP/AVP 0 96',
        'a=rtpmap:0 pcmu/8000',
        'a=rtpmap:96 telephone-event/8000',
        'a=fmtp:96 0-15',
      ]),
    )
  })

  test('never contains a payload type that was not offered', () => {
    const lines = answer(['m=audio 4000 RTP/AVP 8'], [{ ...LINE, payloadTypes: [0, 8] }])
    expect(lines).toContain('m=audio 20000 RTP/AVP 8')
    expect(answer(['m=audio 4000 RTP/AVP 18'], [LINE])).toContain('m=audio 0 RTP/AVP 18')
  })

  test('refuses video, text and MSRP with port 0 in their places, and echoes their labels', () => {
    const offer = [
      ...['m=audio 4000 RTP/AVP 0', 'a=label:1'],
      ...['m=video 4002 RTP/AVPF 96 97', 'a=label:2'],
      ...['m=message 2855 TCP/MSRP *', 'a=label:3'],
      ...['m=audio 4004 RTP/AVP 0', 'a=label:4'],
    ]
    const refused: AnswerLine = { port: 0, payloadTypes: [], direction: 'inactive' }
    const lines = answer(offer, [LINE, refused, refused, { ...LINE, port: 20_002 }])
    expect(lines.filter((line) => line.startsWith('m='))).toEqual([
      'm=audio 20000 RTP/AVP 0',
      'm=video 0 RTP/AVPF 96 97',
      'm=message 0 TCP/MSRP *',
      'm=audio 20002 RTP/AVP 0',
    ])
    expect(lines.filter((line) => line.startsWith('a=label'))).toEqual([
      'a=label:1',
      'a=label:2',
      'a=label:3',
      'a=label:4',
    ])
  })

  test('refuses lines nothing was said about, and those the offer refused', () => {
    const lines = answer(['m=audio 0 RTP/AVP 0', 'm=audio 4000 RTP/AVP 0'], [LINE])
    expect(lines.filter((line) => line.startsWith('m='))).toEqual(['m=audio 0 RTP/AVP 0', 'm=audio 0 RTP/AVP 0'])
  })

  test('is inactive, with a port, where the offer is inactive', () => {
    const lines = answer(['m=audio 4000 RTP/AVP 0', 'a=inactive'], [LINE])
    expect(lines).toContain('m=audio 20000 RTP/AVP 0')
    expect(lines).toContain('a=inactive')
    expect(lines).not.toContain('a=recvonly')
  })

  test('has rtcp-mux only when it was offered and there is one port', () => {
    const offer = ['m=audio 4000 RTP/AVP 0', 'a=rtcp-mux']
    expect(answer(offer, [LINE])).toContain('a=rtcp-mux')
    expect(answer(['m=audio 4000 RTP/AVP 0'], [LINE])).not.toContain('a=rtcp-mux')
    expect(answer(offer, [{ ...LINE, rtcpPort: 20_001 }])).not.toContain('a=rtcp-mux')
    expect(answer(offer, [{ ...LINE, rtcpPort: 30_000 }])).toContain('a=rtcp:30000 IN IP4 198.51.100.1')
  })

  test('cannot be broken by an offer that hides line ends in its values', () => {
    const lines = answer(['m=audio 4000 RTP/AVP 0', 'a=label:1\ra=sendrecv'], [LINE])
    expect(lines.filter((line) => line.startsWith('a=label'))).toEqual(['a=label:1'])
    expect(lines).not.toContain('a=sendrecv')
  })
})

describe('the payload types that can be recorded', () => {
  const selected = (...offer: readonly string[]) => selectPayloadTypes(sdpOf([...HEAD, ...offer]).media[0]!)

  test('are PCMU and PCMA in the order of the offer, with events and comfort noise beside them', () => {
    expect(selected('m=audio 4000 RTP/AVP 8 18 0 13 101', 'a=rtpmap:101 telephone-event/8000')).toEqual([8, 0, 13, 101])
  })

  test('are none when there is no codec we decode, however many events', () => {
    expect(selected('m=audio 4000 RTP/AVP 18 101', 'a=rtpmap:101 telephone-event/8000')).toEqual([])
  })

  test('leave out events of another clock', () => {
    expect(selected('m=audio 4000 RTP/AVP 0 101', 'a=rtpmap:101 telephone-event/48000')).toEqual([0])
  })

  test('include a dynamic type that is PCMA by its rtpmap', () => {
    expect(selected('m=audio 4000 RTP/AVP 97', 'a=rtpmap:97 PCMA/8000')).toEqual([97])
  })

  test('are none on video and on a profile that needs keys', () => {
    expect(selected('m=video 4000 RTP/AVP 0')).toEqual([])
    expect(selected('m=audio 4000 RTP/SAVP 0')).toEqual([])
    expect(selected('m=audio 4000 RTP/AVPF 0')).toEqual([0])
  })
})

describe('hold', () => {
  const held = (...offer: readonly string[]) => isHeld(sdpOf([...HEAD, ...offer]).media[0]!)

  test.each([
    ['inactive', ['m=audio 4000 RTP/AVP 0', 'a=inactive']],
    ['recvonly', ['m=audio 4000 RTP/AVP 0', 'a=recvonly']],
    ['an address of zeros', ['m=audio 4000 RTP/AVP 0', 'c=IN IP4 0.0.0.0']],
    ['the IPv6 address of zeros', ['m=audio 4000 RTP/AVP 0', 'c=IN IP6 ::']],
    ['port 0', ['m=audio 0 RTP/AVP 0']],
  ])('is said by %s', (_, offer) => {
    expect(held(...offer)).toBe(true)
  })

  test('is not said by sendonly or sendrecv', () => {
    expect(held('m=audio 4000 RTP/AVP 0', 'a=sendonly')).toBe(false)
    expect(held('m=audio 4000 RTP/AVP 0')).toBe(false)
  })
})
