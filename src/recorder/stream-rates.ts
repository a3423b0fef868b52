import type { PayloadFormat } from '../protocol/rtp/payload-format.ts'
import type { Layout, MediaStreamPlan } from './recording-types.ts'

/** The sample rates a channel of a recording can have; Opus knows them, and frames of 20 ms have a whole number of 48 kHz positions a sample. */
const STREAM_RATES: readonly number[] = [8_000, 16_000, 24_000, 48_000]

/** The lowest of them: of a stream without a decoded format, and of one of which no audio has come. */
export const LOWEST_RATE = 8_000

/** The sample rate that holds all there is in audio of this format; the lowest for what is not decoded. */
export function rateOf(format: PayloadFormat): number {
  if (format.kind !== 'audio') return LOWEST_RATE
  return STREAM_RATES.find((known) => known >= format.sampleRate) ?? 48_000
}

/**
 * The sample rate that a stream begins with: enough for the first of its formats that is decoded, which is the one that is preferred (RFC 3264 5.1). A
 * better one that stands behind it costs nothing until it is sent.
 */
export function preferredRate({ payloadTypes }: Pick<MediaStreamPlan, 'payloadTypes'>): number {
  for (const format of payloadTypes.values()) if (format.kind === 'audio') return rateOf(format)
  return LOWEST_RATE
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
  return common === undefined ? streams.map(preferredRate) : [common]
}

/** The sample rates of the Opus decoders that these streams may need to begin with. */
export function decoderRates(layout: Layout, streams: readonly MediaStreamPlan[]): readonly number[] {
  const common = commonRate(layout, streams)
  return streams.filter(hasOpus).map((plan) => common ?? preferredRate(plan))
}

export function hasOpus({ payloadTypes }: Pick<MediaStreamPlan, 'payloadTypes'>): boolean {
  return [...payloadTypes.values()].some((format) => format.kind === 'audio' && format.codec === 'OPUS')
}

/** Where streams are mixed they have one rate: the highest that one of them begins with. */
export function commonRate(layout: Layout, streams: readonly MediaStreamPlan[]): number | undefined {
  if (layout === 'separate') return undefined
  return highestRate(streams.map(preferredRate))
}

export function highestRate(rates: readonly number[]): number {
  return Math.max(LOWEST_RATE, ...rates)
}

export function isSameList(left: readonly number[], right: readonly number[]): boolean {
  return left.length === right.length && left.every((value, index) => value === right[index])
}

/** The first 48 kHz position from here on at which every sample rate has a whole sample: 8 kHz has the fewest. */
export function wholePosition(position: number): number {
  return Math.ceil(position / 6) * 6
}
