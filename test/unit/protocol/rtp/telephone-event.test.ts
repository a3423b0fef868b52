import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { digitOf, EVENT_REPORTS_MAX, parseTelephoneEvents } from '../../../../src/protocol/rtp/telephone-event.ts'
import { eventPayload } from '../../../support/dtmf.ts'

describe('parseTelephoneEvents', () => {
  it('reads one report', () => {
    expect(parseTelephoneEvents(Uint8Array.of(11, 0x8a, 0x03, 0x20))).toEqual({
      ok: true,
      value: [{ code: 11, isEnd: true, volume: 10, duration: 800, offset: 0 }],
    })
  })

  it('ignores the reserved bit', () => {
    expect(parseTelephoneEvents(Uint8Array.of(1, 0x4a, 0, 160))).toMatchObject({
      value: [{ isEnd: false, volume: 10 }],
    })
  })

  it('reads several events that follow on each other in one packet', () => {
    const payload = eventPayload({ digit: '1', duration: 400, isEnd: true }, { digit: '2', duration: 160 })
    expect(parseTelephoneEvents(payload)).toMatchObject({
      value: [
        { code: 1, isEnd: true, offset: 0 },
        { code: 2, isEnd: false, offset: 400 },
      ],
    })
  })

  it('refuses what is empty or no whole number of reports', () => {
    expect(parseTelephoneEvents(new Uint8Array(0))).toEqual({ ok: false, reason: 'empty' })
    expect(parseTelephoneEvents(new Uint8Array(7))).toEqual({ ok: false, reason: 'length' })
  })

  it('passes over what is beyond the most reports', () => {
    const read = parseTelephoneEvents(new Uint8Array(4 * 100))
    expect(read.ok && read.value).toHaveLength(EVENT_REPORTS_MAX)
  })

  it('never throws, and gives fields within their width', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (payload) => {
        const read = parseTelephoneEvents(payload)
        if (!read.ok) return
        for (const { code, volume, duration } of read.value) {
          expect([code <= 255, volume <= 63, duration <= 0xffff]).toEqual([true, true, true])
        }
      }),
    )
  })
})

describe('digitOf', () => {
  it('names the sixteen keys and nothing else', () => {
    expect(Array.from({ length: 16 }, (_, code) => digitOf(code)).join('')).toBe('0123456789*#ABCD')
    expect([16, 32, 255].map(digitOf)).toEqual([undefined, undefined, undefined])
  })
})
