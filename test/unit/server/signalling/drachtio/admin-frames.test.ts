import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MESSAGE_BYTES_MAX } from '../../../../../src/protocol/sip/message.ts'
import { AdminFrameReader, FRAME_BYTES_KEPT } from '../../../../../src/server/signalling/drachtio/admin-frame-reader.ts'
import { readAdminMessage } from '../../../../../src/server/signalling/drachtio/admin-message.ts'
import { readHostports } from '../../../../../src/server/signalling/drachtio/hostports.ts'

const bytesOf = (text: string): Uint8Array => Buffer.from(text, 'latin1')
const frameOf = (payload: Uint8Array): Uint8Array => Buffer.concat([bytesOf(`${payload.length}#`), payload])

describe('frames of the admin protocol', () => {
  test('are told apart however the bytes arrive', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { maxLength: 8 }),
        fc.array(fc.nat(400), { maxLength: 40 }),
        (payloads, cuts) => {
          const stream = Buffer.concat(payloads.map(frameOf))
          const reader = new AdminFrameReader()
          const read: Uint8Array[] = []
          let at = 0
          for (const cut of [...cuts, stream.length]) {
            const frames = reader.push(stream.subarray(at, at + cut))
            expect(frames).toBeDefined()
            for (const frame of frames ?? []) {
              expect(frame.isWhole).toBe(true)
              read.push(frame.bytes)
            }
            at += cut
          }
          expect(read.map((bytes) => Buffer.from(bytes))).toEqual(payloads.map((bytes) => Buffer.from(bytes)))
        },
      ),
    )
  })

  test('a byte at a time', () => {
    const reader = new AdminFrameReader()
    const read = [...bytesOf('5#a|b\xe9c3#x#y')].flatMap((byte) => reader.push(Uint8Array.of(byte)) ?? [])
    expect(read.map(({ bytes }) => Buffer.from(bytes).toString('latin1'))).toEqual(['a|b\xe9c', 'x#y'])
  })

  test.each(['#', 'x', '12x', '-1#', '1234567890#', ' 5#'])('%j is none of them', (text) => {
    expect(new AdminFrameReader().push(bytesOf(text))).toBeUndefined()
  })

  test('an empty one is passed over', () => {
    expect(new AdminFrameReader().push(bytesOf('0#0#1#x'))).toHaveLength(1)
  })

  test('one that is too long is cut, and the next is found', () => {
    const reader = new AdminFrameReader()
    const long = new Uint8Array(3 * FRAME_BYTES_KEPT).fill(0x61)
    const frames = reader.push(Buffer.concat([frameOf(long), bytesOf('1#x')]))
    expect(frames?.map(({ bytes, isWhole }) => [bytes.length, isWhole])).toEqual([
      [FRAME_BYTES_KEPT, false],
      [1, true],
    ])
  })

  test('a length alone takes no more memory than is kept of a frame', () => {
    expect(new AdminFrameReader().push(bytesOf('999999999#'))).toEqual([])
  })
})

describe('a message', () => {
  const LEADER = 'id|sip|network|99|udp|192.0.2.1|5060|00:00:00|txn||192.0.2.9|5060|'
  const read = (sip: Uint8Array | string) =>
    readAdminMessage({
      bytes: Buffer.concat([bytesOf(`${LEADER}\r\n`), typeof sip === 'string' ? bytesOf(sip) : sip]),
      isWhole: true,
    })

  test('is read as bytes by us, and stripped for the library', () => {
    const body = Uint8Array.from({ length: 256 }, (_, index) => index)
    const head =
      'INVITE sip:+15550100@example.com SIP/2.0\r\nCall-ID: a\r\nCSeq: 1 INVITE\r\nFrom: <sip:+15550101@example.com>\r\nContent-Type: x/y\r\n\r\n'
    const { words, sip, reduced } = read(Buffer.concat([bytesOf(head), body]))
    expect([words[4], words[5], words[8]]).toEqual(['udp', '192.0.2.1', 'txn'])
    expect(sip?.kind === 'request' && Buffer.from(sip.body)).toEqual(Buffer.from(body))
    expect(reduced).toBe(`${LEADER}\r\nINVITE sip:earwitness SIP/2.0\r\nCall-ID: a\r\nCSeq: 1 INVITE\r\n\r\n`)
  })

  test('a response keeps its status; what was never a message has none', () => {
    expect(read('SIP/2.0 487 Gone\r\nCall-ID: a\r\n\r\n').reduced).toContain('\r\nSIP/2.0 487 -\r\nCall-ID: a\r\n')
    expect(read('nonsense')).toMatchObject({ sip: undefined, reduced: LEADER })
    expect(readAdminMessage({ bytes: bytesOf('id|response|rid|OK'), isWhole: true })).toMatchObject({
      words: ['id', 'response', 'rid', 'OK'],
      sip: undefined,
      reduced: 'id|response|rid|OK',
    })
  })

  test('a method cannot turn into another one on its way, nor a Call-ID into a header', () => {
    expect(read('%43ANCEL sip:x SIP/2.0\r\nCall-ID: a\rX: y\r\n\r\n').reduced).toContain(
      '\r\n___ANCEL sip:earwitness SIP/2.0\r\nCall-ID: a X: y\r\n',
    )
  })

  test('one over the bound is read as far as it goes, and said to be cut', () => {
    const { sip, isWhole } = read(`INVITE sip:x SIP/2.0\r\nCall-ID: a\r\n\r\n${'x'.repeat(MESSAGE_BYTES_MAX)}`)
    expect([sip?.kind, isWhole]).toEqual(['request', false])
  })

  test('whatever the bytes, reading them does not throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
        expect(readAdminMessage({ bytes, isWhole: true }).reduced.split('\r\n').length).toBeLessThanOrEqual(6)
      }),
    )
  })
})

describe('where drachtio-server says it listens', () => {
  test('is read; WebSockets and nonsense are left out', () => {
    expect(
      readHostports('udp/192.0.2.1:5060,tcp/[2001:db8::1]:5070,tls/sip.example.com,wss/192.0.2.1:8443,,x'),
    ).toEqual([
      { transport: 'udp', address: '192.0.2.1', port: 5060 },
      { transport: 'tcp', address: '2001:db8::1', port: 5070 },
      { transport: 'tls', address: 'sip.example.com', port: 5061 },
    ])
    expect(readHostports('')).toEqual([])
  })
})
