import { parseDecimal } from './text.ts'

/** A status line is short; what comes after it is not looked at. */
const START_BYTES_MAX = 256

/**
 * The status in the body of a NOTIFY about a REFER: `SIP/2.0 200 OK` and perhaps headers. Undefined for anything else.
 *
 * @see RFC 3420, RFC 3515 2.4.5
 */
export function sipfragStatus(body: Uint8Array): number | undefined {
  const start = new TextDecoder('latin1').decode(body.subarray(0, START_BYTES_MAX)).trimStart()
  const code = /^SIP\/2\.0[ \t]+([0-9]{3})(?:[ \t\r\n]|$)/i.exec(start)?.[1]
  const status = code === undefined ? undefined : parseDecimal(code, 699)
  return status === undefined || status < 100 ? undefined : status
}
