/** One packet as a transform sees it; `packet` itself is never changed. */
export interface PacketParts {
  readonly packet: Uint8Array
  /** Octets at its beginning that are never encrypted. */
  readonly headerLength: number
  /** Where the encrypted part ends: with the tag of AEAD in it when it is opened, without when it is sealed. */
  readonly bodyEnd: number
  readonly ssrc: number
  /** Below 2^48: ROC and sequence number, or the SRTCP index. RFC 3711 3.3.1, 3.4 */
  readonly index: number
  readonly isEncrypted: boolean
  /** What is authenticated behind the body: the ROC of SRTP (RFC 3711 4.2), E flag and index of SRTCP (3.4). 32 bits. */
  readonly word: number
}

/** What a packet looks like when it is protected. */
export interface SealedParts {
  /** Header and body, with the tag of AEAD at its end. */
  readonly packet: Uint8Array
  /** What comes behind the MKI; empty for AEAD, and without authentication. */
  readonly tag: Uint8Array
}

/** The session keys of SRTP or of SRTCP at work. Never throws on what was received. */
export interface PacketCipher {
  /**
   * Header and body in clear, or undefined when the packet is not authentic. Nothing is decrypted before that is known. The octets
   * are lent: the next packet may be written over them.
   *
   * @param tagStart where the octets behind the MKI begin
   */
  open(parts: PacketParts, tagStart: number): Uint8Array | undefined
  /** Lent, too. */
  seal(parts: PacketParts): SealedParts
}
