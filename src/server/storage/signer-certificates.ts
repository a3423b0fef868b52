import { createHash, createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'

import { importPKCS8 } from 'jose'

import { EarwitnessError } from '../../errors.ts'
import type { VconCertificates, VconKey } from '../../evidence/signed-vcon.ts'
import { KEY_FILE_BYTES_MAX } from './key-files.ts'

/** Of a chain; those that there are have two to four. */
export const CERTIFICATES_MAX = 10
const PEM = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

/** RFC 7518 3.3 */
const RSA_BITS_MIN = 2048

/**
 * Reads an RSA key that a vCon is signed with in the place of the signer key: PEM, not encrypted.
 *
 * @throws EarwitnessError `certificate-key-invalid`, `certificate-unreadable`
 */
export async function loadRsaKey(file: string): Promise<{ readonly key: VconKey; readonly publicKey: KeyObject }> {
  const pem = await readPem(file, 'key', 'signer.certificateKeyFile')
  const key = rsaKeyOf(pem)
  if (key === undefined || (key.asymmetricKeyDetails?.modulusLength ?? 0) < RSA_BITS_MIN) {
    throw new EarwitnessError(
      'certificate-key-invalid',
      `This is no private RSA key of ${RSA_BITS_MIN} bits or more: ${file}`,
      'It must be an unencrypted PEM file; `openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072` writes one. Without signer.certificateKeyFile the signer key is used.',
    )
  }
  const pkcs8 = key.export({ format: 'pem', type: 'pkcs8' }).toString()
  return {
    key: { algorithm: 'RS256', privateKey: await importPKCS8(pkcs8, 'RS256') },
    publicKey: createPublicKey(key),
  }
}

function rsaKeyOf(pem: string): KeyObject | undefined {
  try {
    const key = createPrivateKey(pem)
    return key.asymmetricKeyType === 'rsa' ? key : undefined
  } catch {
    return undefined
  }
}

/**
 * Reads the certificate of a key with those that vouch for it, PEM, in this order. Whether its root is trusted is for the reader of what is signed.
 *
 * @param publicKey of the key, which `setting` names
 * @throws EarwitnessError `certificate-…`
 */
export async function loadSignerCertificates(
  file: string,
  {
    publicKey,
    setting,
    nowUnixMs,
  }: { readonly publicKey: KeyObject; readonly setting: string; readonly nowUnixMs: number },
): Promise<VconCertificates> {
  const chain = parseChain(await readPem(file, 'certificate', 'signer.certificateFile'), file)
  const [leaf] = chain
  if (leaf === undefined) throw invalid(file, 'there is none in it')
  if (!isSameKey(leaf.publicKey, publicKey)) {
    throw new EarwitnessError(
      'certificate-other-key',
      `The first certificate in ${file} is not of the key in ${setting}.`,
      `signer.certificateFile needs a certificate of the key in ${setting}: have that key certified (openssl req -new -key KEY.pem), and put it first.`,
    )
  }
  chain.forEach((certificate, index) => {
    const issuer = chain[index + 1]
    if (issuer !== undefined && !(certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey)))
      throw invalid(file, `certificate ${index + 1} is not signed by the one behind it`)
    if (index > 0 && !certificate.ca) throw invalid(file, `certificate ${index + 1} may not vouch for others`)
    if (certificate.validToDate.getTime() < nowUnixMs || certificate.validFromDate.getTime() > nowUnixMs)
      throw notValidNow(certificate, `Certificate ${index + 1} of ${file}`)
  })
  const x5c = chain.map(({ raw }) => raw.toString('base64'))
  return { x5c, sha256: createHash('sha256').update(leaf.raw).digest('base64url') }
}

/** KeyObject.equals of keys of two kinds leaves an error behind in OpenSSL, by which the next key that is read fails. */
function isSameKey(one: KeyObject, other: KeyObject): boolean {
  const der = (key: KeyObject): Buffer => key.export({ format: 'der', type: 'spki' })
  return der(one).equals(der(other))
}

function notValidNow({ validFromDate, validToDate }: X509Certificate, which: string): EarwitnessError {
  return new EarwitnessError(
    'certificate-not-valid-now',
    `${which} is valid from ${validFromDate.toISOString()} to ${validToDate.toISOString()}, and not now.`,
    'Renew it, or look at the clock of this machine; export --unsigned writes a vCon without it.',
  )
}

async function readPem(file: string, what: 'certificate' | 'key', setting: string): Promise<string> {
  try {
    const bytes = await readFile(file)
    if (bytes.length <= KEY_FILE_BYTES_MAX) return bytes.toString('latin1')
  } catch (cause) {
    const hint = `Look at ${setting}, and who may read it; export --unsigned writes a vCon without it.`
    throw new EarwitnessError('certificate-unreadable', `The ${what} cannot be read: ${file}`, hint, { cause })
  }
  throw new EarwitnessError(
    'certificate-unreadable',
    `The ${what} is longer than ${KEY_FILE_BYTES_MAX} bytes: ${file}`,
    `Look whether ${setting} names another file; export --unsigned writes a vCon without it.`,
  )
}

function parseChain(pem: string, file: string): readonly X509Certificate[] {
  const blocks = pem.match(PEM) ?? []
  if (blocks.length > CERTIFICATES_MAX) throw invalid(file, `there are more than ${CERTIFICATES_MAX} in it`)
  try {
    return blocks.map((block) => new X509Certificate(block))
  } catch {
    throw invalid(file, 'one of them cannot be read')
  }
}

function invalid(file: string, why: string): EarwitnessError {
  return new EarwitnessError(
    'certificate-invalid',
    `This is no chain of certificates (${why}): ${file}`,
    'It must be PEM: the certificate of the key first, then those that vouch for it, each signed by the next.',
  )
}
