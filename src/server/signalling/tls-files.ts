import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createSecureContext, type SecureContextOptions } from 'node:tls'
import { EarwitnessError } from '../../errors.ts'

/** What a TLS listener needs; all files are PEM. */
export interface TlsSettings {
  /** Our certificate, and after it those between it and the root. */
  readonly certFile: string
  readonly keyFile: string
  /** Who may have signed the certificates of peers; undefined for the roots that Node brings. */
  readonly caFile: string | undefined
  /** Mutual TLS: a client without a certificate of {@link caFile} is turned away. */
  readonly requestCert: boolean
}

/**
 * Reads the files and tries them out, so that a bad one is found now and not at the first handshake.
 *
 * @throws EarwitnessError `sip-tls-files`
 */
export function readTlsFiles(settings: TlsSettings): SecureContextOptions {
  const cert = read(settings.certFile, 'sip.tls.certFile')
  const key = read(settings.keyFile, 'sip.tls.keyFile')
  const ca = settings.caFile === undefined ? {} : { ca: read(settings.caFile, 'sip.tls.caFile') }
  const options: SecureContextOptions = { cert, key, ...ca, minVersion: 'TLSv1.2' }
  try {
    if (new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))) {
      createSecureContext(options)
      return options
    }
  } catch (error) {
    throw unusable(
      'The files of sip.tls cannot be used',
      'They must be PEM: certificate chain, private key, CAs.',
      error,
    )
  }
  throw unusable('sip.tls.certFile and sip.tls.keyFile do not belong together', 'Take the key of this certificate.')
}

function read(file: string, key: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw unusable(`${key} cannot be read: ${file}`, 'Check the path and that this user may read it.', error)
  }
}

function unusable(sentence: string, hint: string, cause?: unknown): EarwitnessError {
  return new EarwitnessError('sip-tls-files', `${sentence}.`, hint, { cause })
}
