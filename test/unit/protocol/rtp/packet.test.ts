import { describe, expect, it } from 'vitest'

import { parseRtp, serializeRtp, type RtpPacket } from '../../../../src/protocol/rtp/packet.ts'

const packet: RtpPacket = {
  payloadType: 8,
  marker: true,
  sequenceNumber: 0xfffe,
  timestamp: 0xfedc_ba98,
  ssrc: 0x8765_4321,
  payload: Uint8Array.of(1, 2, 3, 4),
}

function reasonOf(datagram: Uint8Array): string {
  const parsed = parseRtp(datagram)
  return parsed.ok ? 'accepted' : parsed.reason
}

/** A fixed header with the given first byte, and what follows it. */
function withFirstByte(first: number, rest: readonly number[]): Uint8Array {
  return Uint8Array.of(first, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, ...rest)
}

describe('an RTP packet', () => {
  it('comes back from the wire as it was, the upper half of every unsigned field included', () => {
    expect(parseRtp(serializeRtp(packet))).toEqual({ ok: true, value: packet })
  })

  it('has the layout of RFC 3550 5.1', () => {
    expect([...serializeRtp(packet)]).toEqual([
      0x80, 0x88, 0xff, 0xfe, 0xfe, 0xdc, 0xba, 0x98, 0x87, 0x65, 0x43, 0x21, 1, 2, 3, 4,
    ])
  })

  it('is given without CSRC list, header extension and padding, as a view of the datagram', () => {
    const extension = [0xbe, 0xde, 0, 1, 9, 9, 9, 9]
    const datagram = withFirstByte(0x80 | 0x30 | 2, [7, 7, 7, 7, 8, 8, 8, 8, ...extension, 41, 42, 43, 0, 0, 3])
    const parsed = parseRtp(datagram)
    expect(parsed.ok && [...parsed.value.payload]).toEqual([41, 42, 43])
    expect(parsed.ok && parsed.value.payload.buffer).toBe(datagram.buffer)
  })

  it('may be empty', () => {
    const parsed = parseRtp(withFirstByte(0x80, []))
    expect(parsed.ok && parsed.value.payload.length).toBe(0)
  })
})

describe('a datagram is refused', () => {
  it('as "short" when the header or the CSRC list is cut off', () => {
    expect(reasonOf(new Uint8Array(0))).toBe('short')
    expect(reasonOf(serializeRtp(packet).subarray(0, 11))).toBe('short')
    expect(reasonOf(withFirstByte(0x82, [1, 2, 3, 4, 5, 6, 7]))).toBe('short')
  })

  it('as "version" when it is not version 2', () => {
    expect(reasonOf(withFirstByte(0x40, []))).toBe('version')
    expect(reasonOf(new TextEncoder().encode('OPTIONS sip:recorder@example.com SIP/2.0'))).toBe('version')
  })

  it('as "extension" when the header extension passes the end', () => {
    expect(reasonOf(withFirstByte(0x90, [0xbe, 0xde]))).toBe('extension')
    expect(reasonOf(withFirstByte(0x90, [0xbe, 0xde, 0, 2, 1, 2, 3, 4]))).toBe('extension')
  })

  it('as "padding" when the count is zero or more than the payload', () => {
    expect(reasonOf(withFirstByte(0xa0, [1, 2, 0]))).toBe('padding')
    expect(reasonOf(withFirstByte(0xa0, [1, 2, 4]))).toBe('padding')
    expect(reasonOf(withFirstByte(0xa0, []))).toBe('padding')
  })

  it('as "rtcp" in the whole range that RFC 5761 sets aside, and only there', () => {
    for (let second = 0; second < 256; second++) {
      const datagram = withFirstByte(0x80, [])
      datagram[1] = second
      expect(reasonOf(datagram)).toBe(second >= 192 && second <= 223 ? 'rtcp' : 'accepted')
    }
  })
})
