import { isUuidV7 } from '../../ids.ts'
import { accepted, rejected, type Result } from '../../result.ts'
import type { SigningKey, VerifyKey } from '../signer-keys.ts'
import { fromBase64, toBase64 } from './base64.ts'
import { checkNote, noteKeyId, parseNote, signNote, signatureLine, type SignedNote } from './signed-note.ts'

/** How much of a log there was at a time, and its root: C2SP `tlog-checkpoint`. FORMAT.md 5 */
export interface Checkpoint {
  readonly logId: string
  readonly size: number
  readonly root: Uint8Array
  /** RFC 3339 in UTC with milliseconds. */
  readonly at: string
}

/**
 * `tooLarge`, `notNote`: no signed note. `notCheckpoint`: not the four lines of format 1. `signerUnknown`: no signature of a trusted key is under it.
 * `forged`: one bears the name of a trusted key and is not by it.
 */
export type CheckpointRejectReason = 'tooLarge' | 'notNote' | 'notCheckpoint' | 'signerUnknown' | 'forged'

const TEXT =
  /^earwitness\/([0-9a-f-]{36})\n(0|[1-9]\d{0,15})\n([A-Za-z0-9+/]{43}=)\ntime (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)\n$/

/** First line of a checkpoint, and name of the key under it. */
export function checkpointOrigin(logId: string): string {
  return `earwitness/${logId}`
}

/** Signs a checkpoint; the result is a whole signed note. */
export function signCheckpoint(
  { logId, size, root, at }: Checkpoint,
  signer: { readonly signingKey: SigningKey; readonly verifyKey: VerifyKey },
): Promise<string> {
  const origin = checkpointOrigin(logId)
  return signNote(`${origin}\n${size}\n${toBase64(root)}\ntime ${at}\n`, origin, signer)
}

/** Reads a checkpoint *without* checking who signed it. */
export function decodeCheckpoint(
  text: string,
): Result<{ readonly checkpoint: Checkpoint; readonly note: SignedNote }, CheckpointRejectReason> {
  const note = parseNote(text)
  if (!note.ok) return note
  const [, logId = '', size = '', rootText = '', at = ''] = TEXT.exec(note.value.text) ?? []
  const root = fromBase64(rootText)
  const isWhole = isUuidV7(logId) && root !== undefined && Number.isSafeInteger(Number(size))
  if (!isWhole || Number.isNaN(Date.parse(at))) return rejected('notCheckpoint')
  return accepted({ checkpoint: { logId, size: Number(size), root, at }, note: note.value })
}

/** Reads a checkpoint and checks its signature against the keys that are trusted. Never throws. */
export async function readCheckpoint(
  text: string,
  keys: readonly VerifyKey[],
): Promise<Result<Checkpoint, CheckpointRejectReason>> {
  const decoded = decodeCheckpoint(text)
  if (!decoded.ok) return decoded
  const { checkpoint, note } = decoded.value
  const signature = await checkNote(note, checkpointOrigin(checkpoint.logId), keys)
  return signature.ok ? accepted(checkpoint) : signature
}

/** A checkpoint that `key` has signed, without the lines of anybody else. */
export async function onlySignedBy(
  key: VerifyKey,
  { note, logId }: { readonly note: SignedNote; readonly logId: string },
): Promise<string> {
  const origin = checkpointOrigin(logId)
  const id = await noteKeyId(origin, key)
  const line = note.signatures.find(({ name, keyId }) => name === origin && keyId === id)
  return `${note.text}\n${line === undefined ? '' : signatureLine(line)}`
}
