import { spawn } from 'node:child_process'

import { vectorFile } from '../vectors/evidence/sample-recording.ts'

/** Payloads of codecs that are not decoded live, as an SRC would send them: made by the system's FFmpeg, or read from `test/vectors/kept`. */

/** Encodes 8 kHz speech with FFmpeg; gives what its muxer writes. */
export async function encodeWithFfmpeg(samples: Int16Array, options: readonly string[]): Promise<Uint8Array> {
  const args = ['-v', 'error', '-f', 's16le', '-ar', '8000', '-ac', '1', '-i', 'pipe:0', ...options, 'pipe:1']
  return new Promise((resolve, reject) => {
    const child = spawn('ffmpeg', args, { stdio: ['pipe', 'pipe', 'pipe'] })
    const parts: Buffer[] = []
    let complaint = ''
    child.on('error', reject)
    child.stderr.on('data', (text: Buffer) => (complaint += text.toString()))
    child.stdout.on('data', (part: Buffer) => parts.push(part))
    child.on('close', (code) =>
      code === 0 ? resolve(Uint8Array.from(Buffer.concat(parts))) : reject(new Error(complaint)),
    )
    // Whatever ended it before it read all is told above.
    child.stdin.on('error', () => {})
    child.stdin.end(Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength))
  })
}

/** Cuts what a codec of fixed frames gave into payloads of so many bytes; a rest is left out. */
export function payloadsOf(bytes: Uint8Array, length: number): readonly Uint8Array[] {
  return Array.from({ length: Math.floor(bytes.length / length) }, (_, index) =>
    bytes.subarray(index * length, (index + 1) * length),
  )
}

/** 4 s of G.729, two frames in a packet. */
export function g729Payloads(): readonly Uint8Array[] {
  return payloadsOf(vectorFile('../kept/caller.g729'), 20)
}

/** Bits of speech frames. RFC 4867 3.1 */
const AMR_BITS = { amr: [95, 103, 118, 134, 148, 159, 204, 244], awb: [132, 177, 253, 285, 317, 365, 397, 461, 477] }

/** 4 s of AMR or AMR-WB, a frame in a packet, in either form of the payload. RFC 4867 4.3, 4.4 */
export function amrPayloads(kind: 'amr' | 'awb', form: 'octetAligned' | 'bandwidthEfficient'): readonly Uint8Array[] {
  const file = vectorFile(`../kept/caller.${kind}`)
  const payloads: Uint8Array[] = []
  for (let at = file.indexOf(0x0a) + 1; at < file.length;) {
    const head = file[at] ?? 0
    const type = head >> 3
    const bits = AMR_BITS[kind][type] ?? 0
    const speech = file.subarray(at + 1, at + 1 + Math.ceil(bits / 8))
    payloads.push(form === 'octetAligned' ? Uint8Array.of(0xf0, head, ...speech) : packed(type, speech, bits))
    at += 1 + speech.length
  }
  return payloads
}

/** Mode request, follow bit, type and quality in ten bits, and the speech right behind them. */
function packed(type: number, speech: Uint8Array, bits: number): Uint8Array {
  const text = [...speech].map((byte) => byte.toString(2).padStart(8, '0')).join('')
  const all = `11110${type.toString(2).padStart(4, '0')}1${text.slice(0, bits)}`
  return Uint8Array.from({ length: Math.ceil(all.length / 8) }, (_, index) =>
    Number.parseInt(all.slice(index * 8, index * 8 + 8).padEnd(8, '0'), 2),
  )
}
