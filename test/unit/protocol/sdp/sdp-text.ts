import { parseSdp } from '../../../../src/protocol/sdp/parse.ts'
import type { SessionDescription } from '../../../../src/protocol/sdp/session-description.ts'

/** Parses lines; a refusal fails the test. */
export function sdpOf(lines: readonly string[], lineEnd = '\r\n'): SessionDescription {
  const result = parseSdp(new TextEncoder().encode(lines.join(lineEnd)))
  if (!result.ok) throw new Error(`rejected: ${result.reason}`)
  return result.value
}
