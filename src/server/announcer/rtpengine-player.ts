import { Buffer } from 'node:buffer'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv6 } from 'node:net'

import { accepted, rejected, type Result } from '../../result.ts'
import { bencode, parseBencode } from './bencode.ts'

/** A question is asked again after this long without an answer: UDP loses some. rtpengine answers copies from memory. */
const ASK_MS = 500
const ASKS_MAX = 4

/** `unreachable`: nobody answered. `refused`: no such call or party, or nothing can be played there. */
export type MediaPathRejectReason = 'unreachable' | 'refused'

/** Who hears it: a call that an element in the media path knows, and a party of it. */
export interface MediaPathParty {
  readonly sipCallId: string
  /** The tag of the party in From or To. */
  readonly tag: string
}

/** An element in the media path of calls that can play to a party of one. */
export interface MediaPathPlayer {
  /** @param file as that element sees it @returns how long it lasts, in milliseconds */
  play(party: MediaPathParty, file: string): Promise<Result<number, MediaPathRejectReason>>
  /** Whether the party has left for certain. False says nothing: rtpengine knows calls for 30 s after their end (`delete-delay`), or does not answer. */
  isGone(party: MediaPathParty): Promise<boolean>
}

/** rtpengine, by its ng protocol: a cookie and a bencoded dictionary in a datagram. */
export class RtpenginePlayer implements MediaPathPlayer {
  readonly #at: { readonly address: string; readonly port: number }
  readonly #randomCookie: () => string

  constructor(at: { readonly address: string; readonly port: number }, randomCookie: () => string) {
    this.#at = at
    this.#randomCookie = randomCookie
  }

  async play({ sipCallId, tag }: MediaPathParty, file: string): Promise<Result<number, MediaPathRejectReason>> {
    const answer = await this.#ask({ command: 'play media', 'call-id': sipCallId, 'from-tag': tag, file })
    if (!answer.ok) return answer
    const { duration } = answer.value
    return typeof duration === 'number' && duration > 0 ? accepted(duration) : rejected('refused')
  }

  async isGone({ sipCallId, tag }: MediaPathParty): Promise<boolean> {
    const answer = await this.#ask({ command: 'query', 'call-id': sipCallId })
    if (!answer.ok) return answer.reason === 'refused'
    const { tags } = answer.value
    return typeof tags === 'object' && tags !== null && !Object.hasOwn(tags, tag)
  }

  async #ask(
    question: Readonly<Record<string, string>>,
  ): Promise<Result<Readonly<Record<string, unknown>>, MediaPathRejectReason>> {
    const { address, port } = this.#at
    const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4')
    try {
      const cookie = this.#randomCookie()
      for (let asked = 0; asked < ASKS_MAX; asked += 1) {
        const answered = once(socket, 'message', { signal: AbortSignal.timeout(ASK_MS) }) as Promise<[Buffer]>
        socket.send(`${cookie} ${bencode(question)}`, port, address)
        const [datagram] = await answered.catch(() => [undefined])
        if (datagram?.toString('latin1', 0, cookie.length + 1) !== `${cookie} `) continue
        const answer = parseBencode(Buffer.from(datagram.subarray(cookie.length + 1)))
        if (!answer.ok || typeof answer.value !== 'object' || Array.isArray(answer.value)) return rejected('refused')
        const value = answer.value as Readonly<Record<string, unknown>>
        return value['result'] === 'ok' ? accepted(value) : rejected('refused')
      }
      return rejected('unreachable')
    } finally {
      socket.close()
    }
  }
}
