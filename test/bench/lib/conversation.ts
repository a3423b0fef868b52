import { AUDIO_FILES, readSpeech } from '../../../src/cli/simulate/audio-source.ts'
import { encodePcmu } from '../../../src/media/g711.ts'
import { serializeRtp } from '../../../src/protocol/rtp/packet.ts'

export const SAMPLE_RATE = 8_000
export const PACKET_SAMPLES = 160
export const PACKETS_PER_SECOND = SAMPLE_RATE / PACKET_SAMPLES

/** `turns`: one side talks while the other is silent, as in a conversation. `both`: both talk all the time. */
export type TalkPattern = 'turns' | 'both'

/** A turn of speech. */
const TURN_SECONDS = 4

/**
 * Two channels of the speech that `simulate` ships, of whole seconds. Where a side listens it has the noise of a quiet line: now and then the
 * least step of G.711 to either side of zero, which is -77 dBov.
 */
export async function conversation(pattern: TalkPattern, seconds: number): Promise<readonly Int16Array[]> {
  const speech = await Promise.all(AUDIO_FILES.map(readSpeech))
  return speech.map((voice, side) =>
    Int16Array.from({ length: seconds * SAMPLE_RATE }, (_, index) => {
      const turn = Math.floor(index / (TURN_SECONDS * SAMPLE_RATE))
      const talks = pattern === 'both' || turn % 2 === side
      return talks ? (voice[index % voice.length] ?? 0) : quietLine(index)
    }),
  )
}

/** One sample in three is a step off zero; no generator, so that every run has the same. */
function quietLine(index: number): number {
  const hash = Math.imul(index, 2_654_435_761) >>> 0
  if (hash % 3 !== 0) return 0
  return (hash & 64) === 0 ? 8 : -8
}

/** The RTP packets of one channel, as PCMU. */
export function packetsOf(samples: Int16Array, ssrc: number): readonly Uint8Array[] {
  const payload = encodePcmu(samples)
  return Array.from({ length: Math.floor(samples.length / PACKET_SAMPLES) }, (_, index) =>
    serializeRtp({
      payloadType: 0,
      marker: index === 0,
      sequenceNumber: index & 0xffff,
      timestamp: index * PACKET_SAMPLES,
      ssrc,
      payload: payload.subarray(index * PACKET_SAMPLES, (index + 1) * PACKET_SAMPLES),
    }),
  )
}
