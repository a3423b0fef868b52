import { beforeAll, describe, expect, test } from 'vitest'

import { AUDIO_FILES, readSpeech } from '../../../src/cli/simulate/audio-source.ts'
import { GatedEncoder } from '../../../src/recorder/gated-encoder.ts'
import type { OpusEncoder } from '../../../src/recorder/opus-encoder.ts'
import { createOpusEngine, type OpusEngineName } from '../../../src/server/media/opus-engine.ts'

const FRAME = 160
const GATE_DBOV = -66
/** Of the encoder, at 8 kHz. */
const DELAY = 20
/** Half a second. */
const FADE_FRAMES_MAX = 25
const silence = new Int16Array(FRAME)

let speech = new Int16Array()
beforeAll(async () => {
  speech = Int16Array.from(await readSpeech(AUDIO_FILES[0] ?? ''))
})

function framesOf(samples: Int16Array): readonly Int16Array[] {
  return Array.from({ length: Math.floor(samples.length / FRAME) }, (_, index) =>
    samples.subarray(index * FRAME, (index + 1) * FRAME),
  )
}

async function decoded(engine: OpusEngineName, packets: readonly Uint8Array[]): Promise<Float64Array> {
  const decoder = await createOpusEngine(engine, SETTINGS).createDecoder(8_000)
  const samples = Float64Array.from(packets.flatMap((packet) => [...decoder.decode(packet)]))
  decoder.free()
  return samples
}

const SETTINGS = { sampleRate: 8_000, bitsPerSecond: 16_000, complexity: 5 } as const

function signalToNoiseDb(clean: readonly Int16Array[], heard: Float64Array, fromFrame: number): number {
  let power = 0
  let error = 0
  for (let index = fromFrame * FRAME; index < clean.length * FRAME - DELAY; index += 1) {
    const sample = clean[Math.floor(index / FRAME)]?.[index % FRAME] ?? 0
    power += sample * sample
    error += (sample - (heard[index + DELAY] ?? 0)) ** 2
  }
  return 10 * Math.log10(power / error)
}

describe.each(['libopus-wasm', 'opusscript'] as const)('GatedEncoder on %s', (engine) => {
  async function encoders(): Promise<readonly [OpusEncoder, GatedEncoder, { encoded: number; gated: number }]> {
    const made = createOpusEngine(engine, SETTINGS)
    const counts = { encoded: 0, gated: 0 }
    const gated = new GatedEncoder(await made.createEncoder(), { gateDbov: GATE_DBOV, counts })
    return [await made.createEncoder(), gated, counts]
  }

  test('leaves speech as it is, packet for packet', async () => {
    const [plain, gated, counts] = await encoders()
    const loud = framesOf(speech).filter((samples) => Math.max(...samples) > 200)
    expect(loud.length).toBeGreaterThan(100)
    for (const samples of loud) expect(gated.encode(samples)).toEqual(plain.encode(samples))
    expect(counts).toEqual({ encoded: loud.length, gated: 0 })
  })

  test('stops working within half a second of silence, and the packets stay what the encoder makes of silence', async () => {
    const [plain, gated, counts] = await encoders()
    for (const samples of framesOf(speech).slice(0, 100)) {
      plain.encode(samples)
      gated.encode(samples)
    }
    const { encoded } = counts
    const packets = Array.from({ length: 500 }, () => [gated.encode(silence), plain.encode(silence)] as const)
    for (const [ours, theirs] of packets.slice(FADE_FRAMES_MAX)) expect(ours).toEqual(theirs)
    expect(counts.encoded - encoded).toBeLessThan(FADE_FRAMES_MAX)
    expect(counts.encoded + counts.gated).toBe(600)
  })

  test('what is decoded after a long silence is as good as if the encoder had worked all the time', async () => {
    const [plain, gated] = await encoders()
    const before = framesOf(speech).slice(0, 100)
    const after = framesOf(speech).slice(100, 300)
    const frames = [...before, ...Array.from({ length: 500 }, () => silence), ...after]
    const start = frames.length - after.length
    const heardPlain = await decoded(
      engine,
      frames.map((samples) => plain.encode(samples)),
    )
    const heardGated = await decoded(
      engine,
      frames.map((samples) => gated.encode(samples)),
    )
    for (const until of [start + 5, frames.length]) {
      const shown = frames.slice(0, until)
      const difference = signalToNoiseDb(shown, heardGated, start) - signalToNoiseDb(shown, heardPlain, start)
      expect(difference).toBeGreaterThan(-0.5)
    }
    // Before the speech: exact zeros, no click.
    expect(heardGated.subarray((start - 400) * FRAME, start * FRAME).every((sample) => sample === 0)).toBe(true)
  })
})
