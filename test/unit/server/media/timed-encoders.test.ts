import { beforeEach, expect, it } from 'vitest'

import type { OpusEncoder } from '../../../../src/recorder/opus-encoder.ts'
import { freeStock, takeFrom } from '../../../../src/server/media/encoder-stock.ts'
import { createOpusEngine, type OpusEngine, type OpusRate } from '../../../../src/server/media/opus-engine.ts'
import { TimedEncoders } from '../../../../src/server/media/timed-encoders.ts'

let engine: OpusEngine
let encoders: TimedEncoders
let stock: OpusEncoder[]
/** Done before an encoder is there. */
let meanwhile: () => void

beforeEach(() => {
  engine = createOpusEngine('libopus-wasm', { sampleRate: 8_000, bitsPerSecond: 24_000, complexity: 5 })
  meanwhile = () => {}
  stock = []
  const createEncoder = async (rate?: OpusRate): Promise<OpusEncoder> => {
    meanwhile()
    return engine.createEncoder(rate)
  }
  encoders = new TimedEncoders({ createEncoder }, () => 0)
})

const rates = (): number[] => stock.map(({ sampleRate }) => sampleRate).toSorted((left, right) => left - right)

it('makes what is missing, and gives back what is left over', async () => {
  await encoders.stockUp(stock, [8_000, 8_000])
  await encoders.stockUp(stock, [8_000, 16_000])
  expect([rates(), engine.inUse]).toEqual([[8_000, 16_000], 2])
  await encoders.stockUp(stock, [])
  expect(rates()).toEqual([8_000, 16_000])
  freeStock(stock)
  expect(engine.inUse).toBe(0)
})

it('lends what was there while others are being made, and makes that again', async () => {
  await encoders.stockUp(stock, [8_000, 8_000])
  const taken: OpusEncoder[] = []
  meanwhile = () => {
    if (taken.length === 0) taken.push(takeFrom(stock, 8_000), takeFrom(stock, 8_000))
  }
  await encoders.stockUp(stock, [8_000, 48_000])
  expect([rates(), engine.inUse]).toEqual([[8_000, 48_000], 4])
  freeStock(taken)
  freeStock(stock)
  expect(engine.inUse).toBe(0)
})

it('leaves what was there when one cannot be made', async () => {
  await encoders.stockUp(stock, [8_000])
  meanwhile = () => {
    throw new RangeError('no memory')
  }
  await expect(encoders.stockUp(stock, [48_000])).rejects.toThrow('no memory')
  expect(rates()).toEqual([8_000])
  freeStock(stock)
})
