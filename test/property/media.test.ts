import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { encodePcma, decodePcma, decodePcmu, encodePcmu } from '../../src/media/g711.ts'
import { joinMultistreamPacket, splitMultistreamPacket } from '../../src/media/opus-packet.ts'
import { ReorderBuffer } from '../../src/media/reorder-buffer.ts'
import { StreamTimeline } from '../../src/media/stream-timeline.ts'
import { readWav, writeWav } from '../../src/media/wav.ts'
import type { RtpPacket } from '../../src/protocol/rtp/packet.ts'

/** A well-formed Opus packet of any framing. RFC 6716 3.2 */
const opusPacket = fc
  .record({
    configuration: fc.integer({ min: 16, max: 19 }),
    code: fc.integer({ min: 0, max: 3 }),
    frames: fc.array(fc.uint8Array({ maxLength: 400 }), { minLength: 1, maxLength: 6 }),
    constant: fc.boolean(),
    padding: fc.option(fc.nat({ max: 600 })),
  })
  .map(({ configuration, code, frames, constant, padding }) => {
    const toc = (configuration << 3) | code
    const [first = new Uint8Array(0), second = new Uint8Array(0)] = frames
    if (code === 0) return Uint8Array.of(toc, ...first)
    if (code === 1) return Uint8Array.of(toc, ...first, ...first)
    if (code === 2) return Uint8Array.of(toc, ...lengthOf(first), ...first, ...second)
    const all = constant ? frames.map(() => first) : frames
    return Uint8Array.of(
      toc,
      (constant ? 0 : 0x80) | (padding === null ? 0 : 0x40) | frames.length,
      ...(padding === null ? [] : [...Array.from({ length: Math.floor(padding / 254) }, () => 255), padding % 254]),
      ...(constant ? [] : frames.slice(0, -1).flatMap(lengthOf)),
      ...all.flatMap((frame) => [...frame]),
      ...Array.from({ length: padding ?? 0 }, () => 0),
    )
  })

function lengthOf(frame: Uint8Array): number[] {
  if (frame.length < 252) return [frame.length]
  const low = 252 + (frame.length & 3)
  return [low, (frame.length - low) / 4]
}

describe('multistream Opus packets', () => {
  it('split into exactly what was joined', () => {
    fc.assert(
      fc.property(fc.array(opusPacket, { minLength: 1, maxLength: 5 }), (packets) => {
        expect(splitMultistreamPacket(joinMultistreamPacket(packets), packets.length)).toEqual({
          ok: true,
          value: packets,
        })
      }),
      { numRuns: 500 },
    )
  })

  it('never throw when they are split, whatever the bytes', () => {
    const cut = fc
      .tuple(fc.array(opusPacket, { minLength: 1, maxLength: 3 }), fc.nat(), fc.nat({ max: 255 }))
      .map(([packets, at, byte]) => {
        const joined = joinMultistreamPacket(packets)
        return Uint8Array.from(joined, (original, index) => (index === at % joined.length ? byte : original))
      })
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 50 }), cut), fc.integer({ min: 1, max: 4 }), (bytes, count) => {
        const split = splitMultistreamPacket(bytes, count)
        if (split.ok) expect(split.value.length).toBe(count)
      }),
      { numRuns: 500 },
    )
  })
})

describe('G.711', () => {
  it('is stable: what was decoded encodes to what decodes the same', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 320 }), (payload) => {
        expect(decodePcmu(encodePcmu(decodePcmu(payload)))).toEqual(decodePcmu(payload))
        expect(encodePcma(decodePcma(payload))).toEqual(payload)
      }),
    )
  })
})

describe('WAV', () => {
  it('comes back as it was written', () => {
    const frames = fc.integer({ min: 1, max: 50 })
    fc.assert(
      fc.property(
        frames,
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 192_000 }),
        (length, count, sampleRate) => {
          const channels = Array.from({ length: count }, (_, channel) =>
            Int16Array.from({ length }, (_unused, at) => (at * 7_919 * (channel + 1)) & 0xffff),
          )
          expect(readWav(writeWav({ sampleRate, channels }))).toEqual({ ok: true, value: { sampleRate, channels } })
        },
      ),
    )
  })

  it('never throws, whatever the bytes', () => {
    const file = writeWav({ sampleRate: 8_000, channels: [new Int16Array(20), new Int16Array(20)] })
    const damaged = fc
      .array(fc.tuple(fc.nat({ max: file.length - 1 }), fc.nat({ max: 255 })), { maxLength: 6 })
      .map((changes) => {
        const bytes = Uint8Array.from(file)
        for (const [at, byte] of changes) bytes[at] = byte
        return bytes
      })
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 60 }), damaged), (bytes) => {
        expect(typeof readWav(bytes).ok).toBe('boolean')
      }),
      { numRuns: 1_000 },
    )
  })
})

function rtp(sequenceNumber: number): RtpPacket {
  return { payloadType: 0, marker: false, sequenceNumber, timestamp: 0, ssrc: 1, payload: new Uint8Array(0) }
}

describe('the reorder buffer', () => {
  it('releases every packet once, in order, and counts every other number as lost, whatever the order of arrival', () => {
    const shuffled = fc
      .tuple(fc.nat({ max: 65_535 }), fc.array(fc.nat({ max: 60 }), { minLength: 1, maxLength: 120 }))
      .map(([start, offsets]) => offsets.map((offset) => (start + offset) & 0xffff))
    fc.assert(
      fc.property(shuffled, (numbers) => {
        const buffer = new ReorderBuffer()
        for (const number of numbers) buffer.push(rtp(number), 0)
        const released: number[] = []
        let lost = 0
        for (let next = buffer.pop(Infinity); next !== undefined; next = buffer.pop(Infinity)) {
          released.push(next.packet.sequenceNumber)
          lost += next.lostBefore
        }
        const distinct = new Set(numbers)
        expect(released.length).toBe(distinct.size)
        expect(new Set(released)).toEqual(distinct)
        for (let at = 1; at < released.length; at++) {
          expect(((released[at] ?? 0) - (released[at - 1] ?? 0)) & 0xffff).toBeLessThan(61)
        }
        const span = ((released.at(-1) ?? 0) - (released[0] ?? 0)) & 0xffff
        expect(lost).toBe(span + 1 - distinct.size)
      }),
    )
  })

  it('gives every packet pushed an end, whatever the numbers', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat({ max: 65_535 }), fc.nat({ max: 50_000 }))), (steps) => {
        const buffer = new ReorderBuffer()
        let nowUs = 0
        let popped = 0
        for (const [number, stepUs] of steps) {
          nowUs += stepUs
          buffer.push(rtp(number), nowUs)
          while (buffer.pop(nowUs) !== undefined) popped += 1
        }
        while (buffer.pop(Infinity) !== undefined) popped += 1
        const { queued, restarted, duplicate, late, overflow, stray, released } = buffer.counters
        expect(released).toBe(popped)
        expect(queued + restarted + duplicate + late + overflow).toBe(steps.length)
        // The last one may still be on probation.
        expect(queued + restarted - stray - released).toBeOneOf([0, 1])
      }),
    )
  })
})

describe('the timeline', () => {
  it('accounts for every sample read and every sample written, whatever the timestamps and arrivals', () => {
    const step = fc.record({
      timestampStep: fc.oneof(fc.constant(160), fc.integer({ min: -400, max: 4_000 }), fc.nat({ max: 0xffff_ffff })),
      arrivalStepUs: fc.oneof(fc.constant(20_000), fc.nat({ max: 2_000_000 })),
      length: fc.constantFrom(0, 40, 160, 240, 480),
      lostBefore: fc.oneof(fc.constant(0), fc.nat({ max: 4 })),
      readMs: fc.oneof(fc.constant(20), fc.nat({ max: 1_500 })),
      event: fc.constantFrom(
        ...(['none', 'none', 'none', 'restart', 'hold', 'resume', 'noteLost'] as const),
        ...(['pause', 'unpause', 'mask', 'double', 'triple'] as const),
      ),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const timeline = new StreamTimeline({ clockRate: 8_000 })
        timeline.setOrigin(1_000_000)
        let timestamp = 0
        let arrivalUs = 1_000_000
        let position = 0
        let rate = 8
        for (const { timestampStep, arrivalStepUs, length, lostBefore, readMs, event } of steps) {
          timestamp = (timestamp + timestampStep) >>> 0
          arrivalUs += arrivalStepUs
          if (event === 'restart') timeline.restart()
          if (event === 'hold' || event === 'resume') timeline.setHeld(event === 'hold', arrivalUs)
          if (event === 'noteLost') timeline.noteLost(1)
          if (event === 'pause' || event === 'unpause') timeline.setPaused(event === 'pause', arrivalUs)
          const factor = event === 'double' ? 2 : event === 'triple' ? 3 : 1
          if (factor * rate <= 48) {
            if (factor > 1) timeline.rescale(factor)
            rate *= factor
            position *= factor
          }
          const written = length * (rate / 8)
          timeline.observe(timestamp, arrivalUs)
          const at = timeline.write(new Int16Array(written).fill(1_000), timestamp, arrivalUs, lostBefore)
          if (event === 'mask' && at !== undefined) timeline.masks.add(at + 10, at + written - 10)
          position += readMs * rate
          expect(timeline.read(position).length).toBe(readMs * rate)
          checkLedger(timeline)
        }
        expect(timeline.read(Math.max(position, timeline.writePosition) + 8_000).length).toBeGreaterThan(0)
        checkLedger(timeline)
      }),
      { numRuns: 300 },
    )
  })
})

function checkLedger(timeline: StreamTimeline): void {
  const { ledger, gaps, readPosition } = timeline
  const { lost, silence, held, noMedia, paused, masked } = ledger.gapSamples
  expect(ledger.audioSamples + lost + silence + held + noMedia + paused + masked).toBe(readPosition)
  // Of what was written, what a pause has silenced is audio no more; a pause takes the time of gaps, too.
  const used = ledger.audioSamples + ledger.pendingSamples
  const written =
    ledger.writtenSamples -
    ledger.lateSamples -
    ledger.overlapSamples -
    ledger.overflowSamples +
    ledger.insertedSamples -
    ledger.removedSamples
  expect(used + paused + masked).toBeGreaterThanOrEqual(written)
  if (paused === 0) expect(used + masked).toBe(written)
  else expect(used).toBeLessThanOrEqual(written)
  let end = 0
  for (const { fromSample, toSample } of gaps) {
    expect(fromSample).toBeGreaterThanOrEqual(end)
    expect(toSample).toBeGreaterThan(fromSample)
    end = toSample
  }
  expect(end).toBeLessThanOrEqual(readPosition)
}
