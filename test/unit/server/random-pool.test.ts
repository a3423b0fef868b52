import { describe, expect, it } from 'vitest'

import { pooledRandomBytes, RANDOM_POOL_BYTES } from '../../../src/server/random-pool.ts'

/** Gives 1, 2, 3 … in 32 bits, so that a byte given twice would be seen; counts how often it was asked. */
function countingSource() {
  const source = { asked: 0, next: 1, stocks: new Array<Uint8Array>() }
  const fill = (bytes: Uint8Array): void => {
    source.asked += 1
    source.stocks.push(bytes)
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    for (let offset = 0; offset + 4 <= bytes.length; offset += 4) view.setUint32(offset, source.next++)
  }
  return { source, fill }
}

const firstWord = (bytes: Uint8Array): number => new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)

describe('random bytes from a stock', () => {
  it('are never given twice, over several fillings', () => {
    const { source, fill } = countingSource()
    const randomBytes = pooledRandomBytes(fill)
    const given = Array.from({ length: 1_000 }, () => firstWord(randomBytes(32)))
    expect(new Set(given).size).toBe(1_000)
    expect(source.asked).toBe(Math.ceil((1_000 * 32) / RANDOM_POOL_BYTES))
  })

  it('leave nothing of themselves in the stock, and stay as they are when it is filled again', () => {
    const { source, fill } = countingSource()
    const randomBytes = pooledRandomBytes(fill)
    const first = randomBytes(48)
    const kept = Uint8Array.from(first)
    expect(source.stocks[0]?.subarray(0, 48).every((byte) => byte === 0)).toBe(true)
    for (let drawn = 0; drawn < 3 * RANDOM_POOL_BYTES; drawn += 64) randomBytes(64)
    expect(first).toEqual(kept)
  })

  it('beyond the stock come from the system at once', () => {
    const { source, fill } = countingSource()
    const randomBytes = pooledRandomBytes(fill)
    expect(randomBytes(RANDOM_POOL_BYTES + 4)).toHaveLength(RANDOM_POOL_BYTES + 4)
    expect(randomBytes(RANDOM_POOL_BYTES)).toHaveLength(RANDOM_POOL_BYTES)
    expect(source.asked).toBe(2)
  })

  it('are those of the system when nothing else is said', () => {
    const randomBytes = pooledRandomBytes()
    expect(Buffer.from(randomBytes(32)).equals(Buffer.from(randomBytes(32)))).toBe(false)
  })
})
