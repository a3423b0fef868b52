import type { SrtpKeys, SrtpMasterKey, SrtpSuite } from '../../src/protocol/srtp/srtp-keys.ts'
import { SUITES } from '../../src/protocol/srtp/suites.ts'

export const ALL_SUITES = Object.keys(SUITES) as readonly SrtpSuite[]

export function fromHex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'hex'))
}

/** A master key of the right lengths whose octets follow from `seed`. */
export function masterKeyOf(suite: SrtpSuite, seed: number, mki = new Uint8Array(0)): SrtpMasterKey {
  const octets = (length: number, salt: number): Uint8Array =>
    Uint8Array.from({ length }, (_, index) => (seed * 31 + index * 7 + salt) & 0xff)
  return { key: octets(SUITES[suite].keyLength, 1), salt: octets(SUITES[suite].saltLength, 101), mki }
}

/** Keys of one master key, protecting everything unless `options` say otherwise. */
export function keysOf(suite: SrtpSuite, options: Partial<SrtpKeys> & { readonly seed?: number } = {}): SrtpKeys {
  const { seed = 1, ...rest } = options
  return {
    suite,
    masterKeys: [masterKeyOf(suite, seed)],
    unencryptedSrtp: false,
    unencryptedSrtcp: false,
    unauthenticatedSrtp: false,
    ...rest,
  }
}
