import { accepted, rejected, type Result } from '../result.ts'
import { checkSignature, decodeSignedJson, signJson } from './signed-json.ts'
import type { SigningKey, VerifyKey } from './signer-keys.ts'

/** A kind of signed canonical JSON: manifest, statement, consent event or custody record. */
export interface DocumentKind {
  /** For people: "manifest". */
  readonly what: string
  /** Of its member `format`. */
  readonly format: string
  /** `typ` of the protected header: a signature of one kind can never pass for that of another. RFC 8725 3.11 */
  readonly type: string
  /** Longest compact JWS. */
  readonly lengthMax: number
  /** Where a value is not of the shape of its format, or undefined. */
  readonly findFault: (value: unknown) => string | undefined
}

/**
 * `notJws`: not three Base64url parts with the header of the kind. `format`: a version this software does not know. `notCanonical`, `shape`: the payload is not what the format asks for
 * (`detail` says where). `signerUnknown`: none of the keys is the one it names. `forged`: the signature does not belong to this text.
 */
export type DocumentRejectReason =
  | 'tooLarge'
  | 'notJws'
  | 'notCanonical'
  | 'format'
  | 'shape'
  | 'signerUnknown'
  | 'forged'

/** What one says and whose it claims to be. */
export interface SignedDocument<Body> {
  readonly keyId: string
  readonly body: Body
}

/**
 * Signs one: a compact JWS over its canonical JSON, without a line break. Its member `format` is that of the kind, whatever `body` has there.
 *
 * Throws a TypeError when it is not of the shape of its format or too long: nobody must sign what no verifier accepts.
 */
export async function signDocument(body: object, kind: DocumentKind, signer: SigningKey): Promise<string> {
  const document = { ...body, format: kind.format }
  const fault = kind.findFault(document)
  if (fault !== undefined) throw new TypeError(`The ${kind.what} is not of format 1 at ${fault}.`)
  const jws = await signJson(document, kind.type, signer)
  if (jws.length > kind.lengthMax) throw new TypeError(`The ${kind.what} is too long.`)
  return jws
}

/** Reads one *without* checking who signed it. `Body` is what `kind` finds no fault with. */
export function decodeDocument<Body>(
  jws: string,
  kind: DocumentKind,
): Result<SignedDocument<Body>, DocumentRejectReason> {
  if (jws.length > kind.lengthMax) return rejected('tooLarge')
  const decoded = decodeSignedJson(jws, kind.type)
  if (!decoded.ok) return decoded
  const { keyId, value } = decoded.value
  const format: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, 'format') : undefined
  if (format !== kind.format) return rejected('format')
  const fault = kind.findFault(value)
  return fault === undefined ? accepted({ keyId, body: value as Body }) : rejected('shape', fault)
}

/** Reads one and checks its signature against the keys that are trusted. Never throws. */
export async function readDocument<Body>(
  jws: string,
  kind: DocumentKind,
  keys: readonly VerifyKey[],
): Promise<Result<SignedDocument<Body>, DocumentRejectReason>> {
  const decoded = decodeDocument<Body>(jws, kind)
  if (!decoded.ok) return decoded
  const signature = await checkSignature(jws, decoded.value.keyId, keys)
  return signature.ok ? decoded : signature
}
