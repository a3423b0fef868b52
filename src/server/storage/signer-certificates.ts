import { createHash, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'

import { EarwitnessError } from '../../errors.ts'
import { readVerifyKey } from '../../evidence/signer-keys.ts'
import type { SignerCertificates } from '../../evidence/signed-vcon.ts'
import { KEY_FILE_BYTES_MAX } from './key-files.ts'

/** Of a chain; those that there are have two to four. */
export const CERTIFICATES_MAX = 10
const PEM = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

/**
 * Reads the certificate of the signer key with those that vouch for it, PEM, in this order. Whether its root is trusted is for the reader of what is signed.
 *
 * @param keyId of the signer key
 * @throws EarwitnessError `certificate-…`
 */
export async function loadSignerCertificates(
  file: string,
  { keyId, nowUnixMs }: { readonly keyId: string; readonly nowUnixMs: number },
): Promise<SignerCertificates> {
  const chain = parseChain(await readPem(file), file)
  const [leaf] = chain
  if (leaf === undefined) throw invalid(file, 'there is none in it')
  const key = await readVerifyKey(leaf.publicKey.export({ format: 'pem', type: 'spki' }).toString())
  if (!key.ok || key.value.keyId !== keyId) {
    throw new EarwitnessError(
      'certificate-other-key',
      `The first certificate in ${file} is not of the signer key of this recorder.`,
      'signer.certificateFile needs a certificate of the key in signer.keyFile: have that key certified (openssl req -new -key signer.pem), and put it first.',
    )
  }
  chain.forEach((certificate, index) => {
    const issuer = chain[index + 1]
    if (issuer !== undefined && !(certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey)))
      throw invalid(file, `certificate ${index + 1} is not signed by the one behind it`)
    if (index > 0 && !certificate.ca) throw invalid(file, `certificate ${index + 1} may not vouch for others`)
    if (certificate.validToDate.getTime() < nowUnixMs || certificate.validFromDate.getTime() > nowUnixMs)
      throw notValidNow(
        certificate,
        index === 0 ? 'The certificate of the signer key' : `Certificate ${index + 1} of ${file}`,
      )
  })
  const x5c = chain.map(({ raw }) => raw.toString('base64'))
  return { x5c, sha256: createHash('sha256').update(leaf.raw).digest('base64url') }
}

function notValidNow({ validFromDate, validToDate }: X509Certificate, which: string): EarwitnessError {
  return new EarwitnessError(
    'certificate-not-valid-now',
    `${which} is valid from ${validFromDate.toISOString()} to ${validToDate.toISOString()}, and not now.`,
    'Renew it, or look at the clock of this machine; export --unsigned writes a vCon without it.',
  )
}

async function readPem(file: string): Promise<string> {
  try {
    const bytes = await readFile(file)
    if (bytes.length <= KEY_FILE_BYTES_MAX) return bytes.toString('latin1')
  } catch (cause) {
    const hint = 'Look at signer.certificateFile, and who may read it; export --unsigned writes a vCon without it.'
    throw new EarwitnessError('certificate-unreadable', `The certificate cannot be read: ${file}`, hint, { cause })
  }
  throw invalid(file, `it is longer than ${KEY_FILE_BYTES_MAX} bytes`)
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
    'It must be PEM: the certificate of the signer key first, then those that vouch for it, each signed by the next.',
  )
}
