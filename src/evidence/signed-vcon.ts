import { GeneralSign } from 'jose'

import type { SigningKey } from './signer-keys.ts'

/** What a vCon is signed with: the signer key, or an RSA key of 2048 bits or more. RFC 8037, RFC 7518 3.3 */
export interface VconKey {
  readonly algorithm: 'EdDSA' | 'RS256'
  readonly privateKey: SigningKey['privateKey']
}

/** A certificate of that key, and those that vouch for it. */
export interface VconCertificates {
  /** DER in base64, that of the key first. RFC 7515 4.1.6 */
  readonly x5c: readonly string[]
  /** Base64url, of the first. RFC 7515 4.1.8 */
  readonly sha256: string
}

/** The signed form of a vCon. draft-ietf-vcon-vcon-core-03 5.2 */
export interface SignedVcon {
  readonly payload: string
  readonly signatures: readonly {
    readonly header: { readonly alg: string; readonly x5c: readonly string[]; readonly uuid: string }
    readonly protected: string
    readonly signature: string
  }[]
}

/**
 * Signs a vCon: general JWS JSON serialization, with the chain in the unprotected header, as the draft demands. That it is this certificate is protected by its hash. The draft would
 * rather have RS256 than the EdDSA of a signer key.
 */
export async function signVcon(
  vcon: object,
  uuid: string,
  { key, certificates }: { readonly key: VconKey; readonly certificates: VconCertificates },
): Promise<SignedVcon> {
  const header = { alg: key.algorithm, x5c: [...certificates.x5c], uuid }
  const signed = await new GeneralSign(new TextEncoder().encode(JSON.stringify(vcon)))
    .addSignature(key.privateKey)
    // Names in both headers must be different ones. RFC 7515 7.2.1
    .setProtectedHeader({ cty: 'application/vcon', 'x5t#S256': certificates.sha256 })
    .setUnprotectedHeader(header)
    .sign()
  const signatures = signed.signatures.map(({ protected: covered = '', signature }) => ({
    ...{ header, signature },
    protected: covered,
  }))
  return { payload: signed.payload, signatures }
}
