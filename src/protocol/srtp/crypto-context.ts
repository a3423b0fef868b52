import type { PacketKind } from './key-derivation.ts'
import { MasterKey, tagLengthOf } from './master-key.ts'
import type { PacketParts } from './packet-cipher.ts'
import type { PacketHeader } from './packet-header.ts'
import { SourceTable } from './source-table.ts'
import type { SrtpKeys } from './srtp-keys.ts'
import { AEAD_TAG_LENGTH, areSameOctets, findKeyFault, SUITES } from './suites.ts'

/** A protected packet, and what is found of it step by step; the same object serves for the next packet. */
export interface PacketUnderWay extends PacketHeader, PacketParts {
  packet: Uint8Array
  headerLength: number
  ssrc: number
  bodyEnd: number
  /** End of the MKI. */
  tagStart: number
  index: number
  isEncrypted: boolean
  word: number
}

/** SRTCP carries E flag and index behind the body. RFC 3711 3.4 */
export const SRTCP_WORD_LENGTH = 4

/**
 * The keys of one offer, and what has been received under them. RFC 3711 3.2
 *
 * @throws RangeError for keys with which `findKeyFault` finds a fault: whoever read them has to ask it
 */
export class CryptoContext {
  readonly keys: SrtpKeys
  readonly sources: Readonly<Record<PacketKind, SourceTable>> = { rtp: new SourceTable(), rtcp: new SourceTable() }
  /** Monotonic microseconds; Infinity for the keys in force. */
  expiresUs = Infinity
  readonly #masters: readonly [MasterKey, ...MasterKey[]]
  readonly #mkiLength: number

  constructor(keys: SrtpKeys) {
    const fault = findKeyFault(keys)
    const [first, ...others] = keys.masterKeys.map((master) => new MasterKey(keys, master))
    if (fault !== undefined || first === undefined) throw new RangeError(`these are no SRTP keys: ${fault ?? ''}`)
    this.keys = keys
    this.#masters = [first, ...others]
    this.#mkiLength = first.mki.length
  }

  /** The key that we send under. */
  get firstMaster(): MasterKey {
    return this.#masters[0]
  }

  /** False where SDP says that packets carry no tag: then nothing about them is certain. RFC 4568 6.3.3 */
  get isRtpAuthenticated(): boolean {
    return SUITES[this.keys.suite].mode === 'gcm' || !this.keys.unauthenticatedSrtp
  }

  /** Gives the key of a packet by its MKI, or what is wrong, and notes where its parts end. RFC 3711 3.1, 3.4; RFC 7714 8.2, 9 */
  split(underWay: PacketUnderWay, kind: PacketKind): MasterKey | 'short' | 'mki' {
    const { packet } = underWay
    const tagStart = packet.length - tagLengthOf(this.keys, kind)
    const mkiStart = tagStart - this.#mkiLength
    underWay.tagStart = tagStart
    underWay.bodyEnd = mkiStart - (kind === 'rtcp' ? SRTCP_WORD_LENGTH : 0)
    const insideLength = SUITES[this.keys.suite].mode === 'gcm' ? AEAD_TAG_LENGTH : 0
    if (underWay.bodyEnd - insideLength < underWay.headerLength) return 'short'
    if (this.#mkiLength === 0) return this.#masters[0]
    return this.#findMaster(packet.subarray(mkiStart, tagStart)) ?? 'mki'
  }

  #findMaster(mki: Uint8Array): MasterKey | undefined {
    return this.#masters.find((master) => areSameOctets(master.mki, mki))
  }
}
