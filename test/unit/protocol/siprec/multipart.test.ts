import { describe, expect, test } from 'vitest'
import { bytesOf, textOf, valueOf } from './vectors.ts'
import { NESTING_MAX, PARTS_MAX, isMetadataType, splitBody } from '../../../../src/protocol/siprec/multipart.ts'

const SDP = 'v=0\r\nm=audio 1 RTP/AVP 0'
const XML = '<recording/>'

/** The parts as [type, text] pairs. */
function split(contentType: string | undefined, body: string): (readonly [string, string])[] {
  return valueOf(splitBody(contentType, bytesOf(body))).map((part) => [part.contentType, textOf(part.body)] as const)
}

const BOTH = [
  ['application/sdp', SDP],
  ['application/rs-metadata+xml', XML],
]

function multipart(options: { open?: string; headers?: string; close?: string; end?: string } = {}): string {
  const { open = '--b\r\n', close = '\r\n--b--\r\n', headers = '' } = options
  return [
    `${open}Content-Type: application/sdp\r\n${headers}\r\n${SDP}\r\n`,
    `${open}Content-Type: application/rs-metadata+xml\r\n\r\n${XML}${close}`,
  ].join('')
}

describe('a multipart body is split when', () => {
  test.each([
    ['it is as RFC 2046 wants it', 'multipart/mixed; boundary=b', multipart()],
    ['the boundary is quoted', 'multipart/mixed;boundary="b"', multipart()],
    ['parameters follow the boundary', 'Multipart/Mixed; Boundary=b; charset=utf-8', multipart()],
    ['parameters stand before the boundary', 'multipart/mixed;type="a;boundary=x";boundary=b', multipart()],
    ['the boundary parameter is missing', 'multipart/mixed', multipart()],
    ['the boundary parameter is another one', 'multipart/mixed;boundary=other', multipart()],
    ['the message has no Content-Type at all', undefined, multipart()],
    ['the closing boundary is missing', 'multipart/mixed;boundary=b', multipart({ close: '' })],
    ['the closing boundary has no line end', 'multipart/mixed;boundary=b', multipart({ close: '\r\n--b--' })],
    [
      'the closing boundary stands on the last line of the part',
      'multipart/mixed;boundary=b',
      multipart({ close: '--b--' }),
    ],
    [
      'blanks follow the boundaries',
      'multipart/mixed;boundary=b',
      multipart({ open: '--b \t \r\n', close: '\r\n--b--  \r\n' }),
    ],
    ['there is a preamble and an epilogue', 'multipart/mixed;boundary=b', `hello\r\n${multipart()}bye\r\n`],
    [
      'parts declare their length',
      'multipart/mixed;boundary=b',
      multipart({ headers: `Content-Length: ${SDP.length}\r\n` }),
    ],
    ['parts declare a wrong length', 'multipart/mixed;boundary=b', multipart({ headers: 'Content-Length: 5\r\n' })],
    ['header lines are folded', 'multipart/mixed;boundary=b', multipart({ headers: 'X-Note: one\r\n  two\r\n' })],
  ])('%s', (_, contentType, body) => {
    expect(split(contentType, body)).toEqual(BOTH)
  })

  test.each([
    ['bare LF', '\n'],
    ['bare CR', '\r'],
  ])('its lines end with %s', (_, end) => {
    const body = multipart().replaceAll('\r\n', end)
    expect(split('multipart/mixed;boundary=b', body)).toEqual([
      ['application/sdp', SDP.replaceAll('\r\n', end)],
      BOTH[1],
    ])
  })

  test('headers have no blank after the colon, or short names', () => {
    expect(
      split(
        'multipart/mixed;boundary=b',
        `--b\r\nContent-Type:application/sdp\r\n\r\nv=0\r\n--b\r\nc: text/x\r\n\r\ny\r\n--b--`,
      ),
    ).toEqual([
      ['application/sdp', 'v=0'],
      ['text/x', 'y'],
    ])
  })

  test('parts have no headers, or no blank line after them: the content shows what they are', () => {
    expect(
      split('multipart/mixed;boundary=b', `--b\r\n\r\n${SDP}\r\n--b\r\nX: y\r\n<?xml version="1.0"?>${XML}\r\n--b--`),
    ).toEqual([
      ['application/sdp', SDP],
      ['application/rs-metadata+xml', `<?xml version="1.0"?>${XML}`],
    ])
  })

  test('it has other parts too', () => {
    expect(
      split('multipart/mixed;boundary=b', `--b\r\nContent-Type: application/gtd\r\n\r\nx\r\n${multipart()}`),
    ).toEqual([['application/gtd', 'x'], ...BOTH])
  })

  test('a longer boundary begins like this one', () => {
    const inner = `--bb\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--bb--\r\n`
    const body = `--b\r\nContent-Type: multipart/mixed;boundary=bb\r\n\r\n${inner}\r\n--b\r\nContent-Type: text/x\r\n\r\ny\r\n--b--`
    expect(split('multipart/mixed;boundary=b', body)).toEqual([
      ['application/sdp', 'v=0'],
      ['text/x', 'y'],
    ])
  })
})

describe('bodies', () => {
  test('are raw bytes, and views of the message', () => {
    const raw = Uint8Array.of(0xff, 0x00, 0x80, 0x0d, 0x0a, 0xfe)
    const message = new Uint8Array([...bytesOf('--b\r\nContent-Type: x/y\r\n\r\n'), ...raw, ...bytesOf('\r\n--b--')])
    const [part] = valueOf(splitBody('multipart/mixed;boundary=b', message))
    expect([...part!.body]).toEqual([...raw])
    expect(part!.body.buffer).toBe(message.buffer)
  })

  test('that are not multipart are one part', () => {
    expect(split('application/sdp;charset=utf-8', SDP)).toEqual([['application/sdp', SDP]])
    expect(split(undefined, SDP)).toEqual([['application/sdp', SDP]])
    expect(split(undefined, XML)).toEqual([['application/rs-metadata+xml', XML]])
    expect(split(undefined, 'what?')).toEqual([['', 'what?']])
  })

  test('that are empty have no parts', () => {
    expect(split('multipart/mixed;boundary=b', '')).toEqual([])
    expect(split(undefined, '')).toEqual([])
  })

  test('keep the headers of their parts, whatever their names', () => {
    const [part] = valueOf(
      splitBody('multipart/mixed;boundary=b', bytesOf('--b\r\n__proto__: x\r\nContent-Disposition: session\r\n\r\ny')),
    )
    expect(part?.headers.get('content-disposition')).toBe('session')
    expect(part?.headers.get('__proto__')).toBe('x')
  })
})

describe('limits', () => {
  const nested = (depth: number): string =>
    depth === 0
      ? 'Content-Type: application/sdp\r\n\r\nv=0'
      : `Content-Type: multipart/mixed;boundary=n${depth}\r\n\r\n--n${depth}\r\n${nested(depth - 1)}\r\n--n${depth}--`

  test('a body without any boundary is refused', () => {
    expect(splitBody('multipart/mixed;boundary=b', bytesOf('v=0'))).toMatchObject({ ok: false, reason: 'noBoundary' })
  })

  test('a body with more parts than the limit is refused', () => {
    const body = (count: number): Uint8Array => bytesOf('--b\r\nContent-Type: a/b\r\n\r\nx\r\n'.repeat(count))
    expect(valueOf(splitBody('multipart/mixed;boundary=b', body(PARTS_MAX)))).toHaveLength(PARTS_MAX)
    expect(splitBody('multipart/mixed;boundary=b', body(PARTS_MAX + 1))).toMatchObject({
      ok: false,
      reason: 'tooManyParts',
    })
  })

  test('multiparts nested deeper than the limit stay one part, and those beside them are read', () => {
    const body = `--o\r\n${nested(NESTING_MAX)}\r\n--o\r\nContent-Type: text/x\r\n\r\ny\r\n--o--`
    expect(split('multipart/mixed;boundary=o', body).map(([type]) => type)).toEqual(['multipart/mixed', 'text/x'])
    const shallow = `--o\r\n${nested(NESTING_MAX - 1)}\r\n--o--`
    expect(split('multipart/mixed;boundary=o', shallow)).toEqual([['application/sdp', 'v=0']])
  })
})

test('both names of metadata mean metadata, and a request for it does not', () => {
  expect(isMetadataType('Application/RS-Metadata+xml; charset=utf-8')).toBe(true)
  expect(isMetadataType('application/rs-metadata')).toBe(true)
  expect(isMetadataType('application/rs-metadata-request')).toBe(false)
})
