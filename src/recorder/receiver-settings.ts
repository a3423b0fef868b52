import type { RandomBytes } from '../evidence/age-seal.ts'
import type { KeyPress } from './dtmf-watch.ts'
import type { PlacedPacket } from './kept-stream.ts'
import type { TakeOpusDecoder } from './opus-decoder.ts'
import type { DtmfPolicy, ReceptionSettings, RecordingFacts } from './recording-types.ts'
import type { RtcpIdentity } from './rtcp-reporter.ts'

/** Of a CNAME that lasts as long as the recording session, 96 bits. RFC 7022 4.2 */
const CNAME_OCTETS = 12

/** What of the recording session concerns the packets of each of its streams. */
export interface ReceiverSettings {
  readonly dtmf?: DtmfPolicy
  /** Is told of each key that was pressed, with its place on the timeline of the stream; absent, nobody is. */
  readonly onKey?: ((press: KeyPress) => void) | undefined
  /** Takes the packets that are not decoded, with their places, in the order of the timeline. */
  readonly onKept?: (placed: PlacedPacket) => void
  /** Packets of Opus are kept as they came, besides being decoded. */
  readonly keepsOpus?: boolean
  /** Without a decoder Opus is kept as it came, and not decoded. */
  readonly takeDecoder?: TakeOpusDecoder | undefined
  /** Short losses are filled, see `StreamTimeline`. */
  readonly conceals?: boolean
  /** Samples per second of all streams on their timelines, as it is now; undefined: each as its formats need it. */
  readonly commonRate?: () => number | undefined
  readonly reception?: ReceptionSettings | undefined
  /** Who we are in RTCP; nothing is sent without. */
  readonly identity?: RtcpIdentity | undefined
}

/** What the receivers of a recording session have in common: where packets are taken from, and who we are in RTCP. */
export function receiverSettings(facts: RecordingFacts, randomBytes: RandomBytes): ReceiverSettings {
  const { reception, conceals, dtmf, layout, openedAtUnixMs, openedUs } = facts
  const settings = { conceals, dtmf, reception, keepsOpus: layout === 'separate' }
  if (reception?.sendsRtcp !== true) return settings
  const identity = {
    cname: btoa(String.fromCharCode(...randomBytes(CNAME_OCTETS))),
    randomBytes,
    unixMsAt: (us: number) => openedAtUnixMs + (us - openedUs) / 1_000,
  }
  return { ...settings, identity }
}
