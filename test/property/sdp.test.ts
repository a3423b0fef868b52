import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { buildAnswer, isHeld, selectPayloadTypes } from '../../src/protocol/sdp/answer.ts'
import {
  formatCryptoAttribute,
  masterKeyBytes,
  parseCryptoAttribute,
  type CryptoAttribute,
  type KeyParameter,
} from '../../src/protocol/sdp/crypto-attribute.ts'
import { parseSdp, SDP_BYTES_MAX, SDP_LINES_MAX } from '../../src/protocol/sdp/parse.ts'

const SUITES = [
  'AES_CM_128_HMAC_SHA1_80',
  'AES_CM_128_HMAC_SHA1_32',
  'AES_256_CM_HMAC_SHA1_80',
  'AES_256_CM_HMAC_SHA1_32',
  'AEAD_AES_128_GCM',
  'AEAD_AES_256_GCM',
] as const

const octets = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })

/** Key parameters as RFC 4568 6.1 has them: one, or several with distinct MKIs of one length. */
const keyParameters = (suite: (typeof SUITES)[number]): fc.Arbitrary<readonly KeyParameter[]> => {
  const keyBytes = suite.includes('256') ? 32 : 16
  const key = fc.record({
    key: octets(keyBytes),
    salt: octets(masterKeyBytes(suite) - keyBytes),
    lifetimePackets: fc.option(
      fc.oneof(
        fc.integer({ min: 1, max: 2 ** 48 }),
        fc.integer({ min: 0, max: 48 }).map((exponent) => 2 ** exponent),
      ),
      { nil: undefined },
    ),
  })
  const single = fc
    .tuple(key, fc.uint8Array({ maxLength: 128 }))
    .map(([parameter, mki]): readonly KeyParameter[] => [{ ...parameter, mki }])
  const several = fc
    .array(key, { minLength: 2, maxLength: 16 })
    .map((keys) => keys.map((parameter, index): KeyParameter => ({ ...parameter, mki: Uint8Array.of(index, 255) })))
  return fc.oneof(single, several)
}

const cryptoAttribute: fc.Arbitrary<CryptoAttribute> = fc.constantFrom(...SUITES).chain((suite) => {
  const isAead = suite.startsWith('AEAD')
  return fc.record({
    tag: fc.integer({ min: 0, max: 999_999_999 }),
    suite: fc.constant(suite),
    suiteName: fc.constantFrom<string>(suite, suite.toLowerCase()),
    keyParameters: keyParameters(suite),
    sessionParameters: fc.record({
      unencryptedSrtp: isAead ? fc.constant(false) : fc.boolean(),
      unencryptedSrtcp: fc.boolean(),
      unauthenticatedSrtp: isAead ? fc.constant(false) : fc.boolean(),
      keyDerivationRate: fc.integer({ min: 0, max: 24 }).map((exponent) => (exponent === 0 ? 0 : 2 ** exponent)),
      fecOrder: fc.constantFrom('FEC_SRTP', 'SRTP_FEC', undefined),
      windowSizeHint: fc.option(fc.integer({ min: 0, max: 999_999_999 }), { nil: undefined }),
    }),
  })
})

/** Words of a crypto line in any order, so that the parser gets further than with noise. */
const cryptoLine = fc.oneof(
  cryptoAttribute.map(formatCryptoAttribute),
  fc
    .array(
      fc.oneof(
        fc.constantFrom(
          '1',
          '2',
          'AEAD_AES_128_GCM',
          'AES_CM_128_HMAC_SHA1_80',
          'inline:',
          ';',
          '|',
          '2^31',
          '1:4',
          ':',
        ),
        fc.constantFrom('KDR=1', 'WSH=64', 'FEC_KEY=inline:', '-X', '__proto__', ' ', '\t', '='),
        fc.constant('AAECAwQFBgcICQoLDA0OD/Dx8vP09fb3+Pn6+/z9'),
        fc.base64String(),
        fc.string(),
      ),
    )
    .chain((words) => fc.constantFrom(words.join(' '), words.join(''))),
)

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
  cryptoLine.map((value) => `a=crypto:${value}`),
  fc.constantFrom('a=record:on', 'a=record:paused', 'a=record:', 'a=recordpref:off', 'a=recordpref:pause'),
  fc.constantFrom('m=audio 4000 RTP/SAVP 0', 'm=audio 4000 RTP/AVP 97 98', 'm=audio 4000 UDP/TLS/RTP/SAVPF 0'),
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
        ...(media.crypto.usable[0] && { masterKey: new Uint8Array(masterKeyBytes(media.crypto.usable[0].suite)) }),
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
        if (media.port === 0) continue
        for (const format of media.formats) expect(offered.formats.map(Number)).toContain(Number(format))
        // One line of keys at most, and it accepts one of those that were offered.
        const accepted = media.crypto.usable.map(({ tag, suiteName }) => ({ tag, suiteName }))
        const first = offered.crypto.usable[0]
        expect(accepted).toEqual(first === undefined ? [] : [{ tag: first.tag, suiteName: first.suiteName }])
        expect(media.crypto.rejected).toEqual([])
        const isAsked = offered.record !== undefined || offered.recordPreference !== undefined
        expect(media.record).toBe(isAsked ? 'on' : undefined)
      }
    })
    fc.assert(property)
  })

  test('answers the largest hostile descriptions; anything but linear time would not come to an end', () => {
    const shapes = [
      ...['a', ' ', '\t', '=', 'a=', 'a=rtpmap:0 ', 'm=audio 1 RTP/AVP ', '0 ', '\r', '\n', 'a= \r\n', '0:', '1^'],
      ...['a=crypto:1 ', 'inline:', ';', '|', ';inline:A|1:4', '2^', 'AAAA', 'a=crypto:1 AEAD_AES_128_GCM inline:AA\n'],
    ]
    for (const shape of shapes) {
      const filled = shape.repeat(Math.floor((SDP_BYTES_MAX - 30) / shape.length))
      void parseSdp(bytesOf(filled))
      void parseSdp(bytesOf(`v=0\r\nm=audio 1 RTP/AVP 0\r\na=${filled}`))
      void parseSdp(bytesOf(`m=audio 1 RTP/SAVP 0\nc=IN IP6 ${filled}`))
      const secure = parseSdp(bytesOf(`a=crypto:${filled.slice(2_000)}\n${'m=audio 1 RTP/SAVP 0\n'.repeat(60)}`))
      if (secure.ok) secure.value.media.forEach(selectPayloadTypes)
      void parseCryptoAttribute(`1 AES_CM_128_HMAC_SHA1_80 ${filled}`)
      void parseCryptoAttribute(`1 AES_CM_128_HMAC_SHA1_80 inline:${filled}`)
    }
  })

  test('refuses 10,000 lines, and reads so many as it takes', () => {
    const lines = (count: number) => bytesOf(`v=0\n${'a=x\n'.repeat(count - 1)}`)
    expect(parseSdp(lines(10_000))).toMatchObject({ ok: false, reason: 'tooManyLines' })
    expect(parseSdp(lines(SDP_LINES_MAX)).ok).toBe(true)
  })
})

describe('a crypto attribute', () => {
  test('that was written reads back the same', () => {
    const property = fc.property(cryptoAttribute, (attribute) => {
      expect(parseCryptoAttribute(formatCryptoAttribute(attribute))).toEqual({ ok: true, value: attribute })
    })
    fc.assert(property)
  })

  test('that is accepted at all keeps its meaning when it is written anew', () => {
    const property = fc.property(cryptoLine, (line) => {
      const parsed = parseCryptoAttribute(line)
      if (parsed.ok) expect(parseCryptoAttribute(formatCryptoAttribute(parsed.value))).toEqual(parsed)
    })
    fc.assert(property)
  })
})
