import { accepted } from '../../result.ts'
import { HEADER_LENGTH_MAX, MESSAGE_BYTES_MAX, type SipMessage } from './message.ts'
import { announcedLength, findBody, type ParsedMessage, parseMessage, skipKeepAlive } from './parse-message.ts'

/** Messages, pings and endings in the order in which they stood in the stream. */
export type StreamItem =
  /** One message, whole; or one that must be refused and after which the stream cannot be followed (`broken` comes next). */
  | { readonly kind: 'message'; readonly bytes: Uint8Array; readonly parsed: ParsedMessage }
  /** A double CRLF between messages, to be answered with one CRLF. RFC 5626 4.4.1 */
  | { readonly kind: 'ping' }
  /** The stream is lost: close the connection. Nothing follows. */
  | { readonly kind: 'broken'; readonly reason: 'notSip' | 'tooLarge' | 'contentLength' }

const INITIAL_BYTES = 4096
/** How much of a first line is looked at before its end has come. */
const FIRST_BYTES = 64

interface Head {
  readonly message: SipMessage
  readonly bodyStart: number
  /** Body included. */
  readonly length: number
}

/**
 * Cuts a TCP or TLS byte stream into SIP messages by Content-Length.
 *
 * Holds at most {@link MESSAGE_BYTES_MAX} bytes. Each byte is looked at a constant number of times, however the stream is split.
 *
 * @see RFC 3261 18.3, RFC 5626 3.5.1
 */
export class StreamFramer {
  #buffer = new Uint8Array(INITIAL_BYTES)
  /** What is held is the part of the buffer from `#start` to `#end`. */
  #start = 0
  #end = 0
  /** Bytes of the front message already searched for the end of its head. */
  #searched = 0
  #isFirstLineChecked = false
  /** The front message without its body, and its length, once the head is complete. */
  #head: Head | undefined
  #lineFeeds = 0
  #isBroken = false

  get isBroken(): boolean {
    return this.#isBroken
  }

  /** True while part of a message is held. */
  get isMidMessage(): boolean {
    return this.#end > this.#start
  }

  /** Takes the bytes that arrived and returns what they complete. The returned messages are copies. */
  push(bytes: Uint8Array): readonly StreamItem[] {
    const items: StreamItem[] = []
    let offset = 0
    while (offset < bytes.length && !this.#isBroken) {
      const room = Math.min(bytes.length - offset, MESSAGE_BYTES_MAX - (this.#end - this.#start))
      this.#append(bytes.subarray(offset, offset + room))
      offset += room
      this.#takeMessages(items)
      if (this.#end - this.#start === MESSAGE_BYTES_MAX) this.#break('tooLarge', items)
    }
    return items
  }

  #append(bytes: Uint8Array): void {
    if (this.#end + bytes.length > this.#buffer.length) {
      const held = this.#end - this.#start
      const needed = held + bytes.length
      const target =
        needed <= this.#buffer.length
          ? this.#buffer
          : new Uint8Array(Math.min(Math.max(needed, this.#buffer.length * 2), MESSAGE_BYTES_MAX))
      target.set(this.#buffer.subarray(this.#start, this.#end))
      this.#buffer = target
      this.#start = 0
      this.#end = held
    }
    this.#buffer.set(bytes, this.#end)
    this.#end += bytes.length
  }

  #takeMessages(items: StreamItem[]): void {
    while (!this.#isBroken) {
      if (this.#searched === 0) this.#skipLineEnds(items)
      if (this.#start === this.#end) break
      this.#head ??= this.#readHead(items)
      const { message, length, bodyStart } = this.#head ?? {}
      if (message === undefined || length === undefined || length > this.#end - this.#start) return
      const bytes = this.#buffer.slice(this.#start, this.#start + length)
      // Its Content-Length was found good, so the head says all but the body: it is not parsed again.
      items.push({ kind: 'message', bytes, parsed: accepted({ ...message, body: bytes.subarray(bodyStart) }) })
      this.#start += length
      this.#head = undefined
      this.#searched = 0
      this.#isFirstLineChecked = false
    }
    this.#start = 0
    this.#end = 0
  }

  /** Drops empty lines between messages; each second line feed completes a ping. */
  #skipLineEnds(items: StreamItem[]): void {
    const held = this.#buffer.subarray(0, this.#end)
    const first = skipKeepAlive(held, this.#start)
    for (let index = this.#start; index < first; index++) {
      if (held[index] === 0x0a && ++this.#lineFeeds % 2 === 0) items.push({ kind: 'ping' })
    }
    if (first < this.#end) this.#lineFeeds = 0
    this.#start = first
  }

  /** Head of the front message, or undefined while it is incomplete or when it broke the stream. */
  #readHead(items: StreamItem[]): Head | undefined {
    const held = this.#buffer.subarray(this.#start, this.#end)
    const { headEnd, bodyStart } = findBody(held, this.#searched)
    if (headEnd === bodyStart) {
      // The empty line may be split anywhere, so its last three bytes are looked at again.
      this.#searched = Math.max(1, held.length - 3)
      if (!this.#startsLikeSip(held)) this.#break('notSip', items)
      return undefined
    }
    const head = parseMessage(held.subarray(0, bodyStart))
    if (!head.ok) {
      this.#break('notSip', items)
      return undefined
    }
    const { value: message } = head
    const announced = announcedLength(message.headers)
    const hasBody = message.headers.first('Content-Type') !== undefined
    if (announced.kind === 'missing' && !hasBody) return { message, bodyStart, length: bodyStart }
    if (announced.kind === 'bytes' && bodyStart + announced.bytes <= MESSAGE_BYTES_MAX) {
      return { message, bodyStart, length: bodyStart + announced.bytes }
    }
    const bytes = held.slice(0, bodyStart)
    items.push({ kind: 'message', bytes, parsed: parseMessage(bytes, 'stream') })
    this.#break(announced.kind === 'bytes' ? 'tooLarge' : 'contentLength', items)
    return undefined
  }

  /** False once the first line cannot become a start line: a TLS hello, HTTP or noise does not get to fill the buffer. */
  #startsLikeSip(held: Uint8Array): boolean {
    if (this.#isFirstLineChecked) return true
    const end = held.indexOf(0x0a)
    for (const byte of held.subarray(0, end === -1 ? FIRST_BYTES : Math.min(end, FIRST_BYTES))) {
      if (byte < 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d) return false
    }
    if (end === -1) return held.length <= HEADER_LENGTH_MAX
    this.#isFirstLineChecked = true
    return parseMessage(held.subarray(0, end + 1)).ok
  }

  #break(reason: 'notSip' | 'tooLarge' | 'contentLength', items: StreamItem[]): void {
    if (this.#isBroken) return
    this.#isBroken = true
    this.#buffer = new Uint8Array(0)
    this.#start = 0
    this.#end = 0
    items.push({ kind: 'broken', reason })
  }
}
