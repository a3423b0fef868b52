import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { buildOffer, OFFERED_CODECS, type OfferLine } from '../../../../src/protocol/sdp/offer.ts'
import { parseSdp } from '../../../../src/protocol/sdp/parse.ts'

function textOf(lines: readonly OfferLine[], address = '192.0.2.7'): string {
  return new TextDecoder().decode(buildOffer({ lines, address, sessionId: '11', sessionVersion: 3 }))
}

describe('an offer of the recorder', () => {
  it('wants audio and sends none, with the codecs of the table and the labels it is given', () => {
    const text = textOf([
      { port: 20_000, label: '96', direction: 'recvonly' },
      { port: 20_002, label: undefined, direction: 'inactive' },
    ])
    expect(text.split('\r\n')).toEqual([
      ...['v=0', 'o=- 11 3 IN IP4 192.0.2.7', 's=-', 'c=IN IP4 192.0.2.7', 't=0 0'],
      ...[
        'm=audio 20000 RTP/AVP 0 8 9 111 101',
        'a=label:96',
        'a=rtpmap:0 PCMU/8000',
        'a=rtpmap:8 PCMA/8000',
        'a=rtpmap:9 G722/8000',
      ],
      ...['a=rtpmap:111 opus/48000/2', 'a=fmtp:111 useinbandfec=1'],
      ...['a=rtpmap:101 telephone-event/8000', 'a=fmtp:101 0-16', 'a=recvonly'],
      ...['m=audio 20002 RTP/AVP 0 8 9 111 101', 'a=rtpmap:0 PCMU/8000', 'a=rtpmap:8 PCMA/8000'],
      ...['a=rtpmap:9 G722/8000', 'a=rtpmap:111 opus/48000/2', 'a=fmtp:111 useinbandfec=1'],
      ...['a=rtpmap:101 telephone-event/8000', 'a=fmtp:101 0-16', 'a=inactive', ''],
    ])
  })

  it('is read back as it was meant', () => {
    const parsed = parseSdp(
      new TextEncoder().encode(textOf([{ port: 20_000, label: 'a', direction: 'recvonly' }], '2001:db8::7')),
    )
    expect(parsed).toMatchObject({
      ok: true,
      value: {
        media: [
          {
            port: 20_000,
            label: 'a',
            direction: 'recvonly',
            connectionAddress: '2001:db8::7',
            codecs: OFFERED_CODECS.map(({ why: _why, ...codec }) => codec),
          },
        ],
      },
    })
  })

  it('keeps the numbers of what is agreed, and takes free ones for the rest', () => {
    const agreed = [
      { payloadType: 96, name: 'TELEPHONE-EVENT', clockRate: 8000, channels: 1 },
      { payloadType: 0, name: 'PCMA', clockRate: 8000, channels: 1 },
      { payloadType: 8, name: 'G729', clockRate: 8000, channels: 1 },
    ]
    expect(textOf([{ port: 1, label: undefined, direction: 'recvonly', agreed }])).toContain(
      'm=audio 1 RTP/AVP 97 0 9 111 96',
    )
  })

  it('gives no number twice, whatever is agreed, and leaves out what no number is left for', () => {
    const anyAgreed = fc.uniqueArray(fc.integer({ min: 0, max: 127 }), { maxLength: 128 })
    const ownNames = OFFERED_CODECS.map(({ name, clockRate }) => ({ name, clockRate, channels: 1 }))
    const known = fc.array(fc.constantFrom(...ownNames, { name: 'G729', clockRate: 8000, channels: 1 }))
    fc.assert(
      fc.property(anyAgreed, known, (numbers, codecs) => {
        const other = { name: 'SPEEX', clockRate: 8000, channels: 1 }
        const agreed = numbers.map((payloadType, index) => ({ payloadType, ...(codecs[index] ?? other) }))
        const parsed = parseSdp(
          new TextEncoder().encode(textOf([{ port: 1, label: undefined, direction: 'recvonly', agreed }])),
        )
        const offered = parsed.ok ? (parsed.value.media[0]?.codecs ?? []) : []
        const given = offered.map(({ payloadType }) => payloadType)
        expect(new Set(given).size).toBe(given.length)
        for (const { payloadType, name } of offered) {
          const before = agreed.find((codec) => codec.payloadType === payloadType)
          expect(before?.name ?? name).toBe(name)
        }
        if (numbers.length < 60) expect(offered.map(({ name }) => name)).toEqual(OFFERED_CODECS.map(({ name }) => name))
      }),
      // The next free number is our own of Opus: PCMU and Opus must not both get it.
      { examples: [[[0, ...Array.from({ length: 15 }, (_, index) => 96 + index)], []]] },
    )
  })

  it('leaves a refused line in its place', () => {
    const refused = { type: 'video', protocol: 'RTP/AVP', formats: ['99'], label: 'v' }
    expect(textOf([{ refused }])).toContain('m=video 0 RTP/AVP 99\r\na=label:v\r\na=inactive')
    const empty = { type: '', protocol: '', formats: [], label: undefined }
    expect(textOf([{ refused: empty }])).toContain('m=audio 0 RTP/AVP 0\r\na=inactive')
  })
})
