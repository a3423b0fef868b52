import { beforeEach, describe, expect, it } from 'vitest'

import { PortPool } from '../../../../src/server/media/port-pool.ts'

/** Eight pairs: 20000/20001 to 20014/20015. */
let pool: PortPool

beforeEach(() => {
  pool = new PortPool(20_000, 20_015)
})

describe('the RTP ports of a recording session', () => {
  it('are even neighbours, in order: the odd ones are for RTCP', () => {
    expect(pool.size).toBe(8)
    expect(pool.take(2)).toEqual([20_000, 20_002])
    expect(pool.take(3)).toEqual([20_004, 20_006, 20_008])
    expect(pool.used).toBe(5)
  })

  it('are lent again as late as possible', () => {
    const first = pool.take(2) ?? []
    pool.give(first)
    expect(pool.take(2)).toEqual([20_004, 20_006])
    expect(pool.take(4)).toEqual([20_008, 20_010, 20_012, 20_014])
    expect(pool.take(2)).toEqual(first)
  })

  it('never run over the end of the range', () => {
    pool.give(pool.take(7) ?? [])
    expect(pool.take(3)).toEqual([20_000, 20_002, 20_004])
  })

  it('are taken wherever they are when no run is left', () => {
    const all = Array.from({ length: 8 }, () => pool.take(1)?.[0] ?? 0)
    pool.give([all[1] ?? 0, all[4] ?? 0, all[6] ?? 0])
    expect(pool.take(2)).toEqual([20_002, 20_008])
    expect(pool.used).toBe(7)
  })
})

describe('what another program has', () => {
  it('is left behind, round the end of the range too', () => {
    pool.give(pool.take(1) ?? [])
    pool.skip(3)
    expect(pool.take(1)).toEqual([20_008])
    pool.skip(4)
    expect(pool.take(1)).toEqual([20_002])
  })
})

describe('a range that is used up', () => {
  it('gives nothing at all rather than a part, and counts it', () => {
    pool.take(7)
    expect(pool.take(2)).toBeUndefined()
    expect(pool).toMatchObject({ used: 7, exhausted: 1 })
    expect(pool.take(1)).toEqual([20_014])
    expect(pool.take(1)).toBeUndefined()
    expect(pool).toMatchObject({ used: 8, exhausted: 2 })
  })

  it('serves again what is given back', () => {
    const ports = pool.take(8) ?? []
    pool.give(ports.slice(2, 4))
    expect(pool.take(2)).toEqual([20_004, 20_006])
  })

  it('never serves one port twice, whatever comes and goes', () => {
    const lent: (readonly number[])[] = []
    for (let round = 0; round < 200; round += 1) {
      const ports = pool.take((round % 3) + 1)
      if (ports === undefined) pool.give(lent.splice(round % lent.length, 1).flat())
      else lent.push(ports)
      const out = lent.flat()
      expect(new Set(out).size).toBe(out.length)
      expect(pool.used).toBe(out.length)
    }
  })
})

describe('giving back', () => {
  it('counts a port once, however often it is given', () => {
    const ports = pool.take(2) ?? []
    pool.give(ports)
    pool.give(ports)
    expect(pool.used).toBe(0)
  })

  it('passes over ports that are not of the range', () => {
    pool.take(1)
    pool.give([19_998, 20_001, 30_000, 0])
    expect(pool.used).toBe(1)
  })
})

it('an odd port at the end of the range belongs to no pair', () => {
  const odd = new PortPool(20_000, 20_002)
  expect(odd.size).toBe(1)
  expect(odd.take(2)).toBeUndefined()
})

it('nothing is taken for no stream', () => {
  expect(pool.take(0)).toEqual([])
  expect(pool).toMatchObject({ used: 0, exhausted: 0 })
})
