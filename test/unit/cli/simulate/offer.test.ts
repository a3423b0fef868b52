import { describe, expect, it } from 'vitest'
import { buildOffer, multipartBody, sdpBody } from '../../../../src/cli/simulate/offer.ts'
import { METADATA_CONTENT_TYPE } from '../../../../src/cli/simulate/metadata.ts'
import { parseSdp } from '../../../../src/protocol/sdp/parse.ts'
import { splitBody } from '../../../../src/protocol/siprec/multipart.ts'

const OFFER = {
  address: '192.0.2.7',
  sdpSessionId: '42',
  sdpSessionVersion: 1,
  codec: 'PCMA',
  streams: [
    { streamLabel: '1', port: 20_000, direction: 'sendonly' },
    { streamLabel: '2', port: 20_002, direction: 'sendonly' },
  ],
} as const

describe('the offer of the SRC', () => {
  it('has one labelled, sendonly audio line per media stream', () => {
    const sdp = parseSdp(buildOffer(OFFER))
    if (!sdp.ok) throw new Error(sdp.reason)
    expect(
      sdp.value.media.map(({ type, port, label, direction, connectionAddress }) => [
        type,
        port,
        label,
        direction,
        connectionAddress,
      ]),
    ).toEqual([
      ['audio', 20_000, '1', 'sendonly', '192.0.2.7'],
      ['audio', 20_002, '2', 'sendonly', '192.0.2.7'],
    ])
    expect(sdp.value.media[0]?.codecs[0]).toMatchObject({ payloadType: 8, name: 'PCMA', clockRate: 8_000 })
  })

  it('marks an IPv6 address as such', () => {
    expect(new TextDecoder().decode(buildOffer({ ...OFFER, address: '2001:db8::7' }))).toContain(
      'c=IN IP6 2001:db8::7\r\n',
    )
  })

  it('has a secure line with its key for a media stream that is sent as SRTP, and only for that', () => {
    const crypto = '1 AEAD_AES_128_GCM inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGw=='
    const [caller, callee] = OFFER.streams
    const sdp = parseSdp(buildOffer({ ...OFFER, streams: [{ ...caller, crypto }, callee] }))
    if (!sdp.ok) throw new Error(sdp.reason)
    expect(sdp.value.media.map(({ protocol, crypto }) => [protocol, crypto.usable.length])).toEqual([
      ['RTP/SAVP', 1],
      ['RTP/AVP', 0],
    ])
  })

  it('travels with the metadata in a multipart body that comes apart again', () => {
    const sdp = buildOffer(OFFER)
    const xml = new TextEncoder().encode('<recording/>\r\n')
    const body = multipartBody(
      [sdpBody(sdp), { contentType: METADATA_CONTENT_TYPE, contentDisposition: 'recording-session', bytes: xml }],
      'b1',
    )
    const parts = splitBody(body.contentType, body.bytes)
    if (!parts.ok) throw new Error(parts.reason)
    expect(parts.value.map(({ contentType }) => contentType)).toEqual([
      'application/sdp',
      'application/rs-metadata+xml',
    ])
    expect(parts.value.map((part) => new TextDecoder().decode(part.body))).toEqual([
      new TextDecoder().decode(sdp),
      '<recording/>\r\n',
    ])
  })
})
