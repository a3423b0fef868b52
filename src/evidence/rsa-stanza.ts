import { accepted, rejected, type Result } from '../result.ts'
import { fromBase64, toBase64 } from './ledger/base64.ts'
import { isVaultProvider, RSA_VAULT_KEYS_MAX, type VaultProvider } from './vault-recipient.ts'

/** Type of the stanza, the first word behind `-> `. FORMAT.md 2.3 */
export const RSA_STANZA_TYPE = 'earwitness-rsa-oaep-sha256'

/** One-time identity of a wrapped key, encrypted to an RSA key of a key service. */
export interface RsaStanza {
  readonly provider: VaultProvider
  /** Of the RSA key: SHA-256 of its SubjectPublicKeyInfo, Base64 without padding. */
  readonly fingerprint: string
  readonly ciphertext: Uint8Array
}

/** What the header of a wrapped key says of who can open it. */
export interface WrappedKeyHeader {
  /** Stanzas of X25519, of which one belongs to each RSA stanza. */
  readonly x25519: number
  readonly rsa: readonly RsaStanza[]
}

/** Of a header with as many recipients as there may be. */
const HEADER_BYTES_MAX = 16 * 1024
const VERSION_LINE = 'age-encryption.org/v1'
const COLUMNS = 64
/** Of 4096 bits, in lines of 64 characters. */
const BODY_LINES_MAX = 11
const CIPHERTEXT_LENGTHS: readonly number[] = [384, 512]

/** The lines of an RSA stanza, each with its line feed. age.md "Recipient stanza": a body ends with a line shorter than 64 characters, which may be empty. */
export function rsaStanzaText({ provider, fingerprint, ciphertext }: RsaStanza): string {
  const body = toBase64(ciphertext).replaceAll('=', '')
  const lines: string[] = []
  for (let offset = 0; offset <= body.length; offset += COLUMNS) lines.push(body.slice(offset, offset + COLUMNS))
  return `-> ${RSA_STANZA_TYPE} ${provider} ${fingerprint}\n${lines.join('\n')}\n`
}

/**
 * Reads the header of a wrapped key. Anything that a recorder does not write is `notSealed`: other types of stanza, lines of other lengths, an RSA stanza that does not stand behind an
 * X25519 one, more than {@link RSA_VAULT_KEYS_MAX} of them. Runs in browsers too; never throws.
 */
export function readWrappedKeyHeader(sealed: Uint8Array): Result<WrappedKeyHeader, 'notSealed'> {
  const lines = new TextDecoder('latin1').decode(sealed.subarray(0, HEADER_BYTES_MAX)).split('\n')
  if (lines[0] !== VERSION_LINE) return rejected('notSealed')
  const rsa: RsaStanza[] = []
  let x25519 = 0
  let line = 1
  let isBehindX25519 = false
  while (lines[line]?.startsWith('-> ') === true) {
    if (/^-> X25519 [A-Za-z0-9+/]{43}$/u.test(lines[line] ?? '')) {
      if (!/^[A-Za-z0-9+/]{43}$/u.test(lines[line + 1] ?? '')) return rejected('notSealed')
      x25519 += 1
      line += 2
      isBehindX25519 = true
      continue
    }
    const stanza = isBehindX25519 ? readRsaStanza(lines, line) : undefined
    if (stanza === undefined || rsa.length >= RSA_VAULT_KEYS_MAX) return rejected('notSealed')
    rsa.push(stanza.value)
    line = stanza.next
    isBehindX25519 = false
  }
  if (!/^--- [A-Za-z0-9+/]{43}$/u.test(lines[line] ?? '')) return rejected('notSealed')
  return accepted({ x25519, rsa })
}

function readRsaStanza(
  lines: readonly string[],
  start: number,
): { readonly value: RsaStanza; readonly next: number } | undefined {
  const [arrow, type, provider = '', fingerprint = '', ...more] = (lines[start] ?? '').split(' ')
  if (arrow !== '->' || type !== RSA_STANZA_TYPE || more.length > 0) return undefined
  if (!isVaultProvider(provider) || !/^[A-Za-z0-9+/]{43}$/u.test(fingerprint)) return undefined
  let body = ''
  for (let line = start + 1; line <= start + BODY_LINES_MAX; line += 1) {
    const text = lines[line]
    if (text === undefined || text.length > COLUMNS || !/^[A-Za-z0-9+/]*$/u.test(text)) return undefined
    body += text
    if (text.length === COLUMNS) continue
    const ciphertext = fromBase64(body + '='.repeat((4 - (body.length % 4)) % 4))
    if (ciphertext === undefined || !CIPHERTEXT_LENGTHS.includes(ciphertext.length)) return undefined
    return { value: { provider, fingerprint, ciphertext }, next: line + 1 }
  }
  return undefined
}
