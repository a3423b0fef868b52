import { openSealed } from '../../src/evidence/age-open.ts'
import type { ManifestBody } from '../../src/evidence/manifest.ts'
import { audioSamples, linkStart } from '../../src/media/flatten-links.ts'
import { readOggOpus } from '../../src/media/ogg-opus.ts'
import { splitMultistreamPacket } from '../../src/media/opus-packet.ts'
import type { TakeOpusEncoder } from '../../src/recorder/opus-encoder.ts'
import type { SealedObject } from '../../src/recorder/recording-types.ts'
import { noise } from './audio.ts'
import { identitiesOf, OPENED_US, packetsOf, planOf, RecordingRig } from './recording-rig.ts'

/** One 20 ms frame of SILK in a packet. RFC 6716 3.1 */
const TOC = 0x08

/** Encoders that lose nothing, so that what was recorded can be compared sample by sample: each packet is the PCM of its frame. */
export class PcmStock {
  taken = 0
  freed = 0

  readonly take: TakeOpusEncoder = (sampleRate) => {
    this.taken += 1
    return {
      sampleRate,
      preSkip: 0,
      encode: (samples) => {
        const packet = new Uint8Array(1 + samples.length * 2)
        packet[0] = TOC
        const view = new DataView(packet.buffer)
        samples.forEach((sample, index) => view.setInt16(1 + index * 2, sample))
        return packet
      },
      free: () => void (this.freed += 1),
    }
  }
}

/** What a `PcmStock` was given, a channel each at 8 kHz, each link in its place on the timeline. */
export function pcmOf(ogg: Uint8Array): readonly Int16Array[] {
  const links = readOggOpus(ogg)
  if (!links.ok) throw new Error(`not an Ogg Opus file: ${links.reason}`)
  const length = Math.max(0, ...links.value.map((link) => (linkStart(link) ?? 0) + audioSamples(link))) / 6
  const channels = Array.from({ length: links.value[0]?.streamCount ?? 0 }, () => new Int16Array(Math.floor(length)))
  for (const link of links.value) {
    const end = ((linkStart(link) ?? 0) + audioSamples(link)) / 6
    let position = (linkStart(link) ?? 0) / 6
    for (const { data } of link.packets) {
      const split = splitMultistreamPacket(data, link.streamCount)
      if (!split.ok) throw new Error(split.reason)
      let frame = 0
      split.value.forEach((packet, channel) => {
        const view = new DataView(packet.buffer, packet.byteOffset + 1, packet.length - 1)
        frame = view.byteLength / 2
        for (let index = 0; index < frame && position + index < end; index++) {
          const samples = channels[channel]
          if (samples !== undefined) samples[position + index] = view.getInt16(index * 2)
        }
      })
      position += frame
    }
  }
  return channels
}

/** The same as bytes, for comparing: a matcher takes seconds for so many numbers. */
export function pcmBytesOf(ogg: Uint8Array): Buffer {
  return Buffer.concat(pcmOf(ogg).map(({ buffer }) => Buffer.from(buffer)))
}

/** What opens with this key alone, by the names of the objects. */
export async function openedBy(
  rig: Pick<RecordingRig<PcmStock>, 'sink'>,
  key: 'key' | 'heldKey',
  kind: SealedObject['kind'],
): Promise<ReadonlyMap<string, Uint8Array>> {
  const identities = await identitiesOf(rig.sink.objects, key)
  const opened = await Promise.all(
    rig.sink.of(kind).map(async ({ name, bytes }) => {
      const clear = identities.length === 0 ? undefined : await openSealed(bytes, identities)
      return clear?.ok === true ? ([[name, clear.value]] as const) : []
    }),
  )
  return new Map(opened.flat())
}

/** A recording of 4 s in chunks of one, of which the first two and a bit were held: as its worker gives it, nothing decided. */
export function sealedHeldRecording(): {
  readonly body: ManifestBody
  readonly sealed: ReadonlyMap<string, Uint8Array>
} {
  const rig = new RecordingRig({
    encoders: new PcmStock(),
    plans: [planOf(0)],
    facts: { heldUntilConsent: true, chunkUs: 1_000_000 },
  })
  const arrivals = packetsOf({ plan: planOf(0), samples: noise({ seed: 3, samples: 4 * 8_000, amplitude: 0.3 }) })
  rig.run(arrivals.slice(0, 100), 2_000_000)
  rig.recordingSession.releaseHeld(OPENED_US + 2_000_000)
  rig.run(arrivals.slice(100), 4_000_000)
  const body = rig.end(4_000_000)
  return { body, sealed: new Map(rig.sink.objects.map(({ name, bytes }) => [name, bytes])) }
}
