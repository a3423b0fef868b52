/**
 * G.711 mu-law (PCMU) and A-law (PCMA), RFC 3551 4.5.14: one byte a sample, 8000 samples a second.
 *
 * Table driven both ways. `out`, when given, is filled from its start and has to hold `payload.length` samples; the result
 * is a view of it. Without `out` the result is the caller's.
 */
export function decodePcmu(payload: Uint8Array, out?: Int16Array): Int16Array {
  return decode(MU_LAW_SAMPLES, payload, out)
}

export function decodePcma(payload: Uint8Array, out?: Int16Array): Int16Array {
  return decode(A_LAW_SAMPLES, payload, out)
}

export function encodePcmu(samples: Int16Array): Uint8Array {
  const payload = new Uint8Array(samples.length)
  // Mu-law has 14 bits of input, so the two lowest of 16 do not count.
  for (let i = 0; i < samples.length; i++) payload[i] = MU_LAW_CODES[((samples[i] ?? 0) + 32_768) >> 2] ?? 0
  return payload
}

export function encodePcma(samples: Int16Array): Uint8Array {
  const payload = new Uint8Array(samples.length)
  // A-law has 13 bits of input.
  for (let i = 0; i < samples.length; i++) payload[i] = A_LAW_CODES[((samples[i] ?? 0) + 32_768) >> 3] ?? 0
  return payload
}

function decode(table: Int16Array, payload: Uint8Array, out: Int16Array | undefined): Int16Array {
  const isFitting = out?.length === payload.length
  const samples = out === undefined ? new Int16Array(payload.length) : isFitting ? out : out.subarray(0, payload.length)
  if (samples.length < payload.length) throw new RangeError('out is shorter than the payload')
  for (let i = 0; i < payload.length; i++) samples[i] = table[payload[i] ?? 0] ?? 0
  return samples
}

/** ITU-T G.711 table 2: bits are inverted; sign, 3 bits of segment, 4 bits of step; bias 33 in 14-bit units. */
function muLawSample(code: number): number {
  const inverted = ~code & 0xff
  const segment = (inverted >> 4) & 7
  const magnitude = (((((inverted & 0x0f) << 1) + 33) << segment) - 33) << 2
  return (inverted & 0x80) === 0 ? magnitude : -magnitude
}

/** ITU-T G.711 table 1: even bits are inverted; segment 0 and 1 are linear. */
function aLawSample(code: number): number {
  const toggled = code ^ 0x55
  const segment = (toggled >> 4) & 7
  const step = ((toggled & 0x0f) << 1) + 1
  const magnitude = (segment === 0 ? step : (step + 32) << (segment - 1)) << 3
  return (toggled & 0x80) === 0 ? -magnitude : magnitude
}

function muLawCode(sample14: number): number {
  const biased = Math.min(Math.abs(sample14), 8_158) + 33
  const segment = Math.max(0, Math.floor(Math.log2(biased)) - 5)
  const step = (biased >> (segment + 1)) & 0x0f
  return ~((sample14 < 0 ? 0x80 : 0) | (segment << 4) | step) & 0xff
}

function aLawCode(sample13: number): number {
  // -1 belongs to the lowest negative step: the decision values of G.711 table 1 are not symmetric about zero here.
  const magnitude = sample13 < 0 ? -sample13 - 1 : sample13
  const segment = Math.max(0, Math.floor(Math.log2(Math.max(1, magnitude))) - 4)
  const step = (segment === 0 ? magnitude >> 1 : magnitude >> segment) & 0x0f
  return ((sample13 < 0 ? 0 : 0x80) | (segment << 4) | step) ^ 0x55
}

const MU_LAW_SAMPLES = Int16Array.from({ length: 256 }, (_, code) => muLawSample(code))
const A_LAW_SAMPLES = Int16Array.from({ length: 256 }, (_, code) => aLawSample(code))
const MU_LAW_CODES = Uint8Array.from({ length: 16_384 }, (_, index) => muLawCode(index - 8_192))
const A_LAW_CODES = Uint8Array.from({ length: 8_192 }, (_, index) => aLawCode(index - 4_096))
