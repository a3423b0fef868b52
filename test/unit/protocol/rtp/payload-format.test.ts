import { describe, expect, test } from 'vitest'

import {
  ENCODING_NAME_LENGTH_MAX,
  encodingNameOf,
  payloadFormatOf,
  UNKNOWN_ENCODING_NAME,
} from '../../../../src/protocol/rtp/payload-format.ts'

const codec = (name: string, clockRate = 8_000, channels = 1) => ({ name, clockRate, channels })

describe('what a payload type means', () => {
  test.each([
    ['PCMU', 8_000, 8_000],
    ['PCMA', 8_000, 8_000],
  ])('%s at a clock of %d Hz is audio of %d samples a second', (name, clockRate, sampleRate) => {
    expect(payloadFormatOf(codec(name, clockRate))).toEqual({
      kind: 'audio',
      codec: name,
      clockRate,
      sampleRate,
      channels: 1,
    })
  })

  test.each([
    codec('G729'),
    codec('AMR-WB', 16_000),
    codec('SPEEX', 32_000),
    codec('PCMU', 8_000, 2),
    codec('PCMA', 16_000),
  ])('any other audio is kept with its name, clock, channels and parameters: %j', (description) => {
    expect(payloadFormatOf(description)).toEqual({ kind: 'kept', ...description })
    expect(payloadFormatOf({ ...description, fmtp: 'a=1' })).toMatchObject({ kind: 'kept', fmtp: 'a=1' })
  })

  test('events and comfort noise are so at every clock', () => {
    expect(payloadFormatOf(codec('TELEPHONE-EVENT', 48_000))).toEqual({ kind: 'event', clockRate: 48_000 })
    expect(payloadFormatOf(codec('CN', 16_000))).toEqual({ kind: 'comfortNoise', clockRate: 16_000 })
  })

  test('a dynamic one without rtpmap is kept under a name that says so', () => {
    expect(payloadFormatOf(undefined)).toMatchObject({ kind: 'kept', name: UNKNOWN_ENCODING_NAME })
  })
})

describe('the name of a codec', () => {
  test('is that of audio only', () => {
    const formats = [codec('PCMU'), codec('G729'), codec('TELEPHONE-EVENT'), codec('CN')].map(payloadFormatOf)
    expect(formats.map(encodingNameOf)).toEqual(['PCMU', 'G729', undefined, undefined])
  })

  test.each([
    ['X'.repeat(100), 'X'.repeat(ENCODING_NAME_LENGTH_MAX)],
    ['EV\u0000IL\n"É', 'EVIL"'],
    ['É', UNKNOWN_ENCODING_NAME],
  ])('is short and printable: %j', (name, expected) => {
    expect(encodingNameOf(payloadFormatOf(codec(name)))).toBe(expected)
  })
})
