/** RFC 4568 6.2, RFC 6188, RFC 7714. */
export type SrtpSuite =
  | 'AES_CM_128_HMAC_SHA1_80'
  | 'AES_CM_128_HMAC_SHA1_32'
  | 'AES_256_CM_HMAC_SHA1_80'
  | 'AES_256_CM_HMAC_SHA1_32'
  | 'AEAD_AES_128_GCM'
  | 'AEAD_AES_256_GCM'

/** RFC 3711 3.2.1, 8.1 */
export interface SrtpMasterKey {
  /** 16 or 32 octets, as the suite asks. */
  readonly key: Uint8Array
  /** 14 octets, 12 for AEAD. */
  readonly salt: Uint8Array
  /** The master key identifier that ends each packet under this key; empty without. RFC 3711 3.1 */
  readonly mki: Uint8Array
}

/** The SRC's keys for one media stream, as agreed in offer and answer. RFC 4568 6, RFC 7714 14.2. Never for logs. */
export interface SrtpKeys {
  readonly suite: SrtpSuite
  /** One, or several of distinct MKIs of the same length. */
  readonly masterKeys: readonly SrtpMasterKey[]
  /** Session parameters of RFC 4568 6.3; a client that sends none protects everything. */
  readonly unencryptedSrtp: boolean
  readonly unencryptedSrtcp: boolean
  readonly unauthenticatedSrtp: boolean
  /** RFC 4568 6.3.1, RFC 3711 4.3.1: session keys change every so many packets, a power of two; 0 or absent: they never do. */
  readonly keyDerivationRate?: number
}
