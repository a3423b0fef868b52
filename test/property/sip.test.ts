import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { HeaderList, type SipHeader } from '../../src/protocol/sip/header-list.ts'
import type { SipMessage } from '../../src/protocol/sip/message.ts'
import { parseNameAddr } from '../../src/protocol/sip/name-addr.ts'
import { formatParams, parseParams } from '../../src/protocol/sip/params.ts'
import { parseMessage } from '../../src/protocol/sip/parse-message.ts'
import { serializeMessage } from '../../src/protocol/sip/serialize-message.ts'
import { StreamFramer } from '../../src/protocol/sip/stream-framer.ts'
import { parseHostPort, parseSipUri } from '../../src/protocol/sip/uri.ts'
import { formatVia, parseVia } from '../../src/protocol/sip/via.ts'
import { Bench, bytesOf, request, SDP, TCP_FLOW, textOf } from '../unit/protocol/sip/wire.ts'

const token = fc.stringMatching(/^[A-Za-z0-9.!%*_+`'~-]{1,20}$/)
/** A header value as it can stand in a message: no line ends, no blanks at the ends. */
const value = fc.string({ unit: 'grapheme', maxLength: 60 }).map((text) => text.replaceAll(/[\r\n\0]/g, '').trim())
const header: fc.Arbitrary<SipHeader> = fc
  .record({ name: fc.stringMatching(/^[A-Za-z][A-Za-z0-9-]{1,20}$/), value })
  .filter(({ name }) => name.toLowerCase() !== 'content-length')
const body = fc.uint8Array({ maxLength: 300 })

const message: fc.Arbitrary<SipMessage> = fc.oneof(
  fc
    .record({ method: token, uri: fc.stringMatching(/^[a-z]{1,5}:[!-~]{1,40}$/), headers: fc.array(header), body })
    .map((parts) => ({
      kind: 'request' as const,
      method: parts.method,
      requestUri: parts.uri,
      headers: new HeaderList(parts.headers),
      body: parts.body,
      defect: undefined,
    })),
  fc
    .record({ status: fc.integer({ min: 100, max: 699 }), reason: value, headers: fc.array(header), body })
    .map((parts) => ({
      kind: 'response' as const,
      status: parts.status,
      reason: parts.reason,
      headers: new HeaderList(parts.headers),
      body: parts.body,
      defect: undefined,
    })),
)

/** Bytes that look like SIP for a while: real messages with pieces cut out, doubled, or overwritten. */
const mangled = fc
  .record({
    base: fc.constantFrom(
      request({ body: SDP, extra: ['Record-Route: <sip:p;lr>', 'Require: siprec'] }),
      request({ body: SDP, branch: 'z9hG4bK-2', sipCallId: 'reliable', extra: ['Require: 100rel'] }),
      request({ method: 'PRACK', cseq: '2 PRACK', toTag: 'token1', branch: 'z9hG4bK-p', extra: ['RAck: 1 1 INVITE'] }),
      request({ method: 'BYE', cseq: '2 BYE', toTag: 'token1' }),
      request({ method: 'CANCEL', cseq: '1 CANCEL' }),
      request({ method: 'ACK', toTag: 'token1', branch: 'z9hG4bK-a' }),
      request({ method: 'OPTIONS', toTag: 'token1', cseq: '3 OPTIONS' }),
      'SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a;branch=z9hG4bKtoken2\r\nCSeq: 1 BYE\r\n\r\n',
    ),
    edits: fc.array(
      fc.record({
        at: fc.nat(700),
        length: fc.nat(30),
        insert: fc.oneof(
          fc.constantFrom(
            '',
            '\r\n',
            '\n',
            '\r\n ',
            ';',
            ',',
            '"',
            '<',
            '>',
            ':',
            '@',
            '\0',
            '__proto__',
            ';__proto__=1',
            '%',
            '[',
            '\uFFFD',
          ),
          fc.string({ unit: 'binary', maxLength: 10 }),
        ),
      }),
      { maxLength: 6 },
    ),
  })
  .map(({ base, edits }) =>
    edits.reduce((text, { at, length, insert }) => text.slice(0, at) + insert + text.slice(at + length), base),
  )

describe('SIP messages', () => {
  test('what is printed parses back the same', () => {
    fc.assert(
      fc.property(message, (original) => {
        const parsed = parseMessage(serializeMessage(original), 'stream')
        if (!parsed.ok) throw new Error(parsed.reason)
        const { headers, body: bytes, ...rest } = parsed.value
        const { headers: originalHeaders, body: originalBytes, ...originalRest } = original
        // A body without Content-Type is bytes all the same; Content-Length is added last.
        expect(headers.list.slice(0, -1)).toEqual(originalHeaders.list)
        expect([rest, [...bytes]]).toEqual([originalRest, [...originalBytes]])
      }),
    )
  })

  test('however a stream is split, the same messages come out', () => {
    fc.assert(
      fc.property(
        fc.array(message, { maxLength: 5 }),
        fc.array(fc.integer({ min: 1, max: 200 })),
        (messages, sizes) => {
          const wire = messages.map((each) => serializeMessage(each))
          const stream = new Uint8Array(wire.flatMap((bytes) => [...bytes]))
          const framer = new StreamFramer()
          const framed: string[] = []
          for (let start = 0, turn = 0; start < stream.length; turn++) {
            const end = start + (sizes[turn % Math.max(1, sizes.length)] ?? 64)
            for (const item of framer.push(stream.subarray(start, end))) {
              if (item.kind !== 'message') continue
              framed.push(textOf(item.bytes))
              expect(item.parsed).toEqual(parseMessage(item.bytes, 'stream'))
            }
            start = end
          }
          expect(framed).toEqual(wire.map((bytes) => textOf(bytes)))
        },
      ),
    )
  })
})

describe('whatever arrives', () => {
  test('the parsers return', () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 2000 }), mangled.map(bytesOf)), (bytes) => {
        parseMessage(bytes)
        parseMessage(bytes, 'stream')
        new StreamFramer().push(bytes)
      }),
    )
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
        parseNameAddr(text)
        parseSipUri(text)
        parseSipUri(`sip:${text}`)
        parseHostPort(text)
        parseVia(`SIP/2.0/UDP ${text}`)
        parseParams(text)
      }),
    )
  })

  test('the user agent does not throw, goes on serving, and keeps nothing for ever', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(mangled, fc.boolean(), fc.nat(2_000_000)), { maxLength: 12 }), (steps) => {
        const bench = new Bench()
        for (const [text, isTcp, waitUs] of steps) {
          bench.receive(bytesOf(text), isTcp ? TCP_FLOW : bench.flow)
          const offer = bench.offers.at(-1)
          const sdp = waitUs % 5 === 0 ? bytesOf(SDP) : undefined
          if (offer !== undefined && waitUs % 3 === 0) bench.userAgent.progress(offer.offerId, 183, sdp, bench.nowUs)
          if (offer !== undefined && waitUs % 11 === 0) {
            bench.userAgent.request(offer.dialogId, { method: 'INFO' }, bench.nowUs)
          }
          if (offer !== undefined && waitUs % 2 === 0) bench.userAgent.answer(offer.offerId, bytesOf(SDP), bench.nowUs)
          if (offer !== undefined && waitUs % 7 === 0) bench.userAgent.bye(offer.dialogId, undefined, bench.nowUs)
          bench.advance(waitUs)
        }
        bench.receive(request({ method: 'OPTIONS', branch: 'z9hG4bK-good', sipCallId: 'good' }))
        expect(bench.outline.at(-1)).toBe('200')
        bench.advance(300_000_000)
        expect([bench.userAgent.transactionCount, bench.userAgent.openCount]).toEqual([0, 0])
        const confirmed = bench.happened.filter(({ kind }) => kind === 'confirmed').length
        expect(bench.userAgent.dialogCount).toBeLessThanOrEqual(confirmed)
        const ended = bench.happened.flatMap((event) => (event.kind === 'ended' ? [event.dialogId] : []))
        expect(new Set(ended).size).toBe(ended.length)
      }),
      { numRuns: 300 },
    )
  })

  test('parameters and Via print as they were read', () => {
    const params = fc.uniqueArray(fc.tuple(token, fc.oneof(token, fc.constant(''), fc.constant('"a;b=\\"c,<"'))), {
      selector: ([name]) => name.toLowerCase(),
      maxLength: 10,
    })
    fc.assert(
      fc.property(params, (pairs) => {
        const text = pairs.map(([name, text]) => `;${name.toLowerCase()}${text === '' ? '' : `=${text}`}`).join('')
        const parsed = parseParams(text)
        expect(parsed.ok && formatParams(parsed.value)).toBe(text)
        const via = parseVia(`SIP/2.0/UDP h.example.com:5060${text}`)
        expect(via.ok && formatVia(via.value)).toBe(`SIP/2.0/UDP h.example.com:5060${text}`)
      }),
    )
  })
})
