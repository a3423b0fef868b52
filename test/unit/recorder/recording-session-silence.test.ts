import { describe, expect, it } from 'vitest'

import { matchAudio, noise } from '../../support/audio.ts'
import { EncoderStock, packetsOf, planOf, RecordingRig } from '../../support/recording-rig.ts'

const SECOND_US = 1_000_000
const RATE = 8_000
const SECONDS = 30
const FRAMES_PER_SECOND = 50
/** One participant talks in these seconds. */
const TALK = { from: 12, to: 14 }
const [caller, callee] = [planOf(0), planOf(1)]

async function recorded(layout: 'separate' | 'mixed'): Promise<RecordingRig> {
  const rig = new RecordingRig({ encoders: await EncoderStock.of(2), plans: [caller, callee], facts: { layout } })
  const said = new Int16Array(SECONDS * RATE)
  said.set(talk, TALK.from * RATE)
  // The callee sends nothing at all: a gap from one end to the other.
  rig.run(packetsOf({ plan: caller, samples: said }), (SECONDS + 1) * SECOND_US)
  rig.end((SECONDS + 1) * SECOND_US)
  return rig
}

const talk = noise({ seed: 5, samples: (TALK.to - TALK.from) * RATE, amplitude: 0.4 })

describe.each([
  ['separate', 2],
  ['mixed', 1],
] as const)('silence in a %s recording', (layout, channels) => {
  it('costs no encoding, on a silent channel nor between words, and is as long as it was', async () => {
    const rig = await recorded(layout)
    const { encoded, gated } = rig.recordingSession.frameCounts
    const frames = Math.ceil((encoded + gated) / channels)
    expect(frames).toBeGreaterThanOrEqual(SECONDS * FRAMES_PER_SECOND)
    // What is said, and what fades out after it.
    expect(encoded).toBeGreaterThan((TALK.to - TALK.from) * FRAMES_PER_SECOND)
    expect(encoded).toBeLessThan((TALK.to - TALK.from + 2) * FRAMES_PER_SECOND)
    const [heard = new Int16Array()] = await rig.heard()
    expect(heard.length).toBeGreaterThanOrEqual(SECONDS * RATE)
    const { correlation, lag } = matchAudio(talk, heard.subarray(TALK.from * RATE, TALK.to * RATE), {
      lagMax: RATE / 50,
    })
    expect(correlation).toBeGreaterThan(0.5)
    expect(Math.abs(lag)).toBeLessThan(RATE / 100)
    expect(heard.subarray((TALK.to + 1) * RATE).every((sample) => sample === 0)).toBe(true)
  })
})
