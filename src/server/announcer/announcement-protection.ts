import {
  acceptCrypto,
  formatCryptoAttribute,
  srtpKeysOf,
  type CryptoAttribute,
} from '../../protocol/sdp/crypto-attribute.ts'
import { SrtpReceiver } from '../../protocol/srtp/srtp-receiver.ts'
import { SrtpSender } from '../../protocol/srtp/srtp-sender.ts'
import { AnswerKeys } from '../recording/answer-keys.ts'

/** The SRTP of one announcement: our key, which its answers name, and the caller's. RFC 4568 */
export class AnnouncementProtection {
  readonly sender: SrtpSender
  readonly receiver: SrtpReceiver
  readonly #keys: AnswerKeys
  #offered: CryptoAttribute

  constructor(offered: CryptoAttribute, randomBytes: (length: number) => Uint8Array) {
    this.#keys = new AnswerKeys(randomBytes)
    this.#offered = offered
    this.sender = new SrtpSender(srtpKeysOf(acceptCrypto(offered, this.masterKey)))
    this.receiver = new SrtpReceiver(srtpKeysOf(offered))
  }

  /** For the answer to the latest offer. */
  get masterKey(): Uint8Array {
    return this.#keys.masterKeyFor(0, this.#offered)
  }

  /** Another offer: the same keys go on, others come into force on both sides. RFC 4568 7.1.4 */
  renew(offered: CryptoAttribute, nowUs: number): void {
    if (formatCryptoAttribute(offered) === formatCryptoAttribute(this.#offered)) return
    this.#offered = offered
    this.sender.rekey(srtpKeysOf(acceptCrypto(offered, this.masterKey)))
    this.receiver.rekey(srtpKeysOf(offered), nowUs)
  }
}
