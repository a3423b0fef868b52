import type { ManifestBody } from '../../src/evidence/manifest.ts'
import { canonicalJson } from '../../src/evidence/canonical-json.ts'
import { sha256Hex } from '../../src/evidence/sha256.ts'
import { linkStart } from '../../src/media/flatten-links.ts'
import { splitMultistreamPacket } from '../../src/media/opus-packet.ts'
import type { OpusEncoder, TakeOpusEncoder } from '../../src/recorder/opus-encoder.ts'
import type { MediaStreamPlan } from '../../src/recorder/recording-types.ts'
import { OPENED_AT_UNIX_MS, OPENED_US, planOf, RecordingRig, TRANSIT_US } from '../support/recording-rig.ts'
import { ImpairedSrc, MARK_SAMPLES, markOf, markSeconds, type ImpairedSrcOptions } from './impaired-src.ts'

/** Whole recording sessions of impaired streams in virtual time, and where the marks of each stream came out. */

const RATE = 8_000
const SECOND_US = 1_000_000
const STEP_US = 100_000
const FRAME_SAMPLES = 160
const BLOCK_FRAMES = 5_000
/** TOC of a CELT frame of 20 ms (RFC 6716 3.1); after it the number of a kept frame. */
const CELT_20_MS = 0xf8
const PACKET_LENGTH = 5
/** How far from its place a mark is looked for. */
const SEARCH_SAMPLES = 1_760
/** Likeness from which on a mark is one: of its three packets one may be missing. */
const LIKENESS_MIN = 0.5

export interface Scenario {
  readonly seconds: number
  readonly streams: readonly ImpairedSrcOptions[]
  /** Re-INVITEs that are answered. */
  readonly offers?: readonly { readonly atSeconds: number; readonly plans: readonly MediaStreamPlan[] }[]
  /** Of the INVITE; default: all. */
  readonly plans?: readonly MediaStreamPlan[]
}

export interface Recorded {
  readonly manifest: ManifestBody
  /** Everything that leaves the recorder, and everything that was encoded, in one number. */
  readonly fingerprint: string
  /** Each stream's channel as it was given to the encoder, at 8 kHz. */
  readonly channels: readonly Int16Array[]
  readonly sources: readonly ImpairedSrc[]
}

/** Encoders that keep what they are given, each frame under the number that its packet holds. */
class FrameKeeper {
  readonly #blocks: Int16Array[] = []
  #count = 0

  readonly take = (): OpusEncoder => ({
    sampleRate: RATE,
    preSkip: 0,
    encode: (samples) => {
      const place = this.#count % BLOCK_FRAMES
      if (place === 0) this.#blocks.push(new Int16Array(BLOCK_FRAMES * FRAME_SAMPLES))
      this.#blocks.at(-1)?.set(samples, place * FRAME_SAMPLES)
      const packet = new Uint8Array(PACKET_LENGTH)
      packet[0] = CELT_20_MS
      new DataView(packet.buffer).setUint32(1, this.#count)
      this.#count += 1
      return packet
    },
    free: () => {},
  })

  /** What was encoded into a packet; undefined for one that was made without an encoder, which is silence. */
  frameOf(packet: Uint8Array): Int16Array | undefined {
    if (packet.length !== PACKET_LENGTH) return undefined
    const number = new DataView(packet.buffer, packet.byteOffset).getUint32(1)
    const at = (number % BLOCK_FRAMES) * FRAME_SAMPLES
    return this.#blocks[Math.floor(number / BLOCK_FRAMES)]?.subarray(at, at + FRAME_SAMPLES)
  }
}

export async function record(scenario: Scenario, seed: number): Promise<Recorded> {
  const keeper = new FrameKeeper()
  const { rig, ...recorded } = drive(scenario, seed, keeper)
  const channels = await channelsOf(rig, recorded.manifest, keeper)
  const hashes = channels.map(({ buffer }) => sha256Hex(new Uint8Array(buffer)))
  return { ...recorded, channels, fingerprint: sha256Hex([recorded.fingerprint, ...hashes].join('\n')) }
}

/** Drives the recording session through the scenario, with whatever encoders. */
export function drive<Encoders extends { readonly take: TakeOpusEncoder }>(
  scenario: Scenario,
  seed: number,
  encoders: Encoders,
): Omit<Recorded, 'channels'> & { readonly rig: RecordingRig<Encoders> } {
  const plans = scenario.plans ?? scenario.streams.map((_, index) => planOf(index))
  const rig = new RecordingRig({ encoders, plans, seed, facts: { chunkUs: 15 * SECOND_US } })
  const sources = scenario.streams.map((stream) => new ImpairedSrc(stream))
  const offers = [...(scenario.offers ?? [])]
  for (let atUs = 0; atUs < scenario.seconds * SECOND_US; atUs += STEP_US) {
    for (let offer = offers[0]; offer !== undefined && offer.atSeconds * SECOND_US <= atUs; offer = offers[0]) {
      rig.recordingSession.updateStreams(offer.plans, OPENED_US + offer.atSeconds * SECOND_US)
      offers.shift()
    }
    const arrivals = sources.flatMap((source, index) =>
      source.arrivals(atUs + STEP_US).map(({ datagram, arrivalUs, isRtcp = false }) => ({
        streamId: planOf(index).streamId,
        ...{ datagram, isRtcp },
        arrivalUs: OPENED_US + arrivalUs,
      })),
    )
    rig.run(arrivals, atUs + STEP_US)
  }
  const manifest = rig.end(scenario.seconds * SECOND_US)
  const objects = rig.sink.objects.map(({ name, bytes }) => `${name} ${sha256Hex(bytes)}`)
  return { rig, manifest, sources, fingerprint: sha256Hex([...objects, canonicalJson(manifest)].join('\n')) }
}

async function channelsOf(
  rig: RecordingRig<FrameKeeper>,
  manifest: ManifestBody,
  keeper: FrameKeeper,
): Promise<Int16Array[]> {
  const channels = manifest.streams.map(() => new Int16Array(Math.ceil(manifest.durationSamples / 6)))
  for (const link of await rig.links()) {
    const start = (linkStart(link) ?? 0) / 6
    for (const [index, { data }] of link.packets.entries()) {
      const split = splitMultistreamPacket(data, link.streamCount)
      if (!split.ok) throw new Error('not a multistream packet')
      for (const [channel, packet] of split.value.entries()) {
        const frame = keeper.frameOf(packet)
        const at = start + index * FRAME_SAMPLES
        const room = (channels[channel]?.length ?? 0) - at
        if (frame !== undefined && room > 0) channels[channel]?.set(frame.subarray(0, room), at)
      }
    }
  }
  return channels
}

export interface Placement {
  /** How far each mark that was found stands from its place, ms; later is positive. */
  readonly errorsMs: readonly number[]
  /** The same by the number of the mark. */
  readonly byMark: ReadonlyMap<number, number>
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
  /** Marks looked for and not found: most of them was lost. */
  readonly missing: number
}

/**
 * Where the marks of a stream stand, against true time: a mark's place is the instant it was spoken, after the least time in the
 * network, by the wall clock that the manifest gives for sample 0.
 */
export function placementOf(
  channel: Int16Array,
  options: { readonly manifest: ManifestBody; readonly voice: number; readonly wasSent: (seconds: number) => boolean },
): Placement {
  const { manifest, voice, wasSent } = options
  const originMs = Date.parse(manifest.originAt ?? '') - OPENED_AT_UNIX_MS
  const byMark = new Map<number, number>()
  let missing = 0
  for (let index = 0; ; index++) {
    const placeMs = markSeconds(index) * 1_000 + TRANSIT_US / 1_000 - originMs
    const place = Math.round(placeMs * (RATE / 1_000))
    if (place + MARK_SAMPLES + SEARCH_SAMPLES > channel.length) break
    if (!wasSent(markSeconds(index))) continue
    const found = findMark(markOf(voice, index), channel, place)
    if (found === undefined) missing += 1
    else byMark.set(index, found / (RATE / 1_000) - placeMs)
  }
  const errorsMs = [...byMark.values()]
  const sizes = errorsMs.map(Math.abs).toSorted((left, right) => left - right)
  const quantile = (share: number): number => sizes[Math.ceil(sizes.length * share) - 1] ?? Infinity
  return { errorsMs, byMark, p50Ms: quantile(0.5), p99Ms: quantile(0.99), maxMs: quantile(1), missing }
}

/** Where near `place` the channel is most like the mark; undefined when it is nowhere like it. */
function findMark(mark: Int16Array, channel: Int16Array, place: number): number | undefined {
  const markEnergy = mark.reduce((sum, sample) => sum + sample ** 2, 0)
  let best: number | undefined
  let likeness = LIKENESS_MIN
  for (let at = Math.max(0, place - SEARCH_SAMPLES); at <= place + SEARCH_SAMPLES; at++) {
    let product = 0
    let energy = 1
    for (let i = 0; i < mark.length; i++) {
      const sample = channel[at + i] ?? 0
      product += (mark[i] ?? 0) * sample
      energy += sample * sample
    }
    const alike = product / Math.sqrt(markEnergy * energy)
    if (alike <= likeness) continue
    likeness = alike
    best = at
  }
  return best
}

/** What does not add up in the ledgers of the streams: against the session, against each other, and against what the network did. */
export function ledgerFaults({ manifest, sources }: Pick<Recorded, 'manifest' | 'sources'>): readonly string[] {
  return manifest.streams.flatMap(({ packets, ledger, gaps }, index) => {
    const { arrived, lost, copies } = sources[index]?.tally ?? { arrived: 0, lost: 0, copies: 0 }
    const { received, late, paused = 0 } = packets
    const inGaps = Object.values(ledger.gapSamples).reduce((sum, samples) => sum + samples, 0)
    const listed = gaps.reduce((sum, { fromSample, toSample }) => sum + toSample - fromSample, 0)
    const holds: Readonly<Record<string, boolean>> = {
      'every packet that arrived is received, late or discarded': received + late + packets.discarded === arrived,
      'every copy is a duplicate': packets.duplicate === copies,
      'what was expected is received, lost or paused': packets.expected === received + packets.lost + paused,
      // What comes after it was given up is lost, and late or, where another SSRC has taken over, discarded; unless it precedes the first packet
      // of a sequence or follows the last.
      'what the network dropped is lost':
        late + packets.discarded === 0 ? packets.lost === lost : packets.lost <= lost + late + packets.discarded,
      'audio and gaps are the session': ledger.audioSamples + inGaps === manifest.durationSamples,
      'the gaps listed are the gaps counted': listed === inGaps,
      'what is concealed was lost': (ledger.concealedSamples ?? Infinity) <= ledger.gapSamples.lost,
      'what is silent is audio': (ledger.silentSamples ?? Infinity) <= ledger.audioSamples,
    }
    const broken = Object.entries(holds).filter(([, isSo]) => !isSo)
    return broken.map(([law]) => `stream ${index}: ${law} (${JSON.stringify({ packets, arrived, lost, copies })})`)
  })
}
