import { MESSAGE_BYTES_MAX, type SipMessage } from '../../../protocol/sip/message.ts'
import { parseMessage } from '../../../protocol/sip/parse-message.ts'
import type { AdminFrame } from './admin-frame-reader.ts'

/** A URI for the start lines that drachtio-srf sees; it never looks at it. */
const ANY_URI = 'sip:earwitness'
/** drachtio-srf undoes `%` escapes in a method. */
const METHOD_ODDITIES = /[^A-Za-z]/gu

/** A frame, read twice: our own stack reads the SIP message, drachtio-srf gets a text that cannot hurt it. */
export interface AdminMessage {
  /** The words before the SIP message, split at `|`. */
  readonly words: readonly string[]
  /** undefined when there is none, or none that can be read. */
  readonly sip: SipMessage | undefined
  /** What drachtio-srf is given instead: the same words, and of the message its start line, Call-ID and CSeq; no body. One character per byte. */
  readonly reduced: string
  /** False when the end of the message is missing. */
  readonly isWhole: boolean
}

/**
 * Reads a frame.
 *
 * drachtio-srf parses a message with regular expressions, splits a multipart body at the wrong places when the boundary is not the last
 * parameter, joins headers of one name, and prints what it cannot parse, numbers and all, to stderr. So it sees no more of
 * a message than it needs for its tables of transactions.
 */
export function readAdminMessage(frame: AdminFrame): AdminMessage {
  const bytes = Buffer.from(frame.bytes.buffer, frame.bytes.byteOffset, frame.bytes.length)
  const end = bytes.indexOf('\r\n')
  const leader = bytes.toString('latin1', 0, end === -1 ? bytes.length : end)
  const words = leader.split('|')
  // A cut message is still read as far as it is there: whoever sent it waits for an answer.
  const parsed = end === -1 ? undefined : parseMessage(bytes.subarray(end + 2, end + 2 + MESSAGE_BYTES_MAX))
  const sip = parsed?.ok === true ? parsed.value : undefined
  return {
    words,
    sip,
    reduced: sip === undefined ? leader : `${leader}\r\n${reduce(sip)}`,
    isWhole: frame.isWhole && bytes.length - end - 2 <= MESSAGE_BYTES_MAX,
  }
}

function reduce(sip: SipMessage): string {
  const startLine =
    sip.kind === 'request'
      ? `${sip.method.replaceAll(METHOD_ODDITIES, '_')} ${ANY_URI} SIP/2.0`
      : `SIP/2.0 ${sip.status} -`
  const sipCallId = binaryText(sip.headers.first('Call-ID') ?? '').replaceAll('\r', ' ')
  const cseq = binaryText(sip.headers.first('CSeq') ?? '').replaceAll('\r', ' ')
  return `${startLine}\r\nCall-ID: ${sipCallId}\r\nCSeq: ${cseq}\r\n\r\n`
}

/** Text as drachtio-srf handles it here: one character for each byte of its UTF-8 form. */
export function binaryText(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1')
}
