import { accepted, rejected, type Result } from '../../result.ts'
import type { DtmfDigit } from '../rtp/telephone-event.ts'

/** A body that tells of a key is short; what comes after it is not looked at. */
const BODY_BYTES_MAX = 256
/** By event codes. RFC 4733 3.2, table 3 */
const DIGITS: readonly DtmfDigit[] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#', 'A', 'B', 'C', 'D']
const TYPES: ReadonlySet<string> = new Set(['application/dtmf-relay', 'application/dtmf'])

/** `type`: the body is about something else. `signal`: it names no key; a flash of the hook is none. */
export type InfoKeyRejectReason = 'type' | 'signal'

/**
 * The key in the body of an INFO: `Signal=1` in a line of `application/dtmf-relay`, or the bare key of `application/dtmf`. Either is read of both types,
 * and a key as its character or as its event code (`10` is `*`). Neither type was ever registered: these are the shapes that PBXs send.
 *
 * Such an INFO belongs to no package; it is the use that RFC 6086 calls legacy.
 *
 * @param contentType as written
 * @see RFC 6086
 */
export function readInfoKey(contentType: string | undefined, body: Uint8Array): Result<DtmfDigit, InfoKeyRejectReason> {
  const type = contentType?.split(';', 1)[0]?.trim().toLowerCase() ?? ''
  if (!TYPES.has(type)) return rejected('type')
  const text = new TextDecoder('latin1').decode(body.subarray(0, BODY_BYTES_MAX))
  const signal = /(?:^|[\r\n])[ \t]*Signal[ \t]*=[ \t]*([^ \t\r\n]+)/i.exec(text)?.[1] ?? text.trim()
  const digit = /^[0-9]{2}$/.test(signal)
    ? DIGITS[Number(signal)]
    : DIGITS.find((each) => each === signal.toUpperCase())
  return digit === undefined ? rejected('signal') : accepted(digit)
}
