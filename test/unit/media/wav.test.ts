import { describe, expect, it } from 'vitest'

import { encodePcma, encodePcmu } from '../../../src/media/g711.ts'
import { readWav, WAV_HEADER_LENGTH, writeWav, writeWavHeader } from '../../../src/media/wav.ts'

const left = Int16Array.of(1, -2, 32_767)
const right = Int16Array.of(-32_768, 5, 6)
const stereo = writeWav({ sampleRate: 8_000, channels: [left, right] })

/** A WAV file of hand-made chunks. */
function wav(...chunks: readonly (readonly [string, readonly number[] | Uint8Array, number?])[]): Uint8Array {
  const bytes = [...new TextEncoder().encode('RIFF'), 0, 0, 0, 0, ...new TextEncoder().encode('WAVE')]
  for (const [name, body, size] of chunks) {
    const length = size ?? body.length
    bytes.push(
      ...new TextEncoder().encode(name),
      length & 255,
      (length >> 8) & 255,
      (length >> 16) & 255,
      length >>> 24,
    )
    bytes.push(...body, ...(body.length % 2 === 1 ? [0] : []))
  }
  return Uint8Array.from(bytes)
}

function format(code: number, channels: number, bits: number): readonly number[] {
  return [code & 255, code >> 8, channels, 0, 0x40, 0x1f, 0, 0, 0, 0, 0, 0, 0, 0, bits, 0]
}

function reasonOf(bytes: Uint8Array): string {
  const read = readWav(bytes)
  return read.ok ? 'accepted' : read.reason
}

describe('a WAV file', () => {
  it('comes back as it was written', () => {
    expect(readWav(stereo)).toEqual({ ok: true, value: { sampleRate: 8_000, channels: [left, right] } })
  })

  it('has a header whose sizes are right', () => {
    const view = new DataView(stereo.buffer)
    expect(view.getUint32(4, true)).toBe(stereo.length - 8)
    expect(view.getUint32(40, true)).toBe(stereo.length - WAV_HEADER_LENGTH)
  })

  it('fills shorter channels with silence', () => {
    const read = readWav(writeWav({ sampleRate: 8_000, channels: [left, Int16Array.of(7)] }))
    expect(read.ok && read.value.channels[1]).toEqual(Int16Array.of(7, 0, 0))
  })

  it('may be mu-law or A-law, and have other chunks of odd length before the audio', () => {
    const samples = Int16Array.of(0, 1_000, -1_000)
    for (const [code, encode] of [[7, encodePcmu] as const, [6, encodePcma] as const]) {
      const read = readWav(wav(['LIST', [1, 2, 3]], ['fmt ', format(code, 1, 8)], ['data', encode(samples)]))
      expect(read.ok && read.value.channels[0]?.length).toBe(3)
      expect(read.ok && Math.abs((read.value.channels[0]?.[1] ?? 0) - 1_000)).toBeLessThan(40)
    }
  })

  it('is read to its end when the size is unknown, too large or zero, as on a pipe', () => {
    for (const size of [0xffff_ffff, 1_000, 0]) {
      const read = readWav(wav(['fmt ', format(1, 1, 16)], ['data', [1, 0, 2, 0], size]))
      expect(read.ok && read.value.channels).toEqual([Int16Array.of(1, 2)])
    }
  })

  it('says that its size is unknown beyond 4 GiB', () => {
    const header = writeWavHeader({ sampleRate: 48_000, channels: 8, samples: 1e9 })
    expect(new DataView(header.buffer).getUint32(40, true)).toBe(0xffff_ffff)
  })

  it('may have the extensible format', () => {
    const body = [...format(0xfffe, 1, 16), 22, 0, 16, 0, 0, 0, 0, 0, 1, 0, ...Array.from({ length: 14 }, () => 0)]
    const read = readWav(wav(['fmt ', body], ['data', [9, 0]]))
    expect(read.ok && read.value.channels).toEqual([Int16Array.of(9)])
  })
})

describe('a WAV file is refused', () => {
  it('with the reason why', () => {
    expect(reasonOf(new Uint8Array(3))).toBe('notWav')
    expect(reasonOf(Uint8Array.from(stereo, (byte, at) => (at === 0 ? 0 : byte)))).toBe('notWav')
    expect(reasonOf(wav(['data', [1, 2]]))).toBe('noFormat')
    expect(reasonOf(wav(['fmt ', [1, 0, 1, 0]], ['data', [1, 2]]))).toBe('noFormat')
    expect(reasonOf(wav(['fmt ', format(1, 1, 16)]))).toBe('noData')
    expect(reasonOf(wav(['fmt ', format(1, 1, 24)], ['data', [1, 2]]))).toBe('format')
    expect(reasonOf(wav(['fmt ', format(3, 1, 32)], ['data', [1, 2]]))).toBe('format')
    expect(reasonOf(wav(['fmt ', format(1, 0, 16)], ['data', [1, 2]]))).toBe('format')
  })
})
