import { describe, expect, test } from 'vitest'

import { decodePcma, decodePcmu } from '../../../src/media/g711.ts'
import {
  HANGOVER_FRAMES,
  SILENCE_GATE_DBOV,
  SILENCE_GATE_DBOV_MIN,
  SilenceGate,
} from '../../../src/media/silence-gate.ts'

const FRAME = 160
const frame = (sampleAt: (index: number) => number): Int16Array =>
  Int16Array.from({ length: FRAME }, (_, i) => sampleAt(i))
const quiet = frame((index) => (index % 3 === 0 ? 8 : index % 7 === 0 ? -8 : 0))
/** RMS -60 dBov: the quietest room that a telephone has. */
const room = frame((index) => (index % 2 === 0 ? 33 : -33))
const digitalSilence = frame(() => 0)

/** Frames until the gate closes; 0 when the first one does it, Infinity when none of a hundred does. */
function framesBefore(gate: SilenceGate, samples: Int16Array): number {
  for (let count = 0; count < 100; count += 1) if (gate.isClosed(samples)) return count
  return Infinity
}

describe('SilenceGate', () => {
  test('closes at once on digital silence, however it is configured', () => {
    for (const level of [SILENCE_GATE_DBOV, SILENCE_GATE_DBOV_MIN]) {
      expect(framesBefore(new SilenceGate(level), digitalSilence)).toBe(0)
    }
  })

  test('closes after the hangover on the least noise of G.711', () => {
    expect(framesBefore(new SilenceGate(SILENCE_GATE_DBOV), quiet)).toBe(HANGOVER_FRAMES)
  })

  test.each([
    ['mu-law 0xff', decodePcmu(new Uint8Array(FRAME).fill(0xff)), 0],
    ['mu-law 0x7f', decodePcmu(new Uint8Array(FRAME).fill(0x7f)), 0],
    ['A-law 0xd5', decodePcma(new Uint8Array(FRAME).fill(0xd5)), HANGOVER_FRAMES],
    ['A-law 0x55', decodePcma(new Uint8Array(FRAME).fill(0x55)), HANGOVER_FRAMES],
  ])('takes the idle code %s for silence', (_, samples, frames) => {
    expect(framesBefore(new SilenceGate(SILENCE_GATE_DBOV), samples)).toBe(frames)
  })

  test('never closes on the noise of a room', () => {
    expect(framesBefore(new SilenceGate(SILENCE_GATE_DBOV), room)).toBe(Infinity)
  })

  test('never closes on anything but digital silence at its lowest', () => {
    expect(framesBefore(new SilenceGate(SILENCE_GATE_DBOV_MIN), quiet)).toBe(Infinity)
  })

  test('opens at once for a click that the RMS of the frame would not show', () => {
    const gate = new SilenceGate(SILENCE_GATE_DBOV)
    framesBefore(gate, quiet)
    const click = frame((index) => (index === 80 ? -150 : 0))
    expect(gate.isClosed(click)).toBe(false)
    expect(framesBefore(gate, quiet)).toBe(HANGOVER_FRAMES)
  })

  test('needs the whole hangover again after a single louder frame', () => {
    const gate = new SilenceGate(SILENCE_GATE_DBOV)
    framesBefore(gate, quiet)
    expect(gate.isClosed(room)).toBe(false)
    expect(framesBefore(gate, quiet)).toBe(HANGOVER_FRAMES)
  })
})
