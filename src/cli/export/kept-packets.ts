import type { KeptEntry, KeptFormat, ManifestBody } from '../../evidence/manifest.ts'
import { readRtpdump } from '../../media/rtpdump.ts'
import { parseRtp } from '../../protocol/rtp/packet.ts'

const SAMPLES_PER_MS = 48

/** A packet that was kept as it came, with its place and what it is. */
export interface KeptPacket {
  /** On the recording timeline, 48 kHz; to the millisecond. */
  readonly fromSample: number
  readonly bytes: Uint8Array
  readonly payload: Uint8Array
  readonly format: KeptFormat
}

/** All packets of one media stream, in order. */
export interface KeptStreamPackets {
  readonly streamId: string
  readonly channel: number
  /** Wall clock at sample 0. */
  readonly startUnixMs: number
  readonly packets: readonly KeptPacket[]
  /** Where the stream is said not to have been decoded; undefined when the manifest does not say it piece by piece. */
  readonly undecoded: readonly { readonly fromSample: number; readonly toSample: number }[] | undefined
}

/** An object of `kept`, opened. */
export interface OpenedKept {
  readonly entry: KeptEntry
  readonly clear: Uint8Array
}

/** Puts opened objects together, stream by stream; undefined when one of them is no rtpdump file. FORMAT.md 3.1 */
export function keptStreams(
  opened: readonly OpenedKept[],
  manifest: Pick<ManifestBody, 'streams'>,
): readonly KeptStreamPackets[] | undefined {
  const streams = new Map<
    string,
    Pick<KeptStreamPackets, 'channel' | 'startUnixMs'> & { readonly packets: KeptPacket[] }
  >()
  for (const { entry, clear } of opened) {
    const read = readRtpdump(clear)
    if (!read.ok) return undefined
    const stream = streams.get(entry.streamId) ?? {
      channel: entry.channel,
      startUnixMs: read.value.startUnixMs,
      packets: [],
    }
    streams.set(entry.streamId, stream)
    for (const { offsetMs, packet } of read.value.records) {
      const parsed = parseRtp(packet)
      if (!parsed.ok) continue
      const fromSample = offsetMs * SAMPLES_PER_MS
      const format = formatAt(entry.formats, parsed.value.payloadType, fromSample)
      if (format !== undefined)
        stream.packets.push({ fromSample, bytes: packet, payload: parsed.value.payload, format })
    }
  }
  // They were sealed in no order; sorting is stable.
  const inOrder = [...streams].toSorted(([, left], [, right]) => left.channel - right.channel)
  return inOrder.map(([streamId, stream]) => ({
    streamId,
    ...stream,
    undecoded: undecodedOf(streamId, manifest),
  }))
}

/** What a payload type meant there: the latest meaning that had begun. Times of packets are rounded down to the millisecond. */
function formatAt(formats: readonly KeptFormat[], payloadType: number, fromSample: number): KeptFormat | undefined {
  const meanings = formats.filter((format) => format.payloadType === payloadType)
  return meanings.findLast((format) => format.fromSample < fromSample + SAMPLES_PER_MS) ?? meanings[0]
}

/** Of an interrupted recording, or one with more gaps than are listed, the places of the packets have to do. */
function undecodedOf(streamId: string, { streams }: Pick<ManifestBody, 'streams'>): KeptStreamPackets['undecoded'] {
  const stream = streams.find((candidate) => candidate.streamId === streamId)
  if (stream === undefined || stream.ledger.unlistedGapSamples > 0) return undefined
  return stream.gaps.filter(({ cause }) => cause === 'undecoded')
}
