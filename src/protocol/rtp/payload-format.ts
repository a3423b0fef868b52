/** Longest encoding name that is kept: it goes into the manifest. */
export const ENCODING_NAME_LENGTH_MAX = 32
/** What a payload type is called of which nothing says what it is. */
export const UNKNOWN_ENCODING_NAME = 'unknown'

/** Audio codecs that are decoded while they arrive. */
export type LiveCodec = 'PCMU' | 'PCMA' | 'G722' | 'L16' | 'OPUS'

/**
 * What a payload type of an audio line means to the recorder.
 *
 * `audio`: decoded live · `event`: telephone-event (RFC 4733) · `comfortNoise`: RFC 3389 · `kept`: any other codec; its packets are audio
 * that is not decoded live.
 */
export type PayloadFormat =
  | {
      readonly kind: 'audio'
      readonly codec: LiveCodec
      /** Hz of the RTP timestamps. */
      readonly clockRate: number
      /** Samples per second of what is decoded, per channel; for G722 it is not the clock rate. RFC 3551 4.5.2 */
      readonly sampleRate: number
      readonly channels: number
      readonly fmtp?: string
    }
  | { readonly kind: 'event'; readonly clockRate: number }
  | { readonly kind: 'comfortNoise'; readonly clockRate: number }
  | {
      readonly kind: 'kept'
      /** Encoding name in upper case, or {@link UNKNOWN_ENCODING_NAME}; printable ASCII, at most {@link ENCODING_NAME_LENGTH_MAX}. */
      readonly name: string
      readonly clockRate: number
      readonly channels: number
      readonly fmtp?: string
      /** Decoded live, and kept as it came besides. */
      readonly isDecoded?: true
    }

/** A codec as SDP describes it: `a=rtpmap` and `a=fmtp`, or the static table of RFC 3551 6. */
export interface CodecDescription {
  /** Upper case. */
  readonly name: string
  readonly clockRate: number
  readonly channels: number
  readonly fmtp?: string
}

/** What stands on an audio line beside the audio or around it: never wanted for itself. RFC 2198, 4588, 5109, 6015, 8627 */
const WRAPPER_NAMES: ReadonlySet<string> = new Set([
  'RED',
  'RTX',
  'ULPFEC',
  'PARITYFEC',
  '1D-INTERLEAVED-PARITYFEC',
  'FLEXFEC',
])

/** What L16 is decoded at: there is a filter from each to a rate of Opus. RFC 3551 4.5.11 */
const L16_RATES: readonly number[] = [8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000]
/** Channels of L16 that become one. */
const L16_CHANNELS_MAX = 8

const OPUS_CLOCK_RATE = 48_000
const OPUS_RATES: readonly number[] = [8_000, 12_000, 16_000, 24_000, 48_000]

/** @param codec undefined for a dynamic payload type without rtpmap */
export function payloadFormatOf(codec: CodecDescription | undefined): PayloadFormat {
  if (codec === undefined) return { kind: 'kept', name: UNKNOWN_ENCODING_NAME, clockRate: 8_000, channels: 1 }
  const { name, clockRate, channels, fmtp } = codec
  const parameters = fmtp === undefined ? {} : { fmtp }
  switch (name) {
    case 'PCMU':
    case 'PCMA':
      if (clockRate !== 8_000 || channels !== 1) break
      return { kind: 'audio', codec: name, clockRate, sampleRate: clockRate, channels, ...parameters }
    case 'G722':
      // Some write the sample rate where RFC 3551 4.5.2 has the clock at 8000 Hz; then they may mean it.
      if ((clockRate !== 8_000 && clockRate !== 16_000) || channels !== 1) break
      return { kind: 'audio', codec: name, clockRate, sampleRate: 16_000, channels, ...parameters }
    case 'L16':
      if (!L16_RATES.includes(clockRate) || channels > L16_CHANNELS_MAX) break
      return { kind: 'audio', codec: name, clockRate, sampleRate: clockRate, channels, ...parameters }
    case 'OPUS':
      // The clock of Opus is always that of fullband, and the channels of the rtpmap are always two. RFC 7587 4.1, 7
      if (clockRate !== OPUS_CLOCK_RATE) break
      return { kind: 'audio', codec: name, clockRate, sampleRate: opusRateOf(fmtp), channels, ...parameters }
    case 'TELEPHONE-EVENT':
      return { kind: 'event', clockRate }
    case 'CN':
      return { kind: 'comfortNoise', clockRate }
  }
  return { kind: 'kept', name: printable(name), clockRate, channels, ...parameters }
}

/** The same packets as what is not decoded. @param isDecoded they are decoded besides */
export function asKept(
  format: PayloadFormat & { readonly kind: 'audio' },
  isDecoded: boolean,
): PayloadFormat & { readonly kind: 'kept' } {
  const { codec: name, clockRate, channels, fmtp } = format
  return {
    ...{ kind: 'kept' as const, name, clockRate, channels },
    ...(fmtp === undefined ? {} : { fmtp }),
    ...(isDecoded ? { isDecoded } : {}),
  }
}

/** Redundancy, retransmission or error correction for another payload type. */
export function isWrapper({ name }: CodecDescription): boolean {
  return WRAPPER_NAMES.has(name)
}

/** The name of an audio format, for the manifest; undefined for what is no audio. */
export function encodingNameOf(format: PayloadFormat): string | undefined {
  if (format.kind === 'audio') return format.codec
  return format.kind === 'kept' ? format.name : undefined
}

/** What the sender says that it hears at most, else everything that Opus has. RFC 7587 6.1, `sprop-maxcapturerate` */
function opusRateOf(fmtp: string | undefined): number {
  const [, said] = /(?:^|[;\s])sprop-maxcapturerate\s*=\s*(\d{4,5})(?:$|[;\s])/i.exec(fmtp ?? '') ?? []
  const rate = Number(said ?? OPUS_CLOCK_RATE)
  return OPUS_RATES.find((known) => known >= rate) ?? OPUS_CLOCK_RATE
}

function printable(name: string): string {
  const kept = name.replaceAll(/[^!-~]/g, '').slice(0, ENCODING_NAME_LENGTH_MAX)
  return kept === '' ? UNKNOWN_ENCODING_NAME : kept
}
