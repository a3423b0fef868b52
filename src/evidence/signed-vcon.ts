import { GeneralSign } from 'jose'

import { SIGNATURE_ALGORITHM, type SigningKey } from './signer-keys.ts'

/** A certificate of the signer key, and those that vouch for it. */
export interface SignerCertificates {
  /** DER in base64, that of the signer key first. RFC 7515 4.1.6 */
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
 * rather have RS256; EdDSA (RFC 8037) is the only algorithm of a signer key.
 */
export async function signVcon(
  vcon: object,
  uuid: string,
  { signer, certificates }: { readonly signer: SigningKey; readonly certificates: SignerCertificates },
): Promise<SignedVcon> {
  const header = { alg: SIGNATURE_ALGORITHM, x5c: [...certificates.x5c], uuid }
  const signed = await new GeneralSign(new TextEncoder().encode(JSON.stringify(vcon)))
    .addSignature(signer.privateKey)
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
