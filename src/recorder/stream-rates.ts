import type { PayloadFormat } from '../protocol/rtp/payload-format.ts'
import type { Layout, MediaStreamPlan } from './recording-types.ts'

/** The sample rates a channel of a recording can have; Opus knows them, and frames of 20 ms have a whole number of 48 kHz positions a sample. */
const STREAM_RATES: readonly number[] = [8_000, 16_000, 24_000, 48_000]

/** The sample rate of a stream's audio on the timeline: enough for the best of these formats; 8 kHz when none of them is decoded. */
export function streamRateOf(formats: Iterable<PayloadFormat>): number {
  let rate = 8_000
  for (const format of formats) {
    if (format.kind === 'audio')
      rate = Math.max(rate, STREAM_RATES.find((known) => known >= format.sampleRate) ?? 48_000)
  }
  return rate
}

/**
 * The sample rate that a stream goes on at which has been recorded at `rate` and would need `wanted`: never less, so that nothing is lost, and a multiple, so
 * that each place on its timeline stays what it is.
 */
export function raisedRate(rate: number, wanted: number): number {
  return STREAM_RATES.find((known) => known >= wanted && known % rate === 0) ?? rate
}

/** The sample rates of the encoders that a recording of these streams begins with. */
export function initialRates(layout: Layout, streams: readonly MediaStreamPlan[]): readonly number[] {
  const common = commonRate(layout, streams)
  return common === undefined ? streams.map(({ payloadTypes }) => streamRateOf(payloadTypes.values())) : [common]
}

/** The sample rates of the Opus decoders that these streams may need. */
export function decoderRates(layout: Layout, streams: readonly MediaStreamPlan[]): readonly number[] {
  const common = commonRate(layout, streams)
  return streams.filter(hasOpus).map(({ payloadTypes }) => common ?? streamRateOf(payloadTypes.values()))
}

export function hasOpus({ payloadTypes }: Pick<MediaStreamPlan, 'payloadTypes'>): boolean {
  return [...payloadTypes.values()].some((format) => format.kind === 'audio' && format.codec === 'OPUS')
}

/** Where streams are mixed they have one rate: what the best of them needs. */
export function commonRate(layout: Layout, streams: readonly MediaStreamPlan[]): number | undefined {
  if (layout === 'separate') return undefined
  return streamRateOf(streams.flatMap(({ payloadTypes }) => [...payloadTypes.values()]))
}

export function isSameList(left: readonly number[], right: readonly number[]): boolean {
  return left.length === right.length && left.every((value, index) => value === right[index])
}

/** The first 48 kHz position from here on at which every sample rate has a whole sample: 8 kHz has the fewest. */
export function wholePosition(position: number): number {
  return Math.ceil(position / 6) * 6
}
