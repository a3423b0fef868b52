import { createCipheriv } from 'node:crypto'

import type { SrtpMasterKey, SrtpSuite } from './srtp-keys.ts'
import { SUITES } from './suites.ts'

/** What session keys are for: SRTP and SRTCP have their own. */
export type PacketKind = 'rtp' | 'rtcp'

/** RFC 3711 4.3.1 and 4.3.2 */
export interface SessionKeys {
  readonly encryptionKey: Uint8Array
  /** 14 octets, 12 for AEAD. */
  readonly salt: Uint8Array
  /** 20 octets; empty for AEAD. */
  readonly authenticationKey: Uint8Array
}

/** RFC 3711 4.2.1: n_a */
const AUTHENTICATION_KEY_LENGTH = 20
const LABELS = {
  rtp: { encryption: 0, authentication: 1, salt: 2 },
  rtcp: { encryption: 3, authentication: 4, salt: 5 },
} as const

/**
 * The session keys of one master key.
 *
 * @param step packet index DIV key derivation rate; 0 without a rate. RFC 3711 4.3.1
 */
export function deriveSessionKeys(
  master: SrtpMasterKey,
  suite: SrtpSuite,
  kind: PacketKind,
  step: number,
): SessionKeys {
  const { mode, keyLength, saltLength } = SUITES[suite]
  const labels = LABELS[kind]
  return {
    encryptionKey: deriveKey(master, { label: labels.encryption, step, length: keyLength }),
    salt: deriveKey(master, { label: labels.salt, step, length: saltLength }),
    authenticationKey:
      mode === 'gcm'
        ? new Uint8Array(0)
        : deriveKey(master, { label: labels.authentication, step, length: AUTHENTICATION_KEY_LENGTH }),
  }
}

/**
 * The pseudo-random function of key derivation, AES in counter mode: RFC 3711 4.3.3, RFC 6188 3 (a master key of 32 octets),
 * RFC 7714 11 (a master salt of 12, which stands left in the 14 of the block).
 */
export function deriveKey(
  master: Pick<SrtpMasterKey, 'key' | 'salt'>,
  options: { readonly label: number; readonly step: number; readonly length: number },
): Uint8Array {
  // IV = (key_id XOR master_salt) * 2^16, and key_id = label || step, where the step has the 48 bits of an index.
  const iv = new Uint8Array(16)
  iv.set(master.salt)
  iv[7] = (iv[7] ?? 0) ^ options.label
  xorUint48(iv, 8, options.step)
  const cipher = createCipheriv(master.key.length === 16 ? 'aes-128-ctr' : 'aes-256-ctr', master.key, iv)
  return Uint8Array.from(cipher.update(new Uint8Array(options.length)))
}

/** Exclusive-or of six octets with a number below 2^48, as all counters and nonces of SRTP are made. */
export function xorUint48(bytes: Uint8Array, offset: number, value: number): void {
  const high = Math.floor(value / 0x1_0000_0000)
  bytes[offset] = (bytes[offset] ?? 0) ^ (high >>> 8)
  bytes[offset + 1] = (bytes[offset + 1] ?? 0) ^ (high & 0xff)
  xorUint32(bytes, offset + 2, value)
}

/** The same for four octets and the low 32 bits of a number. */
export function xorUint32(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = (bytes[offset] ?? 0) ^ ((value >>> 24) & 0xff)
  bytes[offset + 1] = (bytes[offset + 1] ?? 0) ^ ((value >>> 16) & 0xff)
  bytes[offset + 2] = (bytes[offset + 2] ?? 0) ^ ((value >>> 8) & 0xff)
  bytes[offset + 3] = (bytes[offset + 3] ?? 0) ^ (value & 0xff)
}
