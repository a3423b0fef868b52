import type { SipHeader } from './header-list.ts'
import type { SipMessage } from './message.ts'

const encoder = new TextEncoder()
const NO_BYTES = new Uint8Array(0)

/** What {@link serialize} prints. `headers` without Content-Length: that is always written from the body. */
export interface MessageParts {
  readonly startLine: string
  readonly headers: readonly SipHeader[]
  readonly body?: Uint8Array
}

/** Prints a message. Line ends and NUL inside a value become blanks, so that no value can forge a header. */
export function serialize(parts: MessageParts): Uint8Array {
  const body = parts.body ?? NO_BYTES
  let head = `${oneLine(parts.startLine)}\r\n`
  for (const { name, value } of parts.headers) head += `${name}: ${oneLine(value)}\r\n`
  head += `Content-Length: ${body.length}\r\n\r\n`
  const headBytes = encoder.encode(head)
  if (body.length === 0) return headBytes
  const bytes = new Uint8Array(headBytes.length + body.length)
  bytes.set(headBytes)
  bytes.set(body, headBytes.length)
  return bytes
}

/** Prints a parsed message again: same headers in the same order, Content-Length corrected and put last. */
export function serializeMessage(message: SipMessage): Uint8Array {
  const startLine =
    message.kind === 'request'
      ? `${message.method} ${message.requestUri} SIP/2.0`
      : `SIP/2.0 ${message.status} ${message.reason}`
  const headers = message.headers.list.filter(({ name }) => name.toLowerCase() !== 'content-length')
  return serialize({ startLine, headers, body: message.body })
}

function oneLine(text: string): string {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code === 0x0d || code === 0x0a || code === 0)
      return text.replaceAll('\r', ' ').replaceAll('\n', ' ').replaceAll('\0', ' ')
  }
  return text
}
