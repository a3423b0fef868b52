import { CryptoContext, SRTCP_WORD_LENGTH } from './crypto-context.ts'
import { xorUint32 } from './key-derivation.ts'
import type { SealedParts } from './packet-cipher.ts'
import { type PacketHeader, readRtcpHeader, readRtpHeader } from './packet-header.ts'
import { estimateIndex, TURN, turnOf } from './packet-index.ts'
import { SOURCES_MAX } from './source-table.ts'
import type { SrtpKeys } from './srtp-keys.ts'

/** SRTCP packets under one master key. RFC 3711 3.4, 9.2 */
const SRTCP_INDEX_LIMIT = 0x8000_0000

/**
 * Protects the RTP and RTCP packets of one media stream. RFC 3711, RFC 6188, RFC 7714
 *
 * What goes in is our own, so what is no packet is a broken invariant: a RangeError. The same goes for more than `SOURCES_MAX`
 * SSRCs, as a forgotten index would be used twice, and with it a keystream.
 */
export class SrtpSender {
  #context: CryptoContext
  readonly #firstTurn: number
  /** Highest index of each SSRC. */
  readonly #highest = new Map<number, number>()
  #srtcpIndex = 0

  /** @param options.rolloverCounter that of the first packet: 0, but for a stream that has been running. */
  constructor(keys: SrtpKeys, options: { readonly rolloverCounter?: number } = {}) {
    this.#context = new CryptoContext(keys)
    this.#firstTurn = options.rolloverCounter ?? 0
  }

  /** New keys from here on; ROC and SRTCP index go on. RFC 3711 3.3.1 */
  rekey(keys: SrtpKeys): void {
    this.#context = new CryptoContext(keys)
  }

  /** @param packet in clear; packets go in in the order in which they are sent */
  protectRtp(packet: Uint8Array): Uint8Array {
    const header = readHeader(readRtpHeader, packet)
    const index = this.#nextIndex(header)
    const sealed = this.#context.firstMaster.seal('rtp', {
      packet,
      headerLength: header.headerLength,
      bodyEnd: packet.length,
      ssrc: header.ssrc,
      index,
      isEncrypted: !this.#context.keys.unencryptedSrtp,
      word: turnOf(index),
    })
    return this.#joined(sealed, new Uint8Array(0))
  }

  /** @param packet a compound packet in clear */
  protectRtcp(packet: Uint8Array): Uint8Array {
    const header = readHeader(readRtcpHeader, packet)
    const index = this.#srtcpIndex
    this.#srtcpIndex += 1
    if (index >= SRTCP_INDEX_LIMIT) throw new RangeError('the SRTCP indices of these keys are used up')
    const isEncrypted = !this.#context.keys.unencryptedSrtcp
    const word = index + (isEncrypted ? 0x8000_0000 : 0)
    const sealed = this.#context.firstMaster.seal('rtcp', {
      packet,
      headerLength: header.headerLength,
      bodyEnd: packet.length,
      ssrc: header.ssrc,
      index,
      isEncrypted,
      word,
    })
    const wordOctets = new Uint8Array(SRTCP_WORD_LENGTH)
    xorUint32(wordOctets, 0, word)
    return this.#joined(sealed, wordOctets)
  }

  #nextIndex({ ssrc, sequenceNumber }: PacketHeader): number {
    const highest = this.#highest.get(ssrc)
    if (highest === undefined && this.#highest.size >= SOURCES_MAX) throw new RangeError('too many SSRCs to protect')
    const index =
      highest === undefined ? this.#firstTurn * TURN + sequenceNumber : estimateIndex(highest, sequenceNumber)
    this.#highest.set(ssrc, Math.max(highest ?? 0, index))
    return index
  }

  #joined({ packet, tag }: SealedParts, word: Uint8Array): Uint8Array {
    const { mki } = this.#context.firstMaster
    const joined = new Uint8Array(packet.length + word.length + mki.length + tag.length)
    joined.set(packet)
    joined.set(word, packet.length)
    joined.set(mki, packet.length + word.length)
    joined.set(tag, packet.length + word.length + mki.length)
    return joined
  }
}

function readHeader(read: typeof readRtpHeader, packet: Uint8Array): PacketHeader {
  const header = { headerLength: 0, ssrc: 0, sequenceNumber: 0 }
  const fault = read(packet, header)
  if (fault !== undefined) throw new RangeError(`not a packet to protect: ${fault}`)
  return header
}
