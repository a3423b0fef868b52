import { beforeEach, expect, it } from 'vitest'

import { silentOpusPacket } from '../../../../src/media/opus-packet.ts'
import { DecoderStock } from '../../../../src/server/media/decoder-stock.ts'
import { createOpusEngine, type OpusEngine } from '../../../../src/server/media/opus-engine.ts'

const engine = createOpusEngine('libopus-wasm', { sampleRate: 8_000, bitsPerSecond: 24_000, complexity: 5 })

/** Decoders that were made and not given back, by their rates. */
let inUse: number[]
let missing: number
let canMake: boolean
let stock: DecoderStock

beforeEach(() => {
  inUse = []
  missing = 0
  canMake = true
  const counted: Pick<OpusEngine, 'createDecoder'> = {
    createDecoder: async (rate) => {
      if (!canMake) throw new RangeError('no memory')
      const decoder = await engine.createDecoder(rate)
      inUse.push(rate)
      return {
        ...decoder,
        free: () => {
          inUse.splice(inUse.indexOf(rate), 1)
          decoder.free()
        },
      }
    },
  }
  stock = new DecoderStock(counted, () => (missing += 1))
})

it('makes what is missing, and lends each once', async () => {
  await stock.stockUp([48_000, 16_000])
  await stock.stockUp([16_000, 48_000, 48_000])
  expect(inUse).toEqual([48_000, 16_000, 48_000])
  const [first, second] = [stock.take(48_000), stock.take(48_000)]
  expect(first).not.toBe(second)
  expect(first?.decode(silentOpusPacket(960))).toHaveLength(960)
  expect([stock.take(48_000), missing]).toEqual([undefined, 1])
  stock.free()
  expect(inUse).toEqual([])
})

it('gives back what nobody will ask for any more, and nothing that is in use', async () => {
  await stock.stockUp([48_000, 48_000])
  const taken = stock.take(48_000)
  await stock.stockUp([])
  expect(inUse).toEqual([48_000])
  expect(taken?.decode(silentOpusPacket(960))).toHaveLength(960)
  await stock.stockUp([16_000])
  expect(stock.take(16_000)).toBeDefined()
  stock.free()
  expect(inUse).toEqual([])
})

it('gives back at once what a stream has no more use for', async () => {
  await stock.stockUp([8_000, 48_000])
  const [narrow, wide] = [stock.take(8_000), stock.take(48_000)]
  narrow?.free()
  narrow?.free()
  expect(inUse).toEqual([48_000])
  expect(wide?.decode(silentOpusPacket(960))).toHaveLength(960)
  stock.free()
  expect(inUse).toEqual([])
})

it('keeps what is taken while others are being made', async () => {
  await stock.stockUp([48_000])
  const stocking = stock.stockUp([16_000])
  const taken = stock.take(48_000)
  await stocking
  expect(taken?.decode(silentOpusPacket(960))).toHaveLength(960)
  expect([missing, inUse]).toEqual([0, [48_000, 16_000]])
  stock.free()
})

it('says when one cannot be had', async () => {
  canMake = false
  await stock.stockUp([48_000])
  expect([stock.take(48_000), missing]).toEqual([undefined, 1])
})

it('gives back at once what is made after the end', async () => {
  const stocking = stock.stockUp([48_000])
  stock.free()
  await stocking
  expect(inUse).toEqual([])
})
