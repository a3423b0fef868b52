import { base64url, exportJWK } from 'jose'

import { accepted, rejected, type Result } from '../../result.ts'
import type { SigningKey, VerifyKey } from '../signer-keys.ts'
import { sha256Hex } from '../web-digest.ts'
import { fromBase64, toBase64 } from './base64.ts'

/** Text with signatures under it: C2SP `signed-note`. Of the kinds of signatures, Ed25519 (0x01) is written and checked here, that of witnesses (0x04) in `cosignature`. */

/** Longest note that is read, in characters. */
export const NOTE_LENGTH_MAX = 65_536
/** Signatures under one note. */
export const NOTE_SIGNATURES_MAX = 100

const KIND_ED25519 = 1
const KEY_ID_BYTES = 4
const SIGNATURE_LINE = /^\u2014 ([^\s+]+) ([A-Za-z0-9+/]+={0,2})$/u

export interface NoteSignature {
  /** Name of the key. */
  readonly name: string
  /** Eight hex digits. */
  readonly keyId: string
  readonly signature: Uint8Array
}

export interface SignedNote {
  /** What is signed; ends with LF. */
  readonly text: string
  readonly signatures: readonly NoteSignature[]
}

export type NoteRejectReason = 'tooLarge' | 'notNote'

/** Takes a note apart; no signature is checked. */
export function parseNote(note: string): Result<SignedNote, NoteRejectReason> {
  if (note.length > NOTE_LENGTH_MAX) return rejected('tooLarge')
  // Control characters other than LF are not allowed, nor is text that is not well-formed.
  // oxlint-disable-next-line no-control-regex -- these are what is looked for
  if (/[\u0000-\u0009\u000b-\u001f]/.test(note) || !note.isWellFormed()) return rejected('notNote')
  const split = note.lastIndexOf('\n\n')
  if (split < 0 || !note.endsWith('\n')) return rejected('notNote')
  const lines = note.slice(split + 2)
  const lineCount = lines.split('\n').length - 1
  if (lineCount > NOTE_SIGNATURES_MAX) return rejected('tooLarge')
  const signatures = findSignatureLines(lines)
  const isNote = lineCount > 0 && signatures.length === lineCount
  return isNote ? accepted({ text: note.slice(0, split + 1), signatures }) : rejected('notNote')
}

/** The signature lines among others; each ends with LF. */
export function findSignatureLines(text: string): readonly NoteSignature[] {
  const lines = text.split('\n').slice(0, -1)
  return lines.map(parseSignature).filter((signature) => signature !== undefined)
}

/**
 * Signs `text` under the key name `name`. Throws a TypeError for a text that does not end with LF and for a name with a blank or a plus: nobody could
 * read that.
 */
export async function signNote(
  text: string,
  name: string,
  signer: { readonly signingKey: SigningKey; readonly verifyKey: VerifyKey },
): Promise<string> {
  if (!text.endsWith('\n') || !/^[^\s+]+$/u.test(name))
    throw new TypeError('This is no text or no name for a signed note.')
  const { signingKey, verifyKey } = signer
  const bytes = new TextEncoder().encode(text)
  const signature = await globalThis.crypto.subtle.sign('Ed25519', signingKey.privateKey, bytes)
  const keyId = await noteKeyId(name, verifyKey)
  return `${text}\n${signatureLine({ name, keyId, signature: new Uint8Array(signature) })}`
}

/** As it stands under a note, with its LF. */
export function signatureLine({ name, keyId, signature }: NoteSignature): string {
  return `\u2014 ${name} ${toBase64(Uint8Array.from([...bytesOfHex(keyId), ...signature]))}\n`
}

/**
 * Looks for a signature under `name` by one of `keys`, and gives the fingerprint of that key. Signatures of others are passed over. `forged`: one that
 * bears the name and id of a trusted key is not by it.
 */
export async function checkNote(
  note: SignedNote,
  name: string,
  keys: readonly VerifyKey[],
): Promise<Result<string, 'signerUnknown' | 'forged'>> {
  const bytes = new TextEncoder().encode(note.text)
  let signer: string | undefined
  for (const key of keys) {
    const keyId = await noteKeyId(name, key)
    for (const { signature } of note.signatures.filter((line) => line.name === name && line.keyId === keyId)) {
      const isRight = await globalThis.crypto.subtle
        .verify('Ed25519', key.publicKey, Uint8Array.from(signature), bytes)
        .catch(() => false)
      if (!isRight) return rejected('forged')
      signer ??= key.keyId
    }
  }
  return signer === undefined ? rejected('signerUnknown') : accepted(signer)
}

/** The id of a key under a name: the first four bytes of SHA-256(name LF 0x01 key), as hex. */
export async function noteKeyId(name: string, { publicKey }: VerifyKey): Promise<string> {
  return keyIdOf(name, KIND_ED25519, await rawKeyOf(publicKey))
}

/** The id of a key of some kind: the first four bytes of SHA-256(name LF kind key), as hex. */
export async function keyIdOf(name: string, kind: number, key: Uint8Array): Promise<string> {
  const named = new TextEncoder().encode(`${name}\n`)
  const hash = await sha256Hex(Uint8Array.from([...named, kind, ...key]))
  return hash.slice(0, 2 * KEY_ID_BYTES)
}

/** The 32 bytes of a public key. */
export async function rawKeyOf(publicKey: VerifyKey['publicKey']): Promise<Uint8Array> {
  const { x } = await exportJWK(publicKey)
  return base64url.decode(x ?? '')
}

function parseSignature(line: string): NoteSignature | undefined {
  const [, name, encoded] = SIGNATURE_LINE.exec(line) ?? []
  const blob = encoded === undefined ? undefined : fromBase64(encoded)
  if (name === undefined || blob === undefined || blob.length <= KEY_ID_BYTES) return undefined
  return { name, keyId: hexOf(blob.subarray(0, KEY_ID_BYTES)), signature: blob.slice(KEY_ID_BYTES) }
}

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

function bytesOfHex(hex: string): number[] {
  return Array.from(hex.matchAll(/../g), ([byte]) => Number.parseInt(byte, 16))
}
