import { describe, expect, it } from 'vitest'

import { planDelayedOffer } from '../../../src/recorder/delayed-offer.ts'
import {
  answerLines,
  readMetadataBody,
  readRecordingRequest,
  REFUSALS,
  STREAMS_MAX,
  type InviteFacts,
  type RecordingRequest,
} from '../../../src/recorder/recording-request.ts'
import { masterKeyBytes, type CryptoAttribute } from '../../../src/protocol/sdp/crypto-attribute.ts'
import { readVector, valueOf } from '../protocol/siprec/vectors.ts'

const SESSION = ['v=0', 'o=- 1 1 IN IP4 192.0.2.1', 's=-', 'c=IN IP4 192.0.2.1', 't=0 0']
const METADATA =
  '<?xml version="1.0"?><recording xmlns="urn:ietf:params:xml:ns:recording:1"><datamode>complete</datamode></recording>'

function invite(options: Partial<Omit<InviteFacts, 'body'>> & { readonly body?: string } = {}): InviteFacts {
  const { body = sdp(audio('1'), audio('2')), ...rest } = options
  return {
    contentType: 'application/sdp',
    require: ['siprec'],
    contact: '<sip:src@192.0.2.1>',
    knownRecording: false,
    ...rest,
    body: new TextEncoder().encode(body),
  }
}

function sdp(...media: readonly (readonly string[])[]): string {
  return [...SESSION, ...media.flat(), ''].join('\r\n')
}

function audio(label: string | undefined, ...lines: readonly string[]): readonly string[] {
  return [
    'm=audio 40000 RTP/AVP 0 8 101',
    'a=rtpmap:101 telephone-event/8000',
    ...(label === undefined ? [] : [`a=label:${label}`]),
    ...lines,
  ]
}

function multipart(...parts: readonly (readonly [string, string])[]): string {
  const text = parts.map(([type, body]) => `--b\r\nContent-Type: ${type}\r\n\r\n${body}\r\n`)
  return `${text.join('')}--b--\r\n`
}

/** Key and salt of AES_CM_128: 0, 1, 2, … and f0, f1, f2, … */
const KEY = 'inline:AAECAwQFBgcICQoLDA0OD/Dx8vP09fb3+Pn6+/z9'
const ownKey = (_index: number, { suite }: CryptoAttribute): Uint8Array => new Uint8Array(masterKeyBytes(suite)).fill(7)

function reasonOf(facts: InviteFacts): string {
  const read = readRecordingRequest(facts)
  return read.ok ? 'accepted' : read.reason
}

function accepted(body: string, options: Parameters<typeof invite>[0] = {}): RecordingRequest {
  return valueOf(readRecordingRequest(invite({ body, ...options })))
}

describe('an INVITE that starts no recording', () => {
  it('is not SIPREC', () => {
    expect(reasonOf(invite({ require: [] }))).toBe('notRecording')
  })

  it('carries a body of a type that is not read', () => {
    expect(reasonOf(invite({ contentType: 'text/plain', body: 'hello' }))).toBe('contentType')
  })

  it('carries a multipart body that cannot be split', () => {
    expect(reasonOf(invite({ contentType: 'multipart/mixed;boundary=b', body: 'no boundary here' }))).toBe('body')
  })

  it('carries nothing, and does not say that it is one', () => {
    expect(reasonOf(invite({ body: '', require: [] }))).toBe('notRecording')
  })

  it('carries an offer that cannot be read', () => {
    expect(reasonOf(invite({ body: 'this is not SDP' }))).toBe('sdp')
  })

  it('offers no audio', () => {
    expect(reasonOf(invite({ body: sdp(['m=video 40000 RTP/AVP 97', 'a=rtpmap:97 H264/90000']) }))).toBe('noAudio')
  })

  it('offers audio in no format at all', () => {
    expect(reasonOf(invite({ body: sdp(['m=audio 40000 RTP/AVP']) }))).toBe('noCodec')
  })

  it.each([
    ['noKeys', ['RTP/SAVP 0']],
    ['noKeys', ['RTP/SAVP 0', 'a=crypto:1 F8_128_HMAC_SHA1_80 inline:AAAA']],
    ['noKeys', ['RTP/SAVPF 0', 'a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAAA']],
    ['dtls', ['UDP/TLS/RTP/SAVPF 0', 'a=fingerprint:sha-256 4A:AD']],
    ['profile', ['TCP/RTP/AVP 0']],
  ])('offers audio only in a way that cannot be received: %s for %j', (reason, [line = '', ...attributes]) => {
    expect(reasonOf(invite({ body: sdp([`m=audio 40000 ${line}`, ...attributes]) }))).toBe(reason)
  })

  it('is told the reason that is nearest to success', () => {
    const dtls = ['m=audio 40000 UDP/TLS/RTP/SAVP 0']
    const noKeys = ['m=audio 40002 RTP/SAVP 0']
    const noCodec = ['m=audio 40004 RTP/AVP']
    expect(reasonOf(invite({ body: sdp(dtls, noKeys, noCodec) }))).toBe('noCodec')
    expect(reasonOf(invite({ body: sdp(dtls, noKeys) }))).toBe('noKeys')
  })

  it('gets a final answer for each reason, with a sentence for whoever reads the trace', () => {
    for (const [reason, { status, phrase, headers }] of Object.entries(REFUSALS)) {
      expect(status).toBeGreaterThanOrEqual(400)
      expect(phrase).not.toBe('')
      // The Accept of a 415 is the user agent's business (RFC 3261 21.4.13).
      if (reason !== 'contentType')
        expect(headers).toEqual([['Warning', expect.stringMatching(/^\d{3} earwitness ".+"$/)]])
    }
  })
})

describe('an INVITE that starts a recording', () => {
  it.each([
    ['an option tag', { require: ['timer', 'siprec'] }],
    ['a feature tag', { require: [], contact: '<sip:src@192.0.2.1>;+sip.src' }],
    ['its source, which is configured so', { require: [], knownRecording: true }],
  ])('is known by %s', (_name, facts) => {
    expect(reasonOf(invite(facts))).toBe('accepted')
  })

  it('is known by metadata alone, which is kept with it', () => {
    const body = multipart(['application/sdp', sdp(audio('1'))], ['application/rs-metadata+xml', METADATA])
    const { metadata } = accepted(body, { contentType: 'multipart/mixed;boundary=b', require: [] })
    expect(new TextDecoder().decode(metadata?.raw)).toBe(METADATA)
    expect(metadata?.snapshot?.dataMode).toBe('complete')
  })

  it('records although its metadata cannot be read, and keeps the bytes and the reason', () => {
    const body = multipart(['application/sdp', sdp(audio('1'))], ['application/rs-metadata+xml', '<<<'])
    const { metadata, plans } = accepted(body, { contentType: 'multipart/mixed;boundary=b' })
    expect(plans).toHaveLength(1)
    expect(metadata).toMatchObject({ snapshot: undefined, raw: new TextEncoder().encode('<<<') })
    expect(metadata?.reason).toEqual(expect.any(String))
  })

  it('plans a media stream for each audio line that can be recorded, by its place in the SDP', () => {
    const video = ['m=video 40002 RTP/AVP 97', 'a=rtpmap:97 H264/90000', 'a=label:v']
    const { plans } = accepted(sdp(video, audio('a'), ['m=audio 40004 RTP/AVP'], audio('b')))
    expect(plans.map(({ streamId, streamLabel }) => [streamId, streamLabel])).toEqual([
      ['1', 'a'],
      ['3', 'b'],
    ])
    const labels = ['v', 'a', undefined, 'b']
    expect(plans.map(({ line }) => line)).toEqual([
      { label: 'a', index: 1, labels },
      { label: 'b', index: 3, labels },
    ])
  })

  it('shows a line without a label by its place, but never lets metadata be matched by that', () => {
    const { plans } = accepted(sdp(audio(undefined), audio(undefined)))
    expect(plans.map(({ streamLabel }) => streamLabel)).toEqual(['1', '2'])
    expect(plans.map(({ line }) => line.label)).toEqual([undefined, undefined])
  })

  it('gives each payload type its meaning', () => {
    const [plan] = accepted(sdp(['m=audio 40000 RTP/AVP 8 0 13 96 18', 'a=rtpmap:96 telephone-event/8000'])).plans
    const narrowband = { clockRate: 8_000, sampleRate: 8_000, channels: 1 }
    expect([...(plan?.payloadTypes ?? [])]).toEqual([
      [8, { kind: 'audio', codec: 'PCMA', ...narrowband }],
      [0, { kind: 'audio', codec: 'PCMU', ...narrowband }],
      [13, { kind: 'comfortNoise', clockRate: 8_000 }],
      [96, { kind: 'event', clockRate: 8_000 }],
      [18, { kind: 'kept', name: 'G729', clockRate: 8_000, channels: 1 }],
    ])
  })

  it('takes a line whatever its codec, payload types without rtpmap and static ones included', () => {
    const offered = ['m=audio 40000 RTP/AVP 18 96 97', 'a=rtpmap:96 AMR-WB/16000/1', 'a=fmtp:96 octet-align=1']
    const [plan] = accepted(sdp(offered)).plans
    expect([...(plan?.payloadTypes ?? [])]).toEqual([
      [18, { kind: 'kept', name: 'G729', clockRate: 8_000, channels: 1 }],
      [96, { kind: 'kept', name: 'AMR-WB', clockRate: 16_000, channels: 1, fmtp: 'octet-align=1' }],
      [97, { kind: 'kept', name: 'unknown', clockRate: 8_000, channels: 1 }],
    ])
  })

  it.each([
    ['inactive', 'a=inactive'],
    ['recvonly', 'a=recvonly'],
    ['a connection address of zeros', 'c=IN IP4 0.0.0.0'],
  ])('knows a line on hold by %s', (_name, line) => {
    const { plans } = accepted(sdp(audio('1'), audio('2', line)))
    expect(plans.map(({ held }) => held)).toEqual([false, true])
  })

  it('takes an offer in which every line is on hold, whatever it lists', () => {
    const unknown = ['m=audio 40000 RTP/AVP 97 98', 'a=inactive', 'a=label:1']
    const { plans } = accepted(sdp(unknown, audio('2', 'a=inactive')))
    expect(plans.map(({ held, payloadTypes }) => [held, payloadTypes.size])).toEqual([
      [true, 2],
      [true, 3],
    ])
    expect(accepted(sdp(unknown)).plans).toHaveLength(1)
  })

  it.each([
    ['a=record:paused', true],
    ['a=record:off', true],
    ['a=record:on', false],
    ['a=recordpref:off', false],
    ['a=recordpref:pause', false],
    ['a=ptime:20', false],
  ])('is paused by the SRC itself and by no wish of a participant: %s', (line, paused) => {
    expect(accepted(sdp(audio('1', line), audio('2'))).plans.map((plan) => plan.paused)).toEqual([paused, false])
    // Above all m-lines it holds for each of them.
    const session = [...SESSION, line, ...audio('1'), ''].join('\r\n')
    expect(accepted(session).plans.map((plan) => plan.paused)).toEqual([paused])
  })

  it('keeps the wish of a participant beside what is done', () => {
    const wishes = ['off', 'pause', 'on', 'nopreference'].map((wish) => audio(wish, `a=recordpref:${wish}`))
    expect(accepted(sdp(...wishes)).plans.map(({ wish }) => wish)).toEqual(['off', 'pause', undefined, undefined])
  })

  it('says by which keys each line is protected', () => {
    const secure = (profile: string, ...crypto: readonly string[]) => [
      `m=audio 40000 ${profile} 0`,
      ...crypto.map((value) => `a=crypto:${value}`),
    ]
    const { plans } = accepted(
      sdp(
        secure(
          'RTP/SAVP',
          `1 F8_128_HMAC_SHA1_80 ${KEY}`,
          `2 AES_CM_128_HMAC_SHA1_32 ${KEY}|2^31|5:2 UNENCRYPTED_SRTCP`,
        ),
        secure('RTP/AVP', `1 AES_CM_128_HMAC_SHA1_80 ${KEY}`),
        secure('RTP/AVP'),
      ),
    )
    const key = Uint8Array.from({ length: 16 }, (_, index) => index)
    const salt = Uint8Array.from({ length: 14 }, (_, index) => 0xf0 + index)
    const protection = { unencryptedSrtp: false, unauthenticatedSrtp: false }
    expect(plans.map(({ keys }) => keys)).toEqual([
      {
        ...{ suite: 'AES_CM_128_HMAC_SHA1_32', masterKeys: [{ key, salt, mki: Uint8Array.of(0, 5) }] },
        ...{ ...protection, unencryptedSrtcp: true },
      },
      {
        ...{ suite: 'AES_CM_128_HMAC_SHA1_80', masterKeys: [{ key, salt, mki: new Uint8Array() }] },
        ...{ ...protection, unencryptedSrtcp: false },
      },
      undefined,
    ])
  })

  it('says why the other lines are not received', () => {
    const video = ['m=video 40002 RTP/AVP 97', 'a=rtpmap:97 H264/90000']
    const request = accepted(sdp(video, audio('1'), ['m=audio 40004 RTP/SAVP 0'], ['m=audio 40006 UDP/TLS/RTP/SAVP 0']))
    expect(request.refusedLines).toEqual(['notAudio', 'noCrypto', 'dtls'])
  })

  it(`plans at most ${STREAMS_MAX} media streams`, () => {
    const lines = Array.from({ length: STREAMS_MAX + 2 }, (_, index) => audio(String(index)))
    const request = accepted(sdp(...lines))
    expect(request.plans).toHaveLength(STREAMS_MAX)
    expect(request.refusedLines).toEqual(['tooMany', 'tooMany'])
    const ports = request.plans.map((_, index) => 20_000 + 2 * index)
    expect(answerLines(request, ports, ownKey).slice(-2)).toEqual(
      [0, 1].map(() => ({ port: 0, payloadTypes: [], direction: 'inactive' })),
    )
  })
})

describe('the answer', () => {
  it('has a line for each of the offer, in its order: ports for what is recorded, 0 for the rest', () => {
    const video = ['m=video 40002 RTP/AVP 97', 'a=rtpmap:97 H264/90000']
    const request = accepted(sdp(audio('1'), video, audio('2'), ['m=audio 40004 RTP/AVP 18']))
    expect(answerLines(request, [20_000, 20_002], ownKey)).toEqual([
      { port: 20_000, payloadTypes: [0, 8, 101], direction: 'recvonly' },
      { port: 0, payloadTypes: [], direction: 'inactive' },
      { port: 20_002, payloadTypes: [0, 8, 101], direction: 'recvonly' },
      { port: 0, payloadTypes: [], direction: 'inactive' },
    ])
  })

  it('counts lines that are refused for another reason not among them', () => {
    const lines = Array.from({ length: STREAMS_MAX }, (_, index) => audio(String(index)))
    expect(accepted(sdp(['m=audio 40000 RTP/AVP 18'], ...lines)).plans).toHaveLength(STREAMS_MAX)
  })

  it('has a key of our own where the offer has keys, and says what is paused', () => {
    const secure = ['m=audio 40000 RTP/SAVP 0', `a=crypto:1 AEAD_AES_128_GCM inline:${'A'.repeat(38)}`]
    const request = accepted(sdp(secure, audio('2', 'a=record:paused')))
    expect(answerLines(request, [20_000, 20_002], ownKey)).toEqual([
      { port: 20_000, payloadTypes: [0], direction: 'recvonly', masterKey: new Uint8Array(28).fill(7) },
      { port: 20_002, payloadTypes: [0, 8, 101], direction: 'recvonly', record: 'paused' },
    ])
  })

  it('keeps the port of a line that is on hold', () => {
    const request = accepted(sdp(audio('1', 'a=inactive'), audio('2', 'a=sendonly')))
    expect(answerLines(request, [20_000, 20_002], ownKey)).toMatchObject([
      { port: 20_000, direction: 'inactive' },
      { port: 20_002, direction: 'recvonly' },
    ])
  })

  it('refuses a line that the offer itself disables', () => {
    const disabled = ['m=audio 0 RTP/AVP 0', 'a=label:2']
    const request = accepted(sdp(audio('1'), disabled))
    expect(request.plans.map(({ held }) => held)).toEqual([false, true])
    expect(answerLines(request, [20_000, 20_002], ownKey).map(({ port }) => port)).toEqual([20_000, 0])
  })

  it('serves a client that offers video beside the audio, as one does', () => {
    const vector = readVector('cube')
    const request = valueOf(readRecordingRequest({ ...vector, knownRecording: false }))
    expect(request.plans.map(({ streamLabel }) => streamLabel)).toEqual(['1', '2'])
    expect(answerLines(request, [20_000, 20_002], ownKey).map(({ port }) => port)).toEqual([20_000, 20_002, 0])
    expect(request.metadata?.snapshot).toBeDefined()
  })
})

describe('the body of a BYE', () => {
  it('may be metadata alone', () => {
    const body = new TextEncoder().encode(METADATA)
    expect(readMetadataBody('application/rs-metadata+xml', body)?.snapshot?.dataMode).toBe('complete')
  })

  it.each([
    ['nothing of interest', 'text/plain', 'bye'],
    ['a multipart that cannot be split', 'multipart/mixed;boundary=b', 'nothing'],
  ])('may be %s', (_name, contentType, text) => {
    expect(readMetadataBody(contentType, new TextEncoder().encode(text))).toBeUndefined()
  })
})

describe('an INVITE that leaves the offer to us', () => {
  const FROM = '<sip:1001@192.0.2.9;x-farend;x-refci=7;x-nearendaddr=1001;x-farendaddr=1000;x-sessionid=ab>;tag=1'

  it('is one without a body, or with metadata only', () => {
    expect(reasonOf(invite({ body: '' }))).toBe('noOffer')
    const body = multipart(['application/rs-metadata+xml', METADATA])
    expect(reasonOf(invite({ contentType: 'multipart/mixed;boundary=b', body }))).toBe('noOffer')
  })

  it('is offered a line for each label of the metadata, each once, and no more than are received', () => {
    const streams = ['a', 'b', 'b', undefined].map((label) =>
      label === undefined
        ? '<stream stream_id="x"/>'
        : `<stream stream_id="s${label}"><label>${label}</label></stream>`,
    )
    const documentOf = (elements: string): InviteFacts =>
      invite({ contentType: 'application/rs-metadata', body: `<recording>${elements}</recording>` })
    const labelsOf = (elements: string): readonly (string | undefined)[] =>
      planDelayedOffer(documentOf(elements)).plans.map(({ line }) => line.label)
    expect(labelsOf(streams.join(''))).toEqual(['a', 'b', undefined])
    const many = Array.from(
      { length: STREAMS_MAX + 9 },
      (_, index) => `<stream stream_id="s${index}"><label>${index}</label></stream>`,
    )
    expect(labelsOf(many.join(''))).toHaveLength(STREAMS_MAX)
    expect(labelsOf('<session session_id="c"/>')).toEqual(['1', '2'])
  })

  it('of a phone that forks its media is known by its From alone', () => {
    const phone = invite({ body: '', require: [], from: FROM })
    expect(reasonOf(phone)).toBe('noOffer')
    expect(planDelayedOffer(phone)).toMatchObject({
      plans: [{ streamLabel: '1', held: true }],
      metadata: { mediaType: 'message/sipfrag', snapshot: { associations: [{ participantId: 'far' }] } },
    })
  })

  it('and a phone that does not brings its From as metadata just the same', () => {
    const { metadata, plans } = accepted(sdp(audio(undefined)), { require: [], from: FROM })
    expect(plans).toHaveLength(1)
    expect(new TextDecoder().decode(metadata?.raw)).toBe(`From: ${FROM}\r\n`)
  })
})
