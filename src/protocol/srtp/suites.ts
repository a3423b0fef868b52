import type { SrtpKeys, SrtpSuite } from './srtp-keys.ts'

/** What a crypto suite fixes. All lengths are octets. */
export interface SuiteParameters {
  /** `counter`: AES-CM with HMAC-SHA1 (RFC 3711 4.1.1, 4.2.1). `gcm`: AEAD (RFC 7714). */
  readonly mode: 'counter' | 'gcm'
  /** Of the master key and of the encryption key alike. */
  readonly keyLength: 16 | 32
  /** Of the master salt and of the session salt alike. */
  readonly saltLength: 12 | 14
  /** The tag behind an SRTP packet; 0 for AEAD, whose tag ends the ciphertext. */
  readonly rtpTagLength: number
  /** The tag behind an SRTCP packet. It is never shortened to 32 bits: RFC 4568 6.2.2, RFC 6188 4. */
  readonly rtcpTagLength: number
}

/** Of the tag that ends the ciphertext of AEAD. RFC 7714 13.2 */
export const AEAD_TAG_LENGTH = 16

const counter = (keyLength: 16 | 32, rtpTagLength: number): SuiteParameters => ({
  mode: 'counter',
  keyLength,
  saltLength: 14,
  rtpTagLength,
  rtcpTagLength: 10,
})
const gcm = (keyLength: 16 | 32): SuiteParameters => ({
  mode: 'gcm',
  keyLength,
  saltLength: 12,
  rtpTagLength: 0,
  rtcpTagLength: 0,
})

/** RFC 4568 6.2, RFC 6188 4, RFC 7714 12. */
export const SUITES: Readonly<Record<SrtpSuite, SuiteParameters>> = {
  AES_CM_128_HMAC_SHA1_80: counter(16, 10),
  AES_CM_128_HMAC_SHA1_32: counter(16, 4),
  AES_256_CM_HMAC_SHA1_80: counter(32, 10),
  AES_256_CM_HMAC_SHA1_32: counter(32, 4),
  AEAD_AES_128_GCM: gcm(16),
  AEAD_AES_256_GCM: gcm(32),
}

/** Longest master key identifier. RFC 4568 6.1 */
export const MKI_LENGTH_MAX = 128
/** Greatest power of two that a key derivation rate may be. RFC 4568 6.3.1 */
const RATE_EXPONENT_MAX = 24

/**
 * What is wrong with keys, without a word of theirs; undefined when nothing is. Whoever reads keys from a description has
 * to ask before they are used: SRTP takes no others.
 */
export function findKeyFault(keys: SrtpKeys): string | undefined {
  const { keyLength, saltLength } = SUITES[keys.suite]
  const [first] = keys.masterKeys
  if (first === undefined) return 'no master key'
  if (keys.masterKeys.some(({ key }) => key.length !== keyLength)) return 'length of a master key'
  if (keys.masterKeys.some(({ salt }) => salt.length !== saltLength)) return 'length of a master salt'
  if (keys.masterKeys.some(({ mki }) => mki.length !== first.mki.length)) return 'identifiers of different lengths'
  if (first.mki.length > MKI_LENGTH_MAX) return 'length of an identifier'
  const identifiers = new Set(keys.masterKeys.map(({ mki }) => mki.join()))
  if (identifiers.size !== keys.masterKeys.length) return 'an identifier given twice'
  const exponent = Math.log2(keys.keyDerivationRate ?? 0)
  if (exponent !== -Infinity && !(Number.isInteger(exponent) && exponent >= 0 && exponent <= RATE_EXPONENT_MAX)) {
    return 'key derivation rate'
  }
  return undefined
}

/** True when a new offer repeats the keys of the last one, as most do: nothing changes then, least of all an index. */
export function areSameKeys(left: SrtpKeys, right: SrtpKeys): boolean {
  return (
    left.suite === right.suite &&
    left.unencryptedSrtp === right.unencryptedSrtp &&
    left.unencryptedSrtcp === right.unencryptedSrtcp &&
    left.unauthenticatedSrtp === right.unauthenticatedSrtp &&
    (left.keyDerivationRate ?? 0) === (right.keyDerivationRate ?? 0) &&
    left.masterKeys.length === right.masterKeys.length &&
    left.masterKeys.every((master, index) => {
      const other = right.masterKeys[index]
      return (
        other !== undefined &&
        areSameOctets(master.key, other.key) &&
        areSameOctets(master.salt, other.salt) &&
        areSameOctets(master.mki, other.mki)
      )
    })
  )
}

/** Not for tags: it stops at the first difference. */
export function areSameOctets(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((octet, index) => octet === right[index])
}

/** How packets are protected, in the words of SDP: the suite, and what of it is left out. RFC 4568 6.3 */
export function describeProtection(keys: SrtpKeys): string {
  return [
    keys.suite,
    ...(keys.unencryptedSrtp ? ['UNENCRYPTED_SRTP'] : []),
    ...(keys.unauthenticatedSrtp ? ['UNAUTHENTICATED_SRTP'] : []),
  ].join(' ')
}
