import { AeadCipher } from './aead-cipher.ts'
import { CounterCipher } from './counter-cipher.ts'
import { deriveSessionKeys, type PacketKind } from './key-derivation.ts'
import type { PacketCipher, PacketParts, SealedParts } from './packet-cipher.ts'
import type { SrtpKeys, SrtpMasterKey } from './srtp-keys.ts'
import { SUITES } from './suites.ts'

/** Session keys kept for each kind of packet; more than one only while a key derivation rate changes them. RFC 3711 4.3.1 */
const SESSION_KEYS_MAX = 2

interface KeptCipher {
  readonly step: number
  readonly cipher: PacketCipher
}

/** One master key with the session keys derived from it. RFC 3711 3.2.1, 4.3 */
export class MasterKey {
  readonly mki: Uint8Array
  readonly #keys: SrtpKeys
  readonly #master: SrtpMasterKey
  readonly #rate: number
  /** The one used last is first. */
  readonly #kept: Record<PacketKind, KeptCipher[]> = { rtp: [], rtcp: [] }

  constructor(keys: SrtpKeys, master: SrtpMasterKey) {
    this.#keys = keys
    this.#master = master
    this.#rate = keys.keyDerivationRate ?? 0
    this.mki = master.mki
  }

  open(kind: PacketKind, parts: PacketParts, tagStart: number): Uint8Array | undefined {
    const step = this.#stepOf(parts.index)
    const kept = this.#find(kind, step)
    const cipher = kept ?? this.#derive(kind, step)
    const opened = cipher.open(parts, tagStart)
    // With a rate, any forged index asks for keys of its own: those that fit nothing are not kept.
    if (kept === undefined && (opened !== undefined || this.#rate === 0)) this.#keep(kind, { step, cipher })
    return opened
  }

  seal(kind: PacketKind, parts: PacketParts): SealedParts {
    const step = this.#stepOf(parts.index)
    const kept = this.#find(kind, step)
    const cipher = kept ?? this.#derive(kind, step)
    if (kept === undefined) this.#keep(kind, { step, cipher })
    return cipher.seal(parts)
  }

  #stepOf(index: number): number {
    return this.#rate === 0 ? 0 : Math.floor(index / this.#rate)
  }

  #find(kind: PacketKind, step: number): PacketCipher | undefined {
    for (const kept of this.#kept[kind]) if (kept.step === step) return kept.cipher
    return undefined
  }

  #keep(kind: PacketKind, cipher: KeptCipher): void {
    this.#kept[kind] = [cipher, ...this.#kept[kind]].slice(0, SESSION_KEYS_MAX)
  }

  #derive(kind: PacketKind, step: number): PacketCipher {
    const { suite } = this.#keys
    const sessionKeys = deriveSessionKeys(this.#master, suite, kind, step)
    return SUITES[suite].mode === 'gcm'
      ? new AeadCipher(sessionKeys, kind)
      : new CounterCipher(sessionKeys, kind, tagLengthOf(this.#keys, kind))
  }
}

/** Octets of the tag behind the MKI. SRTCP is always authenticated: RFC 3711 3.4, RFC 4568 6.3.3 */
export function tagLengthOf({ suite, unauthenticatedSrtp }: SrtpKeys, kind: PacketKind): number {
  const { rtpTagLength, rtcpTagLength } = SUITES[suite]
  if (kind === 'rtcp') return rtcpTagLength
  return unauthenticatedSrtp ? 0 : rtpTagLength
}
