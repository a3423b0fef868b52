import { describe, expect, test } from 'vitest'
import { NONCE_COUNTS_BEHIND_MAX, NONCE_LIFETIME_US, Nonces } from '../../../../src/protocol/sip/digest-nonces.ts'
import { mac } from '../../../support/digest-client.ts'

const PEER = '192.0.2.1'
const noncesOf = (usedMax?: number) => new Nonces({ mac, ...(usedMax === undefined ? {} : { usedMax }) })

describe('a nonce', () => {
  test('is good until its time is over', () => {
    const nonces = noncesOf()
    const nonce = nonces.create(PEER, 5_000)
    expect(nonces.use(nonce, 1, PEER, 5_000)).toBe('fresh')
    expect(nonces.use(nonce, 2, PEER, 5_000 + NONCE_LIFETIME_US - 1)).toBe('fresh')
    expect(nonces.use(nonce, 3, PEER, 5_000 + NONCE_LIFETIME_US)).toBe('stale')
  })

  test('is new each time, also within one microsecond', () => {
    const nonces = noncesOf()
    expect(new Set(Array.from({ length: 100 }, () => nonces.create(PEER, 7))).size).toBe(100)
  })

  test('is good for the peer it was given to, and of this process only', () => {
    const nonces = noncesOf()
    const nonce = nonces.create(PEER, 0)
    expect(nonces.use(nonce, 1, '192.0.2.2', 0)).toBe('stale')
    const other = new Nonces({ mac: (text) => mac(`other ${text}`) })
    expect(other.use(nonce, 1, PEER, 0)).toBe('stale')
    expect(nonces.use(nonce, 1, PEER, 0)).toBe('fresh')
  })

  test('cannot be made up, made younger, or made older', () => {
    const nonces = noncesOf()
    const nonce = nonces.create(PEER, 1_000)
    const [time = '', serial = '', seal = ''] = nonce.split('.')
    const forged = ['', '.', '..', 'x', `${time}.${serial}.`, `zz.${serial}.${seal}`, `${time}.9.${seal}`, `${nonce}0`]
    expect(forged.map((text) => nonces.use(text, 1, PEER, 2_000))).toEqual(forged.map(() => 'stale'))
    expect(nonces.use('a'.repeat(10_000), 1, PEER, 2_000)).toBe('stale')
  })

  test('of the future is not good: clocks of two processes differ', () => {
    const nonces = noncesOf()
    expect(nonces.use(nonces.create(PEER, 1_000_000), 1, PEER, 0)).toBe('stale')
  })
})

describe('the count of a nonce', () => {
  const used = (counts: readonly (number | undefined)[]) => {
    const nonces = noncesOf()
    const nonce = nonces.create(PEER, 0)
    return counts.map((count) => nonces.use(nonce, count, PEER, 0))
  }

  test('is taken once', () => {
    expect(used([1, 1, 2, 2, 1])).toEqual(['fresh', 'replayed', 'fresh', 'replayed', 'replayed'])
  })

  test('may be overtaken by others, as requests are on UDP', () => {
    expect(used([3, 1, 2, 2, 1, 3])).toEqual(['fresh', 'fresh', 'fresh', 'replayed', 'replayed', 'replayed'])
  })

  test('is not taken from further behind than is remembered', () => {
    const high = 100
    const last = high - NONCE_COUNTS_BEHIND_MAX
    expect(used([high, last, last, last - 1])).toEqual(['fresh', 'fresh', 'replayed', 'replayed'])
    expect(used([1, 1 + 5_000, 1, 5_000])).toEqual(['fresh', 'fresh', 'replayed', 'fresh'])
    expect(used([0xffff_fffe, 0xffff_ffff, 0xffff_fffe])).toEqual(['fresh', 'fresh', 'replayed'])
  })

  test('that is not given is used up at once', () => {
    expect(used([undefined, undefined, 1])).toEqual(['fresh', 'replayed', 'replayed'])
    expect(used([1, undefined, 2])).toEqual(['fresh', 'replayed', 'fresh'])
  })
})

describe('memory', () => {
  test('is bounded, and what was forgotten is stale instead of new', () => {
    const nonces = noncesOf(3)
    const made = [1, 2, 3, 4, 5].map((time) => nonces.create(PEER, time))
    expect(made.map((nonce) => nonces.use(nonce, 1, PEER, 10))).toEqual(made.map(() => 'fresh'))
    expect(nonces.usedCount).toBe(3)
    expect(made.map((nonce) => nonces.use(nonce, 1, PEER, 10))).toEqual([
      'stale',
      'stale',
      'replayed',
      'replayed',
      'replayed',
    ])
  })

  test('a nonce made before a forgotten one is stale, even if it was never used', () => {
    const nonces = noncesOf(1)
    const [old = '', ...later] = [1, 2, 3].map((time) => nonces.create(PEER, time))
    for (const nonce of later) nonces.use(nonce, 1, PEER, 10)
    expect(nonces.use(old, 1, PEER, 10)).toBe('stale')
  })

  test('is given back when the time of its nonces is over', () => {
    const nonces = noncesOf(100)
    for (let time = 0; time < 50; time++) nonces.use(nonces.create(PEER, time), 1, PEER, time)
    const later = NONCE_LIFETIME_US + 100
    nonces.use(nonces.create(PEER, later), 1, PEER, later)
    expect(nonces.usedCount).toBe(1)
  })
})
