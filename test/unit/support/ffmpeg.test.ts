import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AUDIO_FILES, readSpeech } from '../../../src/cli/simulate/audio-source.ts'
import { matchAudio, tone } from '../../support/audio.ts'
import { decodeAudio, probeAudio } from '../../support/ffmpeg.ts'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'earwitness-test-'))
})
afterAll(async () => {
  await rm(folder, { recursive: true })
})

/** A WAV file written out by hand, so that FFmpeg is the only judge. */
function wavFile(channels: readonly Int16Array[], sampleRate: number): Uint8Array {
  const frames = channels[0]?.length ?? 0
  const dataBytes = frames * channels.length * 2
  const view = new DataView(new ArrayBuffer(44 + dataBytes))
  const text = (offset: number, value: string): void => {
    for (let index = 0; index < value.length; index++) view.setUint8(offset + index, value.charCodeAt(index))
  }
  text(0, 'RIFF')
  view.setUint32(4, 36 + dataBytes, true)
  text(8, 'WAVEfmt ')
  view.setUint32(16, 16, true)
  view.setUint16(20, 1, true)
  view.setUint16(22, channels.length, true)
  view.setUint32(24, sampleRate, true)
  view.setUint32(28, sampleRate * channels.length * 2, true)
  view.setUint16(32, channels.length * 2, true)
  view.setUint16(34, 16, true)
  text(36, 'data')
  view.setUint32(40, dataBytes, true)
  for (let frame = 0; frame < frames; frame++) {
    channels.forEach((samples, channel) => {
      view.setInt16(44 + (frame * channels.length + channel) * 2, samples[frame] ?? 0, true)
    })
  }
  return new Uint8Array(view.buffer)
}

describe('the system’s FFmpeg', () => {
  it('gives back the channels of a file, each by itself and in order', async () => {
    const left = tone({ frequency: 440, sampleRate: 8_000, samples: 8_000 })
    const right = tone({ frequency: 1_000, sampleRate: 8_000, samples: 8_000 })
    const file = join(folder, 'stereo.wav')
    await writeFile(file, wavFile([left, right], 8_000))
    expect(await decodeAudio(file, 8_000)).toEqual([left, right])
    expect(await probeAudio(file)).toEqual({
      durationSeconds: 1,
      channels: 2,
      sampleRate: 8_000,
      codecName: 'pcm_s16le',
    })
  })

  it('resamples', async () => {
    const file = join(folder, 'mono.wav')
    await writeFile(file, wavFile([tone({ frequency: 440, sampleRate: 48_000, samples: 48_000 })], 48_000))
    const [samples] = await decodeAudio(file, 8_000)
    expect(samples).toHaveLength(8_000)
    const match = matchAudio(
      tone({ frequency: 440, sampleRate: 8_000, samples: 8_000 }),
      samples ?? new Int16Array(0),
      { lagMax: 2 },
    )
    expect(match.correlation).toBeGreaterThan(0.999)
  })

  it('names the file it cannot read', async () => {
    await expect(decodeAudio(join(folder, 'missing.wav'), 8_000)).rejects.toThrow('missing.wav')
  })

  it('reads the shipped speech as our own reader does', async () => {
    for (const file of AUDIO_FILES) {
      const [decoded] = await decodeAudio(file, 8_000)
      const read = await readSpeech(file)
      expect(read.subarray(0, decoded?.length)).toEqual(decoded)
      expect((decoded?.length ?? 0) / 8_000).toBeGreaterThan(8)
      expect((decoded?.length ?? 0) / 8_000).toBeLessThanOrEqual(12)
    }
  })
})
