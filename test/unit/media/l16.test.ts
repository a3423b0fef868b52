import { describe, expect, it } from 'vitest'

import { decodeL16 } from '../../../src/media/l16.ts'

describe('L16', () => {
  it('is 16 bits in network byte order', () => {
    expect([...decodeL16(Uint8Array.of(0x00, 0x01, 0x7f, 0xff, 0x80, 0x00, 0xff, 0xff), 1)]).toEqual([
      1, 32_767, -32_768, -1,
    ])
  })

  it('becomes one channel: the mean of all, at full scale too', () => {
    expect([
      ...decodeL16(Uint8Array.of(0x7f, 0xff, 0x7f, 0xff, 0x80, 0x00, 0x80, 0x00, 0x00, 0x0a, 0xff, 0xf6), 2),
    ]).toEqual([32_767, -32_768, 0])
  })

  it('leaves out what is no whole sample of every channel', () => {
    expect([...decodeL16(Uint8Array.of(0, 1, 0, 3, 0), 2)]).toEqual([2])
    expect(decodeL16(new Uint8Array(0), 1)).toHaveLength(0)
    expect(decodeL16(Uint8Array.of(1), 1)).toHaveLength(0)
  })
})
