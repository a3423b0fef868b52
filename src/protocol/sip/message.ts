import type { HeaderList } from './header-list.ts'

/** Bytes of one message, start line to end of body. A UDP datagram cannot be larger. */
export const MESSAGE_BYTES_MAX = 65_536
/** Header lines of one message, folded lines counted once. */
export const HEADERS_MAX = 256
/** Characters of one header line, folds joined, or of the start line. */
export const HEADER_LENGTH_MAX = 8192

/**
 * What is wrong with a message that can still be answered:
 * `version` not SIP/2.0 · `requestUri` empty or with blanks inside · `headerCount`, `headerLength` over the bounds (the
 * excess is left out) · `contentLength` not a number, contradicting itself, or missing where the transport needs it ·
 * `tooLarge` announces a body over {@link MESSAGE_BYTES_MAX}.
 */
export type MessageDefect = 'version' | 'requestUri' | 'headerCount' | 'headerLength' | 'contentLength' | 'tooLarge'

/** A SIP request. @see RFC 3261 7.1 */
export interface SipRequest {
  readonly kind: 'request'
  /** Case-sensitive, RFC 3261 7.1. */
  readonly method: string
  readonly requestUri: string
  readonly headers: HeaderList
  /** Raw bytes, a view of the received buffer. */
  readonly body: Uint8Array
  readonly defect: MessageDefect | undefined
}

/** A SIP response. @see RFC 3261 7.2 */
export interface SipResponse {
  readonly kind: 'response'
  /** 100 to 699. */
  readonly status: number
  readonly reason: string
  readonly headers: HeaderList
  readonly body: Uint8Array
  readonly defect: MessageDefect | undefined
}

export type SipMessage = SipRequest | SipResponse
