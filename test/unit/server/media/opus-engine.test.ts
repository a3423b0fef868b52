import { createEncoder } from 'libopus-wasm'
import { describe, expect, it } from 'vitest'

import { OPUS_PACKET_SAMPLES_MAX, opusPacketSamples } from '../../../../src/media/opus-packet.ts'
import type { OpusEncoder } from '../../../../src/recorder/opus-encoder.ts'
import {
  createOpusEngine,
  OPUSSCRIPT_ENCODERS_PER_MODULE,
  type OpusEngine,
  type OpusEngineName,
} from '../../../../src/server/media/opus-engine.ts'
import { matchAudio, noise } from '../../../support/audio.ts'
import { joinFrames } from '../../../support/opus-frames.ts'

const FRAME = 160
const ENGINES: readonly OpusEngineName[] = ['libopus-wasm', 'opusscript']

function engineOf(name: OpusEngineName): OpusEngine {
  return createOpusEngine(name, { sampleRate: 8_000, bitsPerSecond: 24_000, complexity: 5 })
}

function packets(encoder: OpusEncoder, samples: Int16Array): string[] {
  return Array.from({ length: samples.length / FRAME }, (_, index) =>
    Buffer.from(encoder.encode(samples.subarray(index * FRAME, (index + 1) * FRAME))).toString('hex'),
  )
}

async function decode(engine: OpusEngine, encoded: readonly string[]): Promise<Int16Array> {
  const decoder = await engine.createDecoder(8_000)
  const samples = encoded.flatMap((packet) => [...decoder.decode(Buffer.from(packet, 'hex'))])
  decoder.free()
  return Int16Array.from(samples)
}

/** Speech-like: a low tone that swells. */
const voice = (seed: number, frames: number): Int16Array =>
  Int16Array.from({ length: frames * FRAME }, (_, i) =>
    Math.round(9_000 * Math.sin(i * (0.1 + seed / 100)) * Math.abs(Math.sin(i / 900))),
  )

describe.each(ENGINES)('%s', (name) => {
  it('encodes frames of 20 ms into packets of 20 ms', async () => {
    const encoder = await engineOf(name).createEncoder()
    const packet = encoder.encode(noise({ seed: 5, samples: FRAME }))
    expect(opusPacketSamples(packet)).toBe(960)
    expect(packet.length).toBeGreaterThan(10)
    encoder.free()
  })

  it('decodes as many samples as were encoded, alike and late by the pre-skip', async () => {
    const engine = engineOf(name)
    const encoder = await engine.createEncoder()
    const given = voice(1, 100)
    const heard = await decode(engine, packets(encoder, given))
    expect(heard.length).toBe(given.length)
    const { correlation, lag } = matchAudio(given, heard, { lagMax: 80 })
    expect(correlation).toBeGreaterThan(0.95)
    expect(lag * 6).toBe(encoder.preSkip)
    encoder.free()
  })

  it('gives packets that are the caller’s to keep', async () => {
    const encoder = await engineOf(name).createEncoder()
    const first = encoder.encode(voice(1, 1))
    const copy = Uint8Array.from(first)
    for (let frame = 0; frame < 20; frame += 1) encoder.encode(noise({ seed: frame + 1, samples: FRAME }))
    expect(Uint8Array.from(first)).toEqual(copy)
    encoder.free()
  })

  it('keeps 500 encoders apart: each gives what it would give alone', async () => {
    const engine = engineOf(name)
    const alone = await Promise.all(
      [0, 1, 2].map(async (seed) => packets(await engineOf(name).createEncoder(), voice(seed, 10))),
    )
    const encoders = await Promise.all(Array.from({ length: 500 }, () => engine.createEncoder()))
    expect(engine.inUse).toBe(500)
    const encoded = encoders.map((): string[] => [])
    for (let frame = 0; frame < 10; frame += 1) {
      for (const [index, encoder] of encoders.entries()) {
        encoded[index]?.push(...packets(encoder, voice(index % 3, 10).subarray(frame * FRAME, (frame + 1) * FRAME)))
      }
    }
    expect(encoded.filter((row, index) => row.join() !== alone[index % 3]?.join())).toEqual([])
    for (const encoder of encoders) encoder.free()
    expect(engine.inUse).toBe(0)
  })

  it('changes the complexity of encoders in use and of later ones, from the next frame on', async () => {
    const changed = engineOf(name)
    const low = createOpusEngine(name, { sampleRate: 8_000, bitsPerSecond: 24_000, complexity: 0 })
    const [before, reference] = [await changed.createEncoder(), await low.createEncoder()]
    const speech = voice(4, 20)
    const atFive = packets(await changed.createEncoder(), speech)
    changed.setComplexity(0)
    const atZero = packets(reference, speech)
    expect(atZero).not.toEqual(atFive)
    expect(packets(before, speech)).toEqual(atZero)
    expect(packets(await changed.createEncoder(), speech)).toEqual(atZero)
    changed.setComplexity(5)
    // In the middle of a stream: what is heard goes on.
    const heard = await decode(changed, [...atZero, ...packets(before, speech)])
    const [first, second] = [heard.subarray(0, speech.length), heard.subarray(speech.length)]
    for (const part of [first, second]) {
      expect(matchAudio(speech, part, { lagMax: 80 }).correlation).toBeGreaterThan(0.9)
    }
  })

  it('takes back an encoder once, and has room for another', async () => {
    const engine = engineOf(name)
    const kept = await engine.createEncoder()
    const first = await engine.createEncoder()
    first.free()
    first.free()
    expect(engine.inUse).toBe(1)
    for (let round = 0; round < 3 * OPUSSCRIPT_ENCODERS_PER_MODULE; round += 1) (await engine.createEncoder()).free()
    const reference = packets(await engineOf(name).createEncoder(), voice(2, 5))
    expect(packets(kept, voice(2, 5))).toEqual(reference)
  })

  it.each([8_000, 48_000] as const)('decodes packets of 120 ms at %i Hz as it does their frames', async (rate) => {
    const engine = engineOf(name)
    const encoder = await engine.createEncoder()
    const frames = packets(encoder, voice(3, 60)).map((packet) => Buffer.from(packet, 'hex'))
    const [whole, single] = [await engine.createDecoder(rate), await engine.createDecoder(rate)]
    for (let from = 0; from < frames.length; from += 6) {
      const six = frames.slice(from, from + 6)
      const packet = joinFrames(
        six[0]?.[0] ?? 0,
        six.map((frame) => frame.subarray(1)),
      )
      expect(opusPacketSamples(packet)).toBe(OPUS_PACKET_SAMPLES_MAX)
      const samples = whole.decode(packet)
      expect(samples).toHaveLength((rate * 120) / 1_000)
      expect(samples).toEqual(Int16Array.from(six.flatMap((frame) => [...single.decode(frame)])))
    }
    for (const handle of [encoder, whole, single]) handle.free()
  })

  it('does not count decoders as encoders', async () => {
    const engine = engineOf(name)
    const decoder = await engine.createDecoder(8_000)
    expect(engine.inUse).toBe(0)
    decoder.free()
    decoder.free()
    expect(engine.inUse).toBe(0)
  })
})

it('what one engine encodes the other decodes, with the same delay', async () => {
  const [wasm, script] = [engineOf('libopus-wasm'), engineOf('opusscript')]
  const [left, right] = [await wasm.createEncoder(), await script.createEncoder()]
  expect(left.preSkip).toBe(right.preSkip)
  const given = voice(3, 50)
  for (const [engine, encoded] of [
    [script, packets(left, given)],
    [wasm, packets(right, given)],
  ] as const) {
    const heard = await decode(engine, encoded)
    expect(matchAudio(given, heard, { lagMax: 80 }).correlation).toBeGreaterThan(0.95)
  }
})

it.each([
  ...[0, 5, 10].map((complexity) => [8_000, complexity, 16_000] as const),
  ...[12_000, 16_000, 24_000, 48_000].map((sampleRate) => [sampleRate as 12_000, 5, 64_000] as const),
  [48_000, 10, 500_000] as const,
])('libopus-wasm at %i Hz, complexity %i, %i bit/s has the packets of restricted low delay', async (...setting) => {
  const [sampleRate, complexity, bitsPerSecond] = setting
  const engine = createOpusEngine('libopus-wasm', { sampleRate, bitsPerSecond, complexity })
  const frameSize = sampleRate / 50
  const [ours, lowDelay] = [
    await engine.createEncoder(),
    await createEncoder({ application: 2051, channels: 1, bitrate: bitsPerSecond, sampleRate, complexity, frameSize }),
  ]
  const samples = noise({ seed: 6, samples: 40 * frameSize })
  for (let at = 0; at < samples.length; at += frameSize) {
    if (at === samples.length / 2) samples.fill(0, at, at + 10 * frameSize)
    const frame = samples.subarray(at, at + frameSize)
    expect(Buffer.from(ours.encode(frame)).equals(lowDelay.encode(frame))).toBe(true)
  }
  ours.free()
  lowDelay.free()
})
