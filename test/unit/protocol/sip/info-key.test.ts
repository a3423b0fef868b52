import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { readInfoKey } from '../../../../src/protocol/sip/info-key.ts'

const read = (type: string | undefined, text: string): string => {
  const key = readInfoKey(type, new TextEncoder().encode(text))
  return key.ok ? key.value : `rejected: ${key.reason}`
}

describe('a key in the body of an INFO', () => {
  it.each([
    ['application/dtmf-relay', 'Signal=1\r\nDuration=160\r\n', '1'],
    ['application/dtmf-relay', 'Signal= 2\r\nDuration= 250', '2'],
    ['Application/DTMF-Relay;charset=x', 'Duration=160\nsignal=*\n', '*'],
    ['application/dtmf-relay', 'Signal=11', '#'],
    ['application/dtmf-relay', '5', '5'],
    ['application/dtmf', '1', '1'],
    ['application/dtmf', ' d\r\n', 'D'],
    ['application/dtmf', '10', '*'],
    ['application/dtmf', 'Signal=3', '3'],
  ])('%s, %j: %s', (type, text, digit) => {
    expect(read(type, text)).toBe(digit)
  })

  it.each([
    ['application/dtmf-relay', 'Signal=16\r\nDuration=160\r\n', 'signal'],
    ['application/dtmf-relay', 'Signal=hf', 'signal'],
    ['application/dtmf-relay', 'Duration=1', 'signal'],
    ['application/dtmf-relay', 'NoSignal=1', 'signal'],
    ['application/dtmf', '12345', 'signal'],
    ['application/dtmf', '', 'signal'],
    ['application/dtmf', `${' '.repeat(256)}1`, 'signal'],
    ['text/plain', '1', 'type'],
    ['application/dtmf-relay+xml', 'Signal=1', 'type'],
    [undefined, '1', 'type'],
  ])('%s, %j: none, %s', (type, text, reason) => {
    expect(read(type, text)).toBe(`rejected: ${reason}`)
  })

  it('is read of whatever comes, without a throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (body) => {
        const key = readInfoKey('application/dtmf', body)
        expect(key.ok ? key.value : key.reason).toMatch(/^(?:[0-9A-D*#]|signal)$/)
      }),
    )
  })
})
