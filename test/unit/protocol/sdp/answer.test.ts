import { describe, expect, test } from 'vitest'
import { sdpOf } from './sdp-text.ts'
import {
  buildAnswer,
  isHeld,
  judgeLine,
  selectPayloadTypes,
  type AnswerLine,
} from '../../../../src/protocol/sdp/answer.ts'

const HEAD = ['v=0', 'o=- 1 1 IN IP4 192.0.2.1', 's=-', 'c=IN IP4 192.0.2.1', 't=0 0']
/** Thirty octets: key and salt of AES_CM_128. */
const KEY_30 = 'AAECAwQFBgcICQoLDA0OD/Dx8vP09fb3+Pn6+/z9'
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

describe('the answer to a line with keys', () => {
  const masterKey = new Uint8Array(30).fill(9)
  const ownBase64 = Buffer.from(masterKey).toString('base64')
  const withKeys = (profile: string, ...crypto: readonly string[]) =>
    answer([`m=audio 4000 ${profile} 0`, ...crypto.map((value) => `a=crypto:${value}`)], [{ ...LINE, masterKey }])
  const ofLine = (lines: readonly string[]) => lines.filter((line) => /^(m=|a=crypto)/.test(line))

  test.each(['RTP/SAVP', 'RTP/SAVPF', 'rtp/savp', 'RTP/AVP', 'RTP/AVPF'])(
    'has our key under the tag and the suite of the offer, and the profile as it was: %s',
    (profile) => {
      expect(ofLine(withKeys(profile, `3 AES_CM_128_HMAC_SHA1_80 inline:${KEY_30}|2^31|1:4`))).toEqual([
        `m=audio 20000 ${profile} 0`,
        `a=crypto:3 AES_CM_128_HMAC_SHA1_80 inline:${ownBase64}`,
      ])
    },
  )

  test('takes the first that is usable, whatever comes before it', () => {
    const lines = withKeys(
      'RTP/SAVP',
      'garbage',
      `1 F8_128_HMAC_SHA1_80 inline:${KEY_30}`,
      '2 AEAD_AES_256_GCM inline:tooshort',
      `3 AES_CM_128_HMAC_SHA1_80 inline:${KEY_30} NOVELTY`,
      `5 AES_CM_128_HMAC_SHA1_32 inline:${KEY_30}`,
      `6 AES_CM_128_HMAC_SHA1_80 inline:${KEY_30}`,
    )
    expect(ofLine(lines)[1]).toBe(`a=crypto:5 AES_CM_128_HMAC_SHA1_32 inline:${ownBase64}`)
  })

  test('is a refusal without a key of ours', () => {
    const offer = ['m=audio 4000 RTP/SAVP 0', `a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:${KEY_30}`]
    expect(ofLine(answer(offer, [LINE]))).toEqual(['m=audio 0 RTP/SAVP 0'])
  })

  test('says nothing of keys where a plain line has none that is usable', () => {
    expect(ofLine(withKeys('RTP/AVP', 'garbage'))).toEqual(['m=audio 20000 RTP/AVP 0'])
  })

  test('never repeats a key of the offer', () => {
    for (const profile of ['RTP/SAVP', 'RTP/AVP', 'UDP/TLS/RTP/SAVP']) {
      expect(withKeys(profile, `1 AES_CM_128_HMAC_SHA1_80 inline:${KEY_30}`).join()).not.toContain(KEY_30)
    }
  })
})

describe('a=record in the answer', () => {
  const recordOf = (offer: readonly string[], line: AnswerLine) =>
    answer(['m=audio 4000 RTP/AVP 0', ...offer], [line]).filter((text) => text.startsWith('a=record'))

  test.each(['a=record:on', 'a=record:paused', 'a=recordpref:off', 'a=recordpref:nopreference'])(
    'tells what is done with the line when the offer has %s',
    (attribute) => {
      expect(recordOf([attribute], LINE)).toEqual(['a=record:on'])
      expect(recordOf([attribute], { ...LINE, record: 'paused' })).toEqual(['a=record:paused'])
      expect(recordOf([attribute], { ...LINE, port: 0 })).toEqual(['a=record:off'])
    },
  )

  test('is not there when the offer does not speak of it, or says what is not known', () => {
    expect(recordOf([], { ...LINE, record: 'paused' })).toEqual([])
    expect(recordOf(['a=record:maybe', 'a=recordpref'], LINE)).toEqual([])
  })
})

describe('what the answer declines by leaving it out', () => {
  test('is BUNDLE, ICE, DTLS, simulcast and the like', () => {
    const offer = [
      ...['a=group:BUNDLE 0 1', 'a=ice-ufrag:F7gI', 'a=ice-pwd:x9cml/YzichV2+XlhiMu8g', 'a=ice-options:trickle'],
      ...['m=audio 4000 RTP/AVP 0', 'a=mid:0', 'a=candidate:1 1 UDP 2130706431 192.0.2.1 4000 typ host'],
      ...[
        'a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid',
        'a=fingerprint:sha-1 4A',
        'a=setup:actpass',
        'a=ssrc:1 cname:x',
      ],
      ...['m=audio 0 RTP/AVP 0', 'a=mid:1', 'a=bundle-only'],
    ]
    expect(answer(offer, [LINE, LINE]).slice(5)).toEqual([
      ...['m=audio 20000 RTP/AVP 0', 'a=rtpmap:0 PCMU/8000', 'a=recvonly'],
      ...['m=audio 0 RTP/AVP 0', 'a=inactive', ''],
    ])
  })
})

describe('why a line is refused', () => {
  const judged = (...offer: readonly string[]): string => {
    const result = judgeLine(sdpOf([...HEAD, ...offer]).media[0]!)
    return result.ok ? 'recorded' : result.reason
  }
  const crypto = `a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:${KEY_30}`

  test.each([
    ['video', 'notAudio', ['m=video 4000 RTP/AVP 31']],
    ['fax', 'notAudio', ['m=image 4000 udptl t38']],
    ['a message channel', 'notAudio', ['m=message 2855 TCP/MSRP *']],
    ['keys by DTLS', 'dtls', ['m=audio 4000 UDP/TLS/RTP/SAVPF 0', crypto]],
    ['keys by DTLS as it was once offered', 'dtls', ['m=audio 4000 RTP/SAVPF 0', 'a=fingerprint:sha-256 4A:AD']],
    ['another transport', 'profile', ['m=audio 9 TCP/RTP/AVP 0']],
    ['no transport at all', 'profile', ['m=audio 4000']],
    ['a secure profile without keys', 'noCrypto', ['m=audio 4000 RTP/SAVP 0']],
    ['suites that are not ours', 'cryptoSuite', ['m=audio 4000 RTP/SAVP 0', `a=crypto:1 F8_128_HMAC_SHA1_80 inline:x`]],
    ['keys that are none', 'crypto', ['m=audio 4000 RTP/SAVP 0', 'a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x']],
    ['formats that are no payload types', 'noCodec', ['m=audio 4000 RTP/AVP * 300']],
    ['no formats', 'noCodec', ['m=audio 4000 RTP/AVP']],
  ])('%s: %s', (_name, reason, offer) => {
    expect(judged(...offer)).toBe(reason)
  })

  test('keys above all m-lines are taken for a secure line that has none of its own, and for no plain one', () => {
    const media = (...lines: readonly string[]) => sdpOf([...HEAD, crypto, ...lines]).media[0]!
    expect(judged(crypto, 'm=audio 4000 RTP/SAVP 0')).toBe('recorded')
    expect(media('m=audio 4000 RTP/AVP 0').crypto.usable).toEqual([])
    const own = `a=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:${KEY_30}`
    expect(media('m=audio 4000 RTP/SAVP 0', own).crypto.usable.map(({ tag }) => tag)).toEqual([2])
    expect(judged(crypto, 'm=audio 4000 RTP/SAVP 0', 'a=crypto:garbage')).toBe('crypto')
  })
})

describe('the payload types that can be recorded', () => {
  const selected = (...offer: readonly string[]) => selectPayloadTypes(sdpOf([...HEAD, ...offer]).media[0]!)

  test('are all codecs, live ones first, else in the order of the offer', () => {
    const event = 'a=rtpmap:101 telephone-event/8000'
    expect(selected('m=audio 4000 RTP/AVP 8 18 0 13 101', event)).toEqual([8, 0, 18, 13, 101])
    expect(selected('m=audio 4000 RTP/AVP 18 101 4', event)).toEqual([18, 101, 4])
    expect(selected('m=audio 4000 RTP/AVP 97', 'a=rtpmap:97 PCMA/8000')).toEqual([97])
  })

  test('include events and comfort noise of every clock, and a line of nothing else', () => {
    expect(selected('m=audio 4000 RTP/AVP 0 101', 'a=rtpmap:101 telephone-event/48000')).toEqual([0, 101])
    expect(selected('m=audio 4000 RTP/AVP 98 13', 'a=rtpmap:98 CN/16000')).toEqual([98, 13])
  })

  test.each([[], ['a=inactive'], ['c=IN IP4 0.0.0.0']])(
    'include dynamic ones without rtpmap, each once: %j',
    (...lines) => {
      expect(selected('m=audio 4000 RTP/AVP 97 0 98 97', ...lines)).toEqual([0, 97, 98])
      expect(selected('m=audio 4000 RTP/AVP 97 98', ...lines)).toEqual([97, 98])
      expect(selected('m=audio 4000 RTP/AVP *', ...lines)).toEqual([])
    },
  )

  test('leave out redundancy around a codec that is offered in itself', () => {
    const maps = ['a=rtpmap:96 red/8000', 'a=rtpmap:97 ULPFEC/8000', 'a=rtpmap:98 AMR/8000']
    expect(selected('m=audio 4000 RTP/AVP 96 0 97', ...maps)).toEqual([0])
    expect(selected('m=audio 4000 RTP/AVP 96 98', ...maps)).toEqual([98])
    expect(selected('m=audio 4000 RTP/AVP 96', ...maps)).toEqual([96])
  })

  test('are none on video and on a secure profile without keys', () => {
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
    ['the same written out', ['m=audio 4000 RTP/AVP 0', 'c=IN IP6 0:0:0:0:0:0:0:0']],
    ['a name that is none', ['m=audio 4000 RTP/AVP 0', 'c=IN IP6 Hold.INVALID']],
    ['port 0', ['m=audio 0 RTP/AVP 0']],
  ])('is said by %s', (_, offer) => {
    expect(held(...offer)).toBe(true)
  })

  test('is not said by sendonly or sendrecv', () => {
    expect(held('m=audio 4000 RTP/AVP 0', 'a=sendonly')).toBe(false)
    expect(held('m=audio 4000 RTP/AVP 0')).toBe(false)
    expect(held('m=audio 4000 RTP/AVP 0', 'c=IN IP6 2001:db8::1')).toBe(false)
  })

  test('of one line leaves the other as it is', () => {
    const offer = ['m=audio 4000 RTP/AVP 0', 'a=inactive', 'm=audio 4002 RTP/AVP 0', 'a=sendonly']
    expect(sdpOf([...HEAD, ...offer]).media.map(isHeld)).toEqual([true, false])
    const lines = answer(offer, [LINE, { ...LINE, port: 20_002 }])
    expect(lines.filter((line) => /^(m=|a=(recvonly|inactive))/.test(line))).toEqual([
      ...['m=audio 20000 RTP/AVP 0', 'a=inactive'],
      ...['m=audio 20002 RTP/AVP 0', 'a=recvonly'],
    ])
  })
})
