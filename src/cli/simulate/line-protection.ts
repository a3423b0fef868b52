import { Buffer } from 'node:buffer'

import {
  formatCryptoAttribute,
  masterKeyBytes,
  parseCryptoAttribute,
  srtpKeysOf,
  type CryptoAttribute,
} from '../../protocol/sdp/crypto-attribute.ts'
import type { MediaDescription } from '../../protocol/sdp/session-description.ts'
import type { SrtpSuite } from '../../protocol/srtp/srtp-keys.ts'
import { SrtpReceiver } from '../../protocol/srtp/srtp-receiver.ts'
import { SrtpSender } from '../../protocol/srtp/srtp-sender.ts'

/** The protocol of an m-line with SDES keys. RFC 3711 12, RFC 4568 */
export const SECURE_PROTOCOL = 'RTP/SAVP'
const TAG = 1

/** The SRTP of one media stream of the SRC: the key it offers, and the packets under it. RFC 4568 */
export class LineProtection {
  readonly #suite: SrtpSuite
  readonly #randomBytes: (length: number) => Uint8Array
  #offered: CryptoAttribute
  readonly #sender: SrtpSender
  #isRenewed = false
  #receiver: SrtpReceiver | undefined

  constructor(suite: SrtpSuite, randomBytes: (length: number) => Uint8Array) {
    this.#suite = suite
    this.#randomBytes = randomBytes
    this.#offered = this.#inventKey()
    this.#sender = new SrtpSender(srtpKeysOf(this.#offered))
  }

  /** What the next offer says behind `a=crypto:`. A key: not for logs. */
  get crypto(): string {
    return formatCryptoAttribute(this.#offered)
  }

  /** Another key for the next offer; packets stay under the former one until that is accepted. RFC 4568 7.1.4 */
  renew(): void {
    this.#offered = this.#inventKey()
    this.#isRenewed = true
  }

  /** The answer to the last offer is there: packets are under its key from now on, and the rollover counter goes on. */
  switchToOffered(): void {
    if (this.#isRenewed) this.#sender.rekey(srtpKeysOf(this.#offered))
    this.#isRenewed = false
  }

  /** True when the answering line accepts what was offered, with a key of its own. RFC 4568 5.1.2 */
  isAcceptedBy({ protocol, crypto }: Pick<MediaDescription, 'protocol' | 'crypto'>): boolean {
    const isAccepted = crypto.usable.some(({ tag, suite }) => tag === TAG && suite === this.#suite)
    return protocol.toUpperCase() === SECURE_PROTOCOL && isAccepted
  }

  /** What the recorder sends is under the key of its answer. RFC 4568 6.1 */
  takeAnswer({ crypto }: Pick<MediaDescription, 'crypto'>): void {
    const answered = crypto.usable.find(({ tag, suite }) => tag === TAG && suite === this.#suite)
    this.#receiver = answered && new SrtpReceiver(srtpKeysOf(answered))
  }

  /** RTCP of the recorder in clear, valid until the next; undefined when it is not authentic. */
  unprotectRtcp(packet: Uint8Array, nowUs: number): Uint8Array | undefined {
    const opened = this.#receiver?.unprotectRtcp(packet, nowUs)
    return opened?.ok === true ? opened.value : undefined
  }

  protectRtp(packet: Uint8Array): Uint8Array {
    return this.#sender.protectRtp(packet)
  }

  protectRtcp(packet: Uint8Array): Uint8Array {
    return this.#sender.protectRtcp(packet)
  }

  #inventKey(): CryptoAttribute {
    const octets = this.#randomBytes(masterKeyBytes(this.#suite))
    const parsed = parseCryptoAttribute(`${TAG} ${this.#suite} inline:${Buffer.from(octets).toString('base64')}`)
    if (!parsed.ok) throw new RangeError('a key that was made cannot be read')
    return parsed.value
  }
}
