import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { PARTS_MAX, splitBody } from '../../src/protocol/siprec/multipart.ts'

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)
const HUGE = 1_048_576

const fragment = fc.oneof(
  fc.constantFrom(
    '--b',
    '--b--',
    '\r\n',
    '\n',
    '\r',
    ' ',
    '\t',
    'Content-Type: application/sdp',
    'Content-Length: 9999999',
  ),
  fc.constantFrom(
    'Content-Type: multipart/mixed;boundary=b',
    'Content-Type:',
    'v=0',
    ':',
    '__proto__: x',
    '--bb',
    '--',
  ),
  fc.string(),
)
const body = fc.array(fragment, { maxLength: 60 }).map((pieces) => pieces.join(''))
const contentType = fc.option(
  fc.oneof(
    fc.constantFrom(
      'multipart/mixed;boundary=b',
      'multipart/mixed;boundary="b',
      'multipart/mixed',
      'application/sdp',
      ';;;',
    ),
    fc.string(),
  ),
  { nil: undefined },
)
/** Bodies that cannot contain the boundary. */
const content = fc.uint8Array({ maxLength: 200 }).map((bytes) => bytes.map((byte) => (byte === 0x2d ? 0x2e : byte)))

describe('the multipart splitter', () => {
  test('never throws, and gives no part that is not in the body', () => {
    fc.assert(
      fc.property(contentType, body, (type, text) => {
        const bytes = bytesOf(text)
        const result = splitBody(type, bytes)
        if (!result.ok) return
        expect(result.value.length).toBeLessThanOrEqual(PARTS_MAX)
        for (const part of result.value) expect(part.body.buffer).toBe(bytes.buffer)
      }),
    )
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 1_000 }), (bytes) => void splitBody('multipart/mixed;boundary=-', bytes)),
    )
  })

  test('gives back byte for byte what was put together', () => {
    fc.assert(
      fc.property(fc.array(content, { minLength: 1, maxLength: PARTS_MAX }), fc.boolean(), (contents, isClosed) => {
        const head = [...bytesOf('\r\n--the-boundary\r\nContent-Type: x/y\r\n\r\n')]
        const message = Uint8Array.from([
          ...contents.flatMap((each) => [...head, ...each]),
          ...bytesOf(isClosed ? '\r\n--the-boundary--\r\n' : ''),
        ])
        const result = splitBody('multipart/mixed;boundary=the-boundary', message)
        if (!result.ok) throw new Error(result.reason)
        expect(result.value.map((part) => [...part.body])).toEqual(contents.map((each) => [...each]))
      }),
    )
  })

  test('answers a mebibyte of any hostile shape; anything but linear time would not come to an end', () => {
    const shapes = [
      '-',
      ' ',
      '\r\n',
      '--b',
      '--b ',
      '--b\r\n',
      '--b\r\n ',
      '--b\r\nA',
      'A:\r\n',
      ' x\r\n',
      '--b--x',
      '"',
      ';a=',
    ]
    for (const shape of shapes) {
      const filled = shape.repeat(Math.floor(HUGE / shape.length))
      void splitBody('multipart/mixed;boundary=b', bytesOf(filled))
      void splitBody('multipart/mixed;boundary=b', bytesOf(`--b\r\nX: y\r\n${filled}`))
      void splitBody(`multipart/mixed;boundary=${filled}`, bytesOf(filled))
      void splitBody(undefined, bytesOf(filled))
    }
    void splitBody(`multipart/mixed;boundary=${'-'.repeat(200)}`, bytesOf('-'.repeat(HUGE)))
  })
})
