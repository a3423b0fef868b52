import { accepted, rejected, type Result } from '../../result.ts'
import type { VerifyKey } from '../signer-keys.ts'
import { fromBase64, toBase64 } from './base64.ts'
import { keyIdOf, rawKeyOf } from './signed-note.ts'

/** The key of a witness, `NAME+KEYID+KEY`: a verifier key of C2SP `signed-note`, of the kind of `tlog-cosignature`. This is the only place that knows what it looks like. FORMAT.md 5 */

/** Of a key that signs cosignature/v1. */
export const KIND_COSIGNATURE = 4
const KEY_BYTES = 32
const NAME = '[^\\s+]{1,200}'
const WITNESS_NAME = new RegExp(`^${NAME}$`, 'u')
/** 33 bytes are 44 characters. */
const WITNESS_KEY = new RegExp(`^(${NAME})\\+([0-9a-f]{8})\\+([A-Za-z0-9+/]{44})$`, 'u')

/** A witness that is trusted. */
export interface WitnessKey {
  /** At most 200 characters. */
  readonly name: string
  /** Eight hex digits. */
  readonly keyId: string
  readonly publicKey: VerifyKey['publicKey']
}

/** Whether a witness can bear it: it stands in signature lines, without a blank or a plus. */
export function isWitnessName(name: string): boolean {
  return WITNESS_NAME.test(name)
}

/** Whether it looks like the key of a witness; {@link readWitnessKey} says whether it is one. */
export function isWitnessKeyForm(text: string): boolean {
  return WITNESS_KEY.test(text.trim())
}

/** Reads a verifier key; its id tells when something in it was changed. */
export async function readWitnessKey(text: string): Promise<Result<WitnessKey, 'notWitnessKey'>> {
  const [, name = '', keyId = '', encoded = ''] = WITNESS_KEY.exec(text.trim()) ?? []
  const blob = fromBase64(encoded)
  if (blob?.length !== 1 + KEY_BYTES || blob[0] !== KIND_COSIGNATURE) return rejected('notWitnessKey')
  const raw = blob.slice(1)
  if ((await keyIdOf(name, KIND_COSIGNATURE, raw)) !== keyId) return rejected('notWitnessKey')
  try {
    const publicKey = await globalThis.crypto.subtle.importKey('raw', raw, 'Ed25519', true, ['verify'])
    return accepted({ name, keyId, publicKey })
  } catch {
    return rejected('notWitnessKey')
  }
}

/** To be handed to whoever trusts the witness. */
export async function writeWitnessKey(name: string, { publicKey }: Pick<VerifyKey, 'publicKey'>): Promise<string> {
  const raw = await rawKeyOf(publicKey)
  const keyId = await keyIdOf(name, KIND_COSIGNATURE, raw)
  return `${name}+${keyId}+${toBase64(Uint8Array.from([KIND_COSIGNATURE, ...raw]))}`
}
