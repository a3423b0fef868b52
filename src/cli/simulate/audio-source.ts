import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { EarwitnessError } from '../../errors.ts'
import { encodePcma, encodePcmu } from '../../media/g711.ts'
import { readWav } from '../../media/wav.ts'
import type { OfferCodec } from './offer.ts'
import { PACKET_SAMPLES } from './rtp-source.ts'

/** The shipped synthetic speech: caller, callee. */
export const AUDIO_FILES: readonly string[] = ['caller', 'callee'].map((name) =>
  fileURLToPath(new URL(`audio/${name}.wav`, import.meta.url)),
)

const SAMPLE_RATE = 8_000

/**
 * Reads a WAV file as 8 kHz samples; of several channels, the first. Silence fills the last packet, so that it loops cleanly.
 *
 * @throws EarwitnessError `simulate-audio`
 */
export async function readSpeech(file: string): Promise<Int16Array> {
  const bytes = await readFile(file).catch((error: unknown) => {
    throw audioError(`The audio file ${file} cannot be read.`, 'Check its name and permissions.', error)
  })
  const wav = readWav(bytes)
  const samples = wav.ok ? wav.value.channels[0] : undefined
  if (!wav.ok || samples === undefined || samples.length === 0) {
    throw audioError(`The audio file ${file} is not a WAV file with PCM16, PCMU or PCMA samples.`, convertHint(file))
  }
  if (wav.value.sampleRate !== SAMPLE_RATE) {
    throw audioError(
      `The audio file ${file} has ${wav.value.sampleRate} samples a second, not 8000.`,
      convertHint(file),
    )
  }
  const padded = new Int16Array(Math.ceil(samples.length / PACKET_SAMPLES) * PACKET_SAMPLES)
  padded.set(samples)
  return padded
}

export function encodeSpeech(samples: Int16Array, codec: OfferCodec): Uint8Array {
  return codec === 'PCMU' ? encodePcmu(samples) : encodePcma(samples)
}

function audioError(sentence: string, hint: string, cause?: unknown): EarwitnessError {
  return new EarwitnessError('simulate-audio', sentence, hint, { cause })
}

function convertHint(file: string): string {
  return `Convert it: ffmpeg -i ${file} -ar 8000 -ac 1 -c:a pcm_s16le speech.wav`
}
