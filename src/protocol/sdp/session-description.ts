import type { CryptoAttribute, CryptoRejectReason } from './crypto-attribute.ts'

/** What the sender of the description does with the media of a line, as it says itself. RFC 8866 6.7 */
export type MediaDirection = 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive'

/** Whether the media of a line is being recorded, as the sender of the description says. RFC 7866 7.1.2 */
export type RecordState = 'on' | 'off' | 'paused'

/** Whether a participant wishes to be recorded. RFC 7866 7.3.2 */
export type RecordPreference = 'on' | 'off' | 'pause' | 'nopreference'

/** The `a=crypto` lines of an m-line. They hold keys: never for logs. RFC 4568 */
export interface OfferedCrypto {
  /** In their order, each with a tag of its own. */
  readonly usable: readonly CryptoAttribute[]
  /** Why the others are of no use to us. */
  readonly rejected: readonly CryptoRejectReason[]
}

/** An `a=` line: the name in lower case, the value as written; an attribute without a value has the value ''. */
export interface SdpAttribute {
  readonly name: string
  readonly value: string
}

/** One payload type of an m-line, from its rtpmap or from the static table of RFC 3551 6. */
export interface MediaCodec {
  /** 0 to 127. */
  readonly payloadType: number
  /** Upper case, for example `PCMU`, `TELEPHONE-EVENT`. */
  readonly name: string
  /** Hz of the RTP clock; for G722 this is 8000. RFC 3551 4.5.2 */
  readonly clockRate: number
  readonly channels: number
  /** The format-specific parameters as written. */
  readonly fmtp?: string
}

/** One m-line with everything below it; session-level attributes are already inherited. RFC 8866 5.14 */
export interface MediaDescription {
  /** Position of the m-line in the description, from 0. */
  readonly index: number
  /** `audio`, `video`, `text`, `message`, …, in lower case. */
  readonly type: string
  /** 0 when the line is refused, and when what stands there is not a port. */
  readonly port: number
  /** For example `RTP/AVP`, as written. */
  readonly protocol: string
  /** The format list as written: payload types for RTP. */
  readonly formats: readonly string[]
  /** Of the media, else of the session; without TTL or count. */
  readonly connectionAddress: string | undefined
  readonly direction: MediaDirection
  /** RFC 4574 `a=label`, or the `a=media_label` of one client. Text, never a number. */
  readonly label: string | undefined
  /** In the order of the format list; dynamic payload types without an rtpmap are left out. */
  readonly codecs: readonly MediaCodec[]
  readonly packetTimeMs: number | undefined
  readonly rtcpMux: boolean
  /** RFC 3605 `a=rtcp`. */
  readonly rtcpPort: number | undefined
  /** The address in `a=rtcp`, when it has one of its own. */
  readonly rtcpAddress?: string | undefined
  /** `a=record` of the line, else of the session; undefined when nothing is said. */
  readonly record: RecordState | undefined
  /** `a=recordpref` of the line, else of the session; undefined is to be read as `nopreference`. */
  readonly recordPreference: RecordPreference | undefined
  readonly crypto: OfferedCrypto
  /** Attributes of this line only, in order; `crypto` holds keys. */
  readonly attributes: readonly SdpAttribute[]
}

export interface SessionDescription {
  /** The user of `o=`, and `s=`: clients are told by them. '' when the line is missing. RFC 8866 5.2, 5.3 */
  readonly originUser: string
  readonly sessionName: string
  /** From `o=`; '' when that line is missing. */
  readonly sessionId: string
  readonly sessionVersion: string
  readonly media: readonly MediaDescription[]
  /** Session-level attributes, in order; `crypto` holds keys. */
  readonly attributes: readonly SdpAttribute[]
}
