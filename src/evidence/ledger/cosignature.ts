import { accepted, rejected, type Result } from '../../result.ts'
import type { SigningKey, VerifyKey } from '../signer-keys.ts'
import {
  findSignatureLines,
  keyIdOf,
  NOTE_LENGTH_MAX,
  NOTE_SIGNATURES_MAX,
  rawKeyOf,
  signatureLine,
  type NoteSignature,
} from './signed-note.ts'
import { KIND_COSIGNATURE, type WitnessKey } from './witness-key.ts'

/** What a witness signs under a checkpoint: that of the logs it knows this one only ever grew. C2SP `tlog-cosignature` (cosignature/v1). FORMAT.md 5 */

const TIME_BYTES = 8
const SIGNATURE_BYTES = 64

/** A cosignature by a trusted witness. */
export interface Cosigned {
  readonly witness: string
  /** Of its key: two witnesses may bear one name. */
  readonly keyId: string
  /** When it looked, by its clock. RFC 3339 */
  readonly at: string
}

/** The newest checkpoint under which a trusted witness has signed. */
export interface WitnessedCheckpoint extends Cosigned {
  readonly size: number
}

/**
 * Signs the text of a checkpoint as a witness; gives the line that belongs under it.
 *
 * @param text of the note, which ends with LF
 */
export async function cosign(
  text: string,
  witness: {
    readonly name: string
    readonly signingKey: SigningKey
    readonly verifyKey: VerifyKey
    readonly nowUnixMs: number
  },
): Promise<string> {
  const { name, signingKey, verifyKey, nowUnixMs } = witness
  const seconds = Math.floor(nowUnixMs / 1_000)
  const signed = await globalThis.crypto.subtle.sign('Ed25519', signingKey.privateKey, messageOf(text, seconds))
  const keyId = await keyIdOf(name, KIND_COSIGNATURE, await rawKeyOf(verifyKey.publicKey))
  const time = new DataView(new ArrayBuffer(TIME_BYTES))
  time.setBigUint64(0, BigInt(seconds))
  const signature = Uint8Array.from([...new Uint8Array(time.buffer), ...new Uint8Array(signed)])
  return signatureLine({ name, keyId, signature })
}

/**
 * Looks for cosignatures by `witnesses` among signature lines. Whatever stands in other lines is passed over: one witness must not be able to spoil what another has
 * signed. `unreadable`: not one line is a signature line. `forged`: one that bears the name and id of a trusted witness is not by it.
 *
 * @param text of the note that they are under
 * @param lines each ends with LF
 */
export async function checkCosignatures(
  text: string,
  lines: string,
  witnesses: readonly WitnessKey[],
): Promise<Result<readonly Cosigned[], 'unreadable' | 'forged'>> {
  const signatures = lines.length > NOTE_LENGTH_MAX ? [] : findSignatureLines(lines)
  if (signatures.length === 0) return rejected('unreadable')
  const found: Cosigned[] = []
  for (const witness of witnesses) {
    for (const signature of signatures.filter(isNamed(witness))) {
      const at = await timeOfCosignature(text, signature, witness)
      if (at === undefined) return rejected('forged')
      found.push({ witness: witness.name, keyId: witness.keyId, at })
    }
  }
  return accepted(found)
}

/** The one line by `witness` in its answer, in canonical form, and nothing else of what it may have written; undefined when there is none that is right. */
export async function findCosignature(text: string, answer: string, witness: WitnessKey): Promise<string | undefined> {
  if (answer.length > NOTE_LENGTH_MAX) return undefined
  for (const signature of findSignatureLines(answer).filter(isNamed(witness)).slice(0, NOTE_SIGNATURES_MAX)) {
    if ((await timeOfCosignature(text, signature, witness)) !== undefined) return signatureLine(signature)
  }
  return undefined
}

function isNamed(witness: WitnessKey): (signature: NoteSignature) => boolean {
  return ({ name, keyId }) => name === witness.name && keyId === witness.keyId
}

async function timeOfCosignature(
  text: string,
  { signature }: NoteSignature,
  { publicKey }: WitnessKey,
): Promise<string | undefined> {
  if (signature.length !== TIME_BYTES + SIGNATURE_BYTES) return undefined
  const seconds = Number(new DataView(signature.slice(0, TIME_BYTES).buffer).getBigUint64(0))
  const at = new Date(seconds * 1_000)
  if (Number.isNaN(at.getTime())) return undefined
  const isRight = await globalThis.crypto.subtle
    .verify('Ed25519', publicKey, Uint8Array.from(signature.subarray(TIME_BYTES)), messageOf(text, seconds))
    .catch(() => false)
  return isRight ? at.toISOString() : undefined
}

function messageOf(text: string, seconds: number): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`cosignature/v1\ntime ${seconds}\n${text}`)
}
