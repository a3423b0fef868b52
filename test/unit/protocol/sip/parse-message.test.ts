import { describe, expect, test } from 'vitest'
import { HEADER_LENGTH_MAX, HEADERS_MAX, MESSAGE_BYTES_MAX } from '../../../../src/protocol/sip/message.ts'
import { parseMessage } from '../../../../src/protocol/sip/parse-message.ts'
import { bytesOf, head, parseRequest, request, SDP, textOf } from './wire.ts'

describe('a SIP message', () => {
  test('is read with its start line, headers and body', () => {
    const message = parseRequest(request({ body: SDP }))
    expect([message.method, message.requestUri]).toEqual(['INVITE', 'sip:srs@192.0.2.9'])
    expect(message.headers.first('content-TYPE')).toBe('application/sdp')
    expect(textOf(message.body)).toBe(SDP)
    expect(message.defect).toBeUndefined()
  })

  test('may be a response', () => {
    const parsed = parseMessage(bytesOf(head('SIP/2.0 487 Request Terminated', 'CSeq: 1 INVITE')))
    expect(parsed).toMatchObject({ ok: true, value: { kind: 'response', status: 487, reason: 'Request Terminated' } })
  })

  test('may have a response without a reason phrase', () => {
    expect(parseMessage(bytesOf(head('SIP/2.0 200')))).toMatchObject({ ok: true, value: { status: 200, reason: '' } })
  })

  test('may use compact header names, which equal the long ones', () => {
    const { headers } = parseRequest(
      head(
        'INVITE sip:a SIP/2.0',
        'v: one',
        'f: two',
        't: three',
        'i: four',
        'm: five',
        'L: 0',
        'c: six',
        'k: a',
        's: b',
        'e: c',
        'o: d',
      ),
    )
    for (const [name, value] of [
      ['Via', 'one'],
      ['From', 'two'],
      ['To', 'three'],
      ['Call-ID', 'four'],
      ['Contact', 'five'],
      ['Content-Length', '0'],
      ['Content-Type', 'six'],
      ['Supported', 'a'],
      ['Subject', 'b'],
      ['Content-Encoding', 'c'],
      ['Event', 'd'],
    ] as const) {
      expect(headers.first(name)).toBe(value)
    }
    expect(headers.first('v')).toBe('one')
  })

  test('may fold header lines', () => {
    const { headers } = parseRequest(head('INVITE sip:a SIP/2.0', 'Subject: one', '  two', '\tthree', 'X: y'))
    expect(headers.first('subject')).toBe('one two three')
    expect(headers.first('x')).toBe('y')
  })

  test('may end its lines with bare LF, as AudioCodes does', () => {
    const message = parseRequest(request({ body: SDP }).replaceAll('\r\n', '\n'))
    expect(message.headers.first('Call-ID')).toBe('abc@192.0.2.1')
    expect(textOf(message.body)).toBe(SDP.replaceAll('\r\n', '\n'))
  })

  test('may begin with empty lines or a byte order mark', () => {
    expect(parseRequest(`\r\n\r\n\n${request()}`).method).toBe('INVITE')
    expect(parseRequest(`\uFEFF${request()}`).method).toBe('INVITE')
  })

  test('may have blanks around the colon and none behind it', () => {
    const { headers } = parseRequest(head('INVITE sip:a SIP/2.0', 'Content-Type \t:application/sdp', 'X:   y \t'))
    expect(headers.first('content-type')).toBe('application/sdp')
    expect(headers.first('x')).toBe('y')
  })

  test('keeps repeated headers in their order', () => {
    const { headers } = parseRequest(head('INVITE sip:a SIP/2.0', 'Via: 1', 'Route: x', 'v: 2, 3'))
    expect(headers.all('via')).toEqual(['1', '2, 3'])
    expect(headers.list.map(({ name }) => name)).toEqual(['Via', 'Route', 'Via'])
  })

  test('has a body of bytes, NUL and broken UTF-8 included', () => {
    const body = Uint8Array.of(0, 255, 13, 10, 13, 10, 0, 128)
    const bytes = new Uint8Array([...bytesOf(head('INVITE sip:a SIP/2.0', 'Content-Type: x/y')), ...body])
    expect(parseRequest(bytes).body).toEqual(body)
  })

  test('keeps UTF-8 in header values and replaces bytes that are not', () => {
    const start = bytesOf('INVITE sip:a SIP/2.0\r\nFrom: "Zoë" <sip:a>\r\nX: a')
    const { headers } = parseRequest(new Uint8Array([...start, 0xff, 13, 10, 13, 10]))
    expect(headers.first('from')).toBe('"Zoë" <sip:a>')
    expect(headers.first('x')).toBe('a\uFFFD')
  })

  test('may lack the empty line at the end', () => {
    expect(parseRequest('OPTIONS sip:a SIP/2.0\r\nCall-ID: 1\r\n').headers.first('call-id')).toBe('1')
  })
})

describe('the length of a body', () => {
  test('is that of the datagram when Content-Length says less, more, or nothing', () => {
    for (const length of ['3', '9999', undefined]) {
      const lines = length === undefined ? [] : [`Content-Length: ${length}`]
      const message = parseRequest(head('INVITE sip:a SIP/2.0', 'Content-Type: x/y', ...lines) + SDP)
      expect([textOf(message.body), message.defect]).toEqual([SDP, undefined])
    }
  })

  test('is 0 when Content-Length says so and there is no Content-Type: what follows is not of this message', () => {
    expect(parseRequest(`${head('OPTIONS sip:a SIP/2.0', 'Content-Length: 0')}INVITE sip:b SIP/2.0`).body).toHaveLength(
      0,
    )
  })

  test.each(['-1', '-999', '1e3', '0x10', '12 13', 'none', '99999999999999999999'])('is refused as %j', (length) => {
    expect(parseRequest(head('INVITE sip:a SIP/2.0', `Content-Length: ${length}`)).defect).toBe('contentLength')
  })

  test('is refused when two Content-Length differ', () => {
    const lines = ['Content-Length: 1', 'l: 2']
    expect(parseRequest(`${head('INVITE sip:a SIP/2.0', ...lines)}ab`).defect).toBe('contentLength')
  })

  test('must be given on a stream when there is a body', () => {
    const parsed = parseMessage(bytesOf(head('INVITE sip:a SIP/2.0', 'Content-Type: x/y')), 'stream')
    expect(parsed).toMatchObject({ ok: true, value: { defect: 'contentLength' } })
  })
})

describe('hostile input', () => {
  test.each([
    ['nothing', '', 'keepAlive'],
    ['line ends only', '\r\n\r\n', 'keepAlive'],
    ['NUL only', '\0\0\0\0', 'keepAlive'],
    ['one word', 'INVITE', 'startLine'],
    ['HTTP', 'GET / HTTP/1.1\r\n\r\n', 'startLine'],
    ['a method that is no token', 'IN(VITE sip:a SIP/2.0\r\n\r\n', 'startLine'],
    ['a method too long', `${'A'.repeat(65)} sip:a SIP/2.0\r\n\r\n`, 'startLine'],
    ['a status out of range', 'SIP/2.0 99 x\r\n\r\n', 'startLine'],
    ['a status of four digits', 'SIP/2.0 2000 x\r\n\r\n', 'startLine'],
    ['a status that is no number', 'SIP/2.0 abc x\r\n\r\n', 'startLine'],
    ['a start line too long', `INVITE sip:${'a'.repeat(HEADER_LENGTH_MAX)} SIP/2.0\r\n\r\n`, 'startLine'],
    ['more bytes than a message may have', 'x'.repeat(MESSAGE_BYTES_MAX + 1), 'tooLarge'],
  ])('%s is rejected', (_, text, reason) => {
    expect(parseMessage(bytesOf(text))).toMatchObject({ ok: false, reason })
  })

  test.each([
    ['another version', 'INVITE sip:a SIP/7.0', 'version'],
    ['no Request-URI', 'INVITE  SIP/2.0', 'requestUri'],
    ['blanks in the Request-URI', 'INVITE sip:a; lr SIP/2.0', 'requestUri'],
  ])('%s can still be answered', (_, line, defect) => {
    expect(parseRequest(head(line, 'Via: x')).defect).toBe(defect)
  })

  test('names of Object.prototype are header names like others', () => {
    const { headers } = parseRequest(head('INVITE sip:a SIP/2.0', '__proto__: 1', 'constructor: 2', 'toString: 3'))
    expect([headers.first('__proto__'), headers.first('constructor'), headers.first('toString')]).toEqual([
      '1',
      '2',
      '3',
    ])
    expect(parseRequest(head('INVITE sip:a SIP/2.0')).headers.first('constructor')).toBeUndefined()
  })

  test('lines without a colon or with a name that is no token are left out', () => {
    const { headers } = parseRequest(head('INVITE sip:a SIP/2.0', 'nonsense', ': empty', 'a b: c', 'X-Y: z'))
    expect(headers.list).toEqual([{ name: 'X-Y', value: 'z' }])
  })

  test('60 kB of blanks in one header are over the bound, and the rest is still read', () => {
    for (const blanks of [' '.repeat(60_000), '\r\n '.repeat(20_000), '\t'.repeat(60_000)]) {
      const message = parseRequest(head('INVITE sip:a SIP/2.0', `X:${blanks}y`, 'Call-ID: 1'))
      expect([message.defect, message.headers.first('Call-ID')]).toEqual(['headerLength', '1'])
    }
  })

  test(`more than ${HEADERS_MAX} headers are over the bound`, () => {
    const message = parseRequest(head('INVITE sip:a SIP/2.0', ...Array<string>(10_000).fill('X: y')))
    expect([message.defect, message.headers.list.length]).toEqual(['headerCount', HEADERS_MAX])
  })

  test(`a header of ${HEADER_LENGTH_MAX} characters is within the bound`, () => {
    const message = parseRequest(head('INVITE sip:a SIP/2.0', `X: ${'y'.repeat(HEADER_LENGTH_MAX - 3)}`))
    expect([message.defect, message.headers.first('x')?.length]).toEqual([undefined, HEADER_LENGTH_MAX - 3])
  })
})
