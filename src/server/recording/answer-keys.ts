import { formatCryptoAttribute, masterKeyBytes, type CryptoAttribute } from '../../protocol/sdp/crypto-attribute.ts'

/**
 * Our own SRTP master keys of one dialog, a fresh one for each secure line. They protect nothing but the RTCP we may send.
 *
 * A line keeps its key as long as its offers repeat the accepted `a=crypto` unchanged; then the packet counters of both
 * sides go on, and a session refresh changes nothing. A change of it, which a new address of the SRC must bring too, starts
 * them again, and a key that is used again from packet 0 would repeat its key stream. RFC 4568 7.1.4
 */
export class AnswerKeys {
  readonly #randomBytes: (length: number) => Uint8Array
  readonly #byLine = new Map<number, { readonly offered: string; readonly masterKey: Uint8Array }>()

  constructor(randomBytes: (length: number) => Uint8Array) {
    this.#randomBytes = randomBytes
  }

  /** @param index the place of the line in the offer */
  masterKeyFor(index: number, offered: CryptoAttribute): Uint8Array {
    const text = formatCryptoAttribute(offered)
    const known = this.#byLine.get(index)
    if (known?.offered === text) return known.masterKey
    const masterKey = this.#randomBytes(masterKeyBytes(offered.suite))
    this.#byLine.set(index, { offered: text, masterKey })
    return masterKey
  }
}
