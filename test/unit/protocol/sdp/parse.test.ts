import { describe, expect, test } from 'vitest'
import { CRYPTO_LINES_MAX, FORMATS_MAX } from '../../../../src/protocol/sdp/parse-media.ts'
import { parseSdp, SDP_BYTES_MAX, SDP_LINES_MAX, SDP_MEDIA_MAX } from '../../../../src/protocol/sdp/parse.ts'
import { sdpOf } from './sdp-text.ts'

const HEAD = ['v=0', 'o=- 4711 3 IN IP4 192.0.2.1', 's=-', 'c=IN IP4 192.0.2.1', 't=0 0']

/** Thirty octets: key and salt of AES_CM_128. */
const KEY_30 = 'AAECAwQFBgcICQoLDA0OD/Dx8vP09fb3+Pn6+/z9'

describe('a session description', () => {
  test('gives the id and version of its origin, and its m-lines in order', () => {
    const sdp = sdpOf([...HEAD, 'm=audio 4000 RTP/AVP 0', 'm=video 4002 RTP/AVP 96', 'm=message 2855 TCP/MSRP *'])
    expect(sdp.sessionId).toBe('4711')
    expect(sdp.sessionVersion).toBe('3')
    expect(sdp.media.map(({ index, type, port, protocol }) => [index, type, port, protocol])).toEqual([
      [0, 'audio', 4000, 'RTP/AVP'],
      [1, 'video', 4002, 'RTP/AVP'],
      [2, 'message', 2855, 'TCP/MSRP'],
    ])
  })

  test.each([
    ['CRLF', '\r\n'],
    ['bare LF', '\n'],
    ['bare CR', '\r'],
  ])('may end its lines with %s', (_, end) => {
    const sdp = sdpOf([...HEAD, 'm=audio 4000 RTP/AVP 0', 'a=label:7', ''], end)
    expect(sdp.media[0]?.label).toBe('7')
  })

  test('may begin with a byte order mark and have blanks around its lines', () => {
    const sdp = sdpOf(['\ufeffv=0', '  o=- 1 2 IN IP4 192.0.2.1  ', 'm=audio 4000 RTP/AVP 0 ', ' a=label: 7 '])
    expect([sdp.sessionId, sdp.media[0]?.label, sdp.media[0]?.formats]).toEqual(['1', '7', ['0']])
  })

  test('may have tabs for blanks, and blanks around its equals signs', () => {
    const sdp = sdpOf(['v =0', 'o=-\t1\t2\tIN\tIP4\t192.0.2.1', 'm\t= audio\t4000\tRTP/AVP\t0\t8', '\ta = label:7'])
    expect([sdp.sessionId, sdp.media[0]?.port, sdp.media[0]?.label, sdp.media[0]?.formats]).toEqual([
      ...['1', 4000, '7'],
      ['0', '8'],
    ])
  })

  test.each([
    ['o=- 17 4 IN IP4 192.0.2.1', '17', '4'],
    ['o=Some Vendor SBC 17 4 IN IP4 192.0.2.1', '17', '4'],
    ['o=IN 17 4 IN IP6 ::1', '17', '4'],
    ['o=- 17 4', '17', '4'],
    ['o=- 17', '17', ''],
    ['o=-', '', ''],
    ['o=', '', ''],
    ['o=- 18446744073709551616 -1 IN IP4 192.0.2.1', '18446744073709551616', '-1'],
  ])('has its id and version from %s', (origin, sessionId, sessionVersion) => {
    expect(sdpOf([origin, 'm=audio 4000 RTP/AVP 0'])).toMatchObject({ sessionId, sessionVersion })
  })

  test('may lack every line but the m-line', () => {
    const sdp = sdpOf(['m=audio 4000 RTP/AVP 8'])
    expect(sdp.sessionId).toBe('')
    expect(sdp.media[0]?.codecs).toEqual([{ payloadType: 8, name: 'PCMA', clockRate: 8000, channels: 1 }])
  })

  test('without an m-line is accepted with none', () => {
    expect(sdpOf(HEAD).media).toEqual([])
  })

  test('keeps an m-line that cannot be understood, with port 0, so that the answer has as many', () => {
    const sdp = sdpOf([...HEAD, 'm=', 'm=audio', 'm=audio 99999 RTP/AVP 0', 'm=audio 4000/2 RTP/AVP 0'])
    expect(sdp.media.map(({ port }) => port)).toEqual([0, 0, 0, 4000])
  })
})

describe('an m-line', () => {
  test('inherits address and direction of the session, and its own go first', () => {
    const sdp = sdpOf([
      ...HEAD,
      'a=sendonly',
      'm=audio 4000 RTP/AVP 0',
      'm=audio 4002 RTP/AVP 0',
      'c=IN IP6 2001:db8::7',
      'a=inactive',
      'm=audio 4004 RTP/AVP 0',
      'c=IN IP4 233.252.0.1/127',
    ])
    expect(sdp.media.map(({ connectionAddress, direction }) => [connectionAddress, direction])).toEqual([
      ['192.0.2.1', 'sendonly'],
      ['2001:db8::7', 'inactive'],
      ['233.252.0.1', 'sendonly'],
    ])
  })

  test('without any direction is sendrecv, and `direction:both` is none', () => {
    expect(sdpOf([...HEAD, 'm=audio 4000 RTP/AVP 0', 'a=direction:both']).media[0]?.direction).toBe('sendrecv')
  })

  test('takes its label as text, also from media_label, and the proper attribute goes first', () => {
    const labelOf = (...attributes: readonly string[]) =>
      sdpOf([...HEAD, 'm=audio 4000 RTP/AVP 0', ...attributes]).media[0]?.label
    expect(labelOf('a=label:007')).toBe('007')
    expect(labelOf('a=label:a_leg')).toBe('a_leg')
    expect(labelOf('a=media_label:agent')).toBe('agent')
    expect(labelOf('a=media_label:agent', 'a=label:2')).toBe('2')
    expect(labelOf('a=label:')).toBeUndefined()
  })

  test('names its codecs in upper case, static ones without rtpmap too, unknown dynamic ones not at all', () => {
    const sdp = sdpOf([
      ...HEAD,
      'm=audio 4000 RTP/AVP 0 18 111 97 101',
      'a=rtpmap:0 pcmu/8000/1',
      'a=rtpmap:111 opus/48000/2',
      'a=rtpmap:101 telephone-event/8000',
      'a=fmtp:101 0-15',
    ])
    expect(sdp.media[0]?.formats).toEqual(['0', '18', '111', '97', '101'])
    expect(sdp.media[0]?.codecs).toEqual([
      { payloadType: 0, name: 'PCMU', clockRate: 8000, channels: 1 },
      { payloadType: 18, name: 'G729', clockRate: 8000, channels: 1 },
      { payloadType: 111, name: 'OPUS', clockRate: 48_000, channels: 2 },
      { payloadType: 101, name: 'TELEPHONE-EVENT', clockRate: 8000, channels: 1, fmtp: '0-15' },
    ])
  })

  test('reads ptime, rtcp and rtcp-mux', () => {
    const [media] = sdpOf([
      ...HEAD,
      'm=audio 4000 RTP/AVP 0',
      'a=ptime:20',
      'a=rtcp:5001 IN IP4 192.0.2.9',
      'a=rtcp-mux',
    ]).media
    expect([media?.packetTimeMs, media?.rtcpPort, media?.rtcpMux]).toEqual([20, 5001, true])
  })

  test.each([
    ['a=record:on', 'on', undefined],
    ['a=record:off', 'off', undefined],
    ['a=record: Paused', 'paused', undefined],
    ['a=record:pause', 'paused', undefined],
    ['a=record:perhaps', undefined, undefined],
    ['a=record', undefined, undefined],
    ['a=recordpref:on', undefined, 'on'],
    ['a=recordpref:off', undefined, 'off'],
    ['a=recordpref:pause', undefined, 'pause'],
    ['a=recordpref:nopreference', undefined, 'nopreference'],
    ['a=recordpref:__proto__', undefined, undefined],
  ])('reads %s', (line, record, recordPreference) => {
    expect(sdpOf([...HEAD, 'm=audio 4000 RTP/AVP 0', line]).media[0]).toMatchObject({ record, recordPreference })
  })

  test('inherits what the session says of recording, and its own goes first', () => {
    const sdp = sdpOf([
      ...[...HEAD, 'a=record:paused', 'a=recordpref:off'],
      'm=audio 4000 RTP/AVP 0',
      ...['m=audio 4002 RTP/AVP 0', 'a=record:on', 'a=recordpref:pause'],
    ])
    expect(sdp.media.map(({ record, recordPreference }) => [record, recordPreference])).toEqual([
      ['paused', 'off'],
      ['on', 'pause'],
    ])
  })

  test('keeps its usable keys in their order, one for each tag, and the reasons why others are not', () => {
    const [media] = sdpOf([
      ...[...HEAD, 'm=audio 4000 RTP/SAVP 0'],
      `a=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:${KEY_30}`,
      'a=crypto:1 F8_128_HMAC_SHA1_80 inline:x',
      `a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:${KEY_30}`,
      `a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:${KEY_30}`,
      `a=crypto:3 AES_CM_128_HMAC_SHA1_80 inline:${KEY_30} KDR=1`,
    ]).media
    expect(media?.crypto.usable.map(({ tag, suite }) => [tag, suite])).toEqual([
      [2, 'AES_CM_128_HMAC_SHA1_32'],
      [1, 'AES_CM_128_HMAC_SHA1_80'],
    ])
    expect(media?.crypto.rejected).toEqual(['suite', 'parameter'])
  })

  test('has so many crypto lines read and no more', () => {
    const lines = Array.from(
      { length: CRYPTO_LINES_MAX + 1 },
      (_, index) => `a=crypto:${index} AES_CM_128_HMAC_SHA1_80 inline:${KEY_30}`,
    )
    expect(sdpOf([...HEAD, 'm=audio 4000 RTP/SAVP 0', ...lines]).media[0]?.crypto.usable).toHaveLength(CRYPTO_LINES_MAX)
  })

  test('takes the RTCP port with an address behind it or without', () => {
    const rtcpPortOf = (line: string) => sdpOf([...HEAD, 'm=audio 4000 RTP/AVP 0', line]).media[0]?.rtcpPort
    expect(rtcpPortOf('a=rtcp:5001')).toBe(5001)
    expect(rtcpPortOf('a=rtcp:5001 IN IP6 2001:db8::9')).toBe(5001)
    expect(rtcpPortOf('a=rtcp:')).toBeUndefined()
  })

  test('takes the first of several c= lines', () => {
    const [media] = sdpOf(['m=audio 4000 RTP/AVP 0', 'c=IN IP4 233.252.0.1/127', 'c=IN IP4 233.252.0.2/127']).media
    expect(media?.connectionAddress).toBe('233.252.0.1')
  })

  test('keeps attributes whose names are those of object members', () => {
    const [media] = sdpOf([...HEAD, 'm=audio 4000 RTP/AVP 0', 'a=__proto__:x', 'a=constructor']).media
    expect(media?.attributes).toEqual([
      { name: '__proto__', value: 'x' },
      { name: 'constructor', value: '' },
    ])
  })
})

test('the answer of a client to an offer of ours has its lines in our order, its keys and its directions', () => {
  const sdp = sdpOf([
    ...HEAD,
    ...['m=audio 4000 RTP/SAVP 0', 'a=label:1', `a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:${KEY_30}`, 'a=sendonly'],
    ...['m=audio 0 RTP/SAVP 0', 'a=label:2'],
    ...['m=audio 4004 RTP/AVP 8', 'a=label:3', 'a=inactive'],
  ])
  expect(sdp.media.map(({ index, port, label, direction }) => [index, port, label, direction])).toEqual([
    [0, 4000, '1', 'sendonly'],
    [1, 0, '2', 'sendrecv'],
    [2, 4004, '3', 'inactive'],
  ])
  expect(sdp.media.map(({ crypto }) => crypto.usable.map(({ tag }) => tag))).toEqual([[1], [], []])
})

describe('what is refused', () => {
  const reasonOf = (bytes: Uint8Array): string => {
    const result = parseSdp(bytes)
    return result.ok ? 'accepted' : result.reason
  }
  const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

  test('nothing, and blanks', () => {
    expect(reasonOf(new Uint8Array())).toBe('empty')
    expect(reasonOf(bytesOf(' \r\n\r\n'))).toBe('empty')
  })

  test('what is no session description', () => {
    expect(reasonOf(bytesOf('<?xml version="1.0"?><recording/>'))).toBe('notSdp')
    expect(reasonOf(bytesOf('x=1\r\ny=2\r\n'))).toBe('notSdp')
  })

  test('more bytes, lines or m-lines than the limits', () => {
    expect(reasonOf(new Uint8Array(SDP_BYTES_MAX + 1).fill(0x61))).toBe('tooLarge')
    expect(reasonOf(bytesOf('v=0\n'.repeat(SDP_LINES_MAX)))).toBe('accepted')
    expect(reasonOf(bytesOf('v=0\n'.repeat(SDP_LINES_MAX + 1)))).toBe('tooManyLines')
    expect(reasonOf(bytesOf('m=audio 1 RTP/AVP 0\n'.repeat(SDP_MEDIA_MAX)))).toBe('accepted')
    expect(reasonOf(bytesOf('m=audio 1 RTP/AVP 0\n'.repeat(SDP_MEDIA_MAX + 1)))).toBe('tooManyMedia')
  })

  test('formats beyond the limit are left out', () => {
    expect(sdpOf([`m=audio 1 RTP/AVP${' 0'.repeat(FORMATS_MAX + 1)}`]).media[0]?.formats).toHaveLength(FORMATS_MAX)
  })
})
